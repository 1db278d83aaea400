/* The loop of every weight optimizer: which parameters move, and in how few kernel calls.
 *
 *   weights  [ w0 | w1 | w2 | ... ]     state arenas (momentum; Adam's m and v) have the weights' offsets, so a range
 * of the grads    [ g0 |    | g2 | ... ]     weight arena is a range of all of them steps      3    0    3
 *
 * Only parameters with an active gradient move. Each counts its own updates: PyTorch keeps its state by parameter, so a
 * candidate that is sampled for the first time after a thousand steps begins with an empty momentum and with t = 1 of
 * Adam's bias correction. Neighbours that are active and equally far share one call; the gap that alignment leaves
 * between two of them is zero in all arenas and stays so. Nothing is allocated after the optimizer was made. */
#include <float.h>
#include <string.h>

#include "train/update.h"

/* Padding that alignment to 64 bytes may leave behind a parameter, in elements of the smallest type. */
#define MAX_GAP 16

static int make_plans(mn_weight_optim *o) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = o->rule->kind;
    k.pass = MODNAS_FORWARD;
    k.dtype = mn_store_dtype(o->store);
    k.flags = o->flags;
    MN_TRY(mn_axpby_new(o->store, &o->axpby));
    return mn_backend_plan(mn_store_backend(o->store), &k, &o->plan);
}

static size_t elem_bytes(const mn_store *s) {
    return mn_store_dtype(s) == MODNAS_F64 ? sizeof(double) : sizeof(float);
}

/* Fill the states, gaps included, with what they begin with; they are 0. */
static int init_states(mn_weight_optim *o) {
    const mn_plan *fill;
    modnas_kernel k;
    if (o->state_init == 0) return 0;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_FILL;
    k.pass = MODNAS_FORWARD;
    k.dtype = mn_store_dtype(o->store);
    MN_TRY(mn_backend_plan(mn_store_backend(o->store), &k, &fill));
    const double scalars[] = {(double)mn_store_count(o->store), o->state_init};
    for (int32_t i = 0; i < o->n_state; i++)
        if (o->state[i]) MN_TRY(mn_plan_run(fill, &o->state[i], 1, scalars, 2, NULL));
    return 0;
}

