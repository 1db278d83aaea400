/* A run: everything that a configuration describes, made and wired.
 *
 *   data -> loaders -> model -> trainers -> optim, exporter -> estimators        pipeline.c, sets.c
 *   estimators in order -> files -> test set -> results.json                     run.c, observe.c */
#ifndef MN_PIPELINE_H
#define MN_PIPELINE_H

#include "config/config.h"
#include "modnas/run.h"
#include "pipeline/history.h"
#include "pipeline/results.h"

typedef struct mn_stage { /* an estimator and what the run keeps of it */
    mn_estim *estim;
    mn_top top;
} mn_stage;

typedef struct mn_pipeline {
    modnas_ctx *ctx;
    const mn_node *tree; /* the merged configuration; borrowed */
    modnas_run_opts opts;
    mn_dataset *train, *valid, *test; /* valid, test: NULL when not given */
    mn_loaders loaders;
    mn_loader *test_loader;
    mn_model *model;
    mn_map trainers; /* name -> mn_trainer * */
    mn_optim *optim;
    mn_exporter *exporter;
    mn_vec stages; /* mn_stage, in order; room for all was made before the first */
    mn_expdir dir;
    mn_history history;
    double started;
} mn_pipeline;

/* Make everything; nothing is written and no step is made. */
int mn_pipeline_new(modnas_config *cfg, const modnas_run_opts *opts, mn_pipeline **out);
void mn_pipeline_free(mn_pipeline *p); /* NULL is fine */
/* Data sets and loaders of the sections data, train_data, valid_data, test_data, data_loader. */
int mn_pipeline_data(mn_pipeline *p);
int mn_pipeline_test_loader(mn_pipeline *p); /* after the model was made */

mn_observer mn_pipeline_observer(mn_pipeline *p);
/* Weights into chkpt/model_<estim>_<tag>.safetensors. */
int mn_pipeline_save_model(mn_pipeline *p, const mn_estim *e, const char *tag);
int mn_pipeline_save_arch(mn_pipeline *p, const mn_estim *e, const mn_node *arch);

#endif
