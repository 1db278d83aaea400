/* Execution: the calls of a plan, one after another, with addresses taken from the arenas and the slab of now.
 *
 * Two runs that share a slab take turns: a forward, its backward and the reading of kept values happen before another run's forward. */
#include <string.h>

#include "graph/run.h"

static char *address(const mn_run *run, const mn_value *v) {
    switch (v->place) {
    case MN_IN_WEIGHTS: return (char *)mn_store_weights(v->param->store) + v->offset * mn_dtype_bytes(v->dtype);
    case MN_IN_GRADS: return (char *)mn_store_grads(v->param->store) + v->param->offset * mn_dtype_bytes(v->dtype);
    case MN_IN_HOST: return (char *)(uintptr_t)v->bound;
    default: return (char *)run->slab->mem + v->offset;
    }
}

#define MAX_ARGS 160

static int execute(mn_run *run, size_t from, size_t to, uint64_t step) {
    void *args[MAX_ARGS];
    char *scratch = (char *)run->slab->mem + run->slab_bytes;
    for (size_t i = from; i < to; i++) {
        const mn_call *c = &MN_AT(run->calls, mn_call, i);
        double *scalars = run->scalars.n ? &MN_AT(run->scalars, double, c->scalar) : NULL;
        if (c->n_args > MAX_ARGS)
            return mn_fail(run->ctx, MODNAS_EUNSUPPORTED, "a kernel with %d arguments; %d is the most", c->n_args, MAX_ARGS);
        for (int32_t a = 0; a < c->n_args; a++) {
            const mn_value *v = MN_AT(run->args, mn_value *, c->arg + (uint32_t)a);
            args[a] = v ? address(run, v) : NULL;
        }
        if (c->patch == MN_PATCH_STEP) scalars[c->n_scalars - 1] = (double)step;
        if (c->patch == MN_PATCH_KEEP) scalars[c->n_scalars - 1] = mn_param_active(c->param);
        MN_TRY(mn_plan_run(c->plan, args, c->n_args, scalars, c->n_scalars, scratch));
        if (MN_CHECKS) MN_TRY(mn_check_padding(run, c, args));
    }
    return 0;
}

/* Inputs whose type differs from the run's are converted into the slab. */
static int stage(mn_run *run) {
    for (size_t i = 0; i < run->inputs.n; i++) {
        mn_value *v = MN_AT(run->inputs, mn_value *, i);
        if (v->first < 0 || (v->keep && v->n_uses == 0)) continue;
        char text[64];
        if (!v->bound) return mn_fail(run->ctx, MODNAS_EINVAL, "an input of %s is bound to nothing", mn_dims_text(v->dims, text));
        if (v->place != MN_IN_SLAB) continue;
        const size_t n = v->bytes / mn_dtype_bytes(v->dtype);
        for (size_t j = 0; j < n; j++) {
            const double x = v->bound_dtype == MODNAS_F64 ? ((const double *)v->bound)[j] : ((const float *)v->bound)[j];
            if (v->dtype == MODNAS_F64)
                ((double *)address(run, v))[j] = x;
            else
                ((float *)address(run, v))[j] = (float)x;
        }
    }
    return 0;
}

static int begin_forward(mn_run *run) {
    if (!run->planned) return mn_fail(run->ctx, MODNAS_EINVAL, "the run is not planned");
    MN_TRY(mn_backend_enter(run->backend));
    MN_TRY(mn_slab_reserve(run->slab, run->slab_bytes + run->scratch_bytes));
    MN_TRY(stage(run));
    mn_backend_begin(run->backend);
    return 0;
}

int mn_run_forward(mn_run *run, uint64_t step) {
    MN_TRY(begin_forward(run));
    return execute(run, 0, run->n_forward, step);
}

int mn_run_forward_timed(mn_run *run, double *seconds) {
    MN_TRY(begin_forward(run));
    for (size_t i = 0; i < run->n_forward; i++) {
        const double before = mn_seconds();
        MN_TRY(execute(run, i, i + 1, 0));
        seconds[MN_AT(run->calls, mn_call, i).tag] += mn_seconds() - before;
    }
    return 0;
}

int mn_run_backward(mn_run *run) {
    if (!run->planned) return mn_fail(run->ctx, MODNAS_EINVAL, "the run is not planned");
    MN_TRY(execute(run, run->n_forward, run->calls.n, 0));
    for (size_t i = 0; i < run->touched.n; i++) mn_param_touch(MN_AT(run->touched, mn_param *, i));
    return 0;
}

/* The plain place of a kept value; NULL with an error set if it was not kept. */
static const mn_value *kept(const mn_run *run, const mn_value *v) {
    while (v->alias) v = v->alias;
    for (; v; v = v->other)
        if (v->layout == MODNAS_LAYOUT_PLAIN && v->keep) return v;
    mn_fail(run->ctx, MODNAS_EINVAL, "the value was not kept");
    return NULL;
}

int mn_run_read(mn_run *run, const mn_value *v, double *plain) {
    const mn_value *r = kept(run, v);
    if (!r) return MODNAS_EINVAL;
    const size_t n = (size_t)(v->dims[0] * v->dims[1] * v->dims[2] * v->dims[3]);
    for (size_t i = 0; i < n; i++)
        plain[i] = v->dtype == MODNAS_F64 ? ((const double *)address(run, r))[i] : ((const float *)address(run, r))[i];
    return 0;
}

int mn_run_read_f32(mn_run *run, const mn_value *v, float *plain) {
    const mn_value *r = kept(run, v);
    if (!r) return MODNAS_EINVAL;
    const size_t n = (size_t)(v->dims[0] * v->dims[1] * v->dims[2] * v->dims[3]);
    for (size_t i = 0; i < n; i++)
        plain[i] = v->dtype == MODNAS_F64 ? (float)((const double *)address(run, r))[i] : ((const float *)address(run, r))[i];
    return 0;
}
