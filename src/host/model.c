/* Models of hosts: what a build says about one, what can be read from one, and one of the host's own. */
#include "modnas/model.h"

#include <string.h>

#include "config/config.h"
#include "export/onnx.h"
#include "host/host.h"
#include "pipeline/derived.h"
#include "search/derive.h"

/* ---- while it is built --------------------------------------------------------------------------------- */

int modnas_model_set_input(modnas_model *model, int32_t channels, int32_t height, int32_t width) {
    const int32_t chw[3] = {channels, height, width};
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    MN_TRY(mn_host_may_edit(model));
    for (int i = 0; i < 3; i++)
        if (chw[i] < 1 || chw[i] > 65536)
            return mn_fail(model->ctx, MODNAS_ESHAPE, "an input of %dx%dx%d; each is 1 to 65536", channels, height,
                           width);
    memcpy(model->input, chw, sizeof chw);
    return 0;
}

int modnas_model_set_classes(modnas_model *model, int32_t n) {
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    MN_TRY(mn_host_may_edit(model));
    if (n < 1 || n > 1 << 24) return mn_fail(model->ctx, MODNAS_ESHAPE, "%d classes; 1 to %d are possible", n, 1 << 24);
    model->n_classes = n;
    return 0;
}

enum { OWNED = 1, FREED = 2 }; /* of_host */

/* ---- a host's own -------------------------------------------------------------------------------------- */

int modnas_model_new(modnas_config *cfg, modnas_model **out) {
    const mn_node *tree;
    mn_model *m;
    if (!cfg) return MODNAS_EINVAL;
    modnas_ctx *ctx = mn_config_ctx(cfg);
    MN_ENTER(ctx);
    if (!out) return mn_fail(ctx, MODNAS_EINVAL, "modnas_model_new: out is NULL");
    MN_TRY(mn_register_builtins(ctx));
    MN_TRY(mn_config_tree(cfg, &tree));
    MN_TRY(mn_construct_model(ctx, tree, mn_construct_dtype(tree), 1, &m));
    m->of_host = OWNED;
    *out = m;
    return 0;
}

int modnas_model_derive(modnas_config *cfg, const modnas_export_opts *opts, modnas_model **out) {
    modnas_export_opts full;
    const mn_node *tree;
    mn_derived f;
    if (!cfg) return MODNAS_EINVAL;
    modnas_ctx *ctx = mn_config_ctx(cfg);
    MN_ENTER(ctx);
    if (!out) return mn_fail(ctx, MODNAS_EINVAL, "modnas_model_derive: out is NULL");
    MN_TRY(mn_opts_read(ctx, "modnas_export_opts", opts, &full, sizeof full));
    MN_TRY(mn_register_builtins(ctx));
    MN_TRY(mn_config_tree(cfg, &tree));
    const int rc = mn_derived_open(ctx, tree, &full, &f);
    if (rc == MODNAS_ECANCELED) mn_cancel_done(ctx);
    MN_TRY(rc);
    *out = mn_model_hold(f.model);
    (*out)->of_host = OWNED;
    mn_derived_close(&f);
    return 0;
}

/* While it is recorded it only takes note: leave() then frees it. */
void modnas_model_free(modnas_model *model) {
    if (!model || !model->of_host) return;
    if (model->depth)
        model->of_host = FREED;
    else
        mn_model_free(model);
}

static int leave(mn_model *model, int rc) {
    if (model->of_host == FREED && !model->depth) mn_model_free(model);
    return rc;
}

modnas_module *modnas_model_root(const modnas_model *model) {
    return model ? model->root : NULL;
}

int modnas_model_input(const modnas_model *model, int32_t chw[3]) {
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    if (!chw) return mn_fail(model->ctx, MODNAS_EINVAL, "modnas_model_input: chw is NULL");
    memcpy(chw, model->input, sizeof model->input);
    return 0;
}

int32_t modnas_model_n_classes(const modnas_model *model) {
    return model ? model->n_classes : 0;
}

int64_t modnas_model_n_params(const modnas_model *model) {
    return model ? mn_model_n_params(model) : 0;
}

int modnas_model_macs(modnas_model *model, int64_t *macs) {
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    if (!macs) return mn_fail(model->ctx, MODNAS_EINVAL, "modnas_model_macs: macs is NULL");
    return leave(model, mn_model_macs(model, NULL, macs));
}

int modnas_model_save(modnas_model *model, const char *path) {
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    if (!path) return mn_fail(model->ctx, MODNAS_EINVAL, "modnas_model_save: path is NULL");
    const char *const metadata[] = {"format", "modnas", "model", model->type ? model->type : "", NULL};
    return mn_model_save(model, path, metadata);
}

