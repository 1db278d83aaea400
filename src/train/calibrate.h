/* Batch-norm statistics of a network whose weights were trained as part of another one. */
#ifndef MN_CALIBRATE_H
#define MN_CALIBRATE_H

#include "train/train.h"

typedef struct mn_calibration mn_calibration;

/* pooled: those of all samples together. average: means of the batches' means and (biased) variances. ema: the running
 * ones after these batches. */
enum mn_calibration_mode { MN_CALIBRATE_POOLED, MN_CALIBRATE_AVERAGE, MN_CALIBRATE_EMA };

int32_t mn_calibration_mode(const char *name); /* "pooled", "average", "ema"; -1: none of these */
const char *mn_calibration_mode_name(int32_t mode);

typedef struct mn_calibration_opts {
    int64_t n_batches; /* at least 1; of training samples that are always the same */
    int32_t mode;
    int32_t clear; /* ema: begin with mean 0 and variance 1, not with what is there */
} mn_calibration_opts;

/* The trainer is borrowed. */
int mn_calibration_new(mn_trainer *t, const mn_calibration_opts *opts, mn_calibration **out);
void mn_calibration_free(mn_calibration *c); /* NULL is fine */
/* Meet every kernel of the space: run allocates nothing afterwards. Does nothing when that is done already. */
int mn_calibration_prepare(mn_calibration *c);
/* Take the statistics of the model as it is set now: those of all batch norms that it runs. After an error they may be
 * anything. */
int mn_calibration_run(mn_calibration *c);
void mn_calibration_set_mode(mn_calibration *c, int32_t mode); /* of the next run */
/* Statistics of all batch norms as they are now, and these again. */
int mn_calibration_keep(mn_calibration *c);
int mn_calibration_restore(mn_calibration *c);
int64_t mn_calibration_n_samples(const mn_calibration *c);
/* Hash the samples: prepare does it, too. */
int mn_calibration_identify(mn_calibration *c);
/* SHA-256 of the samples, pixels and labels batch by batch; known once prepared, or identified. */
const char *mn_calibration_sha256(const mn_calibration *c);

#endif
