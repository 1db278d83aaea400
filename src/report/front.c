/* Trade-offs: the Pareto front of several goals; of one goal, what it costs to have more of it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "report/sections.h"

enum { MOST_MEMBERS = 200 };

typedef struct trade {
    const mn_experiment *e;
    const char *estim;
    const mn_node *section; /* of results */
    const char *x, *y;      /* metrics; y NULL: the score */
    mn_dots all, front;
    double bound;           /* of a limit on x; NaN: there is none */
    char limit[128];
} trade;

/* ---- which axes ------------------------------------------------------------------------------------------ */

/* The i-th goal of the objective, those that are maximized first. */
static const char *goal(const mn_experiment *e, size_t i) {
    static const char *const lists[] = {"objective.maximize", "objective.minimize"};
    for (size_t k = 0; k < MN_COUNT(lists); k++) {
        const mn_node *list = mn_node_path(e->config, lists[k]);
        const size_t n = list && list->kind == MN_SEQ ? list->n : 0;
        if (i < n) return list->items[i]->kind == MN_STR ? list->items[i]->text : NULL;
        i -= n;
    }
    return NULL;
}

static int varies(const mn_experiment *e, const char *estim, int32_t column, int *out) {
    mn_dots p;
    double low = NAN, high = NAN;
    mn_dots_init(&p);
    const int rc = mn_history_dots(e, estim, column, &p);
    for (size_t i = 0; i < p.y.n; i++) {
        const double v = MN_AT(p.y, double, i);
        if (!isfinite(v)) continue;
        if (!(v >= low)) low = v;
        if (!(v <= high)) high = v;
    }
    *out = high > low;
    mn_dots_free(e->ctx, &p);
    return rc;
}

/* Is there a limit on it? */
static int is_limited(const trade *t, const char *metric) {
    const mn_node *limits = mn_node_get(t->section, "limits");
    const size_t n = strlen(metric);
    for (size_t i = 0; limits && limits->kind == MN_SEQ && i < limits->n; i++) {
        const char *text = mn_at_text(limits->items[i], "limit");
        if (strncmp(text, metric, n) == 0 && text[n] == ' ') return 1;
    }
    return 0;
}

/* A cost that evaluations differ in; one with a limit ahead of others. */
static int find_cost(trade *t) {
    static const char *const all[] = {"latency_ms", "macs", "params", "arena_bytes"};
    const char *costs[2 * MN_COUNT(all)];
    size_t n = 0;
    for (size_t i = 0; i < MN_COUNT(all); i++)
        if (is_limited(t, all[i])) costs[n++] = all[i];
    for (size_t i = 0; i < MN_COUNT(all); i++) costs[n++] = all[i];
    for (size_t i = 0; i < n && !t->x; i++) {
        const int32_t column = mn_grid_column(&t->e->history, costs[i]);
        int found = 0;
        if (column >= 0) MN_TRY(varies(t->e, t->estim, column, &found));
        if (found) t->x = costs[i];
    }
    return 0;
}

/* "macs <= 18M" */
static void find_bound(trade *t) {
    const mn_node *limits = mn_node_get(t->section, "limits");
    t->bound = NAN;
    for (size_t i = 0; limits && limits->kind == MN_SEQ && i < limits->n; i++) {
        const char *text = mn_at_text(limits->items[i], "limit");
        const size_t n = strlen(t->x);
        if (strncmp(text, t->x, n) != 0 || text[n] != ' ') continue;
        const char *value = text + n + strspn(text + n, " <>=");
        if (mn_quantity(value, &t->bound)) t->bound = NAN;
        snprintf(t->limit, sizeof t->limit, "limit: %.100s", text);
        return;
    }
}

/* ---- points ---------------------------------------------------------------------------------------------- */

static int collect(trade *t) {
    const mn_grid *g = &t->e->history;
    const int32_t cx = mn_grid_column(g, t->x), cy = t->y ? mn_grid_column(g, t->y) : t->e->col_score;
    for (size_t i = 0; i < g->n && cx >= 0 && cy >= 0; i++) {
        double x, y;
        if (!mn_history_is_of(t->e, i, t->estim)) continue;
        MN_TRY(mn_grid_real(g, i, cx, &x));
        MN_TRY(mn_grid_real(g, i, cy, &y));
        if (isfinite(x) && isfinite(y)) MN_TRY(mn_dots_add(t->e->ctx, &t->all, x, y));
    }
    return 0;
}

typedef struct pair {
    double x, y;
} pair;

static int by_cost(const void *a, const void *b) {
    const pair *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return p->y > q->y ? -1 : p->y < q->y;
}

/* Of one goal: by rising cost, each better than all cheaper ones. */
static int sweep(trade *t, pair *pairs) {
    double best = -INFINITY;
    for (size_t i = 0; i < t->all.x.n; i++) pairs[i] = (pair){MN_AT(t->all.x, double, i), MN_AT(t->all.y, double, i)};
    qsort(pairs, t->all.x.n, sizeof *pairs, by_cost);
    for (size_t i = 0; i < t->all.x.n; i++) {
        if (pairs[i].y <= best) continue;
        best = pairs[i].y;
        MN_TRY(mn_dots_add(t->e->ctx, &t->front, pairs[i].x, pairs[i].y));
    }
    return 0;
}

static int sweep_all(trade *t) {
    pair *pairs = mn_alloc(t->e->ctx, t->all.x.n + 1, sizeof *pairs);
    const int rc = pairs ? sweep(t, pairs) : MODNAS_ENOMEM;
    mn_free(t->e->ctx, pairs);
    return rc;
}

