/* The network as a picture, and what each layer costs. Where it cannot be built again, the choices alone. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/net.h"
#include "report/sections.h"

enum { MOST_LAYERS = 400, MOST_BARS = 60 };

/* ---- the picture ----------------------------------------------------------------------------------------- */

static void begin_box(mn_str *s, const char *colour) {
    mn_str_addf(s, "<li class=\"box\" style=\"border-left-color:%s\">", colour);
}

static void add_share(mn_str *s, double share) {
    mn_str_addf(s, "<span class=\"share\" aria-hidden=\"true\"><i style=\"width:%d%%\"></i></span>", (int)(100 * share + 0.5));
}

static void add_box(mn_str *s, const mn_net *n, const mn_layer *l) {
    char macs[48], params[48];
    begin_box(s, l->choice >= 0 ? mn_chart_colour(l->choice) : "#8a8a8a");
    mn_html_say(s, "b", "%.80s", l->slot ? l->op : l->name);
    if (l->slot) {
        mn_html_say(s, "span", "Slot %.40s", l->slot);
        mn_str_add(s, "<br/>");
    }
    mn_html_say(s, "span", "to %" PRId64 " channels", l->dims[0]);
    mn_str_add(s, "<br/>");
    mn_html_say(s, "span", "%s multiply-adds, %s parameters", mn_html_short((double)l->macs, 4, macs),
                mn_html_short((double)l->params, 4, params));
    add_share(s, n->macs ? (double)l->macs / (double)n->macs : 0);
    mn_str_add(s, "</li>\n");
}

/* A stage: layers in a row that give the same height and width. */
static void draw_net(mn_str *s, const mn_net *n) {
    const int64_t *before = NULL;
    mn_str_add(s, "<ol class=\"net\">\n");
    for (size_t i = 0; i < n->layers.n && i < MOST_LAYERS; i++) {
        const mn_layer *l = &MN_AT(n->layers, mn_layer, i);
        if (!before || before[1] != l->dims[1] || before[2] != l->dims[2]) {
            mn_str_add(s, before ? "</ol></li>\n<li class=\"stage\">" : "<li class=\"stage\">");
            mn_html_say(s, "span", "%" PRId64 " x %" PRId64, l->dims[1], l->dims[2]);
            mn_str_add(s, "<ol>\n");
        }
        add_box(s, n, l);
        before = l->dims;
    }
    mn_str_add(s, before ? "</ol></li></ol>\n" : "</ol>\n");
}

/* ---- costs ----------------------------------------------------------------------------------------------- */

static double cost_of(const mn_layer *l, int which) {
    return which == 0 ? (double)l->macs : which == 1 ? (double)l->params : l->ms;
}

static void label_of(const mn_layer *l, char *buf, size_t bytes) {
    if (l->slot)
        snprintf(buf, bytes, "%.30s %.60s", l->slot, l->op);
    else
        snprintf(buf, bytes, "%.90s", l->name);
}

static int draw_bars(mn_str *s, const mn_net *n, int which, const char *title, const char *unit, double fixed) {
    enum { LABEL = 100 };
    const size_t most = n->layers.n < MOST_BARS ? n->layers.n : MOST_BARS;
    mn_bar *bars = mn_alloc(n->ctx, most + 1, sizeof *bars);
    char *labels = mn_alloc(n->ctx, most + 1, LABEL);
    size_t k = 0;
    if (bars && labels) {
        if (isfinite(fixed)) bars[k++] = (mn_bar){"fixed parts", fixed, 6};
        for (size_t i = 0; i < n->layers.n && k < most; i++) {
            const mn_layer *l = &MN_AT(n->layers, mn_layer, i);
            if (!(cost_of(l, which) > 0)) continue;
            label_of(l, labels + k * LABEL, LABEL);
            bars[k] = (mn_bar){labels + k * LABEL, cost_of(l, which), l->choice >= 0 ? l->choice : 6};
            k++;
        }
        if (k) mn_chart_bars(s, title, unit, bars, k);
    }
    const int rc = bars && labels ? 0 : MODNAS_ENOMEM;
    mn_free(n->ctx, bars);
    mn_free(n->ctx, labels);
    return rc;
}

static void add_numbers(mn_str *s, const mn_net *n, int has_times) {
    static const char *const head[] = {"layer", "operator", "gives (C x H x W)", "parameters", "multiply-adds", "latency (ms)"};
    mn_str_add(s, "<details><summary>Layers in numbers</summary>\n");
    mn_html_table(s);
    mn_html_row(s, 1, head, has_times ? 6 : 5);
    for (size_t i = 0; i < n->layers.n && i < MOST_LAYERS; i++) {
        const mn_layer *l = &MN_AT(n->layers, mn_layer, i);
        mn_str_add(s, "<tr>");
        mn_html_say(s, "td", "%.200s", l->name);
        mn_html_say(s, "td", "%.80s", l->op);
        mn_html_say(s, "td", "%" PRId64 " x %" PRId64 " x %" PRId64, l->dims[0], l->dims[1], l->dims[2]);
        for (int k = 0; k < 2 + has_times; k++) {
            mn_str_add(s, "<td>");
            mn_html_number(s, cost_of(l, k == 0 ? 1 : k == 1 ? 0 : 2));
            mn_str_add(s, "</td>");
        }
        mn_str_add(s, "</tr>\n");
    }
    mn_html_table_end(s);
    mn_str_add(s, "</details>\n");
}

