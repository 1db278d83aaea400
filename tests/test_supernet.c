/* SuperNetEstim: when it updates, and what becomes of what an optimizer proposes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util_small.h"

#define NET       "backend: ref\n" UTIL_SMALL_NET
#define INDEX_OPS "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static int build_optim(const char *spec, mn_optim **o) {
    const mn_optim_env env = {.model = s.model, .seed = s.model->seed};
    return util_build(s.ctx, "optim", spec, &env, o);
}

/* ---- gradients ---------------------------------------------------------------------------------------- */

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

static const mn_optim_vt witness_vt = {.type = "Witness", .step = witness_step};

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
    mn_estim *e = util_small_estim(&s, conf, &optim, (mn_observer){.ud = NULL}, &node);
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

/* ---- proposals ---------------------------------------------------------------------------------------- */

/* What is trained beside an optimizer that proposes: paths of four choices of four. */
typedef struct paths {
    int n, choice[4][4];
} paths;

static int watch_paths(const mn_progress *p, void *ud) {
    paths *w = ud;
    if (strcmp(p->phase, "train") != 0) return 0;
    for (int i = 0; i < 4; i++) w->choice[i][mn_space_categorical_at(s.model->space, i)->index]++;
    w->n++;
    return 0;
}

/* An optimizer around another one, that counts what goes in and out. */
typedef struct teller {
    mn_optim *inner;
    int asked, told, failed, n_open;
    mn_arch *open[64]; /* asked for and not told */
    double score[512]; /* in the order of telling */
} teller;

static int teller_ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    teller *t = o->state;
    ck_assert_int_eq(t->n_open, 0); /* nothing is waited for */
    MN_TRY(t->inner->vt->ask(t->inner, n, archs, n_out));
    for (int i = 0; i < *n_out; i++, t->asked++) {
        MUST(mn_arch_new(s.model, &t->open[t->n_open]));
        memcpy(t->open[t->n_open++]->index, archs[i]->index, (size_t)archs[i]->n * sizeof(int32_t));
    }
    return 0;
}

static int teller_tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *m) {
    teller *t = o->state;
    int i = 0;
    while (i < t->n_open && memcmp(t->open[i]->index, arch->index, (size_t)arch->n * sizeof(int32_t)) != 0) i++;
    ck_assert_int_lt(i, t->n_open);
    mn_arch_free(t->open[i]);
    t->open[i] = t->open[--t->n_open];
    t->failed += status != 0;
    ck_assert_int_lt(t->told, (int)MN_COUNT(t->score));
    t->score[t->told++] = status ? NAN : m->value[0];
    return t->inner->vt->tell(t->inner, arch, status, m);
}

static const mn_optim_vt teller_vt = {.type = "Teller", .ask = teller_ask, .tell = teller_tell};

/* The choices that are 2. */
static int twos(mn_metric *m, mn_estim *e, mn_metrics *out) {
    int n = 0;
    for (int i = 0; i < 4; i++) n += e->subject->index[i] == 2;
    return mn_metrics_add(m->ctx, out, "acc_top1", n);
}

/* A section's run with an optimizer, of which all that it proposes is told. */
static void run_told(const char *net, const char *optim, const char *conf, teller *t, paths *w,
                     int (*measure)(mn_metric *m, mn_estim *e, mn_metrics *out)) {
    mn_node *node;
    memset(t, 0, sizeof *t);
    memset(w, 0, sizeof *w);
    util_small_open(&s, net);
    MUST(build_optim(optim, &t->inner));
    mn_optim outer = {.vt = &teller_vt, .ctx = s.ctx, .model = s.model, .state = t};
    mn_estim *e = util_small_estim(&s, conf, &outer, (mn_observer){.progress = watch_paths, .ud = w}, &node);
    if (measure) e->metric->measure = measure;
    MUST(e->vt->run(e));
    ck_assert_int_eq(t->n_open, 0);
    ck_assert_int_eq(e->n_evaluations, t->told);
    if (e->best_point) /* the model stands for it */
        for (int i = 0; i < e->best_point->n; i++)
            ck_assert_int_eq(mn_space_categorical_at(s.model->space, i)->index, e->best_point->index[i]);
    mn_estim_free(e);
    mn_optim_free(t->inner);
    mn_node_free(s.ctx, node);
}

/* 3 training batches an epoch; of each update arch_update_batch proposals are evaluated, and each is told. With -1 and
 * 0 there is one an epoch. */
