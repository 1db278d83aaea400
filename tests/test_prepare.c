/* After prepare random paths make no allocation, no kernel plan and no object of the backend, and the slab stays
 * as it is; on ref, and on dnnl where the plug-in is found (MODNAS_PLUGINS names its folder). Also: what prepare leaves
 * as it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "space/prepare.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

enum { WEIGHT_STEP, ARCH_STEP, EVALUATION, N_RUNS, PATHS = 200 / UTIL_FEWER };

static const mn_run_opts run_opts[N_RUNS] = {
    {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT}, {.train = 1, .grads = MN_ROLE_ARCH}, {.train = 0}};

typedef struct bench {
    mn_model *model;
    step step[N_RUNS];
    int n_recorded;
    mn_prepare_opts opts;
} bench;

#define NET                                                                                                            \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 1], [3, 16, 2, 2], [6, 24, 2, 2], [3, 24, 1, "   \
    "1]],"                                                                                                             \
    " n_classes: 4, width_coeff: 0.5, input: [3, 8, 8]}}\n"
#define SEARCH(op)                                                                                                     \
    NET "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {candidates: [MB3E1, MB3E3, MB5E6, MB7E3],"  \
        " mixed_op: " op "}}}\n"

static int record(mn_run *run, int32_t i, void *ud) {
    bench *b = ud;
    ck_assert_ptr_eq(run, b->step[i].run);
    ck_assert_int_eq(b->model->arch_step, i == ARCH_STEP);
    step_record(b->model, &b->step[i], &run_opts[i]);
    b->n_recorded++;
    return 0;
}

static void open_bench(bench *b, const char *backend, const char *config, int32_t n_active) {
    mn_str text = {.ctx = model_ctx};
    memset(b, 0, sizeof *b);
    mn_str_addf(&text, "backend: %s\n%s", backend, config);
    b->model = model_of(text.text, MODNAS_F32);
    mn_str_free(&text);
    b->opts = (mn_prepare_opts){.n_runs = N_RUNS, .record = record, .ud = b};
    for (int i = 0; i < N_RUNS; i++) {
        step_new(b->model, 4, &b->step[i]);
        b->opts.runs[i] = (mn_prepare_run){b->step[i].run, i == ARCH_STEP, n_active};
    }
}

static void close_bench(bench *b) {
    for (int i = 0; i < N_RUNS; i++) step_free(&b->step[i]);
    mn_model_free(b->model);
}

static void random_path(bench *b, uint64_t d, int32_t n_active) {
    mn_rng rng;
    mn_rng_init(&rng, 2, mn_stream("test"), d);
    mn_model_set_draw(b->model, d);
    for (int i = 0; i < N_RUNS; i++) {
        mn_model_set_arch_step(b->model, i == ARCH_STEP);
        for (int32_t k = 0; k < mn_model_n_mixed(b->model); k++) {
            mn_mixed *m = mn_model_mixed(b->model, k);
            if (i == EVALUATION) mn_mixed_force(m, (int32_t)mn_rng_below(&rng, (uint64_t)m->n));
            if (i == ARCH_STEP && n_active) OK(mn_mixed_sample_ops(m, n_active, &rng));
        }
        step_record(b->model, &b->step[i], &run_opts[i]);
        step_go(&b->step[i]);
        for (int32_t k = 0; k < mn_model_n_mixed(b->model); k++) {
            mn_mixed_force(mn_model_mixed(b->model, k), -1);
            mn_mixed_reset_ops(mn_model_mixed(b->model, k));
        }
    }
}

static void check_prepared(const char *backend, const char *config, int32_t n_active) {
    bench b;
    mn_footprint f;
    size_t most = 0;
    open_bench(&b, backend, config, n_active);
    OK(mn_prepare(b.model, &b.opts, &f));
    const size_t bound = mn_footprint_bytes(&f);
    ck_assert_uint_eq(mn_slab_bytes(b.model->slab), bound);
    random_path(&b, 1, n_active); /* the host's own side of the first execution */
    const int64_t allocs = model_ctx->n_allocs, plans = mn_backend_n_plans(b.model->backend),
                  objects = mn_backend_n_objects(b.model->backend);
    for (uint64_t d = 2; d < 2 + PATHS; d++) {
        random_path(&b, d, n_active);
        ck_assert_msg(model_ctx->n_allocs == allocs, "path %d allocated %lld times", (int)d,
                      (long long)(model_ctx->n_allocs - allocs));
        ck_assert_int_eq(mn_backend_n_plans(b.model->backend), plans);
        ck_assert_int_eq(mn_backend_n_objects(b.model->backend), objects);
        for (int i = 0; i < N_RUNS; i++) {
            const size_t need = mn_run_slab_bytes(b.step[i].run) + mn_run_scratch_bytes(b.step[i].run);
            if (need > most) most = need;
        }
    }
    ck_assert_uint_eq(mn_slab_bytes(b.model->slab), bound);
    ck_assert_uint_le(most, bound);
    printf("%s, %d active: slab %zu bytes, most used by %d paths %zu (%.0f %%)\n", backend, n_active, bound, PATHS,
           most, 100.0 * (double)most / (double)bound);
    close_bench(&b);
}

static const struct {
    const char *config;
    int32_t n_active;
} spaces[] = {{SEARCH("BinaryGateMixedOp"), 2},
              {SEARCH("BinaryGateMixedOp"), 0},
              {SEARCH("{type: BinaryGateMixedOp, args: {n_samples: 2}}"), 2},
              {SEARCH("BinaryGateUniformMixedOp"), 3},
              {SEARCH("SoftmaxSumMixedOp"), 0},
              {SEARCH("GumbelSumMixedOp"), 0}};