/* What was measured in the run has to be the sum. */
static void compare(mn_str *s, const mn_net *n, const mn_node *found) {
    const mn_node *metrics = mn_node_path(found, "best.metrics");
    const double params = mn_at_real(metrics, "params"), macs = mn_at_real(metrics, "macs");
    const int32_t *in = n->input;
    char p[48], m[48];
    const int differ = (isfinite(params) && params != (double)n->params) || (isfinite(macs) && macs != (double)n->macs);
    mn_html_say(s, "p", "Together %s parameters and, for one image of %d x %d x %d, %s multiply-adds%s", mn_html_readable((double)n->params, p),
                in[0], in[1], in[2], mn_html_readable((double)n->macs, m),
                !isfinite(params) && !isfinite(macs) ? "." : differ ? "; the run counted otherwise:" : ", as in results.json.");
    if (!differ) return;
    mn_html_say(s, "p class=\"missing\"", "In results.json: %s parameters, %s multiply-adds.",
                mn_html_readable(params, p), mn_html_readable(macs, m));
}

static int add_times(mn_str *s, const mn_experiment *e, mn_net *n, double *fixed) {
    const char *given = e->latency_table ? e->latency_table : mn_at_text(e->config, "objective.latency_table");
    double sum;
    char ms[48];
    if (!*given) return 0;
    const int rc = mn_net_time(n, given, fixed, &sum);
    if (rc == MODNAS_ENOMEM) return rc;
    if (rc)
        mn_html_say(s, "p class=\"missing\"", "Latencies of layers: %s", modnas_errmsg(e->ctx));
    else
        mn_html_say(s, "p", "By the table of latencies %s ms for one pass, fixed parts included.", mn_html_readable(sum, ms));
    return 0;
}

static int draw(mn_str *s, const mn_experiment *e, mn_net *n, const mn_node *found) {
    double fixed = NAN;
    mn_html_say(s, "p", "In the order of a forward pass, layers of the same height and width together. The bar in a box is its share of all "
                        "multiply-adds; the colour on its left is the candidate that was chosen.");
    draw_net(s, n);
    mn_html_say(s, "h3", "Cost per layer");
    compare(s, n, found);
    MN_TRY(add_times(s, e, n, &fixed));
    mn_str_add(s, "<div class=\"charts\">\n");
    MN_TRY(draw_bars(s, n, 0, "Multiply-adds", "number, one image", NAN));
    MN_TRY(draw_bars(s, n, 1, "Parameters", "number", NAN));
    if (isfinite(fixed)) MN_TRY(draw_bars(s, n, 2, "Latency", "ms, by the table", fixed));
    mn_str_add(s, "</div>\n");
    if (n->layers.n > MOST_BARS) mn_html_say(s, "p class=\"note\"", "The first %d layers with a cost are drawn.", MOST_BARS);
    add_numbers(s, n, isfinite(fixed));
    return 0;
}

/* ---- without a network ----------------------------------------------------------------------------------- */

static const char *text_of(const mn_node *item) {
    if (item->kind == MN_SEQ && item->n) item = item->items[0];
    if (item->kind == MN_NULL) return "the model's own";
    return item->kind == MN_SEQ || item->kind == MN_MAP || !item->text ? "(more than a name)" : item->text;
}

static void draw_choices(mn_str *s, const mn_node *arch) {
    if (!arch || (arch->kind != MN_SEQ && arch->kind != MN_MAP)) {
        mn_html_say(s, "p", "Architecture: %.400s", arch && arch->text ? arch->text : "not said");
        return;
    }
    mn_str_add(s, "<ol class=\"net\">\n");
    for (size_t i = 0; i < arch->n && i < MOST_LAYERS; i++) {
        begin_box(s, mn_chart_colour(5));
        mn_html_say(s, "b", "%.80s", text_of(arch->items[i]));
        if (arch->kind == MN_MAP)
            mn_html_say(s, "span", "%.80s", arch->keys[i]);
        else
            mn_html_say(s, "span", "Slot %zu", i);
        mn_str_add(s, "</li>\n");
    }
    mn_str_add(s, "</ol>\n");
}

int mn_report_network(mn_str *s, const mn_experiment *e) {
    const char *estim = NULL;
    const mn_node *found = mn_experiment_found(e, &estim), *arch = mn_node_path(found, "best.arch");
    mn_net n = {.ctx = NULL};
    mn_html_section(s, "network", "The network");
    if (estim) mn_html_say(s, "p", "The best architecture of estimator %.200s.", estim);
    int rc = mn_net_open(e, &n);
    if (!rc) rc = mn_net_layers(&n, arch, mn_node_path(e->results, "network.input"));
    if (!rc) {
        rc = draw(s, e, &n, found);
    } else if (rc != MODNAS_ENOMEM) {
        mn_html_say(s, "p class=\"missing\"", "Layers and their costs are not drawn: %s", modnas_errmsg(e->ctx));
        draw_choices(s, arch);
        rc = 0;
    }
    mn_net_close(&n);
    mn_html_section_end(s);
    return rc;
}