/* Of several goals: what the run says. */
static int take_front(trade *t, const mn_node *members) {
    pair *pairs = mn_alloc(t->e->ctx, members->n + 1, sizeof *pairs);
    int rc = pairs ? 0 : MODNAS_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < members->n && !rc; i++) {
        const mn_node *metrics = mn_node_get(members->items[i], "metrics");
        pairs[n] = (pair){mn_at_real(metrics, t->x), mn_at_real(metrics, t->y)};
        n += isfinite(pairs[n].x) && isfinite(pairs[n].y);
    }
    if (n) qsort(pairs, n, sizeof *pairs, by_cost);
    for (size_t i = 0; i < n && !rc; i++) rc = mn_dots_add(t->e->ctx, &t->front, pairs[i].x, pairs[i].y);
    mn_free(t->e->ctx, pairs);
    return rc;
}

/* ---- drawing --------------------------------------------------------------------------------------------- */

static void draw(mn_str *s, const trade *t, const char *front_name) {
    const mn_node *best = mn_node_path(t->section, "best");
    const mn_node *metrics = mn_node_get(best, "metrics");
    const double x = mn_at_real(metrics, t->x), y = t->y ? mn_at_real(metrics, t->y) : mn_at_real(best, "score");
    const mn_curve curves[] = {mn_dots_curve(&t->all, "an evaluation", t->all.x.n > 40 ? MN_CURVE_DOTS : MN_CURVE_MARKS, 5),
                               mn_dots_curve(&t->front, front_name, MN_CURVE_LINE, 0),
                               {.name = "the best that was found", .kind = MN_CURVE_MARKS, .style = 1, .x = &x, .y = &y, .n = 1},
                               {.name = t->limit, .kind = MN_CURVE_BOUND, .at = t->bound}};
    const mn_chart c = {.title = "Better against cheaper",
                        .x_label = mn_metric_label(t->x),
                        .y_label = t->y ? mn_metric_label(t->y) : "score (more is better)",
                        .curves = curves,
                        .n = isfinite(t->bound) ? 4 : 3};
    mn_str_add(s, "<div class=\"charts\">\n");
    mn_chart_add(s, &c);
    mn_str_add(s, "</div>\n");
}

static void add_members(mn_str *s, const trade *t, const mn_node *members) {
    mn_str_addf(s, "<details><summary>The %zu architectures of the front</summary>\n", members->n);
    mn_html_table(s);
    mn_html_row(s, 1, (const char *const[]){t->y, t->x, "architecture"}, 3);
    for (size_t i = 0; i < members->n && i < MOST_MEMBERS; i++) {
        const mn_node *m = members->items[i], *metrics = mn_node_get(m, "metrics");
        mn_str arch = {.ctx = s->ctx};
        mn_node_json(&arch, mn_node_get(m, "arch"));
        mn_str_add(s, "<tr><td>");
        mn_html_number(s, mn_at_real(metrics, t->y));
        mn_str_add(s, "</td><td>");
        mn_html_number(s, mn_at_real(metrics, t->x));
        mn_str_add(s, "</td><td>");
        mn_html_text(s, arch.text, MN_HTML_TEXT);
        mn_str_add(s, "</td></tr>\n");
        mn_str_free(&arch);
    }
    mn_html_table_end(s);
    mn_str_add(s, "</details>\n");
}

static int add_goals(mn_str *s, trade *t, const mn_node *members) {
    t->y = goal(t->e, 0);
    t->x = goal(t->e, 1);
    if (!t->x || !t->y) {
        mn_html_say(s, "p class=\"missing\"", "The run has a front of %zu architectures; without config.yaml its goals are not known.",
                    members->n);
        return 0;
    }
    find_bound(t);
    MN_TRY(collect(t));
    MN_TRY(take_front(t, members));
    mn_html_say(s, "p", "%zu architectures that no other one is better than in one goal without being worse in another (%.80s, %.80s%s).",
                members->n, t->y, t->x, goal(t->e, 2) ? ", and further goals" : "");
    draw(s, t, "Pareto front");
    add_members(s, t, members);
    return 0;
}

static int add_one_goal(mn_str *s, trade *t) {
    MN_TRY(find_cost(t));
    if (!t->x) {
        mn_html_say(s, "p class=\"missing\"",
                    "The run had one goal, and its evaluations have no cost (latency_ms, macs, params, arena_bytes) that they differ in: "
                    "there is nothing to trade.");
        return 0;
    }
    find_bound(t);
    MN_TRY(collect(t));
    MN_TRY(sweep_all(t));
    mn_html_say(s, "p", "The run had one goal. Among what it evaluated: the best score at each cost.");
    draw(s, t, "best at its cost or less");
    return 0;
}

static int add(mn_str *s, trade *t) {
    const mn_node *members = mn_node_get(t->section, "front");
    if (members && members->kind == MN_SEQ && members->n) return add_goals(s, t, members);
    return t->e->history.n ? add_one_goal(s, t) : 0;
}

int mn_report_front(mn_str *s, const mn_experiment *e) {
    trade t = {.e = e};
    int rc = 0;
    mn_dots_init(&t.all);
    mn_dots_init(&t.front);
    t.section = mn_experiment_found(e, &t.estim);
    mn_html_section(s, "front", "Trade-offs");
    if (t.section)
        rc = add(s, &t);
    else
        mn_html_say(s, "p class=\"missing\"", "No estimator has a best architecture.");
    mn_dots_free(e->ctx, &t.all);
    mn_dots_free(e->ctx, &t.front);
    mn_html_section_end(s);
    return rc;
}
