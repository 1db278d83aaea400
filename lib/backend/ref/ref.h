/* The reference backend: the definition of correct.
 *
 * Every file but backend.c is compiled twice, with MN_REAL float and double; MN_REF(name) gives the two sets of names.
 * A kernel is one row of table.c: which kind and pass, what arguments it wants, whether a description fits (`fits`,
 * nothing but geometry), how much scratch it needs, and the function that runs it. Only plain layouts; one thread;
 * every sum is taken in double and in an order that depends on the shapes alone. The formulas are at the end of
 * modnas/sys/kernel.h. */
#ifndef MN_REF_H
#define MN_REF_H

#include <stddef.h>
#include <stdint.h>

#include "modnas/status.h"
#include "modnas/sys/backend.h"

#if MN_REAL_IS_F32
#define MN_REF(name) mn_ref_f32_##name
#else
#define MN_REF(name) mn_ref_f64_##name
#endif

typedef MN_REAL mn_real;

enum { MN_REF_MAX_ARGS = 64, MN_REF_MAX_SCALARS = 8 };

/* One run of a plan. Arguments and scalars that the caller left out at the end are NULL and 0. */
typedef struct mn_ref_call {
    const modnas_kernel *k;
    const modnas_host *host;
    void *const *args;
    const double *scalars;
    void *scratch;
} mn_ref_call;

typedef struct mn_ref_row {
    int32_t kind, pass;
    int32_t n_args, n_scalars;                   /* fewest accepted; weighted_sum has n_src more arguments */
    uint64_t required;                           /* bit i: argument i may not be NULL */
    int (*fits)(const modnas_kernel *k);         /* 1 if the geometry is consistent */
    size_t (*scratch)(const modnas_kernel *k);   /* NULL: none */
    size_t (*workspace)(const modnas_kernel *k); /* NULL: none */
    int (*run)(const mn_ref_call *c);
} mn_ref_row;

extern const mn_ref_row mn_ref_f32_rows[], mn_ref_f64_rows[];
extern const int mn_ref_f32_n_rows, mn_ref_f64_n_rows;

/* ---- table.c: helpers ---- */

/* Tell the host and return `status`; the text is one line. */
int MN_REF(fail)(const mn_ref_call *c, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Elements of a tensor. */
int64_t MN_REF(count)(const modnas_tdesc *t);
/* 1 if all dims are positive and their product fits into 62 bits. */
int MN_REF(dims_ok)(const modnas_tdesc *t);
int MN_REF(same_dims)(const modnas_tdesc *a, const modnas_tdesc *b);

/* Sums in eight interleaved lanes that are then added pairwise: vectorisable, and a fixed order. */
double MN_REF(sum)(const mn_real *a, int64_t n);
double MN_REF(dot)(const mn_real *a, const mn_real *b, int64_t n);

/* Of the positions o in 0..n_out-1, those with 0 <= o stride + offset < n_in: first and one past the last. */
typedef struct mn_ref_span {
    int64_t lo, hi;
} mn_ref_span;
mn_ref_span MN_REF(span)(int64_t n_out, int64_t n_in, int64_t stride, int64_t offset);

/* ---- activation.c ---- */

/* y = act(x) for n elements; y may be x. */
void MN_REF(act)(int32_t act, const mn_real *x, mn_real *y, int64_t n, double alpha, double beta);
double MN_REF(hard_swish_slope)(double x);
/* 1 if the activation has no parameters and so can be fused. */
int MN_REF(act_fusable)(int32_t act);

/* ---- loss.c ---- */

/* 0, or MODNAS_EINVAL for a label (argument 1, unless SOFT_TARGET) that is no class of src. */
int MN_REF(check_labels)(const mn_ref_call *c);

/* ---- one pair of declarations a kernel kind, in the order of ORDER KERNELS ---- */
#define MN_REF_KERNEL(name)                                                                                            \
    int MN_REF(name##_fits)(const modnas_kernel *k);                                                                   \
    int MN_REF(name##_forward)(const mn_ref_call *c);
#define MN_REF_BACKWARD(name) int MN_REF(name##_backward)(const mn_ref_call *c);

MN_REF_KERNEL(conv2d)
int MN_REF(conv2d_backward_data)(const mn_ref_call *c);
int MN_REF(conv2d_backward_weights)(const mn_ref_call *c);
size_t MN_REF(conv2d_scratch)(const modnas_kernel *k);
MN_REF_KERNEL(linear)
int MN_REF(linear_backward_data)(const mn_ref_call *c);
int MN_REF(linear_backward_weights)(const mn_ref_call *c);
size_t MN_REF(linear_scratch)(const modnas_kernel *k);
MN_REF_KERNEL(batch_norm)
MN_REF_BACKWARD(batch_norm)
int MN_REF(batch_norm_backward_fits)(const modnas_kernel *k);
MN_REF_KERNEL(pool2d)
MN_REF_BACKWARD(pool2d)
size_t MN_REF(pool2d_scratch)(const modnas_kernel *k);
size_t MN_REF(pool2d_workspace)(const modnas_kernel *k);
MN_REF_KERNEL(activation)
MN_REF_BACKWARD(activation)
MN_REF_KERNEL(binary)
MN_REF_KERNEL(weighted_sum)
MN_REF_KERNEL(scale)
MN_REF_KERNEL(dot)
MN_REF_KERNEL(copy)
MN_REF_KERNEL(shuffle)
MN_REF_BACKWARD(shuffle)
MN_REF_KERNEL(resize)
MN_REF_BACKWARD(resize)
MN_REF_KERNEL(softmax)
MN_REF_BACKWARD(softmax)
MN_REF_KERNEL(softmax_xent)
MN_REF_BACKWARD(softmax_xent)
MN_REF_KERNEL(dropout)
MN_REF_BACKWARD(dropout)
int MN_REF(flat_fits)(const modnas_kernel *k); /* the five kinds that work on a flat range have no geometry */
int MN_REF(fill_forward)(const mn_ref_call *c);
int MN_REF(axpby_forward)(const mn_ref_call *c);
int MN_REF(sumsq_forward)(const mn_ref_call *c);
int MN_REF(sgd_forward)(const mn_ref_call *c);
int MN_REF(adam_forward)(const mn_ref_call *c);
int MN_REF(rmsprop_forward)(const mn_ref_call *c);
int MN_REF(adagrad_forward)(const mn_ref_call *c);
MN_REF_KERNEL(reorder)
MN_REF_KERNEL(reduce)
MN_REF_KERNEL(loss)
MN_REF_BACKWARD(loss)

#endif
