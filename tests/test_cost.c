/* Additive costs against the networks themselves, and uniform draws within ranges of them against enumeration. */
#include <math.h>
#include <string.h>

#include "search/derive.h"
#include "search/sampler.h"
#include "util_small.h"

#define INDEX_NET                                                                                                      \
    "backend: ref\n" UTIL_SMALL_NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"

enum { SPACE = 256 }; /* 4 Slots of 4 candidates */

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static void decode(int code, int32_t index[4]) {
    for (int i = 0; i < 4; i++, code /= 4) index[i] = code % 4;
}

static int encode(const int32_t index[4]) {
    return index[0] + 4 * index[1] + 16 * index[2] + 64 * index[3];
}

/* Every architecture of the space: the sum is what the network counts. */
START_TEST(sums_are_the_networks) {
    static const int32_t input[3] = {3, 8, 8};
    mn_costs params, macs;
    mn_arch *a;
    int64_t least = INT64_MAX, most = 0;
    util_small_open(&s, _i ? "backend: ref\n" UTIL_SMALL_NET UTIL_SMALL_GATES : INDEX_NET);
    MUST(mn_costs_named(s.model, "params", input, &params));
    MUST(mn_costs_named(s.model, "macs", input, &macs));
    MUST(mn_arch_new(s.model, &a));
    ck_assert_int_eq(a->n, 4);
    for (int code = 0; code < SPACE; code++) {
        int64_t counted;
        decode(code, a->index);
        MUST(mn_arch_apply(a));
        MUST(mn_derive_begin(s.model));
        ck_assert_int_eq(mn_costs_of(&params, a->index), mn_derived_params(s.model));
        MUST(mn_derived_macs(s.model, input, &counted));
        mn_derive_end(s.model);
        ck_assert_int_eq(mn_costs_of(&macs, a->index), counted);
        if (counted < least) least = counted;
        if (counted > most) most = counted;
    }
    ck_assert_int_eq(mn_costs_min(&macs), least);
    ck_assert_int_eq(mn_costs_max(&macs), most);
    mn_arch_free(a);
    mn_costs_free(&params);
    mn_costs_free(&macs);
    util_small_close(&s);
}
END_TEST

START_TEST(unknown_costs) {
    static const int32_t input[3] = {3, 8, 8};
    mn_costs c;
    util_small_open(&s, INDEX_NET);
    ck_assert_int_eq(mn_costs_named(s.model, "acc_top1", input, &c), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), "acc_top1"));
    util_small_close(&s);
}
END_TEST

/* What does not add up is found out: the product of two choices. */
static int product(mn_model *model, void *ud, int64_t *cost) {
    (void)ud;
    *cost = mn_space_gene(model->space, 0)->index * mn_space_gene(model->space, 1)->index;
    return 0;
}

START_TEST(products_do_not_add_up) {
    mn_costs c;
    util_small_open(&s, INDEX_NET);
    ck_assert_int_eq(mn_costs_measure(s.model, "heat", product, NULL, &c), MODNAS_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), "heat"));
    util_small_close(&s);
}
END_TEST

/* ---- draws --------------------------------------------------------------------------------------------- */

/* Made-up costs of 4 x 4 options; all sums differ more or less. */
static const int64_t made_up[16] = {0, 7, 31, 5, 0, -20, 45, 3, 0, 100, 11, 13, 0, 2, -9, 64};

static void made_up_range(int64_t low, int64_t high, mn_cost_range *r) {
    r->name = "heat";
    MUST(mn_costs_new(s.model, &r->costs));
    memcpy(r->costs.of, made_up, sizeof made_up);
    r->costs.fixed = 1000;
    r->low = low;
    r->high = high;
}

/* Pearson's statistic of n draws over those that are allowed, whose degrees of freedom are k - 1: within 5 standard
 * deviations of its mean (chi-square: mean k - 1, variance 2 (k - 1)). Nothing else is drawn. */
