/* Predicted against measured latency: sums of a table's rows against whole networks that the run timed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/net.h"
#include "report/sections.h"
#include "search/latency.h"

typedef struct timing {
    double predicted, measured;
} timing;

typedef struct timings {
    const mn_experiment *e;
    const mn_net *net;
    const mn_costs *costs;
    mn_vec all; /* timing */
    size_t n_foreign; /* architectures that the space does not have */
} timings;

/* ---- numbers --------------------------------------------------------------------------------------------- */

static int by_predicted(const void *a, const void *b) {
    const double x = ((const timing *)a)->predicted, y = ((const timing *)b)->predicted;
    return (x > y) - (x < y);
}

static int by_measured(const void *a, const void *b) {
    const double x = ((const timing *)a)->measured, y = ((const timing *)b)->measured;
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Put ranks in the place of numbers that are sorted; equal ones share the mean of theirs. */
static void rank(timing *t, size_t n, int measured) {
    for (size_t i = 0, k; i < n; i = k) {
        const double v = measured ? t[i].measured : t[i].predicted;
        for (k = i; k < n && (measured ? t[k].measured : t[k].predicted) == v;) k++;
        for (size_t m = i; m < k; m++) {
            const double r = ((double)i + (double)k - 1) / 2;
            if (measured)
                t[m].measured = r;
            else
                t[m].predicted = r;
        }
    }
}

/* Correlation of ranks (Spearman). NaN: one side does not vary. t is used up. */
static double spearman(timing *t, size_t n) {
    double xy = 0, xx = 0, yy = 0;
    const double mean = ((double)n - 1) / 2;
    qsort(t, n, sizeof *t, by_predicted);
    rank(t, n, 0);
    qsort(t, n, sizeof *t, by_measured);
    rank(t, n, 1);
    for (size_t i = 0; i < n; i++) {
        xy += (t[i].predicted - mean) * (t[i].measured - mean);
        xx += (t[i].predicted - mean) * (t[i].predicted - mean);
        yy += (t[i].measured - mean) * (t[i].measured - mean);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

/* Median of |predicted - measured| / measured. */
static double median_error(const timing *t, double *errors, size_t n) {
    for (size_t i = 0; i < n; i++) errors[i] = fabs(t[i].predicted - t[i].measured) / t[i].measured;
    qsort(errors, n, sizeof *errors, by_value);
    return n ? (errors[(n - 1) / 2] + errors[n / 2]) / 2 : NAN;
}

/* ---- collecting ------------------------------------------------------------------------------------------ */

static int predict(timings *t, size_t row, double measured) {
    const char *text = mn_grid_cell(&t->e->history, row, t->e->col_arch);
    mn_node *docs;
    MN_TRY(mn_yaml_read(t->e->ctx, text, strlen(text), t->e->history.file, &docs));
    const int rc = docs->n ? mn_net_options(t->net, docs->items[0], t->net->arch) : MODNAS_ECONFIG;
    mn_node_free(t->e->ctx, docs);
    if (rc) {
        t->n_foreign++;
        return 0;
    }
    const timing one = {(double)mn_costs_of(t->costs, t->net->arch->index) / MN_COST_MS, measured};
    return mn_vec_push(t->e->ctx, &t->all, &one, 1) ? 0 : MODNAS_ENOMEM;
}

static int collect(timings *t) {
    const mn_grid *g = &t->e->history;
    const int32_t column = mn_grid_column(g, "latency_ms");
    for (size_t i = 0; i < g->n; i++) {
        double ms;
        MN_TRY(mn_grid_real(g, i, column, &ms));
        if (isfinite(ms) && ms > 0) MN_TRY(predict(t, i, ms));
    }
    return 0;
}

/* ---- drawing --------------------------------------------------------------------------------------------- */

static void draw(mn_str *s, const timings *t, double *work) {
    const size_t n = t->all.n;
    timing *all = t->all.data;
    mn_dots p, even;
    char count[48], rho[48], error[48];
    const double wrong = 100 * median_error(all, work, n);
    int rc = 0;
    mn_dots_init(&p);
    mn_dots_init(&even);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = mn_dots_add(t->e->ctx, &p, all[i].measured, all[i].predicted);
        if (!rc) rc = mn_dots_add(t->e->ctx, &even, all[i].measured, all[i].measured);
    }
    const mn_curve curves[] = {mn_dots_curve(&p, "a network", MN_CURVE_DOTS, 0),
                               mn_dots_curve(&even, "predicted as measured", MN_CURVE_LINE, 6)};
    const mn_chart c = {.title = "Predicted and measured latency",
                        .x_label = "measured (ms)",
                        .y_label = "predicted (ms)",
                        .curves = curves,
                        .n = 2,
                        .is_square = 1};
    mn_str_add(s, "<div class=\"charts\">\n");
    if (!rc) mn_chart_add(s, &c);
    mn_str_add(s, "</div>\n");
    mn_dots_free(t->e->ctx, &p);
    mn_dots_free(t->e->ctx, &even);
    s->failed |= rc != 0;
    mn_html_say(s, "p", "%s networks: rank correlation (Spearman) %s, median error %s %%.", mn_html_readable((double)n, count),
                mn_html_readable(spearman(all, n), rho), mn_html_readable(wrong, error));
}

static int add(mn_str *s, timings *t) {
    MN_TRY(collect(t));
    if (t->n_foreign)
        mn_html_say(s, "p class=\"note\"", "%zu evaluations are of architectures that the space does not have.", t->n_foreign);
    if (t->all.n < 2) {
        mn_html_say(s, "p class=\"missing\"", "%zu networks were timed that the table can predict; two are the least.", t->all.n);
        return 0;
    }
    double *work = mn_alloc(t->e->ctx, t->all.n, sizeof *work);
    if (!work) return MODNAS_ENOMEM;
    draw(s, t, work);
    mn_free(t->e->ctx, work);
    return 0;
}

static int add_network(mn_str *s, const mn_experiment *e, const mn_net *net) {
    mn_costs costs;
    char hash[65];
    timings t = {.e = e, .net = net, .costs = &costs};
    MN_TRY(mn_latency_load(net->model, e->latency_table, &costs, hash));
    mn_vec_init(&t.all, sizeof(timing));
    const int rc = add(s, &t);
    mn_vec_free(e->ctx, &t.all);
    mn_costs_free(&costs);
    return rc;
}

static void add_missing(mn_str *s, const mn_experiment *e, int has_measured) {
    const char *table = mn_at_text(e->config, "objective.latency_table");
    if (has_measured)
        mn_html_say(s, "p class=\"missing\"",
                    "The run timed whole networks (LatencyMetrics). With a table of what candidates take, of 'modnas profile', this page "
                    "compares both: 'modnas report --latency-table T.tsv'.");
    else if (*table)
        mn_html_say(s, "p class=\"missing\"",
                    "Latencies of the run are predictions, sums of the rows of %.300s; none was measured. A run with LatencyMetrics "
                    "times whole networks.", table);
    else
        mn_html_say(s, "p class=\"missing\"", "The run has no latencies: neither a table (objective.latency_table) nor LatencyMetrics.");
}

int mn_report_latency(mn_str *s, const mn_experiment *e) {
    const int has_measured = e->history.n && mn_grid_column(&e->history, "latency_spread_ms") >= 0 &&
                             mn_grid_column(&e->history, "latency_ms") >= 0;
    mn_net net;
    int rc = 0;
    mn_html_section(s, "latency", "Latency: predicted and measured");
    if (has_measured && e->latency_table) {
        rc = mn_net_open(e, &net);
        if (!rc) {
            rc = add_network(s, e, &net);
            mn_net_close(&net);
        }
    } else {
        add_missing(s, e, has_measured);
    }
    mn_html_section_end(s);
    return rc;
}
