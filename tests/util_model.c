#include "util_model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/layers.h"

util_host model_host;
modnas_ctx *model_ctx;

void model_setup(void) {
    model_host = (util_host){.left = -1};
    modnas_ctx_opts opts = util_host_opts(&model_host);
    opts.threads = 1;
    opts.plugin_dir = getenv("MODNAS_PLUGINS"); /* tests link the archive: the plug-ins are not beside them */
    ck_assert_int_eq(modnas_ctx_new(&opts, &model_ctx), 0);
    ck_assert_int_eq(mn_space_register(model_ctx), 0);
    ck_assert_int_eq(mn_models_register(model_ctx), 0);
    ck_assert_int_eq(mn_construct_register(model_ctx), 0);
    ck_assert_int_eq(mn_export_register(model_ctx), 0);
}

void model_teardown(void) {
    modnas_ctx_free(model_ctx);
    ck_assert_int_eq(model_host.live, 0);
}

mn_node *yaml(const char *text) {
    mn_node *docs, *copy;
    ck_assert_msg(mn_yaml_read(model_ctx, text, strlen(text), "test.yaml", &docs) == 0, "%s", modnas_errmsg(model_ctx));
    copy = mn_node_copy(model_ctx, docs->items[0]);
    ck_assert_ptr_nonnull(copy);
    mn_node_free(model_ctx, docs);
    return copy;
}

mn_model *model_of(const char *config, int32_t dtype) {
    mn_node *tree = yaml(config);
    mn_model *m = NULL;
    ck_assert_msg(mn_construct_model(model_ctx, tree, dtype, 1, &m) == 0, "%s", modnas_errmsg(model_ctx));
    mn_node_free(model_ctx, tree);
    return m;
}

char *model_exported(mn_model *m, const char *config) {
    mn_node *conf = yaml(config), *desc;
    mn_exporter *e;
    mn_str text = {.ctx = model_ctx};
    ck_assert_msg(mn_exporters_build(model_ctx, conf, &e) == 0, "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(e->run(e, m, &desc) == 0, "%s", modnas_errmsg(model_ctx));
    mn_node_json(&text, desc);
    mn_node_free(model_ctx, desc);
    mn_node_free(model_ctx, conf);
    mn_exporter_free(e);
    char *taken = mn_str_take(&text);
    ck_assert_ptr_nonnull(taken);
    return taken;
}

void model_expect_exported(mn_model *m, const char *config, const char *json) {
    char *text = model_exported(m, config);
    ck_assert_str_eq(text, json);
    mn_free(model_ctx, text);
}

double model_first_weight(const char *config) {
    mn_model *m = model_of(config, MODNAS_F32);
    double x[1024];
    ck_assert_int_eq(mn_param_get(mn_store_param(m->weights, 0), x), 0);
    mn_model_free(m);
    return x[0];
}

void expect_refused(const char *config, int status, ...) {
    mn_node *tree = yaml(config);
    mn_model *m = NULL;
    const int rc = mn_construct_model(model_ctx, tree, MODNAS_F32, 1, &m);
    ck_assert_msg(rc == status, "status %d, wanted %d: %s", rc, status, modnas_errmsg(model_ctx));
    ck_assert_ptr_null(m);
    va_list ap;
    va_start(ap, status);
    for (const char *text; (text = va_arg(ap, const char *));)
        ck_assert_msg(strstr(modnas_errmsg(model_ctx), text) != NULL, "'%s' is not in: %s", text,
                      modnas_errmsg(model_ctx));
    va_end(ap);
    mn_node_free(model_ctx, tree);
}

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

mn_model *model_empty(void) {
    mn_backend *b;
    mn_model *m;
    OK(mn_backend_open(model_ctx, "ref", 1, &b));
    OK(mn_model_new(model_ctx, b, MODNAS_F32, 3, &m));
    mn_backend_close(b);
    return m;
}

mn_model *model_small(void) {
    mn_model *m = model_empty();
    const mn_conv_desc conv = {.chn_in = 3, .chn_out = 8, .kernel = {3, 3}, .pad = {1, 1}, .bias = 1};
    mn_module *part;
    OK(mn_sequential_new(m, &m->root));
    OK(mn_conv2d_new(m, &conv, &part));
    OK(mn_module_add(m->root, "conv", part));
    OK(mn_batch_norm_new(m, 8, 1, 0, 0, &part));
    OK(mn_module_add(m->root, "bn", part));
    OK(mn_global_pool_new(m, &part));
    OK(mn_module_add(m->root, "pool", part));
    OK(mn_linear_new(m, 8, 5, 1, &part));
    OK(mn_module_add(m->root, "fc", part));
    OK(mn_model_commit(m));
    return m;
}

mn_param *model_param(const mn_model *m, const char *name) {
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++)
        if (strcmp(mn_store_param(m->weights, i)->name, name) == 0) return mn_store_param(m->weights, i);
    ck_abort_msg("no parameter %s", name);
    return NULL;
}

