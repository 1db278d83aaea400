/* Losses of an estimator's section: mixed images, an auxiliary head, a teacher.
 *
 * Expected values are PyTorch 2.12's in float64 for the logits and labels of test_criterion.c (AuxiliaryLoss: a head whose
 * logits are twice those of the network), and the formulas of the components' texts. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "train/parts.h"
#include "train/pass.h"
#include "util_graph.h"
#include "util_small.h"

enum { N = 2, C = 3, SIZE = N * C };

static const double logits[SIZE] = {0.5, -1.25, 2, 3, 0, -0.75};
static const int32_t labels[N] = {2, 0};
static const double plain = 0.15168224151917961, /* labels as they are, and the other way round */
    swapped = 2.7766822415191799,
                    plain_grad[SIZE] = {0.088410091053722148,  0.015363370163218216, -0.10377346121694037,
                                        -0.034149112746168553, 0.023193349972936584, 0.01095576277323196},
                    swapped_grad[SIZE] = {-0.41158990894627784, 0.015363370163218216, 0.39622653878305963,
                                          0.46585088725383145,  0.023193349972936584, -0.48904423722676804};

/* ---- on given logits ----------------------------------------------------------------------------------- */

typedef struct given {
    gn_net net;
    mn_model model;
    mn_criterion *base, *c;
    mn_value *loss;
} given;

static mn_value *recorded; /* logits of the network */

static int twice(mn_model *m, mn_run *run, mn_value **out) {
    (void)m;
    return mn_activation(run, recorded, MODNAS_ACT_LINEAR, 2, 0, out);
}

static int build(given *g, const char *spec, const mn_criterion_env *env, mn_criterion **out) {
    return util_build(g->net.ctx, "criterion", spec, env, out);
}

static void open_given(given *g, const char *spec) {
    static const gn_case c = {"x", {{N, C, 1, 1}}, NULL, 0, 0};
    memset(g, 0, sizeof *g);
    gn_net *t = &g->net;
    gn_open(t, &c, MODNAS_F64, "ref");
    ck_assert_int_eq(mn_register_builtins(t->ctx), 0);
    g->model.ctx = g->net.ctx;
    g->model.seed = 7;
    g->model.forward_aux = twice;
    GN_TRY(build(g, "CrossEntropyLoss", NULL, &g->base));
    const mn_criterion_env env = {.model = &g->model, .input = {1, 2, 2}, .base = g->base};
    GN_TRY(build(g, spec, &env, &g->c));
    GN_TRY(mn_param_set(t->p[0], logits));
}

static int record(given *g, int train) {
    const mn_run_opts o = {.train = train, .grads = MN_ROLE_WEIGHT};
    mn_run *run = g->net.run;
    mn_value *target;
    MN_TRY(mn_run_begin(run, &o));
    MN_TRY(mn_use_param(run, g->net.p[0], &recorded));
    MN_TRY(mn_input(run, (int64_t[]){N, 1, 1, 1}, MODNAS_I32, &target));
    mn_run_bind(run, target, labels);
    MN_TRY(g->c->loss(g->c, run, recorded, target, &g->loss));
    MN_TRY(mn_run_keep(run, g->loss));
    return mn_run_plan(run, g->loss);
}

/* Within 1e-7 where a share is kept in f32, else 1e-12: a few roundings of numbers below 3. */
static void check(given *g, double want, const double *grad, double tolerance) {
    gn_net *t = &g->net;
    double value, got[SIZE];
    GN_TRY(mn_run_forward(t->run, 0));
    GN_TRY(mn_run_backward(t->run));
    GN_TRY(mn_run_read(t->run, g->loss, &value));
    GN_TRY(mn_param_get_grad(t->p[0], got));
    ck_assert_msg(fabs(value - want) <= tolerance, "%.17g, not %.17g", value, want);
    for (int i = 0; i < SIZE; i++)
        ck_assert_msg(fabs(got[i] - grad[i]) <= tolerance, "gradient %d: %.17g, not %.17g", i, got[i], grad[i]);
}

