/* What was found, and how sure that is: per estimator the best architecture, the random baseline, the verdict (verdict.c),
 * statistics of batch norm (recalibration.c), limits, the alarm of collapse; the test set. */
#include <math.h>
#include <string.h>

#include "report/sections.h"

enum { MOST_COLUMNS = 16 };

typedef struct columns {
    const char *name[MOST_COLUMNS];
    size_t n;
} columns;

static void add_columns(columns *c, const mn_node *metrics) {
    for (size_t i = 0; metrics && metrics->kind == MN_MAP && i < metrics->n; i++) {
        size_t k = 0;
        while (k < c->n && strcmp(c->name[k], metrics->keys[i]) != 0) k++;
        if (k == c->n && c->n < MOST_COLUMNS) c->name[c->n++] = metrics->keys[i];
    }
}

static void add_number_cell(mn_str *s, double x) {
    mn_str_add(s, "<td>");
    mn_html_number(s, x);
    mn_str_add(s, "</td>");
}

/* label, score, metrics. */
static void add_metrics_row(mn_str *s, const columns *c, const char *label, double score, const mn_node *metrics) {
    mn_str_add(s, "<tr><th scope=\"row\">");
    mn_html_text(s, label, MN_HTML_TEXT);
    mn_str_add(s, "</th>");
    add_number_cell(s, score);
    for (size_t i = 0; i < c->n; i++) {
        const mn_node *v = mn_node_get(metrics, c->name[i]);
        add_number_cell(s, v && (v->kind == MN_INT || v->kind == MN_REAL) ? v->r : NAN);
    }
    mn_str_add(s, "</tr>\n");
}

static void add_head_row(mn_str *s, const columns *c) {
    mn_str_add(s, "<tr><td></td><th scope=\"col\">score</th>");
    for (size_t i = 0; i < c->n; i++) {
        mn_str_add(s, "<th scope=\"col\">");
        mn_html_text(s, c->name[i], MN_HTML_TEXT);
        mn_str_add(s, "</th>");
    }
    mn_str_add(s, "</tr>\n");
}

static void add_comparison(mn_str *s, const mn_experiment *e, const mn_node *estim, int is_last) {
    const mn_node *best = mn_node_get(estim, "best"), *random = mn_node_path(estim, "baseline.best"),
                  *test = is_last ? mn_node_get(e->results, "test") : NULL;
    columns c = {.n = 0};
    add_columns(&c, mn_node_get(best, "metrics"));
    add_columns(&c, mn_node_get(random, "metrics"));
    add_columns(&c, test);
    mn_html_table(s);
    add_head_row(s, &c);
    add_metrics_row(s, &c, "best that was found", mn_at_real(best, "score"), mn_node_get(best, "metrics"));
    if (random && random->kind == MN_MAP)
        add_metrics_row(s, &c, "best at random", mn_at_real(random, "score"), mn_node_get(random, "metrics"));
    if (test) add_metrics_row(s, &c, "on the test set", NAN, test);
    mn_html_table_end(s);
}

static void add_fact(mn_str *s, const char *name, double value) {
    mn_str_add(s, "<div><dt>");
    mn_html_text(s, name, MN_HTML_TEXT);
    mn_str_add(s, "</dt><dd>");
    mn_html_number(s, value);
    mn_str_add(s, "</dd></div>");
}

static void add_facts(mn_str *s, const mn_experiment *e, const mn_node *estim, int is_last) {
    const mn_node *best = mn_node_get(estim, "best"), *metrics = mn_node_get(best, "metrics"),
                  *test = is_last ? mn_node_get(e->results, "test") : NULL;
    mn_str_add(s, "<dl class=\"facts\">");
    add_fact(s, "best score", mn_at_real(best, "score"));
    for (size_t i = 0; metrics && metrics->kind == MN_MAP && i < metrics->n && i < 4; i++)
        add_fact(s, mn_metric_label(metrics->keys[i]), mn_at_real(metrics, metrics->keys[i]));
    if (test) add_fact(s, "accuracy on the test set (0 to 1)", mn_at_real(test, "acc_top1"));
    add_fact(s, "evaluations", mn_at_real(estim, "evaluations"));
    mn_str_add(s, "</dl>\n");
}

