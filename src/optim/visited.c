/* An open-addressing hash set of points. Points are compared digit by digit: two that share a hash stay two. */
#include "optim/visited.h"

#include <string.h>

#define FIRST_ROOM 4096 /* points before the first growth: a search of ordinary length allocates nothing on its way */

static uint64_t product(const int32_t *choices, int32_t n) {
    uint64_t size = 1;
    for (int32_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(size, (uint64_t)choices[i], &size)) return UINT64_MAX;
    return size;
}

static uint64_t hash(const mn_visited *v, const int32_t *digits) {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int32_t i = 0; i < v->n_digits; i++) {
        h = (h ^ (uint32_t)digits[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

static const int32_t *point(const mn_visited *v, uint64_t i) {
    return v->digits + i * (uint64_t)v->n_digits;
}

/* The place that holds the point, or the free one where it would go. */
static uint64_t place(const mn_visited *v, const int32_t *digits) {
    const size_t bytes = (size_t)v->n_digits * sizeof *digits;
    uint64_t at = hash(v, digits) & (v->cap - 1);
    while (v->table[at] && memcmp(point(v, v->table[at] - 1), digits, bytes) != 0) at = (at + 1) & (v->cap - 1);
    return at;
}

/* Room for `room` points, the table at most half full. On failure nothing changed but what is spare. */
static int grow(mn_visited *v, uint64_t room) {
    const uint64_t cap = 2 * room;
    int32_t *digits = mn_realloc(v->ctx, v->digits, (size_t)(room * (uint64_t)v->n_digits), sizeof *digits);
    if (!digits) return MODNAS_ENOMEM;
    v->digits = digits;
    uint64_t *table = mn_alloc(v->ctx, (size_t)cap, sizeof *table);
    if (!table) return MODNAS_ENOMEM;
    mn_free(v->ctx, v->table);
    v->table = table;
    v->cap = cap;
    v->room = room;
    for (uint64_t i = 0; i < v->n; i++) table[place(v, point(v, i))] = i + 1;
    return 0;
}

int mn_visited_init(mn_visited *v, modnas_ctx *ctx, const int32_t *choices, int32_t n_digits) {
    memset(v, 0, sizeof *v);
    v->ctx = ctx;
    v->n_digits = n_digits;
    v->size = product(choices, n_digits);
    return grow(v, FIRST_ROOM);
}

void mn_visited_free(mn_visited *v) {
    if (!v->ctx) return;
    mn_free(v->ctx, v->digits);
    mn_free(v->ctx, v->table);
}

int mn_visited_has(const mn_visited *v, const int32_t *digits) {
    return v->table[place(v, digits)] != 0;
}

int mn_visited_add(mn_visited *v, const int32_t *digits, int *is_new) {
    if (v->n == v->room) MN_TRY(grow(v, 2 * v->room));
    const uint64_t at = place(v, digits);
    *is_new = !v->table[at];
    if (!*is_new) return 0;
    memcpy(v->digits + v->n * (uint64_t)v->n_digits, digits, (size_t)v->n_digits * sizeof *digits);
    v->table[at] = ++v->n;
    return 0;
}

static int load_point(mn_visited *v, mn_state *io, int32_t *digits) {
    int is_new;
    MN_TRY(mn_state_bytes(io, digits, (size_t)v->n_digits * sizeof *digits));
    MN_TRY(mn_visited_add(v, digits, &is_new));
    return is_new ? 0 : mn_state_fail(io, "a point is there twice");
}

static int load(mn_visited *v, mn_state *io, uint64_t n) {
    int32_t *digits = mn_alloc(v->ctx, (size_t)v->n_digits, sizeof *digits);
    int rc = digits ? 0 : MODNAS_ENOMEM;
    v->n = 0;
    memset(v->table, 0, (size_t)v->cap * sizeof *v->table);
    for (uint64_t i = 0; i < n && !rc; i++) rc = load_point(v, io, digits);
    mn_free(v->ctx, digits);
    return rc;
}

int mn_visited_state(mn_visited *v, mn_state *io) {
    const size_t bytes = (size_t)v->n_digits * sizeof *v->digits;
    uint64_t n = v->n;
    MN_TRY(mn_state_same(io, v->n_digits, "digits of a point"));
    MN_TRY(mn_state_count(io, &n, bytes));
    return io->loading ? load(v, io, n) : mn_state_bytes(io, v->digits, (size_t)n * bytes);
}
