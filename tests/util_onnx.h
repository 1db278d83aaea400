/* ONNX files against our own evaluation, by the packages onnx (its checker) and onnxruntime. */
#ifndef UTIL_ONNX_H
#define UTIL_ONNX_H

#include <stdio.h>

#include "modnas/onnx.h"
#include "util_model.h"

typedef struct util_onnx {
    char python[512];
    int found; /* 0: no such Python; files are written and evaluated all the same */
    int n;
    FILE *jobs;
} util_onnx;

/* In a folder of the test's own. MODNAS_ONNX names a Python that has the packages; else the one of tools/onnx.sh. */
void util_onnx_open(util_onnx *u);
/* Export the model, and evaluate n images ourselves: input and result go beside the file. opts may be NULL. */
void util_onnx_add(util_onnx *u, mn_model *m, const modnas_onnx_opts *opts, int64_t n);
/* What ONNX Runtime makes of all of them; the largest difference. More than 1e-4 anywhere fails the test, as does a file
 * that the checker refuses. 0 after a line that says "skipped" where there is no such Python. */
double util_onnx_compare(util_onnx *u);

/* Weights and statistics that hide nothing: batch norm's scale, shift, mean and variance are all over the place. */
void util_onnx_fill(mn_model *m, uint64_t seed);

#endif
