/* What `modnas profile --check` left: networks at random, predicted and measured, and the residual of each Slot. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/sections.h"
#include "search/rank.h"

static const char before_slot[] = "residual_ms.";

/* ---- pairs ----------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of |predicted - measured| / measured. */
static int median_error(modnas_ctx *ctx, const mn_dots *p, double *out) {
    const size_t n = p->x.n;
    double *errors = mn_alloc(ctx, n + 1, sizeof *errors);
    if (!errors) return MODNAS_ENOMEM;
    for (size_t i = 0; i < n; i++) errors[i] = fabs(MN_AT(p->y, double, i) - MN_AT(p->x, double, i)) / MN_AT(p->x, double, i);
    qsort(errors, n, sizeof *errors, by_value);
    *out = n ? (errors[(n - 1) / 2] + errors[n / 2]) / 2 : NAN;
    mn_free(ctx, errors);
    return 0;
}

int mn_report_timings(mn_str *s, modnas_ctx *ctx, const char *title, const mn_dots *p) {
    char count[48], rho[48], error[48];
    double correlation, wrong, ends[2] = {NAN, NAN};
    for (size_t i = 0; i < p->x.n; i++) {
        ends[0] = fmin(ends[0], MN_AT(p->x, double, i));
        ends[1] = fmax(ends[1], MN_AT(p->x, double, i));
    }
    MN_TRY(mn_spearman(ctx, p->x.data, p->y.data, p->x.n, &correlation));
    MN_TRY(median_error(ctx, p, &wrong));
    const mn_curve curves[] = {mn_dots_curve(p, "a network", MN_CURVE_DOTS, 0),
                               {.name = "predicted as measured", .kind = MN_CURVE_LINE, .style = 6, .x = ends, .y = ends, .n = 2}};
    const mn_chart c = {.title = title, .x_label = "measured (ms)", .y_label = "predicted (ms)", .curves = curves, .n = 2, .is_square = 1};
    mn_str_add(s, "<div class=\"charts\">\n");
    mn_chart_add(s, &c);
    mn_str_add(s, "</div>\n");
    mn_html_say(s, "p", "%s networks: rank correlation (Spearman) %s, median error %s %%.", mn_html_readable((double)p->x.n, count),
                mn_html_readable(mn_html_round(correlation, 4), rho), mn_html_readable(mn_html_round(100 * wrong, 3), error));
    return 0;
}

/* ---- residuals ------------------------------------------------------------------------------------------- */

typedef struct part { /* a Slot, or the fixed part, over all networks */
    const char *slot;
    double mean, least, most;
    size_t n;
} part;

static int read_part(const mn_grid *g, int32_t column, part *p, mn_dots *dots, size_t number) {
    double sum = 0, x;
    *p = (part){.slot = mn_grid_name(g, column) + sizeof before_slot - 1, .least = NAN, .most = NAN};
    for (size_t i = 0; i < g->n; i++) {
        MN_TRY(mn_grid_real(g, i, column, &x));
        if (!isfinite(x)) continue;
        sum += x;
        p->n++;
        if (!(x >= p->least)) p->least = x;
        if (!(x <= p->most)) p->most = x;
        MN_TRY(mn_dots_add(g->ctx, dots, (double)number, x));
    }
    p->mean = p->n ? sum / (double)p->n : NAN;
    return 0;
}

static void add_part(mn_str *s, const part *p, size_t number) {
    const double cells[] = {p->mean, p->least, p->most};
    mn_str_addf(s, "<tr><th scope=\"row\">%zu</th><td>", number);
    mn_html_text(s, p->slot, MN_HTML_TEXT);
    mn_str_add(s, "</td>");
    for (size_t i = 0; i < MN_COUNT(cells); i++) {
        mn_str_add(s, "<td>");
        mn_html_number(s, cells[i]);
        mn_str_add(s, "</td>");
    }
    mn_str_add(s, "</tr>\n");
}

