/* Recomputing: a plan whose saved values do not fit drops some and makes them again in the backward (Chen et al.,
 * Training deep nets with sublinear memory cost, 2016).
 *
 *   forward    | a b c | d e f | g h |                    calls, cut into segments
 *   backward   h' g' | d e f f' e' d' | a b c c' b' a'    the first two dropped what they save within themselves
 *
 * It is done on kernel calls, after fusion and layouts, so no operator knows of it. A dropped value's forward calls are
 * written once more, before the first call of the backward that names it; only those calls of its segment that lead to
 * a dropped value, their results in new values that live for a while. What a segment hands on stays.
 *
 * The same kernels on the same arguments give the same bytes: dropout is keyed by (seed, step, element), and a call
 * that would move running statistics is replaced by its plan without that. */
#include "graph/recompute.h"

#include <string.h>

void mn_recompute_init(mn_run *run) {
    mn_vec_init(&run->recorded_calls, sizeof(mn_call));
    mn_vec_init(&run->recorded_args, sizeof(mn_value *));
    mn_vec_init(&run->segments, sizeof(mn_segment));
    mn_vec_init(&run->of_call, sizeof(mn_forward_call));
}

void mn_run_set_limit(mn_run *run, size_t bytes) {
    run->limit = bytes;
}

int64_t mn_run_n_again(const mn_run *run) {
    return run->planned && run->recorded_calls.n ? (int64_t)(run->calls.n - run->recorded_calls.n) : 0;
}

/* ---- what a call is ------------------------------------------------------------------------------------------ */

/* Bit i: argument i is written. Kinds of the forward, kernel.h lists their arguments. */
static const uint32_t writes[] = {
    [MODNAS_KERNEL_CONV2D] = 1u << 3,
    [MODNAS_KERNEL_LINEAR] = 1u << 3,
    [MODNAS_KERNEL_BATCH_NORM] = 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8,
    [MODNAS_KERNEL_POOL2D] = 1u << 1 | 1u << 2,
    [MODNAS_KERNEL_ACTIVATION] = 1u << 1,
    [MODNAS_KERNEL_BINARY] = 1u << 2,
    [MODNAS_KERNEL_SCALE] = 1u << 2,
    [MODNAS_KERNEL_DOT] = 1u << 2,
    [MODNAS_KERNEL_COPY] = 1u << 1,
    [MODNAS_KERNEL_SHUFFLE] = 1u << 1,
    [MODNAS_KERNEL_SOFTMAX] = 1u << 1,
    [MODNAS_KERNEL_SOFTMAX_XENT] = 1u << 2 | 1u << 3,
    [MODNAS_KERNEL_DROPOUT] = 1u << 1 | 1u << 2,
    [MODNAS_KERNEL_FILL] = 1u << 0,
    [MODNAS_KERNEL_AXPBY] = 1u << 1,
    [MODNAS_KERNEL_REORDER] = 1u << 1,
    [MODNAS_KERNEL_REDUCE] = 1u << 1,
    [MODNAS_KERNEL_RESIZE] = 1u << 1,
    [MODNAS_KERNEL_LOSS] = 1u << 2,
    [MODNAS_KERNEL_BOTTLENECK] = 1u << 1 | 1u << 2 | 1u << 6 | 1u << 7 | 1u << 11 | 1u << 12,
};

int mn_recompute_writes(const mn_call *c, int32_t arg) {
    if (c->kind == MODNAS_KERNEL_WEIGHTED_SUM) return arg == c->n_args - 1;
    const uint32_t mask = (size_t)c->kind < MN_COUNT(writes) ? writes[c->kind] : 0;
    return arg < 32 && (mask >> arg & 1);
}

static double elements(const int64_t dims[4]) {
    return (double)dims[0] * (double)dims[1] * (double)dims[2] * (double)dims[3];
}

/* Multiply-adds of the kernels that have many; a bottleneck is its source and result times its width and window. */
static double macs(const modnas_kernel *k) {
    const double weights = elements(k->weights.dims), outputs = (double)k->weights.dims[0];
    if (k->kind == MODNAS_KERNEL_BOTTLENECK) return (elements(k->src.dims) + elements(k->dst.dims)) * outputs + weights;
    return k->kind == MODNAS_KERNEL_CONV2D || k->kind == MODNAS_KERNEL_LINEAR ? elements(k->dst.dims) * weights / outputs
                                                                              : 0;
}

