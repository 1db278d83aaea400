/* Recording: values, vertices, inputs, parameters and constants of a run. No arithmetic happens here.
 *
 * Values live in chunks whose addresses never change and are handed out anew after each mn_run_begin, so recording the
 * next path allocates nothing once the largest has been seen. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "graph/run.h"

size_t mn_dtype_bytes(int32_t dtype) {
    static const size_t bytes[] = {[MODNAS_F32] = 4, [MODNAS_F64] = 8, [MODNAS_I32] = 4, [MODNAS_U8] = 1};
    return bytes[dtype];
}

const char *mn_dims_text(const int64_t dims[4], char buf[64]) {
    snprintf(buf, 64, "%" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64, dims[0], dims[1], dims[2], dims[3]);
    return buf;
}

int mn_same_dims(const mn_value *a, const mn_value *b) {
    return memcmp(a->dims, b->dims, sizeof a->dims) == 0;
}

mn_value *mn_root(mn_value *v) {
    while (v->alias) v = v->alias;
    return v;
}

/* ---- life of a run --------------------------------------------------------------------------------------- */

int mn_run_new(mn_backend *b, int32_t dtype, mn_slab *slab, mn_run **out) {
    modnas_ctx *ctx = mn_backend_ctx(b);
    mn_run *run = mn_alloc(ctx, 1, sizeof *run);
    if (!run) return MODNAS_ENOMEM;
    run->ctx = ctx;
    run->backend = b;
    run->dtype = dtype;
    run->slab = slab;
    mn_vec_init(&run->chunks, sizeof(mn_value *));
    mn_vec_init(&run->vertices, sizeof(mn_vertex));
    mn_vec_init(&run->srcs, sizeof(mn_value *));
    mn_vec_init(&run->indices, sizeof(int32_t));
    mn_vec_init(&run->constants, sizeof(double));
    mn_vec_init(&run->calls, sizeof(mn_call));
    mn_vec_init(&run->args, sizeof(mn_value *));
    mn_vec_init(&run->scalars, sizeof(double));
    mn_vec_init(&run->touched, sizeof(mn_param *));
    mn_vec_init(&run->saved, sizeof(size_t));
    mn_vec_init(&run->gaps[0], 2 * sizeof(size_t));
    mn_vec_init(&run->gaps[1], 2 * sizeof(size_t));
    mn_vec_init(&run->inputs, sizeof(mn_value *));
    mn_recompute_init(run);
    mn_ctx_hold(ctx);
    *out = run;
    return 0;
}

void mn_run_free(mn_run *run) {
    if (!run) return;
    modnas_ctx *ctx = run->ctx;
    for (size_t i = 0; i < run->chunks.n; i++) mn_free(ctx, MN_AT(run->chunks, mn_value *, i));
    mn_vec *all[] = {&run->chunks,  &run->vertices, &run->srcs,    &run->indices, &run->constants,
                     &run->calls,   &run->args,     &run->scalars, &run->touched, &run->saved,
                     &run->gaps[0], &run->gaps[1],  &run->inputs,  &run->recorded_calls, &run->recorded_args,
                     &run->segments, &run->of_call};
    for (size_t i = 0; i < MN_COUNT(all); i++) mn_vec_free(ctx, all[i]);
    mn_free(ctx, run);
    mn_ctx_drop(ctx);
}

int mn_run_begin(mn_run *run, const mn_run_opts *opts) {
    if (opts->update_stats && !opts->train)
        return mn_fail(run->ctx, MODNAS_EINVAL, "running statistics move in training only");
    run->opts = *opts;
    run->recording = ++run->ctx->n_recordings;
    run->no_grad = run->tag = run->planned = 0;
    run->part = NULL;
    run->macs = 0;
    run->n_values = 0;
    run->vertices.n = run->srcs.n = run->indices.n = run->constants.n = run->inputs.n = 0;
    return 0;
}

