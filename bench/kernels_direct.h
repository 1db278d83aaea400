/* oneDNN asked directly, without the library around it: its own time for the operation that a kernel describes. */
#ifndef KERNELS_DIRECT_H
#define KERNELS_DIRECT_H

#include "modnas/sys/kernel.h"

typedef struct direct direct;

/* oneDNN's primitives for the kernel (all of its fused parts, one after the other), in layouts that oneDNN chooses or,
 * where it does not choose, blocked by channels as far as there are pixels. NULL: oneDNN has no such operation. */
direct *direct_new(const modnas_kernel *k, int threads);
int direct_run(direct *d); /* 0, or -1 */
void direct_free(direct *d);

#endif