START_TEST(nothing_is_made_on_ref) {
    check_prepared("ref", spaces[_i].config, spaces[_i].n_active);
}
END_TEST

START_TEST(nothing_is_made_on_dnnl) {
    mn_backend *b;
    if (mn_backend_open(model_ctx, "dnnl", 0, &b)) {
        printf("skipped: %s\n", modnas_errmsg(model_ctx));
        return;
    }
    mn_backend_close(b);
    check_prepared("dnnl", spaces[_i].config, spaces[_i].n_active);
}
END_TEST

START_TEST(index_is_prepared) {
    bench b;
    mn_footprint f;
    mn_arch *arch;
    mn_rng rng;
    open_bench(&b, "ref", SEARCH("IndexMixedOp"), 0);
    OK(mn_prepare(b.model, &b.opts, &f));
    OK(mn_arch_new(b.model, &arch));
    mn_rng_init(&rng, 1, 1, 1);
    const int64_t plans = mn_backend_n_plans(b.model->backend);
    for (int d = 0; d < PATHS; d++) {
        const int64_t allocs = model_ctx->n_allocs;
        for (int32_t i = 0; i < arch->n; i++)
            arch->index[i] = (int32_t)mn_rng_below(&rng, (uint64_t)mn_space_categorical_at(b.model->space, i)->n);
        OK(mn_arch_apply(arch));
        step_record(b.model, &b.step[WEIGHT_STEP], &run_opts[WEIGHT_STEP]);
        step_go(&b.step[WEIGHT_STEP]);
        ck_assert_int_eq(model_ctx->n_allocs, allocs);
    }
    ck_assert_int_eq(mn_backend_n_plans(b.model->backend), plans);
    mn_arch_free(arch);
    close_bench(&b);
}
END_TEST

/* A plain network is prepared by recording it once. */
START_TEST(plain_networks_are_prepared) {
    bench b;
    mn_footprint f;
    open_bench(&b, "ref", NET, 0);
    OK(mn_prepare(b.model, &b.opts, &f));
    const size_t bound = mn_footprint_bytes(&f);
    ck_assert_int_eq(b.n_recorded, N_RUNS);
    ck_assert_uint_ge(bound, mn_run_slab_bytes(b.step[WEIGHT_STEP].run));
    close_bench(&b);
}
END_TEST

START_TEST(settings_stay) {
    bench b;
    mn_footprint f;
    open_bench(&b, "ref", SEARCH("BinaryGateMixedOp"), 2);
    mn_mixed *m = mn_model_mixed(b.model, 1), *other = mn_model_mixed(b.model, 2);
    m->active[0] = 1;
    m->active[1] = 3;
    m->n_active = 2;
    m->last = 3;
    other->forced = 2;
    mn_model_set_draw(b.model, 77);
    const uint64_t version = b.model->version;
    b.opts.dry = 1;
    OK(mn_prepare(b.model, &b.opts, &f));
    ck_assert_uint_eq(mn_slab_bytes(b.model->slab), 0);
    ck_assert_uint_gt(f.saved, 0);
    ck_assert_uint_gt(f.transients, 0);
    ck_assert_uint_eq(f.least, mn_footprint_bytes(&f)); /* there is no limit */
    ck_assert(b.model->version != version);
    ck_assert(m->active[0] == 1 && m->active[1] == 3 && m->n_active == 2 && m->last == 3 && m->forced == -1 &&
              m->choice == -1);
    ck_assert(other->forced == 2 && other->n_active == other->n);
    ck_assert_uint_eq(b.model->draw, 77);
    ck_assert_int_eq(b.model->arch_step, 0);
    close_bench(&b);
}
END_TEST

static int refuse(mn_run *run, int32_t i, void *ud) {
    (void)run;
    (void)i;
    return ++*(int *)ud == 5 ? mn_fail(model_ctx, MODNAS_EINVAL, "the fifth recording") : 0;
}

START_TEST(errors_come_back) {
    bench b;
    int n = 0;
    mn_footprint f = {.saved = 1234};
    open_bench(&b, "ref", SEARCH("BinaryGateMixedOp"), 2);
    b.opts.n_runs = 0;
    ck_assert_int_eq(mn_prepare(b.model, &b.opts, &f), MODNAS_EINVAL);
    b.opts.n_runs = N_RUNS;
    b.opts.record = refuse;
    b.opts.ud = &n;
    ck_assert_int_eq(mn_prepare(b.model, &b.opts, &f), MODNAS_EINVAL);
    ck_assert_str_eq(modnas_errmsg(model_ctx), "the fifth recording");
    ck_assert_uint_eq(f.saved, 1234);
    ck_assert_int_eq(mn_model_mixed(b.model, 0)->forced, -1);
    ck_assert_uint_eq(mn_slab_bytes(b.model->slab), 0);
    close_bench(&b);
}
END_TEST

static void add_loop(Suite *s, const char *name, const TTest *test) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, model_setup, model_teardown);
    tcase_add_loop_test(t, test, 0, (int)MN_COUNT(spaces));
    suite_add_tcase(s, t);
}

int main(void) {
    Suite *s = suite_create("prepare");
    add_loop(s, "ref", nothing_is_made_on_ref);
    add_loop(s, "dnnl", nothing_is_made_on_dnnl);
    util_add(s, "prepare", model_setup, model_teardown,
             (const TTest *[]){index_is_prepared, plain_networks_are_prepared, settings_stay, errors_come_back, NULL});
    return util_run(s);
}
