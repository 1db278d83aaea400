/* Random colours of images of three channels. */
#ifndef MN_COLOUR_H
#define MN_COLOUR_H

#include "base/base.h"

enum { MN_COLOUR_STEPS = 4 }; /* brightness, contrast, saturation, hue */

typedef struct mn_colour {
    int32_t order[MN_COLOUR_STEPS];          /* which step comes first, second, ... */
    double brightness, contrast, saturation; /* factors; 1: as it is */
    double hue;                              /* turns of the colour wheel; 0: as it is */
} mn_colour;

/* Change red, green and blue, n values of 0..1 each, one behind the other. */
void mn_colour_apply(const mn_colour *c, float *rgb, int64_t n);

#endif
