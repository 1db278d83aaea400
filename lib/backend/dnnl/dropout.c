/* Dropout: y = x mask, mask = 1 / (1 - p) where the element is kept, else 0.
 *
 * Element i of plain order is kept when word i of the library's generator, scaled by 2^-32, is >= p. The generator is
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011); words 4 b .. 4 b + 3 come from counter {b low, b high, step low,
 * step high} and key mix(seed ^ mix(0)), mix being SplitMix64's output function. So the mask depends on the position
 * alone: not on layout, parts or backend. */
#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

enum { WORDS = 4 };

typedef struct dropout_job {
    const mn_simd *simd;
    const modnas_kernel *k;
    const mn_dnnl_run *run;
    int64_t n; /* elements (forward), floats (backward) */
    uint64_t key, step;
    double p;
} dropout_job;

static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void draw(uint64_t key, uint64_t step, uint64_t block, uint32_t c[WORDS]) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    c[0] = (uint32_t)block;
    c[1] = (uint32_t)(block >> 32);
    c[2] = (uint32_t)step;
    c[3] = (uint32_t)(step >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        const uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k0;
        c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k1;
        c[1] = (uint32_t)b;
        c[3] = (uint32_t)a;
    }
}

/* An element in plain order. */
typedef struct cursor {
    int64_t pixel, channel, image;
} cursor;

static int64_t offset_of(const dropout_job *j, const cursor *at) {
    const int64_t *d = j->k->src.dims, hw = d[2] * d[3];
    if (j->k->src.layout == MODNAS_LAYOUT_PLAIN) return (at->image * d[1] + at->channel) * hw + at->pixel;
    const int64_t b = j->simd->block, blocks = (d[1] - 1) / b + 1;
    return ((at->image * blocks + at->channel / b) * hw + at->pixel) * b + at->channel % b;
}

static void advance(const dropout_job *j, cursor *at) {
    if (++at->pixel < j->k->src.dims[2] * j->k->src.dims[3]) return;
    at->pixel = 0;
    if (++at->channel < j->k->src.dims[1]) return;
    at->channel = 0;
    at->image++;
}

static void forward_part(const void *job, int32_t part, int32_t parts) {
    const dropout_job *j = job;
    const int64_t channels = j->k->src.dims[1], hw = j->k->src.dims[2] * j->k->src.dims[3];
    const float *x = mn_dnnl_arg(j->run, 0), keep = (float)(1 / (1 - j->p));
    float *y = mn_dnnl_arg(j->run, 1), *mask = mn_dnnl_arg(j->run, 2);
    int64_t begin, end;
    mn_dnnl_range(j->n, WORDS, part, parts, &begin, &end);
    cursor at = {begin % hw, begin / hw % channels, begin / hw / channels};
    uint32_t word[WORDS];
    for (int64_t i = begin; i < end; i++, advance(j, &at)) {
        if (i % WORDS == 0) draw(j->key, j->step, (uint64_t)(i / WORDS), word);
        const int64_t e = offset_of(j, &at);
        mask[e] = word[i % WORDS] * 0x1p-32 >= j->p ? keep : 0;
        y[e] = x[e] * mask[e];
    }
}

static void backward_part(const void *job, int32_t part, int32_t parts) {
    const dropout_job *j = job;
    int64_t begin, end;
    mn_dnnl_range(j->n, MN_SIMD_BLOCK_MAX, part, parts, &begin, &end);
    j->simd->flat->binary_flat(MODNAS_BINARY_MUL, mn_dnnl_arg(j->run, 0) + begin, mn_dnnl_arg(j->run, 1) + begin,
                               mn_dnnl_arg(j->run, 2) + begin, end - begin);
}

static int dropout_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    const modnas_tdesc *t = &p->k.src;
    dropout_job j = {.simd = s->simd, .k = &p->k, .run = r, .n = mn_dnnl_floats(s, t)};
    const int32_t parts = mn_dnnl_parts(s, j.n * (int64_t)sizeof(float));
    if (p->k.pass == MODNAS_BACKWARD_DATA) {
        mn_dnnl_parallel(parts, backward_part, &j);
        return 0;
    }
    j.p = r->scalars[0];
    if (!(j.p >= 0 && j.p < 1)) return mn_dnnl_fail(s, MODNAS_EINVAL, "dropout: p is %g, not in [0, 1)", j.p);
    j.key = mix((uint64_t)r->scalars[1] ^ mix(0));
    j.step = (uint64_t)r->scalars[2];
    j.n = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
    mn_dnnl_clear_padding(s, t, mn_dnnl_arg(r, 1));
    mn_dnnl_clear_padding(s, t, mn_dnnl_arg(r, 2));
    mn_dnnl_parallel(parts, forward_part, &j);
    return 0;
}

static int dropout_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    return mn_dnnl_is_activation(&k->src) && k->dst.layout == k->src.layout && k->dst.dtype == MODNAS_F32 &&
           mn_dnnl_same_dims(&k->src, &k->dst);
}

static int32_t dropout_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    (void)role;
    return MODNAS_LAYOUT_BLOCKED;
}

const mn_dnnl_kernel mn_dnnl_dropout = {
    .kind = MODNAS_KERNEL_DROPOUT,
    .plan_bytes = sizeof(mn_dnnl_plan),
    .supports = dropout_supports,
    .want = dropout_want,
    .run = dropout_run,
    .n_args = {3, 3},
    .n_scalars = {3},
};
