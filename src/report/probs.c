/* Candidates over time: for each choice one chart with a curve an option.
 *
 *   of gradient methods   softmax(alpha), from event files or probs_ESTIM.tsv
 *   of what proposes      how often an option was proposed, from the architectures of history.tsv, by stretches
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/sections.h"

enum { MOST_PANELS = 48, MOST_OPTIONS = 14, MOST_PARSED = 4000, STRETCHES = 10 };

typedef struct option {
    const char *name; /* owned by panels.names */
    mn_dots points;
    double count; /* in the stretch that is counted */
} option;

typedef struct panel {
    const char *name;
    mn_vec options; /* option */
} panel;

typedef struct panels {
    modnas_ctx *ctx;
    mn_map names;
    mn_vec all;         /* panel */
    mn_vec styles;      /* const char *: names of options, in the order met */
    size_t n_left_out;
    const char *x_label, *y_label;
} panels;

/* ---- collecting ------------------------------------------------------------------------------------------ */

/* *out NULL: there are too many. */
static int panel_of(panels *p, const char *name, panel **out) {
    *out = NULL;
    for (size_t i = 0; i < p->all.n && !*out; i++)
        if (strcmp(MN_AT(p->all, panel, i).name, name) == 0) *out = &MN_AT(p->all, panel, i);
    if (*out || p->all.n == MOST_PANELS) {
        p->n_left_out += !*out;
        return 0;
    }
    panel fresh = {.name = NULL};
    MN_TRY(mn_map_name(p->ctx, &p->names, name, &fresh.name));
    mn_vec_init(&fresh.options, sizeof(option));
    *out = mn_vec_push(p->ctx, &p->all, &fresh, 1);
    return *out ? 0 : MODNAS_ENOMEM;
}

static int note_style(panels *p, const char *name) {
    for (size_t i = 0; i < p->styles.n; i++)
        if (MN_AT(p->styles, const char *, i) == name) return 0;
    return mn_vec_push(p->ctx, &p->styles, &name, 1) ? 0 : MODNAS_ENOMEM;
}

static int32_t style_of(const panels *p, const char *name) {
    for (size_t i = 0; i < p->styles.n; i++)
        if (MN_AT(p->styles, const char *, i) == name) return (int32_t)i;
    return 0;
}

static int option_of(panels *p, const char *panel_name, const char *name, option **out) {
    panel *at;
    *out = NULL;
    MN_TRY(panel_of(p, panel_name, &at));
    for (size_t i = 0; at && i < at->options.n && !*out; i++)
        if (strcmp(MN_AT(at->options, option, i).name, name) == 0) *out = &MN_AT(at->options, option, i);
    if (*out || !at || at->options.n == MOST_OPTIONS) return 0;
    option fresh = {.count = 0};
    MN_TRY(mn_map_name(p->ctx, &p->names, name, &fresh.name));
    MN_TRY(note_style(p, fresh.name));
    mn_dots_init(&fresh.points);
    *out = mn_vec_push(p->ctx, &at->options, &fresh, 1);
    return *out ? 0 : MODNAS_ENOMEM;
}

static void release(panels *p) {
    for (size_t i = 0; i < p->all.n; i++) {
        panel *at = &MN_AT(p->all, panel, i);
        for (size_t k = 0; k < at->options.n; k++) mn_dots_free(p->ctx, &MN_AT(at->options, option, k).points);
        mn_vec_free(p->ctx, &at->options);
    }
    mn_vec_free(p->ctx, &p->all);
    mn_vec_free(p->ctx, &p->styles);
    mn_map_free(p->ctx, &p->names);
}

/* ---- event files ----------------------------------------------------------------------------------------- */

/* arch/SLOT/CANDIDATE */
static int from_events(panels *p, const mn_experiment *e) {
    p->x_label = "step (batches)";
    p->y_label = "probability";
    for (size_t i = 0; i < e->scalars.n; i++) {
        void *value;
        char name[256];
        option *o;
        const char *tag = mn_map_key(&e->scalars, i, &value), *end = strrchr(tag, '/');
        if (strncmp(tag, "arch/", 5) != 0 || end < tag + 5 || (size_t)(end - tag) > sizeof name) continue;
        snprintf(name, sizeof name, "Slot %.*s", (int)(end - tag - 5), tag + 5);
        MN_TRY(option_of(p, name, end + 1, &o));
        const mn_dots *from = value;
        for (size_t k = 0; o && k < from->x.n; k++)
            MN_TRY(mn_dots_add(p->ctx, &o->points, MN_AT(from->x, double, k), MN_AT(from->y, double, k)));
    }
    return 0;
}

/* ---- probs_ESTIM.tsv ------------------------------------------------------------------------------------- */

