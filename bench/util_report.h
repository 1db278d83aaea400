/* What all benchmarks say alike: order statistics, the machine, and a JSON file. */
#ifndef UTIL_REPORT_H
#define UTIL_REPORT_H

#include "base/base.h"

typedef struct spread {
    double min, low, median, high; /* low and high: quartiles */
} spread;

/* Of n numbers, n >= 1; between two of them as a straight line (R's type 7, numpy's default). NaN when out of memory.
 */
spread spread_of(const double *x, size_t n);

/* ,"name":{"min":...,"low":...,"median":...,"high":...} without the comma */
void report_spread(mn_str *s, const char *name, const spread *x);
/* "machine":{...}: CPU, family and model, cores, memory, system, compiler, instruction set. */
void report_machine(mn_str *s);
/* The same for a person, one line. */
void report_machine_text(char *text, size_t bytes);

/* Write what `s` holds to a file, folders made; frees `s`. 0, or the text is in the context. */
int report_write(modnas_ctx *ctx, mn_str *s, const char *path);

/* The folder of this program's file; "." if it cannot be told. */
void report_home(char *path, size_t bytes);
/* A context whose plug-ins are those of MODNAS_PLUGINS, or else of the build that this program belongs to. */
int report_context(modnas_ctx **out);

#endif