START_TEST(proposals_are_told) {
    static const struct {
        const char *conf;
        int told;
    } rows[] = {{"epochs: 5", 5},
                {"epochs: 5, arch_update_intv: 0, arch_update_batch: 3", 15},
                {"epochs: 5, arch_update_intv: 1", 15},
                {"epochs: 5, arch_update_intv: 2, arch_update_batch: 4", 20},
                {"epochs: 5, arch_update_intv: 4", 0},
                {"epochs: 6, arch_update_epoch_start: 1, arch_update_epoch_intv: 2, arch_update_batch: 2", 6}};
    static const char *const optims[] = {"RandomSearchOptim",
                                         "{type: EvolutionOptim, args: {pop_size: 4, n_select: 2}}",
                                         "{type: RegularizedEvolutionOptim, args: {pop_size: 4, n_select: 2}}"};
    for (size_t i = 0; i < MN_COUNT(optims); i++) {
        char conf[256];
        teller t;
        paths w;
        snprintf(conf, sizeof conf, "{type: SuperNetEstim, metrics: ValidateMetrics, %s}", rows[_i].conf);
        run_told(NET INDEX_OPS, optims[i], conf, &t, &w, NULL);
        ck_assert_int_eq(t.told, rows[_i].told);
        ck_assert_int_eq(t.asked, t.told);
        ck_assert_int_eq(t.failed, 0);
        ck_assert_int_eq(w.n, _i == 5 ? 18 : 15);
        util_small_close(&s);
    }
}
END_TEST

/* Evolution climbs, where n draws would have 1 choice right on average, with a deviation of sqrt(0.75 / n): `least` is
 * over five of these away. (EvolutionOptim never proposes twice, and there are but 67 of 256 with two right and more.)
 * What is trained is still uniform: each choice has chi-squared of 3 degrees of freedom, over 25 in a chance of 1.5e-5.
 */
START_TEST(evolution_steers) {
    static const struct {
        const char *optim;
        int from, to;
        double least;
    } rows[] = {{"{type: EvolutionOptim, args: {pop_size: 16, n_select: 5, mutation_prob: 0.1}}", 16, 80, 1.6},
                {"{type: RegularizedEvolutionOptim, args: {pop_size: 16, n_select: 8}}", 160, 240, 2}};
    teller t;
    paths w;
    double mean = 0;
    const int n = rows[_i].to - rows[_i].from;
    run_told(NET INDEX_OPS, rows[_i].optim,
             "{type: SuperNetEstim, metrics: ValidateMetrics, epochs: 60, arch_update_batch: 4}", &t, &w, twos);
    ck_assert_int_eq(t.told, 240);
    ck_assert_int_eq(t.asked, 240);
    ck_assert_int_eq(t.failed, 0);
    for (int i = rows[_i].from; i < rows[_i].to; i++) mean += t.score[i] / n;
    ck_assert_msg(mean > rows[_i].least, "%g right on average", mean);
    ck_assert_int_eq(w.n, 180);
    for (int i = 0; i < 4; i++) {
        double chi2 = 0;
        for (int k = 0; k < 4; k++) chi2 += (w.choice[i][k] - 45.0) * (w.choice[i][k] - 45.0) / 45;
        ck_assert_msg(chi2 < 25, "choice %d: %g", i, chi2);
    }
    util_small_close(&s);
}
END_TEST

/* Numbers that are not finite are a result, and the run goes on. */
static int not_finite(mn_metric *m, mn_estim *e, mn_metrics *out) {
    if (e->n_evaluations % 2) return mn_fail(m->ctx, MODNAS_ENUMERIC, "the loss is nan");
    return mn_metrics_add(m->ctx, out, "acc_top1", 0.5);
}

START_TEST(failed_proposals) {
    teller t;
    paths w;
    run_told(NET INDEX_OPS, "RandomSearchOptim",
             "{type: SuperNetEstim, metrics: ValidateMetrics, epochs: 3, arch_update_batch: 2}", &t, &w, not_finite);
    ck_assert_int_eq(t.asked, 6);
    ck_assert_int_eq(t.told, 6);
    ck_assert_int_eq(t.failed, 3);
    util_small_close(&s);
}
END_TEST

/* A space of 16 architectures runs out: the run says so, goes on and evaluates at random. */
START_TEST(exhausted_space) {
    paths w = {0};
    mn_node *node;
    mn_optim *o;
    util_small_open(&s, NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}\n");
    MUST(build_optim("RandomSearchOptim", &o));
    mn_estim *e =
        util_small_estim(&s, "{type: SuperNetEstim, epochs: 3, arch_update_batch: 6, metrics: ValidateMetrics}", o,
                         (mn_observer){.progress = watch_paths, .ud = &w}, &node);
    MUST(e->vt->run(e));
    ck_assert_int_eq(w.n, 9);
    ck_assert_int_eq(e->n_evaluations, 18); /* of 16 */
    ck_assert_ptr_nonnull(strstr(s.host.log, "at random"));
    mn_estim_free(e);
    mn_optim_free(o);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("supernet");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, update_times, 0, 7);
    tcase_add_loop_test(t, proposals_are_told, 0, 6);
    tcase_add_loop_test(t, evolution_steers, 0, 2);
    suite_add_tcase(suite, t);
    util_add(suite, "proposals", NULL, NULL, (const TTest *[]){failed_proposals, exhausted_space, NULL});
    return util_run(suite);
}
