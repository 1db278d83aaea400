/* The report of a run: read its folder, write a page of sections. The page is one file that asks nothing of a network.
 *
 *   experiment.c  reads the folder        net.c   builds the network again, for what layers cost
 *   found.c curves.c probs.c front.c network.c latency.c setup.c   a section each
 *   chart.c       SVG                     html.c  escaping, the frame */
#include <math.h>
#include <string.h>

#include "modnas/report.h"
#include "modnas/version.h"
#include "report/sections.h"

static const struct {
    const char *id, *title;
    int (*add)(mn_str *s, const mn_experiment *e);
} sections[] = {{"found", "Found", mn_report_found},
                {"curves", "Curves", mn_report_curves},
                {"probabilities", "Candidates over time", mn_report_probs},
                {"front", "Trade-offs", mn_report_front},
                {"network", "Network", mn_report_network},
                {"latency", "Latency", mn_report_latency},
                {"setup", "Configuration", mn_report_setup}};

static void add_head(mn_str *s, const mn_experiment *e) {
    const char *backend = mn_at_text(e->results, "backend");
    const mn_node *versions = mn_node_get(e->results, "versions");
    char seconds[48];
    mn_str_add(s, "<header>");
    mn_html_say(s, "h1", "Search report: %.200s", mn_at_text(e->results, "name"));
    mn_html_say(s, "p class=\"note\"", "seed %.40s, %.40s%s%.80s, %.20s threads, %s s, modnas %.40s", mn_at_text(e->results, "seed"), backend,
                *mn_at_text(versions, backend) ? " " : "", mn_at_text(versions, backend), mn_at_text(e->results, "threads"),
                mn_html_readable(mn_html_round(mn_at_real(e->results, "seconds"), 3), seconds), mn_at_text(versions, "modnas"));
    if (!mn_is_true(e->results, "complete"))
        mn_html_say(s, "p class=\"verdict no\"", "The run was interrupted: this is what there was so far.");
    mn_str_add(s, "<nav aria-label=\"Sections\"><ul>");
    for (size_t i = 0; i < MN_COUNT(sections); i++)
        mn_str_addf(s, "<li><a href=\"#%s\">%s</a></li>", sections[i].id, sections[i].title);
    mn_str_add(s, "</ul></nav></header>\n");
}

static int write_page(mn_str *s, const mn_experiment *e) {
    mn_html_begin(s, mn_at_text(e->results, "name"));
    add_head(s, e);
    mn_str_add(s, "<main>\n");
    for (size_t i = 0; i < MN_COUNT(sections); i++) MN_TRY(sections[i].add(s, e));
    mn_str_add(s, "</main>\n");
    mn_html_say(s, "footer", "Made by modnas %s from the files of the run.", MODNAS_VERSION_STRING);
    mn_html_end(s);
    return 0;
}

int modnas_report(modnas_ctx *ctx, const char *folder, const modnas_report_opts *opts, char **html) {
    modnas_report_opts o;
    mn_experiment e;
    if (!ctx || !folder || !html) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    MN_TRY(mn_opts_read(ctx, "modnas_report_opts", opts, &o, sizeof o));
    MN_TRY(mn_experiment_read(ctx, folder, &e));
    mn_str s = {.ctx = ctx};
    e.latency_table = o.latency_table;
    int rc = write_page(&s, &e);
    char *text = rc ? NULL : mn_str_take(&s);
    if (!rc && !text) rc = MODNAS_ENOMEM;
    if (!rc) *html = text;
    mn_str_free(&s);
    mn_experiment_free(&e);
    return rc;
}
