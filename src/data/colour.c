/* Random colours: torchvision's ColorJitter on real numbers of 0..1, each step clipped to that range.
 *
 *   brightness b   v = b v
 *   contrast k     v = k v + (1 - k) m          m: mean over the image of grey
 *   saturation s   v = s v + (1 - s) grey       grey = 0.2989 red + 0.587 green + 0.114 blue (ITU-R BT.601)
 *   hue t          the hue of HSV moves by t of a turn; saturation and value stay */
#include "data/colour.h"

#include <math.h>

static double grey(const float *p, int64_t n) {
    return 0.2989 * p[0] + 0.587 * p[n] + 0.114 * p[2 * n];
}

static float clip(double v) {
    return v < 0 ? 0 : v > 1 ? 1 : (float)v;
}

/* v = k v + (1 - k) other for the three values of a pixel. */
static void blend(float *p, int64_t n, double k, double other) {
    for (int c = 0; c < 3; c++) p[c * n] = clip(k * p[c * n] + (1 - k) * other);
}

static void apply_brightness(const mn_colour *c, float *rgb, int64_t n) {
    for (int64_t i = 0; i < n; i++) blend(rgb + i, n, c->brightness, 0);
}

static void apply_contrast(const mn_colour *c, float *rgb, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += grey(rgb + i, n);
    for (int64_t i = 0; i < n; i++) blend(rgb + i, n, c->contrast, sum / (double)n);
}

static void apply_saturation(const mn_colour *c, float *rgb, int64_t n) {
    for (int64_t i = 0; i < n; i++) blend(rgb + i, n, c->saturation, grey(rgb + i, n));
}

/* Hue in sixths of a turn; d = max - min is not 0. */
static double hue_of(double r, double g, double b, double max, double d) {
    if (max == r) return (g - b) / d;
    if (max == g) return (b - r) / d + 2;
    return (r - g) / d + 4;
}

/* A channel is max where the hue is within a sixth of its own, min beyond two sixths, and a ramp between. */
static double ramp(double max, double d, double hue, double at) {
    const double k = fmod(at + hue, 6);
    return max - d * fmax(fmin(fmin(k, 4 - k), 1), 0);
}

static void apply_hue(const mn_colour *c, float *rgb, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float *p = rgb + i;
        const double r = p[0], g = p[n], b = p[2 * n];
        const double max = fmax(fmax(r, g), b), d = max - fmin(fmin(r, g), b);
        if (d == 0) continue;
        const double hue = fmod(hue_of(r, g, b, max, d) + 6 * c->hue + 12, 6);
        p[0] = clip(ramp(max, d, hue, 5));
        p[n] = clip(ramp(max, d, hue, 3));
        p[2 * n] = clip(ramp(max, d, hue, 1));
    }
}

void mn_colour_apply(const mn_colour *c, float *rgb, int64_t n) {
    static void (*const steps[MN_COLOUR_STEPS])(const mn_colour *c, float *rgb, int64_t n) = {
        apply_brightness, apply_contrast, apply_saturation, apply_hue};
    for (int i = 0; i < MN_COLOUR_STEPS; i++) steps[c->order[i]](c, rgb, n);
}
