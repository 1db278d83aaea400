/* Sets of byte images in memory, normalised and augmented as they are read.
 *
 *   bytes --table of 256 floats (one a channel)--> rows, placed with offset, forward or mirrored --> square set to 0
 *
 * All per-pixel arithmetic is in the table: normalising costs a load, brightness and contrast of grey images cost a new
 * table of 256 entries, and no pixel takes a branch. Random colours (colour.h) come after the placing, where channels
 * meet. What is random is drawn first, from the generator the caller keyed.
 *
 * The crop of Krizhevsky (pad 4, crop 32) is `shift: 4`. Cutout: DeVries, Taylor 2017, section 3.2: the square may lie
 * partly outside; it is 0 after normalising. Brightness and contrast are torchvision's ColorJitter on real numbers: v =
 * clip(b v), v = clip(k v + (1 - k) mean of the image), clipped to 0..255. */
#include "data/image_set.h"

#include <stdlib.h>

#include "data/colour.h"

enum { LEVELS = 256, MAX_VALUES = 1 << 28 };

typedef struct image_set {
    mn_image_opts opts;
    uint8_t *pixels;    /* NULL: from elsewhere */
    mn_image_from from;
    float table[MN_IMAGE_CHANNELS][LEVELS];
    float plain[LEVELS]; /* pixels / 255 */
} image_set;

typedef struct drawn {
    int32_t dy, dx, flip, vflip;
    int32_t contrast_first; /* grey images */
    double brightness, contrast;
    mn_colour colour; /* others */
    int32_t cut_y, cut_x;
} drawn;

static double within(mn_rng *rng, double r) {
    return 1 + r * (2 * mn_rng_real(rng) - 1);
}

static int32_t offset(mn_rng *rng, int32_t shift) {
    return shift ? (int32_t)mn_rng_below(rng, 2 * (uint64_t)shift + 1) - shift : 0;
}

static int32_t coin(mn_rng *rng) {
    return (int32_t)(mn_rng_u32(rng) >> 31);
}

static int has_jitter(const mn_image_opts *o) {
    return o->brightness > 0 || o->contrast > 0 || o->saturation > 0 || o->hue > 0;
}

static mn_colour draw_colour(const mn_image_opts *o, mn_rng *rng) {
    mn_colour c = {.order = {0, 1, 2, 3}};
    mn_rng_shuffle(rng, c.order, MN_COLOUR_STEPS);
    c.brightness = within(rng, o->brightness);
    c.contrast = within(rng, o->contrast);
    c.saturation = within(rng, o->saturation);
    c.hue = within(rng, o->hue) - 1;
    return c;
}

/* Braces of an initialiser have no order: one statement a draw. */
static drawn draw(const mn_dataset *d, const mn_image_opts *o, mn_rng *rng) {
    drawn a = {0};
    a.dy = offset(rng, o->shift);
    a.dx = offset(rng, o->shift);
    if (o->flip) a.flip = coin(rng);
    if (o->vflip) a.vflip = coin(rng);
    if (has_jitter(o) && o->c == 3) {
        a.colour = draw_colour(o, rng);
    } else if (has_jitter(o)) {
        a.contrast_first = coin(rng);
        a.brightness = within(rng, o->brightness);
        a.contrast = within(rng, o->contrast);
    }
    if (o->cutout) {
        a.cut_y = (int32_t)mn_rng_below(rng, (uint64_t)d->h);
        a.cut_x = (int32_t)mn_rng_below(rng, (uint64_t)d->w);
    }
    return a;
}

