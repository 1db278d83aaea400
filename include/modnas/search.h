/* Searching: one handle for a whole configuration, which runs by itself (push) or is driven step by step (pull).
 *
 *   push   modnas_search_run: the configuration's estimators in order; callbacks report, and stop it if they wish
 *   pull   ask -> train -> evaluate -> tell      optimizers that propose architectures (RandomSearchOptim, ...)
 *          train, arch_step -> evaluate          optimizers that make gradient steps (BinaryGateOptim, ...)
 *
 * Both go through the same optimizers, trainers and metrics, and may be mixed: pulling works before a run, after it,
 * and inside the run of an estimator that the host registered. From the callbacks of modnas_search_opts one may ask,
 * export, read architectures and errors, and cancel; what would change the search there, and everything but reading
 * inside a component's callbacks, answers MODNAS_EBUSY.
 *
 * Optimizers, estimators, metrics, losses and exporters of the host are components like any other:
 * modnas_registry_register with one of the tables at the end of this file. */
#ifndef MODNAS_SEARCH_H
#define MODNAS_SEARCH_H

#include "modnas/model.h"
#include "modnas/run.h"
#include "modnas/tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- architectures ---------------------------------------------------------------------------------------------- */

/** An architecture: for every parameter of a model's space that has options, the number of one of them. Parameters are
 * choices, and logits, whose options are the candidates of their mixed op. It holds its model. */
typedef struct modnas_arch modnas_arch;

enum { MODNAS_OPEN = -1 }; /* instead of an option: none was chosen, the model does as it would by itself */

/** Make the architecture that the model stands for now: its choices, and the most probable candidate of all logits; of
 * the model of a search with limits on costs (objective.subject_to) of all together the most probable ones that obey.
 *
 * @param out  [out] freed by the caller with modnas_arch_free
 * @return 0; MODNAS_EINVAL; MODNAS_ENUMERIC (logits that are not finite); MODNAS_ENOTFOUND (the choices that are set leave
 *         none that obeys: the text has the limits and the costs that are left); MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_arch_new(modnas_model *model, modnas_arch **out);
/** The same once more. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_arch_copy(const modnas_arch *arch, modnas_arch **out);
/** Release. NULL is fine, and so is a model or a search that went before. Since 0.1. */
MODNAS_API void modnas_arch_free(modnas_arch *arch);

/** How many parameters there are; 0 for NULL. Since 0.1. */
MODNAS_API int32_t modnas_arch_n(const modnas_arch *arch);
/** Option of parameter i; MODNAS_OPEN also where there is no such parameter. Since 0.1. */
MODNAS_API int32_t modnas_arch_get(const modnas_arch *arch, int32_t i);
/** Set the option of parameter i; nothing but the architecture changes.
 *
 * @param option  0 <= option < modnas_arch_n_options, or MODNAS_OPEN
 * @return 0; MODNAS_EINVAL (the parameter, the option, and how many it has)
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_arch_set(modnas_arch *arch, int32_t i, int32_t option);
/** How many options parameter i has, what it is called, and what option `option` is called ("MB3E6"). Texts live as
 * long as the model. 0 and NULL where there is none. Since 0.1. */
MODNAS_API int32_t modnas_arch_n_options(const modnas_arch *arch, int32_t i);
MODNAS_API const char *modnas_arch_name(const modnas_arch *arch, int32_t i);
MODNAS_API const char *modnas_arch_option(const modnas_arch *arch, int32_t i, int32_t option);
/** {"name": "option", ...} as one line of JSON; null for what is open.
 *
 * @param json  [out] freed with modnas_string_free
 * @return 0; MODNAS_EINVAL; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_arch_json(const modnas_arch *arch, char **json);

/* ---- the handle ------------------------------------------------------------------------------------------------- */

/** One named result of an evaluation. The first one of several is the score: the higher the better, but for loss,
 * params, macs, latency_ms and arena_bytes, of which less is better. */
typedef struct modnas_metric {
    const char *name;
    double value;
} modnas_metric;

