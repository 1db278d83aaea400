/* The hot path of a search: after prepare, steps over random paths make no allocation, no plan and no object of the
 * backend; a candidate that is not on the path costs nothing and stays as it is; planning is a small share of a step.
 * On ref and on dnnl. */
#include <stdio.h>
#include <string.h>

#include "train/trainer.h"
#include "util_small.h"

static const char *const backends[] = {"ref", "dnnl"};

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static void open_small(int backend, const char *rest) {
    char yaml[2048];
    const int n = snprintf(yaml, sizeof yaml, "backend: %s\n" UTIL_SMALL_NET "%s", backends[backend], rest);
    ck_assert(n > 0 && (size_t)n < sizeof yaml);
    util_small_open(&s, yaml);
    ck_assert_str_eq(mn_backend_name(s.model->backend), backends[backend]);
}

static mn_optim *open_optim(const char *spec) {
    const mn_optim_env env = {.model = s.model, .seed = s.model->seed};
    mn_optim *o;
    MUST(util_build(s.ctx, "optim", spec, &env, &o));
    return o;
}

/* What must not move. */
typedef struct counts {
    int64_t allocs, plans, objects;
} counts;

static counts count(void) {
    return (counts){s.ctx->n_allocs, mn_backend_n_plans(s.model->backend), mn_backend_n_objects(s.model->backend)};
}

static void check_counts(const counts *before, const char *after_what) {
    const counts now = count();
    ck_assert_msg(now.allocs == before->allocs, "%s: %lld allocations", after_what,
                  (long long)(now.allocs - before->allocs));
    ck_assert_msg(now.plans == before->plans, "%s: %lld plans", after_what, (long long)(now.plans - before->plans));
    ck_assert_msg(now.objects == before->objects, "%s: %lld objects", after_what,
                  (long long)(now.objects - before->objects));
}

enum { STEPS = 200 / UTIL_FEWER };

/* Weight steps, an architecture step before every third one; batches of 16, 16 and the rest of 8. */
static void walk(mn_optim *o, mn_estim *e) {
    mn_scores scores = {0, 0, 0, 0};
    const counts before = count();
    for (int step = 0; step < STEPS; step++) {
        if (step % 3 == 0) MUST(mn_trainer_start_epoch(s.trainer, step / 3));
        if (o->vt->ask) {
            int32_t got;
            mn_arch *a = e->state;
            MUST(o->vt->ask(o, 1, &a, &got));
            MUST(mn_arch_apply(a));
        } else if (step % 3 == 0) {
            MUST(o->vt->step(o, e));
            check_counts(&before, "an architecture step");
        }
        MUST(mn_trainer_step(s.trainer, &scores));
        check_counts(&before, "a weight step");
    }
    ck_assert_int_eq(scores.n, STEPS / 3 * 40 + STEPS % 3 * 16);
}

#define ZERO_OPS_AND(more)                                                                                             \
    "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {add_zero_op: true, fix_first: false,"           \
    " candidates: [MB3E1, MB3E3, MB5E3, MB7E6], mixed_op: BinaryGateMixedOp}}" more "}\n"
#define ZERO_OPS ZERO_OPS_AND("")

/* Give the model the smallest limit that is not refused, and `more` bytes. */
static void tighten(int arch, int32_t n_active, size_t more) {
    size_t least, other;
    s.model->memory = 1;
    ck_assert_int_eq(mn_trainer_prepare(s.trainer, arch, n_active), MODNAS_ECONFIG);
    ck_assert_int_eq(sscanf(modnas_errmsg(s.ctx), "model: memory: a step needs %zu bytes for its values even if it "
                                                  "recomputes what it can, and %zu", &least, &other), 2);
    s.model->memory = least + other + more;
}

