/* Spaces of hyper-parameters: what lists and ranges become, proposals told by hand and looked up in a table, and what is
 * refused. Names and the order of a grid are the original's (first letter and a shared number; the first one fastest). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"

#define SPACE(params)                                                                                                  \
    "backend: none\nname: t\n"                                                                                         \
    "construct: {space: {type: DefaultHParamSpaceConstructor, args: {params: " params "}}}\n"

static const char *option(const modnas_arch *a, int32_t i) {
    return modnas_arch_option(a, i, modnas_arch_get(a, i));
}

static mn_space *space_of(const modnas_search *s) {
    return modnas_search_model(s)->space;
}

/* ---- spaces -------------------------------------------------------------------------------------------- */

/* Values keep the text that they are written with; a range of whole numbers has all of them. */
START_TEST(values_and_ranges) {
    static const struct {
        const char *name;
        int32_t type, n;
        const char *first, *last;
    } want[] = {{"optimizer.args.lr", MN_CATEGORICAL, 3, "1e-1", "0.001"}, {"depth", MN_NUMERIC, 4, "-1", "2"},
                {"act", MN_CATEGORICAL, 3, "relu", "[6,true]"},            {"one", MN_NUMERIC, 1, "5", "5"},
                {"single", MN_CATEGORICAL, 1, "x", "x"},                   {"list", MN_CATEGORICAL, 2, "[1,2]", "[3,4]"}};
    modnas_search *s = util_search(SPACE("{optimizer.args.lr: [1e-1, 0.01, 0.001], depth: [[-1, 2]], act: [relu, null, "
                                         "[6, true]], one: [[5, 5]], single: [x], list: [[1, 2], [3, 4]]}"),
                                   NULL);
    modnas_arch *a;
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    ck_assert_int_eq(modnas_arch_n(a), (int)MN_COUNT(want));
    for (int32_t i = 0; i < modnas_arch_n(a); i++) {
        ck_assert_str_eq(modnas_arch_name(a, i), want[i].name);
        ck_assert_int_eq(MN_AT(space_of(s)->params, mn_arch_param *, i)->type, want[i].type);
        ck_assert_int_eq(modnas_arch_n_options(a, i), want[i].n);
        ck_assert_str_eq(modnas_arch_option(a, i, 0), want[i].first);
        ck_assert_str_eq(modnas_arch_option(a, i, want[i].n - 1), want[i].last);
        ck_assert_int_eq(modnas_arch_get(a, i), 0);
    }
    mn_str size = {.ctx = rig.ctx};
    SEARCH_OK(mn_space_size(space_of(s), &size));
    ck_assert_str_eq(size.text, "72"); /* 3 4 3 1 1 2 */
    mn_str_free(&size);
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

START_TEST(without_names) {
    static const char *const names[] = {"c_0", "n_1", "n_2", "c_3"};
    modnas_search *s = util_search(SPACE("[[a, b], [[1, 3]], [[0.5, 1]], [c]]"), NULL);
    ck_assert_uint_eq(space_of(s)->params.n, MN_COUNT(names));
    for (size_t i = 0; i < MN_COUNT(names); i++)
        ck_assert_str_eq(MN_AT(space_of(s)->params, mn_arch_param *, i)->name, names[i]);
    ck_assert_int_eq(mn_space_n_genes(space_of(s)), 3); /* all but the real number */
    modnas_search_free(s);
}
END_TEST

/* ---- proposals ----------------------------------------------------------------------------------------- */

START_TEST(grid) {
    static const char *const want[6][2] = {{"0.1", "2"},  {"0.01", "2"}, {"0.1", "3"},
                                           {"0.01", "3"}, {"0.1", "4"},  {"0.01", "4"}};
    modnas_search *s = util_search(SPACE("{lr: [0.1, 0.01], depth: [[2, 4]]}") "optim: GridSearchOptim\n", NULL);
    modnas_arch *a;
    int32_t n;
    for (int i = 0; i < 6; i++) {
        SEARCH_OK(modnas_search_ask(s, 1, &a, &n));
        for (int k = 0; k < 2; k++) ck_assert_str_eq(option(a, k), want[i][k]);
        SEARCH_OK(modnas_search_tell(s, a, 0, &(modnas_metric){"score", i == 3}, 1));
        modnas_arch_free(a);
    }
    ck_assert_int_eq(modnas_search_ask(s, 1, &a, &n), MODNAS_EDONE);
    char *yaml;
    SEARCH_OK(modnas_search_export(s, modnas_search_best(s, NULL), &yaml));
    ck_assert_str_eq(yaml, "lr: 0.01\ndepth: 3\n");
    modnas_string_free(rig.ctx, yaml);
    modnas_search_free(s);
}
END_TEST

/* -(depth - 7)^2 - (lr - 0.01)^2: best at depth 7, lr 0.01. */
static double score_of(const modnas_arch *a) {
    const double depth = atof(option(a, 1)) - 7, lr = atof(option(a, 0)) - 0.01;
    return -depth * depth - lr * lr;
}

static const char *const optims[] = {
    "RandomSearchOptim",
    "{type: EvolutionOptim, args: {pop_size: 8, n_select: 3}}",
    "{type: RegularizedEvolutionOptim, args: {pop_size: 8, n_select: 4}}",
    "{type: NSGA2Optim, args: {pop_size: 8}}",
    "{type: ModelBasedOptim, args: {n_next_pts: 8, n_iter: 50}}",
    "LocalSearchOptim",
    "{type: REINFORCEOptim, args: {a_optim: {type: Adam, args: {lr: 0.2}}}}",
};

/* 40 points, up to 200 proposals; saved half-way: what goes on from the file proposes the same. */
START_TEST(all_that_propose) {
    char yaml[400];
    modnas_search *s[2];
    modnas_arch *a[2] = {NULL, NULL};
    snprintf(yaml, sizeof yaml, "%soptim: %s\n", SPACE("{lr: [0.1, 0.03, 0.01, 0.003], depth: [[1, 10]]}"), optims[_i]);
    for (int k = 0; k < 2; k++) s[k] = util_search(yaml, NULL);
    int32_t n = 0;
    int rc = 0;
    for (int i = 0; i < 200 && !rc; i++) {
        if (i == 20) {
            SEARCH_OK(modnas_search_save(s[0], "s"));
            SEARCH_OK(modnas_search_load(s[1], "s"));
        }
        for (int k = 0; k < 1 + (i >= 20); k++) {
            rc = modnas_search_ask(s[k], 1, &a[k], &n);
            if (rc) break;
            SEARCH_OK(modnas_search_tell(s[k], a[k], 0, &(modnas_metric){"score", score_of(a[k])}, 1));
            for (int d = 0; d < 2; d++) ck_assert_int_eq(modnas_arch_get(a[k], d), modnas_arch_get(a[0], d));
        }
        for (int k = 0; k < 2; k++, a[k - 1] = NULL) modnas_arch_free(a[k]);
    }
    ck_assert(rc == 0 || rc == MODNAS_EDONE);
    double best;
    ck_assert_ptr_nonnull(modnas_search_best(s[0], &best));
    ck_assert_double_eq(best, 0);
    for (int k = 0; k < 2; k++) modnas_search_free(s[k]);
}
END_TEST

/* A table of trials: its columns are the parameters, by the texts of their values. */
START_TEST(in_a_table) {
    util_write_text("t.tsv", "depth\tlr\tacc\n1\t0.1\t50\n1\t0.01\t60\n2\t0.1\t80\n2\t0.01\t70\n");
    RIG_RUNS(SPACE("{lr: [0.1, 0.01], depth: [[1, 3]]}") "optim: RandomSearchOptim\n"
                                                         "estim: {search: {type: TableEstim, epochs: 9, args: {path: "
                                                         "t.tsv, params: [lr, depth], score: acc}}}\n",
             NULL);
    mn_node *r = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(r, "estim.search.evaluations")->i, 6); /* two of them have no row */
    ck_assert_double_eq(rig_at(r, "estim.search.best.score")->r, 80);
    mn_node_free(rig.ctx, r);
    char *arch = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    ck_assert_str_eq(arch, "lr: 0.1\ndepth: 2\n");
    free(arch);
}
END_TEST