/** An evaluation, as it is recorded. Pointers are valid during the callback only. */
typedef struct modnas_evaluation {
    size_t size;                  /* as the library knows it */
    const char *estim;            /* estimator that made it */
    int64_t index;                /* 0-based, of that estimator */
    const modnas_arch *arch;      /* what was evaluated */
    const char *desc;             /* the same as the exporter describes it: one line of JSON, "null" without one */
    const modnas_metric *metrics; /* n_metrics */
    int32_t n_metrics;
    int32_t status;  /* 0; else it failed with this status or code, and there are no metrics */
    int32_t is_best; /* 1: better than all before it of this estimator */
    double score;    /* NaN: failed, or the metric is not a number: recorded, never the best */
} modnas_evaluation;

/** Options of a search. Zero in a field means its default. The callbacks run on the caller's thread; they return 0 to
 * go on, anything else stops what runs (registry.h says what comes back). */
typedef struct modnas_search_opts {
    size_t size; /* sizeof(modnas_search_opts) as the caller compiled it */
    /** The estimator of the configuration whose trainer, epochs, metrics and losses the pull functions use. Default:
     * the first; if there is none at all, the default trainer and ValidateMetrics. */
    const char *estim;
    /** After every step and every batch of validation, of push and pull. */
    modnas_progress_fn progress;
    /** After every evaluation that was recorded: an estimator's own, and modnas_search_tell. */
    int (*evaluated)(modnas_search *search, const modnas_evaluation *evaluation, void *ud);
    /** After every epoch of an estimator: phase is "epoch", the means are those of its training. */
    int (*epoch_done)(modnas_search *search, const modnas_progress *epoch, void *ud);
    void *ud;                  /* given to the three */
    void (*ud_free)(void *ud); /* called once, when the search goes; default: nothing */
    int32_t resume;            /* of modnas_search_run: as that of modnas_run_opts */
    int32_t reserved;          /* 0 */
} modnas_search_opts;

/** Make everything that a configuration describes: data, model, trainers, optimizer, exporter, estimators; plan all
 * kernels of the space. Nothing is written and no step is made.
 *
 * @param cfg   checked first; copied, may be freed or changed afterwards
 * @param opts  NULL: defaults
 * @param out   [out] freed by the caller with modnas_search_free. After an error opts->ud is still the caller's
 * @return 0; what is found wrong before the first step (as modnas_run); MODNAS_ENOTFOUND (no such estimator);
 *         MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_new(modnas_config *cfg, const modnas_search_opts *opts,
                                                 modnas_search **out);
/** Release. NULL is fine, and so is the search of modnas_run that a component is given: it stays. Inside a callback of
 * the same search it goes when the outermost call returns. Since 0.1. */
MODNAS_API void modnas_search_free(modnas_search *search);

/** Its model: borrowed, lives as long as the search. Since 0.1. */
MODNAS_API modnas_model *modnas_search_model(const modnas_search *search);
/** Weight steps of an epoch; 0 without training data. Since 0.1. */
MODNAS_API int64_t modnas_search_n_steps(const modnas_search *search);
/** The best architecture so far of the estimator that is pulled, or runs: borrowed until the next evaluation. NULL:
 * none yet.
 *
 * @param score  [out] may be NULL; untouched if there is none
 * Since 0.1. */
MODNAS_API const modnas_arch *modnas_search_best(const modnas_search *search, double *score);

