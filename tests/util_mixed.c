#include "util_mixed.h"

#include <string.h>

#include "module/layers.h"
#include "space/mixed.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

static void add(mn_model *m, const char *name, int rc, mn_module *part) {
    OK(rc);
    OK(mn_module_add(m->root, name, part));
}

static void add_slot(mn_model *m, const char *name, const char *spec_text, const char *candidates_text) {
    mn_node *spec = yaml(spec_text), *candidates = yaml(candidates_text);
    mn_module *slot, *entity;
    OK(mn_slot_new(m, 4, 4, 1, NULL, &slot));
    const mn_mixed_env env = {m, mn_slot_of(slot), candidates, NULL};
    OK(mn_mixed_build(m, spec, &env, &entity));
    OK(mn_slot_fill(mn_slot_of(slot), entity, NULL));
    OK(mn_module_add(m->root, name, slot));
    mn_node_free(model_ctx, spec);
    mn_node_free(model_ctx, candidates);
}

mn_model *mixed_model(const char *spec, const char *candidates, uint64_t seed) {
    return mixed_model_of(spec, candidates, seed, NULL);
}

mn_model *mixed_model_of(const char *spec, const char *candidates, uint64_t seed, const char *order) {
    mn_backend *b;
    mn_model *m;
    mn_module *part = NULL;
    OK(mn_backend_open(model_ctx, "ref", 1, &b));
    OK(mn_model_new(model_ctx, b, MODNAS_F64, seed, &m));
    mn_backend_close(b);
    for (size_t i = 0; order && i < sizeof m->ops.order; i++) m->ops.order[i] = i < strlen(order) ? order[i] : 0;
    m->input[0] = 2;
    m->input[1] = m->n_classes = 3;
    m->input[2] = 4;
    OK(mn_sequential_new(m, &m->root));
    int rc = mn_conv2d_new(m, &(mn_conv_desc){.chn_in = 2, .chn_out = 4, .kernel = {1, 1}}, &part);
    add(m, "stem", rc, part);
    add_slot(m, "first", spec, candidates);
    add_slot(m, "second", spec, candidates);
    rc = mn_global_pool_new(m, &part);
    add(m, "pool", rc, part);
    rc = mn_linear_new(m, 4, 3, 1, &part);
    add(m, "fc", rc, part);
    OK(mn_model_commit(m));
    return m;
}

mn_mixed *mixed(const mn_model *m, int32_t i) {
    mn_mixed *x = mn_model_mixed(m, i);
    ck_assert_ptr_nonnull(x);
    return x;
}

static int record_mixture(mn_mixed *m, mn_run *run, const double *p, mn_value *src, mn_value **dst) {
    mn_value *out[MIXED_CANDIDATES], *weights;
    for (int32_t i = 0; i < m->n; i++) MN_TRY(mn_mixed_record(m, run, i, src, &out[i]));
    MN_TRY(mn_const(run, (const int64_t[4]){1, m->n, 1, 1}, p, &weights));
    return mn_weighted_sum(run, weights, out, m->n, dst);
}

double mixture_loss(mn_model *m, step *s, const int32_t path[MIXED_OPS], int32_t at, const double *p) {
    const int64_t x[4] = {s->batch, 2, 3, 4}, y[4] = {s->batch, 1, 1, 1};
    mn_value *v;
    OK(mn_run_begin(s->run, &(mn_run_opts){.train = 1}));
    OK(mn_input(s->run, x, MODNAS_F32, &s->x));
    OK(mn_input(s->run, y, MODNAS_I32, &s->y));
    OK(mn_forward1(mn_module_child(m->root, "stem"), s->run, s->x, &v));
    for (int32_t i = 0; i < MIXED_OPS; i++)
        OK(i == at ? record_mixture(mixed(m, i), s->run, p, v, &v)
                   : mn_mixed_record(mixed(m, i), s->run, path[i], v, &v));
    OK(mn_forward1(mn_module_child(m->root, "pool"), s->run, v, &v));
    OK(mn_forward1(mn_module_child(m->root, "fc"), s->run, v, &s->logits));
    OK(mn_softmax_xent(s->run, s->logits, s->y, 0, &s->loss));
    OK(mn_run_keep(s->run, s->loss));
    OK(mn_run_plan(s->run, NULL));
    return step_go(s);
}

double mixture_slope(mn_model *m, step *s, const int32_t path[MIXED_OPS], int32_t at, int32_t j) {
    const double h = 1e-5;
    double loss[2];
    for (int side = 0; side < 2; side++) {
        double p[MIXED_CANDIDATES] = {0, 0, 0};
        p[path[at]] = 1;
        p[j] += side ? h : -h;
        loss[side] = mixture_loss(m, s, path, at, p);
    }
    return (loss[1] - loss[0]) / (2 * h);
}
