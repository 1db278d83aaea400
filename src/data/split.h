/* Which samples train and which validate. */
#ifndef MN_SPLIT_H
#define MN_SPLIT_H

#include "data/data.h"

typedef struct mn_split_opts {
    const mn_args *args;            /* for messages: the values below are its train_size, ... */
    int64_t train_size, valid_size; /* samples; 0: by ratio */
    double train_ratio, valid_ratio;
    uint64_t train_seed, valid_seed;
    int32_t balanced;         /* the same number of validation samples of every class */
    const int32_t *label_map; /* n_classes: new label, or -1 for a class left out; NULL: all stay */
} mn_split_opts;

typedef struct mn_split {
    int32_t *train, *valid; /* sample indices; train into the training set, valid into the validation set */
    int64_t n_train, n_valid;
} mn_split;

/* Choose. valid NULL, or holding the same samples as train: the validation samples are taken out of the training ones.
 * Labels are looked at only where classes are chosen or balanced.
 * @param out  [out] freed by the caller with mn_split_free
 * @return 0; MODNAS_ECONFIG with the numbers that do not fit; MODNAS_ENOMEM; as mn_dataset_labels */
int mn_split_make(modnas_ctx *ctx, const mn_split_opts *o, mn_dataset *train, mn_dataset *valid, mn_split *out);
void mn_split_free(modnas_ctx *ctx, mn_split *s);

#endif
