/* Scores, accuracy and loss over the run: from history.tsv each evaluation, from event files each batch. */
#include <math.h>
#include <string.h>

#include "report/sections.h"

enum { FEW = 40 /* evaluations that are joined by a line */, MOST_POINTS = 300, MOST_COLUMNS = 6 };

/* ---- scores of a search ---------------------------------------------------------------------------------- */

static int best_so_far(modnas_ctx *ctx, const mn_dots *p, mn_dots *out) {
    double best = NAN;
    for (size_t i = 0; i < p->x.n; i++) {
        const double y = MN_AT(p->y, double, i);
        if (!(y <= best) && isfinite(y)) best = y;
        MN_TRY(mn_dots_add(ctx, out, MN_AT(p->x, double, i), best));
    }
    return 0;
}

static void draw_scores(mn_str *s, const mn_dots *p, const mn_dots *best, const char *name, double random) {
    mn_curve curves[3] = {mn_dots_curve(p, "an evaluation", p->x.n > FEW ? MN_CURVE_DOTS : MN_CURVE_MARKS, 5),
                          mn_dots_curve(best, "best so far", MN_CURVE_LINE, 0),
                          {.name = "best at random", .kind = MN_CURVE_LEVEL, .at = random}};
    char title[256];
    mn_str text = {.ctx = s->ctx};
    mn_str_addf(&text, "Scores of %.180s", name);
    memcpy(title, text.text ? text.text : "Scores", text.text ? text.n + 1 : 7);
    mn_str_free(&text);
    const mn_chart c = {.title = title,
                        .x_label = "evaluation (number)",
                        .y_label = "score (more is better)",
                        .curves = curves,
                        .n = isfinite(random) ? 3 : 2};
    mn_chart_add(s, &c);
}

static int add_scores(mn_str *s, const mn_experiment *e, const char *name, const mn_node *estim) {
    mn_dots p, best;
    mn_dots_init(&p);
    mn_dots_init(&best);
    int rc = mn_history_dots(e, name, e->col_score, &p);
    if (!rc) rc = best_so_far(e->ctx, &p, &best);
    if (!rc && p.x.n > 1) draw_scores(s, &p, &best, name, mn_at_real(estim, "baseline.best.score"));
    mn_dots_free(e->ctx, &p);
    mn_dots_free(e->ctx, &best);
    return rc;
}

/* ---- metrics of evaluations ------------------------------------------------------------------------------ */

/* Accuracies and losses; where there are none by these names (a table), whatever was measured. */
static int is_curve(const char *column, int any) {
    static const char *const no[] = {"index", "estim", "arch", "status", "score"};
    if (!any) return strncmp(column, "acc", 3) == 0 || strcmp(column, "loss") == 0;
    for (size_t i = 0; i < MN_COUNT(no); i++)
        if (strcmp(column, no[i]) == 0) return 0;
    return 1;
}

typedef struct drawing {
    mn_dots *points; /* of each estimator */
    mn_curve *curves;
    size_t n;
} drawing;

static int draw_column(mn_str *s, const mn_experiment *e, int32_t column, drawing *d) {
    const mn_node *all = mn_experiment_estims(e);
    const char *name = mn_grid_name(&e->history, column);
    char title[160];
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        MN_TRY(mn_history_dots(e, all->keys[i], column, &d->points[i]));
        const size_t k = d->points[i].x.n;
        if (k) d->curves[n++] = mn_dots_curve(&d->points[i], all->keys[i], k > FEW ? MN_CURVE_DOTS : MN_CURVE_LINE, (int32_t)i);
    }
    mn_str text = {.ctx = s->ctx};
    mn_str_addf(&text, "Evaluations: %.100s", name);
    if (text.failed || text.n >= sizeof title) {
        mn_str_free(&text);
        return MODNAS_ENOMEM;
    }
    memcpy(title, text.text, text.n + 1);
    mn_str_free(&text);
    const mn_chart c = {.title = title, .x_label = "evaluation (number)", .y_label = mn_metric_label(name), .curves = d->curves, .n = n};
    if (n) mn_chart_add(s, &c);
    return 0;
}

static int add_column(mn_str *s, const mn_experiment *e, int32_t column) {
    drawing d = {.n = mn_experiment_estims(e)->n};
    d.points = mn_alloc(e->ctx, d.n + 1, sizeof *d.points);
    d.curves = mn_alloc(e->ctx, d.n + 1, sizeof *d.curves);
    for (size_t i = 0; d.points && i < d.n; i++) mn_dots_init(&d.points[i]);
    const int rc = d.points && d.curves ? draw_column(s, e, column, &d) : MODNAS_ENOMEM;
    for (size_t i = 0; d.points && i < d.n; i++) mn_dots_free(e->ctx, &d.points[i]);
    mn_free(e->ctx, d.points);
    mn_free(e->ctx, d.curves);
    return rc;
}

