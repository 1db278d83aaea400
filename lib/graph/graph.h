/* Record, plan, run.
 *
 *   record   a model's forward calls mn_conv2d(run, ...), ...: shapes are inferred and checked, multiply-adds counted; no arithmetic
 *   plan     the whole step is seen: conv, batch norm, activation and residual are fused, layouts chosen, the backward written down,
 *            lifetimes turned into offsets of one slab
 *   run      a list of kernel calls is executed, forward then backward
 *
 * A run is reused: mn_run_begin drops the old graph and keeps the memory, so that re-recording another path allocates nothing once
 * the arrays have grown. Values belong to the run and live until the next mn_run_begin. */
#ifndef MN_GRAPH_H
#define MN_GRAPH_H

#include "graph/store.h"

typedef struct modnas_tape mn_run; /* "tape" to hosts, who know none of its insides */
typedef struct mn_slab mn_slab;

typedef struct modnas_value {
    int64_t dims[4];   /* N, C, H, W */
    int32_t dtype;
    int32_t needs_grad;
    int32_t n_uses;    /* vertices that read it */
    mn_param *param;   /* parameter it stands for, or NULL */
    /* the rest belongs to planning and execution (run.h) */
    int32_t layout, place, groups, producer, reader, keep, shared, tag, first, last;
    int32_t made, ahead, used;  /* calls without recomputing: its first, its last of the forward, its last */
    struct modnas_value *again; /* the same contents, made once more */
    size_t bytes, offset;
    const void *bound;      /* inputs and constants: host memory */
    int32_t bound_dtype, constant; /* constant: 1 + where its contents begin */
    struct modnas_value *alias; /* shares the storage of this value */
    struct modnas_value *grad;  /* its gradient */
    struct modnas_value *other; /* chain of its copies in other layouts */
} mn_value;

/* "2x3x32x32" into buf; returns buf. */
const char *mn_dims_text(const int64_t dims[4], char buf[64]);

/* Memory shared by the runs of a model (one is executed at a time). Grows to the largest plan. */
int mn_slab_new(mn_backend *b, mn_slab **out);
void mn_slab_free(mn_slab *s);
size_t mn_slab_bytes(const mn_slab *s);
int mn_slab_reserve(mn_slab *s, size_t bytes);

typedef struct mn_run_opts {
    int32_t train;        /* batch statistics, dropout on */
    int32_t update_stats; /* running statistics move (train only) */
    int32_t no_drop;      /* training mode for batch norm alone: dropout leaves out nothing */
    int32_t grads;        /* MN_ROLE_WEIGHT | MN_ROLE_ARCH: what gets gradients; 0: forward only */
    int32_t accumulate;   /* of parameters of these roles gradients are added to active ones instead of replacing them */
    uint64_t seed;        /* of dropout */
} mn_run_opts;

int mn_run_new(mn_backend *b, int32_t dtype, mn_slab *slab, mn_run **out);
void mn_run_free(mn_run *run);
int mn_run_begin(mn_run *run, const mn_run_opts *opts);
const mn_run_opts *mn_run_options(const mn_run *run);
modnas_ctx *mn_run_ctx(const mn_run *run);

int mn_run_uses(const mn_run *run, const mn_param *p); /* since mn_run_begin */
int mn_run_is_recording(const mn_run *run);            /* begun, and not planned yet */
int mn_run_owns(const mn_run *run, const mn_value *v); /* any address: 1 if it is a value of this recording */
const mn_slab *mn_run_slab(const mn_run *run);
int32_t mn_run_dtype(const mn_run *run);

/* Scope without gradients and with running statistics frozen: candidates that are only looked at. Nests. */
void mn_run_no_grad(mn_run *run, int on);

/* ---- recording: every op checks shapes (MODNAS_ESHAPE with the numbers) and hands out a value of the run ----------------- */

int mn_input(mn_run *run, const int64_t dims[4], int32_t dtype, mn_value **out); /* bound to memory by mn_run_bind */
int mn_use_param(mn_run *run, mn_param *p, mn_value **out);                     /* the same value each time within a run */
/* The first n elements of a vector where they are, for one who writes them; no gradient goes there. */
int mn_use_first(mn_run *run, mn_param *p, int64_t n, mn_value **out);
int mn_const(mn_run *run, const int64_t dims[4], const double *plain, mn_value **out); /* small constants, copied */

