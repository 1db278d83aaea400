/* Drop path: what is dropped and how it is scaled, its schedule, gradients, which Slots have one, and a whole training.
 *
 * With probability p a sample is all zeros, else its values over 1 - p, so the number of kept ones among n is binomial:
 * n (1 - p) +- sqrt(n p (1 - p)), of which five are allowed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "module/layers.h"
#include "util_slot.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* ---- one layer ----------------------------------------------------------------------------------------- */

enum { SAMPLES = 64, EACH = 3 * 4 * 5, N = SAMPLES * EACH };

/* A model whose root is the layer alone, and its recording on samples n + 1, all elements of a sample the same. */
typedef struct rig {
    mn_model *m;
    mn_run *run;
    mn_value *x, *y;
    float in[N], out[N];
} rig;

static void open_rig(rig *r, const char *backend, double low, double high) {
    r->m = slot_empty_model(backend, MODNAS_F32);
    OK(mn_drop_path_new(r->m, low, high, &r->m->root));
    OK(mn_model_commit(r->m));
    OK(mn_run_new(r->m->backend, MODNAS_F32, r->m->slab, &r->run));
    for (int i = 0; i < N; i++) r->in[i] = (float)(i / EACH + 1);
}

static void close_rig(rig *r) {
    mn_run_free(r->run);
    mn_model_free(r->m);
}

static void record(rig *r, int train) {
    const mn_run_opts opts = {.train = train, .seed = 7};
    OK(mn_run_begin(r->run, &opts));
    OK(mn_input(r->run, (const int64_t[4]){SAMPLES, 3, 4, 5}, MODNAS_F32, &r->x));
    OK(mn_model_forward(r->m, r->run, r->x, &r->y));
    OK(mn_run_keep(r->run, r->y));
    OK(mn_run_plan(r->run, NULL));
}

static void go(rig *r, uint64_t at) {
    mn_run_bind(r->run, r->x, r->in);
    OK(mn_run_forward(r->run, at));
    OK(mn_run_read_f32(r->run, r->y, r->out));
}

/* Every sample is dropped as a whole or scaled by 1 / (1 - p): returns how many are kept. */
static int count_kept(const rig *r, double p) {
    int kept = 0;
    for (int n = 0; n < SAMPLES; n++) {
        const float first = r->out[n * EACH];
        const double scaled = (n + 1) / (1 - p);
        ck_assert_msg(first == 0 || fabs(first - scaled) <= 1e-6 * scaled, "sample %d: %g", n, first);
        for (int i = 0; i < EACH; i++) ck_assert(r->out[n * EACH + i] == first);
        kept += first != 0;
    }
    return kept;
}

START_TEST(samples_are_dropped_as_a_whole) {
    static rig r;
    const double p = 0.3;
    const int steps = 50;
    open_rig(&r, "ref", p, p);
    record(&r, 1);
    int kept = 0, differ = 0;
    static float before[N];
    for (int k = 0; k < steps; k++) {
        go(&r, (uint64_t)k);
        kept += count_kept(&r, p);
        differ += memcmp(before, r.out, sizeof before) != 0;
        memcpy(before, r.out, sizeof before);
    }
    const double n = steps * SAMPLES;
    ck_assert_msg(fabs(kept - n * (1 - p)) <= 5 * sqrt(n * p * (1 - p)), "%d of %g are kept", kept, n);
    ck_assert_int_eq(differ, steps); /* each step draws anew */
    go(&r, (uint64_t)(steps - 1));
    ck_assert_int_eq(memcmp(before, r.out, sizeof before), 0); /* by its number alone */
    close_rig(&r);
}
END_TEST

START_TEST(backends_draw_the_same) {
    static rig a, b;
    mn_backend *backend;
    if (mn_backend_open(model_ctx, "dnnl", 1, &backend)) {
        printf("backends_draw_the_same: skipped, %s\n", modnas_errmsg(model_ctx));
        return;
    }
    mn_backend_close(backend);
    open_rig(&a, "ref", 0.5, 0.5);
    open_rig(&b, "dnnl", 0.5, 0.5);
    record(&a, 1);
    record(&b, 1);
    go(&a, 3);
    go(&b, 3);
    ck_assert_int_eq(memcmp(a.out, b.out, sizeof a.out), 0);
    close_rig(&a);
    close_rig(&b);
}
END_TEST

