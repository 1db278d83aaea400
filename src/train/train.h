/* Training of weights: optimizers over flat arenas, schedules, criteria, and the trainer that makes steps.
 *
 * A step: batch -> (re-record when the model's version or the batch size changed) -> forward -> backward -> clip ->
 * optimizer over the active ranges. Everything per step is run-time scalars; nothing is allocated after
 * mn_trainer_prepare. */
#ifndef MN_TRAIN_H
#define MN_TRAIN_H

#include "data/data.h"
#include "space/space.h"

/* ---- weight optimizers: kind "optimizer" (SGD, Adam, AdamW, RMSprop, Adagrad); also used for architecture parameters ---- */

typedef struct mn_weight_optim mn_weight_optim;
typedef struct mn_optimizer_env {
    mn_store *store; /* borrowed */
} mn_optimizer_env;  /* out: mn_weight_optim ** */
/* One update of the active ranges with learning rate lr; gradients are multiplied by g_scale (clipping). State arenas
 * start at zero. Each parameter counts its own steps (Adam's bias correction, SGD's first), so a candidate sampled late
 * starts as PyTorch would. */
int mn_weight_optim_step(mn_weight_optim *o, double lr, double g_scale);
double mn_weight_optim_lr(const mn_weight_optim *o); /* as configured */
/* Momentum and the like, and the steps of each parameter. */
int mn_weight_optim_state(mn_weight_optim *o, mn_state *io);
size_t mn_weight_optim_state_bytes(const mn_weight_optim *o);
/* Looking ahead, over the active ranges; weights, state and steps stay. from, to: arenas laid out as the weights.
 * ahead: where a step from `from` leads, SGD's exactly, of others  from - lr (g + weight_decay from).
 * along: from + scale s g, where lr s reach is how far a step goes along the gradient g of each parameter. */
int mn_weight_optim_ahead(const mn_weight_optim *o, double lr, const void *from, void *to);
int mn_weight_optim_along(const mn_weight_optim *o, double scale, const void *from, void *to);
double mn_weight_optim_reach(const mn_weight_optim *o);    /* > 0; s is 1 but for SGD with dampening */
/* Its state arenas, laid out as the weights; how many. */
enum { MN_OPTIM_ARENAS = 3 };
int32_t mn_weight_optim_arenas(const mn_weight_optim *o, void *out[MN_OPTIM_ARENAS]);
int mn_weight_optim_is_exact(const mn_weight_optim *o); /* 1: ahead is what a step does */
const char *mn_weight_optim_name(const mn_weight_optim *o);
void mn_weight_optim_decay(const mn_weight_optim *o, double *momentum, double *weight_decay);
int mn_args_not_negative(const mn_args *a, const char *name); /* of a number: 0, or MODNAS_ECONFIG with file and line */
void mn_weight_optim_free(mn_weight_optim *o); /* NULL is fine, here and below */

/* Without a configuration: the options are taken as they are. */
typedef struct mn_sgd_opts {
    double lr, momentum, dampening, weight_decay;
    int32_t nesterov;
} mn_sgd_opts;
typedef struct mn_adam_opts {
    double lr, beta1, beta2, eps, weight_decay;
    int32_t decoupled; /* AdamW */
} mn_adam_opts;
typedef struct mn_rmsprop_opts {
    double lr, alpha, eps, weight_decay, momentum;
    int32_t centered;
} mn_rmsprop_opts;
typedef struct mn_adagrad_opts {
    double lr, lr_decay, weight_decay, initial_accumulator_value, eps;
} mn_adagrad_opts;
int mn_sgd_new(modnas_ctx *ctx, mn_store *store, const mn_sgd_opts *opts, mn_weight_optim **out);
int mn_adam_new(modnas_ctx *ctx, mn_store *store, const mn_adam_opts *opts, mn_weight_optim **out);
int mn_rmsprop_new(modnas_ctx *ctx, mn_store *store, const mn_rmsprop_opts *opts, mn_weight_optim **out);
int mn_adagrad_new(modnas_ctx *ctx, mn_store *store, const mn_adagrad_opts *opts, mn_weight_optim **out);

/* 2-norm over the active gradients of a store (borrowed). */
typedef struct mn_grad_norm mn_grad_norm;
int mn_grad_norm_new(mn_store *s, mn_grad_norm **out);
int mn_grad_norm_get(mn_grad_norm *m, double *norm);
void mn_grad_norm_free(mn_grad_norm *m);
double mn_clip_scale(double norm, double max_norm); /* factor of clipping to max_norm, at most 1 */

/* ---- schedules: kind "lr_scheduler" (ConstantLR, StepLR, MultiStepLR, ExponentialLR, CosineAnnealingLR, LinearLR,
 * LambdaLR) ---- */

