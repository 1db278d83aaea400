/* Resizing as Pillow's bilinear filter does it (torchvision's Resize and RandomResizedCrop on its images): each direction
 * by itself, columns first. An output pixel is the mean of what lies within `support` of its place in the source, weighed
 * by a triangle; weights are whole numbers of 2^-22, sums are rounded to bytes. */
#include <math.h>
#include <stdlib.h>

#include "data/picture.h"

enum { BITS = 22 };

typedef struct tap { /* of an output pixel */
    int32_t first, n;
} tap;

typedef struct taps {
    tap *at;
    int32_t *weight; /* by output pixel: `most` */
    int32_t most;
} taps;

static void free_taps(taps *t) {
    free(t->at);
    free(t->weight);
}

static void fill_tap(taps *t, int32_t i, double scale, double support, int32_t size, double *share) {
    const double centre = (i + 0.5) * scale, width = scale > 1 ? scale : 1;
    const double low = centre - support + 0.5, high = centre + support + 0.5;
    const int32_t first = low > 0 ? (int32_t)low : 0, end = high < size ? (int32_t)high : size;
    double sum = 0;
    for (int32_t k = first; k < end; k++) {
        const double d = fabs((k - centre + 0.5) / width);
        share[k - first] = d < 1 ? 1 - d : 0;
        sum += share[k - first];
    }
    t->at[i] = (tap){first, end - first};
    for (int32_t k = 0; k < end - first; k++)
        t->weight[(size_t)i * (size_t)t->most + (size_t)k] = (int32_t)(0.5 + share[k] / sum * (1 << BITS));
}

/* From `size` pixels to `n`. */
static int make_taps(int32_t size, int32_t n, taps *t) {
    const double scale = (double)size / n, support = scale > 1 ? scale : 1;
    t->most = (int32_t)ceil(support) * 2 + 1;
    t->at = malloc((size_t)n * sizeof *t->at);
    t->weight = malloc((size_t)n * (size_t)t->most * sizeof *t->weight);
    double *share = malloc((size_t)t->most * sizeof *share);
    const int ok = t->at && t->weight && share;
    for (int32_t i = 0; ok && i < n; i++) fill_tap(t, i, scale, support, size, share);
    free(share);
    return ok ? 0 : -1;
}

static uint8_t round_sum(int64_t sum) {
    const int64_t v = sum >> BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Sum of n values `step` apart. */
static uint8_t weigh(const uint8_t *src, size_t step, const int32_t *weight, int32_t n) {
    int64_t sum = 1 << (BITS - 1);
    for (int32_t k = 0; k < n; k++) sum += (int64_t)weight[k] * src[(size_t)k * step];
    return round_sum(sum);
}

/* src: h rows of w pixels, `row` bytes apart; dst: h rows of n pixels of 3 bytes. */
static void across(const uint8_t *src, size_t row, int32_t h, int32_t n, const taps *t, uint8_t *dst) {
    for (int32_t y = 0; y < h; y++, src += row)
        for (int32_t x = 0; x < n; x++)
            for (int c = 0; c < 3; c++)
                *dst++ = weigh(src + 3 * (size_t)t->at[x].first + c, 3, t->weight + (size_t)x * (size_t)t->most,
                               t->at[x].n);
}

static void down(const uint8_t *src, int32_t w, int32_t n, const taps *t, uint8_t *dst) {
    const size_t row = 3 * (size_t)w;
    for (int32_t y = 0; y < n; y++)
        for (size_t x = 0; x < row; x++)
            *dst++ = weigh(src + (size_t)t->at[y].first * row + x, row, t->weight + (size_t)y * (size_t)t->most,
                           t->at[y].n);
}

/* Interleaved to planes; grey as Pillow has it. */
static void planes(const uint8_t *rgb, size_t n, int32_t c, uint8_t *dst) {
    for (size_t i = 0; i < n; i++, rgb += 3) {
        if (c == 1) dst[i] = (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
        for (size_t k = 0; c == 3 && k < 3; k++) dst[k * n + i] = rgb[k];
    }
}

int mn_picture_resize(const mn_picture *p, const int32_t part[4], int32_t c, int32_t h, int32_t w, uint8_t *dst) {
    const size_t row = 3 * (size_t)p->w;
    const uint8_t *src = p->rgb + (size_t)part[1] * row + 3 * (size_t)part[0];
    taps tx = {0}, ty = {0};
    uint8_t *wide = malloc(3 * (size_t)part[3] * (size_t)w), *all = malloc(3 * (size_t)h * (size_t)w);
    const int rc = !wide || !all || make_taps(part[2], w, &tx) || make_taps(part[3], h, &ty) ? -1 : 0;
    if (!rc) {
        across(src, row, part[3], w, &tx, wide);
        down(wide, w, h, &ty, all);
        planes(all, (size_t)h * (size_t)w, c, dst);
    }
    free_taps(&tx);
    free_taps(&ty);
    free(wide);
    free(all);
    return rc;
}