static double clip(double v) {
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

static void apply_brightness(double *v, double b) {
    for (int i = 0; i < LEVELS; i++) v[i] = clip(b * v[i]);
}

static void apply_contrast(double *v, double k, const uint8_t *src, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += v[src[i]];
    const double grey = (1 - k) * sum / (double)n;
    for (int i = 0; i < LEVELS; i++) v[i] = clip(k * v[i] + grey);
}

static void normalise(const double *v, double mean, double stddev, float *table) {
    for (int i = 0; i < LEVELS; i++) table[i] = (float)((v[i] / 255 - mean) / stddev);
}

/* The table of one grey image under drawn brightness and contrast. */
static void jitter(const mn_image_opts *o, const drawn *a, const uint8_t *src, float *table) {
    const int64_t n = (int64_t)o->h * o->w;
    double v[LEVELS];
    for (int i = 0; i < LEVELS; i++) v[i] = i;
    if (a->contrast_first) apply_contrast(v, a->contrast, src, n);
    apply_brightness(v, a->brightness);
    if (!a->contrast_first) apply_contrast(v, a->contrast, src, n);
    normalise(v, o->mean[0], o->stddev[0], table);
}

/* One channel: dst (H,W) is src (h,w) moved by the padding and what was drawn, black elsewhere, then mirrored. */
static void place(const mn_dataset *d, float *dst, const mn_image_opts *o, const uint8_t *src, const drawn *a,
                  const float *table) {
    const int32_t top = o->pad + a->dy, left = o->pad + a->dx;
    const int32_t x0 = left > 0 ? left : 0, x1 = left + o->w < d->w ? left + o->w : d->w;
    const ptrdiff_t step = a->vflip ? -d->w : d->w;
    if (a->vflip) dst += (int64_t)(d->h - 1) * d->w;
    for (int32_t y = 0; y < d->h; y++, dst += step) {
        const int inside = y >= top && y < top + o->h;
        if (!inside || x1 - x0 < d->w)
            for (int32_t x = 0; x < d->w; x++) dst[x] = table[0];
        if (!inside) continue;
        const uint8_t *row = src + (int64_t)(y - top) * o->w;
        if (a->flip)
            for (int32_t x = x0; x < x1; x++) dst[d->w - 1 - x] = table[row[x - left]];
        else
            for (int32_t x = x0; x < x1; x++) dst[x] = table[row[x - left]];
    }
}

static void cut(float *dst, int32_t h, int32_t w, int32_t cy, int32_t cx, int32_t half) {
    const int32_t y0 = cy > half ? cy - half : 0, y1 = cy + half < h ? cy + half : h;
    const int32_t x0 = cx > half ? cx - half : 0, x1 = cx + half < w ? cx + half : w;
    for (int32_t y = y0; y < y1; y++)
        for (int32_t x = x0; x < x1; x++) dst[(int64_t)y * w + x] = 0;
}

/* Values of 0..1 as place left them, in random colours and normalised. */
static void recolour(const mn_image_opts *o, const mn_colour *colour, float *dst, int64_t plane) {
    mn_colour_apply(colour, dst, plane);
    for (int32_t c = 0; c < o->c; c++, dst += plane)
        for (int64_t i = 0; i < plane; i++) dst[i] = (float)((dst[i] - o->mean[c]) / o->stddev[c]);
}

/* Image `src` under what was drawn. */
static void fill(const mn_dataset *d, const drawn *a, int augment, const uint8_t *src, float *dst) {
    const image_set *s = d->state;
    const mn_image_opts *o = &s->opts;
    const int64_t src_plane = (int64_t)o->h * o->w, dst_plane = (int64_t)d->h * d->w;
    const int colours = augment && has_jitter(o) && o->c == 3, greys = augment && has_jitter(o) && o->c == 1;
    float jittered[LEVELS];
    if (greys) jitter(o, a, src, jittered);
    for (int32_t c = 0; c < o->c; c++) {
        const float *table = colours ? s->plain : greys ? jittered : s->table[c];
        place(d, dst + c * dst_plane, o, src + c * src_plane, a, table);
    }
    if (colours) recolour(o, &a->colour, dst, dst_plane);
    if (augment && o->cutout)
        for (int32_t c = 0; c < o->c; c++) cut(dst + c * dst_plane, d->h, d->w, a->cut_y, a->cut_x, o->cutout / 2);
}

static int sample(const mn_dataset *d, int64_t index, int augment, mn_rng *rng, float *dst, int32_t *label) {
    const image_set *s = d->state;
    const mn_image_opts *o = &s->opts;
    const size_t bytes = (size_t)o->c * (size_t)o->h * (size_t)o->w;
    uint8_t *loaded = s->pixels ? NULL : malloc(bytes); /* the context may not be touched here */
    drawn a = {0};
    int rc = s->pixels ? 0 : loaded ? s->from.load(s->from.from, index, augment, rng, loaded) : 1;
    if (!rc) {
        if (augment) a = draw(d, o, rng);
        fill(d, &a, augment, loaded ? loaded : s->pixels + (size_t)index * bytes, dst);
        *label = d->labels[index];
    }
    free(loaded);
    return rc;
}

static int explain(const mn_dataset *d, int64_t index) {
    const image_set *s = d->state;
    return s->from.explain(s->from.from, index);
}

static void destroy(mn_dataset *d) {
    image_set *s = d->state;
    if (s) mn_free(d->ctx, s->pixels);
    if (s && s->from.destroy) s->from.destroy(d->ctx, s->from.from);
    mn_free(d->ctx, s);
}

static const mn_dataset_vt image_vt = {.sample = sample, .destroy = destroy},
                           elsewhere_vt = {.sample = sample, .destroy = destroy, .explain = explain};

static int check_size(modnas_ctx *ctx, const char *name, const mn_image_opts *o) {
    const int64_t side = 1 << 14;
    if (o->h + 2 * (int64_t)o->pad <= side && o->w + 2 * (int64_t)o->pad <= side &&
        o->c * (o->h + 2 * (int64_t)o->pad) * (o->w + 2 * (int64_t)o->pad) <= MAX_VALUES)
        return 0;
    return mn_fail(ctx, MODNAS_ESHAPE,
                   "%s: images of %d x %d x %d with %d pixels of padding are above %d values or %lld a side", name,
                   o->c, o->h, o->w, o->pad, MAX_VALUES, (long long)side);
}

static int make(modnas_ctx *ctx, const char *name, const mn_image_opts *opts, uint8_t *pixels,
                const mn_image_from *from, int32_t *labels, mn_dataset **out) {
    MN_TRY(check_size(ctx, name, opts));
    mn_dataset *d = mn_dataset_new(ctx, name, from ? &elsewhere_vt : &image_vt);
    if (!d) return MODNAS_ENOMEM;
    image_set *s = d->state = mn_alloc(ctx, 1, sizeof *s);
    if (!s) {
        mn_dataset_free(d);
        return MODNAS_ENOMEM;
    }
    s->opts = *opts;
    s->pixels = pixels;
    if (from) s->from = *from;
    double v[LEVELS];
    for (int i = 0; i < LEVELS; i++) v[i] = i;
    for (int32_t c = 0; c < opts->c; c++) normalise(v, opts->mean[c], opts->stddev[c], s->table[c]);
    normalise(v, 0, 1, s->plain);
    d->mean = s->opts.mean;
    d->stddev = s->opts.stddev;
    d->labels = labels;
    d->n = opts->n;
    d->c = opts->c;
    d->h = opts->h + 2 * opts->pad;
    d->w = opts->w + 2 * opts->pad;
    *out = d;
    return 0;
}

int mn_image_set_new(modnas_ctx *ctx, const char *name, const mn_image_opts *opts, uint8_t *pixels, int32_t *labels,
                     mn_dataset **out) {
    return make(ctx, name, opts, pixels, NULL, labels, out);
}

int mn_image_set_of(modnas_ctx *ctx, const char *name, const mn_image_opts *opts, const mn_image_from *from,
                    int32_t *labels, mn_dataset **out) {
    return make(ctx, name, opts, NULL, from, labels, out);
}
