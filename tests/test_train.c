/* Weight optimizers and the norm of gradients, without a model: expected values are worked out by hand, or from the
 * formulas of PyTorch's documentation, written here once more in plain double arithmetic. */
#include <math.h>
#include <string.h>

#include "train/train.h"
#include "util_host.h"

enum { N_PARAMS = 4 };

static util_host host;
static modnas_ctx *ctx;
static mn_backend *backend;
static mn_store *store;
static mn_param *param[N_PARAMS];
static const int64_t sizes[N_PARAMS] = {3, 20, 1, 5};

static void setup(void) {
    ctx = util_ctx_new(&host);
    ck_assert_int_eq(mn_backend_open(ctx, "ref", 1, &backend), 0);
}

static void make_store(int32_t dtype) {
    ck_assert_int_eq(mn_store_new(backend, dtype, &store), 0);
    for (int i = 0; i < N_PARAMS; i++) {
        const int64_t dims[4] = {1, sizes[i], 1, 1};
        const char *const names[] = {"a", "b", "c", "d"};
        ck_assert_int_eq(mn_param_new(ctx, MN_ROLE_WEIGHT, 1, dims, MN_INIT_ONES, 0, &param[i]), 0);
        ck_assert_int_eq(mn_store_add(store, param[i], names[i]), 0);
    }
    ck_assert_int_eq(mn_store_commit(store, 1), 0);
}

static void teardown(void) {
    mn_store_free(store);
    for (int i = 0; i < N_PARAMS; i++) mn_param_free(param[i]);
    mn_backend_close(backend);
    util_ctx_end(&host, ctx);
}

/* Give every element of a parameter the gradient g; ref's memory is the host's. */
static void set_grad(mn_param *p, double g) {
    for (int64_t i = 0; i < mn_param_numel(p); i++) {
        if (mn_store_dtype(store) == MODNAS_F64)
            ((double *)mn_store_grads(store))[p->offset + (size_t)i] = g;
        else
            ((float *)mn_store_grads(store))[p->offset + (size_t)i] = (float)g;
    }
    mn_param_touch(p);
}

/* The value of a parameter, whose elements must all be equal. */
static double value(const mn_param *p) {
    double x[32];
    ck_assert_int_eq(mn_param_get(p, x), 0);
    for (int64_t i = 1; i < mn_param_numel(p); i++) ck_assert(x[i] == x[0]);
    return x[0];
}

static void step(mn_weight_optim *o, double lr, double g_scale) {
    ck_assert_int_eq(mn_weight_optim_step(o, lr, g_scale), 0);
}

/* torch.optim.SGD of one number. */
typedef struct sgd_state {
    double w, buf;
    int steps;
} sgd_state;

static void sgd(sgd_state *s, double g, double lr, const mn_sgd_opts *o) {
    double d = g + o->weight_decay * s->w;
    if (o->momentum != 0) {
        s->buf = s->steps++ ? o->momentum * s->buf + (1 - o->dampening) * d : d;
        d = o->nesterov ? d + o->momentum * s->buf : s->buf;
    }
    s->w -= lr * d;
}

/* torch.optim.Adam, AdamW of one number. */
typedef struct adam_state {
    double w, m, v;
    int t;
} adam_state;

static void adam(adam_state *s, double g, double lr, const mn_adam_opts *o) {
    if (o->decoupled) s->w -= lr * o->weight_decay * s->w;
    const double d = o->decoupled ? g : g + o->weight_decay * s->w;
    s->t++;
    s->m = o->beta1 * s->m + (1 - o->beta1) * d;
    s->v = o->beta2 * s->v + (1 - o->beta2) * d * d;
    s->w -= lr * (s->m / (1 - pow(o->beta1, s->t))) / (sqrt(s->v / (1 - pow(o->beta2, s->t))) + o->eps);
}

