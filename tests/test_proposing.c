/* Optimizers that propose: all of them on the same small spaces, asked and told by hand.
 *
 * The toy has one best point, all digits 2, and a slope that leads there: the sum of -|digit - 2|. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_model.h"
#include "util_small.h"

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, modnas_errmsg(model_ctx))

enum { DIGITS = 5, CHOICES = 4 };

static const char *const specs[] = {
    "RandomSearchOptim",
    "GridSearchOptim",
    "{type: EvolutionOptim, args: {pop_size: 12, n_select: 4}}",
    "{type: EvolutionOptim, args: {pop_size: 12, n_select: 4, selection: truncation, n_crossover: 9, mutation_prob: 0.1}}",
    "{type: RegularizedEvolutionOptim, args: {pop_size: 12, n_select: 4}}",
    "{type: NSGA2Optim, args: {pop_size: 12}}",
    "{type: ModelBasedOptim, args: {n_next_pts: 16, n_iter: 100}}",
    "LocalSearchOptim",
    "{type: REINFORCEOptim, args: {a_optim: {type: Adam, args: {lr: 0.2}}}}",
};
enum { N_SPECS = MN_COUNT(specs), FIRST_LEARNING = 2 };
#define REPEATS(i) ((i) == 4 || (i) == 8) /* aging evolution and REINFORCE may propose again what they did */

static mn_model *model;

static mn_model *space_of(int digits, int choices) {
    mn_model *m;
    mn_space *space;
    OK(mn_model_new(model_ctx, NULL, MODNAS_F32, 7, &m));
    m->type = mn_strdup(model_ctx, "toy");
    OK(mn_space_of(m, &space));
    for (int i = 0; i < digits; i++) {
        mn_node *list = mn_node_new(model_ctx, MN_SEQ);
        mn_arch_param *p;
        for (int k = 0; k < choices; k++) OK(mn_node_add(model_ctx, list, mn_node_int(model_ctx, k)));
        OK(mn_space_categorical(space, NULL, list, &p));
    }
    return m;
}

static int build(const char *spec, const mn_objective *objective, mn_optim **o) {
    const mn_optim_env env = {.model = model, .seed = 3, .objective = objective};
    return util_build(model_ctx, "optim", spec, &env, o);
}

static void setup(void) {
    model_setup();
    OK(mn_optim_register(model_ctx));
    OK(mn_train_register(model_ctx));
    model = space_of(DIGITS, CHOICES);
}

static void teardown(void) {
    mn_model_free(model);
    model_teardown();
}

static double toy(const mn_arch *a) {
    double sum = 0;
    for (int32_t i = 0; i < a->n; i++) sum -= abs(a->index[i] - 2);
    return sum;
}

static int code(const mn_arch *a) {
    int x = 0;
    for (int32_t i = 0; i < a->n; i++) x = CHOICES * x + a->index[i];
    return x;
}

static void tell(mn_optim *o, const mn_arch *a, int status, double value) {
    const mn_metrics m = {1, {"score"}, {value}};
    OK(o->vt->tell(o, a, status, &m));
}

/* Ask for n at a time and tell in the order of asking, or backwards; codes of what was proposed go to out. Returns the
 * best value that was met. */
static double drive(mn_optim *o, int total, int n, int backwards, int *out) {
    mn_arch *archs[64];
    double best = -INFINITY;
    for (int i = 0; i < n; i++) OK(mn_arch_new(model, &archs[i]));
    for (int made = 0; made < total;) {
        int32_t got = 0;
        OK(o->vt->ask(o, n < total - made ? n : total - made, archs, &got));
        ck_assert_int_gt(got, 0);
        for (int i = 0; i < got; i++)
            for (int k = 0; k < i; k++) ck_assert_int_ne(code(archs[i]), code(archs[k]));
        for (int i = 0; i < got; i++) {
            const mn_arch *a = archs[backwards ? got - 1 - i : i];
            best = fmax(best, toy(a));
            tell(o, a, 0, toy(a));
        }
        for (int i = 0; i < got; i++, made++)
            if (out) out[made] = code(archs[i]);
    }
    for (int i = 0; i < n; i++) mn_arch_free(archs[i]);
    return best;
}

/* 300 of 1024 points, 15 seeds: those that learn find the best one in most runs (random search in 300 / 1024 of them). */
START_TEST(finds_the_optimum) {
    int found = 0;
    for (int seed = 0; seed < 15; seed++) {
        mn_optim *o;
        const mn_optim_env env = {.model = model, .seed = (uint64_t)seed};
        OK(util_build(model_ctx, "optim", specs[_i], &env, &o));
        found += drive(o, 300, 1, 0, NULL) == 0;
        mn_optim_free(o);
    }
    ck_assert_msg(found >= 13, "%s: %d of 15", specs[_i], found);
}
END_TEST

/* The same seed proposes the same; what is told backwards within a batch changes nothing; without repeats all 1024 come
 * once, and then MODNAS_EDONE. */
