/* How much of a module is active: sizes of its parameters, and their values when it records.
 *
 *   weights (O, I / groups, K, K)    out, in and kernel        of a grouped convolution groups go with the channels
 *   vectors (1, C, 1, 1)             out
 *   steps of a kernel (k k, k k)     whole: they change a smaller window's weights, whatever the channels */
#include "module/active.h"

#include <stdio.h>
#include <string.h>

static int64_t size_now(const mn_extent *e, int64_t all) {
    return e ? e->now(e) : all;
}

static const mn_param *first_param(const mn_module *m) {
    return MN_AT(m->params, mn_module_param, 0).param;
}

int mn_active_is_step(const mn_module *m, const mn_param *p) {
    return p->rank == 2 && first_param(m)->rank == 4;
}

void mn_active_dims(const mn_module *m, const mn_param *p, int64_t dims[4]) {
    const mn_active *a = &m->active;
    memcpy(dims, p->dims, sizeof p->dims);
    if (mn_active_is_step(m, p)) return;
    const int out = p->rank == 1; /* the axis of outputs */
    dims[out] = size_now(a->out, dims[out]);
    if (!out && p->groups <= 1) dims[1] = size_now(a->in, dims[1]);
    if (p->rank == 4 && a->kernel) dims[2] = dims[3] = a->kernel->now(a->kernel);
}

int64_t mn_active_numel(const mn_module *m, const mn_param *p) {
    int64_t dims[4];
    if (mn_active_is_step(m, p)) return 0;
    mn_active_dims(m, p, dims);
    return dims[0] * dims[1] * dims[2] * dims[3];
}

int mn_active_is_there(const mn_module *m) {
    return !m->active.there || m->active.there->now(m->active.there);
}

int mn_active_resize(const mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **out) {
    const int32_t side = m->side ? m->side : m->active.side ? m->active.side->now(m->active.side) : 0;
    *out = NULL;
    return side && n_src == 1 ? mn_resize(run, src[0], side, side, out) : 0;
}

int mn_active_is_whole(const mn_param *p, const int64_t dims[4]) {
    return memcmp(p->dims, dims, sizeof p->dims) == 0;
}

int mn_active_use(mn_module *m, mn_run *run, mn_param *p, mn_value **out) {
    int64_t dims[4];
    mn_value *whole;
    mn_active_dims(m, p, dims);
    MN_TRY(mn_use_param(run, p, &whole));
    if (!mn_active_is_whole(p, dims)) return mn_excerpt(run, whole, dims, 0, NULL, out);
    *out = whole;
    return 0;
}

int mn_active_add_step(mn_module *m, int32_t from, int32_t to) {
    const int64_t dims[4] = {(int64_t)to * to, (int64_t)to * to, 1, 1};
    char name[48];
    mn_param *p;
    snprintf(name, sizeof name, "%dto%d_matrix", from, to);
    return mn_module_param_new(m, name, MN_ROLE_WEIGHT, 2, dims, MN_INIT_IDENTITY, 0, &p);
}

/* ---- windows ------------------------------------------------------------------------------------------- */

static int through(mn_run *run, mn_param *step, mn_value *weights, mn_value **out) {
    const int64_t *d = weights->dims, flat[4] = {d[0] * d[1], d[2] * d[3], 1, 1};
    mn_value *rows, *matrix;
    MN_TRY(mn_use_param(run, step, &matrix));
    MN_TRY(mn_reshape(run, weights, flat, &rows));
    MN_TRY(mn_linear_of_weights(run, rows, matrix, &rows));
    return mn_reshape(run, rows, d, out);
}

/* From the largest window down to the one of dims: its middle, then through its matrix, plain. */
int mn_active_step_down(mn_module *m, mn_run *run, const int64_t dims[4], int32_t groups, mn_value **weights) {
    for (size_t i = 1; i < m->params.n; i++) {
        mn_param *step = MN_AT(m->params, mn_module_param, i).param;
        int64_t middle[4] = {dims[0], dims[1], 1, 1};
        if (!mn_active_is_step(m, step) || step->dims[0] < dims[2] * dims[3]) continue;
        while (middle[2] * middle[2] < step->dims[0]) middle[2] = ++middle[3];
        MN_TRY(mn_excerpt(run, *weights, middle, groups, NULL, weights));
        MN_TRY(through(run, step, *weights, weights));
    }
    return 0;
}