/** Run the configuration's estimators in order and write exp/NAME/, exactly as modnas_run does. Once: afterwards
 * MODNAS_EDONE. What was told before is in its history and counts.
 *
 * @param results  [out] may be NULL: results.json as text, freed with modnas_string_free; NULL after an error. A run
 *                 that was stopped gives what there is so far
 * @return as modnas_run; MODNAS_EBUSY also inside a callback; MODNAS_ECONFIG (the configuration has no estimator)
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_run(modnas_search *search, char **results);

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

/** Write all of a search into a file (docs/formats.md): weights, architecture parameters, optimizers, random draws,
 * where data and estimators are, history. modnas_search_load of the same configuration goes on as if nothing had come
 * between, with the same bytes on the same backend.
 *
 * @param path  replaced at once; after an error it is what it was
 * @return 0; MODNAS_EINVAL; MODNAS_EUNSUPPORTED (an optimizer, or an estimator that is under way, does not save its
 *         state); MODNAS_EIO; MODNAS_EBUSY; MODNAS_ENOMEM; codes of callbacks
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_save(modnas_search *search, const char *path);
/** Put a search where the file says, whether it was written by modnas_search_save or by a run.
 *
 * @return 0; MODNAS_ENOTFOUND, MODNAS_EIO; MODNAS_EFORMAT (torn or damaged); MODNAS_EUNSUPPORTED (of a later version);
 *         MODNAS_ECONFIG (of another space, seed, number of threads, data or configuration: both values); MODNAS_EBUSY
 *         (also: a run is under way); MODNAS_ENOMEM; codes of callbacks. With MODNAS_ECONFIG and for a damaged file the
 *         search is as before. After what is found later it takes nothing but another load (MODNAS_EINVAL)
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_load(modnas_search *search, const char *path);
/** In the run of an estimator of the host: a place from which it can go on. The run's checkpoint is written if one is
 * due or the run was canceled; for an estimator without `save` nothing is.
 *
 * @return 0; MODNAS_ECANCELED; MODNAS_EINVAL (not inside the run of an estimator); MODNAS_EBUSY; MODNAS_ENOMEM; codes
 * of callbacks Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_checkpoint(modnas_search *search);

/** What the `save` of a component writes to. */
typedef struct modnas_state modnas_state;
/** Add bytes behind those that there are; `load` gets all of them.
 *
 * @return 0; MODNAS_EINVAL; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_state_add(modnas_state *state, const void *data, size_t bytes);

/* ---- pull: the host owns the loop. Nothing is written ----------------------------------------------------------- */

/** Ask the optimizer for up to n architectures.
 *
 * @param archs  [out] n places; the first *n_out get architectures that the caller frees
 * @param n_out  [out] fewer than n when the space runs out
 * @return 0; MODNAS_EDONE (nothing left to propose); MODNAS_EUNSUPPORTED (the optimizer makes gradient steps instead);
 *         MODNAS_EINVAL (also: the configuration has no optim); MODNAS_EBUSY; MODNAS_ENOMEM; an own optimizer's code
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_ask(modnas_search *search, int32_t n, modnas_arch **archs, int32_t *n_out);
/** Record an evaluation, wherever it was made, and tell the optimizer. A failure is an outcome, too.
 *
 * @param arch     what was evaluated, asked for or not; NULL: what the model stands for now
 * @param status   0; else the evaluation failed with this status or code, and metrics are not read
 * @param metrics  n of them, the first is the score; NaN is recorded and never the best. Names are copied
 * @return 0; MODNAS_EINVAL (an architecture of another model, no metrics, a name that is NULL, empty or not one line);
 *         MODNAS_EUNSUPPORTED (more than 16 metrics, here or in the whole search); MODNAS_EBUSY; MODNAS_ENOMEM; codes
 *         of callbacks. Nothing was recorded then, unless it is the code of `evaluated`
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_tell(modnas_search *search, const modnas_arch *arch, int32_t status,
                                                  const modnas_metric *metrics, int32_t n);
/** Weight steps on the training data, with the rate of the schedule; epochs follow each other by themselves.
 *
 * @param arch     trains this path alone; NULL: as the estimator draws it (RandomSamplingEstim, SuperNetEstim beside an
 *                 optimizer that proposes), else as the mixed ops draw and choices are set. These are afterwards as
 *                 before
 * @param n_steps  0 or more
 * @param loss     [out] may be NULL: mean over the samples of these steps; NaN without a step
 * @return 0; MODNAS_EINVAL (another model's architecture; no trainer); MODNAS_ENUMERIC (a loss that is not finite;
 *         weights are as before that step); MODNAS_ECANCELED; MODNAS_EBUSY; codes of callbacks. Steps made before the
 *         one that failed stay made
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_train(modnas_search *search, const modnas_arch *arch, int64_t n_steps,
                                                   double *loss);
/** One step of a gradient optimizer on the architecture parameters, with the next batch of validation data (of training
 * data if there is none).
 *
 * @param loss  [out] may be NULL
 * @return 0; MODNAS_EUNSUPPORTED (the optimizer proposes architectures instead); otherwise as modnas_search_train
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_arch_step(modnas_search *search, double *loss);
/** Measure an architecture with the weights as they are: metrics of the configuration, then params and macs. Nothing is
 * recorded; modnas_search_tell does that.
 *
 * @param arch     what is open in it is as derived; NULL: all derived
 * @param metrics  [out] cap places; names live as long as the search
 * @param n        [out] how many metrics there are; those beyond cap are left out
 * @return 0; MODNAS_EINVAL (another model's architecture; a metric without the data that it needs); MODNAS_ENUMERIC;
 *         MODNAS_ECANCELED; MODNAS_EBUSY; codes of callbacks
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_evaluate(modnas_search *search, const modnas_arch *arch,
                                                      modnas_metric *metrics, int32_t cap, int32_t *n);
/** An architecture as the configuration's exporter describes it, in YAML: what `arch_desc` reads.
 *
 * @param arch  NULL: what the model stands for now
 * @param yaml  [out] freed with modnas_string_free
 * @return 0; MODNAS_EINVAL (also: `export: null`); MODNAS_EBUSY; MODNAS_ENOMEM; codes of an exporter of the host
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_search_export(modnas_search *search, const modnas_arch *arch, char **yaml);

/* ---- the host's own components: tables for modnas_registry_register --------------------------------------------- */

