/* What the run was made of: configuration, versions, data. */
#include <math.h>
#include <string.h>

#include "report/sections.h"

static void add_pair(mn_str *s, const char *name, const char *value) {
    mn_str_add(s, "<tr><th scope=\"row\">");
    mn_html_text(s, name, MN_HTML_TEXT);
    mn_str_add(s, "</th><td><code>");
    mn_html_text(s, *value ? value : "not said", MN_HTML_TEXT);
    mn_str_add(s, "</code></td></tr>\n");
}

static void add_map(mn_str *s, const char *before, const mn_node *map) {
    for (size_t i = 0; map && map->kind == MN_MAP && i < map->n; i++) {
        const mn_node *v = map->items[i];
        mn_str name = {.ctx = s->ctx};
        mn_str_addf(&name, "%s%.80s", before, map->keys[i]);
        add_pair(s, name.text ? name.text : before, v->kind == MN_STR ? v->text : "");
        mn_str_free(&name);
    }
}

static void add_hash(mn_str *s, const mn_experiment *e, const char *key, const char *name) {
    const mn_node *all = mn_experiment_estims(e);
    for (size_t i = 0; i < all->n; i++) {
        const char *hash = mn_at_text(all->items[i], key);
        if (*hash) add_pair(s, name, hash);
    }
}

int mn_report_setup(mn_str *s, const mn_experiment *e) {
    static const char *const keys[] = {"name", "seed", "backend", "threads"};
    mn_html_section(s, "setup", "Configuration and versions");
    char seconds[48], bytes[48];
    mn_html_table(s);
    for (size_t i = 0; i < MN_COUNT(keys); i++)
        add_pair(s, keys[i], mn_at_text(e->results, keys[i]));
    add_pair(s, "time (s)", mn_html_readable(mn_at_real(e->results, "seconds"), seconds));
    add_pair(s, "most memory (bytes)", mn_html_readable(mn_at_real(e->results, "peak_rss_bytes"), bytes));
    add_map(s, "version of ", mn_node_get(e->results, "versions"));
    add_map(s, "SHA-256 of data: ", mn_node_get(e->results, "data_sha256"));
    add_hash(s, e, "table_sha256", "SHA-256 of the table of results");
    add_hash(s, e, "calibration_sha256", "SHA-256 of calibration samples");
    mn_html_table_end(s);
    if (e->config_text) {
        mn_str_add(s, "<details open=\"open\"><summary>The configuration, as it was merged</summary><pre>");
        mn_html_text(s, e->config_text, 200000);
        mn_str_add(s, "</pre></details>\n");
    } else {
        mn_html_say(s, "p class=\"missing\"", "There is no outputs/config.yaml in the folder.");
    }
    mn_html_section_end(s);
    return 0;
}
