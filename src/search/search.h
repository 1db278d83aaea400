/* The two contracts everyone implements: optimizers propose, estimators train and score.
 *
 *   optimizer   ask(n) -> archs    tell(arch, status, metrics)    step(estim): one gradient update of the alphas
 *   estimator   run: drives the whole phase, evaluating as it goes (mn_estim_evaluate)
 *
 * The host owns the loop (pull), or an estimator's run does (push); both are made of the same steps (steps.c, estim.c).
 */
#ifndef MN_SEARCH_H
#define MN_SEARCH_H

#include "export/export.h"
#include "search/collapse.h"
#include "search/objective.h"
#include "train/train.h"

typedef struct mn_optim mn_optim;
typedef struct mn_estim mn_estim;

/* ---- optimizers: kind "optim" ------------------------------------------------------------------------ */

typedef struct mn_optim_vt {
    const char *type;
    /* Up to n architectures of the model into archs; *n_out of them; MODNAS_EDONE when nothing is left. NULL: gradient
     * method. */
    int (*ask)(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out);
    int (*tell)(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *metrics);
    int (*step)(mn_optim *o, mn_estim *e); /* NULL: no gradient method */
    void (*destroy)(mn_optim *o);
    /* Save or load all that the next ask, tell or step depends on and the configuration does not say (base/state.h).
     * NULL: it cannot, and a search with it makes no checkpoints. */
    int (*state)(mn_optim *o, mn_state *io);
} mn_optim_vt;

struct mn_optim { /* out of the builder: mn_optim ** */
    const mn_optim_vt *vt;
    modnas_ctx *ctx;
    mn_model *model;
    int32_t needs;    /* enum mn_arch_need: what its steps ask of the trainer */
    int32_t n_active; /* gradient methods: size of the active sets of an architecture step; 0: all candidates */
    void *state;      /* owned block */
};
typedef struct mn_optim_env {
    mn_model *model;
    uint64_t seed;
    const mn_objective *objective; /* NULL: the first metric; lives longer than the optimizer */
} mn_optim_env;
/* state_bytes of zeroed state. */
int mn_optim_new(const mn_optim_vt *vt, modnas_ctx *ctx, const mn_optim_env *env, size_t state_bytes, mn_optim **out);
/* For builders: made, and filled by `fill`, after whose failure it is freed. out: mn_optim **. */
int mn_optim_make(const mn_optim_vt *vt, const mn_args *a, const mn_optim_env *env, size_t state_bytes,
                  int (*fill)(mn_optim *o, const mn_args *a, const mn_optim_env *env), void *out);
void mn_optim_free(mn_optim *o); /* NULL is fine */

/* ---- metrics: kind "metrics" ------------------------------------------------------------------------- */

typedef struct mn_metric mn_metric;
struct mn_metric { /* out of the builder: mn_metric ** */
    modnas_ctx *ctx;
    int (*measure)(mn_metric *m, mn_estim *e, mn_metrics *out); /* appends */
    int (*io)(mn_metric *m, mn_state *io); /* save or load what it remembers; NULL: nothing */
    int32_t needs_valid;                                        /* 1: measured on validation data */
    int32_t is_timed;                                           /* 1: it gives latency_ms, which a table must not give too */
    void (*destroy)(mn_metric *m);
    void *state;     /* owned block */
    mn_metric *next; /* of the same estimator; owned */
};
void mn_metric_free(mn_metric *m); /* NULL is fine */

/* ---- what an estimator tells its observers ----------------------------------------------------------- */

typedef struct mn_progress {
    const char *estim, *phase; /* "search", "train" | "valid" | "arch" */
    int64_t epoch, epochs, step, steps;
    double loss, acc_top1, lr; /* means so far in the epoch */
    double seconds, left;      /* of this estimator; left < 0: unknown */
    const mn_scores *sofar;    /* sums that the means are of */
} mn_progress;

typedef struct mn_evaluation { /* one line of history.tsv */
    int64_t index;
    const char *estim;
    const mn_node *arch; /* exported description; may be NULL */
    int status;          /* not 0: it failed, and there are no metrics */
    double score;        /* NaN when it failed */
    const mn_metrics *metrics;
    int is_best;
    const mn_arch *point;      /* the same as a point of the space */
    const mn_fitness *fitness; /* how the objective sees it */
} mn_evaluation;

typedef struct mn_observer {
    int (*progress)(const mn_progress *p, void *ud);
    int (*evaluated)(const mn_evaluation *v, void *ud);
    void *ud;
    int (*epoch_done)(const mn_progress *p, void *ud);
    /* All is where it can go on from; after an epoch, or within one. NULL: nobody wants to know. */
    int (*checkpoint)(mn_estim *e, int is_epoch, void *ud);
    /* The weights as they are, for a file of this tag. NULL: nobody keeps them. */
    int (*save)(mn_estim *e, const char *tag, void *ud);
} mn_observer;

/* ---- estimators: kind "estim" (DefaultEstim, SuperNetEstim) ------------------------------------------ */