typedef struct mn_conv_opts {
    int32_t stride[2], pad[4], dilation[2], groups; /* 0 means 1, 0, 1, 1 */
} mn_conv_opts;
int mn_conv2d(mn_run *run, mn_value *src, mn_value *weights, mn_value *bias /* or NULL */, const mn_conv_opts *o, mn_value **dst);
int mn_linear(mn_run *run, mn_value *src, mn_value *weights, mn_value *bias /* or NULL */, mn_value **dst);
/* The same where src is made of weights: its multiply-adds are none of an image's. */
int mn_linear_of_weights(mn_run *run, mn_value *src, mn_value *matrix, mn_value **dst);

typedef struct mn_bn_opts {
    double eps, momentum; /* momentum: share of the new statistics */
    int32_t freeze;       /* 1: running statistics are used and kept, also in training */
    int32_t first;        /* 1: running statistics may have more elements; the first ones are those of the channels */
} mn_bn_opts;
/* gamma and beta NULL: not affine. mean, var: role STAT. */
int mn_batch_norm(mn_run *run, mn_value *src, mn_value *gamma, mn_value *beta, mn_param *mean, mn_param *var, const mn_bn_opts *o,
                  mn_value **dst);
int mn_activation(mn_run *run, mn_value *src, int32_t act, double alpha, double beta, mn_value **dst);

typedef struct mn_pool_opts {
    int32_t algo, kernel[2], stride[2], pad[4], ceil_mode, dilation[2]; /* stride 0: kernel; dilation 0: 1 */
} mn_pool_opts;
int mn_pool2d(mn_run *run, mn_value *src, const mn_pool_opts *o, mn_value **dst);
int mn_global_pool(mn_run *run, mn_value *src, int32_t algo, mn_value **dst); /* (N, C, 1, 1) */
int mn_add(mn_run *run, mn_value *a, mn_value *b, mn_value **dst);            /* same shapes; a or b zero: the other one itself */
int mn_binary(mn_run *run, int32_t algo, mn_value *a, mn_value *b, mn_value **dst); /* broadcast; gradients for all but max, min */
int mn_zero(mn_run *run, const int64_t dims[4], mn_value **dst);
/* Sum or mean (MODNAS_REDUCE_*) over the axes where dims is 1; elsewhere dims are src's. */
int mn_reduce(mn_run *run, int32_t algo, mn_value *src, const int64_t dims[4], mn_value **dst);
int mn_concat(mn_run *run, mn_value *const *src, int32_t n, int32_t axis, mn_value **dst);
/* dst[i] = src[start + i step], count elements an axis; steps may be negative, not 0. */
int mn_slice(mn_run *run, mn_value *src, const int32_t start[4], const int32_t step[4], const int32_t count[4], mn_value **dst);
/* n slices side by side along an axis, sizes[i] wide; together they are src. */
int mn_split(mn_run *run, mn_value *src, int32_t axis, const int32_t *sizes, int32_t n, mn_value **dst);
int mn_pad(mn_run *run, mn_value *src, const int32_t before[4], const int32_t after[4], double value, mn_value **dst);
/* The same elements in plain order; as many of them. */
int mn_reshape(mn_run *run, mn_value *src, const int64_t dims[4], mn_value **dst);
/* Padding with what src has: mirrored about its first and last element (fewer than there are), these repeated, or the
 * other end (at most all of it). Of abc by 2: reflect cb abc ba, edge aa abc cc, wrap bc abc ab. */
enum mn_border { MN_BORDER_REFLECT, MN_BORDER_EDGE, MN_BORDER_WRAP };
int mn_pad_border(mn_run *run, mn_value *src, const int32_t before[4], const int32_t after[4], int32_t border, mn_value **dst);
/* Bilinear, pixels' centres half a pixel in; src itself where it has that size. */
int mn_resize(mn_run *run, mn_value *src, int64_t height, int64_t width, mn_value **dst);
int mn_shuffle(mn_run *run, mn_value *src, int32_t groups, mn_value **dst);
int mn_dropout(mn_run *run, mn_value *src, double p, mn_value **dst);         /* src itself when not training or p = 0 */
int mn_softmax(mn_run *run, mn_value *src, int log, mn_value **dst);          /* over C */
/* Mean over N of the cross-entropy; target i32 labels (N,1,1,1), or probabilities (N,C,1,1) of the run's dtype. dst (1,1,1,1). */
int mn_softmax_xent(mn_run *run, mn_value *logits, mn_value *target, double label_smoothing, mn_value **dst);
int mn_nll(mn_run *run, mn_value *log_prob, mn_value *target, mn_value **dst); /* the same of log-probabilities */
/* Mean over all elements of a pointwise loss, MODNAS_LOSS_*; target shaped as x, or labels for their one-hot rows. */
int mn_loss(mn_run *run, int32_t algo, mn_value *x, mn_value *target, double beta, mn_value **dst);
/* dst = sum_i p[i] src[i]; p (1,n,1,1). */
int mn_weighted_sum(mn_run *run, mn_value *p, mn_value *const *src, int32_t n, mn_value **dst);
/* The first dims[0] outputs, the first dims[1] inputs, and the middle of the window (dims[2], dims[3]) of weights; of a
 * vector its first elements. groups: of the convolution that takes it, 0: a vector; use: that convolution (as
 * mn_param.use), in whose layout it is to rest; NULL: plain. */
