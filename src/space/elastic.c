/* Elastic values: a parameter of the space, and what its choices mean to layers. See elastic.h. */
#include "space/elastic.h"

#include <math.h>
#include <string.h>

#include "module/layers.h"

const char *const mn_elastic_kinds[MN_N_ELASTIC] = {"kernel", "depth", "width", "resolution"};

/* An extent that follows from that of an elastic value. */
typedef struct mn_elastic_part {
    mn_extent extent;
    const mn_elastic *of;
    int32_t number; /* position of a block; channels of a squeeze in the whole network */
    struct mn_elastic_part *next;
} mn_elastic_part;

/* ---- what layers read ---------------------------------------------------------------------------------- */

int32_t mn_elastic_now(const mn_elastic *e) {
    return e->size[e->param->index];
}

static int32_t size_now(const mn_extent *extent) {
    const mn_elastic *e = (const mn_elastic *)extent;
    return e->model->record_all ? e->full : mn_elastic_now(e);
}

static int32_t block_is_there(const mn_extent *extent) {
    const mn_elastic_part *p = (const mn_elastic_part *)extent;
    return size_now(&p->of->extent) > p->number;
}

static int32_t squeeze_now(const mn_extent *extent) {
    const mn_elastic_part *p = (const mn_elastic_part *)extent;
    const int32_t width = size_now(&p->of->extent), n = mn_make_divisible(width / 4);
    return width == p->of->full || n > p->number ? p->number : n;
}

static const mn_extent *add_part(mn_elastic *e, int32_t (*now)(const mn_extent *), int32_t number) {
    mn_elastic_part *p = mn_alloc(e->model->ctx, 1, sizeof *p);
    if (!p) return NULL;
    *p = (mn_elastic_part){{now}, e, number, e->parts};
    e->parts = p;
    return &p->extent;
}

const mn_extent *mn_elastic_block(mn_elastic *e, int32_t position) {
    return add_part(e, block_is_there, position);
}

const mn_extent *mn_elastic_squeeze(mn_elastic *e, int32_t full) {
    return add_part(e, squeeze_now, full);
}

/* ---- those there are ----------------------------------------------------------------------------------- */

mn_elastic *mn_model_elastic(const mn_model *m, int32_t kind, int32_t i) {
    const mn_space *s = m->space;
    for (size_t k = 0; s && k < s->elastic.n; k++) {
        mn_elastic *e = MN_AT(s->elastic, mn_elastic *, k);
        if (e->kind == kind && i-- == 0) return e;
    }
    return NULL;
}

int32_t mn_model_n_elastic(const mn_model *m, int32_t kind) {
    int32_t n = 0;
    while (mn_model_elastic(m, kind, n)) n++;
    return n;
}

int mn_model_is_elastic(const mn_model *m) {
    return m->space && m->space->elastic.n;
}

int32_t mn_elastic_gene(const mn_elastic *e) {
    int32_t i = 0;
    while (mn_space_gene(e->model->space, i) != e->param) i++;
    return i;
}

int32_t mn_elastic_choice(const mn_elastic *e, double value) {
    for (int32_t i = 0; i < e->n; i++)
        if (e->param->choices->items[i]->r == value) return i;
    return -1;
}

int32_t mn_elastic_choice_of_ratio(const mn_elastic *e, double ratio) {
    const double wanted = ratio * e->size[e->largest];
    int32_t best = 0;
    for (int32_t i = 1; i < e->n; i++) {
        const double d = fabs(e->size[i] - wanted) - fabs(e->size[best] - wanted);
        if (d < 0 || (d == 0 && e->size[i] > e->size[best])) best = i;
    }
    return best;
}

/* ---- making -------------------------------------------------------------------------------------------- */

static int check(const mn_model *m, const mn_elastic_desc *d) {
    const char *kind = mn_elastic_kinds[d->kind];
    if (d->n < 1) return mn_fail(m->ctx, MODNAS_ECONFIG, "%s: an elastic %s has no choices", d->where, kind);
    for (int32_t i = 0; i < d->n; i++) {
        for (int32_t k = 0; k < i; k++)
            if (d->choices[k] == d->choices[i])
                return mn_fail(m->ctx, MODNAS_ECONFIG, "%s: %s %d is there twice", d->where, kind, d->choices[i]);
        if (d->size[i] < 1 || d->size[i] > d->full)
            return mn_fail(m->ctx, MODNAS_ECONFIG, "%s: %s %d would be %d; 1 to %d is possible", d->where, kind,
                           d->choices[i], d->size[i], d->full);
    }
    return 0;
}

static mn_node *numbers(modnas_ctx *ctx, const int32_t *x, int32_t n) {
    mn_node *list = mn_node_new(ctx, MN_SEQ);
    for (int32_t i = 0; list && i < n; i++) {
        mn_node *v = mn_node_int(ctx, x[i]);
        if (v && mn_node_add(ctx, list, v) == 0) continue;
        mn_node_free(ctx, list);
        return NULL;
    }
    return list;
}

static int fill(mn_elastic *e, const mn_elastic_desc *d, mn_space *s) {
    modnas_ctx *ctx = e->model->ctx;
    e->where = mn_strdup(ctx, d->where);
    e->size = mn_alloc(ctx, (size_t)d->n, sizeof *e->size);
    mn_node *choices = numbers(ctx, d->choices, d->n);
    if (!e->where || !e->size || !choices || !mn_vec_push(ctx, &s->elastic, NULL, 1)) {
        mn_node_free(ctx, choices);
        return MODNAS_ENOMEM;
    }
    s->elastic.n--; /* the room is there */
    memcpy(e->size, d->size, (size_t)d->n * sizeof *e->size);
    for (int32_t i = 1; i < d->n; i++)
        if (e->size[i] > e->size[e->largest]) e->largest = i;
    MN_TRY(mn_space_categorical(s, d->name, choices, &e->param));
    e->param->index = e->largest;
    return 0;
}

int mn_elastic_new(mn_model *m, const mn_elastic_desc *d, mn_elastic **out) {
    mn_space *s;
    MN_TRY(check(m, d));
    MN_TRY(mn_space_of(m, &s));
    mn_elastic *e = mn_alloc(m->ctx, 1, sizeof *e);
    if (!e) return MODNAS_ENOMEM;
    e->extent.now = size_now;
    e->kind = d->kind;
    e->rank = d->rank;
    e->full = d->full;
    e->model = m;
    e->n = d->n;
    e->slot = d->slot;
    const int rc = fill(e, d, s);
    if (rc) {
        mn_elastic_free(e);
        return rc;
    }
    (void)mn_vec_push(m->ctx, &s->elastic, &e, 1);
    *out = e;
    return 0;
}

void mn_elastic_free(mn_elastic *e) {
    if (!e) return;
    modnas_ctx *ctx = e->model->ctx;
    for (mn_elastic_part *p = e->parts; p;) {
        mn_elastic_part *next = p->next;
        mn_free(ctx, p);
        p = next;
    }
    mn_free(ctx, e->size);
    mn_free(ctx, e->where);
    mn_free(ctx, e);
}

void mn_elastic_remove_all(mn_model *m) {
    mn_space *s = m->space;
    for (size_t i = 0; s && i < s->elastic.n; i++) {
        mn_elastic *e = MN_AT(s->elastic, mn_elastic *, i);
        mn_space_remove(s, e->param);
        mn_elastic_free(e);
    }
    if (s) s->elastic.n = 0;
}