static int from_rows(panels *p, const mn_grid *g) {
    int32_t epoch, param, name, probability;
    MN_TRY(mn_grid_need(g, "epoch", &epoch));
    MN_TRY(mn_grid_need(g, "param", &param));
    MN_TRY(mn_grid_need(g, "option", &name));
    MN_TRY(mn_grid_need(g, "probability", &probability));
    p->x_label = "epoch";
    p->y_label = "probability";
    for (size_t i = 0; i < g->n; i++) {
        double x, y;
        option *o;
        MN_TRY(mn_grid_real(g, i, epoch, &x));
        MN_TRY(mn_grid_real(g, i, probability, &y));
        if (!isfinite(x) || !isfinite(y)) continue; /* a choice without logits */
        MN_TRY(option_of(p, mn_grid_cell(g, i, param), mn_grid_cell(g, i, name), &o));
        if (o) MN_TRY(mn_dots_add(p->ctx, &o->points, x, y));
    }
    return 0;
}

static int from_stats(panels *p, const mn_experiment *e, const char *estim) {
    mn_grid g;
    if (strchr(estim, '/')) return 0;
    char *path = mn_experiment_path(e, "outputs/probs_", estim, ".tsv");
    int rc = path ? mn_grid_read(e->ctx, path, &g) : MODNAS_ENOMEM;
    mn_free(e->ctx, path);
    if (rc) return rc == MODNAS_ENOTFOUND ? 0 : rc;
    rc = from_rows(p, &g);
    mn_grid_free(&g);
    return rc;
}

/* ---- history --------------------------------------------------------------------------------------------- */

/* "MB3E3", [MB3E3] or 3: the option's name; NULL: it is none. */
static const char *option_name(const mn_node *item) {
    if (item->kind == MN_SEQ && item->n) item = item->items[0];
    return item->kind == MN_SEQ || item->kind == MN_MAP || item->kind == MN_NULL ? NULL : item->text;
}

static int count_arch(panels *p, const mn_node *arch) {
    for (size_t i = 0; i < arch->n && (arch->kind == MN_SEQ || arch->kind == MN_MAP); i++) {
        const char *name = option_name(arch->items[i]);
        char number[32];
        option *o = NULL;
        snprintf(number, sizeof number, "Slot %zu", i);
        if (name) MN_TRY(option_of(p, arch->kind == MN_MAP ? arch->keys[i] : number, name, &o));
        if (o) o->count++;
    }
    return 0;
}

static int count_row(panels *p, const mn_experiment *e, size_t row) {
    const char *text = mn_grid_cell(&e->history, row, e->col_arch);
    mn_node *docs;
    MN_TRY(mn_yaml_read(e->ctx, text, strlen(text), e->history.file, &docs));
    const int rc = docs->n ? count_arch(p, docs->items[0]) : 0;
    mn_node_free(e->ctx, docs);
    return rc;
}

/* An option that was met late had no share before. */
static int pad_options(panels *p, const panel *at) {
    const mn_dots *longest = NULL;
    for (size_t k = 0; k < at->options.n; k++) {
        const mn_dots *l = &MN_AT(at->options, option, k).points;
        if (!longest || l->x.n > longest->x.n) longest = l;
    }
    for (size_t k = 0; k < at->options.n; k++) {
        mn_dots *l = &MN_AT(at->options, option, k).points;
        while (l->x.n < longest->x.n) MN_TRY(mn_dots_add(p->ctx, l, MN_AT(longest->x, double, l->x.n), 0));
    }
    return 0;
}

/* Shares of the options in a stretch; counts begin anew. */
static int end_stretch(panels *p, double x) {
    for (size_t i = 0; i < p->all.n; i++) {
        panel *at = &MN_AT(p->all, panel, i);
        double sum = 0;
        MN_TRY(pad_options(p, at));
        for (size_t k = 0; k < at->options.n; k++) sum += MN_AT(at->options, option, k).count;
        for (size_t k = 0; k < at->options.n; k++) {
            option *o = &MN_AT(at->options, option, k);
            MN_TRY(mn_dots_add(p->ctx, &o->points, x, sum > 0 ? o->count / sum : NAN));
            o->count = 0;
        }
    }
    return 0;
}

static size_t rows_of(const mn_experiment *e, const char *estim) {
    size_t n = 0;
    for (size_t i = 0; i < e->history.n; i++) n += (size_t)mn_history_is_of(e, i, estim);
    return n;
}

static int from_history(panels *p, const mn_experiment *e, const char *estim) {
    const size_t n = rows_of(e, estim), every = n / MOST_PARSED + 1, stretches = n / 5 < STRETCHES ? n / 5 + 1 : STRETCHES;
    size_t at = 0, done = 0;
    p->x_label = "evaluation (number)";
    p->y_label = "share of proposals";
    for (size_t i = 0; i < e->history.n; i++) {
        if (!mn_history_is_of(e, i, estim)) continue;
        if (at % every == 0) MN_TRY(count_row(p, e, i));
        at++;
        if (at * stretches < (done + 1) * n) continue;
        MN_TRY(end_stretch(p, (double)at));
        done++;
    }
    return 0;
}

/* ---- drawing --------------------------------------------------------------------------------------------- */

