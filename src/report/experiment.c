/* Reading a run's folder (experiment.h). */
#include "report/experiment.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export/events.h"

enum { RESULTS_MAX = MN_YAML_BYTES_MAX, MOST_EVENT_FILES = 10000 };

/* ---- lookups ------------------------------------------------------------------------------------------- */

double mn_at_real(const mn_node *map, const char *path) {
    const mn_node *n = mn_node_path(map, path);
    return n && (n->kind == MN_INT || n->kind == MN_REAL) ? n->r : NAN;
}

const char *mn_at_text(const mn_node *map, const char *path) {
    const mn_node *n = mn_node_path(map, path);
    return n && n->kind != MN_SEQ && n->kind != MN_MAP && n->text ? n->text : "";
}

int mn_is_true(const mn_node *map, const char *path) {
    const mn_node *n = mn_node_path(map, path);
    return n && n->kind == MN_BOOL && n->i;
}

const mn_node *mn_experiment_estims(const mn_experiment *e) {
    return mn_node_get(e->results, "estim");
}

const mn_node *mn_experiment_found(const mn_experiment *e, const char **name) {
    const mn_node *all = mn_experiment_estims(e);
    for (size_t i = all->n; i-- > 0;) {
        const mn_node *best = mn_node_get(all->items[i], "best");
        if (!best || best->kind != MN_MAP) continue;
        *name = all->keys[i];
        return all->items[i];
    }
    return NULL;
}

char *mn_experiment_path(const mn_experiment *e, const char *before, const char *name, const char *after) {
    mn_str path = {.ctx = e->ctx};
    mn_str_addf(&path, "%s/%s%s%s", e->folder, before, name, after);
    return mn_str_take(&path);
}

const mn_dots *mn_experiment_scalar(const mn_experiment *e, const char *tag) {
    return mn_map_get(&e->scalars, tag);
}

/* ---- trees --------------------------------------------------------------------------------------------- */

/* One document that is a map. text: kept by the caller where it is wanted, else NULL. */
static int read_map(modnas_ctx *ctx, const char *path, mn_node **docs, const mn_node **map, char **text) {
    char *bytes = NULL;
    size_t n = 0;
    MN_TRY(mn_file_read(ctx, path, RESULTS_MAX, &bytes, &n));
    int rc = mn_yaml_read(ctx, bytes, n, path, docs);
    if (!rc && ((*docs)->n != 1 || (*docs)->items[0]->kind != MN_MAP))
        rc = mn_fail(ctx, MODNAS_EFORMAT, "%s:1: %zu documents; one map is wanted", path, (*docs)->n);
    if (!rc) *map = (*docs)->items[0];
    if (text && !rc)
        *text = bytes;
    else
        mn_free(ctx, bytes);
    return rc;
}

static int read_config(mn_experiment *e) {
    char *path = mn_experiment_path(e, "outputs/config.yaml", "", "");
    int rc = path ? read_map(e->ctx, path, &e->config_docs, &e->config, &e->config_text) : MODNAS_ENOMEM;
    mn_free(e->ctx, path);
    return rc == MODNAS_ENOTFOUND ? 0 : rc;
}

static int check_results(const mn_experiment *e, const char *path) {
    const mn_node *estims = mn_experiment_estims(e);
    if (estims && estims->kind == MN_MAP) return 0;
    return mn_fail(e->ctx, MODNAS_EFORMAT, "%s:1: there is no map 'estim': these are no results of a run", path);
}

/* EstimResultsExporter may give the file another name. */
static int read_results(mn_experiment *e) {
    const char *given = mn_at_text(e->config, "callback.estim_export.args.run_file_name");
    char *path = mn_experiment_path(e, "outputs/", *given && !strchr(given, '/') ? given : "results", ".json");
    int rc = path ? read_map(e->ctx, path, &e->results_docs, &e->results, NULL) : MODNAS_ENOMEM;
    if (rc == MODNAS_ENOTFOUND)
        rc = mn_fail(e->ctx, rc, "%s is not there: it is written when a run ends, and a report is made of it", path);
    if (!rc) rc = check_results(e, path);
    mn_free(e->ctx, path);
    return rc;
}

static int read_history(mn_experiment *e) {
    char *path = mn_experiment_path(e, "outputs/history.tsv", "", "");
    int rc = path ? mn_grid_read(e->ctx, path, &e->history) : MODNAS_ENOMEM;
    mn_free(e->ctx, path);
    if (rc) return rc == MODNAS_ENOTFOUND ? 0 : rc;
    MN_TRY(mn_grid_need(&e->history, "estim", &e->col_estim));
    MN_TRY(mn_grid_need(&e->history, "arch", &e->col_arch));
    return mn_grid_need(&e->history, "score", &e->col_score);
}

