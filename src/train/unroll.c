/* DARTS, second order (Liu et al. 2019, eq. 6 to 8), for the weight optimizer that there is.
 *
 *   w'(a) = w - xi k (g + lambda w) - xi b buf,   g = d L_train(w, a) / dw      the step that would come next: k = 1,
 * or 1 + momentum with Nesterov; b, buf: what momentum adds d L_val(w'(a), a) / da = dL_val/da - xi k (d2 L_train / da
 * dw) v            v = dL_val/dw at w' (d2 L_train / da dw) v = (dL_train/da at w + e v - dL_train/da at w - e v) / 2e,
 * e = radius / |v|
 *
 * The step is a line through flat arenas: w' and w +- e v are made in a second arena, and that arena takes the place of
 * the weights while a pass runs. The weights themselves are only read, so there is nothing to restore. */
#include "train/unroll.h"

#include <math.h>

#include "train/arena.h"

struct mn_unroll {
    modnas_ctx *ctx;
    mn_store *weights, *arch;
    mn_grad_norm *norm;
    mn_axpby on_weights, on_arch;
    void *moved;            /* as the weights: w', then w + e v, then w - e v */
    void *direct, *forward; /* as the architecture parameters: dL_val/da; dL_train/da at w + e v */
};

typedef struct passes {
    mn_unroll_fn run;
    void *ud;
} passes;

static int arena_new(mn_store *s, void **out) {
    return mn_backend_alloc(mn_store_backend(s), (mn_store_count(s) + 16) * mn_store_elem_bytes(s), out);
}

static int fill(mn_unroll *u) {
    MN_TRY(mn_axpby_new(u->weights, &u->on_weights));
    MN_TRY(mn_axpby_new(u->arch, &u->on_arch));
    MN_TRY(mn_grad_norm_new(u->weights, &u->norm));
    MN_TRY(arena_new(u->weights, &u->moved));
    MN_TRY(arena_new(u->arch, &u->direct));
    return arena_new(u->arch, &u->forward);
}

int mn_unroll_new(mn_store *weights, mn_store *arch, mn_unroll **out) {
    modnas_ctx *ctx = mn_backend_ctx(mn_store_backend(weights));
    mn_unroll *u = mn_alloc(ctx, 1, sizeof *u);
    if (!u) return MODNAS_ENOMEM;
    u->ctx = ctx;
    u->weights = weights;
    u->arch = arch;
    const int rc = fill(u);
    if (rc)
        mn_unroll_free(u);
    else
        *out = u;
    return rc;
}

void mn_unroll_free(mn_unroll *u) {
    if (!u) return;
    mn_backend *b = mn_store_backend(u->weights);
    void *const arenas[] = {u->moved, u->direct, u->forward};
    for (size_t i = 0; i < MN_COUNT(arenas); i++)
        if (arenas[i]) mn_backend_free(b, arenas[i]);
    mn_grad_norm_free(u->norm);
    mn_free(u->ctx, u);
}

static int run_arch(mn_unroll *u, const passes *p, int32_t kind) {
    mn_store_zero_grad(u->arch);
    return p->run(kind, p->ud);
}

/* A pass with the moved arena as weights. */
static int run_moved(mn_unroll *u, const passes *p, int32_t kind) {
    void *own = mn_store_swap(u->weights, u->moved);
    const int rc = run_arch(u, p, kind);
    mn_store_swap(u->weights, own);
    return rc;
}

static int copy_weights(mn_unroll *u) {
    return mn_axpby_run(&u->on_weights, 0, mn_store_count(u->weights), 1, mn_store_weights(u->weights), 0, u->moved);
}

/* y = a x + b y over all architecture parameters. */
static int mix_arch(const mn_unroll *u, double a, const void *x, double b, void *y) {
    return mn_axpby_run(&u->on_arch, 0, mn_store_count(u->arch), a, x, b, y);
}

static int run_at(mn_unroll *u, const mn_weight_optim *o, double distance, const passes *p) {
    MN_TRY(mn_weight_optim_along(o, distance, mn_store_weights(u->weights), u->moved));
    return run_moved(u, p, MN_UNROLL_CROSS);
}

/* Gradients of the weights are v, those of the architecture parameters dL_val/da. */
static int add_curvature(mn_unroll *u, const mn_weight_optim *o, double lr, double epsilon, const passes *p) {
    void *grads = mn_store_grads(u->arch);
    MN_TRY(mix_arch(u, 1, grads, 0, u->direct));
    MN_TRY(copy_weights(u));
    MN_TRY(run_at(u, o, epsilon, p));
    MN_TRY(mix_arch(u, 1, grads, 0, u->forward));
    MN_TRY(run_at(u, o, -epsilon, p));
    MN_TRY(mix_arch(u, 1, u->forward, -1, grads)); /* the difference first: it is the small number */
    return mix_arch(u, 1, u->direct, -lr * mn_weight_optim_reach(o) / (2 * epsilon), grads);
}

int mn_unroll_grad(mn_unroll *u, const mn_weight_optim *o, double lr, double radius, mn_unroll_fn run, void *ud) {
    const passes p = {run, ud};
    double norm;
    mn_store_zero_grad(u->weights);
    MN_TRY(run_arch(u, &p, MN_UNROLL_TRAIN));
    MN_TRY(copy_weights(u));
    MN_TRY(mn_weight_optim_ahead(o, lr, mn_store_weights(u->weights), u->moved));
    mn_store_zero_grad(u->weights);
    MN_TRY(run_moved(u, &p, MN_UNROLL_VALID));
    MN_TRY(mn_grad_norm_get(u->norm, &norm));
    if (!isfinite(norm))
        return mn_fail(u->ctx, MODNAS_ENUMERIC, "the norm of the gradients after the step ahead is %g", norm);
    if (norm == 0 || lr == 0) return 0; /* the weights do not move, or the loss does not care where they go */
    return add_curvature(u, o, lr, radius / norm, &p);
}
