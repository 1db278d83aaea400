/* ONNX files: a model's evaluation as a graph of standard operators with its weights.
 *
 *   record the forward -> views of its vertices -> nodes and initialisers -> bytes -> check -> file
 *
 * onnx.c drives this, onnx_graph.c holds nodes, values and tensors, onnx_ops.c and onnx_window.c make nodes of operators,
 * onnx_file.c the bytes, onnx_check.c and onnx_shapes.c look at bytes with an eye of their own, onnx_describe.c
 * says what is in them. */
#ifndef MN_ONNX_H
#define MN_ONNX_H

#include "module/model.h"
#include "modnas/onnx.h"

enum { MN_ONNX_OPSET = 17, MN_ONNX_OPSET_LEAST = 13, MN_ONNX_OPSET_MOST = 21 };
#define MN_ONNX_DOMAIN "modnas" /* of operators that ONNX lacks */
#define MN_ONNX_INPUT  "input"  /* names in the file */
#define MN_ONNX_OUTPUT "logits"

/* Options in full, images of chw; the model is committed. Mixed ops run as they are set: derive before. */
int mn_onnx_write(mn_model *m, const modnas_onnx_opts *o, const int32_t chw[3], const char *path);

/* Is this a graph as this library writes them? Messages begin with `name`. MODNAS_EFORMAT: broken, an unknown operator
 * or attribute, names twice, a value before it is made, shapes or types that do not fit. */
int mn_onnx_check(modnas_ctx *ctx, const void *bytes, size_t n, const char *name);
/* The same; what is in it, in indented lines, is added to facts. */
int mn_onnx_look(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, mn_str *facts);

#endif
