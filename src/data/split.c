/* Which samples train and which validate.
 *
 *   training set --classes--> candidates --train_size / train_ratio--> a random part --valid_size / valid_ratio-->
 * train | valid
 *
 * A validation set of its own is only sampled. One that holds the very samples of the training set (mn_dataset_same:
 * files with the same hash, the same data of a host) is no set of its own: its samples are taken out of the training
 * part, at the same indices. So no sample is ever on both sides. Sizes win over ratios. */
#include <math.h>
#include <string.h>

#include "data/split.h"

static int check_ratio(const mn_args *a, const char *arg, double r, int zero_is_fine) {
    if (r <= 1 && (r > 0 || (zero_is_fine && r == 0))) return 0;
    return mn_args_fail(a, arg, "%g is not in %s0, 1]", r, zero_is_fine ? "[" : "(");
}

static int check_opts(const mn_split_opts *o) {
    if (o->train_size < 0) return mn_args_fail(o->args, "train_size", "%lld samples", (long long)o->train_size);
    if (o->valid_size < 0) return mn_args_fail(o->args, "valid_size", "%lld samples", (long long)o->valid_size);
    MN_TRY(check_ratio(o->args, "train_ratio", o->train_ratio, 0));
    return check_ratio(o->args, "valid_ratio", o->valid_ratio, 1);
}

/* The part of n that a ratio means, rounded down; 0.29 of 100 is 29 although the product is a hair below. */
static int64_t share(int64_t n, double ratio) {
    return (int64_t)((double)n * ratio + 1e-6);
}

/* Samples whose class takes part, in order. */
static int candidates(modnas_ctx *ctx, const mn_split_opts *o, mn_dataset *d, int32_t **index, int64_t *n) {
    const int32_t *labels = NULL;
    if (d->n > INT32_MAX)
        return mn_fail(ctx, MODNAS_EUNSUPPORTED, "%s: %lld samples; %d are possible", d->name, (long long)d->n,
                       INT32_MAX);
    if (o->label_map) MN_TRY(mn_dataset_labels(d, &labels));
    *index = mn_alloc(ctx, (size_t)d->n + 1, sizeof **index);
    if (!*index) return MODNAS_ENOMEM;
    *n = 0;
    for (int32_t i = 0; i < d->n; i++)
        if (!o->label_map || o->label_map[labels[i]] >= 0) (*index)[(*n)++] = i;
    return 0;
}

static void shuffle(int32_t *index, int64_t n, uint64_t seed, const char *stream) {
    mn_rng rng;
    mn_rng_init(&rng, seed, mn_stream(stream), 0);
    mn_rng_shuffle(&rng, index, n);
}

/* Keep `size` random ones of *n (all when it is 0). */
static int keep_some(const mn_split_opts *o, const char *arg, int64_t size, uint64_t seed, const char *stream,
                     int32_t *index, int64_t *n) {
    if (size > *n)
        return mn_args_fail(o->args, arg, "%lld samples of the %lld that there are", (long long)size, (long long)*n);
    if (size == 0 || size == *n) return 0;
    shuffle(index, *n, seed, stream);
    *n = size;
    return 0;
}

/* How many validation samples each class gives: equal numbers, the first classes one more. Every class must keep one.
 */
static int set_quotas(const mn_split_opts *o, const mn_dataset *d, const int32_t *labels, const mn_split *s,
                      int64_t size, int64_t *quota, int64_t *count) {
    for (int64_t i = 0; i < s->n_train; i++) count[labels[s->train[i]]]++;
    int32_t n_present = 0, k = 0;
    for (int32_t c = 0; c < d->n_classes; c++) n_present += count[c] > 0;
    for (int32_t c = 0; c < d->n_classes; c++) {
        if (!count[c]) continue;
        quota[c] = size / n_present + (k++ < size % n_present);
        if (quota[c] >= count[c])
            return mn_args_fail(o->args, o->valid_size ? "valid_size" : "valid_ratio",
                                "%lld validation samples of class %d leave none of its %lld to train on",
                                (long long)quota[c], c, (long long)count[c]);
    }
    return 0;
}

