/* Making the network that was found: model, data, statistics. */
#include "pipeline/derived.h"

#include <string.h>

#include "construct/subnet.h"
#include "train/calibrate.h"

enum { USUAL_BATCHES = 100 };

static int is_given(const mn_node *n) {
    return n && n->kind != MN_NULL;
}

/* ---- the model ------------------------------------------------------------------------------------------- */

static int need_chkpt(const mn_derived *f, const mn_subnet *s) {
    if (s->chkpt) return 0;
    return mn_fail(f->ctx, MODNAS_ECONFIG, "a network is found in weights: 'chkpt' names no file of them");
}

/* The architecture as given, or else the one that the run of the checkpoint found. */
static int take_arch(mn_derived *f, mn_subnet *s) {
    if (!s->arch) {
        MN_TRY(mn_derived_arch_file(f->ctx, f->tree, s->chkpt, &f->arch_file));
        mn_node *path = mn_node_str(f->ctx, f->arch_file);
        const int rc = path ? mn_arch_desc_load(f->ctx, path, &s->arch) : MODNAS_ENOMEM;
        mn_node_free(f->ctx, path);
        MN_TRY(rc);
    }
    f->arch = s->arch;
    s->arch = NULL;
    return 0;
}

static int reduce(mn_derived *f, mn_subnet *s) {
    MN_TRY(need_chkpt(f, s));
    MN_TRY(take_arch(f, s));
    MN_TRY(mn_subnet_reduce(s->model, f->arch, s->chkpt));
    f->model = s->model;
    s->model = NULL;
    return 0;
}

static int whole(mn_derived *f, const mn_subnet *s) {
    MN_TRY(need_chkpt(f, s));
    MN_TRY(mn_construct_model(f->ctx, f->tree, mn_construct_dtype(f->tree), 1, &f->model));
    if (f->model->root && f->model->backend) return 0;
    return mn_fail(f->ctx, MODNAS_ECONFIG, "the configuration has no network with weights: %s",
                   f->model->root ? "'backend: none'" : "no model");
}

static int make_model(mn_derived *f) {
    mn_subnet s;
    MN_TRY(mn_subnet_open(f->ctx, f->tree, mn_construct_dtype(f->tree), &s));
    const int rc = s.model ? reduce(f, &s) : whole(f, &s);
    mn_subnet_close(&s);
    return rc;
}

/* ---- data ------------------------------------------------------------------------------------------------ */

/* What is only wanted for what is told of the network may be missing. */
static int open_data(mn_derived *f, int is_needed) {
    f->data = (mn_pipeline){.ctx = f->ctx, .tree = f->tree, .model = f->model};
    if (!is_given(mn_node_get(f->tree, "data")) && !is_given(mn_node_get(f->tree, "train_data"))) {
        if (!is_needed) return 0;
        return mn_fail(f->ctx, MODNAS_ECONFIG, "statistics of batch norm are taken from training data, and there is no "
                       "train_data; calibrate: none leaves them as they are in the file");
    }
    const int rc = mn_pipeline_data(&f->data);
    if (!rc || is_needed || rc == MODNAS_ENOMEM || rc == MODNAS_ECANCELED) return rc;
    mn_log(f->ctx, MODNAS_LOG_WARN, "what is done to an image before is left out: %s", modnas_errmsg(f->ctx));
    mn_pipeline_free_data(&f->data);
    return 0;
}

/* ---- statistics ------------------------------------------------------------------------------------------ */

/* Any trainer will do: what is asked of it is its data, and that these fit the model. */
static int make_trainer(mn_derived *f, mn_trainer **out) {
    static const char spec[] = "{type: DefaultTrainer, args: {optimizer: {type: SGD, args: {lr: 0}}}}";
    const mn_trainer_env env = {f->model, &f->data.loaders};
    mn_node *node;
    MN_TRY(mn_yaml_value(f->ctx, spec, "default", &node));
    const int rc = mn_registry_build(f->ctx, "trainer", node, NULL, NULL, &env, out);
    mn_node_free(f->ctx, node);
    return rc;
}

static int run_calibration(mn_derived *f, mn_calibration *c) {
    MN_TRY(mn_calibration_prepare(c));
    MN_TRY(mn_calibration_run(c));
    memcpy(f->calibration_sha256, mn_calibration_sha256(c), sizeof f->calibration_sha256);
    return 0;
}

static int calibrate(mn_derived *f, const mn_calibration_opts *o) {
    mn_trainer *t;
    mn_calibration *c = NULL;
    MN_TRY(make_trainer(f, &t));
    int rc = mn_calibration_new(t, o, &c);
    if (!rc) rc = run_calibration(f, c);
    if (!rc) f->calibration = mn_calibration_mode_name(o->mode);
    mn_calibration_free(c);
    mn_trainer_free(t);
    return rc;
}

/* mode -1: none. */
static int read_opts(modnas_ctx *ctx, const modnas_export_opts *o, mn_calibration_opts *out) {
    *out = (mn_calibration_opts){.n_batches = o->n_batches ? o->n_batches : USUAL_BATCHES, .clear = 1};
    out->mode = o->calibrate ? mn_calibration_mode(o->calibrate) : MN_CALIBRATE_POOLED;
    if (o->n_batches < 0 || o->reserved)
        return mn_fail(ctx, MODNAS_EINVAL, "modnas_export_opts: n_batches is %d, reserved %d", o->n_batches, o->reserved);
    if (out->mode >= 0 || strcmp(o->calibrate, "none") == 0) return 0;
    return mn_fail(ctx, MODNAS_EINVAL, "calibrate is '%.40s': pooled, average, ema or none", o->calibrate);
}

/* ---- the whole ------------------------------------------------------------------------------------------- */

static int make(mn_derived *f, const modnas_export_opts *opts) {
    mn_calibration_opts o;
    MN_TRY(read_opts(f->ctx, opts, &o));
    MN_TRY(make_model(f));
    const int wanted = o.mode >= 0 && (opts->calibrate || f->arch);
    MN_TRY(open_data(f, wanted));
    return wanted ? calibrate(f, &o) : 0;
}

int mn_derived_open(modnas_ctx *ctx, const mn_node *config, const modnas_export_opts *opts, mn_derived *out) {
    mn_derived f = {.ctx = ctx, .tree = mn_node_copy(ctx, config)};
    const int rc = f.tree ? make(&f, opts) : MODNAS_ENOMEM;
    if (rc)
        mn_derived_close(&f);
    else
        *out = f;
    return rc;
}

void mn_derived_close(mn_derived *f) {
    if (!f->ctx) return;
    mn_pipeline_free_data(&f->data);
    mn_model_free(f->model);
    mn_node_free(f->ctx, f->arch);
    mn_free(f->ctx, f->arch_file);
    mn_node_free(f->ctx, f->tree);
    *f = (mn_derived){.ctx = NULL};
}