/* p = low + (high - low) epoch / epochs; what is kept shows it. */
START_TEST(probabilities_follow_the_epoch) {
    static const struct {
        double low, high;
        int64_t epoch, epochs;
        double p;
    } cases[] = {{0, 0.2, 0, 10, 0},    {0, 0.2, 5, 10, 0.1},  {0, 0.2, 9, 10, 0.18}, {0.1, 0.5, 0, 4, 0.1},
                 {0.1, 0.5, 3, 4, 0.4}, {0.5, 0.1, 1, 2, 0.3}, {0, 0.9, 0, 0, 0},     {0.4, 0.4, 1, 3, 0.4}};
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        static rig r;
        open_rig(&r, "ref", cases[i].low, cases[i].high);
        mn_model_set_epoch(r.m, cases[i].epoch, cases[i].epochs);
        record(&r, 1);
        go(&r, 1);
        const int kept = count_kept(&r, cases[i].p);
        ck_assert_msg(cases[i].p > 0 ? kept > 0 : kept == SAMPLES, "case %zu: %d kept", i, kept);
        close_rig(&r);
    }
}
END_TEST

START_TEST(recordings_end_with_their_epoch) {
    static rig r;
    mn_model *plain = slot_empty_model("ref", MODNAS_F32);
    open_rig(&r, "ref", 0, 0.5);
    uint64_t version = r.m->version;
    mn_model_set_epoch(r.m, 0, 8); /* as before the first one: nothing drops */
    ck_assert(r.m->version == version);
    mn_model_set_epoch(r.m, 2, 8);
    ck_assert(r.m->version != version);
    version = r.m->version;
    mn_model_set_epoch(r.m, 1, 4);
    ck_assert(r.m->version == version);
    version = plain->version;
    mn_model_set_epoch(plain, 2, 8); /* nothing in it depends on the epoch */
    ck_assert(plain->version == version);
    mn_model_free(plain);
    close_rig(&r);
}
END_TEST

START_TEST(evaluation_drops_nothing) {
    static rig r;
    open_rig(&r, "ref", 0.9, 0.9);
    record(&r, 0);
    go(&r, 1);
    ck_assert_int_eq(memcmp(r.in, r.out, sizeof r.in), 0);
    close_rig(&r);
}
END_TEST

START_TEST(probabilities_are_below_one) {
    static const double bad[][2] = {{0, 1}, {-0.1, 0.5}, {1, 0}, {NAN, 0.1}, {0, INFINITY}};
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
    for (size_t i = 0; i < MN_COUNT(bad); i++) {
        mn_module *none;
        ck_assert_int_eq(mn_drop_path_new(m, bad[i][0], bad[i][1], &none), MODNAS_EINVAL);
    }
    ck_assert_int_eq(m->n_by_epoch, 0);
    mn_model_free(m);
}
END_TEST

/* ---- in Slots ------------------------------------------------------------------------------------------ */

/* The mask of a step stays, so the loss is a smooth function of the weights. */
START_TEST(gradients_go_through_what_is_kept) {
    mn_model *m = slot_empty_model("ref", MODNAS_F64);
    mn_slot *slot = slot_model(m, 3, 4, 2, 5);
    step s;
    OK(slot_fill(slot, "NC3"));
    OK(mn_slot_drop_path(slot, 0.4, 0.4));
    OK(mn_model_commit(m));
    step_new(m, 6, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++)
        if (mn_store_param(m->weights, i)->role == MN_ROLE_WEIGHT) check_gradient(m, &s, mn_store_param(m->weights, i));
    step_free(&s);
    mn_model_free(m);
}
END_TEST

static double loss_of(const char *op, int32_t stride, int drop) {
    mn_model *m = slot_empty_model("ref", MODNAS_F64);
    mn_slot *slot = slot_model(m, 4, 4, stride, 5);
    step s;
    if (drop) OK(mn_slot_drop_path(slot, 0.5, 0.5)); /* before it is filled, as well as behind */
    OK(slot_fill(slot, op));
    OK(mn_model_commit(m));
    step_new(m, 8, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1});
    const double loss = step_go(&s);
    step_free(&s);
    mn_model_free(m);
    return loss;
}