static void check_uniform(mn_sampler *sampler, const int allowed[SPACE], int n) {
    int count[SPACE] = {0}, k = 0;
    int32_t index[4];
    for (int i = 0; i < n; i++) {
        mn_rng rng;
        mn_rng_init(&rng, 7, mn_stream("test"), (uint64_t)i);
        MUST(mn_sampler_draw(sampler, &rng, index));
        count[encode(index)]++;
    }
    for (int c = 0; c < SPACE; c++) k += allowed[c];
    double x = 0;
    for (int c = 0; c < SPACE; c++) {
        ck_assert_msg(allowed[c] || !count[c], "architecture %d was drawn", c);
        const double want = (double)n / k, off = count[c] - want;
        if (allowed[c]) x += off * off / want;
    }
    ck_assert_msg(fabs(x - (k - 1)) <= 5 * sqrt(2.0 * (k - 1)) + 1e-9, "chi-square %g for %d architectures", x, k);
}

START_TEST(uniform_within) {
    static const int64_t rows[][2] = {{INT64_MIN, INT64_MAX}, {1000, 1050}, {1040, 1047}, {INT64_MIN, 980},
                                      {1200, INT64_MAX},      {971, 971},   {1100, 1120}};
    int allowed[SPACE];
    mn_cost_range r;
    mn_sampler *sampler;
    util_small_open(&s, INDEX_NET);
    made_up_range(rows[_i][0], rows[_i][1], &r);
    int k = 0;
    for (int c = 0; c < SPACE; c++) {
        int32_t index[4];
        decode(c, index);
        int64_t sum = 1000;
        for (int i = 0; i < 4; i++) sum += made_up[4 * i + index[i]];
        k += allowed[c] = sum >= rows[_i][0] && sum <= rows[_i][1];
    }
    ck_assert_int_ge(k, 1);
    MUST(mn_sampler_new(s.model, &r, 1, &sampler));
    check_uniform(sampler, allowed, 200 * SPACE);
    mn_sampler_free(sampler);
    util_small_close(&s);
}
END_TEST

START_TEST(uniform_over_all) {
    int allowed[SPACE];
    mn_sampler *sampler;
    util_small_open(&s, INDEX_NET);
    for (int c = 0; c < SPACE; c++) allowed[c] = 1;
    MUST(mn_sampler_new(s.model, NULL, 0, &sampler));
    check_uniform(sampler, allowed, 200 * SPACE);
    mn_sampler_free(sampler);
    util_small_close(&s);
}
END_TEST

/* Two ranges at once; empty ones: outside of the space, and a gap within it (no sum of the made-up costs is 990). */
START_TEST(two_ranges_and_none) {
    static const int64_t empty[][2] = {{0, 970}, {1241, 5000}, {990, 990}};
    int allowed[SPACE];
    mn_cost_range r[2];
    mn_sampler *sampler;
    util_small_open(&s, INDEX_NET);
    made_up_range(1000, 1100, &r[0]);
    made_up_range(1030, 1500, &r[1]);
    for (int c = 0; c < SPACE; c++) {
        int32_t index[4];
        decode(c, index);
        const int64_t sum = mn_costs_of(&r[0].costs, index);
        allowed[c] = sum >= 1030 && sum <= 1100;
    }
    MUST(mn_sampler_new(s.model, r, 2, &sampler));
    check_uniform(sampler, allowed, 100 * SPACE);
    mn_sampler_free(sampler);
    for (size_t i = 0; i < MN_COUNT(empty); i++) {
        made_up_range(empty[i][0], empty[i][1], &r[0]);
        ck_assert_int_eq(mn_sampler_new(s.model, r, 1, &sampler), MODNAS_ECONFIG);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), "no architecture has heat"));
    }
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cost");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, sums_are_the_networks, 0, 2);
    tcase_add_loop_test(t, uniform_within, 0, 7);
    suite_add_tcase(suite, t);
    util_add(suite, "costs", NULL, NULL,
             (const TTest *[]){unknown_costs, products_do_not_add_up, uniform_over_all, two_ranges_and_none, NULL});
    return util_run(suite);
}
