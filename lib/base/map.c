/* Maps: string to pointer, in insertion order.
 *
 * One block holds two parts: `cap` slots in the order they were put, then an index of 2 cap numbers, an open-addressing
 * hash table whose entries are slot numbers plus one (0: free). Nothing is ever removed, so probing needs no
 * tombstones; the index is at most half full. */
#include <string.h>

#include "base/base.h"

struct mn_map_slot {
    char *key;
    void *value;
    uint64_t hash;
};

static uint32_t *index_of(const mn_map *m) {
    return (uint32_t *)(void *)(m->slots + m->cap);
}

/* The place in the index where `key` is, or the free one where it would go. cap must not be 0. */
static uint32_t *probe(const mn_map *m, const char *key, uint64_t hash) {
    uint32_t *const index = index_of(m);
    const size_t mask = 2 * m->cap - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        if (!index[i]) return &index[i];
        const struct mn_map_slot *s = &m->slots[index[i] - 1];
        if (s->hash == hash && strcmp(s->key, key) == 0) return &index[i];
    }
}

static int grow(modnas_ctx *ctx, mn_map *m) {
    mn_map bigger = {.n = m->n, .cap = m->cap ? 2 * m->cap : 8};
    bigger.slots = mn_alloc(ctx, bigger.cap, sizeof *m->slots + 2 * sizeof(uint32_t));
    if (!bigger.slots) return MODNAS_ENOMEM;
    for (size_t i = 0; i < m->n; i++) {
        bigger.slots[i] = m->slots[i];
        *probe(&bigger, m->slots[i].key, m->slots[i].hash) = (uint32_t)(i + 1);
    }
    mn_free(ctx, m->slots);
    *m = bigger;
    return 0;
}

void mn_map_free(modnas_ctx *ctx, mn_map *m) {
    for (size_t i = 0; i < m->n; i++) mn_free(ctx, m->slots[i].key);
    mn_free(ctx, m->slots);
    *m = (mn_map){0};
}

void *mn_map_get(const mn_map *m, const char *key) {
    if (!m->n) return NULL;
    const uint32_t at = *probe(m, key, mn_stream(key));
    return at ? m->slots[at - 1].value : NULL;
}

const char *mn_map_key(const mn_map *m, size_t i, void **value) {
    if (i >= m->n) return NULL;
    if (value) *value = m->slots[i].value;
    return m->slots[i].key;
}

int mn_map_put(modnas_ctx *ctx, mn_map *m, const char *key, void *value) {
    const uint64_t hash = mn_stream(key);
    const uint32_t at = m->n ? *probe(m, key, hash) : 0;
    if (at) {
        m->slots[at - 1].value = value;
        return 0;
    }
    if (m->n == m->cap) MN_TRY(grow(ctx, m));
    char *copy = mn_strdup(ctx, key);
    if (!copy) return MODNAS_ENOMEM;
    m->slots[m->n] = (struct mn_map_slot){copy, value, hash};
    *probe(m, key, hash) = (uint32_t)(m->n + 1);
    m->n++;
    return 0;
}

int mn_map_name(modnas_ctx *ctx, mn_map *m, const char *name, const char **out) {
    if (!mn_map_get(m, name)) {
        MN_TRY(mn_map_put(ctx, m, name, NULL));
        struct mn_map_slot *slot = &m->slots[m->n - 1];
        slot->value = slot->key;
    }
    *out = mn_map_get(m, name);
    return 0;
}