int mn_weight_optim_new(const mn_weight_optim *draft, mn_weight_optim **out) {
    modnas_ctx *ctx = draft->ctx;
    mn_weight_optim *o = mn_alloc(ctx, 1, sizeof *o);
    if (!o) return MODNAS_ENOMEM;
    *o = *draft;
    mn_ctx_hold(ctx);
    o->n_params = mn_store_n_params(o->store);
    o->steps = mn_alloc(ctx, o->n_params + 1, sizeof *o->steps);
    int rc = o->steps ? make_plans(o) : MODNAS_ENOMEM;
    const size_t bytes = mn_store_count(o->store) * elem_bytes(o->store);
    for (int32_t i = 0; i < o->n_state && !rc; i++)
        if (!(o->absent >> i & 1)) rc = mn_backend_alloc(mn_store_backend(o->store), bytes, &o->state[i]);
    if (!rc) rc = init_states(o);
    if (rc) {
        mn_weight_optim_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

void mn_weight_optim_free(mn_weight_optim *o) {
    if (!o) return;
    modnas_ctx *ctx = o->ctx;
    for (int32_t i = 0; i < o->n_state; i++)
        if (o->state[i]) mn_backend_free(mn_store_backend(o->store), o->state[i]);
    mn_free(ctx, o->steps);
    mn_free(ctx, o);
    mn_ctx_drop(ctx);
}

int mn_args_not_negative(const mn_args *a, const char *name) {
    const double x = mn_args_real(a, name);
    return x >= 0 ? 0 : mn_args_fail(a, name, "is %g, it must not be negative", x);
}

double mn_update_eps(const mn_weight_optim *o) {
    return o->eps > 0 ? o->eps : FLT_MIN;
}

int mn_update_same_steps(int64_t a, int64_t b) {
    return a == b;
}

int mn_update_any_steps(int64_t a, int64_t b) {
    (void)a, (void)b;
    return 1;
}

double mn_weight_optim_lr(const mn_weight_optim *o) {
    return o->lr;
}

size_t mn_weight_optim_state_bytes(const mn_weight_optim *o) {
    size_t n = 0;
    for (int32_t i = 0; i < o->n_state; i++) n += o->state[i] != NULL;
    return n * mn_store_count(o->store) * elem_bytes(o->store);
}

int mn_weight_optim_state(mn_weight_optim *o, mn_state *io) {
    MN_TRY(mn_state_same(io, (int64_t)o->n_params, o->rule->name));
    MN_TRY(mn_state_same(io, o->n_state, o->rule->name));
    for (size_t i = 0; i < o->n_params; i++) {
        MN_TRY(mn_state_i64(io, &o->steps[i]));
        if (o->steps[i] < 0) return mn_state_fail(io, "%lld steps of a parameter", (long long)o->steps[i]);
    }
    for (int32_t i = 0; i < o->n_state; i++)
        if (o->state[i]) MN_TRY(mn_store_state(o->store, o->state[i], io));
    return 0;
}

typedef struct range {
    size_t offset, count;
    int64_t steps; /* of its parameters, before this update */
} range;

typedef struct move { /* what to do with a range */
    double lr, scale;
    const void *from; /* arenas, when looking ahead */
    void *to;
} move;

typedef int (*range_fn)(const mn_weight_optim *o, const range *r, const move *m);

static int update_range(const mn_weight_optim *o, const range *r, const move *m) {
    const size_t at = r->offset * elem_bytes(o->store);
    void *args[2 + MN_UPDATE_STATES] = {(char *)mn_store_weights(o->store) + at, (char *)mn_store_grads(o->store) + at};
    for (int32_t i = 0; i < o->n_state; i++) args[2 + i] = o->state[i] ? (char *)o->state[i] + at : NULL;
    double scalars[MN_UPDATE_SCALARS];
    const int32_t n = o->rule->scalars(o, (double)r->count, m->lr, m->scale, r->steps, scalars);
    return mn_plan_run(o->plan, args, 2 + o->n_state, scalars, n, NULL);
}

/* Take the parameter into the range if it continues it; 0 if it does not. */
static int extend(const mn_weight_optim *o, range *r, const mn_param *p, int64_t steps) {
    const size_t end = r->offset + r->count;
    if (!r->count || p->offset < end || p->offset - end >= MAX_GAP || !o->rule->same(r->steps, steps)) return 0;
    r->count = p->offset + p->count - r->offset;
    return 1;
}

/* Visit the active ranges, each of parameters that are equally far. */
static int each_range(const mn_weight_optim *o, range_fn fn, const move *m) {
    range r = {0, 0, 0};
    for (size_t i = 0; i < o->n_params; i++) {
        const mn_param *p = mn_store_param(o->store, i);
        if (p->role == MN_ROLE_STAT || !mn_param_active(p)) continue;
        if (extend(o, &r, p, o->steps[i])) continue;
        if (r.count) MN_TRY(fn(o, &r, m));
        r = (range){p->offset, p->count, o->steps[i]};
    }
    return r.count ? fn(o, &r, m) : 0;
}

int mn_weight_optim_step(mn_weight_optim *o, double lr, double g_scale) {
    MN_TRY(each_range(o, update_range, &(move){.lr = lr, .scale = g_scale}));
    for (size_t i = 0; i < o->n_params; i++) {
        const mn_param *p = mn_store_param(o->store, i);
        o->steps[i] += p->role != MN_ROLE_STAT && mn_param_active(p);
    }
    return 0;
}

/* ---- looking ahead ------------------------------------------------------------------------------------- */

/* Rules that have no straight line to follow look along the gradient. */
static mn_ahead ahead_of(const mn_weight_optim *o, int64_t steps) {
    return o->rule->ahead ? o->rule->ahead(o, steps) : (mn_ahead){1, 0};
}

static int ahead_range(const mn_weight_optim *o, const range *r, const move *m) {
    const mn_ahead k = ahead_of(o, r->steps);
    const mn_axpby *y = &o->axpby;
    MN_TRY(mn_axpby_run(y, r->offset, r->count, 1 - m->lr * k.grad * o->weight_decay, m->from, 0, m->to));
    MN_TRY(mn_axpby_run(y, r->offset, r->count, -m->lr * k.grad, mn_store_grads(o->store), 1, m->to));
    if (k.state == 0) return 0;
    return mn_axpby_run(y, r->offset, r->count, -m->lr * k.state, o->state[0], 1, m->to);
}

int mn_weight_optim_ahead(const mn_weight_optim *o, double lr, const void *from, void *to) {
    return each_range(o, ahead_range, &(move){.lr = lr, .from = from, .to = to});
}

double mn_weight_optim_reach(const mn_weight_optim *o) {
    return ahead_of(o, 0).grad;
}

static int along_range(const mn_weight_optim *o, const range *r, const move *m) {
    const double share = ahead_of(o, r->steps).grad / mn_weight_optim_reach(o);
    MN_TRY(mn_axpby_run(&o->axpby, r->offset, r->count, 1, m->from, 0, m->to));
    return mn_axpby_run(&o->axpby, r->offset, r->count, m->scale * share, mn_store_grads(o->store), 1, m->to);
}

int mn_weight_optim_along(const mn_weight_optim *o, double scale, const void *from, void *to) {
    return each_range(o, along_range, &(move){.scale = scale, .from = from, .to = to});
}

int32_t mn_weight_optim_arenas(const mn_weight_optim *o, void *out[MN_OPTIM_ARENAS]) {
    int32_t n = 0;
    for (int32_t i = 0; i < o->n_state; i++)
        if (o->state[i]) out[n++] = o->state[i];
    return n;
}

int mn_weight_optim_is_exact(const mn_weight_optim *o) {
    return o->rule->ahead != NULL;
}

const char *mn_weight_optim_name(const mn_weight_optim *o) {
    return o->rule->name;
}

void mn_weight_optim_decay(const mn_weight_optim *o, double *momentum, double *weight_decay) {
    *momentum = o->momentum;
    *weight_decay = o->weight_decay;
}
