/* Cache of plans: an open-addressing hash table of pointers to entries.
 *
 * Entries are allocated one by one, so that a plan that was handed out stays in place while the table doubles. The
 * table is at most half full; nothing is removed. A description has no padding (asserted below) and is memset to 0 by
 * its maker, so its bytes are its identity. */
#include "backend/plan_cache.h"

#include <string.h>

enum { KEY_WORDS = sizeof(modnas_kernel) / sizeof(uint64_t) };
_Static_assert(sizeof(modnas_kernel) == 232, "a kernel's description has no padding, see kernel.h");

struct mn_plan_entry {
    uint64_t hash;
    modnas_kernel key;
    mn_plan plan;
};

/* Multiply and fold, a word at a time: a lookup is made for every op of every new path. */
static uint64_t hash_kernel(const modnas_kernel *k) {
    uint64_t word[KEY_WORDS], h = 0x9e3779b97f4a7c15u;
    memcpy(word, k, sizeof word);
    for (int i = 0; i < KEY_WORDS; i++) {
        h = (h ^ word[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

/* Where the description is, or the free place where it would go. cap must not be 0. */
static struct mn_plan_entry **probe(const mn_plan_cache *c, const modnas_kernel *k, uint64_t hash) {
    for (size_t i = hash & (c->cap - 1);; i = (i + 1) & (c->cap - 1)) {
        const struct mn_plan_entry *e = c->table[i];
        if (!e || (e->hash == hash && memcmp(&e->key, k, sizeof *k) == 0)) return &c->table[i];
    }
}

const mn_plan *mn_plan_cache_get(const mn_plan_cache *c, const modnas_kernel *k) {
    if (!c->n) return NULL;
    const struct mn_plan_entry *e = *probe(c, k, hash_kernel(k));
    return e ? &e->plan : NULL;
}

static int grow(modnas_ctx *ctx, mn_plan_cache *c) {
    mn_plan_cache bigger = {.n = c->n, .cap = c->cap ? 2 * c->cap : 256};
    bigger.table = mn_alloc(ctx, bigger.cap, sizeof *c->table);
    if (!bigger.table) return MODNAS_ENOMEM;
    for (size_t i = 0; i < c->cap; i++) {
        struct mn_plan_entry *e = c->table[i];
        if (e) *probe(&bigger, &e->key, e->hash) = e;
    }
    mn_free(ctx, c->table);
    *c = bigger;
    return 0;
}

int mn_plan_cache_put(modnas_ctx *ctx, mn_plan_cache *c, const modnas_kernel *k, const mn_plan *plan,
                      const mn_plan **out) {
    if (2 * c->n >= c->cap) MN_TRY(grow(ctx, c));
    struct mn_plan_entry *e = mn_alloc(ctx, 1, sizeof *e);
    if (!e) return MODNAS_ENOMEM;
    *e = (struct mn_plan_entry){hash_kernel(k), *k, *plan};
    *probe(c, k, e->hash) = e;
    c->n++;
    *out = &e->plan;
    return 0;
}

void mn_plan_cache_free(modnas_ctx *ctx, mn_plan_cache *c) {
    for (size_t i = 0; i < c->cap; i++) {
        struct mn_plan_entry *e = c->table[i];
        if (!e) continue;
        e->plan.vt->plan_free(e->plan.state, e->plan.plan);
        mn_free(ctx, e);
    }
    mn_free(ctx, c->table);
    *c = (mn_plan_cache){0};
}