/* By hand: w 1, g 0.5, lr 0.1, momentum 0.9, decay 0.1.  d = 0.6, w = 1 - 0.06;  d = 0.594, buf = 0.54 + 0.594, w =
 * 0.94 - 0.1134. */
START_TEST(sgd_by_hand) {
    const mn_sgd_opts opts = {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1};
    mn_weight_optim *o;
    make_store(MODNAS_F64);
    ck_assert_int_eq(mn_sgd_new(ctx, store, &opts, &o), 0);
    ck_assert(mn_weight_optim_lr(o) == 0.1);
    ck_assert_uint_eq(mn_weight_optim_state_bytes(o), mn_store_count(store) * sizeof(double));
    set_grad(param[1], 0.5);
    step(o, 0.1, 1);
    ck_assert_double_eq_tol(value(param[1]), 0.94, 1e-15);
    step(o, 0.1, 1);
    ck_assert_double_eq_tol(value(param[1]), 0.8266, 1e-15);
    mn_weight_optim_free(o);
}
END_TEST

/* Every combination of options, ten steps of changing gradients and rates, in f64 (1e-13: ten steps of rounding) and
 * f32. */
START_TEST(sgd_by_formula) {
    static const mn_sgd_opts rows[] = {{.lr = 0.1},
                                       {.lr = 0.1, .weight_decay = 0.02},
                                       {.lr = 0.1, .momentum = 0.9},
                                       {.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.02},
                                       {.lr = 0.1, .momentum = 0.8, .weight_decay = 0.02, .nesterov = 1}};
    const int32_t dtype = _i % 2 ? MODNAS_F32 : MODNAS_F64;
    const mn_sgd_opts *opts = &rows[_i / 2];
    sgd_state want = {.w = 1};
    mn_weight_optim *o;
    make_store(dtype);
    ck_assert_int_eq(mn_sgd_new(ctx, store, opts, &o), 0);
    for (int i = 0; i < 10; i++) {
        const double g = 0.3 * cos(i), lr = 0.1 / (i + 1);
        mn_store_zero_grad(store);
        for (int p = 0; p < N_PARAMS; p++) set_grad(param[p], 2 * g);
        step(o, lr, 0.5); /* clipped to half */
        sgd(&want, g, lr, opts);
        for (int p = 0; p < N_PARAMS; p++)
            ck_assert_double_eq_tol(value(param[p]), want.w, dtype == MODNAS_F64 ? 1e-13 : 3e-6);
    }
    mn_weight_optim_free(o);
}
END_TEST

/* By hand: without decay Adam's first step is lr g / (|g| + eps) whatever g is. */
START_TEST(adam_by_hand) {
    const mn_adam_opts opts = {.lr = 0.006, .beta1 = 0, .beta2 = 0.999, .eps = 1e-8};
    mn_weight_optim *o;
    make_store(MODNAS_F64);
    ck_assert_int_eq(mn_adam_new(ctx, store, &opts, &o), 0);
    ck_assert_uint_eq(mn_weight_optim_state_bytes(o), 2 * mn_store_count(store) * sizeof(double));
    set_grad(param[0], 1e-3);
    set_grad(param[3], -50);
    step(o, 0.006, 1);
    ck_assert_double_eq_tol(value(param[0]), 1 - 0.006 * 1e-3 / (1e-3 + 1e-8), 1e-12);
    ck_assert_double_eq_tol(value(param[3]), 1.006, 1e-10);
    ck_assert(value(param[1]) == 1);
    mn_weight_optim_free(o);
}
END_TEST