/* Move quota[class] samples of each class from train to valid, in the order of the (shuffled) training list. */
static void move_quotas(const int32_t *labels, int64_t *quota, mn_split *s) {
    int64_t kept = 0;
    s->n_valid = 0;
    for (int64_t i = 0; i < s->n_train; i++) {
        const int32_t index = s->train[i];
        int64_t *left = &quota[labels[index]];
        if (*left > 0) {
            --*left;
            s->valid[s->n_valid++] = index;
        } else {
            s->train[kept++] = index;
        }
    }
    s->n_train = kept;
}

static int take_balanced(modnas_ctx *ctx, const mn_split_opts *o, mn_dataset *d, int64_t size, mn_split *s) {
    const int32_t *labels;
    MN_TRY(mn_dataset_labels(d, &labels));
    int64_t *quota = mn_alloc(ctx, 2 * (size_t)d->n_classes, sizeof *quota);
    if (!quota) return MODNAS_ENOMEM;
    const int rc = set_quotas(o, d, labels, s, size, quota, quota + d->n_classes);
    if (!rc) move_quotas(labels, quota, s);
    mn_free(ctx, quota);
    return rc;
}

static void take_first(int64_t size, mn_split *s) {
    memcpy(s->valid, s->train, (size_t)size * sizeof *s->valid);
    memmove(s->train, s->train + size, (size_t)(s->n_train - size) * sizeof *s->train);
    s->n_valid = size;
    s->n_train -= size;
}

/* Validation samples out of the training ones. */
static int take_valid(modnas_ctx *ctx, const mn_split_opts *o, mn_dataset *d, mn_split *s) {
    const int64_t size = o->valid_size ? o->valid_size : share(s->n_train, o->valid_ratio);
    if (size == 0) return 0;
    if (size >= s->n_train)
        return mn_args_fail(o->args, o->valid_size ? "valid_size" : "valid_ratio",
                            "%lld validation samples of %lld leave none to train on", (long long)size,
                            (long long)s->n_train);
    s->valid = mn_alloc(ctx, (size_t)size, sizeof *s->valid);
    if (!s->valid) return MODNAS_ENOMEM;
    shuffle(s->train, s->n_train, o->valid_seed, "data.valid");
    if (o->balanced) return take_balanced(ctx, o, d, size, s);
    take_first(size, s);
    return 0;
}

static int sample_valid(modnas_ctx *ctx, const mn_split_opts *o, mn_dataset *d, mn_split *s) {
    MN_TRY(candidates(ctx, o, d, &s->valid, &s->n_valid));
    const int64_t size = o->valid_size ? o->valid_size : share(s->n_valid, o->valid_ratio);
    return keep_some(o, "valid_size", size, o->valid_seed, "data.valid", s->valid, &s->n_valid);
}

static int make(modnas_ctx *ctx, const mn_split_opts *o, mn_dataset *train, mn_dataset *valid, mn_split *s) {
    MN_TRY(check_opts(o));
    MN_TRY(candidates(ctx, o, train, &s->train, &s->n_train));
    const int64_t size = o->train_size ? o->train_size : share(s->n_train, o->train_ratio);
    if (size == 0)
        return mn_args_fail(o->args, s->n_train ? "train_ratio" : "classes", "no training sample is left of %lld",
                            (long long)(s->n_train ? s->n_train : train->n));
    MN_TRY(keep_some(o, "train_size", size, o->train_seed, "data.train", s->train, &s->n_train));
    if (valid && !mn_dataset_same(train, valid)) return sample_valid(ctx, o, valid, s);
    MN_TRY(take_valid(ctx, o, train, s));
    if (valid && s->n_valid == 0)
        return mn_args_fail(
            o->args, "valid_ratio",
            "training and validation data are the same %lld samples: give valid_size or valid_ratio to split them, "
            "or other data to validate on (valid_data: {args: {valid: true}})",
            (long long)train->n);
    return 0;
}

int mn_split_make(modnas_ctx *ctx, const mn_split_opts *o, mn_dataset *train, mn_dataset *valid, mn_split *out) {
    mn_split s = {0};
    const int rc = make(ctx, o, train, valid, &s);
    if (rc)
        mn_split_free(ctx, &s);
    else
        *out = s;
    return rc;
}

void mn_split_free(modnas_ctx *ctx, mn_split *s) {
    mn_free(ctx, s->train);
    mn_free(ctx, s->valid);
    *s = (mn_split){0};
}
