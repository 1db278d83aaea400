/* Verifying a bundle: what is read, in which order, and what is left where something is missing.
 *
 *   manifest.tsv -> files -> results.json, config.yaml -> pipeline (data, network, estimators) -> remeasure.c
 *                                                  \-- no data --> the network alone ----------/ */
#include "bundle/verify.h"

#include <string.h>

#include "construct/construct.h"
#include "modnas/bundle.h"
#include "modnas/version.h"

const mn_node *mn_stated(const mn_verification *v, const char *dotted) {
    const mn_node *n = mn_node_path(v->results->items[0], dotted);
    return n && n->kind != MN_NULL ? n : NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int read_manifest(mn_verification *v) {
    char *path = mn_bundle_path(v->ctx, v->folder, MN_MANIFEST), *text = NULL;
    size_t n;
    int rc = path ? mn_file_read(v->ctx, path, MN_YAML_BYTES_MAX, &text, &n) : MODNAS_ENOMEM;
    if (!rc) rc = mn_manifest_parse(v->ctx, text, n, path, &v->manifest);
    mn_free(v->ctx, text);
    mn_free(v->ctx, path);
    return rc;
}

static int parse_results(mn_verification *v, const char *path) {
    char *text;
    size_t n;
    MN_TRY(mn_file_read(v->ctx, path, MN_YAML_BYTES_MAX, &text, &n));
    const int rc = mn_yaml_read(v->ctx, text, n, path, &v->results);
    mn_free(v->ctx, text);
    MN_TRY(rc);
    if (v->results->n == 1 && v->results->items[0]->kind == MN_MAP) return 0;
    return mn_fail(v->ctx, MODNAS_EFORMAT, "%s: it is no object", path);
}

static int read_results(mn_verification *v) {
    char *path = mn_bundle_path(v->ctx, v->folder, "results.json");
    const int rc = path ? parse_results(v, path) : MODNAS_ENOMEM;
    mn_free(v->ctx, path);
    return rc;
}

/* ---- configuration ------------------------------------------------------------------------------------- */

/* What the bundle has in the place of files that the configuration names; NULL: it needs none. */
static const struct {
    const char *key, *file;
} replaced[] = {{"arch_desc", MN_BUNDLE_ARCH},
                {"objective.latency_table", MN_BUNDLE_TABLE},
                {"chkpt", NULL},
                {"construct.chkpt", NULL}};

static int replace(mn_verification *v, const char *key, const char *file) {
    mn_str s = {.ctx = v->ctx};
    char *path = file ? mn_bundle_path(v->ctx, v->folder, file) : NULL;
    mn_str_addf(&s, "%s=", key);
    if (path)
        mn_str_json(&s, path);
    else
        mn_str_add(&s, "null");
    const int rc = s.failed || (file && !path) ? MODNAS_ENOMEM : modnas_config_override(v->cfg, s.text);
    mn_free(v->ctx, path);
    mn_str_free(&s);
    return rc;
}

/* An exporter that writes a file as well is taken without it. */
static int quiet_one(mn_verification *v, const char *key, const mn_node *spec) {
    const mn_node *type = mn_node_get(spec, "type"), *inner = mn_node_path(spec, "args.exporter");
    mn_str s = {.ctx = v->ctx};
    if (!type || type->kind != MN_STR || strcmp(type->text, "DefaultToFileExporter") != 0) return 0;
    mn_str_addf(&s, "%s=", key);
    if (inner)
        mn_node_json(&s, inner);
    else
        mn_str_add(&s, "{type: DefaultSlotTraversalExporter}");
    const int rc = s.failed ? MODNAS_ENOMEM : modnas_config_override(v->cfg, s.text);
    mn_str_free(&s);
    return rc;
}

/* A spec, or a map of names and specs. */
static int quiet_export(mn_verification *v, const mn_node *export) {
    if (export && mn_node_get(export, "type")) return quiet_one(v, "export", export);
    for (size_t i = 0; export && export->kind == MN_MAP && i < export->n; i++) {
        mn_str key = {.ctx = v->ctx};
        mn_str_addf(&key, "export.%s", export->keys[i]);
        const int rc = key.failed ? MODNAS_ENOMEM : quiet_one(v, key.text, export->items[i]);
        mn_str_free(&key);
        MN_TRY(rc);
    }
    return 0;
}

static int adapt_config(mn_verification *v, const mn_node *given) {
    MN_TRY(quiet_export(v, mn_node_get(given, "export")));
    for (size_t i = 0; i < MN_COUNT(replaced); i++)
        if (mn_node_path(given, replaced[i].key)) MN_TRY(replace(v, replaced[i].key, replaced[i].file));
    return mn_config_tree(v->cfg, &v->config);
}

static int make_config(mn_verification *v) {
    const mn_node *tree;
    char *path = mn_bundle_path(v->ctx, v->folder, "config.yaml");
    int rc = path ? modnas_config_new(v->ctx, &v->cfg) : MODNAS_ENOMEM;
    if (!rc) rc = modnas_config_add_file(v->cfg, path);
    mn_free(v->ctx, path);
    MN_TRY(rc);
    MN_TRY(mn_config_tree(v->cfg, &tree));
    mn_node *given = mn_node_copy(v->ctx, tree); /* the tree goes with the first override */
    rc = given ? adapt_config(v, given) : MODNAS_ENOMEM;
    mn_node_free(v->ctx, given);
    return rc;
}

/* The caller's: wrong ones are not the bundle's fault. */
static int override(mn_verification *v, const char *const *overrides) {
    for (; overrides && *overrides; overrides++) MN_TRY(modnas_config_override(v->cfg, *overrides));
    return mn_config_tree(v->cfg, &v->config);
}

/* ---- data ---------------------------------------------------------------------------------------------- */

static int say_hash(mn_verification *v, const char *what, const mn_node *stated, const char *found) {
    mn_str x = {.ctx = v->ctx}, y = {.ctx = v->ctx};
    const int same = found && stated && stated->kind == MN_STR && strcmp(stated->text, found) == 0;
    if (stated) mn_node_json(&x, stated);
    if (found) mn_str_json(&y, found);
    if (v->pipeline) return mn_findings_take(&v->findings, same ? MN_HOLDS : MN_HOLDS_NOT, what, &x, &y, NULL);
    return mn_findings_take(&v->findings, MN_UNCHECKED, what, &x, &y, v->why);
}

static const char *hash_of(const mn_verification *v, size_t i) {
    const mn_pipeline *p = v->pipeline;
    if (!p) return NULL;
    const mn_dataset *const sets[] = {p->train, p->valid, p->test};
    const char *hash = i == MN_COUNT(sets) ? p->latency_sha256 : sets[i] ? sets[i]->sha256 : "";
    return *hash ? hash : NULL;
}

static int check_data(mn_verification *v) {
    static const char *const names[] = {"data_sha256.train", "data_sha256.valid", "data_sha256.test",
                                        "data_sha256.latency_table"};
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        const mn_node *stated = mn_stated(v, names[i]);
        if (stated || hash_of(v, i)) MN_TRY(say_hash(v, names[i], stated, hash_of(v, i)));
    }
    return 0;
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

static int states(const mn_verification *v, const char *key, const char *is) {
    const mn_node *n = mn_stated(v, key);
    return n && n->kind == MN_STR && strcmp(n->text, is) == 0;
}

/* 1: as the run was, so that the same numbers have to come out. */
static int is_exact(const mn_verification *v) {
    const mn_model *m = v->model;
    const mn_node *threads = mn_stated(v, "threads"), *versions = mn_stated(v, "versions");
    if (!m->backend || m->dtype != MODNAS_F32 || !threads || threads->kind != MN_INT || !versions) return 0;
    const mn_node *version = mn_node_get(versions, mn_backend_name(m->backend));
    return threads->i == mn_backend_threads(m->backend) && states(v, "backend", mn_backend_name(m->backend)) &&
           states(v, "isa", mn_cpu_isa_name()) && states(v, "versions.modnas", MODNAS_VERSION_STRING) && version &&
           version->kind == MN_STR && strcmp(version->text, mn_backend_version(m->backend)) == 0;
}

static int measure_whole(mn_verification *v) {
    v->model = v->pipeline->model;
    v->exporter = v->pipeline->exporter;
    v->findings.is_measured = 1;
    v->findings.is_exact = is_exact(v);
    MN_TRY(check_data(v));
    return mn_remeasure(v);
}

/* Why there is no pipeline is kept; what takes no data is looked at. */
static int measure_part(mn_verification *v) {
    v->why = mn_strdup(v->ctx, modnas_errmsg(v->ctx));
    if (!v->why) return MODNAS_ENOMEM;
    MN_TRY(check_data(v));
    int rc = mn_construct_model(v->ctx, v->config, mn_construct_dtype(v->config), 1, &v->model);
    if (!rc) rc = mn_exporters_build(v->ctx, v->config, &v->exporter);
    rc = rc ? mn_findings_fail(&v->findings, MN_HOLDS_NOT, "network", rc) : mn_remeasure(v);
    mn_exporter_free(v->exporter);
    mn_model_free(v->model);
    return rc;
}

static int measure(mn_verification *v) {
    const modnas_search_opts opts = {.size = sizeof opts};
    const int rc = mn_pipeline_new(v->cfg, &opts, &v->pipeline);
    if (rc == MODNAS_ENOMEM || rc == MODNAS_ECANCELED || rc > 0) return rc;
    return rc ? measure_part(v) : measure_whole(v);
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static int verify(mn_verification *v, const modnas_verify_opts *o) {
    int rc = read_manifest(v);
    if (rc == MODNAS_EFORMAT) return mn_findings_fail(&v->findings, MN_HOLDS_NOT, MN_MANIFEST, rc);
    MN_TRY(rc);
    MN_TRY(mn_findings_add(&v->findings, MN_HOLDS, MN_MANIFEST, NULL, NULL, NULL));
    MN_TRY(mn_bundle_check(&v->manifest, v->folder, &v->findings));
    rc = read_results(v);
    if (rc) return mn_findings_fail(&v->findings, MN_HOLDS_NOT, "contents of results.json", rc);
    rc = make_config(v);
    if (rc) return mn_findings_fail(&v->findings, MN_HOLDS_NOT, "contents of config.yaml", rc);
    MN_TRY(override(v, o->overrides));
    return measure(v);
}

static void release(mn_verification *v) {
    mn_pipeline_free(v->pipeline);
    modnas_config_free(v->cfg);
    mn_node_free(v->ctx, v->results);
    mn_manifest_free(&v->manifest);
    mn_free(v->ctx, v->why);
    mn_findings_free(&v->findings);
}

static int run(modnas_ctx *ctx, const char *bundle, const modnas_verify_opts *opts,
               void (*write)(mn_str *s, const mn_findings *f, const char *bundle), char **out, int32_t *holds) {
    modnas_verify_opts o;
    if (!ctx || !bundle || !out) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    mn_verification v = {.ctx = ctx, .folder = bundle};
    mn_str text = {.ctx = ctx};
    MN_TRY(mn_opts_read(ctx, "modnas_verify_opts", opts, &o, sizeof o));
    MN_TRY(mn_register_builtins(ctx));
    mn_findings_init(&v.findings, ctx);
    int rc = verify(&v, &o);
    if (!rc) write(&text, &v.findings, bundle);
    const int32_t all = mn_findings_hold(&v.findings);
    release(&v);
    char *done = rc ? NULL : mn_str_take(&text);
    if (!rc && !done) rc = MODNAS_ENOMEM;
    if (!rc) *out = done;
    if (!rc && holds) *holds = all;
    mn_str_free(&text);
    if (rc == MODNAS_ECANCELED) mn_cancel_done(ctx);
    return rc;
}

int modnas_verify_json(modnas_ctx *ctx, const char *bundle, const modnas_verify_opts *opts, char **json,
                       int32_t *holds) {
    return run(ctx, bundle, opts, mn_findings_json, json, holds);
}

int modnas_verify_text(modnas_ctx *ctx, const char *bundle, const modnas_verify_opts *opts, char **text,
                       int32_t *holds) {
    return run(ctx, bundle, opts, mn_findings_text, text, holds);
}
