/* Lifetimes to offsets: a malloc that is played through once, at planning.
 *
 *   0 [ saved for the backward ->              <- transients ] slab_bytes
 *
 * A value lives from the first call that names it to the last one. Values that forward leaves for the backward are placed from the
 * bottom, all others from the top, so that the short-lived never split the room of the long-lived. In each zone the lowest gap that fits is
 * taken (first fit); the need is the largest sum of both zones' extents at any time. */
#include <string.h>

#include "graph/run.h"

typedef struct gap {
    size_t at, bytes;
} gap;

typedef struct zone {
    mn_vec *gaps; /* ascending, apart from each other */
    size_t end;   /* everything from here on is free */
} zone;

static int zone_alloc(modnas_ctx *ctx, zone *z, size_t bytes, size_t *at) {
    (void)ctx;
    gap *g = z->gaps->data;
    for (size_t i = 0; i < z->gaps->n; i++) {
        if (g[i].bytes < bytes) continue;
        *at = g[i].at;
        g[i].at += bytes;
        g[i].bytes -= bytes;
        if (!g[i].bytes) {
            memmove(g + i, g + i + 1, (z->gaps->n - i - 1) * sizeof *g);
            z->gaps->n--;
        }
        return 0;
    }
    *at = z->end;
    z->end += bytes;
    return 0;
}

static int zone_free(modnas_ctx *ctx, zone *z, size_t at, size_t bytes) {
    gap *g = z->gaps->data;
    size_t i = 0, n = z->gaps->n;
    while (i < n && g[i].at < at) i++;
    const int joins_left = i > 0 && g[i - 1].at + g[i - 1].bytes == at;
    const int joins_right = i < n && at + bytes == g[i].at;
    if (joins_left && joins_right) {
        g[i - 1].bytes += bytes + g[i].bytes;
        memmove(g + i, g + i + 1, (n - i - 1) * sizeof *g);
        z->gaps->n--;
    } else if (joins_left) {
        g[i - 1].bytes += bytes;
    } else if (joins_right) {
        g[i].at = at;
        g[i].bytes += bytes;
    } else {
        if (!mn_vec_push(ctx, z->gaps, NULL, 1)) return MODNAS_ENOMEM;
        g = z->gaps->data;
        memmove(g + i + 1, g + i, (n - i) * sizeof *g);
        g[i] = (gap){at, bytes};
    }
    n = z->gaps->n; /* a gap at the very end is no gap */
    g = z->gaps->data;
    if (n && g[n - 1].at + g[n - 1].bytes == z->end) {
        z->end = g[n - 1].at;
        z->gaps->n--;
    }
    return 0;
}

size_t mn_rounded(const mn_value *v) { return (v->bytes + 63) / 64 * 64; }

/* Zone of a value: 0 saved for the backward, 1 transient. */
static int zone_of(const mn_run *run, const mn_value *v) {
    return v->first < (int32_t)run->n_forward && v->last >= (int32_t)run->n_forward ? 0 : 1;
}

static int count_saved(mn_run *run, const mn_value *v) {
    while (run->saved.n <= (size_t)v->tag) {
        const size_t none = 0;
        if (!mn_vec_push(run->ctx, &run->saved, &none, 1)) return MODNAS_ENOMEM;
    }
    MN_AT(run->saved, size_t, v->tag) += mn_rounded(v);
    return 0;
}

static int begin(mn_run *run, zone zones[2], mn_value *v) {
    const int z = zone_of(run, v);
    MN_TRY(zone_alloc(run->ctx, &zones[z], mn_rounded(v), &v->offset));
    if (z == 0) MN_TRY(count_saved(run, v));
    if (z == 0 && zones[0].end > run->kept_bytes) run->kept_bytes = zones[0].end;
    if (zones[0].end + zones[1].end > run->slab_bytes) run->slab_bytes = zones[0].end + zones[1].end;
    return 0;
}

/* Offsets of transients were counted from the top: turn them round once the size is known. */
static void mirror(mn_run *run) {
    for (size_t i = 0; i < run->n_values; i++) {
        mn_value *v = mn_value_at(run, i);
        if (v->place == MN_IN_SLAB && v->first >= 0 && !v->alias && zone_of(run, v) == 1)
            v->offset = run->slab_bytes - v->offset - mn_rounded(v);
    }
}

/* Which calls name a value first and last, and under which tag it is made. */
static void number(mn_run *run) {
    for (size_t i = 0; i < run->n_values; i++) {
        mn_value *v = mn_value_at(run, i);
        v->first = v->last = -1;
        v->shared = v->tag = 0;
    }
    for (size_t i = 0; i < run->calls.n; i++) {
        const mn_call *c = &MN_AT(run->calls, mn_call, i);
        for (int32_t a = 0; a < c->n_args; a++) {
            mn_value *v = MN_AT(run->args, mn_value *, c->arg + (uint32_t)a);
            if (!v) continue;
            if (v->first < 0) v->tag = c->tag;
            if (v->first < 0) v->first = (int32_t)i;
            v->last = (int32_t)i;
        }
    }
    for (size_t i = 0; i < run->n_values; i++)
        if (mn_value_at(run, i)->keep) mn_value_at(run, i)->last = INT32_MAX;
}

int mn_lifetimes(mn_run *run) {
    number(run);
    zone zones[2] = {{&run->gaps[0], 0}, {&run->gaps[1], 0}};
    run->gaps[0].n = run->gaps[1].n = run->saved.n = 0;
    run->slab_bytes = run->kept_bytes = 0;
    for (size_t i = 0; i < run->inputs.n; i++) { /* staged before the first call */
        mn_value *v = MN_AT(run->inputs, mn_value *, i);
        if (v->place != MN_IN_SLAB || v->first < 0) continue;
        v->first = 0;
        MN_TRY(begin(run, zones, v));
        v->shared = -1; /* placed */
    }
    for (size_t i = 0; i < run->calls.n; i++) {
        const mn_call *c = &MN_AT(run->calls, mn_call, i);
        mn_value **arg = &MN_AT(run->args, mn_value *, c->arg);
        for (int32_t a = 0; a < c->n_args; a++) {
            mn_value *v = arg[a];
            if (!v || v->place != MN_IN_SLAB || v->first != (int32_t)i || v->shared < 0) continue;
            MN_TRY(begin(run, zones, v));
            v->shared = -1;
        }
        for (int32_t a = 0; a < c->n_args; a++) {
            mn_value *v = arg[a];
            if (!v || v->place != MN_IN_SLAB || v->last != (int32_t)i || v->shared != -1) continue;
            MN_TRY(zone_free(run->ctx, &zones[zone_of(run, v)], v->offset, mn_rounded(v)));
            v->shared = -2; /* over */
        }
    }
    mirror(run);
    return 0;
}
