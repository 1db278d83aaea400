/* Planning: from what was recorded to a list of kernel calls with arguments in one slab. */
#include "graph/run.h"

/* Parameters and inputs are where they are; everything else is placed by the op that writes it. */
static int place_leaves(mn_run *run, size_t n) {
    for (size_t i = 0; i < n; i++) {
        mn_value *v = mn_value_at(run, i);
        if (!v->param) continue;
        v->groups = v->param->groups;
        MN_TRY(mn_place(run, v, v->param->layout));
        v->place = MN_IN_WEIGHTS;
        v->offset = v->param->offset;
    }
    for (size_t i = 0; i < run->inputs.n; i++) {
        mn_value *v = MN_AT(run->inputs, mn_value *, i);
        MN_TRY(mn_place(run, v, MODNAS_LAYOUT_PLAIN));
        if (v->constant) v->bound = &MN_AT(run->constants, double, v->constant - 1);
        if (v->dtype == v->bound_dtype) v->place = MN_IN_HOST;
    }
    return 0;
}

/* Parts of vectors come first: a convolution that a batch norm was folded into reads those of that. */
static int is_early(const mn_vertex *x) {
    return x->op == &mn_op_excerpt && !x->u.excerpt.weights;
}

static int emit_vertices(mn_run *run, int early) {
    for (size_t i = 0; i < run->vertices.n; i++) {
        mn_vertex *x = mn_vertex_at(run, (int32_t)i);
        if (x->dead || is_early(x) != early) continue;
        run->current_tag = x->tag;
        MN_TRY(x->op->forward(run, x));
    }
    return 0;
}

static int emit_forward(mn_run *run) {
    MN_TRY(emit_vertices(run, 1));
    return emit_vertices(run, 0);
}

/* Kept values can be read in plain layout after the run. */
static int emit_kept(mn_run *run, size_t n) {
    for (size_t i = 0; i < n; i++) {
        mn_value *v = mn_value_at(run, i), *plain;
        if (!v->keep) continue;
        MN_TRY(mn_as(run, v, MODNAS_LAYOUT_PLAIN, &plain));
        plain->keep = 1;
    }
    return 0;
}

static int emit_backward(mn_run *run, mn_value *loss) {
    const int64_t one[4] = {1, 1, 1, 1};
    if (!loss->needs_grad) return 0;
    MN_TRY(mn_temp(run, one, run->dtype, MODNAS_LAYOUT_PLAIN, &loss->grad));
    MN_TRY(mn_emit_fill(run, loss->grad, 1));
    for (size_t i = run->vertices.n; i-- > 0;) {
        mn_vertex *x = mn_vertex_at(run, (int32_t)i);
        if (x->dead || x->frozen || !x->out->needs_grad || !x->out->grad) continue;
        MN_TRY(x->op->backward(run, x, x->out->grad));
    }
    return 0;
}

int mn_run_plan(mn_run *run, mn_value *loss) {
    char text[64];
    if (loss && (loss->dims[0] != 1 || loss->dims[1] != 1 || loss->dims[2] != 1 || loss->dims[3] != 1))
        return mn_fail(run->ctx, MODNAS_ESHAPE, "a loss is one number, this one is %s", mn_dims_text(loss->dims, text));
    if (run->planned) return mn_fail(run->ctx, MODNAS_EINVAL, "the run is planned already");
    const size_t n = run->n_values;
    run->calls.n = run->args.n = run->scalars.n = run->touched.n = 0;
    run->scratch_bytes = run->recorded_calls.n = 0;
    run->current_tag = 0;
    MN_TRY(mn_fuse(run));
    MN_TRY(place_leaves(run, n));
    MN_TRY(emit_forward(run));
    MN_TRY(emit_kept(run, n));
    run->n_forward = run->calls.n;
    run->current_tag = 0;
    if (loss && run->opts.grads) MN_TRY(emit_backward(run, loss));
    MN_TRY(mn_lifetimes(run));
    if (run->limit) MN_TRY(mn_fit_limit(run));
    run->planned = 1;
    return 0;
}