int mn_call_again(mn_run *run, const modnas_kernel *k, mn_call *call) {
    call->again = call->plan;
    call->cost = macs(k) / 16; /* about as many of them as bytes from memory take the same time */
    if (!(k->flags & MODNAS_KF_UPDATE_STATS)) return 0;
    modnas_kernel still = *k;
    still.flags &= ~MODNAS_KF_UPDATE_STATS;
    MN_TRY(mn_backend_plan(run->backend, &still, &call->again));
    if (call->again->scratch > run->scratch_bytes) run->scratch_bytes = call->again->scratch;
    return 0;
}

/* ---- the plan as it was --------------------------------------------------------------------------------------- */

static mn_call *recorded(const mn_run *run, size_t i) {
    return &MN_AT(run->recorded_calls, mn_call, i);
}
static mn_value *recorded_arg(const mn_run *run, const mn_call *c, int32_t a) {
    return MN_AT(run->recorded_args, mn_value *, c->arg + (uint32_t)a);
}
static mn_forward_call *forward_call(const mn_run *run, int32_t i) {
    return &MN_AT(run->of_call, mn_forward_call, i);
}

/* A value of the slab that calls of the forward make. */
static int is_made(const mn_run *run, const mn_value *v) {
    return v && v->place == MN_IN_SLAB && v->made >= 0 && v->made < (int32_t)run->n_forward;
}

static int is_saved(const mn_run *run, const mn_value *v) {
    return v->used >= (int32_t)run->n_forward;
}

static int copy_all(modnas_ctx *ctx, mn_vec *to, const mn_vec *from) {
    to->n = 0;
    return mn_vec_push(ctx, to, from->data, from->n) ? 0 : MODNAS_ENOMEM;
}

/* Room for a plan that makes all of the forward again: another path under the same limit then finds it. */
static int reserve(mn_run *run) {
    const size_t calls = run->calls.n, args = run->args.n;
    if (!mn_vec_push(run->ctx, &run->calls, NULL, run->n_forward) || !mn_vec_push(run->ctx, &run->args, NULL, args))
        return MODNAS_ENOMEM;
    run->calls.n = calls;
    run->args.n = args;
    return 0;
}

static void note_lives(mn_run *run) {
    for (size_t i = 0; i < run->n_values; i++) {
        mn_value *v = mn_value_at(run, i);
        v->made = v->first;
        v->ahead = -1;
        v->used = v->last;
    }
    for (size_t i = 0; i < run->inputs.n; i++) MN_AT(run->inputs, mn_value *, i)->made = -1; /* no call makes them */
    for (size_t i = 0; i < run->n_forward; i++)
        for (int32_t a = 0; a < recorded(run, i)->n_args; a++) {
            mn_value *v = recorded_arg(run, recorded(run, i), a);
            if (v) v->ahead = (int32_t)i;
        }
}

/* Count a value into the calls that it crosses, and into the one that makes it. */
static void note_value(mn_run *run, const mn_value *v) {
    if (!is_made(run, v)) return;
    for (int32_t i = v->made + 1; i <= v->ahead; i++) forward_call(run, i)->crossing += mn_rounded(v);
    if (is_saved(run, v) && !v->keep) forward_call(run, v->made)->made += mn_rounded(v);
}

static int note_calls(mn_run *run) {
    run->of_call.n = 0;
    if (!mn_vec_push(run->ctx, &run->of_call, NULL, run->n_forward)) return MODNAS_ENOMEM;
    for (size_t i = 0; i < run->n_recorded_values; i++) note_value(run, mn_value_at(run, i));
    for (int32_t i = 0; i < (int32_t)run->n_forward; i++) {
        mn_call *c = recorded(run, (size_t)i);
        for (int32_t a = 0; a < c->n_args; a++) {
            const mn_value *v = recorded_arg(run, c, a);
            if (v) c->cost += (double)v->bytes;
            if (!is_made(run, v) || !mn_recompute_writes(c, a)) continue;
            for (int32_t p = v->made + 1; p <= i; p++) forward_call(run, p)->barred++;
        }
    }
    return 0;
}

int mn_recompute_begin(mn_run *run) {
    MN_TRY(copy_all(run->ctx, &run->recorded_calls, &run->calls));
    MN_TRY(copy_all(run->ctx, &run->recorded_args, &run->args));
    MN_TRY(reserve(run));
    run->n_recorded_values = run->n_values;
    note_lives(run);
    return note_calls(run);
}

/* ---- the plan anew -------------------------------------------------------------------------------------------- */

