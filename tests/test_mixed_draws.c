/* What mixed ops draw, and what they leave alone.
 *
 * Frequencies: N draws of an event of probability p have a standard deviation of sqrt(N p (1 - p)); five of them are
 * allowed. */
#include <math.h>
#include <string.h>

#include "space/mixed.h"
#include "util_mixed.h"

#define OK(e)      ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
#define CANDIDATES "[MB3E1, MB3E3, IDT]"

enum { N = MIXED_CANDIDATES, DRAWS = 6000 };

static const double alpha[N] = {0.3, -0.9, 0.8};

static void softmax(const int32_t *active, int32_t n, double p[N]) {
    double sum = 0;
    memset(p, 0, N * sizeof *p);
    for (int32_t i = 0; i < n; i++) sum += p[active[i]] = exp(alpha[active[i]]);
    for (int32_t i = 0; i < N; i++) p[i] /= sum;
}

/* Record the first mixed op alone, without planning. */
static void record(mn_model *m, mn_run *run) {
    mn_value *x, *y;
    OK(mn_run_begin(run, &(mn_run_opts){.train = 1}));
    OK(mn_input(run, (const int64_t[4]){1, 4, 2, 2}, MODNAS_F64, &x));
    OK(mn_forward1(mixed(m, 0)->module, run, x, &y));
}

static void expect_frequency(int hits, double p, const char *what, int32_t i) {
    ck_assert_msg(fabs(hits - DRAWS * p) < 5 * sqrt(DRAWS * p * (1 - p)) + 1e-9, "%s %d: %d of %d, p = %g", what, i,
                  hits, (int)DRAWS, p);
}

static void check_paths(const char *type, const int32_t *active, int32_t n_active, int arch, const double p[N]) {
    mn_model *m = mixed_model(type, CANDIDATES, 3);
    mn_mixed *x = mixed(m, 0);
    mn_run *run;
    int hits[N] = {0, 0, 0};
    OK(mn_mixed_set_alpha(x, alpha));
    OK(mn_run_new(m->backend, m->dtype, m->slab, &run));
    memcpy(x->active, active, (size_t)n_active * sizeof *active);
    x->n_active = n_active;
    mn_model_set_arch_step(m, arch);
    for (int d = 0; d < DRAWS; d++) {
        mn_model_set_draw(m, (uint64_t)d + 1);
        record(m, run);
        hits[x->last]++;
    }
    for (int32_t i = 0; i < N; i++) expect_frequency(hits[i], p[i], type, i);
    mn_run_free(run);
    mn_model_free(m);
}

START_TEST(paths_follow_softmax) {
    static const int32_t all[N] = {0, 1, 2}, two[2] = {0, 1};
    static const double third[N] = {1.0 / 3, 1.0 / 3, 1.0 / 3}, half[N] = {0.5, 0.5, 0};
    double p[N];
    for (int arch = 0; arch < 2; arch++) {
        softmax(all, N, p);
        check_paths("BinaryGateMixedOp", all, N, arch, p);
        softmax(two, 2, p);
        check_paths("BinaryGateMixedOp", two, 2, arch, p);
        check_paths("BinaryGateUniformMixedOp", all, N, arch, third);
        check_paths("BinaryGateUniformMixedOp", two, 2, arch, half);
    }
}
END_TEST

/* Pairs without replacement: P({a, b}) = w_a w_b / (1 - w_a) + w_b w_a / (1 - w_b); uniform: 1/3 each. */
static void check_pairs(const char *type, const double w[N]) {
    mn_model *m = mixed_model(type, CANDIDATES, 3);
    mn_mixed *x = mixed(m, 0);
    int hits[N] = {0, 0, 0}; /* by the one that is left out */
    OK(mn_mixed_set_alpha(x, alpha));
    for (int d = 0; d < DRAWS; d++) {
        mn_rng rng;
        mn_rng_init(&rng, 4, 5, (uint64_t)d);
        OK(mn_mixed_sample_ops(x, 2, &rng));
        ck_assert_int_eq(x->n_active, 2);
        ck_assert(x->active[0] < x->active[1]);
        hits[N - x->active[0] - x->active[1]]++;
    }
    for (int32_t i = 0; i < N; i++) {
        const int32_t a = (i + 1) % N, b = (i + 2) % N;
        expect_frequency(hits[i], w[a] * w[b] / (1 - w[a]) + w[b] * w[a] / (1 - w[b]), type, i);
    }
    mn_model_free(m);
}

