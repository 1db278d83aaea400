#include "util_nets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "space/slot.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

static mn_model *net_on(const char *backend, const char *config, int32_t dtype, int commit) {
    mn_str text = {.ctx = model_ctx};
    mn_model *m;
    mn_str_addf(&text, "backend: %s\nthreads: 1\nseed: 3\n%s", backend, config);
    mn_node *tree = yaml(text.text);
    OK(mn_construct_model(model_ctx, tree, dtype, commit, &m));
    mn_node_free(model_ctx, tree);
    mn_str_free(&text);
    return m;
}

void net_check_figure(const net_figure *f) {
    mn_model *m = net_on("ref", f->config, MODNAS_F32, f->macs > 0);
    int64_t macs = 0;
    ck_assert_msg(mn_model_n_params(m) == f->params, "%s: %lld params, wanted %lld", f->config,
                  (long long)mn_model_n_params(m), (long long)f->params);
    if (f->macs) OK(mn_model_macs(m, NULL, &macs));
    ck_assert_msg(macs == f->macs, "%s: %lld multiply-adds, wanted %lld", f->config, (long long)macs, (long long)f->macs);
    ck_assert_uint_eq(m->slots.n, f->slots);
    mn_model_free(m);
}

void net_has_params(const char *config, const char *const *names) {
    mn_model *m = net_on("ref", config, MODNAS_F32, 1);
    for (; *names; names++) model_param(m, *names);
    mn_model_free(m);
}

/* ---- steps ----------------------------------------------------------------------------------------------- */

enum { FAR = 6 }; /* from 0: what batch norm gives has a standard deviation of 1 */

static int raise_norm(mn_module *m, void *ud) {
    mn_param *bias = mn_module_find_param(m, "bias");
    (void)ud;
    if (!bias || !mn_module_find_param(m, "running_mean")) return 0;
    double x[2048];
    ck_assert_int_le(mn_param_numel(bias), MN_COUNT(x));
    for (size_t i = 0; i < MN_COUNT(x); i++) x[i] = FAR;
    return mn_param_set(bias, x);
}

void net_check_gradients(const char *config, int32_t batch, int raised) {
    mn_model *m = net_on("ref", config, MODNAS_F64, 1);
    step s;
    if (raised) OK(mn_module_walk(m->root, raise_norm, NULL));
    step_new(m, batch, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++)
        if (mn_store_param(m->weights, i)->role == MN_ROLE_WEIGHT) check_gradient(m, &s, mn_store_param(m->weights, i));
    step_free(&s);
    mn_model_free(m);
}

/* A step that has been made. */
static mn_model *step_on(const char *backend, int32_t dtype, const char *config, int32_t batch, int raised,
                         double *loss) {
    mn_model *m = net_on(backend, config, dtype, 1);
    if (raised) OK(mn_module_walk(m->root, raise_norm, NULL));
    step s;
    step_new(m, batch, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT});
    mn_store_zero_grad(m->weights);
    *loss = step_go(&s);
    step_free(&s);
    return m;
}

static double *contents(const mn_param *p) {
    double *x = mn_alloc(model_ctx, (size_t)mn_param_numel(p), sizeof *x);
    ck_assert_ptr_nonnull(x);
    OK(p->role == MN_ROLE_STAT ? mn_param_get(p, x) : mn_param_get_grad(p, x));
    return x;
}

/* Of q from p, as a share of p's largest, but not of what is next to none: a bias before a batch norm has no gradient. */
static double difference(const mn_param *p, const mn_param *q) {
    double *x = contents(p), *y = contents(q), most = 0, largest = 0.01;
    for (int64_t i = 0; i < mn_param_numel(p); i++) {
        most = fmax(most, fabs(x[i] - y[i]));
        largest = fmax(largest, fabs(x[i]));
    }
    mn_free(model_ctx, x);
    mn_free(model_ctx, y);
    return most / largest;
}

void net_compare_step(const char *config, int32_t batch, int raised) {
    static const struct {
        const char *backend;
        int32_t dtype;
    } how[3] = {{"ref", MODNAS_F64}, {"ref", MODNAS_F32}, {"dnnl", MODNAS_F32}};
    mn_backend *b;
    mn_model *m[3];
    double loss[3], most[3] = {0};
    if (mn_backend_open(model_ctx, "dnnl", 1, &b)) {
        printf("a step on ref and dnnl: skipped, %s\n", modnas_errmsg(model_ctx));
        return;
    }
    mn_backend_close(b);
    for (int k = 0; k < 3; k++) m[k] = step_on(how[k].backend, how[k].dtype, config, batch, raised, &loss[k]);
    for (size_t i = 0; i < mn_store_n_params(m[0]->weights); i++)
        for (int k = 1; k < 3; k++)
            most[k] = fmax(most[k], difference(mn_store_param(m[0]->weights, i), mn_store_param(m[k]->weights, i)));
    for (int k = 0; k < 3; k++) mn_model_free(m[k]);
    const double allowed = 1e-4 + 4 * most[1];
    if (getenv("MODNAS_VERBOSE")) printf("%s: ref %.2g, dnnl %.2g\n", config, most[1], most[2]);
    ck_assert_msg(most[2] <= allowed && allowed < 0.01, "%s: gradients differ by %.3g of the largest, on ref by %.3g", config,
                  most[2], most[1]);
    ck_assert_msg(fabs(loss[2] - loss[0]) <= allowed * loss[0], "%s: loss %.9g, in double %.9g", config, loss[2], loss[0]);
}

/* ---- candidates ------------------------------------------------------------------------------------------ */

typedef struct trying {
    const char *config;
    int n_taken;
} trying;

/* 1: the Slot took it. */
static int try_slot(mn_slot *slot, const mn_node *name) {
    mn_str where = {.ctx = model_ctx};
    OK(mn_slot_name(slot, &where));
    const int rc = mn_fill_candidate(slot, name);
    if (rc) {
        const char *at = strstr(modnas_errmsg(model_ctx), where.text);
        ck_assert_msg(rc == MODNAS_ECONFIG || rc == MODNAS_ESHAPE, "%s: status %d", name->text, rc);
        if (strstr(modnas_errmsg(model_ctx), "needs the arg")) at = modnas_errmsg(model_ctx); /* it is no operator alone */
        ck_assert_msg(at && strlen(at) > where.n + 10, "%s: %s", name->text, modnas_errmsg(model_ctx));
    }
    mn_str_free(&where);
    return !rc;
}

static int try_candidate(const mn_component *c, void *ud) {
    trying *t = ud;
    mn_node *tree = yaml(t->config), *name = mn_node_str(model_ctx, c->name);
    mn_model *m;
    int n = 0;
    int64_t macs;
    ck_assert_ptr_nonnull(name);
    OK(mn_construct_model(model_ctx, tree, MODNAS_F32, 0, &m));
    for (size_t i = 0, n_slots = m->slots.n; i < n_slots; i++) n += try_slot(mn_model_slot(m, i), name);
    OK(mn_model_commit(m));
    OK(mn_model_macs(m, NULL, &macs));
    t->n_taken += n > 0;
    mn_model_free(m);
    mn_node_free(model_ctx, name);
    mn_node_free(model_ctx, tree);
    return 0;
}

int net_try_candidates(const char *config) {
    trying t = {config, 0};
    ck_assert_int_eq(mn_registry_visit(model_ctx, "candidate", try_candidate, &t), 0);
    return t.n_taken;
}