/* ---- event files --------------------------------------------------------------------------------------- */

static int points_of(mn_experiment *e, const char *tag, mn_dots **out) {
    *out = mn_map_get(&e->scalars, tag);
    if (*out) return 0;
    *out = mn_alloc(e->ctx, 1, sizeof **out);
    if (!*out) return MODNAS_ENOMEM;
    mn_vec_init(&(*out)->x, sizeof(double));
    mn_vec_init(&(*out)->y, sizeof(double));
    const int rc = mn_map_put(e->ctx, &e->scalars, tag, *out);
    if (rc) mn_free(e->ctx, *out);
    return rc;
}

/* What a run that went on told anew. */
static void forget(mn_experiment *e, int64_t step) {
    for (size_t i = 0; i < e->scalars.n; i++) {
        void *value;
        mn_map_key(&e->scalars, i, &value);
        mn_dots *p = value;
        while (p->x.n && MN_AT(p->x, double, p->x.n - 1) >= (double)step) p->x.n--, p->y.n--;
    }
}

static int add_event(const mn_event *event, void *ud) {
    mn_experiment *e = ud;
    mn_dots *p;
    const double step = (double)event->step, value = event->value;
    if (!event->tag) {
        forget(e, event->step);
        return 0;
    }
    MN_TRY(points_of(e, event->tag, &p));
    if (!mn_vec_push(e->ctx, &p->x, &step, 1)) return MODNAS_ENOMEM;
    if (mn_vec_push(e->ctx, &p->y, &value, 1)) return 0;
    p->x.n--;
    return MODNAS_ENOMEM;
}

static int read_event_file(mn_experiment *e, const char *name) {
    mn_source *s;
    int torn = 0;
    char *path = mn_experiment_path(e, "writers/", name, "");
    int rc = path ? mn_source_open(e->ctx, path, MN_SOURCE_PLAIN, &s) : MODNAS_ENOMEM;
    if (!rc) {
        rc = mn_events_read(e->ctx, s, add_event, e, &torn);
        mn_source_close(s);
    }
    mn_free(e->ctx, path);
    e->n_event_files++;
    e->n_torn += torn != 0;
    return rc;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_events(mn_experiment *e, DIR *d, mn_vec *names) {
    for (const struct dirent *entry; (entry = readdir(d));) {
        if (!strstr(entry->d_name, "tfevents") || names->n >= MOST_EVENT_FILES) continue;
        char *name = mn_strdup(e->ctx, entry->d_name);
        if (name && mn_vec_push(e->ctx, names, &name, 1)) continue;
        mn_free(e->ctx, name);
        return MODNAS_ENOMEM;
    }
    return 0;
}

/* In the order of their names, which is that of the starts. */
static int read_events(mn_experiment *e) {
    char *folder = mn_experiment_path(e, "writers", "", "");
    DIR *d = folder ? opendir(folder) : NULL;
    mn_vec names;
    mn_vec_init(&names, sizeof(char *));
    int rc = folder ? 0 : MODNAS_ENOMEM;
    if (d) rc = list_events(e, d, &names);
    if (d) closedir(d);
    if (!rc && names.n) qsort(names.data, names.n, sizeof(char *), by_name);
    for (size_t i = 0; i < names.n; i++) {
        if (!rc) rc = read_event_file(e, MN_AT(names, char *, i));
        mn_free(e->ctx, MN_AT(names, char *, i));
    }
    mn_vec_free(e->ctx, &names);
    mn_free(e->ctx, folder);
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

int mn_experiment_read(modnas_ctx *ctx, const char *folder, mn_experiment *out) {
    mn_experiment e = {.ctx = ctx, .folder = folder};
    int rc = read_config(&e);
    if (!rc) rc = read_results(&e);
    if (!rc) rc = read_history(&e);
    if (!rc) rc = read_events(&e);
    if (rc)
        mn_experiment_free(&e);
    else
        *out = e;
    return rc;
}

void mn_experiment_free(mn_experiment *e) {
    if (!e->ctx) return;
    for (size_t i = 0; i < e->scalars.n; i++) {
        void *value;
        mn_map_key(&e->scalars, i, &value);
        mn_dots *p = value;
        mn_vec_free(e->ctx, &p->x);
        mn_vec_free(e->ctx, &p->y);
        mn_free(e->ctx, p);
    }
    mn_map_free(e->ctx, &e->scalars);
    mn_grid_free(&e->history);
    mn_node_free(e->ctx, e->results_docs);
    mn_node_free(e->ctx, e->config_docs);
    mn_free(e->ctx, e->config_text);
    *e = (mn_experiment){0};
}