enum { MN_SEARCHES_STILL = 1, MN_SEARCHES_MOVING = 2 }; /* with weights that stay, or that move meanwhile */

typedef struct mn_estim_vt {
    const char *type;
    int (*prepare)(mn_estim *e); /* what can be done and found wrong before the first step; run does it too when it was
                                    not asked for */
    int (*run)(mn_estim *e);
    void (*destroy)(mn_estim *e); /* what `state` holds beyond its block; NULL: nothing */
    /* Instead of the section's metrics, params and macs; MODNAS_ENOTFOUND is an outcome: there is nothing to measure.
     * NULL: these. */
    int (*measure)(mn_estim *e, const mn_arch *arch, mn_metrics *out);
    int32_t is_free; /* 1: whoever drives it counts: a section without epochs, metrics or trainer will do */
    /* Save or load what `state` holds of a phase that is under way, beyond what all estimators share. Where run then
     * goes on: see mn_estim_begin. NULL: it cannot go on in the middle, checkpoints are made before and after it. */
    int (*state)(mn_estim *e, mn_state *io);
    int32_t searches; /* MN_SEARCHES_*: what it evaluates was sought: it gets a baseline (pipeline/baseline.h) */
    /* An epoch of weight steps is about to begin; NULL: nothing. */
    int (*open_epoch)(mn_estim *e, int64_t epoch);
    /* A weight step where nobody named an architecture; NULL: mn_trainer_step. */
    int (*weight_step)(mn_estim *e, mn_scores *scores);
    /* Around the metrics of an architecture, which the model is reduced to (mn_estim_take); NULL: nothing. */
    int (*take)(mn_estim *e);
    int (*put)(mn_estim *e);
} mn_estim_vt;

struct mn_estim { /* out of the builder: mn_estim ** */
    const mn_estim_vt *vt;
    modnas_ctx *ctx;
    char *name;
    const mn_node *conf; /* its section; borrowed */
    mn_model *model;
    mn_trainer *trainer;                      /* borrowed */
    mn_optim *optim;                          /* may be NULL; borrowed */
    mn_exporter *exporter;                    /* may be NULL; borrowed */
    const mn_objective *objective;            /* borrowed; NULL: the first metric */
    struct modnas_search *search;             /* whose it is, for components of hosts; NULL: nobody's */
    mn_metric *metric;                        /* owned; the first one's first value is the score */
    mn_vec criteria;                          /* mn_criterion *: of the section's `criterion`; owned */
    const mn_criterion *by_pass[MN_N_PASSES]; /* those that apply, NULL: the trainer's */
    mn_observer observer;
    int64_t n_evaluations;
    mn_metrics last_metrics; /* of the latest evaluation */
    double best_score;
    mn_metrics best_metrics; /* n 0: nothing was best yet */
    mn_node *best_arch;      /* owned; NULL while none, or without an exporter */
    mn_arch *best_point;     /* owned; NULL while none */
    mn_collapse collapse;    /* after the latest epoch of a gradient search; n_ops 0: nothing to say */
    const mn_arch *subject;  /* while metrics measure: what they measure */
    /* where it is */
    int64_t epoch, epochs;        /* epochs behind it: the number of the current one */
    int64_t epoch_base;           /* that with which the trainer's present optimizer and schedule began */
    int32_t resumed;              /* 1: loaded in the middle of its phase, and not gone on yet */
    int32_t resumable;            /* 1: what stopped it left all as mn_estim_checkpoint would find it */
    int32_t quiet;                /* > 0: what is measured is one of many: no lines of log, no progress */
    int32_t transient;            /* > 0: weights or the model are to be put back: no checkpoint now */
    int32_t is_given;             /* 1: weight steps train an architecture that the host named */
    int32_t is_stopped;           /* 1: no epoch follows, though there could be more */
    int32_t trains_each;          /* 1: each architecture is trained before it is measured, by vt->take: no weights are shared */
    int32_t epoch_open;           /* 1: the epoch was begun, and not all of its steps were made */
    int64_t n_steps, total_steps; /* weight steps made, and those that there will be */
    int64_t n_arch_steps;         /* architecture steps made */
    double started, lr;
    mn_scores scores, arch_scores;  /* of the weight and of the architecture steps of this epoch */
    const char *calibration_sha256; /* of the samples that statistics are taken from; NULL: none are */
    const char *table_sha256;       /* of the table that it looks architectures up in; NULL: in none */
    void *state;                    /* owned block */
};
typedef struct mn_estim_env {
    const char *name;
    const mn_node *conf;
    mn_model *model;
    mn_trainer *trainer;
    mn_optim *optim;
    mn_exporter *exporter;
    mn_observer observer;
    struct modnas_search *search;
    const mn_objective *objective;
} mn_estim_env;
/* state_bytes of zeroed state; reads `epochs` and builds the metric from env->conf. */
int mn_estim_new(const mn_estim_vt *vt, modnas_ctx *ctx, const mn_estim_env *env, size_t state_bytes, mn_estim **out);
/* For builders: made, and filled by `fill`, after whose failure it is freed. out: mn_estim **. */
int mn_estim_make(const mn_estim_vt *vt, const mn_args *a, const mn_estim_env *env, size_t state_bytes,
                  int (*fill)(mn_estim *e, const mn_args *a), void *out);
