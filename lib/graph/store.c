/* Parameters in flat arenas: laying out, allocating, initialising, and the list of active ranges. */
#include "graph/store.h"

#include <stdlib.h>
#include <string.h>

struct mn_store {
    modnas_ctx *ctx;
    mn_backend *backend;
    int32_t dtype, committed;
    mn_vec params; /* mn_param *, by offset */
    mn_vec ranges; /* mn_range, room for one a parameter */
    size_t count;
    void *weights, *grads;
    uint64_t stamp;
};

int mn_param_new(modnas_ctx *ctx, int32_t role, int32_t rank, const int64_t dims[4], int32_t init, double bound, mn_param **out) {
    mn_param *p = mn_alloc(ctx, 1, sizeof *p);
    if (!p) return MODNAS_ENOMEM;
    p->ctx = ctx;
    p->role = role;
    p->rank = rank;
    memcpy(p->dims, dims, sizeof p->dims);
    p->init = init;
    p->bound = bound;
    *out = p;
    return 0;
}

void mn_param_free(mn_param *p) {
    if (!p) return;
    mn_free(p->ctx, p->name);
    mn_free(p->ctx, p);
}

int64_t mn_param_numel(const mn_param *p) { return p->dims[0] * p->dims[1] * p->dims[2] * p->dims[3]; }

int mn_store_new(mn_backend *b, int32_t dtype, mn_store **out) {
    modnas_ctx *ctx = mn_backend_ctx(b);
    mn_store *s = mn_alloc(ctx, 1, sizeof *s);
    if (!s) return MODNAS_ENOMEM;
    s->ctx = ctx;
    s->backend = b;
    s->dtype = dtype;
    s->stamp = 1;
    mn_vec_init(&s->params, sizeof(mn_param *));
    mn_vec_init(&s->ranges, sizeof(mn_range));
    mn_ctx_hold(ctx);
    *out = s;
    return 0;
}

void mn_store_free(mn_store *s) {
    if (!s) return;
    modnas_ctx *ctx = s->ctx;
    for (size_t i = 0; i < s->params.n; i++) MN_AT(s->params, mn_param *, i)->store = NULL;
    if (s->weights) mn_backend_free(s->backend, s->weights);
    if (s->grads) mn_backend_free(s->backend, s->grads);
    mn_vec_free(ctx, &s->params);
    mn_vec_free(ctx, &s->ranges);
    mn_free(ctx, s);
    mn_ctx_drop(ctx);
}

int mn_store_add(mn_store *s, mn_param *p, const char *name) {
    if (s->committed) return mn_fail(s->ctx, MODNAS_EINVAL, "parameter %s comes after the store was laid out", name);
    if (p->store) return mn_fail(s->ctx, MODNAS_EEXIST, "parameter %s is in a store already", name);
    char *copy = mn_strdup(s->ctx, name);
    if (!copy || !mn_vec_push(s->ctx, &s->params, &p, 1)) {
        mn_free(s->ctx, copy);
        return MODNAS_ENOMEM;
    }
    mn_free(s->ctx, p->name);
    p->name = copy;
    p->store = s;
    return 0;
}

/* ---- layout --------------------------------------------------------------------------------------------------------------------- */

static size_t element_bytes(const mn_store *s) { return s->dtype == MODNAS_F64 ? 8 : 4; }

static modnas_tdesc param_desc(const mn_param *p, int32_t layout) {
    modnas_tdesc t;
    memset(&t, 0, sizeof t);
    memcpy(t.dims, p->dims, sizeof t.dims);
    t.layout = layout;
    t.dtype = p->store->dtype;
    return t;
}

static int lay_out(mn_store *s, mn_param *p) {
    p->layout = MODNAS_LAYOUT_PLAIN;
    if (p->use.kind && s->dtype == MODNAS_F32 && mn_backend_supports(s->backend, &p->use))
        p->layout = mn_backend_want_layout(s->backend, &p->use, MODNAS_ROLE_WEIGHTS);
    if (p->layout < 0) return p->layout;
    const modnas_tdesc t = param_desc(p, p->layout);
    const size_t bytes = mn_backend_layout_bytes(s->backend, &t, p->groups);
    if (!bytes)
        return mn_fail(s->ctx, MODNAS_EUNSUPPORTED, "parameter %s: backend %s has no memory for layout %d", p->name,
                       mn_backend_name(s->backend), p->layout);
    const size_t step = 64 / element_bytes(s);
    p->offset = s->count;
    p->count = bytes / element_bytes(s);
    s->count += (p->count + step - 1) / step * step;
    return 0;
}