START_TEST(order_and_exhaustion) {
    static int a[1024], b[1024];
    int seen[1024] = {0};
    mn_optim *o;
    OK(build(specs[_i], NULL, &o));
    drive(o, REPEATS(_i) ? 200 : 1024, 8, 0, a);
    if (!REPEATS(_i)) {
        mn_arch *arch;
        int32_t got = 9;
        OK(mn_arch_new(model, &arch));
        ck_assert_int_eq(o->vt->ask(o, 1, &arch, &got), MODNAS_EDONE);
        ck_assert_int_eq(got, 0);
        mn_arch_free(arch);
        for (int i = 0; i < 1024; i++) ck_assert_int_eq(seen[a[i]]++, 0);
    }
    mn_optim_free(o);
    OK(build(specs[_i], NULL, &o));
    drive(o, 200, 8, 1, b);
    ck_assert_int_eq(memcmp(a, b, 200 * sizeof *a), 0);
    mn_optim_free(o);
}
END_TEST

static void move_state(mn_optim *from, mn_optim *to) {
    mn_state save, load;
    mn_map names = {0};
    mn_state_save_to(&save, model_ctx, "optim");
    OK(from->vt->state(from, &save));
    OK(mn_state_end(&save));
    mn_state_load_from(&load, model_ctx, "optim", save.out.text, save.out.n, &names);
    OK(to->vt->state(to, &load));
    OK(mn_state_end(&load));
    for (size_t n = 0; n < save.out.n; n += 1 + save.out.n / 50) { /* cut off: refused, never a crash */
        mn_state_load_from(&load, model_ctx, "optim", save.out.text, n, &names);
        const int rc = to->vt->state(to, &load);
        ck_assert(rc == MODNAS_EFORMAT || (rc == 0 && mn_state_end(&load) == 0));
    }
    mn_state_load_from(&load, model_ctx, "optim", save.out.text, save.out.n, &names);
    OK(to->vt->state(to, &load));
    mn_state_free(&save);
    mn_map_free(model_ctx, &names);
}

/* Saved after any number of proposals, also in the middle of a batch, and loaded into a new one: goes on alike. */
START_TEST(resumes) {
    for (int at = 0; at < 80; at += 13) {
        int a[60], b[60];
        mn_optim *o, *copy;
        mn_arch *open;
        int32_t got;
        OK(build(specs[_i], NULL, &o));
        OK(build(specs[_i], NULL, &copy));
        OK(mn_arch_new(model, &open));
        if (at) drive(o, at, 5, 0, NULL);
        OK(o->vt->ask(o, 1, &open, &got));
        move_state(o, copy);
        tell(o, open, 0, toy(open));
        tell(copy, open, 0, toy(open));
        drive(o, 60, 3, 0, a);
        drive(copy, 60, 3, 0, b);
        ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
        mn_arch_free(open);
        mn_optim_free(o);
        mn_optim_free(copy);
    }
}
END_TEST

/* Failures, NaN, infinities, ties, and results that never come: recorded outcomes. The search goes on and still finds
 * what is best among the rest. */
START_TEST(bad_outcomes) {
    mn_optim *o;
    mn_arch *archs[7];
    double best = -INFINITY;
    OK(build(specs[_i], NULL, &o));
    for (int i = 0; i < 7; i++) OK(mn_arch_new(model, &archs[i]));
    for (int round = 0; round < 60; round++) {
        int32_t got = 0;
        OK(o->vt->ask(o, 7, archs, &got));
        ck_assert_int_gt(got, 0);
        for (int i = 0; i < got; i++) {
            const int kind = (round + i) % 8;
            if (kind == 0) tell(o, archs[i], MODNAS_ENUMERIC, 0);
            if (kind == 1) tell(o, archs[i], 0, NAN);
            if (kind == 2) tell(o, archs[i], 0, INFINITY);
            if (kind > 3) tell(o, archs[i], 0, toy(archs[i])); /* 3: never */
            if (kind > 3) best = fmax(best, toy(archs[i]));
        }
    }
    ck_assert_double_ge(best, -2);
    for (int i = 0; i < 7; i++) mn_arch_free(archs[i]);
    mn_optim_free(o);
}
END_TEST

/* Nothing but failures, and nothing but ties. */
START_TEST(nothing_to_learn) {
    for (int fails = 0; fails < 2; fails++) {
        mn_optim *o;
        mn_arch *a;
        int32_t got;
        OK(build(specs[_i], NULL, &o));
        OK(mn_arch_new(model, &a));
        for (int i = 0; i < 150; i++) {
            OK(o->vt->ask(o, 1, &a, &got));
            ck_assert_int_eq(got, 1);
            tell(o, a, fails ? MODNAS_ENOTFOUND : 0, 1);
        }
        mn_arch_free(a);
        mn_optim_free(o);
    }
}
END_TEST

