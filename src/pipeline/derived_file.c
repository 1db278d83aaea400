/* The network that was found, as a file: what is told of it there, and what a person is told. */
#include <string.h>

#include "export/net.h"
#include "modnas/version.h"
#include "pipeline/derived.h"

enum { MAX_FACTS = 16 };

typedef struct facts {
    modnas_ctx *ctx;
    const char *pairs[2 * MAX_FACTS + 1]; /* key, value, ..., NULL; values are owned */
    size_t n;
    int failed;
} facts;

/* ---- facts ----------------------------------------------------------------------------------------------- */

/* Takes what is in the builder. */
static void add(facts *f, const char *key, mn_str *value) {
    char *text = mn_str_take(value);
    if (!text) f->failed = 1;
    if (!text || f->failed) return;
    f->pairs[2 * f->n] = key;
    f->pairs[2 * f->n++ + 1] = text;
}

static void add_text(facts *f, const char *key, const char *value) {
    mn_str s = {.ctx = f->ctx};
    mn_str_add(&s, value);
    add(f, key, &s);
}

static void add_arch(facts *f, const mn_derived *found) {
    mn_str s = {.ctx = f->ctx};
    size_t n = 0;
    if (found->arch) mn_node_json(&s, found->arch);
    for (size_t i = 0; !found->arch && i < found->model->slots.n; i++) {
        const mn_slot *slot = mn_model_slot(found->model, i);
        if (mn_slot_is_nested(slot)) continue;
        mn_str_add(&s, n++ ? "," : "[");
        if (slot->op)
            mn_str_json(&s, slot->op);
        else
            mn_str_add(&s, "null");
    }
    if (!found->arch) mn_str_add(&s, n ? "]" : "[]");
    add(f, "arch", &s);
}

static void add_reals(mn_str *s, const char *before, const double *x, int32_t n) {
    mn_str_add(s, before);
    for (int32_t i = 0; i < n; i++) {
        mn_str_add(s, i ? "," : "[");
        mn_str_real(s, x[i]);
    }
    mn_str_add(s, "]");
}

/* (pixel / 255 - mean) / stddev, in planes; NULL where that is not known. The caller's. */
static int tell_preprocessing(modnas_ctx *ctx, const mn_net *net, char **out) {
    mn_str s = {.ctx = ctx};
    if (!net->mean) return 0;
    mn_str_add(&s, "{\"layout\":\"NCHW\",\"divide\":255");
    add_reals(&s, ",\"mean\":", net->mean, net->input[0]);
    add_reals(&s, ",\"stddev\":", net->stddev, net->input[0]);
    mn_str_add(&s, "}");
    *out = mn_str_take(&s);
    return *out ? 0 : MODNAS_ENOMEM;
}

static void add_classes(facts *f, const mn_net *net) {
    mn_str s = {.ctx = f->ctx};
    if (!net->class_names) return;
    for (int32_t i = 0; i < net->model->n_classes; i++) {
        mn_str_add(&s, i ? "," : "[");
        mn_str_json(&s, net->class_names[i]);
    }
    mn_str_add(&s, "]");
    add(f, "class_names", &s);
}

static void add_all(facts *f, const mn_derived *found, const mn_net *net) {
    mn_str s = {.ctx = f->ctx};
    add_text(f, "format", "modnas");
    add_text(f, "library", MODNAS_VERSION_STRING);
    mn_str_addf(&s, "%s %s", mn_backend_name(found->model->backend), mn_backend_version(found->model->backend));
    add(f, "backend", &s);
    add_text(f, "model", found->model->type);
    add_arch(f, found);
    if (found->arch_file) add_text(f, "arch_file", found->arch_file);
    mn_str_addf(&s, "[%d,%d,%d]", net->input[0], net->input[1], net->input[2]);
    add(f, "input", &s);
    mn_str_addf(&s, "%d", found->model->n_classes);
    add(f, "n_classes", &s);
    add_classes(f, net);
    add_text(f, "calibration", found->calibration ? found->calibration : "none");
    if (found->calibration) add_text(f, "calibration_sha256", found->calibration_sha256);
}

