/* An ONNX graph in the making.
 *
 * The first thing that goes wrong is kept in g->rc; whatever is asked then does nothing and answers "". So operators are
 * written without a word on errors, and the driver looks at g->rc after each. */
#ifndef MN_ONNX_GRAPH_H
#define MN_ONNX_GRAPH_H

#include "export/onnx.h"
#include "export/onnx.pb-c.h"
#include "graph/view.h"

/* A value of the network has the sizes (N, C, H, W); behind a linear layer its file name may stand for (N, C). */
enum mn_onnx_form { MN_ONNX_FULL, MN_ONNX_FLAT };

typedef struct mn_onnx_value {
    const char *name[2]; /* by form; NULL: not made */
    int32_t native;      /* form that it was made in */
    int32_t batched;     /* its first size is the number of images, whatever that is */
    int32_t made;        /* by a node of its own, not another name of something */
} mn_onnx_value;

/* An initialiser. */
typedef struct mn_onnx_tensor {
    const char *name;
    int32_t type, rank; /* Mn__TensorProto__DataType */
    int64_t dims[4];
    const void *data;      /* contents, or NULL: */
    const mn_param *param; /* those of a parameter, */
    const double *scale;   /* times a number for each of its dims[0]; NULL: 1 */
    int32_t shared;        /* a constant: asked for again it is the same */
} mn_onnx_tensor;

typedef struct mn_onnx {
    modnas_ctx *ctx;
    mn_model *model;
    const modnas_onnx_opts *o;
    int32_t chw[3]; /* of an image */
    int32_t opset, customs; /* customs: 1: there is a node of MN_ONNX_DOMAIN */
    int rc;
    mn_run *run;
    mn_value *x, *logits;
    mn_vec views;          /* mn_view */
    mn_onnx_value input;   /* what the network is fed with */
    mn_onnx_value *values; /* by number of the vertex */
    int32_t *readers;      /* likewise: vertices that read it */
    const char *count;     /* the number of images as a value (1); NULL: not made */
    const mn_view *at;     /* what nodes are made for; NULL: input and output */
    mn_vec nodes;          /* Mn__NodeProto * */
    mn_vec tensors;        /* mn_onnx_tensor */
    mn_map names;          /* all that are taken */
    mn_vec blocks;         /* void *: memory of nodes and tensors */
} mn_onnx;

enum { MN_ONNX_ONE = -1, MN_ONNX_REAL = -2 };
typedef struct mn_onnx_attr {
    const char *name; /* NULL: the end of a list */
    int32_t n;        /* whole numbers, or MN_ONNX_ONE: one, no list; MN_ONNX_REAL: f */
    int64_t i[8];
    double f;
} mn_onnx_attr;
#define MN_ONNX_INT(name, ...)                                                                                         \
    { name, MN_ONNX_ONE, {__VA_ARGS__}, 0 }
#define MN_ONNX_FLOAT(name, x)                                                                                         \
    { name, MN_ONNX_REAL, {0}, x }
#define MN_ONNX_END                                                                                                    \
    { NULL, 0, {0}, 0 }

void mn_onnx_init(mn_onnx *g, mn_model *m, const modnas_onnx_opts *o, const int32_t chw[3]);
void mn_onnx_end(mn_onnx *g);
void *mn_onnx_alloc(mn_onnx *g, size_t count, size_t size); /* zeroed, until mn_onnx_end; NULL: g->rc says why */
/* MODNAS_EUNSUPPORTED with the operator and its layer before the text. */
void mn_onnx_refuse(mn_onnx *g, const char *fmt, ...) MN_PRINTF(2, 3);
const char *mn_onnx_name(mn_onnx *g, const char *wanted); /* that, or with a number behind it; taken from now on */
const char *mn_onnx_path(mn_onnx *g);                     /* of the module that g->at was recorded for */

/* A node with one result, of which the name is returned. in: n names, "" for one that is left out; attrs may be NULL. */
const char *mn_onnx_node(mn_onnx *g, const char *op, const char *const *in, int32_t n, const mn_onnx_attr *attrs);
const char *mn_onnx_node1(mn_onnx *g, const char *op, const char *in, const mn_onnx_attr *attrs);
const char *mn_onnx_node2(mn_onnx *g, const char *op, const char *a, const char *b, const mn_onnx_attr *attrs);

/* ---- values -------------------------------------------------------------------------------------------- */

mn_onnx_value *mn_onnx_value_of(mn_onnx *g, const mn_value *v); /* NULL: a parameter or a constant */
int mn_onnx_batched(mn_onnx *g, const mn_value *v);
void mn_onnx_set(mn_onnx *g, const mn_value *dst, int32_t form, const char *name);
/* The name of a value in a form; made of the other one if need be. FLAT: all but N are one axis. */
const char *mn_onnx_get(mn_onnx *g, const mn_value *v, int32_t form);
int32_t mn_onnx_form_of(mn_onnx *g, const mn_value *v);      /* its native one */
const char *mn_onnx_vector(mn_onnx *g, const mn_value *v);   /* a (1, C, 1, 1) as (C) */

/* ---- initialisers -------------------------------------------------------------------------------------- */

/* A parameter with these sizes, under its own name. scale: lives as long as g. */
const char *mn_onnx_param(mn_onnx *g, const mn_param *p, int32_t rank, const int64_t *dims, const double *scale);
const char *mn_onnx_floats(mn_onnx *g, const char *name, const int64_t *dims, int32_t rank, const double *x);
/* Constants, made once. */
const char *mn_onnx_ints(mn_onnx *g, const char *name, const int64_t *x, int32_t n);
const char *mn_onnx_scalar(mn_onnx *g, double x);
const char *mn_onnx_fill(mn_onnx *g, int64_t n, double x); /* a vector of n times x */

/* ---- operators ----------------------------------------------------------------------------------------- */

typedef void (*mn_onnx_op_fn)(mn_onnx *g, const mn_view *x);
void mn_onnx_op(mn_onnx *g, const mn_view *x); /* by its name */
/* onnx_window.c */
void mn_onnx_conv2d(mn_onnx *g, const mn_view *x);
void mn_onnx_batch_norm(mn_onnx *g, const mn_view *x);
void mn_onnx_pool2d(mn_onnx *g, const mn_view *x);
/* onnx_move.c */
void mn_onnx_resize(mn_onnx *g, const mn_view *x);
void mn_onnx_concat(mn_onnx *g, const mn_view *x);
void mn_onnx_slice(mn_onnx *g, const mn_view *x);
void mn_onnx_pad(mn_onnx *g, const mn_view *x);
void mn_onnx_reshape(mn_onnx *g, const mn_view *x);
void mn_onnx_shuffle(mn_onnx *g, const mn_view *x);
void mn_onnx_zero(mn_onnx *g, const mn_view *x);

/* ---- bytes (onnx_file.c) ------------------------------------------------------------------------------- */

/* All of the file, from mn_alloc. metadata: pairs, key, value, ..., NULL. */
int mn_onnx_bytes(mn_onnx *g, const char *const *metadata, char **bytes, size_t *n);

#endif