START_TEST(adam_by_formula) {
    static const mn_adam_opts rows[] = {
        {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
        {.lr = 0.01, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 1e-3},
        {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-3, .weight_decay = 0.1, .decoupled = 1}};
    const int32_t dtype = _i % 2 ? MODNAS_F32 : MODNAS_F64;
    const mn_adam_opts *opts = &rows[_i / 2];
    adam_state want = {.w = 1};
    mn_weight_optim *o;
    make_store(dtype);
    ck_assert_int_eq(mn_adam_new(ctx, store, opts, &o), 0);
    for (int i = 0; i < 10; i++) {
        const double g = 0.3 * cos(i), lr = 0.01 / (i + 1);
        mn_store_zero_grad(store);
        for (int p = 0; p < N_PARAMS; p++) set_grad(param[p], 2 * g);
        step(o, lr, 0.5);
        adam(&want, g, lr, opts);
        for (int p = 0; p < N_PARAMS; p++)
            ck_assert_double_eq_tol(value(param[p]), want.w, dtype == MODNAS_F64 ? 1e-12 : 3e-6);
    }
    mn_weight_optim_free(o);
}
END_TEST

/* Values after 1, 2, 5 and 10 steps with these gradients and rates, from PyTorch 2.12 in f64:
 *
 *   w = torch.nn.Parameter(torch.ones(1)); o = torch.optim.RMSprop([w], lr=0.1, ...)
 *   for i in range(10): o.param_groups[0]["lr"] = 0.1 / (i + 1); w.grad = torch.tensor([0.3 * math.cos(i)]); o.step()
 */
static const struct torch_row {
    int adagrad;
    mn_rmsprop_opts rms;
    mn_adagrad_opts ada;
    double want[4];
} torch_rows[] = {
    {.rms = {0.1, 0.99, 1e-8, 0, 0, 0},
     .want = {3.3333322269069043e-07, -0.23860223874302852, 0.1143685817099924, 0.018508351624093887}},
    {.rms = {0.1, 0.9, 1e-3, 0.02, 0, 0},
     .want = {0.68686665455489593, 0.60832950310764722, 0.71797480658008872, 0.67940902416024518}},
    {.rms = {0.1, 0.9, 1e-8, 0, 0.8, 0},
     .want = {0.68377226731649188, 0.47903159143567964, 0.45605197806074449, 0.41016607658623722}},
    {.rms = {0.1, 0.9, 1e-8, 0, 0, 1},
     .want = {0.66666670370369951, 0.58056664674947445, 0.70275231991639853, 0.6683055024057718}},
    {.rms = {0.1, 0.95, 1e-4, 0.02, 0.7, 1},
     .want = {0.54182548502508754, 0.26798857594938158, 0.2708597119918626, 0.21358663417774304}},
    {.adagrad = 1,
     .ada = {0.1, 0, 0, 0, 1e-10},
     .want = {0.90000000003333336, 0.87623225892818524, 0.91123344190132294, 0.90176813306264747}},
    {.adagrad = 1,
     .ada = {0.1, 0.3, 0.02, 0, 1e-10},
     .want = {0.90000000003125002, 0.88113658277481355, 0.89793566885910447, 0.89360650836310085}},
    {.adagrad = 1,
     .ada = {0.1, 0, 0, 0.5, 1e-3},
     .want = {0.96099410805169871, 0.95068339967296411, 0.96914963952985056, 0.96336522401324487}},
};

START_TEST(as_torch) {
    static const int after[] = {1, 2, 5, 10};
    const int32_t dtype = _i % 2 ? MODNAS_F32 : MODNAS_F64;
    const struct torch_row *row = &torch_rows[_i / 2];
    mn_weight_optim *o;
    make_store(dtype);
    ck_assert_int_eq(
        row->adagrad ? mn_adagrad_new(ctx, store, &row->ada, &o) : mn_rmsprop_new(ctx, store, &row->rms, &o), 0);
    for (int i = 0, k = 0; i < 10; i++) {
        mn_store_zero_grad(store);
        for (int p = 0; p < N_PARAMS; p++) set_grad(param[p], 2 * 0.3 * cos(i));
        step(o, 0.1 / (i + 1), 0.5); /* clipped to half */
        if (i + 1 != after[k]) continue;
        for (int p = 0; p < N_PARAMS; p++)
            ck_assert_double_eq_tol(value(param[p]), row->want[k], dtype == MODNAS_F64 ? 1e-13 : 1e-5);
        k++;
    }
    mn_weight_optim_free(o);
}
END_TEST

/* With eps 0 a gradient of 0 is no step: the padding of weights has none. */
START_TEST(no_eps) {
    const mn_adam_opts adam_opts = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999};
    const mn_rmsprop_opts rms = {.lr = 0.1, .alpha = 0.9};
    const mn_adagrad_opts ada = {.lr = 0.1};
    mn_weight_optim *o[3];
    make_store(_i ? MODNAS_F32 : MODNAS_F64);
    ck_assert_int_eq(mn_adam_new(ctx, store, &adam_opts, &o[0]), 0);
    ck_assert_int_eq(mn_rmsprop_new(ctx, store, &rms, &o[1]), 0);
    ck_assert_int_eq(mn_adagrad_new(ctx, store, &ada, &o[2]), 0);
    for (int k = 0; k < 3; k++) {
        mn_store_zero_grad(store);
        set_grad(param[1], 0);
        step(o[k], 0.1, 1);
        ck_assert(value(param[1]) == 1);
        mn_weight_optim_free(o[k]);
    }
}
END_TEST

