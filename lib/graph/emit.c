/* Emission: how ops write kernel calls, choose layouts and add up gradients.
 *
 * Layouts change in one function only (mn_as). A gradient is a value like any other; the first contribution becomes the gradient, later
 * ones are added to it in place. The gradient of a parameter ends up in the gradient arena: kernels write straight into it when the
 * layout agrees. */
#include <string.h>

#include "graph/run.h"

modnas_tdesc mn_desc(const mn_value *v) {
    modnas_tdesc t;
    memset(&t, 0, sizeof t);
    memcpy(t.dims, v->dims, sizeof t.dims);
    t.layout = v->layout < 0 ? MODNAS_LAYOUT_PLAIN : v->layout;
    t.dtype = v->dtype;
    return t;
}

void mn_kernel_init(modnas_kernel *k, const mn_run *run, int32_t kind, int32_t pass) {
    memset(k, 0, sizeof *k);
    k->kind = kind;
    k->pass = pass;
    k->dtype = run->dtype;
}

mn_call *mn_last_call(mn_run *run) { return &MN_AT(run->calls, mn_call, run->calls.n - 1); }

int mn_emit(mn_run *run, const modnas_kernel *k, mn_value *const *args, int32_t n_args, const double *scalars, int32_t n_scalars) {
    mn_call call = {.arg = (uint32_t)run->args.n, .scalar = (uint32_t)run->scalars.n, .n_args = n_args, .n_scalars = n_scalars,
                    .kind = k->kind, .pass = k->pass, .tag = run->current_tag};
    MN_TRY(mn_backend_plan(run->backend, k, &call.plan));
    if (run->limit) MN_TRY(mn_call_again(run, k, &call));
    mn_value **to = mn_vec_push(run->ctx, &run->args, args, (size_t)n_args);
    if (!to || (n_scalars && !mn_vec_push(run->ctx, &run->scalars, scalars, (size_t)n_scalars)) ||
        !mn_vec_push(run->ctx, &run->calls, &call, 1))
        return MODNAS_ENOMEM;
    const int32_t at = (int32_t)run->calls.n - 1;
    for (int32_t i = 0; i < n_args; i++) {
        if (!to[i]) continue;
        to[i] = mn_root(to[i]);
        if (to[i]->first < 0) to[i]->first = at;
    }
    if (call.plan->scratch > run->scratch_bytes) run->scratch_bytes = call.plan->scratch;
    return 0;
}

int mn_place(mn_run *run, mn_value *v, int32_t layout) {
    v->layout = layout;
    v->place = MN_IN_SLAB;
    const modnas_tdesc t = mn_desc(v);
    v->bytes = mn_backend_layout_bytes(run->backend, &t, v->groups);
    char text[64];
    if (!v->bytes)
        return mn_fail(run->ctx, MODNAS_EUNSUPPORTED, "backend %s has no layout %d for %s", mn_backend_name(run->backend), layout,
                       mn_dims_text(v->dims, text));
    return 0;
}

int mn_temp(mn_run *run, const int64_t dims[4], int32_t dtype, int32_t layout, mn_value **out) {
    mn_value *v = mn_value_new(run, dims, dtype);
    if (!v) return MODNAS_ENOMEM;
    *out = v;
    return mn_place(run, v, layout);
}

static size_t n_elements(const mn_value *v) { return v->bytes / mn_dtype_bytes(v->dtype); }

int mn_emit_fill(mn_run *run, mn_value *dst, double value) {
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_FILL, MODNAS_FORWARD);
    return mn_emit(run, &k, &dst, 1, (double[]){(double)n_elements(dst), value}, 2);
}

int mn_emit_axpby(mn_run *run, mn_value *x, mn_value *y, double a, double b) {
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_AXPBY, MODNAS_FORWARD);
    return mn_emit(run, &k, (mn_value *[]){x, y}, 2, (double[]){(double)n_elements(y), a, b}, 3);
}

/* ---- layouts ---------------------------------------------------------------------------------------------------------------------- */

int mn_as(mn_run *run, mn_value *v, int32_t layout, mn_value **out) {
    v = mn_root(v);
    const int zero = mn_is_zero(run, v);
    if (!zero && v->layout == layout) {
        *out = v;
        return 0;
    }
    for (mn_value *o = v->other; o; o = o->other)
        if (o->layout == layout) {
            *out = o;
            return 0;
        }
    mn_value *copy = mn_value_new(run, v->dims, v->dtype);
    if (!copy) return MODNAS_ENOMEM;
    copy->groups = v->groups;
    MN_TRY(mn_place(run, copy, layout));
    if (zero) { /* zeros are made in whatever layout they are asked for */
        MN_TRY(mn_emit_fill(run, copy, 0));
    } else {
        modnas_kernel k;
        mn_kernel_init(&k, run, MODNAS_KERNEL_REORDER, MODNAS_FORWARD);
        k.dtype = v->dtype;
        k.u.window.groups = v->groups;
        k.src = mn_desc(v);
        k.dst = mn_desc(copy);
        MN_TRY(mn_emit(run, &k, (mn_value *[]){v, copy}, 2, NULL, 0));
    }
    copy->other = v->other;
    v->other = copy;
    *out = copy;
    return 0;
}