static int is_part(const mn_grid *g, int32_t column) {
    return strncmp(mn_grid_name(g, column), before_slot, sizeof before_slot - 1) == 0;
}

/* all: of each network; means: of each Slot. */
static int add_parts(mn_str *s, const mn_grid *g, mn_dots *all, mn_dots *means) {
    size_t number = 0;
    mn_html_say(s, "h3", "Residuals by Slot");
    mn_html_say(s, "p", "Predicted less measured time of each part, over the networks: where a table is wrong, and which way.");
    mn_html_table(s);
    mn_html_row(s, 1, (const char *const[]){"number", "Slot", "mean (ms)", "least (ms)", "most (ms)"}, 5);
    for (int32_t i = 0; i < (int32_t)g->n_columns; i++) {
        part p;
        if (!is_part(g, i)) continue;
        MN_TRY(read_part(g, i, &p, all, ++number));
        MN_TRY(mn_dots_add(g->ctx, means, (double)number, p.mean));
        add_part(s, &p, number);
    }
    mn_html_table_end(s);
    return 0;
}

static void draw_parts(mn_str *s, const mn_dots *all, const mn_dots *means) {
    const mn_curve curves[] = {mn_dots_curve(all, "a network", MN_CURVE_DOTS, 5),
                               mn_dots_curve(means, "mean", MN_CURVE_MARKS, 1),
                               {.name = "no error", .kind = MN_CURVE_LEVEL}};
    const mn_chart c = {.title = "Residuals by Slot", .x_label = "number in the table", .y_label = "predicted less measured (ms)",
                        .curves = curves, .n = MN_COUNT(curves)};
    mn_str_add(s, "<div class=\"charts\">\n");
    mn_chart_add(s, &c);
    mn_str_add(s, "</div>\n");
}

static int add_residuals(mn_str *s, const mn_grid *g) {
    mn_dots all, means;
    int there = 0;
    for (int32_t i = 0; i < (int32_t)g->n_columns; i++) there |= is_part(g, i);
    if (!there) return 0;
    mn_dots_init(&all);
    mn_dots_init(&means);
    const int rc = add_parts(s, g, &all, &means);
    if (!rc) draw_parts(s, &all, &means);
    mn_dots_free(g->ctx, &all);
    mn_dots_free(g->ctx, &means);
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------------------- */

static int read_pairs(const mn_grid *g, mn_dots *out) {
    int32_t predicted, measured;
    MN_TRY(mn_grid_need(g, "predicted_ms", &predicted));
    MN_TRY(mn_grid_need(g, "measured_ms", &measured));
    for (size_t i = 0; i < g->n; i++) {
        double x, y;
        MN_TRY(mn_grid_real(g, i, measured, &x));
        MN_TRY(mn_grid_real(g, i, predicted, &y));
        if (isfinite(x) && isfinite(y) && x > 0) MN_TRY(mn_dots_add(g->ctx, out, x, y));
    }
    return 0;
}

static int add(mn_str *s, const mn_grid *g) {
    mn_dots pairs;
    mn_dots_init(&pairs);
    int rc = read_pairs(g, &pairs);
    if (!rc) rc = mn_report_timings(s, g->ctx, "Latency of networks at random", &pairs);
    mn_dots_free(g->ctx, &pairs);
    return rc ? rc : add_residuals(s, g);
}

int mn_report_check(mn_str *s, const mn_experiment *e, int *there) {
    mn_grid g;
    char *path = mn_experiment_path(e, MN_CHECK_FILE, "", "");
    const int rc = path ? mn_grid_read(e->ctx, path, &g) : MODNAS_ENOMEM;
    mn_free(e->ctx, path);
    *there = !rc;
    if (rc) return rc == MODNAS_ENOTFOUND ? 0 : rc;
    const int added = add(s, &g);
    mn_grid_free(&g);
    return added;
}