/* ---- edges and refusals -------------------------------------------------------------------------------- */

/* 4,096 whole numbers are options; more of them, and real ones, make a space that no optimizer takes. */
START_TEST(longest_range) {
    static const char *const rows[][2] = {
        {SPACE("{a: [[1, 4096]]}"), NULL},
        {SPACE("{a: [[0, 4096]]}"), "parameter a is a number from 0 to 4096"},
        {SPACE("{b: [x, y], a: [[0.001, 0.1]]}"), "parameter a is a number from 0.001 to 0.1"},
        {SPACE("{a: [[0, 1.0]]}"), "parameter a is a number from 0 to 1"},
        {SPACE("{a: [[-9223372036854775808, 9223372036854775807]]}"), "parameter a is a number from -9.22337e+18"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char yaml[400];
        modnas_search *s = util_search(rows[i][0], NULL);
        modnas_search_free(s);
        snprintf(yaml, sizeof yaml, "%soptim: RandomSearchOptim\n", rows[i][0]);
        ck_assert_int_eq(util_search_try(yaml, NULL, &s), rows[i][1] ? MODNAS_ECONFIG : 0);
        if (rows[i][1])
            util_search_says(rows[i][1]);
        else
            modnas_search_free(s);
    }
}
END_TEST

#define AT "t.yaml:3: DefaultHParamSpaceConstructor.params"

START_TEST(refused) {
    static const char *const rows[][2] = {
        {SPACE("null"), "params"},
        {SPACE("{}"), AT ": a map of names to values, or a list of these, is wanted"},
        {SPACE("[]"), AT ": a map"},
        {SPACE("lr"), AT ": a map"},
        {SPACE("{lr: 0.1}"), AT ".lr: a list of values, or [[low, high]], is wanted"},
        {SPACE("{lr: []}"), AT ".lr: a list of values"},
        {SPACE("{lr: {a: 1}}"), AT ".lr: a list of values"},
        {SPACE("[[a], b]"), AT ".1: a list of values"},
        {SPACE("{lr: [[]]}"), AT ".lr: a range is [[low, high]], two numbers"},
        {SPACE("{lr: [[1]]}"), AT ".lr: a range"},
        {SPACE("{lr: [[1, 2, 3]]}"), AT ".lr: a range"},
        {SPACE("{lr: [[1, x]]}"), AT ".lr: a range"},
        {SPACE("{lr: [[1, .inf]]}"), AT ".lr: a range"},
        {SPACE("{lr: [[.nan, 1]]}"), AT ".lr: a range"},
        {SPACE("{lr: [[2, 1]]}"), AT ".lr: the range ends below its start"},
    };
    modnas_search *s;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_msg(util_search_try(rows[i][0], NULL, &s) == MODNAS_ECONFIG, "%s", rows[i][0]);
        util_search_says(rows[i][1]);
    }
}
END_TEST

/* Whatever allocation fails: a status, and nothing is left (the fixture counts). */
START_TEST(out_of_memory) {
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        modnas_search *s = NULL;
        rig.host.left = tries;
        rc = util_search_try(SPACE("{lr: [0.1, 0.01], depth: [[1, 9]]}") "optim: GridSearchOptim\n", NULL, &s);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d: %s", rc, modnas_errmsg(rig.ctx));
        modnas_search_free(s);
    }
    ck_assert_int_gt(tries, 50);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hparam");
    util_add(suite, "spaces", rig_setup, rig_teardown,
             (const TTest *[]){values_and_ranges, without_names, grid, in_a_table, longest_range, refused,
                               out_of_memory, NULL});
    util_add_loop(suite, "optimizers", rig_setup, rig_teardown, all_that_propose, MN_COUNT(optims));
    return util_run(suite);
}
