/* Pictures: what a PNG or JPEG file shows.
 *
 * Called from loaders' threads, where the context may not be touched: memory is the C library's, as that of libpng and
 * libjpeg is, and what is wrong comes as text. */
#ifndef MN_PICTURE_H
#define MN_PICTURE_H

#include "base/base.h"

enum { MN_PICTURE_WHY = 200, MN_PICTURE_PIXELS = 1 << 26 };

typedef struct mn_picture {
    int32_t w, h;
    uint8_t *rgb; /* h x w x 3 */
} mn_picture;

/* The first bytes tell which it is. Palettes, grey, 16 bits and CMYK become RGB; transparency is left out.
 * @return 0; -1 with the reason in why: neither format, damaged, cut short, above MN_PICTURE_PIXELS, no memory */
int mn_picture_decode(const void *bytes, size_t n, mn_picture *out, char why[MN_PICTURE_WHY]);
/* The same of a file, whose bytes are the caller's (free), or not wanted (NULL). */
int mn_picture_read(const char *path, mn_picture *out, char **bytes, size_t *n, char why[MN_PICTURE_WHY]);
void mn_picture_free(mn_picture *p); /* zeroed is fine */

/* A part of a picture (x, y, w, h in pixels) in another size, dst planar, c channels (3; 1: grey, ITU-R BT.601): bilinear
 * with the filter as wide as a pixel of the coarser side, rounded to bytes after each direction, as Pillow does.
 * 0; -1: no memory. */
int mn_picture_resize(const mn_picture *p, const int32_t part[4], int32_t c, int32_t h, int32_t w, uint8_t *dst);

#endif
