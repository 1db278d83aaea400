/* Reading what was recorded. */
#include "graph/view.h"

#include <string.h>

#include "graph/run.h"

size_t mn_run_n_vertices(const mn_run *run) {
    return run->vertices.n;
}

const double *mn_run_constant(const mn_run *run, const mn_value *v) {
    return v->constant ? &MN_AT(run->constants, double, v->constant - 1) : NULL;
}

static mn_view view_of(const mn_run *run, const mn_vertex *x) {
    mn_view v = {.op = x->op->name, .u = &x->u, .n_src = x->n_src, .dst = x->dst, .part = x->part};
    if (x->n_src) v.src = &MN_AT(run->srcs, mn_value *, x->src);
    if (x->op == &mn_op_pick) v.index = &MN_AT(run->indices, int32_t, x->u.pick.index);
    return v;
}

/* Sources come before what reads them: one pass from the end finds all that is needed. */
static void mark(const mn_run *run, const mn_value *result, char *needed) {
    needed[result->producer] = 1;
    for (size_t i = run->vertices.n; i-- > 0;) {
        const mn_vertex *x = &MN_AT(run->vertices, mn_vertex, i);
        for (int32_t k = 0; needed[i] && k < x->n_src; k++) {
            const mn_value *src = mn_src(run, x, k);
            if (src && src->producer >= 0) needed[src->producer] = 1;
        }
    }
}

int mn_run_view(const mn_run *run, const mn_value *result, mn_vec *views) {
    if (!run->vertices.n || (result && result->producer < 0)) return 0;
    char *needed = mn_alloc(run->ctx, run->vertices.n, 1);
    int rc = needed ? 0 : MODNAS_ENOMEM;
    if (!rc && result) mark(run, result, needed);
    if (!rc && !result) memset(needed, 1, run->vertices.n);
    for (size_t i = 0; i < run->vertices.n && !rc; i++) {
        const mn_view v = view_of(run, &MN_AT(run->vertices, mn_vertex, i));
        if (needed[i] && !mn_vec_push(run->ctx, views, &v, 1)) rc = MODNAS_ENOMEM;
    }
    mn_free(run->ctx, needed);
    return rc;
}