typedef struct mn_schedule mn_schedule;
typedef struct mn_schedule_env {
    double lr;                                              /* base */
    int64_t epochs;                                         /* T_max of a cosine that gives none */
} mn_schedule_env;                                          /* out: mn_schedule ** */
double mn_schedule_lr(const mn_schedule *s, int64_t epoch); /* closed form: no state */
void mn_schedule_free(mn_schedule *s);
int mn_schedule_none(modnas_ctx *ctx, double lr, mn_schedule **out); /* always lr */
/* The formulas (schedule.c); epoch >= 0. */
double mn_lr_constant(double lr, double factor, double total_iters, int64_t epoch);
double mn_lr_step(double lr, int64_t step_size, double gamma, int64_t epoch);
double mn_lr_multistep(double lr, const int64_t *milestones, size_t n, double gamma, int64_t epoch);
double mn_lr_exponential(double lr, double gamma, int64_t epoch);
double mn_lr_linear(double lr, double start, double end, double total_iters, int64_t epoch);
/* The factor of the largest of the epochs that was reached. */
double mn_lr_table(double lr, const int64_t *epochs, const double *factors, size_t n, int64_t epoch);
double mn_lr_cosine(double lr, double eta_min, double t_max, int64_t epoch);

/* ---- criteria: kind "criterion" (criterion.c lists them) ---------------------------------------------- */

typedef struct mn_criterion mn_criterion;
struct mn_criterion { /* out of the builder: mn_criterion ** */
    modnas_ctx *ctx;
    double arg;   /* label smoothing, smooth-L1's beta, ...: what the loss says */
    int32_t algo; /* MODNAS_LOSS_* of the pointwise ones */
    int (*loss)(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss);
    /* Before the forward of a run that its loss is recorded in, its base's first: change the batch, of dims N, C, H, W,
     * and bind what the loss wants besides. step keys what is drawn. NULL: nothing. */
    int (*feed)(const mn_criterion *c, mn_run *run, const int32_t dims[4], uint64_t step, mn_batch *batch);
    /* A phase begins, with the weights as they are; what of it a checkpoint within the phase needs. NULL: nothing. */
    int (*begin)(mn_criterion *c);
    int (*io)(mn_criterion *c, mn_state *io);
    void (*destroy)(mn_criterion *c); /* what `state` holds beyond its block; NULL: nothing */
    void *state;                      /* owned block, or NULL */
    const mn_criterion *base;         /* the loss that it is made upon; borrowed; NULL: none */
};
void mn_criterion_free(mn_criterion *c);
/* env of a criterion of an estimator's section; of a trainer's own: NULL. */
typedef struct mn_criterion_env {
    mn_model *model;
    int32_t input[3];         /* C, H, W of an image */
    const mn_criterion *base; /* the loss that it is added to; NULL: there is none */
    int32_t pass;             /* enum mn_pass_kind: where it is used */
} mn_criterion_env;
/* For builders of what only an estimator's section can have (else MODNAS_ECONFIG, at arg): draft with state_bytes of
 * zeroed state and the env's base, filled by `fill`, after whose failure it is freed. out: mn_criterion **. */
typedef int (*mn_criterion_fill_fn)(mn_criterion *c, const mn_args *a, const mn_criterion_env *env);
int mn_criterion_make(const mn_criterion *draft, const mn_args *a, const void *env, const char *arg, size_t state_bytes,
                      mn_criterion_fill_fn fill, void *out);
/* Inputs that a criterion has in each of the runs that its loss is recorded in. */
enum { MN_FED_RUNS = 8, MN_FED_INPUTS = 2 };
typedef struct mn_fed {
    const mn_run *run;
    mn_value *input[MN_FED_INPUTS];
} mn_fed;
mn_fed *mn_fed_in(mn_fed table[MN_FED_RUNS], const mn_run *run); /* its row; a new run takes the oldest one */

/* ---- trainer: kind "trainer" (ImageClsTrainer, DefaultTrainer) --------------------------------------- */

enum { MN_MEMORY_RESERVE = 1 << 20 }; /* of a limit, for what is allocated after prepare: files, reports, results */

typedef struct mn_trainer mn_trainer;
typedef struct mn_trainer_env { /* out of the builder: mn_trainer ** */
    mn_model *model;            /* borrowed; freed after the trainer */
    const mn_loaders *loaders;  /* likewise */
} mn_trainer_env;

/* The passes of a trainer; the original's modes of a criterion are train, valid and eval. */
enum mn_pass_kind { MN_PASS_TRAIN, MN_PASS_ARCH, MN_PASS_EVAL, MN_N_PASSES };

typedef struct mn_scores { /* sample-weighted sums; divide by n */
    double loss, top1, top5;
    int64_t n;
} mn_scores;

typedef struct mn_trainer_times { /* of all weight and architecture steps so far */
    int64_t n_steps, n_records;
    double record_s, step_s; /* recording and planning (part of the step); whole steps without the wait for data */
} mn_trainer_times;

/* New weight optimizer and schedule for a phase of `epochs` epochs (each phase starts fresh, as the original's
 * reset_trainer). */
