/* What a kernel case has to do at least: arithmetic and traffic by formula. */
#ifndef KERNELS_COST_H
#define KERNELS_COST_H

#include "util_kernel_cases.h"

/* Two for each multiply-add of a convolution or linear layer whose tap lies inside the image; the same in every pass.
 * Other kernels are passes over memory: 0. */
double cost_flops(const modnas_kernel *k);
/* Every argument once: read or written, or both (then it is moved twice). Elements as they are counted, without padding
 * to blocks. */
typedef struct cost_traffic {
    double moved, set; /* bytes; set: that are touched */
} cost_traffic;
cost_traffic cost_bytes(const kc_case *c, const kc_data *in);
/* "64x24x32x32 -> 64x144x32x32"; flat ranges: "2000000". */
void cost_shape(const kc_case *c, char *text, size_t bytes);

#endif
