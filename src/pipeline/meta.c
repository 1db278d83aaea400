/* What a checkpoint is of: the facts that a run has to share with it to go on from it.
 *
 * Space, threads, seed, data and configuration must be the same, or another search would come out. Library, backend and
 * instruction set should be: with others it goes on, but not with the bytes that it would have had. */
#include <inttypes.h>
#include <string.h>

#include "config/schema.h"
#include "modnas/version.h"
#include "pipeline/chkpt.h"

/* ---- writing ------------------------------------------------------------------------------------------- */

static void add_key(mn_str *s, const char *key) {
    mn_str_add(s, s->n > 1 ? "," : "");
    mn_str_json(s, key);
    mn_str_add(s, ":");
}

static void add_text(mn_str *s, const char *key, const char *value) {
    add_key(s, key);
    if (value)
        mn_str_json(s, value);
    else
        mn_str_add(s, "null");
}

static void add_int(mn_str *s, const char *key, int64_t value) {
    add_key(s, key);
    mn_str_addf(s, "%" PRId64, value);
}

static int32_t threads_of(const mn_pipeline *p) {
    return p->model->backend ? mn_backend_threads(p->model->backend) : p->ctx->opts.threads;
}

static int add_space(mn_str *s, const mn_pipeline *p) {
    char hash[65];
    mn_str size = {.ctx = p->ctx};
    MN_TRY(mn_space_hash(p->model, hash));
    add_text(s, "space", hash);
    const int rc = p->model->space ? mn_space_size(p->model->space, &size) : 0;
    if (!rc) add_text(s, "space_size", size.text ? size.text : "1");
    mn_str_free(&size);
    return rc;
}

static void add_hash(mn_str *s, const char *key, const char *hash) {
    add_text(s, key, hash && *hash ? hash : NULL);
}

/* Of all that is read and not kept in the checkpoint. */
static void add_data(mn_str *s, const mn_pipeline *p) {
    add_hash(s, "train_sha256", p->train ? p->train->sha256 : NULL);
    add_hash(s, "valid_sha256", p->valid ? p->valid->sha256 : NULL);
    add_hash(s, "latency_table_sha256", p->latency_sha256);
    int n = 0;
    add_key(s, "table_sha256");
    for (size_t i = 0; i < p->stages.n; i++) {
        const mn_estim *e = MN_AT(p->stages, mn_stage, i).estim;
        if (!e->table_sha256) continue;
        mn_str_add(s, n++ ? "," : "{");
        mn_str_json(s, e->name);
        mn_str_add(s, ":");
        mn_str_json(s, e->table_sha256);
    }
    mn_str_add(s, n ? "}" : "null");
}

int mn_pipeline_meta(const mn_pipeline *p, mn_str *s) {
    const mn_backend *b = p->model->backend;
    const int32_t n = (int32_t)p->stages.n, ends = p->at >= n;
    const mn_estim *e = n ? MN_AT(p->stages, mn_stage, ends ? n - 1 : p->at).estim : p->loose;
    mn_str_add(s, "{");
    add_text(s, "library", MODNAS_VERSION_STRING);
    add_text(s, "backend", b ? mn_backend_name(b) : "none");
    add_text(s, "backend_version", b ? mn_backend_version(b) : NULL);
    add_text(s, "isa", mn_cpu_isa_name());
    add_int(s, "threads", threads_of(p));
    add_key(s, "seed");
    mn_str_addf(s, "%" PRIu64, p->model->seed);
    add_text(s, "model", p->model->type);
    MN_TRY(add_space(s, p));
    add_data(s, p);
    add_text(s, "optim", p->optim ? p->optim->vt->type : NULL);
    add_text(s, "estim", e->name);
    add_text(s, "phase", p->under_way ? "under way" : ends ? "all done" : p->is_over ? "before its baseline" : "before it");
    add_int(s, "epoch", e->epoch);
    add_int(s, "step", e->n_steps);
    add_int(s, "evaluations", p->history.n);
    mn_str_add(s, "}\n");
    return s->failed ? MODNAS_ENOMEM : 0;
}

/* ---- comparing ----------------------------------------------------------------------------------------- */

/* A section's text as a tree. */
static int read_tree(const mn_pipeline *p, const mn_sections *f, const char *name, const char *path, mn_node **out) {
    const mn_section *s = mn_sections_find(f, name);
    mn_node *docs;
    if (!s) return mn_fail(p->ctx, MODNAS_EFORMAT, "%s: there is no section %s", path, name);
    const int rc = mn_yaml_read(p->ctx, s->data, s->n, name, &docs);
    if (rc == MODNAS_ECONFIG) return mn_fail(p->ctx, MODNAS_EFORMAT, "%s: %s", path, modnas_errmsg(p->ctx));
    if (rc) return rc;
    if (docs->n == 1 && docs->items[0]->kind == MN_MAP) {
        *out = docs->items[0];
        docs->n = 0;
    }
    const int ok = docs->n == 0;
    mn_node_free(p->ctx, docs);
    return ok ? 0 : mn_fail(p->ctx, MODNAS_EFORMAT, "%s: section %s is no map", path, name);
}

