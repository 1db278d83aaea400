/* The vector runner: cases computed elsewhere (PyTorch, ONNX) are run through the library and compared.
 *
 *   cases_file.c    reads FOLDER/cases.txt and FOLDER/cases.bin, trusting nothing
 *   cases_env.c     attributes, results, comparing
 *   cases_net.c     a store, a run, and what most operators need of them
 *   cases_torch*.c  the operators of torch cases          cases_onnx*.c  those of ONNX cases
 *   cases_loss.c    the losses of both
 *
 * An operator is a function of the environment that returns CS_OK, CS_FAIL or CS_SKIP; the environment owns everything
 * that is made for a case and drops it afterwards. */
#ifndef CASES_H
#define CASES_H

#include "graph/graph.h"

enum { CS_OK = 0, CS_FAIL = 1, CS_SKIP = 2 };

enum { CS_MAX_RANK = 8 };

typedef struct cs_tensor {
    char name[64];
    int32_t given; /* 0: an optional input that is left out */
    int32_t is_f64;
    int32_t rank;
    int64_t dims[CS_MAX_RANK], n;
    double *v; /* n values, row-major */
} cs_tensor;

typedef struct cs_case {
    char name[200], op[64], domain[64]; /* name: SUITE/NAME */
    int32_t version;
    const char *attrs; /* "key=value key=value", "" for none */
    cs_tensor *in, *out;
    int32_t n_in, n_out;
} cs_case;

typedef struct cs_file {
    modnas_ctx *ctx;
    char *text; /* of cases.txt; attrs point into it */
    cs_case *cases;
    int32_t n_cases;
} cs_file;

/* 0, or an error code with "path:line: reason" in the context. */
int cs_file_read(modnas_ctx *ctx, const char *folder, cs_file *out);
void cs_file_free(cs_file *f);

/* ---- environment ---- */

typedef struct cs_net {
    mn_store *store;
    mn_slab *slab;
    mn_run *run;
    mn_param **params;
    const double **values; /* contents of the parameters, set when the store is committed */
    int32_t n_params;
} cs_net;

typedef struct cs_env {
    modnas_ctx *ctx;
    mn_backend *b;
    const cs_case *c;
    int32_t dtype; /* of the run, see cases.c */
    double rtol, atol;
    int32_t n_checked; /* outputs compared */
    double worst;      /* largest |error| / allowed so far */
    char detail[800];  /* why it failed or was skipped; else what was compared */
    cs_net net;
    void **blocks; /* memory of cs_alloc */
    int32_t n_blocks;
} cs_env;

typedef int (*cs_op_fn)(cs_env *e);
typedef struct cs_op {
    const char *name;
    cs_op_fn fn;
    const char *keys; /* attributes it understands: " key key "; NULL: all that there are */
    int32_t arg;      /* read by fn through cs_op_of: several names may share a function */
} cs_op;
extern const cs_op cs_torch_ops[], cs_onnx_ops[];
extern const int cs_n_torch_ops, cs_n_onnx_ops;
/* The row of the case's operator; NULL if there is none. */
const cs_op *cs_op_of(const cs_env *e);

int cs_fail(cs_env *e, const char *fmt, ...) MN_PRINTF(2, 3);
int cs_skip(cs_env *e, const char *fmt, ...) MN_PRINTF(2, 3);
int cs_fail_lib(cs_env *e);  /* with the context's error text */
void cs_end_case(cs_env *e); /* drop all that was made */

/* In an operator: a call of the library; a call that returns CS_*. */
#define CS_LIB(e, call)                                                                                                \
    do {                                                                                                               \
        if ((call) != 0) return cs_fail_lib(e);                                                                        \
    } while (0)
#define CS_DO(call)                                                                                                    \
    do {                                                                                                               \
        const int cs_rc_ = (call);                                                                                     \
        if (cs_rc_ != CS_OK) return cs_rc_;                                                                            \
    } while (0)

/* Zeroed, dropped at the end of the case; ends the program when memory is out. */
void *cs_alloc(cs_env *e, int64_t count, size_t size);
double *cs_reals(cs_env *e, int64_t n);

