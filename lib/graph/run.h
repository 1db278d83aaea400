/* Inside a run: vertices (what was recorded) and calls (what will be executed).
 *
 *   recording fills  vertices[] : op, src values, dst value, attributes
 *   planning fills   calls[]    : kernel plan, argument values, scalars         forward [0, n_forward), backward [n_forward, n)
 *
 * An op is one file in ops/: its recording function (shapes, checks, cost) and an mn_op whose forward and backward write calls. */
#ifndef MN_RUN_H
#define MN_RUN_H

#include "graph/view.h"

typedef struct mn_vertex mn_vertex;

typedef struct mn_op {
    const char *name;
    int (*forward)(mn_run *run, mn_vertex *x);                /* emit calls that compute x->out */
    int (*backward)(mn_run *run, mn_vertex *x, mn_value *g);  /* g: gradient of x->out; emit calls, add to the sources' gradients.
                                                                 NULL: has no gradient */
} mn_op;

struct mn_vertex {
    const mn_op *op;
    mn_value *dst;
    mn_value *out;        /* what it writes: dst, or the dst of the vertex fused into it */
    uint32_t src;         /* first of its sources in run->srcs */
    int32_t n_src, index, tag;
    int32_t frozen;       /* recorded without gradients */
    int32_t dead;         /* fused into another vertex */
    int32_t act;          /* fused activation */
    mn_value *residual;   /* fused addition */
    mn_vertex *fold;      /* conv2d: the batch norm folded into it */
    mn_value *aux[3];     /* saved for the backward: statistics, mask, workspace, probabilities */
    const void *part;     /* what it was recorded for */
    mn_attrs u;
};

enum mn_place { MN_IN_SLAB, MN_IN_WEIGHTS, MN_IN_GRADS, MN_IN_HOST };

enum mn_patch {
    MN_PATCH_NONE,
    MN_PATCH_STEP, /* dropout: the last scalar is the step */
    MN_PATCH_KEEP  /* axpby into a gradient: the last scalar is 1 if that gradient is active, else 0 */
};

typedef struct mn_call {
    const mn_plan *plan;
    uint32_t arg, scalar; /* first in run->args, run->scalars */
    int32_t n_args, n_scalars;
    int32_t kind, pass; /* of the kernel, for messages */
    int32_t patch, tag;
    mn_param *param;      /* PATCH_KEEP */
    const mn_plan *again; /* what makes the same values anew in the backward (recompute.c) */
    double cost;          /* of its arithmetic, in units that recompute.c weighs */
} mn_call;

struct modnas_tape {
    modnas_ctx *ctx;
    mn_backend *backend;
    int32_t dtype;
    mn_slab *slab;
    mn_run_opts opts;
    uint64_t recording;   /* number of this recording in the context: old parameter lookups do not count */
    int32_t no_grad, tag;
    const void *part;     /* recorded now: mn_run_within */
    int64_t macs;
    /* recorded */
    mn_vec chunks;        /* mn_value *[]: blocks of MN_VALUE_CHUNK values, addresses stable */
    size_t n_values;
    mn_vec vertices, srcs, indices; /* mn_vertex, mn_value *, int32_t */
    mn_vec constants;     /* double: contents of small constants */
    /* planned */
    mn_vec calls, args, scalars; /* mn_call, mn_value *, double */
    size_t n_forward;
    int32_t planned, current_tag;
    size_t slab_bytes, scratch_bytes;
    size_t kept_bytes;    /* of slab_bytes: saved for the backward */
    size_t limit;         /* of slab and scratch together; 0: none */
    mn_vec recorded_calls, recorded_args; /* recompute.c: the plan without recomputing, */
    mn_vec segments, of_call;             /* pieces of its forward, and what is known of each of its calls */
    size_t n_recorded_values;
    mn_vec touched;       /* mn_param *: parameters that backward writes gradients of */
    mn_vec saved;         /* size_t by tag */
    mn_vec gaps[2];       /* work space of lifetime.c */
    mn_vec inputs;        /* mn_value *: values to stage before forward */
};

#define MN_VALUE_CHUNK 128

struct mn_slab {
    mn_backend *backend;
    void *mem;
    size_t bytes;
};

/* ---- record.c: used by ops ---------------------------------------------------------------------------------------------------- */

mn_value *mn_value_new(mn_run *run, const int64_t dims[4], int32_t dtype); /* NULL: out of memory */
mn_value *mn_value_at(const mn_run *run, size_t i);                         /* i < run->n_values */
/* A vertex with its sources (some may be NULL) and a new dst of the run's dtype. *x is valid until the next vertex is made. */
int mn_vertex_new(mn_run *run, const mn_op *op, mn_value *const *src, int32_t n_src, const int64_t dims[4], mn_vertex **x);
mn_vertex *mn_vertex_at(mn_run *run, int32_t index);
mn_value *mn_src(const mn_run *run, const mn_vertex *x, int32_t i);
mn_value *mn_root(mn_value *v); /* through aliases */
int mn_same_dims(const mn_value *a, const mn_value *b);
size_t mn_dtype_bytes(int32_t dtype);
int mn_is_zero(const mn_run *run, const mn_value *v); /* made by mn_zero */
extern const mn_op mn_op_zero, mn_op_batch_norm, mn_op_conv2d, mn_op_activation, mn_op_add; /* those that fusion knows */
extern const mn_op mn_op_pick; /* has indices beside its attributes */
extern const mn_op mn_op_excerpt;
/* Where weights will rest, a parameter or a part of one: -1 if v is neither. While recording and after. */
int32_t mn_weights_layout(const mn_run *run, const mn_value *v);
extern const mn_op mn_op_bottleneck; /* made by fusion */

