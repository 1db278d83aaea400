/* Making a bundle of a run's folder: files are copied under their names, the manifest comes last. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bundle/bundle.h"
#include "construct/construct.h"
#include "modnas/bundle.h"

typedef struct making {
    modnas_ctx *ctx;
    const char *dir, *out;
    const char *estim;
    mn_node *results, *config; /* documents */
} making;

/* ---- reading ------------------------------------------------------------------------------------------- */

static int read_tree(const making *k, const char *file, mn_node **docs) {
    char *path = mn_bundle_path(k->ctx, k->dir, file), *text = NULL;
    size_t n;
    int rc = path ? mn_file_read(k->ctx, path, MN_YAML_BYTES_MAX, &text, &n) : MODNAS_ENOMEM;
    if (!rc) rc = mn_yaml_read(k->ctx, text, n, path, docs);
    if (!rc && ((*docs)->n != 1 || (*docs)->items[0]->kind != MN_MAP))
        rc = mn_fail(k->ctx, MODNAS_EFORMAT, "%s: it is no map", path);
    mn_free(k->ctx, text);
    mn_free(k->ctx, path);
    return rc;
}

static int choose_estim(making *k) {
    const mn_node *all = mn_node_get(k->results->items[0], "estim");
    if (!all || all->kind != MN_MAP || !all->n)
        return mn_fail(k->ctx, MODNAS_EFORMAT, "%s/outputs/results.json: there is no estimator", k->dir);
    if (!k->estim) k->estim = all->keys[all->n - 1];
    if (mn_node_get(all, k->estim)) return 0;
    return mn_fail(k->ctx, MODNAS_ENOTFOUND, "%s: no estimator '%.80s' ran there", k->dir, k->estim);
}

/* ---- copying ------------------------------------------------------------------------------------------- */

static int write_to(const making *k, const char *name, const char *bytes, size_t n) {
    char *to = mn_bundle_path(k->ctx, k->out, name);
    const int rc = to ? mn_file_write(k->ctx, to, bytes, n) : MODNAS_ENOMEM;
    mn_free(k->ctx, to);
    return rc;
}

static int copy_file(const making *k, const char *from, const char *name) {
    char *bytes;
    size_t n;
    MN_TRY(mn_file_read(k->ctx, from, SIZE_MAX / 4, &bytes, &n));
    const int rc = write_to(k, name, bytes, n);
    mn_free(k->ctx, bytes);
    return rc;
}

enum { OF_ESTIM = 1, NEEDED = 2, WEIGHTS = 4 };
static const struct {
    const char *folder, *name, *after; /* of an estimator: its name stands between */
    int flags;
} copied[] = {{"outputs", "results", ".json", NEEDED},
              {"outputs", "config", ".yaml", NEEDED},
              {"outputs", "arch_", "_best.yaml", OF_ESTIM},
              {"chkpt", "model_", "_best.safetensors", OF_ESTIM | WEIGHTS},
              {"chkpt", "model_", "_last.safetensors", OF_ESTIM | WEIGHTS}};

/* n: files of weights that were copied. */
static int copy_row(const making *k, size_t i, size_t *n) {
    mn_str name = {.ctx = k->ctx}, path = {.ctx = k->ctx};
    mn_str_addf(&name, "%s%s%s", copied[i].name, copied[i].flags & OF_ESTIM ? k->estim : "", copied[i].after);
    mn_str_addf(&path, "%s/%s/%s", k->dir, copied[i].folder, name.text ? name.text : "");
    int rc = name.failed || path.failed ? MODNAS_ENOMEM : 0;
    if (!rc && (copied[i].flags & NEEDED || mn_bundle_is_file(path.text))) {
        rc = copy_file(k, path.text, name.text);
        *n += !rc && copied[i].flags & WEIGHTS;
    }
    mn_str_free(&path);
    mn_str_free(&name);
    return rc;
}

static int ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

static int copy_onnx_of(const making *k, const char *folder) {
    mn_vec names;
    MN_TRY(mn_bundle_names(k->ctx, folder, &names));
    int rc = 0;
    for (size_t i = 0; i < names.n && !rc; i++) {
        if (!ends_with(MN_AT(names, char *, i), ".onnx")) continue;
        char *path = mn_bundle_path(k->ctx, folder, MN_AT(names, char *, i));
        rc = path ? copy_file(k, path, MN_AT(names, char *, i)) : MODNAS_ENOMEM;
        mn_free(k->ctx, path);
    }
    mn_bundle_free_names(k->ctx, &names);
    return rc;
}

static int copy_onnx(const making *k) {
    char *folder = mn_bundle_path(k->ctx, k->dir, "outputs");
    const int rc = folder ? copy_onnx_of(k, folder) : MODNAS_ENOMEM;
    mn_free(k->ctx, folder);
    return rc;
}