int mn_excerpt(mn_run *run, mn_value *src, const int64_t dims[4], int32_t groups, const modnas_kernel *use, mn_value **dst);
/* Elements `index[0..n)` of a (1,C,1,1) vector. */
int mn_pick(mn_run *run, mn_value *src, const int32_t *index, int32_t n, mn_value **dst);
/* The binary gate: dst = src[chosen] itself. Gradients: to src[chosen] all of it, to p[j] the dot product of the gradient with src[j]
 * for every j (ProxylessNAS, eq. 4). Record the others inside mn_run_no_grad. */
int mn_gate(mn_run *run, mn_value *p, mn_value *const *src, int32_t n, int32_t chosen, mn_value **dst);

/* Keep a value's contents until the next mn_run_begin, for mn_run_read. Before planning. */
int mn_run_keep(mn_run *run, mn_value *v);
/* Mark what is recorded next as part of group `tag` (a mixed op); 0: none. For the bound of prepare. */
void mn_run_tag(mn_run *run, int32_t tag);
/* Mark what is recorded next as made for `part`, a module; returns the one before. */
const void *mn_run_within(mn_run *run, const void *part);

/* What was recorded under `tag`, before planning: a JSON list of ops with their shapes, "weights" those of the weights, and
 * what convolutions, pooling and activations are told besides. */
void mn_run_describe(const mn_run *run, int32_t tag, mn_str *json);

/* ---- planning and running ------------------------------------------------------------------------------------------------ */

/* loss: a value of one element whose gradients are wanted (opts.grads), or NULL. */
int mn_run_plan(mn_run *run, mn_value *loss);
/* Contents of an input for the following runs: plain host memory of prod(dims) elements, borrowed until the run is over. */
void mn_run_bind(mn_run *run, mn_value *input, const void *host);
int mn_run_forward(mn_run *run, uint64_t step); /* step keys dropout */
/* The same at step 0; what the calls of each tag took is added to seconds[tag]. */
int mn_run_forward_timed(mn_run *run, double *seconds);
int mn_run_backward(mn_run *run);
int mn_run_read(mn_run *run, const mn_value *v, double *plain);     /* a kept value, prod(dims) elements */
int mn_run_read_f32(mn_run *run, const mn_value *v, float *plain);

/* Most that plans to come may need of the slab, scratch included; 0: any (recompute.c). A plan that cannot keep it is
 * MODNAS_ENOMEM. Results are the same bytes with any limit. */
void mn_run_set_limit(mn_run *run, size_t bytes);
/* Plan a planned run once more, saving as little for the backward as can be; it had a limit (SIZE_MAX will do). */
int mn_run_plan_least(mn_run *run);
int64_t mn_run_n_again(const mn_run *run); /* calls of the forward that the backward makes again */

int64_t mn_run_macs(const mn_run *run);       /* multiply-adds of convolutions and linear layers recorded */
int64_t mn_run_n_calls(const mn_run *run);    /* kernel calls of the plan */
size_t mn_run_slab_bytes(const mn_run *run);  /* what the plan's values need of the slab */
size_t mn_run_scratch_bytes(const mn_run *run); /* and behind them the work space of the kernel that wants most */
size_t mn_run_kept_bytes(const mn_run *run);    /* of slab bytes: saved for the backward */
/* Of slab bytes at the end of forward, those recorded under `tag` (saved for the backward). */
size_t mn_run_saved_bytes(const mn_run *run, int32_t tag);

#endif
