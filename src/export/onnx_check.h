/* Between the two halves of the check: what is known of a value, and the rule of an operator. */
#ifndef MN_ONNX_CHECK_H
#define MN_ONNX_CHECK_H

#include "export/onnx.h"
#include "export/onnx.pb-c.h"

enum { MN_ONNX_RANK = 8, MN_ONNX_ANY = -1 /* a size: the number of images */ };

typedef struct mn_onnx_shape {
    int32_t type, rank; /* Mn__TensorProto__DataType */
    int64_t dims[MN_ONNX_RANK];
    int32_t known;             /* 1: of whole numbers: these they are, dims[0] of them */
    int64_t ints[MN_ONNX_RANK];
} mn_onnx_shape;

/* A node with what goes in. */
typedef struct mn_onnx_site {
    modnas_ctx *ctx;
    const char *file;
    const Mn__NodeProto *node;
    const mn_onnx_shape *const *in; /* n_in, at least the rule's least; NULL for one that is left out behind these */
    size_t n_in;
} mn_onnx_site;

typedef struct mn_onnx_rule {
    const char *op;
    int32_t since, until; /* opsets; until 0: no end */
    int32_t least, most;  /* inputs */
    const char *types;    /* of inputs, the last one's for all behind it: f float, i whole numbers, x any */
    const char *attrs;    /* names that it may have, a blank behind each; with * a list, with ~ a float */
    int (*infer)(const mn_onnx_site *s, mn_onnx_shape *out); /* out: type FLOAT, nothing else filled in */
} mn_onnx_rule;

const mn_onnx_rule *mn_onnx_rule_of(const char *op, int64_t opset); /* NULL: there is none */

/* MODNAS_EFORMAT with file, node and operator before the text. */
int mn_onnx_bad(const mn_onnx_site *s, const char *fmt, ...) MN_PRINTF(2, 3);
const Mn__AttributeProto *mn_onnx_attribute(const Mn__NodeProto *node, const char *name); /* NULL: it has none */

/* Attributes of a node: a number; n numbers from `least` on, all `otherwise` where the list is not there. */
int64_t mn_onnx_number(const mn_onnx_site *s, const char *name, int64_t otherwise);
int mn_onnx_numbers(const mn_onnx_site *s, const char *name, size_t n, int64_t least, int64_t otherwise, int64_t *out);
/* What an input has to be. */
int mn_onnx_want_rank(const mn_onnx_site *s, size_t i, int32_t rank);
int mn_onnx_want_size(const mn_onnx_site *s, size_t i, int axis, int64_t size);
int mn_onnx_want_known(const mn_onnx_site *s, size_t i, int64_t n); /* whole numbers; n < 0: as many as there are */
int mn_onnx_axis(const mn_onnx_site *s, int64_t axis, int32_t rank, int32_t *out); /* negative: counted from the end */
void mn_onnx_copy_dims(mn_onnx_shape *out, const mn_onnx_shape *in);

/* onnx_describe.c: lines for a person of what was checked, added to s. */
int mn_onnx_describe(const Mn__ModelProto *m, int64_t opset, mn_str *s);

/* onnx_shapes_move.c */
int mn_onnx_shape_flatten(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_reshape(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_transpose(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_unsqueeze(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_concat(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_shape(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_constant_of_shape(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_slice(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_pad(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_reduce(const mn_onnx_site *s, mn_onnx_shape *out);
int mn_onnx_shape_gather(const mn_onnx_site *s, mn_onnx_shape *out);

#endif