static void add_limits(mn_str *s, const mn_node *limits) {
    if (!limits || limits->kind != MN_SEQ || !limits->n) return;
    mn_html_say(s, "h4", "Limits");
    mn_html_table(s);
    mn_html_row(s, 1, (const char *const[]){"limit", "of the best", "obeyed"}, 3);
    for (size_t i = 0; i < limits->n; i++) {
        const mn_node *l = limits->items[i], *obeys = mn_node_get(l, "obeys");
        mn_str_add(s, "<tr><td>");
        mn_html_text(s, mn_at_text(l, "limit"), MN_HTML_TEXT);
        mn_str_add(s, "</td>");
        add_number_cell(s, mn_at_real(l, "value"));
        mn_str_addf(s, "<td>%s</td></tr>\n", !obeys || obeys->kind != MN_BOOL ? "not measured" : obeys->i ? "yes" : "no");
    }
    mn_html_table_end(s);
}

static void add_collapse(mn_str *s, const mn_node *c) {
    char free_ops[48], of[48], expected[48], p[48], entropy[48];
    if (!c || c->kind != MN_MAP) return;
    mn_html_say(s, mn_is_true(c, "alarm") ? "p class=\"verdict no\"" : "p",
                "%s %s of %s choices have no parameters (identity, pooling, zero); a choice at random would give %s, and as "
                "many or more with p = %s. Mean entropy of the probabilities: %s (1: all candidates alike).",
                mn_is_true(c, "alarm") ? "Collapse:" : "No collapse:", mn_html_readable(mn_at_real(c, "parameter_free"), free_ops),
                mn_html_readable(mn_at_real(c, "of"), of), mn_html_readable(mn_at_real(c, "expected"), expected),
                mn_html_readable(mn_at_real(c, "p"), p), mn_html_readable(mn_at_real(c, "entropy"), entropy));
}

static void add_top(mn_str *s, const mn_experiment *e, const mn_node *top) {
    columns c = {.n = 0};
    if (!top || top->kind != MN_SEQ || top->n < 2) return;
    for (size_t i = 0; i < top->n; i++) add_columns(&c, mn_node_get(top->items[i], "metrics"));
    mn_str_addf(s, "<details><summary>The %zu best architectures</summary>\n", top->n);
    mn_html_table(s);
    add_head_row(s, &c);
    for (size_t i = 0; i < top->n; i++) {
        mn_str arch = {.ctx = e->ctx};
        mn_node_json(&arch, mn_node_get(top->items[i], "arch"));
        if (arch.failed) s->failed = 1;
        add_metrics_row(s, &c, arch.text ? arch.text : "", mn_at_real(top->items[i], "score"),
                        mn_node_get(top->items[i], "metrics"));
        mn_str_free(&arch);
    }
    mn_html_table_end(s);
    mn_str_add(s, "</details>\n");
}

static void add_estim(mn_str *s, const mn_experiment *e, const char *name, const mn_node *estim, int is_last) {
    char epochs[48];
    const mn_node *section = mn_node_get(mn_node_get(e->config, "estim"), name), *best = mn_node_get(estim, "best");
    const char *type = section ? section->kind == MN_STR ? section->text : mn_at_text(section, "type") : "";
    mn_html_say(s, "h3", "%.200s%s%.200s", name, *type ? ": " : "", type);
    if (best && best->kind == MN_MAP)
        add_facts(s, e, estim, is_last);
    else
        mn_html_say(s, "p class=\"missing\"", "%s", mn_at_real(estim, "evaluations") > 0
                                                    ? "Nothing that was evaluated obeyed the limits: there is no best."
                                                    : "It evaluated nothing: it trained, or the run was stopped before.");
    if (!best || best->kind != MN_MAP) return;
    mn_report_verdict(s, e, estim);
    add_comparison(s, e, estim, is_last);
    mn_report_recalibration(s, estim);
    add_limits(s, mn_node_get(estim, "limits"));
    add_collapse(s, mn_node_get(estim, "collapse"));
    if (isfinite(mn_at_real(estim, "stopped_after")))
        mn_html_say(s, "p", "EarlyStopping ended it after %s epochs.",
                    mn_html_readable(mn_at_real(estim, "stopped_after"), epochs));
    add_top(s, e, mn_node_get(estim, "top"));
}

int mn_report_found(mn_str *s, const mn_experiment *e) {
    const mn_node *all = mn_experiment_estims(e);
    mn_html_section(s, "found", "What was found, and how sure it is");
    if (!all->n) mn_html_say(s, "p class=\"missing\"", "The run had no estimator.");
    for (size_t i = all->n; i-- > 0;)
        if (all->items[i]->kind == MN_MAP) add_estim(s, e, all->keys[i], all->items[i], i + 1 == all->n);
    mn_html_section_end(s);
    return 0;
}