/* ---- emit.c: used by ops while planning -------------------------------------------------------------------------------------------- */

modnas_tdesc mn_desc(const mn_value *v);
void mn_kernel_init(modnas_kernel *k, const mn_run *run, int32_t kind, int32_t pass);
int mn_emit(mn_run *run, const modnas_kernel *k, mn_value *const *args, int32_t n_args, const double *scalars, int32_t n_scalars);
mn_call *mn_last_call(mn_run *run);
/* Fix the size of a value in `layout`; it gets memory of the slab. */
int mn_place(mn_run *run, mn_value *v, int32_t layout);
/* A temporary of these dims. */
int mn_temp(mn_run *run, const int64_t dims[4], int32_t dtype, int32_t layout, mn_value **out);
/* v in another layout: v itself, an earlier copy, or a new one. */
int mn_as(mn_run *run, mn_value *v, int32_t layout, mn_value **out);
/* Layouts of an operator that the backend chooses freely (k: kind, pass, flags, parameters and dims filled in): *src (and *weights, if
 * given) become what the kernel reads, dst is placed, k's layouts are set. Falls back to plain. */
int mn_fit(mn_run *run, modnas_kernel *k, mn_value **src, mn_value **weights, mn_value *dst);
/* The same for operators that keep the layout of their source. */
int mn_fit_same(mn_run *run, modnas_kernel *k, mn_value **src, mn_value *dst);
int mn_emit_fill(mn_run *run, mn_value *dst, double value);
int mn_emit_axpby(mn_run *run, mn_value *x, mn_value *y, double a, double b); /* y = a x + b y over all their bytes */
/* dst (placed here) = a op b, broadcast: ops/add.c. */
int mn_emit_binary(mn_run *run, int32_t algo, mn_value *a, mn_value *b, mn_value *dst);
/* dst (placed here) = src, summed or averaged over the axes where dst has 1: ops/reduce.c. */
int mn_emit_reduce(mn_run *run, int32_t algo, mn_value *src, mn_value *dst);
/* Copy a box; dst is filled first where this is its first copy and the box (or, if `covered`, later ones) leaves some of it unwritten. */
int mn_emit_copy(mn_run *run, mn_value *src, mn_value *dst, const modnas_box *box, double fill, int covered);

/* Gradients: open a place to write v's contribution in `layout`, emit the kernel that writes it, close (which adds it up). */
int mn_wants_grad(const mn_value *v);
int mn_grad_open(mn_run *run, mn_value *v, int32_t layout, mn_value **out);
int mn_grad_close(mn_run *run, mn_value *v, mn_value *written);
/* g itself is v's contribution. */
int mn_grad_pass(mn_run *run, mn_value *v, mn_value *g);

/* ---- fuse.c, lifetime.c ---------------------------------------------------------------------------------------------------------------- */

int mn_fuse(mn_run *run);
/* The one vertex that reads v, if v may vanish into it: nobody else reads it, nobody keeps it. NULL: there is none. */
mn_vertex *mn_sole_reader(mn_run *run, const mn_vertex *from, const mn_value *v);
/* conv2d.c: do the weights of a convolution rest as the backend wants them for it? */
int mn_conv_weights_rest(const mn_run *run, const mn_vertex *x);
/* fuse_bottleneck.c: the wide part of inverted residual blocks becomes one vertex. After batch norm took in its activation. */
int mn_fuse_bottlenecks(mn_run *run);
/* The kernel of such a vertex. */
void mn_bottleneck_kernel(mn_run *run, const mn_vertex *x, int32_t pass, modnas_kernel *k);
/* Number the calls that name each value and place the values. */
int mn_lifetimes(mn_run *run);
size_t mn_rounded(const mn_value *v); /* bytes that a value takes in the slab */

/* recompute.c: a plan that needs more than run->limit drops saved values and makes them again. After mn_lifetimes. */
int mn_fit_limit(mn_run *run);
void mn_recompute_init(mn_run *run);
/* What a call says about itself, for that. */
int mn_call_again(mn_run *run, const modnas_kernel *k, mn_call *call);

/* check.c: 1 in variants that check what kernels leave behind. MODNAS_EINVAL names the call and its argument. */
#ifdef MN_DEBUG
enum { MN_CHECKS = 1 };
#else
enum { MN_CHECKS = 0 };
#endif
int mn_check_padding(mn_run *run, const mn_call *c, void *const *args);

/* filter.c: fit describes the kernel of a pass and settles its operands: sources 0 src, 1 weights, 2 bias or NULL. */
typedef int (*mn_filter_fit_fn)(mn_run *run, mn_vertex *x, int32_t pass, modnas_kernel *k, mn_value **src, mn_value **weights,
                                mn_value *dst);
int mn_filter_backward(mn_run *run, mn_vertex *x, mn_value *g, mn_filter_fit_fn fit);

#endif