static void check_gradient_optim(int backend, const char *construct, const char *optim, int limited) {
    mn_estim e = {.trainer = NULL};
    open_small(backend, construct);
    mn_optim *o = open_optim(optim);
    e.trainer = s.trainer;
    MUST(mn_trainer_reset(s.trainer, 70));
    if (limited) tighten(o->needs, o->n_active, 256);
    MUST(mn_trainer_prepare(s.trainer, o->needs, o->n_active));
    walk(o, &e);
    ck_assert_int_eq(mn_run_n_again(s.trainer->pass[MN_PASS_TRAIN].run) > 0, limited);
    ck_assert_int_eq(s.model->epoch, (STEPS - 1) / 3);
    ck_assert_int_eq(s.model->epochs, 70);
    mn_optim_free(o);
    util_small_close(&s);
}

START_TEST(gates) {
    check_gradient_optim(_i, ZERO_OPS, "BinaryGateOptim", 0);
}
END_TEST

#define SUMS(type) "mixed_op: {type: " type ", candidates: [MB3E1, MB3E3, IDT]}\n"
static const char *const sums[][2] = {{SUMS("SoftmaxSumMixedOp"), "DARTSOptim"},
                                      {SUMS("GumbelSumMixedOp"), "DARTSOptim"},
                                      {SUMS("SoftmaxSumMixedOp"), "DirectGradOptim"},
                                      {SUMS("GumbelSumMixedOp"), "GumbelAnnealingOptim"}};

START_TEST(sums_on_ref) {
    check_gradient_optim(0, sums[_i][0], sums[_i][1], 0);
}
END_TEST
START_TEST(sums_on_dnnl) {
    check_gradient_optim(1, sums[_i][0], sums[_i][1], 0);
}
END_TEST

/* Dropped from the second epoch on: the first one has other kernels. */
START_TEST(drop_paths) {
    check_gradient_optim(_i, ZERO_OPS_AND(", d: {type: DropPathConstructor, args: {drop_prob: 0.5}}"), "BinaryGateOptim", 0);
}
END_TEST

/* Recomputing all it can, every path fits and nothing is allocated either. */
START_TEST(under_a_limit) {
    check_gradient_optim(_i, ZERO_OPS_AND(", d: {type: DropPathConstructor, args: {drop_prob: 0.5}}"), "BinaryGateOptim", 1);
}
END_TEST