/* What PyTorch does with a parameter whose .grad is None: it stays, and its own first step comes when it first has a
 * gradient. */
START_TEST(late_parameter) {
    static const int plan[6][N_PARAMS] = {{1, 0, 1, 0}, {1, 0, 0, 0}, {1, 1, 0, 0},
                                          {0, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}};
    const mn_sgd_opts sgd_opts = {.lr = 0.1, .momentum = 0.9, .dampening = 0.4, .weight_decay = 0.01};
    const mn_adam_opts adam_opts = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    sgd_state s[N_PARAMS];
    adam_state a[N_PARAMS];
    mn_weight_optim *o;
    make_store(MODNAS_F64);
    if (_i)
        ck_assert_int_eq(mn_adam_new(ctx, store, &adam_opts, &o), 0);
    else
        ck_assert_int_eq(mn_sgd_new(ctx, store, &sgd_opts, &o), 0);
    for (int p = 0; p < N_PARAMS; p++) {
        s[p] = (sgd_state){.w = 1};
        a[p] = (adam_state){.w = 1};
    }
    for (int i = 0; i < 6; i++) {
        mn_store_zero_grad(store);
        for (int p = 0; p < N_PARAMS; p++) {
            if (!plan[i][p]) continue;
            set_grad(param[p], 0.2 * (p + 1));
            sgd(&s[p], 0.2 * (p + 1), 0.1, &sgd_opts);
            adam(&a[p], 0.2 * (p + 1), 0.1, &adam_opts);
        }
        step(o, 0.1, 1);
        for (int p = 0; p < N_PARAMS; p++) ck_assert_double_eq_tol(value(param[p]), _i ? a[p].w : s[p].w, 1e-13);
    }
    mn_weight_optim_free(o);
}
END_TEST

/* The whole arena but the active parameters keeps its bytes, gaps between parameters included. */
START_TEST(inactive_keeps_its_bytes) {
    const mn_sgd_opts opts = {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.5};
    float before[128], after[128];
    mn_weight_optim *o;
    make_store(MODNAS_F32);
    const size_t n = mn_store_count(store);
    ck_assert_uint_le(n, 128);
    ck_assert_int_eq(mn_sgd_new(ctx, store, &opts, &o), 0);
    memcpy(before, mn_store_weights(store), n * sizeof *before);
    set_grad(param[0], 1);
    set_grad(param[3], 1);
    step(o, 0.1, 1);
    memcpy(after, mn_store_weights(store), n * sizeof *after);
    for (size_t i = 0; i < n; i++) {
        int active = 0;
        for (int p = 0; p < N_PARAMS; p += 3)
            active |= i >= param[p]->offset && i < param[p]->offset + (size_t)sizes[p];
        ck_assert_msg((before[i] == after[i]) == !active, "element %zu", i);
    }
    mn_weight_optim_free(o);
}
END_TEST