/* The tensor of this name (NULL if absent), or that must be there (then CS_FAIL otherwise). */
const cs_tensor *cs_in(const cs_env *e, const char *name);
const cs_tensor *cs_out(const cs_env *e, const char *name);
int cs_need(cs_env *e, const char *name, const cs_tensor **t);
/* Input i of an ONNX case, NULL when it is left out. */
const cs_tensor *cs_nth(const cs_env *e, int32_t i);
int cs_need_inputs(cs_env *e, int32_t n); /* at least n inputs, the first n given, and an output */

/* ---- attributes ---- */

int cs_has_attr(const cs_env *e, const char *key);
/* Value as text into out[n]; 0 if the key is absent. */
int cs_attr_text(const cs_env *e, const char *key, char *out, size_t n);
int cs_attr_is(const cs_env *e, const char *key, const char *value);
double cs_attr_real(const cs_env *e, const char *key, double absent);
int64_t cs_attr_int(const cs_env *e, const char *key, int64_t absent);
/* Comma-separated integers; returns how many (0: absent or malformed, -1: more than max). */
int32_t cs_attr_ints(const cs_env *e, const char *key, int64_t *out, int32_t max);

/* ---- shapes ---- */

int64_t cs_product(const int64_t *dims, int32_t from, int32_t to);
/* (n), (n,c), (n,c,w), (n,c,h,w), (n,c,h,rest...) as N,C,H,W; a vector is (1,n,1,1), a scalar (1,1,1,1). */
void cs_fold(const cs_tensor *t, int64_t dims[4]);
/* (before the axis, axis, behind it, 1) */
void cs_fold_axis(const cs_tensor *t, int32_t axis, int64_t dims[4]);
/* Rank at most 4: ones in front. Otherwise 0. */
int cs_fold_left(const cs_tensor *t, int64_t dims[4]);
/* Axis attribute with negative values counted from the end; -1 when out of range. */
int32_t cs_axis(const cs_tensor *t, int64_t axis);
/* v of a tensor of `rank` dims with its axes in the order `perm`. */
double *cs_transpose(cs_env *e, const double *v, const int64_t *dims, int32_t rank, const int32_t *perm);

/* ---- comparing ---- */

/* n values against an expected output, |got - want| <= atol + rtol |want|. */
int cs_check(cs_env *e, const cs_tensor *want, const double *got, int64_t n);
/* The same with the output's name; CS_OK without a check when the case has no such output. */
int cs_check_named(cs_env *e, const char *name, const double *got, int64_t n);

/* ---- nets (cases_net.c) ---- */

int cs_net_new(cs_env *e); /* drops the one before */
void cs_net_free(cs_env *e);
/* role: enum mn_role. v is borrowed until cs_net_begin. */
int cs_net_param(cs_env *e, int32_t role, const int64_t dims[4], const double *v, mn_param **out);
/* A window that is all the graph's pads, strides and so on, for convolutions' weights and pooling. */
typedef struct cs_window {
    int32_t kernel[2], stride[2], pad[4], dilation[2], groups, ceil_mode;
} cs_window;
/* Weights that rest in the layout of their convolution, or of their linear layer. */
int cs_net_conv_weights(cs_env *e, const int64_t dims[4], const double *v, const cs_window *w, mn_param **out);
int cs_net_linear_weights(cs_env *e, int64_t n_out, int64_t n_in, const double *v, mn_param **out);
/* Commit the store, set the parameters, begin a run. */
int cs_net_begin(cs_env *e, const mn_run_opts *opts);
int cs_net_input(cs_env *e, const int64_t dims[4], const double *v, mn_value **out);
int cs_net_labels(cs_env *e, int64_t n, const double *v, mn_value **out);
int cs_net_conv(cs_env *e, mn_value *x, mn_param *w, mn_param *bias, const cs_window *o, mn_value **y);
/* loss = sum of y gy, so that the gradient of y is gy. */
int cs_net_dot(cs_env *e, mn_value *y, const double *gy, mn_value **loss);
/* Plan with a loss (may be NULL), run forward and, with a loss, backward. Values to be read are kept before. */
int cs_net_run(cs_env *e, mn_value *loss);
int cs_net_read(cs_env *e, const mn_value *v, double **out);
/* Contents or gradient of a parameter, plain. */
int cs_net_get(cs_env *e, const mn_param *p, double **out);
int cs_net_grad(cs_env *e, const mn_param *p, double **out);
/* Write a gradient (plain layout) as if a run had. */
int cs_net_set_grad(cs_env *e, mn_param *p, const double *g);