void mn_estim_free(mn_estim *e); /* NULL is fine */
/* One more metric, behind those that there are; one more criterion, from the next phase on. */
int mn_estim_add_metric(mn_estim *e, const mn_node *spec);
int mn_estim_add_criterion(mn_estim *e, const mn_node *spec);
extern const char *const mn_estim_keys[]; /* keys of an estimator's section beside type and args; ends with NULL */

/* Report a step; non-zero when the run is to stop: MODNAS_ECANCELED, or what the observer
 * returned. */
int mn_estim_tick(mn_estim *e, const char *phase, int64_t step, int64_t steps, const mn_scores *sofar);
/* Report the end of an epoch. */
int mn_estim_epoch_done(mn_estim *e);

/* ---- evaluations (estim.c): of an architecture (NULL: none given) whose open options are as derived ------------- */

/* Its metrics with the weights as they are, then its params and macs. Nothing is recorded. */
int mn_estim_measure(mn_estim *e, const mn_arch *arch, mn_metrics *out);
/* The same of the model as it stands with weights that were saved when it was measured: nothing is done to them, and
 * nothing is timed. MODNAS_EUNSUPPORTED for an estimator that measures in its own way. */
int mn_estim_remeasure(mn_estim *e, mn_metrics *out);
/* What has to be done to the weights before the reduced model is measured, and undone after, also when take failed. */
int mn_estim_take(mn_estim *e);
int mn_estim_put(mn_estim *e);
/* C, H, W of an image of the training data, or else of the model's own size. */
void mn_estim_input(const mn_estim *e, int32_t input[3]);
/* Multiply-adds for one image of the training data, or else of the model's own size; while the model is derived. */
int mn_estim_macs(const mn_estim *e, int64_t *macs);
/* How the exporter describes it; NULL without one. The caller's. */
int mn_estim_describe(mn_estim *e, const mn_arch *arch, mn_node **desc);
/* Record an evaluation: count it, keep the best (the first of equal scores stays it), tell the optimizer if it is one
 * that proposes, and the observers. status 0: m has at least one metric; else m is not read. */
int mn_estim_record(mn_estim *e, const mn_arch *arch, int status, const mn_metrics *m);
/* Measure and record the network derived from the model as it is; the optimizer is told only when it proposed `arch`,
 * which the model is set to (NULL: it is not told). */
int mn_estim_evaluate(mn_estim *e, const mn_arch *proposed);

/* ---- steps of a phase (steps.c) --------------------------------------------------------------------------------- */

/* Start a phase: checkpoint of the section's `chkpt`, new optimizer and schedule, clocks. A phase that was loaded goes
 * on instead, so that run is written as
 *
 *     MN_TRY(mn_estim_begin(e));
 *     while (mn_estim_goes_on(e)) {
 *         MN_TRY(mn_estim_train_epoch(e, before));          what is left of it
 *         MN_TRY(mn_estim_evaluate(e, ...));
 *         MN_TRY(mn_estim_epoch_done(e));                   e->epoch is one more then
 *     }
 */
int mn_estim_begin(mn_estim *e);
int mn_estim_goes_on(const mn_estim *e); /* 1: another epoch follows */
/* Between two steps of its own, where what e and e->state say is all that is needed to go on: a checkpoint is made if
 * one is due. Within mn_estim_train_epoch and mn_estim_epoch_done this is done already. Nothing while e->transient or
 * an evaluation is under way. */
int mn_estim_checkpoint(mn_estim *e, int is_epoch);
/* Save or load where the phase is; with its vt's state, which has to be there, while it is under way. */
int mn_estim_state(mn_estim *e, mn_state *io, int under_way);
/* All kernels that steps of this estimator's kind can need; nothing without a trainer. */
int mn_estim_prepare(mn_estim *e);
int mn_scores_state(mn_scores *s, mn_state *io);
int mn_estim_need_trainer(const mn_estim *e); /* MODNAS_EINVAL when it has none */
/* One weight step, reported; the first one of an epoch begins it. sum (may be NULL) is added to. */
int mn_estim_train_step(mn_estim *e, mn_scores *sum);
/* One step of a gradient optimizer, likewise. */
int mn_estim_arch_step(mn_estim *e, mn_scores *sum);
/* The weight steps that are left of epoch e->epoch; before (may be NULL) is called before each. */
int mn_estim_train_epoch(mn_estim *e, int (*before)(mn_estim *e, int64_t step));

int mn_optim_register(modnas_ctx *ctx);
int mn_estim_register(modnas_ctx *ctx);
int mn_metrics_register(modnas_ctx *ctx);

#endif
