/* The trainer from the inside: trainer.c makes it, steps.c runs its steps. */
#ifndef MN_TRAINER_H
#define MN_TRAINER_H

#include "space/prepare.h"
#include "train/pass.h"

typedef struct mn_bilevel mn_bilevel; /* bilevel.c */
typedef struct mn_average mn_average; /* average.c */

struct mn_trainer {
    modnas_ctx *ctx;
    mn_model *model;
    mn_loaders loaders;
    mn_node *optimizer_spec, *schedule_spec; /* copies; schedule_spec may be NULL */
    double w_grad_clip;                      /* 0: none */
    mn_criterion *criterion;
    const mn_criterion *by_pass[MN_N_PASSES]; /* borrowed; NULL: criterion */
    mn_weight_optim *optim;
    mn_schedule *schedule;
    mn_grad_norm *norm;
    mn_pass pass[MN_N_PASSES];
    float *logits; /* work space */
    size_t logits_room;
    int64_t epochs, epoch_base; /* of this phase; of all phases before it: keys the order of the samples */
    int64_t epoch, step;        /* within this phase; within the epoch */
    int64_t valid_pass;         /* passes begun over the validation set by architecture steps */
    int64_t valid_limit;        /* batches of an evaluation; 0: all */
    int32_t valid_open;         /* 1: an architecture step's pass over it goes on */
    int32_t prepared[2];        /* weight steps on one path, and on several: their gradients are added up */
    int32_t prepared_active;
    int32_t prepared_arch; /* enum mn_arch_need: what was asked for already */
    mn_bilevel *bilevel;   /* NULL: nobody looked ahead */
    mn_average *average;   /* NULL: there is none */
    mn_footprint footprint; /* of all passes prepared so far */
    mn_trainer_times times;
};

/* Dims N, C, H, W of a batch of n samples of a loader. */
void mn_trainer_dims(const mn_loader *l, int32_t n, int32_t dims[4]);
const mn_criterion *mn_trainer_criterion(const mn_trainer *t, const mn_pass *p);
/* Gradients of weight steps are added to those there are, or replace them. */
void mn_trainer_accumulate(mn_trainer *t, int32_t on);
/* Work space for the logits of n samples. */
int mn_trainer_room(mn_trainer *t, int64_t n, int64_t classes);
/* After preparing more: settle the slab under the model's limit, if it has one. MODNAS_ECONFIG when it is too small. */
int mn_trainer_keep_limit(mn_trainer *t);
/* Meet all kernels of a pass over full batches of l, or over its partial one (nothing, if it has none). */
int mn_trainer_prepare_pass(mn_trainer *t, mn_pass *p, const mn_loader *l, int partial);

/* ---- steps.c --------------------------------------------------------------------------------------------- */

/* Record the pass anew where the model, the batch or the image size is not what it was. */
int mn_trainer_ready(mn_trainer *t, mn_pass *p, const mn_loader *l, int32_t n);
int mn_trainer_check_finite(const mn_trainer *t, const char *what, double x);
int mn_trainer_need_arch(const mn_trainer *t); /* MODNAS_EINVAL without architecture parameters */
/* The batch of an architecture step: the next one of validation data, or of training data where there is none. */
int mn_trainer_arch_batch(mn_trainer *t, mn_batch *batch);
void mn_trainer_add_time(mn_trainer *t, double start);

/* ---- average.c ------------------------------------------------------------------------------------------- */

int mn_average_new(mn_store *weights, double decay, mn_average **out);
void mn_average_free(mn_average *a);  /* NULL is fine, below too */
void mn_average_reset(mn_average *a); /* it begins anew with the next step */
int mn_average_step(mn_average *a);   /* a step was made */
int64_t mn_average_steps(const mn_average *a);
void mn_average_go_back(mn_average *a, int64_t n); /* to n steps: as many as there are, or 0 */
int mn_average_state(mn_average *a, mn_state *io);
void *mn_average_arena(const mn_average *a); /* laid out as the weights; NULL: not begun */

/* ---- bilevel.c ------------------------------------------------------------------------------------------- */

int mn_bilevel_prepare(mn_trainer *t);
void mn_bilevel_forget(mn_bilevel *b); /* what was recorded is not true any more; NULL is fine, below too */
void mn_bilevel_free(mn_bilevel *b, modnas_ctx *ctx);

#endif
