/* Sets of byte images in memory, normalised and augmented as they are read. */
#ifndef MN_IMAGE_SET_H
#define MN_IMAGE_SET_H

#include "data/data.h"

enum { MN_IMAGE_CHANNELS = 4 };

typedef struct mn_image_opts {
    int64_t n;
    int32_t c, h, w;
    int32_t pad;                                               /* pixels of black around every image */
    double mean[MN_IMAGE_CHANNELS], stddev[MN_IMAGE_CHANNELS]; /* of pixels / 255 */
    /* augmentation, in this order */
    int32_t shift;               /* up to so many pixels up, down, left, right; black moves in */
    int32_t flip, vflip;         /* mirror left-right, top-bottom every other time */
    double brightness, contrast; /* factors within 1 +- this, in random order with the next two */
    double saturation, hue;      /* factor within 1 +- this, turns within +- this; three channels only */
    int32_t cutout;              /* a square of side 2 (cutout / 2) around a random pixel is 0, the mean */
} mn_image_opts;

/* Where pixels come from that are not in memory. load writes those of an image (C,h,w), cut out at random if augment; from
 * loaders' threads, so it must not touch the context. explain: status and text of an image that load gave a code for. */
typedef struct mn_image_from {
    int (*load)(const void *from, int64_t index, int augment, mn_rng *rng, uint8_t *dst);
    int (*explain)(const void *from, int64_t index);
    void (*destroy)(modnas_ctx *ctx, void *from);
    void *from;
} mn_image_from;

/* Sample i of the set is dst[c,y,x] = (pixels[i,c,y - pad,x - pad] / 255 - mean[c]) / stddev[c], black where there is
 * no pixel. Takes `pixels` (n,C,h,w) and `labels` (n) on success. Fills in n, c, h, w of the set.
 * @return 0; MODNAS_ENOMEM; MODNAS_ESHAPE if an image would be larger than 2^28 values */
int mn_image_set_new(modnas_ctx *ctx, const char *name, const mn_image_opts *opts, uint8_t *pixels, int32_t *labels,
                     mn_dataset **out);
/* The same of pixels that come from elsewhere, which is taken instead. */
int mn_image_set_of(modnas_ctx *ctx, const char *name, const mn_image_opts *opts, const mn_image_from *from,
                    int32_t *labels, mn_dataset **out);

#endif