int mn_trainer_reset(mn_trainer *t, int64_t epochs);
/* Losses by pass, borrowed until the next call; NULL: the trainer's own. */
void mn_trainer_set_criteria(mn_trainer *t, const mn_criterion *const by_pass[MN_N_PASSES]);
/* What it trains with where an estimator says nothing. */
const mn_criterion *mn_trainer_own_criterion(const mn_trainer *t);
/* What an optimizer's steps ask of a trainer. */
enum mn_arch_need {
    MN_ARCH_GRAD = 1,  /* mn_trainer_arch_grad */
    MN_ARCH_AHEAD = 2, /* mn_trainer_unrolled_grad */
    MN_ARCH_JOINT = 4  /* weight steps add their gradients of the architecture parameters to those that are there */
};
/* All plans of all candidates, arrays grown, slab reserved: afterwards a step allocates nothing. arch: what architecture
 * steps ask for (enum mn_arch_need), with active sets of n_active candidates (0: all of them). Does nothing when that
 * is done already. */
int mn_trainer_prepare(mn_trainer *t, int arch, int32_t n_active);
/* The same for mn_trainer_step_paths. */
int mn_trainer_prepare_paths(mn_trainer *t);
int64_t mn_trainer_n_train(const mn_trainer *t); /* batches an epoch */
int64_t mn_trainer_n_valid(const mn_trainer *t); /* 0: no validation data */
double mn_trainer_lr(const mn_trainer *t, int64_t epoch);
int mn_trainer_start_epoch(mn_trainer *t, int64_t epoch);
/* One weight step on the next training batch; MODNAS_ENUMERIC when the loss is not finite (epoch, step, loss named),
 * weights as before the step. scores are added to. */
int mn_trainer_step(mn_trainer *t, mn_scores *scores);
/* One weight step on the gradients of n paths, each on the same batch, their sum or their mean; set(i) makes the model
 * take the i-th. scores count the batch n times. */
int mn_trainer_step_paths(mn_trainer *t, int64_t n, int mean, int (*set)(int64_t i, void *ud), void *ud,
                          mn_scores *scores);
/* Loss gradient with respect to the architecture parameters on the next validation batch (training batch without
 * validation data): training mode, statistics frozen, no weight gradients. */
int mn_trainer_arch_grad(mn_trainer *t, mn_scores *scores);
/* The same of the loss after the weight step that comes next (unroll.h): on the training batch that it will see, with
 * the optimizer's momentum and decay and without clipping. radius: of the finite difference, |e v|. */
int mn_trainer_unrolled_grad(mn_trainer *t, double radius, mn_scores *scores);
const mn_weight_optim *mn_trainer_optim(const mn_trainer *t); /* of the phase */
/* The running average of the phase's weights and statistics (arg `ema`; average.c), if there is one and a step was made:
 * run with it in place of the weights, and back; or make it the weights for good. */
void mn_trainer_average_in(mn_trainer *t);
void mn_trainer_average_out(mn_trainer *t);
int mn_trainer_settle(mn_trainer *t);
/* mn_elastic_sort of its model, with what the phase's optimizer keeps. */
int mn_trainer_sort_channels(mn_trainer *t, int32_t rank);
/* From now on, evaluations on the validation set are on n batches of it, the same ones each time, new ones each time
 * that this is called; 0: on all of it again. */
void mn_trainer_limit_valid(mn_trainer *t, int64_t n);
/* One pass over the validation set (or `loader`, of the same image size) in evaluation mode, the model as it is set
 * now. tick (may be NULL) is called after every batch with the sums so far; a non-zero return stops and comes back. */
typedef int (*mn_tick_fn)(int64_t step, int64_t steps, const mn_scores *sofar, void *ud);
int mn_trainer_evaluate(mn_trainer *t, mn_loader *loader, mn_scores *scores, mn_tick_fn tick, void *ud);
/* The phase that it is in, its optimizer included; not its loaders, which others may use, too. */
int mn_trainer_state(mn_trainer *t, mn_state *io);
/* Where it is in its data and its phases (mark.c); its optimizer is not in it. */
typedef struct mn_trainer_mark {
    int64_t epochs, epoch_base, epoch, step, valid_pass, model_epoch, model_epochs, averaged;
    int32_t valid_open;
    uint64_t draw;
    mn_loader_place train, valid;
} mn_trainer_mark;
void mn_trainer_mark_take(const mn_trainer *t, mn_trainer_mark *m);
int mn_trainer_mark_back(mn_trainer *t, const mn_trainer_mark *m);
mn_model *mn_trainer_model(const mn_trainer *t);
void mn_trainer_input(const mn_trainer *t, int32_t input[3]); /* C, H, W of the training images */
const mn_trainer_times *mn_trainer_get_times(const mn_trainer *t);
void mn_trainer_free(mn_trainer *t);

/* Count the samples whose label is among the k largest of n rows of `classes` logits; of equal ones the lower class
 * counts as larger. */
int64_t mn_count_top(const float *logits, const int32_t *labels, int32_t n, int32_t classes, int32_t k);

int mn_train_register(modnas_ctx *ctx);

#endif