const mn_run_opts *mn_run_options(const mn_run *run) {
    return &run->opts;
}
modnas_ctx *mn_run_ctx(const mn_run *run) {
    return run->ctx;
}
void mn_run_no_grad(mn_run *run, int on) {
    run->no_grad += on ? 1 : -1;
}
void mn_run_tag(mn_run *run, int32_t tag) {
    run->tag = tag;
}
const void *mn_run_within(mn_run *run, const void *part) {
    const void *before = run->part;
    run->part = part;
    return before;
}
int64_t mn_run_macs(const mn_run *run) {
    return run->macs;
}
int64_t mn_run_n_calls(const mn_run *run) {
    return (int64_t)run->calls.n;
}
size_t mn_run_slab_bytes(const mn_run *run) {
    return run->slab_bytes;
}
size_t mn_run_kept_bytes(const mn_run *run) {
    return run->kept_bytes;
}
size_t mn_run_scratch_bytes(const mn_run *run) {
    return run->scratch_bytes;
}

size_t mn_run_saved_bytes(const mn_run *run, int32_t tag) {
    return (size_t)tag < run->saved.n ? MN_AT(run->saved, size_t, tag) : 0;
}

int mn_run_keep(mn_run *run, mn_value *v) {
    (void)run;
    v->keep = 1;
    return 0;
}

int mn_run_uses(const mn_run *run, const mn_param *p) {
    return p->recording == run->recording;
}

int mn_run_is_recording(const mn_run *run) {
    return run->recording && !run->planned;
}

int mn_run_owns(const mn_run *run, const mn_value *v) {
    for (size_t i = 0, left = run->n_values; left; i++) {
        const mn_value *chunk = MN_AT(run->chunks, mn_value *, i);
        const size_t n = left < MN_VALUE_CHUNK ? left : MN_VALUE_CHUNK;
        const uintptr_t at = (uintptr_t)v - (uintptr_t)chunk;
        if ((uintptr_t)v >= (uintptr_t)chunk && at < n * sizeof *v) return at % sizeof *v == 0;
        left -= n;
    }
    return 0;
}

const mn_slab *mn_run_slab(const mn_run *run) {
    return run->slab;
}

int32_t mn_run_dtype(const mn_run *run) {
    return run->dtype;
}

/* ---- values ---------------------------------------------------------------------------------------------- */

mn_value *mn_value_new(mn_run *run, const int64_t dims[4], int32_t dtype) {
    const size_t chunk = run->n_values / MN_VALUE_CHUNK, at = run->n_values % MN_VALUE_CHUNK;
    if (chunk == run->chunks.n) {
        mn_value *block = mn_alloc(run->ctx, MN_VALUE_CHUNK, sizeof *block);
        if (!block) return NULL;
        if (!mn_vec_push(run->ctx, &run->chunks, &block, 1)) {
            mn_free(run->ctx, block);
            return NULL;
        }
    }
    run->n_values++;
    mn_value *v = &MN_AT(run->chunks, mn_value *, chunk)[at];
    memset(v, 0, sizeof *v);
    memcpy(v->dims, dims, sizeof v->dims);
    v->dtype = dtype;
    v->producer = v->reader = -1;
    v->layout = -1;
    v->first = -1;
    return v;
}

mn_value *mn_value_at(const mn_run *run, size_t i) {
    return &MN_AT(run->chunks, mn_value *, i / MN_VALUE_CHUNK)[i % MN_VALUE_CHUNK];
}

static int check_dims(mn_run *run, const int64_t dims[4], const char *what) {
    char text[64];
    int64_t n = 1;
    for (int i = 0; i < 4; i++) {
        if (dims[i] < 1 || dims[i] > INT32_MAX || n > INT64_MAX / 64 / dims[i])
            return mn_fail(run->ctx, MODNAS_ESHAPE, "%s: %s is no shape", what, mn_dims_text(dims, text));
        n *= dims[i];
    }
    return 0;
}

mn_vertex *mn_vertex_at(mn_run *run, int32_t index) {
    return &MN_AT(run->vertices, mn_vertex, index);
}

