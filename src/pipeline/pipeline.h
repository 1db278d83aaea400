/* A search: everything that a configuration describes, made and wired; run whole, or driven step by step by its host.
 *
 *   data -> loaders -> model -> trainers -> optim, exporter -> estimators        pipeline.c, sets.c
 *   push   estimators in order -> files -> test set -> results.json              run.c, observe.c
 *   both   checkpoints, which the same search goes on from           chkpt.h: pack.c, meta.c, chkpt.c
 *   pull   the same estimators' steps, one by one; nothing is written            pull.c, put.c */
#ifndef MN_PIPELINE_H
#define MN_PIPELINE_H

#include "callback/callback.h"
#include "config/config.h"
#include "modnas/search.h"
#include "pipeline/history.h"
#include "pipeline/results.h"
#include "pipeline/writer.h"

typedef struct mn_stage { /* an estimator and what the run keeps of it */
    mn_estim *estim;
    mn_top top;
    mn_baseline baseline;
    mn_recalibration recalibration;
} mn_stage;

/* What may be called now. Levels only rise on the way into callbacks, but for the estimators of hosts, who drive. */
enum { MN_IDLE, MN_READABLE, MN_BUSY };

typedef struct mn_chkpt { /* when checkpoints are made (chkpt.c) */
    double intv_epochs, intv_steps, intv_seconds; /* 0: none for that */
    double n_epochs, n_steps, last;               /* since the last one; when that was */
    int64_t newest, good;                         /* numbers: the highest in use; of one that can be gone on from */
    int32_t is_off;                               /* 1: something has a state that it does not save */
} mn_chkpt;

typedef struct modnas_search mn_pipeline;
struct modnas_search {
    modnas_ctx *ctx;
    mn_node *tree; /* the merged configuration */
    modnas_search_opts opts;
    mn_dataset *train, *valid, *test; /* valid, test: NULL when not given */
    mn_loaders loaders;
    mn_loader *test_loader;
    mn_model *model;
    mn_map trainers; /* name -> mn_trainer * */
    mn_objective *objective; /* NULL: the first metric */
    mn_optim *optim;
    mn_exporter *exporter;
    mn_limits *limits; /* the objective's; NULL: none */
    mn_costs latency;  /* of its latency_table; zeroed: there is none */
    char latency_sha256[65]; /* of that file; empty: there is none */
    mn_vec stages;     /* mn_stage, in order */
    mn_estim *loose;   /* pulled by hosts whose configuration has no estimator; NULL: it has */
    mn_estim *pulled;  /* the host's outside of a run */
    mn_estim *current; /* pulled, or the one that runs */
    mn_estim *begun;   /* whose phase the trainer is in; NULL: nobody's */
    mn_map names;      /* of metrics that hosts told and checkpoints have */
    mn_vec callbacks;     /* callbacks.c */
    int32_t n_top;        /* architectures that are kept of each estimator */
    const char *run_file; /* "results", of outputs/results.json */
    mn_expdir dir;
    mn_history history;
    mn_writer writer;
    mn_chkpt chkpt;
    int32_t at;        /* the stage that runs or is next */
    int32_t is_over;   /* 1: it has run, what is measured beside it is left */
    int32_t under_way; /* 1: the latest checkpoint is of the middle of it */
    int32_t running;   /* 1: inside the run of stage `at` */
    int32_t is_torn;   /* 1: a checkpoint was loaded in part */
    double started;
    int32_t level, depth; /* MN_IDLE, ...; entries under way */
    int32_t of_host;      /* 1: the host made it and frees it */
    int32_t is_doomed;    /* 1: freed in a callback, goes with the outermost entry */
    int32_t is_open;      /* 1: files are written */
    int32_t has_run;
};