static mn_segment *segment_of(const mn_run *run, const mn_value *v) {
    return &MN_AT(run->segments, mn_segment, forward_call(run, v->made)->segment);
}

static int is_inside(const mn_segment *s, const mn_value *v) {
    return v->made >= s->from && v->made < s->to;
}

/* Saved, but for its own segment only. */
static int is_dropped(const mn_run *run, const mn_value *v) {
    if (!is_made(run, v) || !is_saved(run, v) || v->keep) return 0;
    const mn_segment *s = segment_of(run, v);
    return s->on && v->ahead < s->to;
}

/* Of a segment that is made again: what is there anyway, saved for the segments behind it. */
static int stays(const mn_run *run, const mn_segment *s, const mn_value *v) {
    return v->keep || (is_saved(run, v) && v->ahead >= s->to);
}

static int clone(mn_run *run, const mn_value *v, mn_value **out) {
    mn_value *c = mn_value_new(run, v->dims, v->dtype);
    if (!c) return MODNAS_ENOMEM;
    c->layout = v->layout;
    c->groups = v->groups;
    c->bytes = v->bytes;
    c->made = -1;
    *out = c;
    return 0;
}

/* Clones of what is dropped, then of all that leads to it; the calls of the segment that this needs. */
static int find_needed(mn_run *run, mn_segment *s) {
    for (int32_t i = s->to - 1; i >= s->from; i--) {
        const mn_call *c = recorded(run, (size_t)i);
        int32_t *needed = &forward_call(run, i)->needed;
        *needed = 0;
        for (int32_t a = 0; a < c->n_args; a++) {
            mn_value *v = recorded_arg(run, c, a);
            if (!is_made(run, v) || !is_inside(s, v) || !mn_recompute_writes(c, a)) continue;
            *needed |= v->again || is_dropped(run, v);
        }
        for (int32_t a = 0; a < c->n_args && *needed; a++) {
            mn_value *v = recorded_arg(run, c, a);
            if (!is_made(run, v) || !is_inside(s, v) || v->again || stays(run, s, v)) continue;
            MN_TRY(clone(run, v, &v->again));
        }
    }
    return 0;
}

/* Append a call; its arguments are those recorded, or their clones. */
static int append(mn_run *run, const mn_call *c, const mn_segment *s) {
    mn_call *copy = mn_vec_push(run->ctx, &run->calls, c, 1);
    if (!copy) return MODNAS_ENOMEM;
    copy->arg = (uint32_t)run->args.n;
    for (int32_t a = 0; a < c->n_args; a++) {
        mn_value *v = recorded_arg(run, c, a);
        if (s && is_made(run, v) && is_inside(s, v)) {
            if (v->again)
                v = v->again;
            else if (mn_recompute_writes(c, a)) /* it stays as it is: what is written once more goes nowhere */
                MN_TRY(clone(run, v, &v));
        } else if (!s && v && is_dropped(run, v)) {
            v = v->again;
        }
        if (!mn_vec_push(run->ctx, &run->args, &v, 1)) return MODNAS_ENOMEM;
    }
    if (s) copy->plan = copy->again;
    if (s) copy->patch = MN_PATCH_NONE; /* the step is in its scalars since the forward */
    return 0;
}

static int make_again(mn_run *run, mn_segment *s) {
    s->done = 1;
    MN_TRY(find_needed(run, s));
    for (int32_t i = s->from; i < s->to; i++)
        if (forward_call(run, i)->needed) MN_TRY(append(run, recorded(run, (size_t)i), s));
    return 0;
}

int mn_recompute_plan(mn_run *run) {
    for (size_t i = 0; i < run->n_recorded_values; i++) mn_value_at(run, i)->again = NULL;
    for (size_t i = 0; i < run->segments.n; i++) MN_AT(run->segments, mn_segment, i).done = 0;
    run->n_values = run->n_recorded_values;
    run->calls.n = run->n_forward;
    if (run->n_forward < run->recorded_calls.n) run->args.n = recorded(run, run->n_forward)->arg;
    for (size_t i = run->n_forward; i < run->recorded_calls.n; i++) {
        const mn_call *c = recorded(run, i);
        for (int32_t a = 0; a < c->n_args; a++) {
            const mn_value *v = recorded_arg(run, c, a);
            if (v && is_dropped(run, v) && !segment_of(run, v)->done) MN_TRY(make_again(run, segment_of(run, v)));
        }
        MN_TRY(append(run, c, NULL));
    }
    return mn_lifetimes(run);
}
