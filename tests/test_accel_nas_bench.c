/* AccelNASBench: parameters and multiply-adds of the published table, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_nets.h"
#include "util_shared.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

typedef struct network {
    char e[8], k[8], l[8], se[8];
    long long params, macs;
} network;

static mn_model *model_for(const network *x, int commit) {
    char text[256];
    mn_model *m;
    snprintf(text, sizeof text, "backend: ref\nmodel: {type: AccelNASBench, args: {e: '%s', k: '%s', l: %s, se: %s}}\n",
             x->e, x->k, x->l, x->se); /* with and without quotes */
    mn_node *tree = yaml(text);
    OK(mn_construct_model(model_ctx, tree, MODNAS_F32, commit, &m));
    mn_node_free(model_ctx, tree);
    return m;
}

/* What the table's counter adds to multiply-adds: 4 for each element that a batch norm writes, and C (H W + 1) for the
 * mean of C images, those of squeeze-excite and the last one. */
static int64_t besides(const network *x) {
    static const int64_t chn[7] = {16, 24, 40, 80, 112, 192, 320}, stride[7] = {1, 2, 2, 2, 1, 2, 1};
    int64_t size = 112, in = 32, sum = 4 * 32 * size * size;
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < x->l[i] - '0'; j++) {
            const int64_t h = in * (x->e[i] - '0'), before = size * size;
            size /= j ? 1 : stride[i];
            sum += 4 * (x->e[i] == '1' ? 0 : h * before) + 4 * (h + chn[i]) * size * size;
            if (x->se[i] == '1') sum += h * (size * size + 1);
            in = chn[i];
        }
    return sum + 4 * 1280 * size * size + 1280 * (size * size + 1);
}

static void check_macs(const network *x) {
    mn_model *m = model_for(x, 1);
    int64_t macs;
    OK(mn_model_macs(m, NULL, &macs));
    ck_assert_msg(macs + besides(x) == x->macs, "%s %s %s %s: %lld multiply-adds and %lld, published %lld", x->e, x->k,
                  x->l, x->se, (long long)macs, (long long)besides(x), x->macs);
    mn_model_free(m);
}

/* All rows' parameters, every 500th's multiply-adds. */
START_TEST(costs_are_the_published_ones) {
    char path[1024], line[512];
    network x;
    int n = 0;
    FILE *f = fopen(util_shared_path("accel_nasbench/anb_open.tsv", path, sizeof path), "r");
    if (!f) {
        printf("skipped: %s is not there\n", path);
        return;
    }
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%*s %7s %7s %7s %7s %*s %*s %*s %lld %lld", x.e, x.k, x.l, x.se, &x.params, &x.macs) != 6)
            continue;
        mn_model *m = model_for(&x, 0);
        ck_assert_msg(mn_model_n_params(m) == x.params, "%s %s %s %s: %lld, published %lld", x.e, x.k, x.l, x.se,
                      (long long)mn_model_n_params(m), x.params);
        mn_model_free(m);
        if (n++ % 500 == 0) check_macs(&x);
    }
    fclose(f);
    ck_assert_int_gt(n, 2500);
}
END_TEST

#define ARGS(e, k, l, se)                                                                                              \
    "backend: ref\nmodel: {type: AccelNASBench, args: {e: " e ", k: " k ", l: " l ", se: " se "}}\n"

START_TEST(wrong_digits_are_refused) {
    expect_refused(ARGS("'1664161'", "'5553533'", "'3331111'", "'000000'"), MODNAS_ECONFIG, "test.yaml:2",
                   "AccelNASBench.se: '000000' is not 7 digits, each of 01", NULL);
    expect_refused(ARGS("'1664162'", "'5553533'", "'3331111'", "'0000000'"), MODNAS_ECONFIG, "each of 146", NULL);
    expect_refused(ARGS("'1664161'", "'5553534'", "'3331111'", "'0000000'"), MODNAS_ECONFIG, "each of 35", NULL);
    expect_refused(ARGS("'1664161'", "'5553533'", "'3331110'", "'0000000'"), MODNAS_ECONFIG, "'3331110' is not", NULL);
    expect_refused(ARGS("'1664161'", "'5553533'", "[3, 3]", "'0000000'"), MODNAS_ECONFIG, "AccelNASBench.l", NULL);
    expect_refused("backend: ref\nmodel: AccelNASBench\n", MODNAS_ECONFIG, "AccelNASBench", "e", NULL);
}
END_TEST

#define SMALL                                                                                                          \
    "model: {type: AccelNASBench, args: {input: [3, 64, 64], n_classes: 3, e: '1461146', k: '3535353', l: '1121111', " \
    "se: '1110101'}}\n"

START_TEST(same_step_on_dnnl) {
    net_compare_step(SMALL, 2, 1);
}
END_TEST

/* With MODNAS_ALL_ROWS alone: some have millions of weights here. */
START_TEST(candidates_fit_or_are_refused) {
    if (!getenv("MODNAS_ALL_ROWS")) return;
    ck_assert_int_gt(net_try_candidates("backend: ref\n" SMALL), 70);
}
END_TEST

int main(void) {
    Suite *s = suite_create("accel_nas_bench");
    util_add(s, "accel_nas_bench", model_setup, model_teardown,
             (const TTest *[]){costs_are_the_published_ones, wrong_digits_are_refused, same_step_on_dnnl,
                               candidates_fit_or_are_refused, NULL});
    return util_run(s);
}