static void free_facts(facts *f) {
    for (size_t i = 0; i < f->n; i++) mn_free(f->ctx, (char *)(uintptr_t)f->pairs[2 * i + 1]);
}

/* ---- the network ----------------------------------------------------------------------------------------- */

/* Names of the model's outputs: a loader may have chosen some classes and given them new labels. NULL: not known. */
static int name_classes(const mn_derived *f, const char ***out) {
    const mn_loader *l = f->data.loaders.train;
    const mn_dataset *d = f->data.train;
    const int32_t n = f->model->n_classes, *map = l ? mn_loader_label_map(l) : NULL;
    if (!l || !d->class_names || mn_loader_n_classes(l) != n) return 0;
    const char **names = mn_alloc(f->ctx, (size_t)n, sizeof *names);
    if (!names) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < d->n_classes; i++) {
        const int32_t label = map ? map[i] : i;
        if (label >= 0) names[label] = d->class_names[i];
    }
    *out = names;
    return 0;
}

static void add_report(mn_str *report, const facts *f, const char *path, const char *sha256) {
    mn_str_addf(report, "%s: SHA-256 %s\n", path, sha256);
    for (size_t i = 0; i < f->n; i++) mn_str_addf(report, "  %s: %s\n", f->pairs[2 * i], f->pairs[2 * i + 1]);
}

int mn_derived_write(mn_derived *found, const modnas_onnx_opts *onnx, const char *path, mn_str *report) {
    const mn_dataset *d = found->data.train;
    mn_net net = {.model = found->model, .mean = d ? d->mean : NULL, .stddev = d ? d->stddev : NULL, .onnx = onnx};
    facts f = {.ctx = found->ctx};
    const char **names = NULL;
    char sha256[65], *preprocessing = NULL;
    memcpy(net.input, found->model->input, sizeof net.input);
    if (d) memcpy(net.input, (int32_t[]){d->c, d->h, d->w}, sizeof net.input);
    int rc = name_classes(found, &names);
    net.class_names = names;
    net.metadata = f.pairs;
    if (!rc) add_all(&f, found, &net);
    if (!rc && f.failed) rc = MODNAS_ENOMEM;
    if (!rc) rc = tell_preprocessing(f.ctx, &net, &preprocessing);
    net.preprocessing = preprocessing;
    if (!rc) rc = mn_net_write(&net, path, sha256);
    if (!rc) add_report(report, &f, path, sha256);
    free_facts(&f);
    mn_free(f.ctx, preprocessing);
    mn_free(found->ctx, names);
    return rc;
}

static int export_to(modnas_ctx *ctx, const mn_node *config, const modnas_export_opts *opts, const char *path,
                     mn_str *report) {
    mn_derived f;
    MN_TRY(mn_net_check_path(ctx, path));
    MN_TRY(mn_derived_open(ctx, config, opts, &f));
    const int rc = mn_derived_write(&f, opts->onnx, path, report);
    mn_derived_close(&f);
    return rc;
}

int modnas_export(modnas_config *cfg, const modnas_export_opts *opts, const char *path, char **report) {
    modnas_export_opts full;
    const mn_node *config;
    if (!cfg) return MODNAS_EINVAL;
    modnas_ctx *ctx = mn_config_ctx(cfg);
    MN_ENTER(ctx);
    mn_str text = {.ctx = ctx};
    if (!path) return mn_fail(ctx, MODNAS_EINVAL, "modnas_export: path is NULL");
    MN_TRY(mn_opts_read(ctx, "modnas_export_opts", opts, &full, sizeof full));
    MN_TRY(mn_register_builtins(ctx));
    int rc = mn_config_tree(cfg, &config);
    if (!rc) rc = export_to(ctx, config, &full, path, &text);
    if (rc == MODNAS_ECANCELED) mn_cancel_done(ctx);
    char *done = rc || !report ? NULL : mn_str_take(&text);
    if (!rc && report && !done) rc = MODNAS_ENOMEM;
    if (done) *report = done;
    mn_str_free(&text);
    return rc;
}
