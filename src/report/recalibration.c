/* What statistics of batch norm are worth: accuracy of the found network with those that the supernet left, and with its own. */
#include <math.h>

#include "report/sections.h"

static const struct {
    const char *key, *name;
} modes[] = {{"none", "shared"},
             {"pooled", "own, pooled"},
             {"average", "own, average"},
             {"ema", "own, ema"}};
static const char *const metrics[] = {"acc_top1", "acc_top5", "loss"};

static void add_row(mn_str *s, const char *name, const mn_node *scores) {
    mn_str_add(s, "<tr><th scope=\"row\">");
    mn_html_text(s, name, MN_HTML_TEXT);
    mn_str_add(s, "</th>");
    for (size_t i = 0; i < MN_COUNT(metrics); i++) {
        mn_str_add(s, "<td>");
        mn_html_number(s, mn_at_real(scores, metrics[i]));
        mn_str_add(s, "</td>");
    }
    mn_str_add(s, "</tr>\n");
}

void mn_report_recalibration(mn_str *s, const mn_node *estim) {
    const mn_node *r = mn_node_get(estim, "recalibration");
    mn_bar bars[MN_COUNT(modes)];
    char n[48];
    if (!r || r->kind != MN_MAP) return;
    mn_html_say(s, "h4", "Statistics of batch norm");
    mn_html_say(s, "p",
                "The best architecture with the weights of the supernet, on the validation data: with the statistics that training many paths "
                "left, and with its own, taken from %s training samples in three ways.",
                mn_html_readable(mn_at_real(r, "samples"), n));
    mn_html_table(s);
    mn_html_row(s, 1, (const char *const[]){"statistics", metrics[0], metrics[1], metrics[2]}, 4);
    for (size_t i = 0; i < MN_COUNT(modes); i++) {
        const mn_node *scores = mn_node_get(r, modes[i].key);
        add_row(s, modes[i].name, scores);
        bars[i] = (mn_bar){modes[i].name, fmax(mn_at_real(scores, metrics[0]), 0), i ? 0 : 1};
    }
    mn_html_table_end(s);
    mn_str_add(s, "<div class=\"charts\">\n");
    mn_chart_bars(s, "Accuracy by statistics of batch norm", "top 1, 0 to 1", bars, MN_COUNT(bars));
    mn_str_add(s, "</div>\n");
}