/* ---- training -------------------------------------------------------------------------------------------- */

static int draw_training(mn_str *s, const mn_experiment *e, const char *title, const char *label, const char *const tags[2],
                         mn_dots thin[2]) {
    static const char *const names[] = {"training", "validation"};
    mn_curve curves[2];
    size_t n = 0, each, most = 1;
    for (int i = 0; i < 2; i++) {
        const mn_dots *p = mn_experiment_scalar(e, tags[i]);
        if (!p || !p->x.n) continue;
        MN_TRY(mn_dots_thin(e->ctx, p, MOST_POINTS, &thin[i], &each));
        if (each > most) most = each;
        curves[n++] = mn_dots_curve(&thin[i], names[i], MN_CURVE_LINE, i);
    }
    const mn_chart c = {.title = title, .x_label = "step (batches of all epochs)", .y_label = label, .curves = curves, .n = n};
    if (n) mn_chart_add(s, &c);
    return 0;
}

static int add_training(mn_str *s, const mn_experiment *e) {
    static const struct {
        const char *title, *label, *tags[2];
    } rows[] = {{"Loss of batches", "loss", {"trainer/train/loss", "trainer/valid/loss"}},
                {"Accuracy of batches", "accuracy, top 1 (0 to 1)", {"trainer/train/acc_top1", "trainer/valid/acc_top1"}},
                {"Learning rate", "learning rate", {"trainer/train/LR", "trainer/valid/LR"}}};
    int rc = 0;
    for (size_t i = 0; i < MN_COUNT(rows) && !rc; i++) {
        mn_dots thin[2];
        mn_dots_init(&thin[0]);
        mn_dots_init(&thin[1]);
        rc = draw_training(s, e, rows[i].title, rows[i].label, rows[i].tags, thin);
        mn_dots_free(e->ctx, &thin[0]);
        mn_dots_free(e->ctx, &thin[1]);
    }
    return rc;
}

static void add_notes(mn_str *s, const mn_experiment *e) {
    const mn_dots *p = mn_experiment_scalar(e, "trainer/train/loss");
    if (p && p->x.n > MOST_POINTS)
        mn_html_say(s, "p class=\"note\"", "Batches: %zu in training; a point of a curve is the mean of %zu in a row.", p->x.n,
                    (p->x.n + MOST_POINTS - 1) / MOST_POINTS);
    if (e->n_torn)
        mn_html_say(s, "p class=\"note\"", "%zu of %zu event files end in half a record: the run was killed there.", e->n_torn,
                    e->n_event_files);
    if (!p)
        mn_html_say(s, "p class=\"missing\"",
                    "Losses and accuracies of batches are not there: nothing was trained, or the run had no "
                    "'writer: {enabled: true}'.");
}

/* *n: how many there were. */
static int add_columns(mn_str *s, const mn_experiment *e, int any, int *n) {
    *n = 0;
    for (size_t i = 0; i < e->history.n_columns && *n < MOST_COLUMNS; i++) {
        if (!is_curve(mn_grid_name(&e->history, (int32_t)i), any)) continue;
        MN_TRY(add_column(s, e, (int32_t)i));
        ++*n;
    }
    return 0;
}

int mn_report_curves(mn_str *s, const mn_experiment *e) {
    const mn_node *all = mn_experiment_estims(e);
    int rc = 0, n_columns = 0;
    mn_html_section(s, "curves", "Scores, accuracy and loss");
    if (!e->history.n)
        mn_html_say(s, "p class=\"missing\"", "%s", e->history.file ? "Nothing was evaluated: history.tsv has no lines."
                                                                    : "There is no outputs/history.tsv in the folder.");
    mn_str_add(s, "<div class=\"charts\">\n");
    for (size_t i = 0; i < all->n && e->history.n && !rc; i++) rc = add_scores(s, e, all->keys[i], all->items[i]);
    if (e->history.n && !rc) rc = add_columns(s, e, 0, &n_columns);
    if (e->history.n && !rc && !n_columns) rc = add_columns(s, e, 1, &n_columns);
    if (!rc) rc = add_training(s, e);
    mn_str_add(s, "</div>\n");
    add_notes(s, e);
    mn_html_section_end(s);
    return rc;
}
