/* Bilinear resizing of planes with the centres of pixels half a pixel in (PyTorch's align_corners=False, antialias=False):
 *
 *   row y of dst lies at max((y + 0.5) H / h - 0.5, 0) of src, between two rows (the last one twice at the end)
 *
 * Columns likewise. Backward gives each element of dst's gradient back by the same shares. */
#include <math.h>
#include <string.h>

#include "backend/ref/ref.h"

typedef struct place {
    int64_t first, second;
    double share; /* of the second */
} place;

static place place_of(int64_t i, int64_t from, int64_t to) {
    const double at = fmax(((double)i + 0.5) * (double)from / (double)to - 0.5, 0);
    place p = {(int64_t)at, 0, at - floor(at)};
    if (p.first > from - 1) p.first = from - 1;
    p.second = p.first + 1 < from ? p.first + 1 : p.first;
    return p;
}

int MN_REF(resize_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(dims_ok)(&k->dst) && k->src.dims[0] == k->dst.dims[0] &&
           k->src.dims[1] == k->dst.dims[1];
}

int MN_REF(resize_forward)(const mn_ref_call *c) {
    const int64_t *s = c->k->src.dims, *d = c->k->dst.dims;
    const mn_real *x = c->args[0];
    mn_real *y = c->args[1];
    for (int64_t plane = 0; plane < s[0] * s[1]; plane++, x += s[2] * s[3])
        for (int64_t h = 0; h < d[2]; h++) {
            const place r = place_of(h, s[2], d[2]);
            const mn_real *a = x + r.first * s[3], *b = x + r.second * s[3];
            for (int64_t w = 0; w < d[3]; w++) {
                const place q = place_of(w, s[3], d[3]);
                const double top = (double)a[q.first] * (1 - q.share) + (double)a[q.second] * q.share;
                const double bottom = (double)b[q.first] * (1 - q.share) + (double)b[q.second] * q.share;
                *y++ = (mn_real)(top * (1 - r.share) + bottom * r.share);
            }
        }
    return 0;
}

int MN_REF(resize_backward)(const mn_ref_call *c) {
    const int64_t *s = c->k->src.dims, *d = c->k->dst.dims;
    const mn_real *g = c->args[0];
    mn_real *to = c->args[1];
    memset(to, 0, (size_t)MN_REF(count)(&c->k->src) * sizeof *to);
    for (int64_t plane = 0; plane < s[0] * s[1]; plane++, to += s[2] * s[3])
        for (int64_t h = 0; h < d[2]; h++) {
            const place r = place_of(h, s[2], d[2]);
            mn_real *a = to + r.first * s[3], *b = to + r.second * s[3];
            for (int64_t w = 0; w < d[3]; w++) {
                const place q = place_of(w, s[3], d[3]);
                const double x = (double)*g++;
                a[q.first] += (mn_real)(x * (1 - r.share) * (1 - q.share));
                a[q.second] += (mn_real)(x * (1 - r.share) * q.share);
                b[q.first] += (mn_real)(x * r.share * (1 - q.share));
                b[q.second] += (mn_real)(x * r.share * q.share);
            }
        }
    return 0;
}
