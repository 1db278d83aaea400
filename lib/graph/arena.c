/* The smallest arena that values fit in, each at one offset for as long as it lives (dynamic storage allocation).
 *
 *   in some order each value takes the lowest offset where no value placed before lives beside it
 *
 * For some order that is optimal: that of the offsets of an optimal plan. Orders tried: by size (Pisarchyk and Lee 2020),
 * by size times life, by birth; then of the best one what reaches the top is moved to the front, again and again. It ends
 * at once where an arena has the size of all that lives at some time: there is none smaller. */
#include "graph/arena.h"

#include "graph/run.h"

enum { N_ROUNDS = 200 };

static int is_apart(const mn_span *a, const mn_span *b) {
    return a->last < b->first || b->last < a->first;
}

size_t mn_arena_least(const mn_span *s, size_t n) {
    size_t most = 0;
    for (size_t i = 0; i < n; i++) { /* the most lives when something begins to */
        size_t sum = 0;
        for (size_t k = 0; k < n; k++)
            if (s[k].first <= s[i].first && s[k].last >= s[i].first) sum += s[k].bytes;
        if (sum > most) most = sum;
    }
    return most;
}

/* The lowest offset of s[i] among placed[0 .. n), which are ascending by offset. */
static size_t lowest(const mn_span *s, const uint32_t *placed, size_t n, uint32_t i) {
    size_t at = 0;
    for (size_t k = 0; k < n; k++) {
        const mn_span *x = &s[placed[k]];
        if (is_apart(x, &s[i])) continue;
        if (x->offset >= at + s[i].bytes) break;
        if (x->offset + x->bytes > at) at = x->offset + x->bytes;
    }
    return at;
}

size_t mn_arena_place(mn_span *s, const uint32_t *order, size_t n, uint32_t *placed) {
    size_t end = 0;
    for (size_t i = 0; i < n; i++) {
        mn_span *x = &s[order[i]];
        x->offset = lowest(s, placed, i, order[i]);
        if (x->offset + x->bytes > end) end = x->offset + x->bytes;
        size_t k = i;
        for (; k > 0 && s[placed[k - 1]].offset > x->offset; k--) placed[k] = placed[k - 1];
        placed[k] = order[i];
    }
    return end;
}

/* ---- orders -------------------------------------------------------------------------------------------- */

static double by_bytes(const mn_span *x) {
    return (double)x->bytes;
}

static double by_area(const mn_span *x) {
    return (double)x->bytes * ((double)x->last - x->first + 1);
}

static double by_birth(const mn_span *x) {
    return -(double)x->first;
}

/* Descending, equal ones as they were; there are some hundred. */
static void sort(const mn_span *s, uint32_t *order, size_t n, double (*key)(const mn_span *)) {
    for (size_t i = 0; i < n; i++) {
        size_t k = i;
        for (; k > 0 && key(&s[order[k - 1]]) < key(&s[i]); k--) order[k] = order[k - 1];
        order[k] = (uint32_t)i;
    }
}

/* What reaches the top comes first next time. */
static void raise_top(const mn_span *s, uint32_t *order, size_t n, size_t end) {
    size_t k = 0;
    while (k < n && s[order[k]].offset + s[order[k]].bytes != end) k++;
    const uint32_t top = order[k];
    for (; k > 0; k--) order[k] = order[k - 1];
    order[0] = top;
}

static size_t try_orders(mn_span *s, size_t n, uint32_t *order, uint32_t *placed) {
    static double (*const keys[])(const mn_span *) = {by_bytes, by_area, by_birth};
    const size_t least = mn_arena_least(s, n);
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < MN_COUNT(keys) && best > least; i++) {
        sort(s, order, n, keys[i]);
        for (int r = 0; r < N_ROUNDS && best > least; r++) {
            const size_t end = mn_arena_place(s, order, n, placed);
            if (end < best) best = end;
            raise_top(s, order, n, end);
        }
    }
    return best;
}

int mn_arena_bytes(modnas_ctx *ctx, mn_span *s, size_t n, size_t *bytes) {
    *bytes = 0;
    if (!n) return 0;
    uint32_t *order = mn_alloc(ctx, 2 * n, sizeof *order);
    if (!order) return MODNAS_ENOMEM;
    *bytes = try_orders(s, n, order, order + n);
    mn_free(ctx, order);
    return 0;
}

/* ---- of a plan ----------------------------------------------------------------------------------------- */

static int lives(const mn_value *v) {
    return v->first >= 0 && !v->alias && (v->place == MN_IN_SLAB || (v->place == MN_IN_HOST && !v->constant));
}

int mn_run_spans(const mn_run *run, mn_vec *spans) {
    for (size_t i = 0; i < run->n_values; i++) {
        const mn_value *v = mn_value_at(run, i);
        const mn_span s = {.bytes = mn_rounded(v), .first = v->first, .last = v->last};
        if (lives(v) && !mn_vec_push(run->ctx, spans, &s, 1)) return MODNAS_ENOMEM;
    }
    return 0;
}

int mn_run_arena(const mn_run *run, size_t *bytes) {
    mn_vec spans;
    mn_vec_init(&spans, sizeof(mn_span));
    int rc = mn_run_spans(run, &spans);
    if (!rc) rc = mn_arena_bytes(run->ctx, spans.data, spans.n, bytes);
    if (!rc) *bytes += run->scratch_bytes;
    mn_vec_free(run->ctx, &spans);
    return rc;
}
