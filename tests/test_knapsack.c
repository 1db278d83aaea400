/* The multiple-choice knapsack against brute force. */
#include <math.h>
#include <string.h>

#include "search/knapsack.h"
#include "util_host.h"

enum { GROUPS = 12, OPTIONS = 12 };

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    memset(&host, 0, sizeof host);
    host.left = -1;
    const modnas_ctx_opts opts = util_host_opts(&host);
    ck_assert_int_eq(modnas_ctx_new(&opts, &ctx), 0);
}

static void teardown(void) {
    modnas_ctx_free(ctx);
    ck_assert_int_eq(host.live, 0);
}

typedef struct problem {
    mn_knapsack k;
    int32_t first[GROUPS + 1];
    double value[GROUPS * OPTIONS];
    int64_t cost[MN_KNAPSACK_COSTS][GROUPS * OPTIONS];
} problem;

/* Log-probabilities of a random softmax; costs as wide as asked for, some of them equal, some negative. */
static void make(problem *p, mn_rng *rng, int32_t n, const int32_t *options, int32_t n_costs, uint64_t width) {
    memset(p, 0, sizeof *p);
    for (int32_t i = 0; i < n; i++) {
        double sum = 0, x[OPTIONS];
        p->first[i + 1] = p->first[i] + options[i];
        for (int32_t o = 0; o < options[i]; o++) sum += exp(x[o] = 2 * mn_rng_normal(rng));
        for (int32_t o = 0; o < options[i]; o++) {
            p->value[p->first[i] + o] = x[o] - log(sum);
            for (int32_t c = 0; c < n_costs; c++)
                p->cost[c][p->first[i] + o] = (int64_t)mn_rng_below(rng, width) - (int64_t)(width / 8);
        }
    }
    p->k = (mn_knapsack){.n = n, .first = p->first, .value = p->value, .n_costs = n_costs};
    for (int32_t c = 0; c < n_costs; c++) p->k.cost[c] = p->cost[c];
}

/* The best value of all choices that fit; -INFINITY: none. Every choice is looked at. */
static double brute(const mn_knapsack *k, int32_t group, double value, const int64_t *cost) {
    if (group == k->n) {
        for (int32_t c = 0; c < k->n_costs; c++)
            if (cost[c] > k->room[c]) return -INFINITY;
        return value;
    }
    double best = -INFINITY;
    for (int32_t o = k->first[group]; o < k->first[group + 1]; o++) {
        int64_t sum[MN_KNAPSACK_COSTS];
        for (int32_t c = 0; c < k->n_costs; c++) sum[c] = cost[c] + k->cost[c][o];
        best = fmax(best, brute(k, group + 1, value + k->value[o], sum));
    }
    return best;
}

static void compare(const problem *p) {
    const int64_t zero[MN_KNAPSACK_COSTS] = {0};
    int32_t index[GROUPS];
    const double want = brute(&p->k, 0, 0, zero);
    const int rc = mn_knapsack_solve(ctx, &p->k, index);
    if (want == -INFINITY) {
        ck_assert_int_eq(rc, MODNAS_ENOTFOUND);
        return;
    }
    ck_assert_int_eq(rc, 0);
    double value = 0;
    int64_t cost[MN_KNAPSACK_COSTS] = {0};
    for (int32_t i = 0; i < p->k.n; i++) {
        const int32_t o = p->first[i] + index[i];
        ck_assert(index[i] >= 0 && o < p->first[i + 1]);
        value += p->value[o];
        for (int32_t c = 0; c < p->k.n_costs; c++) cost[c] += p->cost[c][o];
    }
    for (int32_t c = 0; c < p->k.n_costs; c++) ck_assert_int_le(cost[c], p->k.room[c]);
    ck_assert_msg(fabs(value - want) <= 1e-12 * (1 + fabs(want)), "%.17g, brute force has %.17g", value, want);
}

/* Rooms from nothing to everything. */
static void set_rooms(problem *p, mn_rng *rng) {
    for (int32_t c = 0; c < p->k.n_costs; c++) {
        int64_t least = 0, most = 0;
        for (int32_t i = 0; i < p->k.n; i++) {
            int64_t a = INT64_MAX, b = INT64_MIN;
            for (int32_t o = p->first[i]; o < p->first[i + 1]; o++) {
                if (p->cost[c][o] < a) a = p->cost[c][o];
                if (p->cost[c][o] > b) b = p->cost[c][o];
            }
            least += a;
            most += b;
        }
        p->k.room[c] = least - 2 + (int64_t)mn_rng_below(rng, (uint64_t)(most - least) + 4);
    }
}

START_TEST(small_ones) {
    mn_rng rng;
    problem p;
    mn_rng_init(&rng, 11, mn_stream("knapsack"), 0);
    for (int t = 0; t < 400; t++) {
        int32_t options[6];
        for (int i = 0; i < 6; i++) options[i] = 1 + (int32_t)mn_rng_below(&rng, 5);
        const uint64_t width = t % 3 == 0 ? 4 : t % 3 == 1 ? 100 : 1000000000;
        make(&p, &rng, 1 + t % 6, options, t % 4, width);
        set_rooms(&p, &rng);
        compare(&p);
    }
}
END_TEST

/* 10^6 choices: 6 groups of 10; and 12 groups of 3, 531,441. */
START_TEST(a_million) {
    static const int32_t tens[6] = {10, 10, 10, 10, 10, 10}, threes[12] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    mn_rng rng;
    problem p;
    mn_rng_init(&rng, 12, mn_stream("knapsack"), (uint64_t)_i);
    for (int t = 0; t < 6; t++) {
        if (_i)
            make(&p, &rng, 12, threes, 1, 1000000000);
        else
            make(&p, &rng, 6, tens, 1, 1000000000);
        set_rooms(&p, &rng);
        compare(&p);
    }
}
END_TEST

/* What is not to be taken is not taken; without room there is nothing, without groups there is the empty choice. */
START_TEST(corners) {
    mn_rng rng;
    problem p;
    int32_t index[GROUPS];
    static const int32_t options[2] = {3, 2};
    mn_rng_init(&rng, 13, mn_stream("knapsack"), 0);
    make(&p, &rng, 2, options, 1, 100);
    p.k.room[0] = 1000;
    for (int o = 0; o < 3; o++) p.value[o] = o == 1 ? -5 : -INFINITY;
    ck_assert_int_eq(mn_knapsack_solve(ctx, &p.k, index), 0);
    ck_assert_int_eq(index[0], 1);
    p.value[1] = -INFINITY;
    ck_assert_int_eq(mn_knapsack_solve(ctx, &p.k, index), MODNAS_ENOTFOUND);
    p.k.n = 0;
    ck_assert_int_eq(mn_knapsack_solve(ctx, &p.k, index), 0);
    p.k.room[0] = -1;
    ck_assert_int_eq(mn_knapsack_solve(ctx, &p.k, index), MODNAS_ENOTFOUND);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("knapsack");
    TCase *t = tcase_create("million");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_million, 0, 2);
    suite_add_tcase(suite, t);
    util_add(suite, "knapsack", setup, teardown, (const TTest *[]){small_ones, corners, NULL});
    return util_run(suite);
}
