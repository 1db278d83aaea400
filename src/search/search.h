/* The two contracts everyone implements: optimizers propose, estimators train and score.
 *
 *   optimizer   ask(n) -> archs    tell(arch, status, metrics)    step(estim): one gradient update of the architecture parameters
 *   estimator   run: drives the whole phase;  evaluate(arch) -> metrics
 *
 * The host owns the loop (pull), or an estimator's run does (push); both go through these. */
#ifndef MN_SEARCH_H
#define MN_SEARCH_H

#include "export/export.h"
#include "train/train.h"

typedef struct mn_optim mn_optim;
typedef struct mn_estim mn_estim;

/* Named results of one evaluation, in a fixed order; the first one is the score (higher is better) unless an objective says more. */
#define MN_MAX_METRICS 16
typedef struct mn_metrics {
    int32_t n;
    const char *name[MN_MAX_METRICS]; /* static or owned by the component that measured */
    double value[MN_MAX_METRICS];
} mn_metrics;

/* ---- optimizers: kind "optim" ------------------------------------------------------------------------------------------------- */

typedef struct mn_optim_vt {
    const char *type;
    /* Up to n archs (made by mn_arch_new for the space); *n_out of them; MODNAS_EDONE when nothing is left. NULL: gradient method. */
    int (*ask)(mn_optim *o, int32_t n, mn_arch *archs, int32_t *n_out);
    int (*tell)(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *metrics);
    int (*step)(mn_optim *o, mn_estim *e); /* NULL: no gradient method */
    void (*destroy)(mn_optim *o);
} mn_optim_vt;

struct mn_optim { /* out of the builder: mn_optim ** */
    const mn_optim_vt *vt;
    modnas_ctx *ctx;
    mn_model *model;
    void *state;
};
typedef struct mn_optim_env {
    mn_model *model;
    uint64_t seed;
} mn_optim_env;
void mn_optim_free(mn_optim *o);

/* ---- metrics: kind "metrics" ----------------------------------------------------------------------------------------------------- */

typedef struct mn_metric mn_metric;
struct mn_metric { /* out of the builder: mn_metric ** */
    modnas_ctx *ctx;
    int (*measure)(mn_metric *m, mn_estim *e, mn_metrics *out); /* appends */
    void (*destroy)(mn_metric *m);
    void *state;
};
void mn_metric_free(mn_metric *m);
int mn_metrics_add(mn_metrics *m, const char *name, double value);
const double *mn_metrics_get(const mn_metrics *m, const char *name);

/* ---- what an estimator tells its observers ------------------------------------------------------------------------------------------ */

typedef struct mn_progress {
    const char *estim, *phase;      /* "search", "train" | "valid" | "arch" */
    int64_t epoch, epochs, step, steps;
    double loss, acc_top1, lr;      /* means so far in the epoch */
    double seconds, left;           /* of this estimator; left < 0: unknown */
} mn_progress;

typedef struct mn_evaluation {      /* one line of history.tsv */
    int64_t index;
    const char *estim;
    const mn_node *arch;            /* exported description; may be NULL */
    int status;
    double score;
    const mn_metrics *metrics;
    int is_best;
} mn_evaluation;

typedef struct mn_observer {
    int (*progress)(const mn_progress *p, void *ud);
    int (*evaluated)(const mn_evaluation *v, void *ud);
    void *ud;
} mn_observer;

/* ---- estimators: kind "estim" (DefaultEstim, SuperNetEstim) --------------------------------------------------------------------------- */

typedef struct mn_estim_vt {
    const char *type;
    int (*run)(mn_estim *e);
    void (*destroy)(mn_estim *e);
} mn_estim_vt;

struct mn_estim { /* out of the builder: mn_estim ** */
    const mn_estim_vt *vt;
    modnas_ctx *ctx;
    char *name;
    const mn_node *conf;      /* its section; borrowed */
    mn_model *model;
    mn_trainer *trainer;      /* borrowed */
    mn_optim *optim;          /* may be NULL; borrowed */
    mn_exporter *exporter;    /* may be NULL; borrowed */
    mn_metric *metric;        /* owned */
    mn_observer observer;
    int64_t n_evaluations;
    double best_score;
    mn_metrics best_metrics;
    mn_node *best_arch;       /* owned; NULL while none */
    void *state;
};
typedef struct mn_estim_env {
    const char *name;
    const mn_node *conf;
    mn_model *model;
    mn_trainer *trainer;
    mn_optim *optim;
    mn_exporter *exporter;
    mn_observer observer;
} mn_estim_env;
void mn_estim_free(mn_estim *e);

int mn_optim_register(modnas_ctx *ctx);
int mn_estim_register(modnas_ctx *ctx);
int mn_metrics_register(modnas_ctx *ctx);

#endif