START_TEST(pairs_follow_softmax) {
    static const double third[N] = {1.0 / 3, 1.0 / 3, 1.0 / 3};
    double w[N];
    softmax((const int32_t[]){0, 1, 2}, N, w);
    check_pairs("BinaryGateMixedOp", w);
    check_pairs("BinaryGateUniformMixedOp", third);
}
END_TEST

START_TEST(active_sets_are_clamped) {
    mn_model *m = mixed_model("BinaryGateMixedOp", CANDIDATES, 3);
    mn_mixed *x = mixed(m, 0);
    mn_rng rng;
    mn_rng_init(&rng, 1, 2, 3);
    OK(mn_mixed_sample_ops(x, 7, &rng));
    ck_assert_int_eq(x->n_active, N);
    OK(mn_mixed_sample_ops(x, 1, &rng));
    ck_assert_int_eq(x->n_active, 1);
    const uint64_t version = m->version;
    mn_mixed_reset_ops(x);
    ck_assert_int_eq(x->n_active, N);
    ck_assert(m->version != version);
    ck_assert_int_eq(mn_mixed_sample_ops(x, 0, &rng), MODNAS_EINVAL);
    mn_model_free(m);
}
END_TEST

/* More paths than one: their plain sum. More than there are: all of them (the original raises). */
START_TEST(several_paths_are_summed) {
    static const int32_t none[MIXED_OPS] = {0, 0};
    for (int32_t k = 2; k <= 5; k++) {
        mn_str spec = {.ctx = model_ctx};
        mn_str_addf(&spec, "{type: BinaryGateMixedOp, args: {n_samples: %d}}", k);
        mn_model *m = mixed_model(spec.text, CANDIDATES, 3);
        step s;
        step_new(m, 3, &s);
        mn_mixed_force(mixed(m, 1), 0);
        for (uint64_t draw = 1; draw <= 12; draw++) {
            mn_model_set_draw(m, draw);
            step_record(m, &s, &(mn_run_opts){.train = 1});
            const double got = step_go(&s);
            double p[N] = {0, 0, 0};
            int32_t n = 0;
            for (; n < k && n < N; n++) p[mixed(m, 0)->active[mixed(m, 0)->path[n]]] += 1;
            ck_assert(p[0] + p[1] + p[2] == (k < N ? k : N) && p[0] <= 1 && p[1] <= 1 && p[2] <= 1);
            ck_assert_int_eq(mixed(m, 0)->last, mixed(m, 0)->path[0]);
            ck_assert(fabs(got - mixture_loss(m, &s, none, 0, p)) < 1e-12);
        }
        step_free(&s);
        mn_model_free(m);
        mn_str_free(&spec);
    }
}
END_TEST

/* A draw depends on seed, op and step, on nothing else: not on how often or in which order things were recorded. */
START_TEST(draws_are_keyed) {
    mn_model *a = mixed_model("BinaryGateMixedOp", CANDIDATES, 3), *b = mixed_model("BinaryGateMixedOp", CANDIDATES, 3),
             *c = mixed_model("BinaryGateMixedOp", CANDIDATES, 4);
    step s[3];
    mn_model *const models[3] = {a, b, c};
    int same_ops = 0, same_seeds = 0;
    for (int i = 0; i < 3; i++) step_new(models[i], 1, &s[i]);
    for (uint64_t d = 1; d <= 40; d++) {
        for (int i = 0; i < 3; i++) {
            mn_model_set_draw(models[i], i == 1 ? 41 - d : d);
            for (int again = 0; again <= i; again++) step_record(models[i], &s[i], &(mn_run_opts){.train = 1});
        }
        const int32_t first = mixed(a, 0)->last;
        same_ops += first == mixed(a, 1)->last;
        same_seeds += first == mixed(c, 0)->last;
        mn_model_set_draw(a, 41 - d);
        step_record(a, &s[0], &(mn_run_opts){.train = 1});
        ck_assert_int_eq(mixed(a, 0)->last, mixed(b, 0)->last);
        ck_assert_int_eq(mixed(a, 1)->last, mixed(b, 1)->last);
    }
    ck_assert_int_lt(same_ops, 40);
    ck_assert_int_lt(same_seeds, 40);
    for (int i = 0; i < 3; i++) {
        step_free(&s[i]);
        mn_model_free(models[i]);
    }
}
END_TEST