static void close_given(given *g) {
    mn_criterion_free(g->c);
    mn_criterion_free(g->base);
    gn_close(&g->net);
}

START_TEST(auxiliary) {
    static const double grad[SIZE] = {0.10735331103327955,   0.015935405840194237, -0.12328871687347377,
                                      -0.035358181665556765, 0.024181853861387454, 0.011176327804169349};
    given g;
    gn_net *t = &g.net;
    open_given(&g, "AuxiliaryLoss");
    GN_TRY(record(&g, 1));
    check(&g, 0.16229138434289861, grad, 1e-12);
    GN_TRY(record(&g, 0)); /* no head in evaluation */
    check(&g, plain, plain_grad, 1e-12);
    close_given(&g);
}
END_TEST

/* One pixel is 1 in the first image and 0 in the second: mixed it is the share itself. */
START_TEST(mixup) {
    const float x[N * 4] = {1, 2, 3, 4, 0, -1, 0.5f, 8};
    const int32_t dims[4] = {N, 1, 2, 2};
    float share[2] = {0, 0};
    given g;
    gn_net *t = &g.net;
    open_given(&g, "MixUpLoss");
    for (int step = 0; step < 2; step++) {
        mn_batch b = {N, x, labels, 0, 0};
        double grad[SIZE];
        GN_TRY(record(&g, 1));
        GN_TRY(g.c->feed(g.c, t->run, dims, (uint64_t)step, &b));
        share[step] = b.x[0];
        ck_assert(share[step] >= 0 && share[step] <= 1 && b.y == labels && b.epoch == -1);
        for (int i = 0; i < N * 4; i++)
            ck_assert_float_eq_tol(b.x[i], share[step] * x[i] + (1 - share[step]) * x[(i + 4) % 8], 1e-6f);
        for (int i = 0; i < SIZE; i++) grad[i] = share[step] * plain_grad[i] + (1 - share[step]) * swapped_grad[i];
        check(&g, share[step] * plain + (1 - share[step]) * swapped, grad, 1e-12);
    }
    ck_assert(share[0] != share[1]);
    mn_batch b = {N, x, labels, 0, 0};
    GN_TRY(record(&g, 1));
    GN_TRY(g.c->feed(g.c, t->run, dims, 0, &b)); /* the same step: the same draw */
    ck_assert(b.x[0] == share[0]);
    b = (mn_batch){N, x, labels, 0, 0};
    GN_TRY(record(&g, 0));
    GN_TRY(g.c->feed(g.c, t->run, dims, 0, &b));
    ck_assert(b.x == x); /* nothing is mixed in evaluation */
    check(&g, plain, plain_grad, 1e-12);
    close_given(&g);
}
END_TEST

/* Mean 1/2 and variance 1 / (4 (2 alpha + 1)) of Beta(alpha, alpha); five standard errors of 20000 draws. */
START_TEST(beta) {
    static const double alphas[] = {0.3, 1, 4};
    enum { DRAWS = 20000 };
    for (int k = 0; k < 3; k++) {
        const double var = 1 / (4 * (2 * alphas[k] + 1));
        double sum = 0, squares = 0;
        mn_rng rng;
        mn_rng_init(&rng, 1, 2, (uint64_t)k);
        for (int i = 0; i < DRAWS; i++) {
            const double x = mn_draw_beta(&rng, alphas[k]);
            ck_assert(x >= 0 && x <= 1);
            sum += x;
            squares += (x - 0.5) * (x - 0.5);
        }
        ck_assert_double_eq_tol(sum / DRAWS, 0.5, 5 * sqrt(var / DRAWS));
        ck_assert_double_eq_tol(squares / DRAWS, var, 5 * var * sqrt(2.0 / DRAWS));
    }
}
END_TEST

/* ---- a teacher ----------------------------------------------------------------------------------------- */

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