START_TEST(identities_are_left_alone) {
    ck_assert(loss_of("IDT", 1, 0) == loss_of("IDT", 1, 1));
    ck_assert(loss_of("IDT", 2, 0) != loss_of("IDT", 2, 1)); /* a reduction is none */
    ck_assert(loss_of("NC3", 1, 0) != loss_of("NC3", 1, 1));
    ck_assert(loss_of("NIL", 1, 0) == loss_of("NIL", 1, 1)); /* nothing to drop */
}
END_TEST

/* ---- from a configuration ------------------------------------------------------------------------------ */

#define DROP(args) MODEL_NET "construct: {d: {type: DropPathConstructor, args: {" args "}}}\n"

static int32_t n_drops(const char *config) {
    mn_model *m = model_of(config, MODNAS_F32);
    int32_t n = 0;
    for (size_t i = 0; i < m->slots.n; i++) n += mn_model_slot(m, i)->drop_path != NULL;
    ck_assert_int_eq(n, m->n_by_epoch);
    mn_model_free(m);
    return n;
}

/* It comes when all Slots are filled, wherever it stands in the file; names of parameters and Slots do not change. */
START_TEST(every_slot_gets_one) {
    ck_assert_int_eq(n_drops(DROP("")), 3);
    ck_assert_int_eq(n_drops(DROP("drop_prob: [0.1, 0.3]")), 3);
    ck_assert_int_eq(n_drops(DROP("drop_prob: 0") "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E1, MB3E3]}\n"),
                     3);
    ck_assert_int_eq(n_drops(MODEL_NET "construct: {d: DropPathConstructor, e: DropPathConstructor, "
                                       "o: {type: DefaultOpConstructor, args: {op: NC3}}}\n"),
                     3);
    mn_model *a = model_of(MODEL_NET, MODNAS_F32), *b = model_of(DROP(""), MODNAS_F32);
    ck_assert_uint_eq(mn_store_n_params(a->weights), mn_store_n_params(b->weights));
    for (size_t i = 0; i < mn_store_n_params(a->weights); i++)
        ck_assert_str_eq(mn_store_param(a->weights, i)->name, mn_store_param(b->weights, i)->name);
    mn_model_free(a);
    mn_model_free(b);
}
END_TEST

START_TEST(wrong_probabilities_are_named) {
    static const char *const bad[] = {DROP("drop_prob: 1"),     DROP("drop_prob: -0.1"),   DROP("drop_prob: [0.1]"),
                                      DROP("drop_prob: high"),  DROP("drop_prob: [0, 1]"), DROP("drop_prob: null"),
                                      DROP("drop_prob: [a, 0]")};
    for (size_t i = 0; i < MN_COUNT(bad); i++)
        expect_refused(bad[i], MODNAS_ECONFIG, "test.yaml:3: DropPathConstructor.drop_prob: a number in [0, 1)", NULL);
    expect_refused(DROP("drop_probe: 0.1"), MODNAS_ECONFIG, "did you mean 'drop_prob'", NULL);
}
END_TEST

/* ---- on one operator ----------------------------------------------------------------------------------- */

#define CONSTRUCTED(module, construct) "{type: Constructed, args: {module: " module ", construct: " construct "}}"
#define DROPPED(module)                CONSTRUCTED(module, "{type: DropPathConverter, args: {drop_prob: [0.5, 0.5]}}")

/* With weights that do not depend on their names. */
static double loss_with(const char *op, int drop) {
    mn_model *m = slot_empty_model("ref", MODNAS_F64);
    mn_slot *slot = slot_model(m, 4, 4, 1, 5);
    step s;
    if (drop) OK(mn_slot_drop_path(slot, 0.5, 0.5));
    OK(slot_fill(slot, op));
    OK(mn_model_commit(m));
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        mn_param *p = mn_store_param(m->weights, i);
        const int64_t n = mn_param_numel(p);
        double *x = mn_alloc(model_ctx, (size_t)n, sizeof *x);
        ck_assert_ptr_nonnull(x);
        for (int64_t k = 0; k < n; k++) x[k] = 0.5 + sin((double)(k + 1) * (double)(i + 1)) / 3;
        OK(mn_param_set(p, x));
        mn_free(model_ctx, x);
    }
    step_new(m, 8, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1});
    const double loss = step_go(&s);
    step_free(&s);
    mn_model_free(m);
    return loss;
}

