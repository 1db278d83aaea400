/* Inputs made of other inputs: simple changes, the same for the same seed. */
#ifndef MUTATE_H
#define MUTATE_H

#include "base/base.h"

typedef struct mutate_seed {
    const uint8_t *bytes;
    size_t n;
} mutate_seed;

/* Input number `step` of a series: one of the seeds with a few changes, some of which take parts of others. At most cap
 * bytes go to dst; returns how many. */
size_t mutate(uint64_t series, uint64_t step, const mutate_seed *seeds, size_t n_seeds, uint8_t *dst, size_t cap);

#endif
