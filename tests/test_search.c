/* Search: the step of BinaryGateOptim against its formula, what renorm keeps, RandomSearchOptim's walk through small
 * and huge spaces, when SuperNetEstim updates, which evaluation is the best, and what the derived network counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "optim/visited.h"
#include "search/derive.h"
#include "util_small.h"

#define NET       "backend: ref\n" UTIL_SMALL_NET
#define INDEX_OPS "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"
/* Slots 1 and 3 keep their shape and get a zero operator: 4 candidates there, 3 elsewhere. */
#define ZERO_OPS                                                                                                       \
    "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {fix_first: false, add_zero_op: true,"           \
    " candidates: [MB3E1, MB3E3, MB5E3], mixed_op: BinaryGateMixedOp}}}\n"

enum { MAX_OPS = 8, MAX_CANDIDATES = 8 };

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static int build_optim(const char *spec, mn_optim **o) {
    const mn_optim_env env = {s.model, s.model->seed};
    return util_build(s.ctx, "optim", spec, &env, o);
}

typedef struct alphas {
    double a[MAX_OPS][MAX_CANDIDATES];
} alphas;

static int n_candidates(int op) {
    return mn_model_mixed(s.model, op)->n;
}

static alphas read_alphas(void) {
    alphas x;
    memset(&x, 0, sizeof x);
    for (int i = 0; i < mn_model_n_mixed(s.model); i++) MUST(mn_mixed_alpha(mn_model_mixed(s.model, i), x.a[i]));
    return x;
}

static double sum_exp(const double *a, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exp(a[i]);
    return sum;
}

/* ---- BinaryGateOptim --------------------------------------------------------------------------------- */

/* One step from the start: with betas (0, 0.999) Adam moves an alpha of gradient g by -lr g / (|g| + eps). Then alphas
 * of the two sampled candidates are shifted together so that the sum of their exponentials is what it was. f32: 1e-6.
 */
