/* How much a plan recomputes: where its forward is cut, and which segments drop what they save.
 *
 *   a network without choices   cut into segments that save about the same, for several numbers of them; a cut goes
 *                               where little crosses it (the narrow ends of inverted residuals, not their middle)
 *   a path of a supernet        cut where mixed ops begin and end: what a segment needs then depends on its own
 *                               candidate, and prepare.c finds a bound for all paths
 *
 * Of a cut forward the segments that save most bytes for what they cost are dropped first, as few as will do; the
 * cheapest of the cuts that keep the limit is taken. The least that can be had drops all segments. */
#include <float.h>

#include "graph/recompute.h"

static const size_t cuts[] = {4, 8, 16, 32}; /* numbers of segments that are tried */

static size_t need(const mn_run *run) {
    return run->slab_bytes + run->scratch_bytes;
}

static const mn_forward_call *at(const mn_run *run, size_t i) {
    return &MN_AT(run->of_call, mn_forward_call, i);
}

static int32_t tag_of(const mn_run *run, size_t i) {
    return MN_AT(run->recorded_calls, mn_call, i).tag;
}

static int has_tags(const mn_run *run) {
    for (size_t i = 0; i < run->n_forward; i++)
        if (tag_of(run, i)) return 1;
    return 0;
}

/* ---- cutting -------------------------------------------------------------------------------------------------- */

/* The segment of calls [from, to). */
static int add(mn_run *run, size_t from, size_t to) {
    mn_segment *s = mn_vec_push(run->ctx, &run->segments, NULL, 1);
    if (!s) return MODNAS_ENOMEM;
    s->from = (int32_t)from;
    s->to = (int32_t)to;
    for (size_t i = from; i < to; i++) {
        MN_AT(run->of_call, mn_forward_call, i).segment = (int32_t)run->segments.n - 1;
        s->saved += at(run, i)->made;
        s->cost += MN_AT(run->recorded_calls, mn_call, i).cost;
    }
    return 0;
}

static int cut_by_tag(mn_run *run) {
    size_t from = 0;
    run->segments.n = 0;
    for (size_t i = 1; i < run->n_forward; i++) {
        if (tag_of(run, i) == tag_of(run, i - 1) || at(run, i)->barred) continue;
        MN_TRY(add(run, from, i));
        from = i;
    }
    return run->n_forward ? add(run, from, run->n_forward) : 0;
}

static size_t saved_between(const mn_run *run, size_t from, size_t to) {
    size_t bytes = 0;
    for (size_t i = from; i < to; i++) bytes += at(run, i)->made;
    return bytes;
}

/* A segment ends where it has saved half of `bytes` to all of it, where least crosses. */
static int cut_by_bytes(mn_run *run, size_t bytes) {
    size_t from = 0, best = 0, saved = 0;
    run->segments.n = 0;
    for (size_t i = 1; i < run->n_forward; i++) {
        saved += at(run, i - 1)->made;
        if (2 * saved >= bytes && !at(run, i)->barred && (!best || at(run, i)->crossing <= at(run, best)->crossing))
            best = i;
        if (saved < bytes || !best) continue;
        MN_TRY(add(run, from, best));
        from = best;
        saved = saved_between(run, from, i);
        best = 0;
    }
    return run->n_forward ? add(run, from, run->n_forward) : 0;
}

static size_t n_methods(const mn_run *run) {
    return has_tags(run) ? 1 : MN_COUNT(cuts);
}

static int cut(mn_run *run, size_t method) {
    if (has_tags(run)) return cut_by_tag(run);
    return cut_by_bytes(run, saved_between(run, 0, run->n_forward) / cuts[method] + 1);
}

/* ---- choosing ------------------------------------------------------------------------------------------------- */

static double gain(const mn_segment *s) {
    return (double)s->saved / (s->cost + 1);
}

/* Plan with the n segments on that gain most. */
static int plan_with(mn_run *run, size_t n) {
    mn_segment *s = run->segments.data;
    for (size_t i = 0; i < run->segments.n; i++) {
        size_t before = 0;
        for (size_t j = 0; j < run->segments.n; j++)
            before += gain(&s[j]) > gain(&s[i]) || (gain(&s[j]) == gain(&s[i]) && j < i);
        s[i].on = before < n;
    }
    return mn_recompute_plan(run);
}

static double cost(const mn_run *run) {
    double sum = 0;
    for (size_t i = 0; i < run->segments.n; i++) {
        const mn_segment *s = &MN_AT(run->segments, mn_segment, i);
        if (s->on) sum += s->cost;
    }
    return sum;
}

/* As few segments as will do; all of them do. The last number tried that did is in *n. */
static int fewest(mn_run *run, size_t *n) {
    size_t too_few = 0;
    *n = run->segments.n;
    while (*n - too_few > 1) {
        const size_t middle = too_few + (*n - too_few) / 2;
        MN_TRY(plan_with(run, middle));
        if (need(run) <= run->limit)
            *n = middle;
        else
            too_few = middle;
    }
    return plan_with(run, *n);
}

static int fail_limit(mn_run *run, size_t least) {
    return mn_fail(run->ctx, MODNAS_ENOMEM, "a step needs %zu bytes for its values, %zu are there", least, run->limit);
}

int mn_fit_limit(mn_run *run) {
    double least_cost = DBL_MAX;
    size_t least = need(run), method = 0, n = 0, last = 0;
    if (least <= run->limit) return 0;
    MN_TRY(mn_recompute_begin(run));
    for (size_t i = 0; i < n_methods(run); i++) {
        size_t count;
        MN_TRY(cut(run, i));
        MN_TRY(plan_with(run, run->segments.n));
        last = i;
        if (need(run) < least) least = need(run);
        if (need(run) > run->limit) continue;
        MN_TRY(fewest(run, &count));
        if (cost(run) >= least_cost) continue;
        least_cost = cost(run);
        method = i;
        n = count;
    }
    if (!n) return fail_limit(run, least);
    if (last == method) return 0;
    MN_TRY(cut(run, method));
    return plan_with(run, n);
}

int mn_run_plan_least(mn_run *run) {
    size_t least = SIZE_MAX, method = 0;
    if (!run->planned || !run->limit) return mn_fail(run->ctx, MODNAS_EINVAL, "the run has no plan under a limit");
    if (!run->recorded_calls.n) MN_TRY(mn_recompute_begin(run));
    const size_t n = n_methods(run);
    for (size_t i = 0; i < n; i++) {
        MN_TRY(cut(run, i));
        MN_TRY(plan_with(run, run->segments.n));
        if (need(run) >= least) continue;
        least = need(run);
        method = i;
    }
    if (n == 1) return 0;
    MN_TRY(cut(run, method));
    return plan_with(run, run->segments.n);
}
