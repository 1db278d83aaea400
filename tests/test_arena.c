/* The inference arena against an exhaustive planner, a chain by hand, and as a metric of searches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/arena.h"
#include "util_search.h"

/* ---- the exhaustive planner ---------------------------------------------------------------------------- */

/* All orders, each value as low as it goes among those before it. An optimal plan in which nothing can sink is what the
 * order of its offsets gives, so that the least of all orders is the least there is. */
typedef struct exhaustive {
    mn_span s[16];
    int n, taken[16], order[16];
    size_t best;
} exhaustive;

static int meets(const mn_span *a, const mn_span *b) {
    return a->first <= b->last && b->first <= a->last;
}

static size_t sink(const exhaustive *e, int depth, const mn_span *x) {
    size_t at = 0;
    for (int k = 0; k < depth; k++) { /* from the start again after each bump */
        const mn_span *o = &e->s[e->order[k]];
        if (!meets(o, x) || o->offset >= at + x->bytes || o->offset + o->bytes <= at) continue;
        at = o->offset + o->bytes;
        k = -1;
    }
    return at;
}

static void search(exhaustive *e, int depth, size_t end) {
    if (end >= e->best) return;
    if (depth == e->n) {
        e->best = end;
        return;
    }
    for (int i = 0; i < e->n; i++) {
        if (e->taken[i]) continue;
        mn_span *x = &e->s[i];
        x->offset = sink(e, depth, x);
        e->taken[i] = 1;
        e->order[depth] = i;
        search(e, depth + 1, x->offset + x->bytes > end ? x->offset + x->bytes : end);
        e->taken[i] = 0;
    }
}

static size_t least_arena(const mn_span *s, size_t n) {
    static exhaustive e;
    ck_assert_uint_le(n, 16);
    memset(&e, 0, sizeof e);
    memcpy(e.s, s, n * sizeof *s);
    e.n = (int)n;
    e.best = SIZE_MAX;
    search(&e, 0, 0);
    return e.best;
}

/* ---- nets ---------------------------------------------------------------------------------------------- */

static util_host host;
static modnas_ctx *ctx;
static mn_backend *backend;
static mn_slab *slab;
static mn_run *run;

static void setup(void) {
    ctx = util_ctx_new(&host);
    ck_assert_int_eq(mn_backend_open(ctx, "ref", 1, &backend), 0);
    ck_assert_int_eq(mn_slab_new(backend, &slab), 0);
    ck_assert_int_eq(mn_run_new(backend, MODNAS_F32, slab, &run), 0);
    ck_assert_int_eq(mn_run_begin(run, &(mn_run_opts){.train = 0}), 0);
}

static void teardown(void) {
    mn_run_free(run);
    mn_slab_free(slab);
    mn_backend_close(backend);
    util_ctx_end(&host, ctx);
}

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(ctx))

/* One more op on values that there are, of 8x8 or 4x4. */
static mn_value *grow(mn_rng *rng, mn_value **v, int n) {
    mn_value *a = v[mn_rng_below(rng, (uint64_t)n)], *b = v[mn_rng_below(rng, (uint64_t)n)], *y;
    const mn_pool_opts pool = {.algo = MODNAS_POOL_MAX, .kernel = {2, 2}, .stride = {2, 2}};
    const int32_t start[4] = {0}, step[4] = {1, 1, 1, 1},
                  count[4] = {1, (int32_t)(a->dims[1] + 1) / 2, (int32_t)a->dims[2], (int32_t)a->dims[3]};
    const int same_plane = a->dims[2] == b->dims[2];
    switch (mn_rng_below(rng, 4)) {
    case 0:
        if (a->dims[2] == 8) {
            MUST(mn_pool2d(run, a, &pool, &y));
            return y;
        } /* fall through */
    case 1:
        if (same_plane && a != b) {
            MUST(mn_concat(run, (mn_value *[]){a, b}, 2, 1, &y));
            return y;
        } /* fall through */
    case 2:
        if (a->dims[1] > 1) {
            MUST(mn_slice(run, a, start, step, count, &y));
            return y;
        } /* fall through */
    default: MUST(mn_activation(run, a, MODNAS_ACT_TANH, 0, 0, &y)); return y;
    }
}