/* A net of inputs alone; run forward and read v; compare v with the first output. */
int cs_begin(cs_env *e);
int cs_evaluate(cs_env *e, mn_value *v, double **out);
int cs_finish(cs_env *e, mn_value *v);

/* ---- cross-entropy (cases_loss.c) ---- */

typedef struct cs_xent {
    int64_t rows, classes;
    const double *logits;  /* rows x classes */
    const double *labels;  /* rows, or NULL: q */
    const double *q;       /* rows x classes probabilities */
    const double *weights; /* classes, or NULL */
    double smoothing;
    int64_t ignore;    /* label that does not count */
    int32_t mean;      /* else the sum */
    int32_t log_given; /* logits are log-probabilities */
} cs_xent;
/* loss, and its gradient by the logits if g is not NULL (*g: rows x classes). */
int cs_xent_run(cs_env *e, const cs_xent *x, double *loss, double **g);
/* A loss a row; gy (may be NULL): of each, then *g is as above. */
int cs_xent_rows(cs_env *e, const cs_xent *x, const double *gy, double **loss, double **g);
/* Logits (N, C, rest) as rows (N rest, C), and back. */
double *cs_rows_of(cs_env *e, const cs_tensor *t);

/* ---- torch cases of one input (cases_torch.c): x -> y, gx; all of its parameters are made between begin and start
 * ---- */

typedef struct cs_one {
    const cs_tensor *x, *gy;
    int64_t dims[4]; /* of x for the library; set before begin */
    mn_param *p;
    mn_value *v, *y; /* start gives v, the operator y */
} cs_one;
int cs_one_begin(cs_env *e, cs_one *o);
int cs_one_start(cs_env *e, cs_one *o, const mn_run_opts *opts); /* NULL: training with all gradients */
int cs_one_finish(cs_env *e, cs_one *o);
/* Compare the gradient of a parameter (NULL: nothing) with an output. */
int cs_check_grad(cs_env *e, const char *name, const mn_param *p);

/* ---- ONNX conventions ---- */

enum { CS_MAX_INPUTS = 64 };
/* A number from input i, else from an attribute (older versions), else `absent`. */
double cs_bound(const cs_env *e, int32_t i, const char *key, double absent);
/* Starts, ends, axes or steps: an input since opset 10, an attribute before; n numbers (0: absent). */
int cs_index_list(cs_env *e, int32_t input, const char *key, int64_t *out, int32_t *n);

/* ---- operators that lie in other files than their table ---- */

int cs_onnx_concat(cs_env *e);
int cs_onnx_slice(cs_env *e);
int cs_onnx_split(cs_env *e);
int cs_onnx_pad(cs_env *e);
int cs_onnx_reshape(cs_env *e);
int cs_onnx_expand(cs_env *e);
int cs_onnx_conv(cs_env *e);
int cs_onnx_pool(cs_env *e);
int cs_onnx_global_pool(cs_env *e);
int cs_onnx_batch_norm(cs_env *e);
int cs_onnx_gemm(cs_env *e);
int cs_onnx_matmul(cs_env *e);
int cs_onnx_xent(cs_env *e);
int cs_onnx_momentum(cs_env *e);
int cs_onnx_adam(cs_env *e);
int cs_onnx_adagrad(cs_env *e);
int cs_torch_xent(cs_env *e);
int cs_torch_loss(cs_env *e);
int cs_torch_pad(cs_env *e);
int cs_torch_reduce(cs_env *e);
int cs_torch_binary(cs_env *e);
int cs_torch_optimizer(cs_env *e);
int cs_torch_schedule(cs_env *e);
int cs_torch_clip_norm(cs_env *e);
int cs_torch_mbconv(cs_env *e);
int cs_torch_train_tiny(cs_env *e);
int cs_torch_darts(cs_env *e);

#endif