/** kind "optim": proposes architectures. */
typedef struct modnas_optim_vt {
    size_t size; /* sizeof(modnas_optim_vt) as the caller compiled it */
    /** One optimizer for a model. Default: its state is NULL. */
    int (*create)(modnas_model *model, const modnas_args *args, void **state, void *ud);
    /** Fill in up to n architectures with modnas_arch_set; as they come, choices are those of the model and logits are
     * open. *n_out 0 (or MODNAS_EDONE): nothing is left. Has to be given. */
    int (*ask)(void *state, modnas_arch *const *archs, int32_t n, int32_t *n_out, void *ud);
    /** What came of one: metrics is NULL and n 0 if status is not 0. Default: results are of no interest. */
    int (*tell)(void *state, const modnas_arch *arch, int32_t status, const modnas_metric *metrics, int32_t n,
                void *ud);
    void (*destroy)(void *state, void *ud);
    /** Write with modnas_state_add all that the next ask depends on; take it back into a state that create has made.
     * Default, for both: a search with this optimizer makes no checkpoints. */
    int (*save)(void *state, modnas_state *out, void *ud);
    int (*load)(void *state, const void *data, size_t bytes, void *ud);
} modnas_optim_vt;

/** kind "estim": a phase of a search. run drives `search` with the pull functions, which use this estimator's trainer,
 * epochs, metrics and losses; it passes on what they return when that is not 0. Its section needs no epochs. */
typedef struct modnas_estim_vt {
    size_t size; /* sizeof(modnas_estim_vt) as the caller compiled it */
    int (*run)(modnas_search *search, const modnas_args *args, void *ud);
    /** Inside modnas_search_checkpoint and modnas_search_save: write where run is. load: take that back; run is called
     * next, and goes on from there. Default, for both: a run that was interrupted begins this estimator anew. */
    int (*save)(modnas_search *search, modnas_state *out, void *ud);
    int (*load)(modnas_search *search, const void *data, size_t bytes, void *ud);
} modnas_estim_vt;

/** kind "metrics": measures the architecture that is evaluated; search and its model may be read. The result has the
 * component's name, which also says whether less is better (modnas_metric). */
typedef struct modnas_metrics_vt {
    size_t size; /* sizeof(modnas_metrics_vt) as the caller compiled it */
    int (*measure)(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value, void *ud);
} modnas_metrics_vt;

/** kind "criterion": records a loss, one number (1,1,1,1), from the network's output (N, classes, 1, 1) and the labels
 * (N, 1, 1, 1), as a forward does (module.h). */
typedef struct modnas_criterion_vt {
    size_t size; /* sizeof(modnas_criterion_vt) as the caller compiled it */
    int (*loss)(modnas_tape *tape, modnas_value *logits, modnas_value *target, const modnas_args *args,
                modnas_value **loss, void *ud);
} modnas_criterion_vt;

/** kind "export": describes an architecture as YAML. *yaml stays the host's; it is read at once. */
typedef struct modnas_export_vt {
    size_t size; /* sizeof(modnas_export_vt) as the caller compiled it */
    int (*run)(modnas_model *model, const modnas_arch *arch, const modnas_args *args, const char **yaml, void *ud);
} modnas_export_vt;

#ifdef __cplusplus
}
#endif
#endif
