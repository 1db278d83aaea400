/* How sure a result is: the verdict, and the scores that it is of, side by side. */
#include <math.h>
#include <stdlib.h>

#include "report/sections.h"

enum { MOST_STEPS = 400 }; /* of a curve */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Finite numbers of a list, in order. */
static int read_scores(modnas_ctx *ctx, const mn_node *list, mn_vec *out) {
    for (size_t i = 0; list && list->kind == MN_SEQ && i < list->n; i++) {
        const mn_node *x = list->items[i];
        if ((x->kind == MN_INT || x->kind == MN_REAL) && isfinite(x->r) && !mn_vec_push(ctx, out, &x->r, 1)) return MODNAS_ENOMEM;
    }
    if (out->n) qsort(out->data, out->n, sizeof(double), by_value);
    return 0;
}

/* The share of numbers up to x, over x: a staircase. Of very many numbers some are left out; n: those that failed count. */
static int add_stairs(modnas_ctx *ctx, const mn_vec *sorted, size_t n, mn_dots *out) {
    const size_t each = sorted->n / MOST_STEPS + 1;
    double before = (double)(n - sorted->n) / (double)n;
    for (size_t i = 0; i < sorted->n; i += each) {
        const size_t last = i + each <= sorted->n ? i + each - 1 : sorted->n - 1;
        const double x = MN_AT(*sorted, double, last), share = (double)(n - sorted->n + last + 1) / (double)n;
        MN_TRY(mn_dots_add(ctx, out, x, before));
        MN_TRY(mn_dots_add(ctx, out, x, share));
        before = share;
    }
    return 0;
}

static int stairs_of(modnas_ctx *ctx, const mn_node *list, mn_dots *out) {
    mn_vec sorted;
    mn_vec_init(&sorted, sizeof(double));
    int rc = read_scores(ctx, list, &sorted);
    if (!rc && sorted.n) rc = add_stairs(ctx, &sorted, list->n, out);
    mn_vec_free(ctx, &sorted);
    return rc;
}

static void add_scores(mn_str *s, modnas_ctx *ctx, const mn_node *found, const mn_node *random) {
    mn_dots a, b;
    mn_dots_init(&a);
    mn_dots_init(&b);
    int rc = stairs_of(ctx, found, &a);
    if (!rc) rc = stairs_of(ctx, random, &b);
    const mn_curve curves[] = {mn_dots_curve(&a, "of the search", MN_CURVE_LINE, 0),
                               mn_dots_curve(&b, "at random", MN_CURVE_LINE, 1)};
    const mn_chart c = {.title = "Scores of all architectures",
                        .x_label = "score",
                        .y_label = "share of architectures up to it (0 to 1)",
                        .curves = curves,
                        .n = MN_COUNT(curves),
                        .is_share = 1};
    if (!rc && (a.x.n || b.x.n)) {
        mn_str_add(s, "<div class=\"charts\">\n");
        mn_chart_add(s, &c);
        mn_str_add(s, "</div>\n");
    }
    s->failed |= rc != 0;
    mn_dots_free(ctx, &a);
    mn_dots_free(ctx, &b);
}

void mn_report_verdict(mn_str *s, const mn_experiment *e, const mn_node *estim) {
    const char *text = mn_at_text(estim, "verdict.text");
    char n[48], random[48];
    if (!*text) {
        mn_html_say(s, "p class=\"missing\"",
                    "No verdict: only a search has architectures at random beside it, measured after its end; 'baseline: false' leaves "
                    "them out.");
        return;
    }
    const double chance = mn_at_real(estim, "verdict.p");
    mn_str_add(s, chance < 0.05 ? "<p class=\"verdict\"><strong>" : "<p class=\"verdict no\"><strong>");
    mn_html_text(s, text, MN_HTML_TEXT);
    mn_str_add(s, "</strong> (p = ");
    mn_html_number(s, chance);
    mn_str_add(s, ")</p>\n");
    mn_html_say(s, "p",
                "All distinct architectures of %s evaluations of the search against %s that were drawn uniformly%s and measured in "
                "the same way. p is the chance of scores that rank as high as these or higher if the search proposed no better than "
                "chance does (one-sided Mann-Whitney test of all scores); below 0.05 it counts as better.",
                mn_html_readable(mn_at_real(estim, "evaluations"), n),
                mn_html_readable(mn_at_real(estim, "baseline.evaluations"), random),
                mn_node_get(estim, "limits") ? " from those that obey the limits" : "");
    add_scores(s, e->ctx, mn_node_path(estim, "verdict.scores"), mn_node_path(estim, "baseline.scores"));
    mn_html_say(s, "p class=\"note\"",
                "This is one run with one seed (%.40s). How far results of other seeds lie from it, it cannot say: run the "
                "configuration with other values of --seed.",
                mn_at_text(e->results, "seed"));
}