static int refuse(const mn_pipeline *p, const char *path, const char *what, const mn_node *theirs,
                  const mn_node *ours) {
    mn_str x = {.ctx = p->ctx}, y = {.ctx = p->ctx};
    mn_node_json(&x, theirs);
    mn_node_json(&y, ours);
    int rc = x.failed || y.failed ? MODNAS_ENOMEM : 0;
    if (!rc)
        rc = mn_fail(p->ctx, MODNAS_ECONFIG, "%s: it is of another search: %s is %.200s there and %.200s here", path,
                     what, x.text, y.text);
    mn_str_free(&x);
    mn_str_free(&y);
    return rc;
}

static int compare_key(const mn_pipeline *p, const char *path, const char *key, const mn_node *x, const mn_node *y) {
    mn_str at = {.ctx = p->ctx};
    int differ;
    mn_str_add(&at, key);
    int rc = at.failed ? MODNAS_ENOMEM : mn_node_differ(p->ctx, &at, &x, &y, &differ);
    if (!rc && differ) rc = refuse(p, path, at.text, x, y);
    mn_str_free(&at);
    return rc;
}

/* Facts of meta: those that have to be the same, and those that should. */
static int compare_meta(const mn_pipeline *p, const char *path, const mn_node *theirs, const mn_node *ours) {
    static const struct {
        const char *key;
        int must;
    } facts[] = {{"space_size", 1}, {"space", 1}, {"threads", 1}, {"seed", 1}, {"train_sha256", 1}, {"valid_sha256", 1},
                 {"latency_table_sha256", 1}, {"table_sha256", 1}, {"backend", 0}, {"backend_version", 0}, {"isa", 0},
                 {"library", 0}};
    for (size_t i = 0; i < MN_COUNT(facts); i++) {
        const char *key = facts[i].key;
        const int rc = compare_key(p, path, key, mn_node_get(theirs, key), mn_node_get(ours, key));
        if (!rc) continue;
        if (facts[i].must || rc != MODNAS_ECONFIG) return rc;
        mn_log(p->ctx, MODNAS_LOG_WARN, "%s; what follows may differ in its last digits", modnas_errmsg(p->ctx));
    }
    return 0;
}

/* Keys that no result hangs on, or that compare_meta looks at. */
static int is_free(const char *key) {
    static const char *const free_keys[] = {"name",   "routine", "backend",    "device_ids", "device",   "threads",
                                            "seed",   "import",  "predefined", "defaults",   "override", "expman",
                                            "writer", "logging", "test_data",  "pipeline",   "measure_fn"};
    for (size_t i = 0; i < MN_COUNT(free_keys); i++)
        if (strcmp(key, free_keys[i]) == 0) return 1;
    return !mn_schema_knows(key); /* sections of routines */
}

static int compare_config(const mn_pipeline *p, const char *path, const mn_node *theirs, const mn_node *ours) {
    for (size_t i = 0; i < ours->n; i++)
        if (!is_free(ours->keys[i]))
            MN_TRY(compare_key(p, path, ours->keys[i], mn_node_get(theirs, ours->keys[i]), ours->items[i]));
    for (size_t i = 0; i < theirs->n; i++)
        if (!is_free(theirs->keys[i]) && !mn_node_get(ours, theirs->keys[i]))
            MN_TRY(compare_key(p, path, theirs->keys[i], theirs->items[i], NULL));
    return 0;
}

static int own_meta(const mn_pipeline *p, mn_node **out) {
    mn_str s = {.ctx = p->ctx};
    int rc = mn_pipeline_meta(p, &s);
    if (!rc) rc = mn_yaml_value(p->ctx, s.text, "meta", out);
    mn_str_free(&s);
    return rc;
}

int mn_pipeline_compare(const mn_pipeline *p, const mn_sections *f, const char *path) {
    mn_node *meta = NULL, *config = NULL, *own = NULL;
    int rc = read_tree(p, f, "meta", path, &meta);
    if (!rc) rc = read_tree(p, f, "config", path, &config);
    if (!rc) rc = own_meta(p, &own);
    if (!rc) rc = compare_meta(p, path, meta, own);
    if (!rc) rc = compare_config(p, path, config, p->tree);
    mn_node_free(p->ctx, own);
    mn_node_free(p->ctx, config);
    mn_node_free(p->ctx, meta);
    return rc;
}
