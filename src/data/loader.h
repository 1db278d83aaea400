/* Loaders of batches: how one is made. What it does is in data.h. */
#ifndef MN_LOADER_H
#define MN_LOADER_H

#include "data/data.h"

typedef struct mn_loader_opts {
    mn_dataset *set;      /* borrowed */
    const int32_t *index; /* n sample indices, copied; NULL: all, in order */
    int64_t n;
    const int32_t *label_map; /* set->n_classes new labels, copied; NULL: labels stay */
    int32_t n_classes;
    int32_t batch; /* samples in a batch, at least 1 */
    int32_t augment, shuffle;
    int32_t prefetch; /* 1: a thread prepares batches ahead; 0: the caller does when it asks. Same bytes */
    uint64_t seed;
    const char *stream; /* name of the order's random stream */
} mn_loader_opts;

/* MODNAS_EINVAL, MODNAS_ENOMEM. */
int mn_loader_new(modnas_ctx *ctx, const mn_loader_opts *opts, mn_loader **out);

#endif
