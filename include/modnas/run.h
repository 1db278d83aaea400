/* Running what a configuration describes, listing what there is, and looking at devices. */
#ifndef MODNAS_RUN_H
#define MODNAS_RUN_H

#include "modnas/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Where a run is. All pointers are valid during the callback only. */
typedef struct modnas_progress {
    size_t size;              /* as the library knows it */
    const char *estim;        /* name of the estimator that runs */
    const char *phase;        /* "train", "valid" or "arch" */
    int64_t epoch, epochs;    /* 0-based; of this estimator */
    int64_t step, steps;      /* 0-based; of this epoch */
    double loss, acc_top1, lr;/* means over the epoch so far; accuracy in 0..1; NaN where it does not apply */
    double seconds, seconds_left; /* of this estimator; left < 0: not known yet */
} modnas_progress;

/** Called after every step on the caller's thread. Return 0 to go on; a positive code stops the run and comes back from it. */
typedef int (*modnas_progress_fn)(const modnas_progress *p, void *ud);

/** Options of a run. Zero in a field means its default. */
typedef struct modnas_run_opts {
    size_t size;                   /* sizeof(modnas_run_opts) as the caller compiled it */
    modnas_progress_fn progress;   /* default: none */
    void *progress_ud;
    int32_t resume;   /* 1: go on from the newest good checkpoint in the run's folder; without one the run begins */
    int32_t reserved; /* 0 */
} modnas_run_opts;

/** Run a configuration: check, construct, run its estimators in order, export, and write exp/NAME/ (docs/formats.md).
 *
 * Everything that can be found wrong before the first step is found before anything is written: all components are
 * built and all kernels of the space are planned first. A supernet is evaluated as the network that would be derived
 * from it then: every mixed op reduced to its most probable candidate, with the shared weights. `test_data` is read
 * once, after the last estimator, with the weights as they are then.
 *
 * @param cfg      checked first; what is found wrong before the first step gives MODNAS_ECONFIG, MODNAS_ENOTFOUND,
 *                 MODNAS_EFORMAT, ... with *started = 0, and nothing was written
 * @param opts     NULL: defaults
 * @param started  [out] may be NULL; 1 once everything was made and the run goes on to write its folder
 * @param results  [out] may be NULL: results.json as text, freed with modnas_string_free; NULL after an error. A run that
 *                 was stopped gives what there is so far, with "complete": false
 *                 With opts.resume a checkpoint of another space, seed, number of threads, data or configuration gives
 *                 MODNAS_ECONFIG with *started = 0 and both values
 * @return 0; MODNAS_ECANCELED after modnas_cancel, or the own code of the progress or a data callback (weights and best
 *         architecture so far are saved); MODNAS_ECALLBACK when that code is negative; MODNAS_ENUMERIC when a loss is not finite;
 *         MODNAS_EIO when something cannot be written (what was saved before stays whole); MODNAS_EBUSY with
 *         *started = 0 when another run has the folder
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_run(modnas_config *cfg, const modnas_run_opts *opts, int32_t *started, char **results);

/** Every registered component as a JSON array of {"kind","name","text","args":[{"name","type","default","text"}]}. An
 * arg also has "required" (its default is then null) and, where its type is a component or one of some words, "of".
 *
 * @param kind  only this kind; arch_space: backbones, candidates and mixed ops; NULL: all
 * @param text  [out] freed with modnas_string_free
 * @return 0; MODNAS_ENOTFOUND (no such kind, with a suggestion); MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_list_json(modnas_ctx *ctx, const char *kind, char **text);
/** The same as aligned text for a person. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_list_text(modnas_ctx *ctx, const char *kind, char **text);

/** Backends that can be opened here, as JSON: [{"name","version","available","why"}]. Freed with modnas_string_free. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_devices_json(modnas_ctx *ctx, char **text);
/** The same as text for a person. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_devices_text(modnas_ctx *ctx, char **text);

#ifdef __cplusplus
}
#endif
#endif