START_TEST(gate_step) {
    const int renorm = _i;
    mn_optim *o;
    mn_estim e = {.trainer = NULL};
    util_small_open(&s, NET UTIL_SMALL_GATES);
    e.trainer = s.trainer;
    MUST(build_optim(renorm ? "BinaryGateOptim" : "{type: BinaryGateOptim, args: {renorm: false}}", &o));
    ck_assert_int_eq(mn_model_n_mixed(s.model), 4);
    const alphas before = read_alphas();
    MUST(o->vt->step(o, &e));
    const alphas after = read_alphas();
    ck_assert_int_eq(e.arch_scores.n, 8);
    for (int i = 0; i < 4; i++) {
        double g[4], want[4], sum_before = 0, sum_step = 0;
        int sampled = 0;
        MUST(mn_param_get_grad(mn_model_mixed(s.model, i)->param->tensor, g));
        for (int k = 0; k < 4; k++) {
            want[k] = before.a[i][k] - 0.006 * g[k] / (fabs(g[k]) + 1e-8);
            if (g[k] == 0) continue;
            sampled++;
            sum_before += exp(before.a[i][k]);
            sum_step += exp(want[k]);
        }
        ck_assert_int_eq(sampled, 2);
        for (int k = 0; k < 4; k++) {
            if (g[k] != 0 && renorm) want[k] += log(sum_before / sum_step);
            ck_assert_double_eq_tol(after.a[i][k], want[k], 1e-6);
            if (g[k] == 0) ck_assert(after.a[i][k] == before.a[i][k]);
        }
        ck_assert_double_eq_tol(g[0] + g[1] + g[2] + g[3], 0, 1e-6); /* the softmax rule of the pair sums to 0 */
        ck_assert_int_eq(mn_model_mixed(s.model, i)->n_active, 4);
    }
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

/* Ops of 3 and of 4 candidates side by side, n_samples 2 and 3: where the active set is not everything the probability
 * of the others stays (their alphas do, and so must the sum over all); a set of all candidates is not touched by
 * renorm. */
START_TEST(renorm_keeps_the_rest) {
    const char *const specs[] = {"{type: BinaryGateOptim, args: {n_samples: 2}}",
                                 "{type: BinaryGateOptim, args: {n_samples: 3}}"};
    mn_optim *o;
    mn_estim e = {.trainer = NULL};
    util_small_open(&s, NET ZERO_OPS);
    e.trainer = s.trainer;
    MUST(build_optim(specs[_i], &o));
    int partial = 0, whole = 0;
    for (int step = 0; step < 40; step++) {
        const alphas before = read_alphas();
        MUST(o->vt->step(o, &e));
        const alphas after = read_alphas();
        for (int i = 0; i < 4; i++) {
            const int n = n_candidates(i);
            int moved = 0;
            for (int k = 0; k < n; k++) moved += before.a[i][k] != after.a[i][k];
            ck_assert_int_le(moved, _i + 2);
            if (moved == n) {
                whole++;
                continue;
            }
            partial++;
            ck_assert_double_eq_tol(sum_exp(after.a[i], n) / sum_exp(before.a[i], n), 1, 1e-6);
        }
    }
    ck_assert_int_gt(partial, 40);
    ck_assert_int_eq(whole > 0, _i == 1); /* 3 of 3 */
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

/* More samples than candidates: all of them, as n_samples 0; none is drawn twice and nothing is refused. */
START_TEST(samples_are_clamped) {
    const char *const specs[] = {"{type: BinaryGateOptim, args: {n_samples: 9}}",
                                 "{type: BinaryGateOptim, args: {n_samples: 0}}"};
    char hash[2][65];
    for (int i = 0; i < 2; i++) {
        mn_optim *o;
        mn_estim e = {.trainer = NULL};
        util_small_open(&s, NET ZERO_OPS);
        e.trainer = s.trainer;
        MUST(build_optim(specs[i], &o));
        for (int step = 0; step < 5; step++) MUST(o->vt->step(o, &e));
        util_hash_store(s.model->arch, hash[i]);
        mn_optim_free(o);
        util_small_close(&s);
    }
    ck_assert_str_eq(hash[0], hash[1]);
}
END_TEST

/* skip_zero: an op whose path is NIL keeps its alphas; the default moves them. */
START_TEST(zero_path) {
    const char *const specs[] = {"BinaryGateOptim", "{type: BinaryGateOptim, args: {skip_zero: true}}"};
    mn_optim *o;
    mn_estim e = {.trainer = NULL};
    int zero = 0, moved_zero = 0;
    util_small_open(&s, NET ZERO_OPS);
    e.trainer = s.trainer;
    MUST(build_optim(specs[_i], &o));
    for (int step = 0; step < 60; step++) {
        const alphas before = read_alphas();
        MUST(o->vt->step(o, &e));
        const alphas after = read_alphas();
        for (int i = 0; i < 4; i++) {
            const mn_mixed *m = mn_model_mixed(s.model, i);
            const int moved = memcmp(before.a[i], after.a[i], sizeof before.a[i]) != 0;
            const int is_zero = strcmp(mn_mixed_candidate(m, m->last), "NIL") == 0;
            if (!is_zero) ck_assert(moved);
            zero += is_zero;
            moved_zero += is_zero && moved;
        }
    }
    ck_assert_int_gt(zero, 10);
    if (_i)
        ck_assert_int_eq(moved_zero, 0);
    else
        ck_assert_int_gt(moved_zero, zero / 2);
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

/* An architecture step leaves weights and running statistics as they are, bit by bit. */
START_TEST(gate_step_leaves_weights) {
    char before[65], after[65];
    mn_optim *o;
    mn_estim e = {.trainer = NULL};
    mn_scores scores = {0, 0, 0, 0};
    util_small_open(&s, NET UTIL_SMALL_GATES);
    e.trainer = s.trainer;
    MUST(build_optim("BinaryGateOptim", &o));
    MUST(mn_trainer_step(s.trainer, &scores));
    util_hash_store(s.model->weights, before);
    for (int i = 0; i < 5; i++) MUST(o->vt->step(o, &e));
    util_hash_store(s.model->weights, after);
    ck_assert_str_eq(before, after);
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

static void refuse(const char *net, const char *spec, const char *a, const char *b) {
    mn_optim *o = NULL;
    util_small_open(&s, net);
    ck_assert_int_eq(build_optim(spec, &o), MODNAS_ECONFIG);
    ck_assert_ptr_null(o);
    ck_assert_msg(strstr(modnas_errmsg(s.ctx), a) && strstr(modnas_errmsg(s.ctx), b), "%s", modnas_errmsg(s.ctx));
    util_small_close(&s);
}

START_TEST(refusals) {
    static const char gates[] = NET UTIL_SMALL_GATES, index_ops[] = NET INDEX_OPS, none[] = NET,
                      sum[] = NET "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E1, MB3E3]}\n";
    refuse(sum, "BinaryGateOptim", "BinaryGateOptim", "SoftmaxSumMixedOp");
    refuse(index_ops, "BinaryGateOptim", "BinaryGateOptim", "IndexMixedOp");
    refuse(none, "BinaryGateOptim", "BinaryGateOptim", "MobileNetV2");
    refuse(gates, "RandomSearchOptim", "RandomSearchOptim", "BinaryGateMixedOp");
    refuse(gates, "{type: BinaryGateOptim, args: {n_samples: -1}}", "BinaryGateOptim.n_samples", "-1");
    refuse(gates, "{type: BinaryGateOptim, args: {a_optim: {type: Adam, args: {betas: [0, 1]}}}}", "Adam.betas", "1");
}
END_TEST

/* ---- RandomSearchOptim ------------------------------------------------------------------------------- */

static int code(const mn_arch *a) {
    int x = 0;
    for (int32_t i = 0; i < a->n; i++) x = 4 * x + a->index[i];
    return x;
}

/* 4 slots of 4 candidates: 256 points, each once, then MODNAS_EDONE; the order hangs on the seed alone. */
START_TEST(random_visits_all) {
    static int order[3][256];
    util_small_open(&s, NET INDEX_OPS);
    for (int run = 0; run < 3; run++) {
        mn_arch archs[7];
        mn_optim *o;
        int seen[256] = {0}, n = 0;
        int32_t got;
        MUST(build_optim(run == 2 ? "{type: RandomSearchOptim, args: {seed: 8}}" : "RandomSearchOptim", &o));
        for (int i = 0; i < 7; i++) MUST(mn_arch_new(s.ctx, 4, &archs[i]));
        while (n < 256) {
            MUST(o->vt->ask(o, 7, archs, &got));
            ck_assert_int_eq(got, n + 7 <= 256 ? 7 : 256 - n);
            for (int i = 0; i < got; i++) {
                ck_assert_int_eq(seen[code(&archs[i])]++, 0);
                order[run][n++] = code(&archs[i]);
                MUST(o->vt->tell(o, &archs[i], 0, NULL));
            }
        }
        ck_assert_int_eq(o->vt->ask(o, 1, archs, &got), MODNAS_EDONE);
        ck_assert_int_eq(got, 0);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), "256"));
        for (int i = 0; i < 7; i++) mn_arch_free(s.ctx, &archs[i]);
        mn_optim_free(o);
    }
    ck_assert_int_eq(memcmp(order[0], order[1], sizeof order[0]), 0);
    ck_assert_int_ne(memcmp(order[0], order[2], sizeof order[0]), 0);
    util_small_close(&s);
}
END_TEST

/* What is left is equally likely: of a space of 256 the first 128 points of 200 seeds hold each point about 100 times.
 * Standard deviation sqrt(200 / 4) = 7; 6 of them for 256 counts. */
START_TEST(random_is_uniform) {
    int count[256] = {0};
    int32_t got;
    mn_arch a;
    util_small_open(&s, NET INDEX_OPS);
    MUST(mn_arch_new(s.ctx, 4, &a));
    for (int seed = 0; seed < 200; seed++) {
        char spec[64];
        mn_optim *o;
        snprintf(spec, sizeof spec, "{type: RandomSearchOptim, args: {seed: %d}}", seed);
        MUST(build_optim(spec, &o));
        for (int i = 0; i < 128; i++) {
            MUST(o->vt->ask(o, 1, &a, &got));
            count[code(&a)]++;
        }
        mn_optim_free(o);
    }
    for (int i = 0; i < 256; i++) ck_assert_int_le(abs(count[i] - 100), 42);
    mn_arch_free(s.ctx, &a);
    util_small_close(&s);
}
END_TEST

/* 4^4 * 6^30 points, far above 2^64 (6^30 is about 2^77): 5000 of them, no two alike. */
START_TEST(random_in_a_huge_space) {
    mn_arch a;
    mn_visited seen;
    mn_optim *o;
    int32_t got, choices[34];
    util_small_open(&s, NET INDEX_OPS);
    for (int i = 0; i < 30; i++) {
        mn_node *list;
        mn_arch_param *param;
        MUST(mn_yaml_value(s.ctx, "[a, b, c, d, e, f]", "test", &list));
        MUST(mn_space_categorical(s.model->space, NULL, list, &param));
    }
    for (int i = 0; i < 34; i++) choices[i] = mn_space_categorical_at(s.model->space, i)->n;
    MUST(build_optim("RandomSearchOptim", &o));
    MUST(mn_arch_new(s.ctx, 34, &a));
    MUST(mn_visited_init(&seen, s.ctx, choices, 34));
    ck_assert(seen.size == UINT64_MAX);
    for (int i = 0; i < 5000; i++) {
        int is_new;
        MUST(o->vt->ask(o, 1, &a, &got));
        ck_assert_int_eq(got, 1);
        for (int k = 0; k < 34; k++) ck_assert(a.index[k] >= 0 && a.index[k] < choices[k]);
        MUST(mn_visited_add(&seen, a.index, &is_new));
        ck_assert(is_new);
    }
    ck_assert(seen.n == 5000 && mn_visited_has(&seen, a.index));
    mn_visited_free(&seen);
    mn_arch_free(s.ctx, &a);
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

/* ---- SuperNetEstim ----------------------------------------------------------------------------------- */

/* An optimizer that only says when it was asked to step. */
typedef struct witness {
    int n;
    int64_t epoch[64], step[64];
} witness;

static witness seen_steps;

static int witness_step(mn_optim *o, mn_estim *e) {
    (void)o;
    seen_steps.epoch[seen_steps.n] = e->epoch;
    seen_steps.step[seen_steps.n++] = e->n_steps % mn_trainer_n_train(e->trainer);
    return 0;
}

static const mn_optim_vt witness_vt = {"Witness", NULL, NULL, witness_step, NULL};

static mn_estim *open_estim(const char *conf, mn_optim *optim, mn_observer observer, mn_node **node) {
    mn_estim *e;
    MUST(mn_yaml_value(s.ctx, conf, "test", node));
    const mn_estim_env env = {"search", *node, s.model, s.trainer, optim, NULL, observer};
    MUST(mn_registry_build(s.ctx, "estim", *node, mn_estim_keys, NULL, &env, &e));
    return e;
}

/* 5 training batches and 2 of validation. From spec 6.2: update when (t + 1) // I exceeds the updates of the epoch; -1:
 * I = 5 / 2. */
START_TEST(update_times) {
    static const struct {
        const char *conf;
        int n;
        int64_t epoch[8], step[8];
    } rows[] = {
        {"epochs: 1, arch_update_intv: -1", 2, {0, 0}, {2, 4}}, /* (t + 1) / 2.5: 1.2 at t = 2, 2 at t = 4 */
        {"epochs: 1, arch_update_intv: 2", 2, {0, 0}, {1, 3}},
        {"epochs: 1, arch_update_intv: 0", 1, {0}, {4}},
        {"epochs: 1, arch_update_intv: 1", 5, {0, 0, 0, 0, 0}, {0, 1, 2, 3, 4}},
        {"epochs: 1, arch_update_intv: 6", 0, {0}, {0}},
        {"epochs: 2, arch_update_intv: 3, arch_update_batch: 2", 4, {0, 0, 1, 1}, {2, 2, 2, 2}},
        {"epochs: 4, arch_update_intv: 0, arch_update_epoch_start: 1, arch_update_epoch_intv: 2", 2, {1, 3}, {4, 4}}};
    char conf[256];
    mn_node *node;
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET_OF("trn_batch_size: 8, val_batch_size: 4, valid_size: 8")
                            UTIL_SMALL_GATES);
    mn_optim optim = {.vt = &witness_vt, .ctx = s.ctx, .model = s.model};
    snprintf(conf, sizeof conf, "{type: SuperNetEstim, metrics: ValidateMetrics, %s}", rows[_i].conf);
    mn_estim *e = open_estim(conf, &optim, (mn_observer){NULL, NULL, NULL}, &node);
    ck_assert_int_eq(mn_trainer_n_train(s.trainer), 5);
    ck_assert_int_eq(mn_trainer_n_valid(s.trainer), 2);
    memset(&seen_steps, 0, sizeof seen_steps);
    MUST(e->vt->run(e));
    ck_assert_int_eq(seen_steps.n, rows[_i].n);
    for (int i = 0; i < rows[_i].n; i++) {
        ck_assert_int_eq(seen_steps.epoch[i], rows[_i].epoch[i]);
        ck_assert_int_eq(seen_steps.step[i], rows[_i].step[i]);
    }
    ck_assert_int_eq(e->n_evaluations, e->epochs);
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

/* With index ops every weight step trains the path that the optimizer proposes, and no path twice before all were seen.
 */
typedef struct paths {
    int n, seen[256], twice;
} paths;

static int watch_paths(const mn_progress *p, void *ud) {
    paths *w = ud;
    int x = 0;
    if (strcmp(p->phase, "train") != 0) return 0;
    for (int i = 0; i < 4; i++) x = 4 * x + mn_space_categorical_at(s.model->space, i)->index;
    w->twice += w->seen[x]++ > 0;
    w->n++;
    return 0;
}

START_TEST(index_ops_follow_the_optimizer) {
    paths w = {0};
    mn_node *node;
    mn_optim *o;
    util_small_open(&s, NET INDEX_OPS);
    MUST(build_optim("RandomSearchOptim", &o));
    mn_estim *e = open_estim("{type: SuperNetEstim, epochs: 20, metrics: ValidateMetrics}", o,
                             (mn_observer){watch_paths, NULL, &w}, &node);
    MUST(e->vt->run(e));
    ck_assert_int_eq(w.n, 60);
    ck_assert_int_eq(w.twice, 0);
    mn_estim_free(e);
    mn_optim_free(o);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

/* A space of 2 paths runs out at once: the run goes on with paths at random and says so. */
START_TEST(exhausted_space) {
    paths w = {0};
    mn_node *node;
    mn_optim *o;
    util_small_open(&s, NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E1]}\n");
    MUST(build_optim("RandomSearchOptim", &o));
    mn_estim *e = open_estim("{type: SuperNetEstim, epochs: 2, metrics: ValidateMetrics}", o,
                             (mn_observer){watch_paths, NULL, &w}, &node);
    MUST(e->vt->run(e));
    ck_assert_int_eq(w.n, 6);
    ck_assert_ptr_nonnull(strstr(s.host.log, "at random"));
    mn_estim_free(e);
    mn_optim_free(o);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

/* ---- evaluations ------------------------------------------------------------------------------------- */

static const double *script;

static int scripted(mn_metric *m, mn_estim *e, mn_metrics *out) {
    (void)e;
    return mn_metrics_add(m->ctx, out, "acc_top1", *script++);
}

typedef struct bests {
    int n, best[16];
} bests;

static int note_best(const mn_evaluation *v, void *ud) {
    bests *b = ud;
    ck_assert_int_eq(v->index, b->n);
    b->best[b->n++] = v->is_best;
    return 0;
}

/* The first of equals stays the best, and what is not a number never is. */
START_TEST(first_of_equals) {
    static const double scores[] = {NAN, 0.5, 0.5, 0.7, 0.6, 0.7, NAN, 0.8};
    static const int want[] = {0, 1, 0, 1, 0, 0, 0, 1};
    bests b = {0};
    mn_node *node;
    util_small_open(&s, NET UTIL_SMALL_GATES);
    mn_estim *e = open_estim("{type: DefaultEstim, epochs: 1, metrics: ValidateMetrics}", NULL,
                             (mn_observer){NULL, note_best, &b}, &node);
    e->metric->measure = scripted;
    script = scores;
    for (size_t i = 0; i < MN_COUNT(scores); i++) MUST(mn_estim_evaluate(e));
    for (size_t i = 0; i < MN_COUNT(scores); i++) ck_assert_int_eq(b.best[i], want[i]);
    ck_assert(e->best_score == 0.8);
    ck_assert_int_eq(e->n_evaluations, 8);
    ck_assert_ptr_nonnull(mn_metrics_get(&e->best_metrics, "params"));
    ck_assert_ptr_nonnull(mn_metrics_get(&e->best_metrics, "macs"));
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

START_TEST(score_direction) {
    mn_metrics m = {0};
    util_small_open(&s, NET);
    ck_assert(mn_metrics_score(&m) == 0);
    MUST(mn_metrics_add(s.ctx, &m, "loss", 2.5));
    MUST(mn_metrics_add(s.ctx, &m, "acc_top1", 0.5));
    ck_assert(mn_metrics_score(&m) == -2.5); /* less loss is better */
    MUST(mn_metrics_add(s.ctx, &m, "loss", 1.5));
    ck_assert_int_eq(m.n, 2);
    ck_assert(mn_metrics_score(&m) == -1.5);
    util_small_close(&s);
}
END_TEST

/* What is measured is the derived network: its accuracy and loss are those of the net with every op forced to its most
 * probable candidate, and the ops sample again afterwards. */
START_TEST(evaluates_the_derived) {
    mn_node *node;
    mn_scores want = {0, 0, 0, 0};
    util_small_open(&s, NET UTIL_SMALL_GATES);
    const double favour[4][4] = {{0, 3, 0, 0}, {0, 0, 0, 3}, {3, 0, 0, 0}, {0, 0, 3, 0}};
    static const int best[4] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++) MUST(mn_mixed_set_alpha(mn_model_mixed(s.model, i), favour[i]));
    for (int i = 0; i < 4; i++) mn_mixed_force(mn_model_mixed(s.model, i), best[i]);
    MUST(mn_trainer_evaluate(s.trainer, NULL, &want, NULL, NULL));
    for (int i = 0; i < 4; i++) mn_mixed_force(mn_model_mixed(s.model, i), -1);
    mn_estim *e = open_estim("{type: DefaultEstim, epochs: 1, metrics: ValidateMetrics}", NULL,
                             (mn_observer){NULL, NULL, NULL}, &node);
    MUST(mn_estim_evaluate(e));
    ck_assert(*mn_metrics_get(&e->last_metrics, "loss") == want.loss / 8);
    ck_assert(*mn_metrics_get(&e->last_metrics, "acc_top1") == want.top1 / 8);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(mn_model_mixed(s.model, i)->forced, -1);
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

/* A section's `criterion` by mode: that of eval changes the loss that is measured and not the training, that of train
 * the training; without a mode both change. Same seed each time. */
START_TEST(criteria_by_mode) {
    static const char *const criteria[] = {"[]", "{type: CrossEntropyLabelSmoothingLoss, mode: eval, args: {eta: 0.5}}",
                                           "[{type: CrossEntropyLabelSmoothingLoss, mode: train, args: {eta: 0.5}}]",
                                           "[CrossEntropyLoss, {type: CrossEntropyLoss, args: {label_smoothing: 0.5}}]",
                                           "{type: CrossEntropyLabelSmoothingLoss, mode: valid, args: {eta: 0.5}}"};
    char hash[5][65];
    double loss[5];
    for (int i = 0; i < 5; i++) {
        char conf[256];
        mn_node *node;
        util_small_open(&s, NET);
        snprintf(conf, sizeof conf, "{type: DefaultEstim, epochs: 1, metrics: ValidateMetrics, criterion: %s}",
                 criteria[i]);
        mn_estim *e = open_estim(conf, NULL, (mn_observer){NULL, NULL, NULL}, &node);
        MUST(e->vt->run(e));
        loss[i] = *mn_metrics_get(&e->last_metrics, "loss");
        util_hash_store(s.model->weights, hash[i]);
        mn_estim_free(e);
        mn_node_free(s.ctx, node);
        util_small_close(&s);
    }
    ck_assert_str_eq(hash[1], hash[0]);
    ck_assert(loss[1] != loss[0]);
    ck_assert_str_ne(hash[2], hash[0]);
    ck_assert_str_eq(hash[3], hash[2]);
    ck_assert(loss[3] != loss[2]);
    ck_assert_str_eq(hash[4], hash[0]);
    ck_assert(loss[4] == loss[0]);
}
END_TEST

/* Several metrics: the first one's is the score; fewer multiply-adds are better. An unknown mode is refused. */
START_TEST(metrics_in_order) {
    mn_node *node;
    mn_estim *e;
    util_small_open(&s, NET);
    e = open_estim(
        "{type: DefaultEstim, epochs: 1, metrics: [MacsMetrics, {type: ValidateMetrics, args: {field: loss}}]}", NULL,
        (mn_observer){NULL, NULL, NULL}, &node);
    MUST(mn_estim_evaluate(e));
    static const char *const want[] = {"macs", "loss", "acc_top1", "acc_top5", "params"};
    ck_assert_int_eq(e->last_metrics.n, 5);
    for (int i = 0; i < 5; i++) ck_assert_str_eq(e->last_metrics.name[i], want[i]);
    ck_assert(e->best_score == -e->last_metrics.value[0] && e->best_score < 0);
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
    MUST(mn_yaml_value(
        s.ctx,
        "{type: DefaultEstim, epochs: 1, metrics: ValidateMetrics, criterion: {type: CrossEntropyLoss, mode: tain}}",
        "test", &node));
    const mn_estim_env env = {"e", node, s.model, s.trainer, NULL, NULL, {NULL, NULL, NULL}};
    ck_assert_int_eq(mn_registry_build(s.ctx, "estim", node, mn_estim_keys, NULL, &env, &e), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), "tain"));
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

/* spec 3.3: CIFAR_MobileNetV2_GPU with 10 classes and one operator in all slots (DefaultSlotArchDescConstructor). */
START_TEST(derived_counts) {
    static const int64_t params[] = {1928730, 3427434, 3597930}, macs_mb3e3 = 43066752;
    static const int32_t input[3] = {3, 32, 32};
    util_small_open(
        &s, "backend: ref\nseed: 1\n"
            "model: {type: CIFAR_MobileNetV2_GPU, args: {n_classes: 10}}\n"
            "mixed_op: {type: IndexMixedOp, candidates: [MB3E3, MB3E6, MB5E6]}\n"
            "train_data: {type: RandData, args: {data_size: 8}}\n"
            "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 4, val_batch_size: 4, valid_size: 4}}\n"
            "trainer: {default: {type: ImageClsTrainer, args: {optimizer: SGD}}}\n");
    for (int c = 0; c < 3; c++) {
        int64_t macs;
        mn_arch a;
        MUST(mn_arch_new(s.ctx, 22, &a));
        for (int i = 0; i < 22; i++) a.index[i] = c;
        MUST(mn_space_apply(s.model->space, &a));
        MUST(mn_derive_begin(s.model));
        ck_assert_int_eq(mn_derived_params(s.model), params[c]);
        MUST(mn_derived_macs(s.model, input, &macs));
        if (c == 0) ck_assert_int_eq(macs, macs_mb3e3);
        mn_derive_end(s.model);
        mn_arch_free(s.ctx, &a);
    }
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, gate_step, 0, 2);
    tcase_add_loop_test(t, renorm_keeps_the_rest, 0, 2);
    tcase_add_loop_test(t, zero_path, 0, 2);
    tcase_add_loop_test(t, update_times, 0, 7);
    suite_add_tcase(suite, t);
    util_add(suite, "gates", NULL, NULL,
             (const TTest *[]){samples_are_clamped, gate_step_leaves_weights, refusals, NULL});
    util_add(suite, "random", NULL, NULL,
             (const TTest *[]){random_visits_all, random_is_uniform, random_in_a_huge_space, NULL});
    util_add(suite, "estim", NULL, NULL, (const TTest *[]){index_ops_follow_the_optimizer, exhausted_space, NULL});
    util_add(suite, "evaluations", NULL, NULL,
             (const TTest *[]){first_of_equals, score_direction, evaluates_the_derived, criteria_by_mode,
                               metrics_in_order, derived_counts, NULL});
    return util_run(suite);
}