static int draw_panel(mn_str *s, const panels *p, const panel *at) {
    mn_curve curves[MOST_OPTIONS];
    for (size_t k = 0; k < at->options.n; k++) {
        const option *o = &MN_AT(at->options, option, k);
        curves[k] = mn_dots_curve(&o->points, o->name, MN_CURVE_LINE, style_of(p, o->name));
    }
    const mn_chart c = {.title = at->name,
                        .x_label = p->x_label,
                        .y_label = p->y_label,
                        .curves = curves,
                        .n = at->options.n,
                        .is_small = 1,
                        .is_share = 1,
                        .no_legend = 1};
    mn_chart_add(s, &c);
    return 0;
}

static int draw_legend(mn_str *s, const panels *p) {
    mn_curve *curves = mn_alloc(p->ctx, p->styles.n + 1, sizeof *curves);
    if (!curves) return MODNAS_ENOMEM;
    for (size_t i = 0; i < p->styles.n; i++)
        curves[i] = (mn_curve){.name = MN_AT(p->styles, const char *, i), .kind = MN_CURVE_LINE, .style = (int32_t)i};
    mn_chart_legend(s, curves, p->styles.n);
    mn_free(p->ctx, curves);
    return 0;
}

/* The last values, as numbers. */
static void draw_table(mn_str *s, const panels *p) {
    mn_str_add(s, "<details><summary>At the end, in numbers</summary>\n");
    mn_html_table(s);
    mn_str_add(s, "<tr><td></td>");
    for (size_t i = 0; i < p->styles.n; i++) mn_html_say(s, "th scope=\"col\"", "%.80s", MN_AT(p->styles, const char *, i));
    mn_str_add(s, "</tr>\n");
    for (size_t i = 0; i < p->all.n; i++) {
        const panel *at = &MN_AT(p->all, panel, i);
        mn_str_add(s, "<tr>");
        mn_html_say(s, "th scope=\"row\"", "%.80s", at->name);
        for (size_t j = 0; j < p->styles.n; j++) {
            double last = NAN;
            for (size_t k = 0; k < at->options.n; k++) {
                const option *o = &MN_AT(at->options, option, k);
                if (o->name == MN_AT(p->styles, const char *, j) && o->points.y.n) last = MN_AT(o->points.y, double, o->points.y.n - 1);
            }
            mn_str_add(s, "<td>");
            mn_html_number(s, last);
            mn_str_add(s, "</td>");
        }
        mn_str_add(s, "</tr>\n");
    }
    mn_html_table_end(s);
    mn_str_add(s, "</details>\n");
}

static int draw(mn_str *s, const panels *p, const char *what) {
    mn_html_say(s, "p", "%s", what);
    MN_TRY(draw_legend(s, p));
    mn_str_add(s, "<div class=\"charts small\">\n");
    for (size_t i = 0; i < p->all.n; i++) MN_TRY(draw_panel(s, p, &MN_AT(p->all, panel, i)));
    mn_str_add(s, "</div>\n");
    if (p->n_left_out)
        mn_html_say(s, "p class=\"note\"", "The first %d choices are drawn, further ones are not.", MOST_PANELS);
    draw_table(s, p);
    return 0;
}

/* Candidates have the colours that they have in the picture of the network: by their order in the configuration. */
static int note_candidates(panels *p, const mn_experiment *e) {
    const mn_node *all = mn_node_path(e->config, "mixed_op.candidates");
    for (size_t i = 0; all && (all->kind == MN_SEQ || all->kind == MN_MAP) && i < all->n; i++) {
        const char *name = all->kind == MN_MAP ? all->keys[i] : all->items[i]->kind == MN_STR ? all->items[i]->text : NULL;
        if (!name || p->styles.n == MOST_OPTIONS) continue;
        MN_TRY(mn_map_name(p->ctx, &p->names, name, &name));
        MN_TRY(note_style(p, name));
    }
    return 0;
}

static int add_panels(mn_str *s, const mn_experiment *e, panels *p) {
    const char *estim = NULL;
    (void)mn_experiment_found(e, &estim);
    MN_TRY(note_candidates(p, e));
    MN_TRY(from_events(p, e));
    if (p->all.n) return draw(s, p, "softmax of the architecture parameters after each epoch: how probable a candidate is.");
    if (estim) MN_TRY(from_stats(p, e, estim));
    if (p->all.n) return draw(s, p, "softmax of the architecture parameters: how probable a candidate is.");
    if (estim && e->history.n) MN_TRY(from_history(p, e, estim));
    if (p->all.n)
        return draw(s, p,
                    "The search proposes architectures and has no probabilities. Instead: which share of its proposals had an "
                    "option, by stretches of the search.");
    mn_html_say(s, "p class=\"missing\"",
                "Neither event files ('writer: {enabled: true}') nor probs_ESTIM.tsv ('callback: {stats: MixedOpStatsReporter}') nor "
                "architectures with choices in history.tsv are there.");
    return 0;
}

int mn_report_probs(mn_str *s, const mn_experiment *e) {
    panels p = {.ctx = e->ctx};
    mn_vec_init(&p.all, sizeof(panel));
    mn_vec_init(&p.styles, sizeof(const char *));
    mn_html_section(s, "probabilities", "Candidates over time");
    const int rc = add_panels(s, e, &p);
    release(&p);
    mn_html_section_end(s);
    return rc;
}