START_TEST(index_ops) {
    mn_arch *a;
    open_small(_i, "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB7E6]}\n");
    mn_optim *o = open_optim("RandomSearchOptim");
    MUST(mn_arch_new(s.model, &a));
    mn_estim e = {.state = a};
    MUST(mn_trainer_reset(s.trainer, 70));
    MUST(mn_trainer_prepare(s.trainer, 0, 0));
    walk(o, &e);
    mn_arch_free(a);
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

/* Evaluating derived networks needs no new kernel either. */
START_TEST(evaluation) {
    mn_rng rng;
    mn_scores scores = {0, 0, 0, 0};
    open_small(_i, ZERO_OPS);
    MUST(mn_trainer_reset(s.trainer, 1));
    MUST(mn_trainer_prepare(s.trainer, 0, 0));
    const counts before = count();
    mn_rng_init(&rng, 1, 1, 0);
    for (int i = 0; i < STEPS; i++) {
        for (int k = 0; k < 4; k++) {
            mn_mixed *m = mn_model_mixed(s.model, k);
            mn_mixed_force(m, (int32_t)mn_rng_below(&rng, (uint64_t)m->n));
        }
        MUST(mn_trainer_evaluate(s.trainer, NULL, &scores, NULL, NULL));
        check_counts(&before, "an evaluation");
    }
    ck_assert_int_eq(scores.n, STEPS * 8);
    util_small_close(&s);
}
END_TEST

/* A plain network is recorded once for each of its batch sizes and pass. */
START_TEST(plain_net_is_recorded_once) {
    mn_scores scores = {0, 0, 0, 0};
    open_small(_i, "");
    MUST(mn_trainer_reset(s.trainer, 4));
    MUST(mn_trainer_prepare(s.trainer, 0, 0));
    const counts before = count();
    for (int epoch = 0; epoch < 4; epoch++) {
        MUST(mn_trainer_start_epoch(s.trainer, epoch));
        for (int i = 0; i < 3; i++) MUST(mn_trainer_step(s.trainer, &scores));
    }
    check_counts(&before, "a step");
    ck_assert_int_eq(mn_trainer_get_times(s.trainer)->n_records, 2 * 4); /* 16 and 8 in turns */
    util_small_close(&s);
}
END_TEST

/* ---- what is not on the path ------------------------------------------------------------------------- */

static int is_active(const mn_module *m) {
    int active = 0;
    for (size_t i = 0; i < m->params.n; i++) {
        const mn_param *p = MN_AT(m->params, mn_module_param, i).param;
        if (p->role == MN_ROLE_WEIGHT) active |= mn_param_active(p) ? 2 : 1;
    }
    for (size_t i = 0; i < m->children.n; i++) active |= is_active(MN_AT(m->children, mn_module *, i));
    return active; /* 1: has inactive parameters, 2: has active ones */
}

/* Sum over all parameters and statistics below a module, each with a factor of its own: changes when any of them does.
 */
static double mark(const mn_module *m, double *factor) {
    double sum = 0;
    for (size_t i = 0; i < m->params.n; i++) {
        const mn_param *p = MN_AT(m->params, mn_module_param, i).param;
        static double plain[4096];
        ck_assert_int_le(mn_param_numel(p), 4096);
        MUST(mn_param_get(p, plain));
        for (int64_t k = 0; k < mn_param_numel(p); k++) sum += plain[k] * (*factor += 0.125);
    }
    for (size_t i = 0; i < m->children.n; i++) sum += mark(MN_AT(m->children, mn_module *, i), factor);
    return sum;
}

static double mark_of(const mn_module *m) {
    double factor = 1;
    return mark(m, &factor);
}

/* 30 steps: of each mixed op the path's candidate has gradients and changes; the others have none and keep every bit of
 * weights and running statistics. */
START_TEST(unsampled_stay) {
    double before[4][4];
    mn_scores scores = {0, 0, 0, 0};
    open_small(_i, UTIL_SMALL_GATES);
    MUST(mn_trainer_reset(s.trainer, 30));
    for (int step = 0; step < 30; step++) {
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < 4; k++) before[i][k] = mark_of(mn_mixed_module(mn_model_mixed(s.model, i), k));
        MUST(mn_trainer_step(s.trainer, &scores));
        for (int i = 0; i < 4; i++) {
            const mn_mixed *m = mn_model_mixed(s.model, i);
            for (int k = 0; k < 4; k++) {
                const mn_module *c = mn_mixed_module(m, k);
                const int sampled = k == m->last;
                ck_assert_int_eq(is_active(c), sampled ? 2 : 1);
                ck_assert_int_eq(mark_of(c) != before[i][k], sampled);
            }
        }
    }
    util_small_close(&s);
}
END_TEST

/* Mixed ops of n equal candidates under different names. */
static void open_equal(int backend, int n) {
    char rest[1024] = "mixed_op: {type: BinaryGateMixedOp, candidates: {";
    for (int i = 0; i < n; i++) {
        const size_t at = strlen(rest);
        snprintf(rest + at, sizeof rest - at, "%sc%d: MB5E3", i ? ", " : "", i);
    }
    strcat(rest, "}}\n");
    open_small(backend, rest);
}

typedef struct cost {
    int64_t calls;
    size_t slab;
    double seconds; /* of the fastest of the steps */
} cost;

static cost measure(int backend, int n) {
    mn_scores scores = {0, 0, 0, 0};
    open_equal(backend, n);
    MUST(mn_trainer_reset(s.trainer, 100));
    MUST(mn_trainer_prepare(s.trainer, 0, 0));
    cost c = {.seconds = 1e9};
    for (int epoch = 0; epoch < 60 / UTIL_FEWER; epoch++) {
        MUST(mn_trainer_start_epoch(s.trainer, epoch));
        const double before = mn_trainer_get_times(s.trainer)->step_s;
        MUST(mn_trainer_step(s.trainer, &scores));
        const double seconds = mn_trainer_get_times(s.trainer)->step_s - before;
        if (seconds < c.seconds) c.seconds = seconds;
    }
    c.calls = mn_run_n_calls(s.trainer->pass[MN_PASS_TRAIN].run);
    c.slab = mn_run_slab_bytes(s.trainer->pass[MN_PASS_TRAIN].run);
    util_small_close(&s);
    return c;
}