/* Told of what nobody asked for, asked again and again without being told, asked for none. */
START_TEST(out_of_turn) {
    mn_optim *o;
    mn_arch *a;
    int32_t got = 5;
    OK(build(specs[_i], NULL, &o));
    OK(mn_arch_new(model, &a));
    OK(o->vt->ask(o, 0, &a, &got));
    ck_assert_int_eq(got, 0);
    for (int i = 0; i < 30; i++) tell(o, a, i % 3 ? 0 : MODNAS_ENUMERIC, i);
    for (int i = 0; i < 300; i++) {
        OK(o->vt->ask(o, 1, &a, &got));
        ck_assert_int_eq(got, 1);
    }
    tell(o, a, 0, 1);
    mn_arch_free(a);
    mn_optim_free(o);
}
END_TEST

/* 6^30, about 2^77 points, and one where there is nothing to choose. */
START_TEST(any_size) {
    mn_model *toys[] = {space_of(30, 6), space_of(3, 1)}, *before = model;
    for (int k = 0; k < 2; k++) {
        mn_optim *o;
        mn_arch *a;
        int rc = 0, n = 0;
        model = toys[k];
        OK(build(specs[_i], NULL, &o));
        OK(mn_arch_new(model, &a));
        for (; n < 300 && !rc; n += !rc) {
            int32_t got = 0;
            rc = o->vt->ask(o, 1, &a, &got);
            if (!rc) tell(o, a, 0, toy(a));
        }
        ck_assert_int_eq(n, k == 0 || REPEATS(_i) ? 300 : 1);
        ck_assert_int_eq(rc, k == 0 || REPEATS(_i) ? 0 : MODNAS_EDONE);
        mn_arch_free(a);
        mn_optim_free(o);
        mn_model_free(toys[k]);
    }
    model = before;
}
END_TEST

/* A limit: score up to -3 only. The best that obeys is met by all that learn. */
START_TEST(limits) {
    mn_objective *objective;
    mn_node *section;
    mn_optim *o;
    mn_arch *a;
    double best = -INFINITY;
    OK(mn_yaml_value(model_ctx, "{maximize: score, subject_to: ['score <= -3']}", "test", &section));
    OK(mn_objective_new(model_ctx, section, &objective));
    mn_node_free(model_ctx, section);
    OK(build(specs[_i], objective, &o));
    OK(mn_arch_new(model, &a));
    int n_obey = 0;
    for (int i = 0; i < 200; i++) {
        int32_t got;
        OK(o->vt->ask(o, 1, &a, &got));
        tell(o, a, 0, toy(a));
        n_obey += toy(a) <= -3;
        if (toy(a) <= -3) best = fmax(best, toy(a));
    }
    ck_assert(best == -3);
    ck_assert_int_gt(n_obey, 90);
    mn_arch_free(a);
    mn_optim_free(o);
    mn_objective_free(objective);
}
END_TEST

START_TEST(refusals) {
    static const struct {
        const char *spec, *says;
    } rows[] = {
        {"{type: EvolutionOptim, args: {pop_size: 0}}", "pop_size: is 0"},
        {"{type: EvolutionOptim, args: {mutation_prob: 1.5}}", "mutation_prob: is 1.5"},
        {"{type: EvolutionOptim, args: {n_parents: 17}}", "n_parents: is 17"},
        {"{type: EvolutionOptim, args: {selection: roulette}}", "roulette"},
        {"{type: NSGA2Optim, args: {crossover_prob: -1}}", "crossover_prob: is -1"},
        {"{type: ModelBasedOptim, args: {l2: 0}}", "l2: is 0"},
        {"{type: ModelBasedOptim, args: {greedy_e: 2}}", "greedy_e: is 2"},
        {"{type: REINFORCEOptim, args: {a_optim: RMSprop}}", "Adam or SGD, not RMSprop"},
        {"{type: REINFORCEOptim, args: {batch_size: 0}}", "batch_size: is 0"},
        {"BinaryGateOptim", "no mixed ops"},
    };
    mn_optim *o;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_msg(build(rows[i].spec, NULL, &o) == MODNAS_ECONFIG, "%s", rows[i].spec);
        ck_assert_msg(strstr(modnas_errmsg(model_ctx), rows[i].says), "%s", modnas_errmsg(model_ctx));
    }
    mn_model *before = model;
    model = space_of(0, 1);
    for (size_t i = 0; i < N_SPECS; i++) {
        ck_assert_int_eq(build(specs[i], NULL, &o), MODNAS_ECONFIG);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "toy"));
    }
    mn_model_free(model);
    model = before;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("proposing");
    TCase *t = tcase_create("each");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, finds_the_optimum, FIRST_LEARNING, N_SPECS);
    tcase_add_loop_test(t, order_and_exhaustion, 0, N_SPECS);
    tcase_add_loop_test(t, resumes, 0, N_SPECS);
    tcase_add_loop_test(t, bad_outcomes, FIRST_LEARNING, N_SPECS);
    tcase_add_loop_test(t, nothing_to_learn, 0, N_SPECS);
    tcase_add_loop_test(t, out_of_turn, 0, N_SPECS);
    tcase_add_loop_test(t, any_size, 0, N_SPECS);
    tcase_add_loop_test(t, limits, FIRST_LEARNING, N_SPECS);
    suite_add_tcase(suite, t);
    util_add(suite, "refusals", setup, teardown, (const TTest *[]){refusals, NULL});
    return util_run(suite);
}