/* Convert *src and *weights to the layouts in k, place dst. */
static int settle(mn_run *run, modnas_kernel *k, mn_value **src, mn_value **weights, mn_value *dst) {
    MN_TRY(mn_as(run, *src, k->src.layout, src));
    if (weights && *weights) MN_TRY(mn_as(run, *weights, k->weights.layout, weights));
    return dst ? mn_place(run, dst, k->dst.layout) : 0;
}

int mn_fit(mn_run *run, modnas_kernel *k, mn_value **src, mn_value **weights, mn_value *dst) {
    k->src = mn_desc(mn_root(*src));
    if (weights && *weights) k->weights = mn_desc(*weights);
    k->dst = mn_desc(dst);
    k->src.layout = mn_backend_want_layout(run->backend, k, MODNAS_ROLE_SRC);
    k->dst.layout = mn_backend_want_layout(run->backend, k, MODNAS_ROLE_DST);
    if (k->src.layout < 0 || k->dst.layout < 0) return k->src.layout < 0 ? k->src.layout : k->dst.layout;
    if (!mn_backend_supports(run->backend, k))
        k->src.layout = k->weights.layout = k->dst.layout = MODNAS_LAYOUT_PLAIN;
    return settle(run, k, src, weights, dst);
}

int mn_fit_same(mn_run *run, modnas_kernel *k, mn_value **src, mn_value *dst) {
    k->src = mn_desc(mn_root(*src));
    k->dst = mn_desc(dst);
    k->dst.layout = k->src.layout;
    if (!mn_backend_supports(run->backend, k)) k->src.layout = k->dst.layout = MODNAS_LAYOUT_PLAIN;
    return settle(run, k, src, NULL, dst);
}

/* Does a layout pad this tensor? */
static int is_padded(const mn_value *v) {
    return v->bytes > (size_t)(v->dims[0] * v->dims[1] * v->dims[2] * v->dims[3]) * mn_dtype_bytes(v->dtype);
}

int mn_emit_copy(mn_run *run, mn_value *src, mn_value *dst, const modnas_box *box, double fill, int covered) {
    int whole = 1;
    for (int i = 0; i < 4; i++) whole &= box->count[i] == dst->dims[i];
    if (mn_root(dst)->first < 0 && ((!whole && !covered) || is_padded(dst))) MN_TRY(mn_emit_fill(run, dst, fill));
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_COPY, MODNAS_FORWARD);
    k.u.box = *box;
    k.src = mn_desc(src);
    k.dst = mn_desc(dst);
    return mn_emit(run, &k, (mn_value *[]){src, dst}, 2, NULL, 0);
}

/* ---- gradients ----------------------------------------------------------------------------------------------------------------------- */

int mn_wants_grad(const mn_value *v) { return v && v->needs_grad; }

/* The value that stands for a parameter's place in the gradient arena. */
static int arena_grad(mn_run *run, const mn_value *v, mn_value **out) {
    mn_value *g = mn_value_new(run, v->dims, v->dtype);
    if (!g) return MODNAS_ENOMEM;
    g->groups = v->groups;
    MN_TRY(mn_place(run, g, v->param->layout));
    g->place = MN_IN_GRADS;
    g->param = v->param;
    *out = g;
    return 0;
}

int mn_grad_open(mn_run *run, mn_value *v, int32_t layout, mn_value **out) {
    if (v->param && !v->grad && !(run->opts.accumulate & v->param->role) && layout == v->param->layout) return arena_grad(run, v, out);
    mn_value *g = mn_value_new(run, v->dims, v->dtype);
    if (!g) return MODNAS_ENOMEM;
    g->groups = v->groups;
    MN_TRY(mn_place(run, g, layout));
    *out = g;
    return 0;
}

/* First contribution of a parameter that was not written into the arena by its kernel. */
static int store_param_grad(mn_run *run, mn_value *v, mn_value *written) {
    MN_TRY(mn_as(run, written, v->param->layout, &written));
    MN_TRY(arena_grad(run, v, &v->grad));
    MN_TRY(mn_emit_axpby(run, written, v->grad, 1, 0));
    if (run->opts.accumulate & v->param->role) {
        mn_last_call(run)->patch = MN_PATCH_KEEP;
        mn_last_call(run)->param = v->param;
    }
    return 0;
}

static int add_grad(mn_run *run, mn_value *v, mn_value *own) {
    mn_value *have = v->grad, *written;
    MN_TRY(mn_as(run, own, have->layout, &written));
    if (!have->shared) return mn_emit_axpby(run, written, have, 1, 1);
    if (written->shared || written != own) { /* both are in use elsewhere: a third place */
        mn_value *sum;
        MN_TRY(mn_temp(run, v->dims, v->dtype, have->layout, &sum));
        MN_TRY(mn_emit_axpby(run, written, sum, 1, 0));
        written = sum;
    }
    MN_TRY(mn_emit_axpby(run, have, written, 1, 1));
    v->grad = written;
    return 0;
}

int mn_grad_close(mn_run *run, mn_value *v, mn_value *written) {
    if (v->grad) return add_grad(run, v, written);
    if (v->param && written->place != MN_IN_GRADS)
        MN_TRY(store_param_grad(run, v, written));
    else
        v->grad = written;
    if (v->param && !mn_vec_push(run->ctx, &run->touched, &v->param, 1)) return MODNAS_ENOMEM;
    return 0;
}

int mn_grad_pass(mn_run *run, mn_value *v, mn_value *g) {
    g = mn_root(g);
    g->shared = 1;
    return mn_grad_close(run, v, g);
}