int modnas_model_load(modnas_model *model, const char *path, int32_t partial) {
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    if (!path) return mn_fail(model->ctx, MODNAS_EINVAL, "modnas_model_load: path is NULL");
    return mn_model_load(model, path, partial != 0);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

size_t modnas_model_n_tensors(const modnas_model *model) {
    return model && mn_model_committed(model) ? mn_model_n_tensors(model) : 0;
}

int modnas_model_tensor(const modnas_model *model, size_t i, modnas_tensor_info *info) {
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    if (!info) return mn_fail(model->ctx, MODNAS_EINVAL, "modnas_model_tensor: info is NULL");
    const size_t n = modnas_model_n_tensors(model);
    if (i >= n) return mn_fail(model->ctx, MODNAS_EINVAL, "modnas_model_tensor: there is no tensor %zu of %zu", i, n);
    const mn_param *p = mn_model_tensor(model, i);
    modnas_tensor_info full = {.size = sizeof full, .name = p->name, .count = mn_param_numel(p), .n_dims = p->rank};
    mn_param_shape(p, full.dims);
    full.trained = p->role == MN_ROLE_WEIGHT;
    return mn_opts_write(model->ctx, "modnas_tensor_info", &full, sizeof full, info);
}

static int find_tensor(const mn_model *model, const char *fn, const char *name, const void *data, size_t count,
                       mn_param **out) {
    if (!name || !data) return mn_fail(model->ctx, MODNAS_EINVAL, "%s: %s is NULL", fn, name ? "data" : "name");
    for (size_t i = 0; i < modnas_model_n_tensors(model); i++) {
        mn_param *p = mn_model_tensor(model, i);
        if (strcmp(p->name, name) != 0) continue;
        if ((size_t)mn_param_numel(p) != count)
            return mn_fail(model->ctx, MODNAS_ESHAPE, "tensor %s has %lld elements, %zu are given", name,
                           (long long)mn_param_numel(p), count);
        *out = p;
        return 0;
    }
    return mn_fail(model->ctx, MODNAS_ENOTFOUND, "the model has no tensor '%.200s'", name);
}

int modnas_model_get(modnas_model *model, const char *name, float *data, size_t count) {
    mn_param *p;
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    MN_TRY(find_tensor(model, "modnas_model_get", name, data, count, &p));
    return mn_param_get_f32(p, data);
}

int modnas_model_set(modnas_model *model, const char *name, const float *data, size_t count) {
    mn_param *p;
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    MN_TRY(find_tensor(model, "modnas_model_set", name, data, count, &p));
    return mn_param_set_f32(p, data);
}

/* ---- evaluating ---------------------------------------------------------------------------------------- */

/* May it be recorded now? */
static int check_ready(const mn_model *m) {
    if (!mn_model_committed(m))
        return mn_fail(m->ctx, MODNAS_EINVAL, "the model has no memory: it is not complete, or has no backend");
    if (m->depth || m->busy) return mn_fail(m->ctx, MODNAS_EBUSY, "the model is in use: it is being recorded or run");
    return 0;
}

static int check_forward(const mn_model *m, const float *x, int64_t n, const float *logits) {
    if (!x || !logits) return mn_fail(m->ctx, MODNAS_EINVAL, "modnas_model_forward: %s is NULL", x ? "logits" : "x");
    if (n < 1 || n > 65536) return mn_fail(m->ctx, MODNAS_EINVAL, "%lld images; 1 to 65536 are possible", (long long)n);
    return check_ready(m);
}

static int record(mn_model *m, int64_t n) {
    const mn_run_opts opts = {0};
    const int64_t dims[4] = {n, m->input[0], m->input[1], m->input[2]};
    mn_model_eval *e = &m->eval;
    e->n = 0;
    MN_TRY(mn_run_begin(e->run, &opts));
    MN_TRY(mn_input(e->run, dims, MODNAS_F32, &e->x));
    MN_TRY(mn_model_forward(m, e->run, e->x, &e->logits));
    MN_TRY(mn_run_keep(e->run, e->logits));
    MN_TRY(mn_run_plan(e->run, NULL));
    e->n = n;
    e->version = m->version;
    return 0;
}

static int evaluate(mn_model *m, const float *x, int64_t n, float *logits) {
    mn_model_eval *e = &m->eval;
    if (e->n != n || e->version != m->version) MN_TRY(record(m, n));
    mn_run_bind(e->run, e->x, x);
    MN_TRY(mn_run_forward(e->run, 0));
    return mn_run_read_f32(e->run, e->logits, logits);
}

int modnas_model_forward(modnas_model *model, const float *x, int64_t n, float *logits) {
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    MN_TRY(check_forward(model, x, n, logits));
    if (!model->eval.run) MN_TRY(mn_run_new(model->backend, model->dtype, model->slab, &model->eval.run));
    MN_TRY(mn_derive_begin(model));
    const int rc = evaluate(model, x, n, logits);
    mn_derive_end(model);
    return leave(model, rc);
}

/* ---- ONNX ---------------------------------------------------------------------------------------------- */

int modnas_model_export_onnx(modnas_model *model, const modnas_onnx_opts *opts, const char *path) {
    modnas_onnx_opts o;
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    if (!path) return mn_fail(model->ctx, MODNAS_EINVAL, "modnas_model_export_onnx: path is NULL");
    MN_TRY(mn_opts_read(model->ctx, "modnas_onnx_opts", opts, &o, sizeof o));
    MN_TRY(check_ready(model));
    MN_TRY(mn_derive_begin(model));
    const int rc = mn_onnx_write(model, &o, model->input, path);
    mn_derive_end(model);
    return leave(model, rc);
}