enum { BATCH = 8, CLASSES = 4, VALUES = BATCH * CLASSES };

static mn_criterion *base;

static void open_small(void) {
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET_OF("trn_batch_size: 8"));
    MUST(util_build(s.ctx, "criterion", "CrossEntropyLoss", NULL, &base));
}

static void close_small(void) {
    mn_criterion_free(base);
    util_small_close(&s);
}

static int teacher(const char *spec, mn_criterion **out) {
    const mn_criterion_env env = {.model = s.model, .input = {3, 8, 8}, .base = base};
    return util_build(s.ctx, "criterion", spec, &env, out);
}

static mn_batch first_batch(void) {
    mn_batch b;
    MUST(mn_loader_start(s.loaders.train, 0));
    MUST(mn_loader_next(s.loaders.train, &b));
    return b;
}

/* Outputs of the model as it is, with running or batch statistics. */
static void outputs_of(const mn_batch *b, int train, float out[VALUES]) {
    const int64_t dims[4] = {b->n, 3, 8, 8};
    mn_value *x, *y;
    mn_run *run;
    MUST(mn_run_new(s.model->backend, s.model->dtype, s.model->slab, &run));
    MUST(mn_run_begin(run, &(mn_run_opts){.train = train, .no_drop = 1}));
    MUST(mn_input(run, dims, MODNAS_F32, &x));
    MUST(mn_model_forward(s.model, run, x, &y));
    MUST(mn_run_keep(run, y));
    MUST(mn_run_plan(run, NULL));
    mn_run_bind(run, x, b->x);
    MUST(mn_run_forward(run, 0));
    MUST(mn_run_read_f32(run, y, out));
    mn_run_free(run);
}

/* The loss of a step of the model as it is. */
static double loss_of(const mn_criterion *c, const mn_batch *b) {
    const mn_run_opts opts = {.train = 1, .no_drop = 1, .grads = MN_ROLE_WEIGHT};
    const int32_t dims[4] = {b->n, 3, 8, 8};
    double loss;
    mn_pass p;
    MUST(mn_pass_new(s.model, &opts, &p));
    MUST(mn_pass_record(&p, s.model, c, dims));
    MUST(mn_pass_forward(&p, b, 1, &loss));
    MUST(mn_run_backward(p.run));
    mn_pass_free(&p);
    return loss;
}

static double log_sum(const float *row) {
    double sum = 0;
    for (int i = 0; i < CLASSES; i++) sum += exp((double)row[i]);
    return log(sum);
}

/* 2 (0.7 cross-entropy of the labels + 0.3 that of the teacher's softmax, or the mean square). */
static double by_formula(const mn_batch *b, const float *x, const float *t, int squares) {
    double hard = 0, soft = 0;
    for (int n = 0; n < b->n; n++) {
        const float *row = x + n * CLASSES, *target = t + n * CLASSES;
        hard += (log_sum(row) - (double)row[b->y[n]]) / b->n;
        for (int i = 0; i < CLASSES; i++) {
            const double d = (double)row[i] - (double)target[i];
            soft += squares ? d * d / (b->n * CLASSES)
                            : exp((double)target[i] - log_sum(target)) * (log_sum(row) - (double)row[i]) / b->n;
        }
    }
    return 2 * (0.7 * hard + 0.3 * soft);
}

#define SHARES "kd_ratio: 0.3, loss_scale: 2"
#define NETWORK                                                                                                        \
    "{type: DefaultModelConstructor, args: {model_type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2],"         \
    " [3, 16, 2, 2]], n_classes: 4, width_coeff: 0.5}}}"

/* The model itself, the weights moved since; and a network of its own with the same weights from a file: the same loss,
 * bit by bit. 1e-5: f32, some ten terms of size 1. */