/* 20 nets of 7 ops at random, with branches; of each the smallest arena there is. */
START_TEST(nets_against_all_orders) {
    const int64_t dims[4] = {1, 1 + _i % 5, 8, 8};
    mn_rng rng;
    mn_value *v[9];
    mn_vec spans;
    size_t got, arena;
    mn_rng_init(&rng, (uint64_t)_i, mn_stream("arena"), 0);
    MUST(mn_input(run, dims, MODNAS_F32, &v[0]));
    for (int i = 1; i < 8; i++) v[i] = grow(&rng, v, i);
    MUST(mn_run_keep(run, v[7]));
    MUST(mn_run_plan(run, NULL));
    mn_vec_init(&spans, sizeof(mn_span));
    MUST(mn_run_spans(run, &spans));
    ck_assert_uint_ge(spans.n, 5);
    const size_t want = least_arena(spans.data, spans.n);
    MUST(mn_arena_bytes(ctx, spans.data, spans.n, &got));
    ck_assert_msg(got == want, "%zu bytes for %zu values, %zu will do", got, spans.n, want);
    MUST(mn_run_arena(run, &arena));
    ck_assert_uint_eq(arena, want + mn_run_scratch_bytes(run));
    /* what the run itself takes, planned in passing and with the image elsewhere, is never less */
    const size_t image = (size_t)dims[1] * 8 * 8 * sizeof(float);
    ck_assert_uint_ge(mn_run_slab_bytes(run) + image, want);
    mn_vec_free(ctx, &spans);
}
END_TEST

/* 1 -> 4 -> 16 -> 64 -> 1 channels of 8x8 floats: a value and what is made of it live together, 16 and 64 are the most. */
START_TEST(chain_by_hand) {
    const int64_t dims[4] = {1, 1, 8, 8};
    const int32_t start[4] = {0}, step[4] = {1, 1, 1, 1}, count[4] = {1, 1, 8, 8};
    mn_value *y;
    size_t arena;
    MUST(mn_input(run, dims, MODNAS_F32, &y));
    for (int i = 0; i < 3; i++) MUST(mn_concat(run, (mn_value *[]){y, y, y, y}, 4, 1, &y)); /* 4, 16, 64 */
    MUST(mn_slice(run, y, start, step, count, &y));
    MUST(mn_run_keep(run, y));
    MUST(mn_run_plan(run, NULL));
    MUST(mn_run_arena(run, &arena));
    ck_assert_uint_eq(arena - mn_run_scratch_bytes(run), (16 + 64) * 64 * sizeof(float));
}
END_TEST

/* Values at random: never less than the least there is, and just that in nearly all cases. */
START_TEST(spans_at_random) {
    int equal = 0;
    mn_rng rng;
    mn_rng_init(&rng, 7, mn_stream("spans"), 0);
    for (int t = 0; t < 300; t++) {
        mn_span s[7];
        size_t got;
        for (int i = 0; i < 7; i++) {
            const int32_t first = (int32_t)mn_rng_below(&rng, 6);
            s[i] = (mn_span){1 + mn_rng_below(&rng, 9), first, first + (int32_t)mn_rng_below(&rng, 4), 0};
        }
        const size_t want = least_arena(s, 7);
        MUST(mn_arena_bytes(ctx, s, 7, &got));
        ck_assert_uint_ge(got, want);
        ck_assert_uint_ge(want, mn_arena_least(s, 7));
        equal += got == want;
    }
    printf("%d of 300 plans are optimal\n", equal);
    ck_assert_int_ge(equal, 297);
}
END_TEST

/* ---- searches ------------------------------------------------------------------------------------------ */

/* A number for each architecture, the same again, and a limit on it is obeyed. */
START_TEST(metric_of_searches) {
    RIG_RUNS(UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 12, subnet_epochs: 0, baseline: false, "
                               "metrics: {acc: ValidateMetrics, arena: ArenaMetrics}}}\n"
                               "objective: {maximize: [acc_top1], minimize: [arena_bytes]}\n",
             NULL);
    mn_node *r = util_rig_parse(&rig, rig.results);
    const mn_node *front = rig_at(r, "estim.search.front");
    double least = 1e18;
    for (size_t i = 0; i < front->n; i++) {
        const double bytes = rig_at(front->items[i], "metrics.arena_bytes")->r;
        ck_assert_double_gt(bytes, 3 * 8 * 8 * sizeof(float)); /* the image alone */
        if (bytes < least) least = bytes;
    }
    char *history = util_rig_read("exp/t/outputs/history.tsv", NULL);
    ck_assert_ptr_nonnull(strstr(history, "\tarena_bytes"));
    free(history);
    mn_node_free(rig.ctx, r);
    char yaml[2048];
    snprintf(yaml, sizeof yaml,
             UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 12, subnet_epochs: 0, baseline: false, "
                               "metrics: {acc: ValidateMetrics, arena: ArenaMetrics}}}\n"
                               "objective: {subject_to: ['arena_bytes <= %.0f']}\n",
             least);
    RIG_RUNS(yaml, NULL);
    r = util_rig_parse(&rig, rig.results);
    ck_assert_double_eq(rig_at(r, "estim.search.best.metrics.arena_bytes")->r, least);
    mn_node_free(rig.ctx, r);
}
END_TEST

int main(void) {
    Suite *s = suite_create("arena");
    TCase *t = tcase_create("nets");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, nets_against_all_orders, 0, 20);
    suite_add_tcase(s, t);
    util_add(s, "plans", setup, teardown, (const TTest *[]){chain_by_hand, spans_at_random, NULL});
    util_add(s, "runs", rig_setup, rig_teardown, (const TTest *[]){metric_of_searches, NULL});
    return util_run(s);
}