/* ---- what is not drawn costs nothing ------------------------------------------------------------------- */

/* Weights of candidate c of op i: are their gradients active, did their running statistics move from 0? */
static void look(mn_model *m, int32_t i, int32_t c, int *active, int *moved) {
    mn_str name = {.ctx = model_ctx};
    OK(mn_module_path(mn_mixed_module(mixed(m, i), c), &name));
    *active = *moved = 0;
    for (size_t k = 0; k < mn_store_n_params(m->weights); k++) {
        const mn_param *p = mn_store_param(m->weights, k);
        double x[256];
        if (strncmp(p->name, name.text, name.n) != 0 || p->name[name.n] != '.') continue;
        *active += mn_param_active(p);
        if (!strstr(p->name, "running_mean")) continue;
        OK(mn_param_get(p, x));
        for (int64_t e = 0; e < mn_param_numel(p); e++) *moved += x[e] != 0;
    }
    mn_str_free(&name);
}

static void check_untouched(const char *type, int arch) {
    mn_model *m = mixed_model(type, "[MB3E1, MB3E3, MB5E1]", 3);
    step s;
    step_new(m, 3, &s);
    mn_model_set_draw(m, 5);
    mn_model_set_arch_step(m, arch);
    step_record(m, &s, &(mn_run_opts){.train = 1, .update_stats = 1, .grads = arch ? MN_ROLE_ARCH : MN_ROLE_WEIGHT});
    step_go(&s);
    for (int32_t i = 0; i < MIXED_OPS; i++)
        for (int32_t c = 0; c < N; c++) {
            int active, moved;
            look(m, i, c, &active, &moved);
            ck_assert_msg((active > 0) == (!arch && c == mixed(m, i)->last), "%s, op %d, candidate %d: %d active", type,
                          i, c, active);
            ck_assert_msg((moved > 0) == (c == mixed(m, i)->last), "%s, op %d, candidate %d: %d moved", type, i, c,
                          moved);
        }
    ck_assert_int_eq(mn_param_active(mn_store_param(m->weights, 0)), !arch); /* the stem */
    if (m->arch) ck_assert_int_eq(mn_param_active(mn_store_param(m->arch, 0)), arch);
    step_free(&s);
    mn_model_free(m);
}

START_TEST(only_the_path_is_touched) {
    check_untouched("BinaryGateMixedOp", 0);
    check_untouched("BinaryGateMixedOp", 1);
    check_untouched("BinaryGateUniformMixedOp", 0);
    check_untouched("IndexMixedOp", 0);
}
END_TEST

/* A path records as many kernels whether there are 2 candidates or 16. */
START_TEST(work_does_not_grow_with_candidates) {
    static const char *const lists[] = {"[MB3E3, MB5E3]", "[MB3E3, MB5E3, MB7E3, MB9E3, MB3E6, MB5E6, MB7E6, MB9E6, "
                                                          "MB3E9, MB5E9, MB7E9, MB9E9, MB3E1, MB5E1, MB7E1, MB9E1]"};
    int64_t calls[2], macs[2];
    for (int i = 0; i < 2; i++) {
        mn_model *m = mixed_model("BinaryGateMixedOp", lists[i], 3);
        step s;
        step_new(m, 3, &s);
        for (int32_t k = 0; k < MIXED_OPS; k++) {
            mn_rng rng;
            mn_rng_init(&rng, 1, 2, 3);
            OK(mn_mixed_sample_ops(mixed(m, k), 1, &rng));
            mixed(m, k)->active[0] = 1;
        }
        step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
        calls[i] = mn_run_n_calls(s.run);
        macs[i] = mn_run_macs(s.run);
        step_free(&s);
        mn_model_free(m);
    }
    ck_assert_int_eq(calls[0], calls[1]);
    ck_assert_int_eq(macs[0], macs[1]);
}
END_TEST

int main(void) {
    Suite *s = suite_create("mixed draws");
    util_add(s, "draws", model_setup, model_teardown,
             (const TTest *[]){paths_follow_softmax, pairs_follow_softmax, active_sets_are_clamped,
                               several_paths_are_summed, draws_are_keyed, NULL});
    util_add(s, "untouched", model_setup, model_teardown,
             (const TTest *[]){only_the_path_is_touched, work_does_not_grow_with_candidates, NULL});
    return util_run(s);
}