/* Make everything; nothing is written and no step is made. After an error opts->ud stays the caller's. */
int mn_pipeline_new(modnas_config *cfg, const modnas_search_opts *opts, mn_pipeline **out);
void mn_pipeline_free(mn_pipeline *p); /* NULL is fine */
/* Data sets and loaders of the sections data, train_data, valid_data, test_data, data_loader. */
int mn_pipeline_data(mn_pipeline *p);
void mn_pipeline_free_data(mn_pipeline *p);
int mn_pipeline_test_loader(mn_pipeline *p); /* after the model was made */
int mn_pipeline_latency(mn_pipeline *p);     /* after the model was made: read the table of latencies */
int mn_pipeline_limits(mn_pipeline *p);      /* after the estimators were made */
/* Log whether what an estimator found obeys. */
void mn_pipeline_check_limits(const mn_pipeline *p, const mn_estim *e);
mn_optim_env mn_pipeline_optim_env(const mn_pipeline *p);
/* One more estimator, with the section that it keeps. */
int mn_pipeline_add_estim(mn_pipeline *p, const char *name, const mn_node *conf);
/* Run all estimators and write the folder. started: 1 once the folder was there to write to. */
int mn_pipeline_run(mn_pipeline *p, int32_t *started, char **results);

typedef struct mn_network {
    int32_t input[3]; /* C, H, W */
    int64_t params, macs;
} mn_network;
/* Of what the model is reduced to as it stands, for an image of the last estimator. MODNAS_EINVAL without a network;
 * MODNAS_ENOTFOUND when nothing obeys the limits. */
int mn_pipeline_network(mn_pipeline *p, mn_network *out);
/* The same on the test set, nothing without one; with what the last estimator does to statistics before it measures, or,
 * where it trains each architecture, with the weights that its best was measured with (chkpt/model_ESTIM_best). as_is:
 * with those that there are. */
int mn_pipeline_test(mn_pipeline *p, int as_is, mn_scores *test);

mn_observer mn_pipeline_observer(mn_pipeline *p);
/* Weights into chkpt/model_<estim>_<tag>.safetensors. */
int mn_pipeline_save_model(mn_pipeline *p, const mn_estim *e, const char *tag);
/* An architecture into outputs/arch_<estim>_<tag>.yaml; NULL: none. */
int mn_pipeline_save_arch(mn_pipeline *p, const mn_estim *e, const char *tag, const mn_node *arch);
/* Neither of the two files is there any more. */
int mn_pipeline_drop(mn_pipeline *p, const mn_estim *e, const char *tag);

/* ---- entries of hosts (pull.c) -------------------------------------------------------------------------- */

/* Begin entry `fn` if the level is at most `most`: MODNAS_EBUSY otherwise. before: for leave, which returns rc. */
int mn_pipeline_enter(mn_pipeline *p, const char *fn, int32_t most, int32_t *before);
int mn_pipeline_leave(mn_pipeline *p, int32_t before, int rc);

/* As the functions of modnas/search.h, whose arguments are checked. An arch may be NULL where it may be there. */
int mn_pipeline_ask(mn_pipeline *p, int32_t n, mn_arch **archs, int32_t *n_out);
int mn_pipeline_tell(mn_pipeline *p, const mn_arch *arch, int32_t status, const modnas_metric *metrics, int32_t n);
int mn_pipeline_train(mn_pipeline *p, const mn_arch *arch, int64_t n_steps, double *loss);
int mn_pipeline_arch_step(mn_pipeline *p, double *loss);
int mn_pipeline_evaluate(mn_pipeline *p, const mn_arch *arch, mn_metrics *out);
int mn_pipeline_export(mn_pipeline *p, const mn_arch *arch, mn_node **desc);

int mn_pipeline_save(mn_pipeline *p, const char *path);
int mn_pipeline_load(mn_pipeline *p, const char *path);
int mn_pipeline_pause(mn_pipeline *p); /* modnas_search_checkpoint */

/* Build a component of kind optim, estim (which has a name), metrics, criterion or export into the search (put.c). */
int mn_pipeline_put(mn_pipeline *p, const char *kind, const mn_node *spec, const char *name);

/* Run an estimator of the host: `drive` may call all entries of the search meanwhile. */
int mn_pipeline_hand_over(mn_estim *e, int (*drive)(mn_estim *e));

#endif