START_TEST(steps_allocate_nothing) {
    const mn_adam_opts opts = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    mn_weight_optim *o;
    mn_grad_norm *m;
    double norm;
    make_store(MODNAS_F32);
    ck_assert_int_eq(mn_adam_new(ctx, store, &opts, &o), 0);
    ck_assert_int_eq(mn_grad_norm_new(store, &m), 0);
    const int64_t allocs = ctx->n_allocs, plans = mn_backend_n_plans(backend);
    for (int i = 0; i < 100; i++) {
        mn_store_zero_grad(store);
        set_grad(param[i % N_PARAMS], i);
        set_grad(param[i / 3 % N_PARAMS], i);
        ck_assert_int_eq(mn_grad_norm_get(m, &norm), 0);
        step(o, 0.1, mn_clip_scale(norm, 5));
    }
    ck_assert_int_eq(ctx->n_allocs, allocs);
    ck_assert_int_eq(mn_backend_n_plans(backend), plans);
    mn_grad_norm_free(m);
    mn_weight_optim_free(o);
}
END_TEST

/* Out of memory while an optimizer is made: no leak, no half optimizer. */
START_TEST(no_memory) {
    const mn_adam_opts opts = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    mn_weight_optim *o = NULL;
    make_store(MODNAS_F32);
    int64_t left = 0;
    int rc;
    do {
        host.left = left++;
        rc = mn_adam_new(ctx, store, &opts, &o);
        host.left = -1;
        ck_assert(rc == 0 || (rc == MODNAS_ENOMEM && !o));
    } while (rc);
    ck_assert_int_gt(left, 3);
    mn_weight_optim_free(o);
}
END_TEST

/* ---- clipping ---------------------------------------------------------------------------------------- */

/* By hand: 3 elements of 2 and one of 2 give sqrt(16) = 4; then 20 of 0.5 in it: sqrt(21). Inactive gradients do not
 * count. */
START_TEST(norm_of_the_active) {
    mn_grad_norm *m;
    double norm;
    make_store(_i ? MODNAS_F32 : MODNAS_F64);
    ck_assert_int_eq(mn_grad_norm_new(store, &m), 0);
    ck_assert_int_eq(mn_grad_norm_get(m, &norm), 0);
    ck_assert(norm == 0);
    set_grad(param[0], 2);
    set_grad(param[2], 2);
    ck_assert_int_eq(mn_grad_norm_get(m, &norm), 0);
    ck_assert_double_eq_tol(norm, 4, 1e-12);
    set_grad(param[1], 0.5);
    ck_assert_int_eq(mn_grad_norm_get(m, &norm), 0);
    ck_assert_double_eq_tol(norm, sqrt(21), 1e-12);
    mn_store_zero_grad(store);
    set_grad(param[1], 0.5);
    ck_assert_int_eq(mn_grad_norm_get(m, &norm), 0);
    ck_assert_double_eq_tol(norm, sqrt(5), 1e-12);
    mn_grad_norm_free(m);
}
END_TEST

static void add_loop(TCase *t, const TTest *test, int n) {
    tcase_add_loop_test(t, test, 0, n);
}

int main(void) {
    Suite *s = suite_create("train");
    TCase *t = tcase_create("loops");
    tcase_add_checked_fixture(t, setup, teardown);
    add_loop(t, sgd_by_formula, 10);
    add_loop(t, adam_by_formula, 6);
    add_loop(t, as_torch, 2 * (int)MN_COUNT(torch_rows));
    add_loop(t, no_eps, 2);
    add_loop(t, late_parameter, 2);
    add_loop(t, norm_of_the_active, 2);
    suite_add_tcase(s, t);
    util_add(s, "optimizers", setup, teardown,
             (const TTest *[]){sgd_by_hand, adam_by_hand, inactive_keeps_its_bytes, steps_allocate_nothing, no_memory,
                               NULL});
    return util_run(s);
}