mn_value *mn_src(const mn_run *run, const mn_vertex *x, int32_t i) {
    return MN_AT(run->srcs, mn_value *, x->src + (uint32_t)i);
}

int mn_vertex_new(mn_run *run, const mn_op *op, mn_value *const *src, int32_t n_src, const int64_t dims[4],
                  mn_vertex **out) {
    MN_TRY(check_dims(run, dims, op->name));
    mn_value *dst = mn_value_new(run, dims, run->dtype);
    const uint32_t first = (uint32_t)run->srcs.n;
    if (!dst || (n_src && !mn_vec_push(run->ctx, &run->srcs, src, (size_t)n_src))) return MODNAS_ENOMEM;
    mn_vertex *x = mn_vec_push(run->ctx, &run->vertices, NULL, 1);
    if (!x) return MODNAS_ENOMEM;
    x->op = op;
    x->dst = x->out = dst;
    x->src = first;
    x->n_src = n_src;
    x->index = (int32_t)run->vertices.n - 1;
    x->tag = run->tag;
    x->part = run->part;
    x->frozen = run->no_grad > 0;
    for (int32_t i = 0; i < n_src; i++) {
        if (!src[i]) continue;
        src[i]->n_uses++;
        src[i]->reader = x->index;
        if (src[i]->needs_grad && !x->frozen && op->backward) dst->needs_grad = 1;
    }
    dst->producer = x->index;
    *out = x;
    return 0;
}

int mn_input(mn_run *run, const int64_t dims[4], int32_t dtype, mn_value **out) {
    MN_TRY(check_dims(run, dims, "input"));
    const int is_real = dtype == MODNAS_F32 || dtype == MODNAS_F64;
    mn_value *v = mn_value_new(run, dims, is_real ? run->dtype : dtype);
    if (!v || !mn_vec_push(run->ctx, &run->inputs, &v, 1)) return MODNAS_ENOMEM;
    v->bound_dtype = dtype;
    *out = v;
    return 0;
}

int mn_const(mn_run *run, const int64_t dims[4], const double *plain, mn_value **out) {
    mn_value *v;
    MN_TRY(mn_input(run, dims, MODNAS_F64, &v));
    const size_t n = (size_t)(dims[0] * dims[1] * dims[2] * dims[3]);
    v->constant = 1 + (int32_t)run->constants.n;
    if (!mn_vec_push(run->ctx, &run->constants, plain, n)) return MODNAS_ENOMEM;
    *out = v;
    return 0;
}

static int use(mn_run *run, mn_param *p, const int64_t dims[4], mn_value **out) {
    if (!p->store) return mn_fail(run->ctx, MODNAS_EINVAL, "parameter %s is in no store", p->name ? p->name : "?");
    if (p->recording == run->recording && memcmp(p->value->dims, dims, sizeof p->value->dims) == 0) {
        *out = p->value;
        return 0;
    }
    mn_value *v = mn_value_new(run, dims, run->dtype);
    if (!v) return MODNAS_ENOMEM;
    v->param = p;
    v->needs_grad = (p->role & run->opts.grads) != 0;
    p->recording = run->recording;
    p->value = *out = v;
    return 0;
}

int mn_use_param(mn_run *run, mn_param *p, mn_value **out) {
    return use(run, p, p->dims, out);
}

int mn_use_first(mn_run *run, mn_param *p, int64_t n, mn_value **out) {
    const int64_t dims[4] = {1, n, 1, 1};
    if (n < 1 || n > p->dims[1])
        return mn_fail(run->ctx, MODNAS_ESHAPE, "%lld elements of %s, which has %lld", (long long)n,
                       p->name ? p->name : "?", (long long)p->dims[1]);
    return use(run, p, dims, out);
}

int mn_is_zero(const mn_run *run, const mn_value *v) {
    return v->producer >= 0 && MN_AT(run->vertices, mn_vertex, v->producer).op == &mn_op_zero;
}

void mn_run_bind(mn_run *run, mn_value *input, const void *host) {
    (void)run;
    input->bound = host;
}
