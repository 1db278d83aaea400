/* Data: sets of samples, the split, and the prefetching loader.
 *
 *   mn_dataset (kind "data")  --split by the loader's args-->  mn_loader train, valid  --mn_loader_next-->  mn_batch
 *
 * Augmentation draws are keyed by (seed, epoch, sample index): a batch does not depend on how far ahead it was
 * prepared. Training, validation and test samples are kept apart: a sample index never appears in two of them. */
#ifndef MN_DATA_H
#define MN_DATA_H

#include "base/state.h"
#include "registry/registry.h"

typedef struct mn_dataset mn_dataset;
typedef struct mn_loader mn_loader;

/* sample: write sample `index` as float C,H,W (normalised; augmented when `augment`) and its label; rng is keyed by the
 * caller. 0, or a host's own code: the sample is then not there, and whoever asked for it stops with that code. Called
 * from the loader's thread unless on_caller, and then must not touch the context. */
typedef struct mn_dataset_vt {
    int (*sample)(const mn_dataset *d, int64_t index, int augment, mn_rng *rng, float *dst, int32_t *label);
    void (*destroy)(mn_dataset *d); /* frees `state`; the rest is mn_dataset_free's. May be NULL */
    /* Status and text of a sample that `sample` gave a code for; NULL: it is a host's. On the caller's thread. */
    int (*explain)(const mn_dataset *d, int64_t index);
    int32_t on_caller;              /* sample is only called by the thread that asks for batches, when it asks */
} mn_dataset_vt;

/* A file that was read: its name without folder and .gz, and what is in it unpacked. */
typedef struct mn_data_file {
    char name[64];
    char sha256[65];
    int64_t bytes;
    int32_t has_images; /* 0: labels alone, which other samples may share */
} mn_data_file;

struct mn_dataset {
    const mn_dataset_vt *vt;
    modnas_ctx *ctx;
    char *name; /* "fashionmnist" */
    int64_t n;
    int32_t c, h, w, n_classes;
    int32_t *labels;     /* n, or NULL: sample tells; read through mn_dataset_labels */
    int train_split;     /* 1: the files of the training part were read, or none */
    char sha256[65];     /* of the unpacked files read, one behind the other (pixels, labels); "" when there are none */
    mn_data_file *files; /* n_files */
    int32_t n_files;
    const char *const *class_names; /* n_classes, or NULL */
    const double *mean, *stddev;    /* c each, of pixels / 255 that samples are normalised with; NULL: not known */
    void *names_block;              /* owns class_names unless they are constants */
    void *state; /* what sample reads from. Two sets may share one: then they hold the same samples */
};

/* Components of kind "data": env is NULL, out is mn_dataset **. What their builders start with:
 * a set without samples yet: holds ctx, owns a copy of name. NULL when out of memory. */
mn_dataset *mn_dataset_new(modnas_ctx *ctx, const char *name, const mn_dataset_vt *vt);
void mn_dataset_free(mn_dataset *d);                           /* NULL is fine */
int mn_dataset_same(const mn_dataset *a, const mn_dataset *b); /* 1 if both are known to hold the same samples */
/* Name of a file with images that both were read from, so that they share samples; NULL: none. */
const char *mn_dataset_shared_file(const mn_dataset *a, const mn_dataset *b);
/* Labels of all samples, borrowed. A set without `labels` is asked for every sample, once, on this thread.
 * @return 0; MODNAS_ENOMEM, MODNAS_ECANCELED, or as mn_dataset_fail */
int mn_dataset_labels(mn_dataset *d, const int32_t **labels);
/* Status and text for a sample that cannot be used: `code` if it is positive, MODNAS_ECALLBACK if negative; when 0,
 * MODNAS_EINVAL: the label is out of range, or not of the classes that were chosen when it was another one. */
int mn_dataset_fail(const mn_dataset *d, int64_t index, int code, int32_t label);

