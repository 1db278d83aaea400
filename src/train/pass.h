/* A pass: one recorded step of a model (weight step, architecture step or evaluation), kept as long as it stays true.
 *
 * It is recorded again when the model's version, the number of samples or the image size is not what it was recorded
 * for, so a plain network is recorded once and a sampled path once a step. */
#ifndef MN_PASS_H
#define MN_PASS_H

#include "train/train.h"

typedef struct mn_pass {
    mn_run *run;
    mn_run_opts opts;
    mn_value *x, *y, *logits, *loss;
    const mn_criterion *criterion; /* recorded with it; borrowed */
    uint64_t version; /* of the model when recorded */
    int32_t dims[4];  /* N, C, H, W recorded for; N 0: not recorded */
    int32_t kind;     /* enum mn_pass_kind: whose criterion it has */
} mn_pass;

int mn_pass_new(mn_model *model, const mn_run_opts *opts, mn_pass *p);
void mn_pass_free(mn_pass *p);
/* Record and plan for a batch of dims N, C, H, W. */
int mn_pass_record(mn_pass *p, mn_model *model, const mn_criterion *criterion, const int32_t dims[4]);
int mn_pass_is_ready(const mn_pass *p, const mn_model *model, const int32_t dims[4]);
/* Bind the batch and run forward; *loss is read. MODNAS_EFORMAT for a label outside the network's outputs. */
int mn_pass_forward(mn_pass *p, const mn_batch *batch, uint64_t step, double *loss);
/* Read the logits into work space of N x classes and count the batch into the scores. */
int mn_pass_count(mn_pass *p, const mn_batch *batch, double loss, float *logits, mn_scores *scores);

#endif