/* A step makes the same kernel calls in the same memory whether an op has 2 candidates or 20. The fastest step is
 * printed for both: times are looked at, not asserted, as other work on the machine moves them. */
START_TEST(candidates_cost_nothing) {
    const cost few = measure(_i, 2), many = measure(_i, 20), again = measure(_i, 2);
    const double base = few.seconds < again.seconds ? few.seconds : again.seconds;
    printf("%s: step with 2 candidates %.3f ms, with 20 %.3f ms\n", backends[_i], 1e3 * base, 1e3 * many.seconds);
    ck_assert_int_eq(few.calls, many.calls);
    ck_assert_uint_eq(few.slab, many.slab);
}
END_TEST

/* ---- planning ---------------------------------------------------------------------------------------- */

/* CIFAR_MobileNetV2 with the six candidates and zero operators, batch 32, on dnnl: the share of recording and planning
 * in a step of a new path is printed, without a limit of memory and under one half way to the smallest; below 2 % is
 * what a quiet machine shows. What is asserted: 16 new paths, 16 recordings, no allocation, plan or object. */
START_TEST(planning_share) {
    mn_scores scores = {0, 0, 0, 0};
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
            "backend: dnnl\nthreads: 2\nseed: 1\n"
            "model: {type: CIFAR_MobileNetV2, args: {n_classes: 10}}\n"
            "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {add_zero_op: true, candidates: "
            "[MB3E3, MB3E6, MB5E3, MB5E6, MB7E3, MB7E6], mixed_op: BinaryGateMixedOp}}}\n"
            "train_data: {type: RandData, args: {data_size: 64}}\n"
            "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: %d}}\n"
            "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {momentum: 0.9}}}}}\n",
            32 / UTIL_FEWER);
    util_small_open(&s, yaml);
    MUST(mn_trainer_reset(s.trainer, 10));
    if (_i) tighten(0, 0, (20 << 20) / UTIL_FEWER);
    const double start = mn_seconds();
    MUST(mn_trainer_prepare(s.trainer, 0, 0));
    const double prepare_s = mn_seconds() - start;
    const counts before = count();
    for (int epoch = 0; epoch < 8; epoch++) {
        MUST(mn_trainer_start_epoch(s.trainer, epoch));
        for (int i = 0; i < 2; i++) MUST(mn_trainer_step(s.trainer, &scores));
    }
    check_counts(&before, "a step");
    const mn_trainer_times *t = mn_trainer_get_times(s.trainer);
    printf("prepare %.2f s; step %.1f ms, of it recording and planning %.3f ms = %.2f %%\n", prepare_s,
           1e3 * t->step_s / (double)t->n_steps, 1e3 * t->record_s / (double)t->n_records,
           100 * t->record_s / t->step_s);
    ck_assert_int_eq(t->n_records, 16);
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hotpath");
    TCase *t = tcase_create("steps");
    tcase_set_timeout(t, 120);
    const TTest *const tests[] = {
        gates,          drop_paths, under_a_limit, index_ops, evaluation, plain_net_is_recorded_once,
        unsampled_stay, candidates_cost_nothing};
    for (size_t i = 0; i < MN_COUNT(tests); i++) tcase_add_loop_test(t, tests[i], 0, 2);
    tcase_add_loop_test(t, sums_on_ref, 0, MN_COUNT(sums));
    tcase_add_loop_test(t, sums_on_dnnl, 0, MN_COUNT(sums));
    suite_add_tcase(suite, t);
    TCase *slow = tcase_create("planning");
    tcase_set_timeout(slow, 240);
    tcase_add_loop_test(slow, planning_share, 0, 2);
    suite_add_tcase(suite, slow);
    return util_run(suite);
}
