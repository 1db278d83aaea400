/* Data of a host: samples that a callback writes, under a name that configurations use. */
#ifndef MODNAS_DATA_H
#define MODNAS_DATA_H

#include "modnas/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Write one sample and its label.
 *
 * Must give the same sample for the same index each time: which ones train and which validate is settled by index.
 * What it writes is fed as it is: normalising and augmenting is the host's. It may be asked in any order and any number
 * of times; it must not run, free or reconfigure anything of the context that calls it (modnas_cancel is fine).
 * @param index  0 <= index < n
 * @param dst    [out] C*H*W values, plain C,H,W, all of them to be written
 * @param label  [out] 0 <= label < n_classes
 * @param ud     as given in the source
 * @return 0; a positive code of the host's own stops what asked for the sample and comes back from the outermost call;
 *         a negative one does so as MODNAS_ECALLBACK */
typedef int (*modnas_sample_fn)(int64_t index, float *dst, int32_t *label, void *ud);

/** Where samples come from. */
typedef struct modnas_data_source {
    size_t size;             /* sizeof(modnas_data_source) as the caller compiled it */
    int64_t n;               /* samples, 1 to 2^31 - 1 */
    int32_t dims[3];         /* channels, height, width of a sample; at most 2^28 values */
    int32_t n_classes;       /* at least 1 */
    int32_t thread_safe;     /* 0: sample is called by the thread that runs, when a batch is needed. Else a second thread
                                calls it, a few batches ahead and never twice at a time for one data loader; different
                                loaders (training, validation, test) may call at the same time */
    int32_t reserved;        /* 0 */
    modnas_sample_fn sample;
    void *ud;
    void (*ud_free)(void *ud); /* may be NULL; called once, when the context goes, and not after an error */
} modnas_data_source;

/** Register data of the host as a component of kind "data": `train_data: {type: NAME}` in a configuration then uses it,
 * as do valid_data, test_data and data, in as many runs as wanted.
 *
 * Two sections that name the same source read the same samples: validation samples are then taken out of the training
 * ones (data_loader: valid_size, valid_ratio), and test_data is refused, as with files. Register two sources for data
 * that is apart. Labels are asked for while a run is made ready, by its thread and for all samples, only where
 * ImageClsDataLoader balances a validation split or selects classes; other loaders see them batch by batch.
 *
 * In a run (modnas_run) a code of the callback ends it as the progress callback's does: what was found is saved. A label
 * out of range gives MODNAS_EINVAL with sample and label, and the run ends as failed.
 * @param name    copied; compared as all component names are, without case, '-', '_' and blanks
 * @param source  copied
 * @return 0; MODNAS_EINVAL (a NULL, or a field out of range: named with its value); MODNAS_EEXIST (the name is taken);
 *         MODNAS_ENOMEM. `ud` stays the caller's then
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_data_register(modnas_ctx *ctx, const char *name, const modnas_data_source *source);

#ifdef __cplusplus
}
#endif
#endif
