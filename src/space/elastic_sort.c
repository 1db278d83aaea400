/* Channels of elastic widths in the order of their rank. Which layers share a width is read off the tree: those whose
 * extents are the value's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "module/layers.h"
#include "space/elastic.h"

typedef struct sorting {
    const mn_elastic *e;
    int32_t rank;
    const mn_module *by; /* the layer that ranks, and whether by its rows */
    int32_t by_rows;
    void *const *arenas;
    int32_t n_arenas;
    int32_t *order;
    double *score;
    char *from, *to; /* a parameter, plain */
} sorting;

static const mn_param *first_param(const mn_module *m) {
    return MN_AT(m->params, mn_module_param, 0).param;
}

/* ---- ranking ------------------------------------------------------------------------------------------- */

static int find_ranking(mn_module *m, void *ud) {
    sorting *s = ud;
    const int in = m->active.in == &s->e->extent, out = m->active.out == &s->e->extent;
    const int norm = mn_batch_norm_opts(m) != NULL, filter = m->params.n && !norm;
    if (s->rank == MN_RANK_L1_FAN_IN && filter && in && !out) s->by = m;
    if (s->rank == MN_RANK_L1_FAN_OUT && filter && out && !s->by) s->by = m;
    if (s->rank == MN_RANK_BN && norm && out && mn_module_find_param(m, "weight")) s->by = m;
    s->by_rows = s->rank != MN_RANK_L1_FAN_IN;
    return 0;
}

/* Sums of |weights| by row or by column; of a vector its elements. */
static int score(sorting *s) {
    const mn_param *p = mn_module_find_param(s->by, "weight");
    const int axis = p->rank == 1 || !s->by_rows;
    const int64_t inner = (axis ? 1 : p->dims[1]) * p->dims[2] * p->dims[3];
    double *w = mn_alloc(s->e->model->ctx, (size_t)mn_param_numel(p), sizeof *w);
    const int rc = w ? mn_param_get(p, w) : MODNAS_ENOMEM;
    memset(s->score, 0, (size_t)s->e->full * sizeof *s->score);
    for (int64_t i = 0; !rc && i < mn_param_numel(p); i++) s->score[i / inner % p->dims[axis]] += fabs(w[i]);
    mn_free(s->e->model->ctx, w);
    return rc;
}

/* Insertion: equal ones stay in their order. */
static void rank_channels(const sorting *s) {
    for (int32_t i = 0; i < s->e->full; i++) {
        int32_t at = i;
        for (; at && s->score[s->order[at - 1]] < s->score[i]; at--) s->order[at] = s->order[at - 1];
        s->order[at] = i;
    }
}

/* ---- moving -------------------------------------------------------------------------------------------- */

static int permute_in(const sorting *s, mn_param *p, int axis, void *arena) {
    const size_t elem = mn_store_elem_bytes(p->store);
    const int64_t n = p->dims[axis], inner = (axis ? 1 : p->dims[1]) * p->dims[2] * p->dims[3];
    const int64_t outer = mn_param_numel(p) / n / inner;
    MN_TRY(mn_param_copy_out(p, arena, s->from));
    for (int64_t i = 0; i < outer; i++)
        for (int64_t c = 0; c < n; c++)
            memcpy(s->to + (size_t)((i * n + c) * inner) * elem, s->from + (size_t)((i * n + s->order[c]) * inner) * elem,
                   (size_t)inner * elem);
    return mn_param_copy_in(p, arena, s->to);
}

static int permute(const sorting *s, mn_param *p, int axis) {
    MN_TRY(permute_in(s, p, axis, NULL));
    for (int32_t i = 0; i < s->n_arenas; i++) MN_TRY(permute_in(s, p, axis, s->arenas[i]));
    return 0;
}

static int permute_layer(mn_module *m, void *ud) {
    const sorting *s = ud;
    const int in = m->active.in == &s->e->extent, out = m->active.out == &s->e->extent;
    for (size_t i = 0; i < m->params.n && (in || out); i++) {
        mn_param *p = MN_AT(m->params, mn_module_param, i).param;
        if (p->rank == 2 && first_param(m)->rank == 4) continue; /* between two windows */
        if (out) MN_TRY(permute(s, p, p->rank == 1));
        if (in && p->rank > 1 && p->groups <= 1) MN_TRY(permute(s, p, 1));
    }
    return 0;
}

static int sort_width(sorting *s, const mn_elastic *e, int32_t rank) {
    s->e = e;
    if (e->rank == MN_RANK_NONE) return 0;
    s->rank = rank < 0 ? e->rank : rank;
    s->by = NULL;
    MN_TRY(mn_module_walk(e->model->root, find_ranking, s));
    if (!s->by) return 0; /* it has one width only, or nothing that ranks it */
    MN_TRY(score(s));
    rank_channels(s);
    return mn_module_walk(e->model->root, permute_layer, s);
}

/* Elements of the largest parameter and of the widest value. */
static void sizes(const mn_model *m, size_t *largest, size_t *widest) {
    *largest = *widest = 1;
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        const size_t n = (size_t)mn_param_numel(mn_store_param(m->weights, i));
        if (n > *largest) *largest = n;
    }
    for (int32_t i = 0; i < mn_model_n_elastic(m, MN_ELASTIC_WIDTH); i++) {
        const size_t n = (size_t)mn_model_elastic(m, MN_ELASTIC_WIDTH, i)->full;
        if (n > *widest) *widest = n;
    }
}

int mn_elastic_sort(mn_model *m, int32_t rank, void *const *arenas, int32_t n) {
    size_t largest, widest;
    if (!mn_model_committed(m)) return mn_fail(m->ctx, MODNAS_EINVAL, "channels are sorted of a committed model");
    sizes(m, &largest, &widest);
    sorting s = {.arenas = arenas, .n_arenas = n};
    s.order = mn_alloc(m->ctx, widest, sizeof *s.order);
    s.score = mn_alloc(m->ctx, widest, sizeof *s.score);
    s.from = mn_alloc(m->ctx, largest, mn_store_elem_bytes(m->weights));
    s.to = mn_alloc(m->ctx, largest, mn_store_elem_bytes(m->weights));
    int rc = s.order && s.score && s.from && s.to ? 0 : MODNAS_ENOMEM;
    for (int32_t i = 0; i < mn_model_n_elastic(m, MN_ELASTIC_WIDTH) && !rc; i++)
        rc = sort_width(&s, mn_model_elastic(m, MN_ELASTIC_WIDTH, i), rank);
    void *const blocks[] = {s.order, s.score, s.from, s.to};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(m->ctx, blocks[i]);
    return rc;
}