START_TEST(distilled) {
    static const char *const types[] = {"", ", loss_type: ce", ", loss_type: mse", ", train_teacher: true"};
    const char *path = "teacher.safetensors";
    for (size_t k = 0; k < MN_COUNT(types); k++) {
        float now[VALUES], then[VALUES];
        mn_criterion *itself, *other;
        mn_scores scores = {0, 0, 0, 0};
        mn_batch b;
        char spec[600];
        open_small();
        for (int i = 0; i < 3; i++) MUST(mn_trainer_step(s.trainer, &scores)); /* running statistics of its own */
        b = first_batch();
        outputs_of(&b, k == 3, then);
        snprintf(spec, sizeof spec, "{type: KnowledgeDistillLoss, args: {" SHARES "%s}}", types[k]);
        MUST(teacher(spec, &itself));
        MUST(itself->begin(itself));
        MUST(mn_model_save(s.model, path, NULL));
        snprintf(spec, sizeof spec,
                 "{type: KnowledgeDistillLoss, args: {" SHARES "%s, kd_model_constructor: [" NETWORK
                 ", {type: TorchCheckpointLoader, args: {path: %s}}]}}",
                 types[k], path);
        MUST(teacher(spec, &other));
        MUST(other->begin(other));
        for (int i = 0; i < 3; i++) MUST(mn_trainer_step(s.trainer, &scores));
        b = first_batch();
        outputs_of(&b, 1, now);
        const double want = by_formula(&b, now, then, k == 2), got = loss_of(itself, &b);
        ck_assert_msg(fabs(got - want) <= 1e-5 * want, "%s: %.8g, not %.8g", types[k], got, want);
        ck_assert(loss_of(other, &b) == got);
        ck_assert(loss_of(itself, &b) == got); /* asked once more */
        mn_criterion_free(itself);
        mn_criterion_free(other);
        close_small();
    }
    remove(path);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *spec, *words;
    } rows[] = {{"AuxiliaryLoss", "AuxiliaryLoss.forward_func: model MobileNetV2 has no auxiliary head"},
                {"{type: MixUpLoss, args: {alpha: 0}}", "MixUpLoss.alpha: 0 is outside (0, 1e6]"},
                {"{type: MixUpLoss, args: {crit_conf: MixUpLoss}}", "of a trainer: it is a criterion of an estimator"},
                {"{type: KnowledgeDistillLoss, args: {kd_ratio: 1.5}}", "kd_ratio: 1.5 is outside 0..1"},
                {"{type: KnowledgeDistillLoss, args: {kd_model_constructor: [{type: DefaultModelConstructor, args:"
                 " {model_type: CIFAR_MobileNetV2, args: {n_classes: 5}}}]}}",
                 "a teacher of 3 channels and 5 classes, model MobileNetV2 has 3 and 4"},
                {"{type: KnowledgeDistillLoss, args: {kd_model_constructor: [DefaultInitConstructor]}}",
                 "kd_model_constructor: "}};
    mn_criterion *c = NULL;
    open_small();
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_msg(teacher(rows[i].spec, &c) == MODNAS_ECONFIG, "%s", rows[i].spec);
        ck_assert_msg(strstr(modnas_errmsg(s.ctx), rows[i].words) != NULL, "%s", modnas_errmsg(s.ctx));
    }
    ck_assert_int_eq(util_build(s.ctx, "criterion", "KnowledgeDistillLoss", NULL, &c), MODNAS_ECONFIG);
    ck_assert_ptr_null(c);
    MUST(teacher("{type: KnowledgeDistillLoss, args: {kd_model_constructor: [" NETWORK
                 ", {type: TorchCheckpointLoader, args: {path: nowhere.safetensors}}]}}",
                 &c));
    ck_assert_int_eq(c->begin(c), MODNAS_ECONFIG); /* looked for when the phase begins */
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), "nowhere.safetensors"));
    mn_criterion_free(c);
    close_small();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("losses");
    util_add(suite, "losses", NULL, NULL, (const TTest *const[]){auxiliary, mixup, beta, distilled, refused, NULL});
    return util_run(suite);
}