static void draw(const mn_param *p, uint64_t seed, double *plain) {
    const int64_t n = mn_param_numel(p);
    const int unit = p->init == MN_INIT_UNIFORM || p->init == MN_INIT_UNIT;
    mn_rng rng;
    mn_rng_init(&rng, seed, mn_stream(p->name), 0);
    if (unit) mn_rng_reals(&rng, plain, n);
    if (p->init == MN_INIT_NORMAL) mn_rng_normals(&rng, plain, n);
    for (int64_t i = 0; i < n; i++) {
        if (p->init == MN_INIT_UNIFORM)
            plain[i] = (2 * plain[i] - 1) * p->bound;
        else if (p->init == MN_INIT_NORMAL)
            plain[i] *= p->bound;
        else if (p->init == MN_INIT_CONSTANT)
            plain[i] = p->bound;
        else if (p->init == MN_INIT_IDENTITY)
            plain[i] = i / p->dims[1] == i % p->dims[1];
        else if (!unit)
            plain[i] = p->init == MN_INIT_ONES;
    }
}

/* Elements of the largest parameter, at least 1. */
static int64_t largest(const mn_store *s) {
    int64_t most = 1;
    for (size_t i = 0; i < s->params.n; i++) {
        const int64_t n = mn_param_numel(MN_AT(s->params, mn_param *, i));
        if (n > most) most = n;
    }
    return most;
}

int mn_store_initialise(mn_store *s, uint64_t seed) {
    double *plain = mn_alloc(s->ctx, (size_t)largest(s), sizeof *plain);
    if (!plain) return MODNAS_ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < s->params.n && !rc; i++) {
        mn_param *p = MN_AT(s->params, mn_param *, i);
        draw(p, seed, plain);
        rc = mn_param_set(p, plain);
    }
    mn_free(s->ctx, plain);
    return rc;
}

int mn_store_commit(mn_store *s, uint64_t seed) {
    if (s->committed) return mn_fail(s->ctx, MODNAS_EEXIST, "the store is laid out already");
    s->count = 0;
    for (size_t i = 0; i < s->params.n; i++) MN_TRY(lay_out(s, MN_AT(s->params, mn_param *, i)));
    if (s->params.n && !mn_vec_push(s->ctx, &s->ranges, NULL, s->params.n)) return MODNAS_ENOMEM;
    const size_t bytes = (s->count ? s->count : 16) * element_bytes(s);
    MN_TRY(mn_backend_alloc(s->backend, bytes, &s->weights));
    MN_TRY(mn_backend_alloc(s->backend, bytes, &s->grads));
    s->committed = 1;
    return mn_store_initialise(s, seed);
}

/* ---- access
 * -----------------------------------------------------------------------------------------------------------------------
 */

mn_backend *mn_store_backend(const mn_store *s) { return s->backend; }
int32_t mn_store_dtype(const mn_store *s) { return s->dtype; }
size_t mn_store_n_params(const mn_store *s) { return s->params.n; }
mn_param *mn_store_param(const mn_store *s, size_t i) { return MN_AT(s->params, mn_param *, i); }
size_t mn_store_count(const mn_store *s) {
    return s->count;
}
void *mn_store_weights(const mn_store *s) {
    return s->weights;
}
void *mn_store_grads(const mn_store *s) {
    return s->grads;
}
size_t mn_store_bytes(const mn_store *s) {
    return s->count * element_bytes(s);
}

int mn_store_save(const mn_store *s, void *host) {
    return s->count ? mn_backend_download(s->backend, host, s->weights, mn_store_bytes(s)) : 0;
}

int mn_store_restore(mn_store *s, const void *host) {
    return s->count ? mn_backend_upload(s->backend, s->weights, host, mn_store_bytes(s)) : 0;
}

void *mn_store_swap(mn_store *s, void *weights) {
    void *before = s->weights;
    s->weights = weights;
    return before;
}

/* Copy between a parameter's place in an arena and plain memory of the store's dtype. */
static int transfer(const mn_param *p, void *arena, void *plain, int out) {
    mn_store *s = p->store;
    char *place = (char *)arena + p->offset * element_bytes(s);
    const size_t bytes = (size_t)mn_param_numel(p) * element_bytes(s);
    if (p->layout == MODNAS_LAYOUT_PLAIN)
        return out ? mn_backend_download(s->backend, plain, place, bytes) : mn_backend_upload(s->backend, place, plain, bytes);
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_REORDER;
    k.dtype = s->dtype;
    k.u.window.groups = p->groups;
    k.src = param_desc(p, out ? p->layout : MODNAS_LAYOUT_PLAIN);
    k.dst = param_desc(p, out ? MODNAS_LAYOUT_PLAIN : p->layout);
    const mn_plan *plan;
    void *device = NULL, *scratch = NULL;
    int rc = mn_backend_plan(s->backend, &k, &plan);
    if (!rc) rc = mn_backend_alloc(s->backend, bytes, &device);
    if (!rc && plan->scratch) rc = mn_backend_alloc(s->backend, plan->scratch, &scratch);
    if (!rc && !out) rc = mn_backend_upload(s->backend, device, plain, bytes);
    void *args[2] = {out ? place : device, out ? device : place};
    if (!rc) rc = mn_plan_run(plan, args, 2, NULL, 0, scratch);
    if (!rc && out) rc = mn_backend_download(s->backend, plain, device, bytes);
    if (device) mn_backend_free(s->backend, device);
    if (scratch) mn_backend_free(s->backend, scratch);
    return rc;
}