/* ---- what the configuration names ---------------------------------------------------------------------- */

static int write_arch(const making *k, const mn_node *given) {
    mn_node *desc;
    mn_str text = {.ctx = k->ctx};
    MN_TRY(mn_arch_desc_load(k->ctx, given, &desc));
    mn_node_yaml(&text, desc);
    const int rc = text.failed ? MODNAS_ENOMEM : write_to(k, MN_BUNDLE_ARCH, text.text, text.n);
    mn_str_free(&text);
    mn_node_free(k->ctx, desc);
    return rc;
}

static int copy_named(const making *k) {
    const mn_node *config = k->config->items[0], *arch = mn_node_get(config, "arch_desc"),
                  *table = mn_node_path(config, "objective.latency_table");
    if (arch && arch->kind != MN_NULL) MN_TRY(write_arch(k, arch));
    return table && table->kind == MN_STR ? copy_file(k, table->text, MN_BUNDLE_TABLE) : 0;
}

/* ---- the manifest -------------------------------------------------------------------------------------- */

static int add_file(const making *k, const char *name, mn_str *text) {
    char *path = mn_bundle_path(k->ctx, k->out, name), *bytes = NULL;
    size_t n;
    int rc = path ? 0 : MODNAS_ENOMEM;
    if (!rc && mn_bundle_is_file(path)) {
        rc = mn_file_read(k->ctx, path, SIZE_MAX / 4, &bytes, &n);
        if (!rc) rc = mn_manifest_add(text, name, bytes, n);
    }
    mn_free(k->ctx, bytes);
    mn_free(k->ctx, path);
    return rc;
}

/* Read again before it is written: a file may have a name that it cannot hold. */
static int end_manifest(const making *k, mn_str *text) {
    mn_manifest m;
    mn_manifest_end(text);
    if (text->failed) return MODNAS_ENOMEM;
    MN_TRY(mn_manifest_parse(k->ctx, text->text, text->n, MN_MANIFEST, &m));
    mn_manifest_free(&m);
    return write_to(k, MN_MANIFEST, text->text, text->n);
}

static int write_manifest(const making *k) {
    mn_vec names;
    mn_str text = {.ctx = k->ctx};
    MN_TRY(mn_bundle_names(k->ctx, k->out, &names));
    int rc = 0;
    for (size_t i = 0; i < names.n && !rc; i++)
        if (strcmp(MN_AT(names, char *, i), MN_MANIFEST) != 0) rc = add_file(k, MN_AT(names, char *, i), &text);
    if (!rc) rc = end_manifest(k, &text);
    mn_str_free(&text);
    mn_bundle_free_names(k->ctx, &names);
    return rc;
}

/* What is not whole yet is no bundle. */
static int remove_manifest(const making *k) {
    char *path = mn_bundle_path(k->ctx, k->out, MN_MANIFEST);
    int rc = path ? 0 : MODNAS_ENOMEM;
    if (!rc && unlink(path) && errno != ENOENT) rc = mn_fail(k->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
    mn_free(k->ctx, path);
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static int make(making *k) {
    size_t n_weights = 0;
    MN_TRY(read_tree(k, "outputs/results.json", &k->results));
    MN_TRY(read_tree(k, "outputs/config.yaml", &k->config));
    MN_TRY(choose_estim(k));
    MN_TRY(mn_make_dirs(k->ctx, k->out));
    MN_TRY(remove_manifest(k));
    for (size_t i = 0; i < MN_COUNT(copied); i++) MN_TRY(copy_row(k, i, &n_weights));
    if (!n_weights)
        return mn_fail(k->ctx, MODNAS_ENOTFOUND, "%s: there are no weights of estimator '%.80s'", k->dir, k->estim);
    MN_TRY(copy_named(k));
    MN_TRY(copy_onnx(k));
    return write_manifest(k);
}

int modnas_bundle(modnas_ctx *ctx, const char *exp_dir, const modnas_bundle_opts *opts) {
    modnas_bundle_opts o;
    if (!ctx || !exp_dir) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    MN_TRY(mn_opts_read(ctx, "modnas_bundle_opts", opts, &o, sizeof o));
    char *out = o.out ? mn_strdup(ctx, o.out) : mn_bundle_path(ctx, exp_dir, "bundle");
    if (!out) return MODNAS_ENOMEM;
    making k = {.ctx = ctx, .dir = exp_dir, .out = out, .estim = o.estim};
    const int rc = make(&k);
    mn_node_free(ctx, k.results);
    mn_node_free(ctx, k.config);
    mn_free(ctx, out);
    return rc;
}