/* A Slot's drop path and that of its operator are the same: sites are told apart by their place in the recording. */
START_TEST(one_operator_is_dropped) {
    ck_assert(loss_with("NC3", 1) == loss_with(DROPPED("NC3"), 0));
    ck_assert(loss_with("NC3", 0) != loss_with(DROPPED("NC3"), 0));
    ck_assert(loss_with("NC3", 0) == loss_with(CONSTRUCTED("NC3", "null"), 0));
    ck_assert(loss_with("IDT", 0) == loss_with(DROPPED("IDT"), 0));
}
END_TEST

/* Constructors are run in order, each on what the one before it has left. */
START_TEST(operators_go_through_constructors) {
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
    OK(slot_fill(slot_model(m, 4, 4, 1, 5),
                 CONSTRUCTED("NC3", "[{type: DefaultModelInitializer, args: {init_config: {conv: {type: zeros}}}}, "
                                    "DropPathConverter, DropPathConverter]")));
    OK(mn_model_commit(m));
    ck_assert_int_eq(m->n_by_epoch, 2);
    ck_assert_int_eq(model_param(m, "slot.ent.0.0.net.2.weight")->init, MN_INIT_ZEROS);
    ck_assert_int_eq(model_param(m, "stem.weight")->init, MN_INIT_UNIFORM); /* not of the operator */
    mn_model_free(m);
    m = model_of(MODEL_NET "mixed_op: {type: Index, candidates: {a: NC3, b: " DROPPED("MB3E3") "}}\n", MODNAS_F32);
    ck_assert_int_eq(m->n_by_epoch, 3);
    ck_assert_str_eq(mn_mixed_candidate(mn_model_mixed(m, 2), 1), "b");
    mn_model_free(m);
}
END_TEST

START_TEST(wrong_operators_are_refused) {
    static const char *const bad[][2] = {{CONSTRUCTED("NC3", "DropPathConstructor"),
                                          "slot 0 (4 -> 4 channels, stride 1): DropPathConstructor works on a model"},
                                         {CONSTRUCTED("NC3", "{type: DropPathConverter, args: {drop_prob: 1}}"),
                                          "DropPathConverter.drop_prob: a number in [0, 1)"},
                                         {CONSTRUCTED("NC4", "null"), "no candidate named 'NC4'"},
                                         {CONSTRUCTED("NC3", "DropPathConvert"), "did you mean 'DropPathConverter'?"},
                                         {"Constructed", "needs the arg 'module'"}};
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
    mn_slot *slot = slot_model(m, 4, 4, 1, 5);
    for (size_t i = 0; i < MN_COUNT(bad); i++) {
        ck_assert(slot_fill(slot, bad[i][0]) != 0);
        ck_assert_msg(strstr(modnas_errmsg(model_ctx), bad[i][1]) != NULL, "%s", modnas_errmsg(model_ctx));
    }
    ck_assert_int_eq(m->n_by_epoch, 0);
    mn_model_free(m);
    expect_refused(MODEL_NET "construct: {d: DropPathConverter}\n", MODNAS_ECONFIG,
                   "DropPathConverter works on the operator", NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("drop_path");
    util_add(s, "drop_path", model_setup, model_teardown,
             (const TTest *[]){samples_are_dropped_as_a_whole, backends_draw_the_same, probabilities_follow_the_epoch,
                               recordings_end_with_their_epoch, evaluation_drops_nothing, probabilities_are_below_one,
                               gradients_go_through_what_is_kept, identities_are_left_alone, every_slot_gets_one,
                               wrong_probabilities_are_named, one_operator_is_dropped,
                               operators_go_through_constructors, wrong_operators_are_refused, NULL});
    return util_run(s);
}
