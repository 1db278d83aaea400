/* A small net for tests of the graph: parameters of given shapes (inputs are parameters too, so that every operand has
 * a gradient), one run, and a loss that every element of the result moves differently. */
#ifndef UTIL_GRAPH_H
#define UTIL_GRAPH_H

#include "graph/run.h"

enum { GN_MAX_PARAMS = 8 };

typedef struct gn_net {
    modnas_ctx *ctx;
    mn_backend *b;
    mn_store *store;
    mn_slab *slab;
    mn_run *run;
    mn_param *p[GN_MAX_PARAMS];
    int n;
    int least; /* 1: gn_loss_of drops all that can be made again */
} gn_net;

/* An operator, or a few: build makes *y from the values v of the parameters. */
typedef struct gn_case {
    const char *name;
    int64_t dims[GN_MAX_PARAMS][4]; /* up to the first of dims[0] 0 */
    int (*build)(gn_net *t, mn_value **v, mn_value **y);
    int32_t stats;  /* number of trailing parameters that are running statistics */
    int32_t global; /* evaluation-mode batch norm */
} gn_case;

/* In a test: e must be 0; the text of a failure is shown. Needs a `gn_net *t`. */
#define GN_TRY(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(t->ctx))

void gn_open(gn_net *t, const gn_case *c, int32_t dtype, const char *backend);
void gn_close(gn_net *t);
/* y times cos(index), averaged over the plane, summed over the batch, and a linear layer. */
int gn_to_loss(gn_net *t, mn_value *y, mn_value **loss);
/* Record, run forward and, if `backward`, backward; the loss. */
double gn_loss_of(gn_net *t, const gn_case *c, int backward);

/* A test program's main: for each case the f64 gradient check on ref, the loss without gradients and in f32 on the
 * default backend, lifetimes that do not overlap, the same bytes when values are made again. Expected gradients are central differences of the loss itself, error
 * O(h^2) with h = 1e-5 in double; corners must not be met. */
int gn_run_cases(const char *suite, const gn_case *cases, int n);

#endif