typedef struct mn_batch {
    int32_t n;        /* samples in it (the last one of an epoch may be smaller) */
    const float *x;   /* n, C, H, W plain */
    const int32_t *y; /* n */
    int64_t index;    /* number of the batch in its epoch */
    int64_t epoch;    /* that epoch; -1: x is not as a loader gave it */
} mn_batch;           /* borrowed until the next call on the loader */

/* env of kind "data_loader". Sets are borrowed and must outlive the loaders. With `valid` NULL, valid_size /
 * valid_ratio split `train`; the validation part is never augmented. A `valid` that holds the same samples as `train`
 * (same object, or same sha256) is split from it too, or refused when no share is given. The split depends on
 * train_seed and valid_seed, not on `seed`: runs with other seeds, and a later training of what a search found, keep
 * the same validation samples apart. */
typedef struct mn_loader_env {
    mn_dataset *train, *valid;
    uint64_t seed;
} mn_loader_env;
typedef struct mn_loaders {
    mn_loader *train, *valid; /* valid NULL: no validation data */
} mn_loaders;                 /* out of kind "data_loader": mn_loaders * */

/* All samples of a set in order, not augmented, one pass. */
int mn_loader_plain(modnas_ctx *ctx, mn_dataset *d, int32_t batch, mn_loader **out);
/* The same for the test set: in batches of another loader's size, of its classes with their new labels. MODNAS_ESHAPE: it
 * chose of other classes than the set has; MODNAS_EINVAL: no sample is of them. */
int mn_loader_test(const mn_loader *of, mn_dataset *d, mn_loader **out);

/* At most n samples of a loader, always the same ones of the same set and split, in a fixed order, not augmented; in
 * batches of its size. */
int mn_loader_sample(const mn_loader *of, int64_t n, mn_loader **out);

int64_t mn_loader_n_batches(const mn_loader *l);
int64_t mn_loader_n_samples(const mn_loader *l);
int32_t mn_loader_batch_size(const mn_loader *l);
int32_t mn_loader_n_classes(const mn_loader *l); /* fewer than the set's when `classes` selects some */
const int32_t *mn_loader_label_map(const mn_loader *l); /* by the set's labels: the new ones, -1: not used; NULL: all stay */
const mn_dataset *mn_loader_dataset(const mn_loader *l);
/* Begin epoch e (0-based): the order is a permutation keyed by (seed, e). Batches prepared ahead are dropped. A loader
 * that was never started begins with epoch 0 at its first batch. */
int mn_loader_start(mn_loader *l, int64_t epoch);
/* Next batch; MODNAS_EDONE at the end of the epoch. mn_loader_next_endless starts the next epoch by itself. A batch
 * with a sample that cannot be used (mn_dataset_fail) is none: after the batches before it, every further call gives
 * that status, and no sample is asked for any more, until an epoch is started. */
int mn_loader_next(mn_loader *l, mn_batch *out);
int mn_loader_next_endless(mn_loader *l, mn_batch *out);
/* The batch that mn_loader_next_endless gives next, which still will. */
int mn_loader_peek_endless(mn_loader *l, mn_batch *out);
/* Where it is: the epoch (-1: it was never started) and the batches of it that were taken; those prepared ahead are
 * prepared again. */
typedef struct mn_loader_place {
    int64_t epoch, taken;
} mn_loader_place;
void mn_loader_where(const mn_loader *l, mn_loader_place *out);
int mn_loader_go(mn_loader *l, const mn_loader_place *place); /* of the same loader, or one like it */
int mn_loader_state(mn_loader *l, mn_state *io);
/* Bytes of the batches that a loader prepares ahead, the one lent included. */
size_t mn_loader_ahead(int32_t batch, size_t sample_bytes);
/* Seconds that callers waited for a batch, and how often they did, for the measurement that the loader never makes the step wait. */
double mn_loader_waited(const mn_loader *l);
int64_t mn_loader_waits(const mn_loader *l);
void mn_loader_free(mn_loader *l); /* NULL is fine */

/* Add ImageClsData, RandData (kind "data"), DefaultDataLoader and ImageClsDataLoader (kind "data_loader") to the
 * registry. */
int mn_data_register(modnas_ctx *ctx);

#endif