void step_new(mn_model *m, int32_t batch, step *s) {
    memset(s, 0, sizeof *s);
    const size_t n = (size_t)batch * (size_t)m->input[0] * (size_t)m->input[1] * (size_t)m->input[2];
    mn_rng rng;
    mn_rng_init(&rng, 5, mn_stream("images"), 0);
    s->images = mn_alloc(model_ctx, n, sizeof *s->images);
    s->labels = mn_alloc(model_ctx, (size_t)batch, sizeof *s->labels);
    ck_assert(s->images && s->labels);
    for (size_t i = 0; i < n; i++) s->images[i] = (float)(2 * mn_rng_real(&rng) - 1);
    for (int32_t i = 0; i < batch; i++) s->labels[i] = i % m->n_classes;
    ck_assert_int_eq(mn_run_new(m->backend, m->dtype, m->slab, &s->run), 0);
    s->batch = batch;
}

void step_free(step *s) {
    mn_run_free(s->run);
    mn_free(model_ctx, s->images);
    mn_free(model_ctx, s->labels);
}

void step_record(mn_model *m, step *s, const mn_run_opts *opts) {
    const int64_t x[4] = {s->batch, m->input[0], m->input[1], m->input[2]}, y[4] = {s->batch, 1, 1, 1};
    int rc = mn_run_begin(s->run, opts);
    if (!rc) rc = mn_input(s->run, x, MODNAS_F32, &s->x);
    if (!rc) rc = mn_input(s->run, y, MODNAS_I32, &s->y);
    if (!rc) rc = mn_model_forward(m, s->run, s->x, &s->logits);
    if (!rc) rc = mn_softmax_xent(s->run, s->logits, s->y, 0, &s->loss);
    if (!rc) rc = mn_run_keep(s->run, s->logits);
    if (!rc) rc = mn_run_keep(s->run, s->loss);
    if (!rc) rc = mn_run_plan(s->run, opts->grads ? s->loss : NULL);
    ck_assert_msg(rc == 0, "%s", modnas_errmsg(model_ctx));
}

double step_go(step *s) {
    double loss;
    mn_run_bind(s->run, s->x, s->images);
    mn_run_bind(s->run, s->y, s->labels);
    int rc = mn_run_forward(s->run, 0);
    if (!rc) rc = mn_run_read(s->run, s->loss, &loss);
    if (!rc && mn_run_options(s->run)->grads) rc = mn_run_backward(s->run);
    ck_assert_msg(rc == 0, "%s", modnas_errmsg(model_ctx));
    return loss;
}

static double loss_with(step *s, mn_param *p, double *x, int64_t i, double value) {
    const double before = x[i];
    x[i] = value;
    ck_assert_int_eq(0, mn_param_set(p, x));
    const double loss = step_go(s);
    x[i] = before;
    ck_assert_int_eq(0, mn_param_set(p, x));
    return loss;
}