/* The same with conversion from or to `dtype` at the host's side. */
static int convert(const mn_param *p, void *arena, void *host, int32_t dtype, int out) {
    mn_store *s = p->store;
    if (!s || !s->committed) return mn_fail(p->ctx, MODNAS_EINVAL, "parameter %s has no memory yet", p->name ? p->name : "?");
    if (dtype == s->dtype) return transfer(p, arena, host, out);
    const size_t n = (size_t)mn_param_numel(p);
    void *plain = mn_alloc(s->ctx, n, element_bytes(s));
    if (!plain) return MODNAS_ENOMEM;
    int rc = 0;
    if (out) rc = transfer(p, arena, plain, 1);
    for (size_t i = 0; i < n && !rc; i++) {
        double *d = dtype == MODNAS_F64 ? (double *)host + i : (double *)plain + i;
        float *f = dtype == MODNAS_F64 ? (float *)plain + i : (float *)host + i;
        const int to_double = (dtype == MODNAS_F64) == (out != 0);
        if (to_double)
            *d = *f;
        else
            *f = (float)*d;
    }
    if (!rc && !out) rc = transfer(p, arena, plain, 0);
    mn_free(s->ctx, plain);
    return rc;
}

int mn_param_get(const mn_param *p, double *plain) { return convert(p, p->store ? p->store->weights : NULL, plain, MODNAS_F64, 1); }
int mn_param_get_f32(const mn_param *p, float *plain) { return convert(p, p->store ? p->store->weights : NULL, plain, MODNAS_F32, 1); }

int mn_param_set(mn_param *p, const double *plain) {
    return convert(p, p->store ? p->store->weights : NULL, (void *)(uintptr_t)plain, MODNAS_F64, 0);
}

int mn_param_set_f32(mn_param *p, const float *plain) {
    return convert(p, p->store ? p->store->weights : NULL, (void *)(uintptr_t)plain, MODNAS_F32, 0);
}

size_t mn_store_elem_bytes(const mn_store *s) { return element_bytes(s); }

int mn_param_copy_out(const mn_param *p, void *arena, void *plain) {
    return convert(p, arena || !p->store ? arena : p->store->weights, plain, p->store ? p->store->dtype : MODNAS_F32, 1);
}

int mn_param_copy_in(const mn_param *p, void *arena, const void *plain) {
    return convert(p, arena || !p->store ? arena : p->store->weights, (void *)(uintptr_t)plain, p->store ? p->store->dtype : MODNAS_F32, 0);
}

int mn_store_state(mn_store *s, void *arena, mn_state *io) {
    const size_t elem = element_bytes(s);
    MN_TRY(mn_state_same(io, (int64_t)s->params.n, "parameters"));
    MN_TRY(mn_state_same(io, (int64_t)elem, "bytes of a number"));
    void *plain = mn_alloc(s->ctx, (size_t)largest(s), elem);
    int rc = plain ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < s->params.n && !rc; i++) {
        const mn_param *p = MN_AT(s->params, mn_param *, i);
        rc = mn_state_same(io, mn_param_numel(p), p->name);
        if (!rc && !io->loading) rc = mn_param_copy_out(p, arena, plain);
        if (!rc) rc = mn_state_bytes(io, plain, (size_t)mn_param_numel(p) * elem);
        if (!rc && io->loading) rc = mn_param_copy_in(p, arena, plain);
    }
    mn_free(s->ctx, plain);
    return rc;
}

int mn_param_get_grad(const mn_param *p, double *plain) {
    if (mn_param_active(p)) return convert(p, p->store->grads, plain, MODNAS_F64, 1);
    memset(plain, 0, (size_t)mn_param_numel(p) * sizeof *plain);
    return 0;
}

/* ---- active ranges ------------------------------------------------------------------------------------------------------------------- */

void mn_store_zero_grad(mn_store *s) { s->stamp++; }
int mn_param_active(const mn_param *p) { return p->store && p->stamp == p->store->stamp; }
void mn_param_touch(mn_param *p) { p->stamp = p->store->stamp; }

int mn_store_active(mn_store *s, const mn_range **ranges, size_t *n) {
    mn_range *r = s->ranges.data;
    const size_t step = 64 / element_bytes(s);
    size_t m = 0;
    for (size_t i = 0; i < s->params.n; i++) {
        const mn_param *p = MN_AT(s->params, mn_param *, i);
        if (!mn_param_active(p)) continue;
        const size_t room = (p->count + step - 1) / step * step; /* the gap up to the next parameter is zero in all arenas */
        if (m && r[m - 1].offset + r[m - 1].count == p->offset)
            r[m - 1].count += room;
        else
            r[m++] = (mn_range){p->offset, room};
    }
    *ranges = r;
    *n = m;
    return 0;
}
