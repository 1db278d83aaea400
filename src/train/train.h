/* Training of weights: optimizers over flat arenas, schedules, criteria, and the trainer that makes steps.
 *
 * A step: batch -> (re-record when the model's version or the batch size changed) -> forward -> backward -> clip -> optimizer over the
 * active ranges. Everything per step is run-time scalars; nothing is allocated after mn_trainer_prepare. */
#ifndef MN_TRAIN_H
#define MN_TRAIN_H

#include "data/data.h"
#include "space/space.h"

/* ---- weight optimizers: kind "optimizer" (SGD, Adam, AdamW); also used for architecture parameters ------------------------- */

typedef struct mn_weight_optim mn_weight_optim;
typedef struct mn_optimizer_env {
    mn_store *store; /* borrowed */
} mn_optimizer_env;  /* out: mn_weight_optim ** */
/* One update of the active ranges with learning rate lr; gradients are multiplied by g_scale (clipping). State arenas start at zero.
 * Each parameter counts its own steps (Adam's bias correction, SGD's first), so a candidate sampled late starts as PyTorch would. */
int mn_weight_optim_step(mn_weight_optim *o, double lr, double g_scale);
double mn_weight_optim_lr(const mn_weight_optim *o); /* as configured */
size_t mn_weight_optim_state_bytes(const mn_weight_optim *o);
void mn_weight_optim_free(mn_weight_optim *o);
/* 2-norm over the active gradients of a store. */
int mn_grad_norm(mn_store *s, double *norm);

/* ---- schedules: kind "lr_scheduler" (ConstantLR, StepLR, MultiStepLR, ExponentialLR, CosineAnnealingLR) ---------------------- */

typedef struct mn_schedule mn_schedule;
typedef struct mn_schedule_env {
    double lr;      /* base */
    int64_t epochs; /* T_max of a cosine that gives none */
} mn_schedule_env;  /* out: mn_schedule ** */
double mn_schedule_lr(const mn_schedule *s, int64_t epoch); /* closed form: no state */
void mn_schedule_free(mn_schedule *s);

/* ---- criteria: kind "criterion" (CrossEntropyLoss, CrossEntropyLabelSmoothingLoss) -------------------------------------------- */

typedef struct mn_criterion mn_criterion;
struct mn_criterion { /* out of the builder: mn_criterion ** */
    modnas_ctx *ctx;
    double label_smoothing;
    int (*loss)(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss);
};
void mn_criterion_free(mn_criterion *c);

/* ---- trainer: kind "trainer" (ImageClsTrainer, DefaultTrainer) ------------------------------------------------------------------ */

typedef struct mn_trainer mn_trainer;
typedef struct mn_trainer_env { /* out: mn_trainer ** */
    mn_model *model;
    const mn_loaders *loaders;
} mn_trainer_env;

typedef struct mn_scores {     /* sample-weighted sums; divide by n */
    double loss, top1, top5;
    int64_t n;
} mn_scores;

/* New weight optimizer and schedule for a phase of `epochs` epochs (each phase starts fresh, as the original's reset_trainer). */
int mn_trainer_reset(mn_trainer *t, int64_t epochs);
/* All plans of all candidates, arrays grown, slab reserved: afterwards a step allocates nothing. arch: architecture steps follow. */
int mn_trainer_prepare(mn_trainer *t, int arch);
int64_t mn_trainer_n_train(const mn_trainer *t); /* batches an epoch */
int64_t mn_trainer_n_valid(const mn_trainer *t); /* 0: no validation data */
double mn_trainer_lr(const mn_trainer *t, int64_t epoch);
int mn_trainer_start_epoch(mn_trainer *t, int64_t epoch);
/* One weight step on the next training batch; MODNAS_ENUMERIC when the loss is not finite (epoch, step, loss named), weights as before
 * the step. scores are added to. */
int mn_trainer_step(mn_trainer *t, mn_scores *scores);
/* Loss gradient with respect to the architecture parameters on the next validation batch (training batch without validation data):
 * training mode, statistics frozen, no weight gradients. */
int mn_trainer_arch_grad(mn_trainer *t, mn_scores *scores);
/* One pass over the validation set (or `loader`) in evaluation mode. */
int mn_trainer_evaluate(mn_trainer *t, mn_loader *loader, mn_scores *scores);
mn_model *mn_trainer_model(const mn_trainer *t);
void mn_trainer_free(mn_trainer *t);

int mn_train_register(modnas_ctx *ctx);

#endif