void check_gradient(mn_model *m, step *s, mn_param *p) {
    const int64_t n = mn_param_numel(p), stride = 1 + n / 24;
    const double h = 1e-5;
    double *x = mn_alloc(model_ctx, (size_t)n, sizeof *x), *g = mn_alloc(model_ctx, (size_t)n, sizeof *g);
    mn_store_zero_grad(m->weights);
    if (m->arch) mn_store_zero_grad(m->arch);
    step_go(s);
    ck_assert_int_eq(0, mn_param_get(p, x));
    ck_assert_msg(mn_param_active(p), "%s has no gradient", p->name);
    ck_assert_int_eq(0, mn_param_get_grad(p, g));
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(g[i]));
    for (int64_t i = 0; i < n; i += stride) {
        const double want = (loss_with(s, p, x, i, x[i] + h) - loss_with(s, p, x, i, x[i] - h)) / (2 * h);
        ck_assert_msg(fabs(g[i] - want) <= 1e-7 * fmax(1, most), "%s[%lld]: %.12g, wanted %.12g", p->name, (long long)i,
                      g[i], want);
    }
    mn_free(model_ctx, x);
    mn_free(model_ctx, g);
}

void model_check_gradients(mn_model *m, int32_t batch) {
    step s;
    step_new(m, batch, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++)
        if (mn_store_param(m->weights, i)->role == MN_ROLE_WEIGHT) check_gradient(m, &s, mn_store_param(m->weights, i));
    step_free(&s);
    mn_model_free(m);
}

/* ---- two backends -------------------------------------------------------------------------------------- */

int model_has_dnnl(const char *test) {
    mn_backend *b;
    if (mn_backend_open(model_ctx, "dnnl", 1, &b)) {
        printf("%s: skipped, %s\n", test, modnas_errmsg(model_ctx));
        return 0;
    }
    mn_backend_close(b);
    return 1;
}

typedef struct outcome {
    double loss;
    size_t n;      /* elements of all parameters */
    double *value; /* gradients of weights, and statistics as they are afterwards */
} outcome;

static outcome run_step(mn_model *m, int32_t batch) {
    outcome r = {0, 0, NULL};
    step s;
    step_new(m, batch, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT});
    mn_store_zero_grad(m->weights);
    r.loss = step_go(&s);
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++)
        r.n += (size_t)mn_param_numel(mn_store_param(m->weights, i));
    r.value = mn_alloc(model_ctx, r.n, sizeof *r.value);
    ck_assert_ptr_nonnull(r.value);
    for (size_t i = 0, at = 0; i < mn_store_n_params(m->weights); i++) {
        const mn_param *p = mn_store_param(m->weights, i);
        OK(p->role == MN_ROLE_STAT ? mn_param_get(p, r.value + at) : mn_param_get_grad(p, r.value + at));
        at += (size_t)mn_param_numel(p);
    }
    step_free(&s);
    mn_model_free(m);
    return r;
}

/* Sums of up to some thousand terms in f32 differ by 6e-8 sqrt(4000) = 4e-6 of the largest; batch norm multiplies that
 * by 1 / standard deviation, here below 10. */
void model_same_step(mn_model *ref, mn_model *other, int32_t batch, const char *what) {
    const outcome a = run_step(ref, batch), b = run_step(other, batch);
    double most = 0;
    ck_assert_uint_eq(a.n, b.n);
    ck_assert_msg(fabs(a.loss - b.loss) < 1e-5, "%s: loss %.9g, on ref %.9g", what, b.loss, a.loss);
    for (size_t i = 0; i < a.n; i++) most = fmax(most, fabs(a.value[i]));
    for (size_t i = 0; i < a.n; i++)
        ck_assert_msg(fabs(a.value[i] - b.value[i]) <= 4e-5 * fmax(most, 1), "%s: element %zu is %.9g, on ref %.9g",
                      what, i, b.value[i], a.value[i]);
    mn_free(model_ctx, a.value);
    mn_free(model_ctx, b.value);
}
