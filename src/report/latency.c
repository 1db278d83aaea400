/* Predicted against measured latency: sums of a table's rows against whole networks, those that `modnas profile --check`
 * timed (check.c) and those that the run did. */
#include <math.h>
#include <string.h>

#include "report/net.h"
#include "report/sections.h"
#include "search/latency.h"

typedef struct timings {
    const mn_experiment *e;
    const mn_net *net;
    const mn_costs *costs;
    mn_dots all; /* predicted over measured */
    size_t n_foreign; /* architectures that the space does not have */
} timings;

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
    return mn_dots_add(t->e->ctx, &t->all, measured, (double)mn_costs_of(t->costs, t->net->arch->index) / MN_COST_MS);
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

/* ---- the section ------------------------------------------------------------------------------------------ */

static int add(mn_str *s, timings *t) {
    MN_TRY(collect(t));
    if (t->n_foreign)
        mn_html_say(s, "p class=\"note\"", "%zu evaluations are of architectures that the space does not have.", t->n_foreign);
    if (t->all.x.n >= 2) return mn_report_timings(s, t->e->ctx, "Latency of what the search evaluated", &t->all);
    mn_html_say(s, "p class=\"missing\"", "%zu networks were timed that the table can predict; two are the least.", t->all.x.n);
    return 0;
}

static int add_network(mn_str *s, const mn_experiment *e, const mn_net *net) {
    mn_costs costs;
    char hash[65];
    timings t = {.e = e, .net = net, .costs = &costs};
    MN_TRY(mn_latency_load(net->model, e->latency_table, &costs, hash));
    mn_dots_init(&t.all);
    const int rc = add(s, &t);
    mn_dots_free(e->ctx, &t.all);
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
                    "times whole networks, and 'modnas profile --check 50 --out %.300s/" MN_CHECK_FILE "' some at random.",
                    table, e->folder);
    else
        mn_html_say(s, "p class=\"missing\"", "The run has no latencies: neither a table (objective.latency_table) nor LatencyMetrics.");
}

static int add_run(mn_str *s, const mn_experiment *e) {
    mn_net net;
    MN_TRY(mn_net_open(e, &net));
    const int rc = add_network(s, e, &net);
    mn_net_close(&net);
    return rc;
}

int mn_report_latency(mn_str *s, const mn_experiment *e) {
    const int has_measured = e->history.n && mn_grid_column(&e->history, "latency_spread_ms") >= 0 &&
                             mn_grid_column(&e->history, "latency_ms") >= 0;
    int is_checked;
    mn_html_section(s, "latency", "Latency: predicted and measured");
    MN_TRY(mn_report_check(s, e, &is_checked));
    if (has_measured && e->latency_table)
        MN_TRY(add_run(s, e));
    else if (has_measured || !is_checked)
        add_missing(s, e, has_measured);
    mn_html_section_end(s);
    return 0;
}
