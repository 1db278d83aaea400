/* Values of the arguments of a kernel case. A draw is keyed by seed and argument name, so that a backward case sees the
 * inputs of its forward case; what the forward case computes (y, saved_mean, prob, mask, ...) is taken from a run of it
 * on ref in f64. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util_kernel_args.h"

static int64_t count_of(const modnas_tdesc *t) {
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
}

/* Away from the corners of the activations. */
static double off_corners(const kc_case *c, double x) {
    const double corners[] = {-3, 0, 3, 6, c->scalars[0], c->scalars[1]};
    const int n = c->kernel.act == MODNAS_ACT_CLIP ? 6 : 4;
    for (int i = 0; i < n; i++)
        if (fabs(x - corners[i]) < 1.0 / 64) x = corners[i] + (x < corners[i] ? -1.0 : 1.0) / 64;
    return x;
}

typedef struct drawing {
    const kc_case *c;
    const kc_arg *a;
    mn_rng *rng;
} drawing;

static int clips(int32_t act) {
    return act == MODNAS_ACT_RELU6 || act == MODNAS_ACT_HARD_SWISH;
}

static double draw(const drawing *d, int64_t i) {
    const int64_t plane = d->a->desc.dims[2] * d->a->desc.dims[3], channel = i / plane % d->a->desc.dims[1];
    const double u = mn_rng_real(d->rng);
    const modnas_kernel *k = &d->c->kernel;
    switch (d->a->fill) {
    case KC_FILL_BN:
        return (2 * u - 1) * (1 + (double)(channel % 3)) + (double)(channel % 5 - 2);
    case KC_FILL_APART:
        return floor(u * 512) / 256 - 1 + (double)(i % 61) / 64 / 256;
    case KC_FILL_DIVISOR:
        return k->algo == MODNAS_BINARY_DIV ? (u < 0.5 ? u - 1.5 : u + 0.5) : 2 * u - 1;
    case KC_FILL_ACT:
        if (k->act == MODNAS_ACT_LOG || k->act == MODNAS_ACT_POW) return 0.25 + 4 * u;
        return off_corners(d->c, -5 + 13 * u);
    case KC_FILL_POSITIVE:
        return 0.5 + u;
    case KC_FILL_GAMMA:
        return (0.5 + u) * (channel % 4 == 3 ? -1 : 1) * (clips(k->act) ? 4 : 1);
    case KC_FILL_LABEL:
        return floor(u * (double)k->src.dims[1]);
    case KC_FILL_PROB:
        return k->kind == MODNAS_KERNEL_LOSS ? 0.02 + 0.96 * u : 0.1 + u;
    case KC_FILL_LOSS:
        return k->algo == MODNAS_LOSS_BCE ? 0.02 + 0.96 * u : -5 + 13 * u;
    default:
        return 2 * u - 1;
    }
}

/* Rows of C values that sum up to 1. */
static void normalise_rows(double *v, int64_t rows, int64_t n) {
    for (int64_t r = 0; r < rows; r++, v += n) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += v[i];
        for (int64_t i = 0; i < n; i++) v[i] /= sum;
    }
}

static double *draw_argument(const kc_case *c, const kc_arg *a, uint64_t seed) {
    mn_rng rng;
    mn_rng_init(&rng, seed, mn_stream(a->name), 0);
    const drawing d = {c, a, &rng};
    const int64_t n = count_of(&a->desc);
    double *v = calloc((size_t)n, sizeof *v);
    for (int64_t i = 0; v && i < n; i++) v[i] = draw(&d, i);
    if (v && a->fill == KC_FILL_PROB && c->kernel.kind != MODNAS_KERNEL_LOSS)
        normalise_rows(v, a->desc.dims[0], a->desc.dims[1]);
    return v;
}

static void round_to_f32(double *v, int64_t n) {
    for (int64_t i = 0; i < n; i++) v[i] = (double)(float)v[i];
}

/* Inputs that need no forward run. */
static kc_data *fill_own(const kc_case *c, int32_t dtype, uint64_t seed) {
    kc_data *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->n_args = c->n_args;
    for (int i = 0; i < c->n_args; i++) {
        const kc_arg *a = &c->args[i];
        if (a->io != KC_IN && a->io != KC_OUT && a->io != KC_INOUT) continue;
        d->n_elems[i] = count_of(&a->desc);
        d->arg[i] = draw_argument(c, a, seed);
        if (!d->arg[i]) {
            kc_data_free(d);
            return NULL;
        }
        if (dtype == MODNAS_F32) round_to_f32(d->arg[i], d->n_elems[i]);
    }
    return d;
}

kc_data *kc_fill(mn_backend *ref, const kc_case *c, int32_t dtype, uint64_t seed) {
    kc_data *d = fill_own(c, dtype, seed), *f = NULL;
    if (!d || c->kernel.pass == MODNAS_FORWARD) return d;
    kc_case fc;
    kc_forward_of(c, &fc);
    kc_data *in = fill_own(&fc, dtype, seed);
    if (!in || kc_run(ref, &fc, MODNAS_F64, KC_PLAIN, in, &f) != 0) goto failed;
    for (int i = 0; i < c->n_args; i++) {
        const int from = c->args[i].io == KC_IN ? kc_find(&fc, c->args[i].name) : -1;
        if (from < 0) continue;
        memcpy(d->arg[i], f->arg[from], sizeof(double) * (size_t)d->n_elems[i]);
        if (dtype == MODNAS_F32) round_to_f32(d->arg[i], d->n_elems[i]);
    }
    kc_data_free(in);
    kc_data_free(f);
    return d;
failed:
    kc_data_free(in);
    kc_data_free(d);
    return NULL;
}

kc_data *kc_copy(const kc_data *d) {
    kc_data *out = calloc(1, sizeof *out);
    if (!out) return NULL;
    *out = *d;
    memset(out->arg, 0, sizeof out->arg);
    for (int i = 0; i < d->n_args; i++) {
        if (!d->arg[i]) continue;
        out->arg[i] = malloc(sizeof(double) * (size_t)d->n_elems[i]);
        if (!out->arg[i]) {
            kc_data_free(out);
            return NULL;
        }
        memcpy(out->arg[i], d->arg[i], sizeof(double) * (size_t)d->n_elems[i]);
    }
    return out;
}

void kc_data_free(kc_data *d) {
    if (!d) return;
    for (int i = 0; i < d->n_args; i++) free(d->arg[i]);
    free(d);
}
