/* A running average of weights and statistics, which is what is evaluated and saved.
 *
 *   a <- d a + (1 - d) w after each step,    d = min(ema, (1 + n) / (10 + n)) after n steps
 *
 * It begins with the weights after the first step; d grows, so that they are soon forgotten. A phase has its own, and
 * leaves it behind as the weights (mn_trainer_settle). */
#include "train/arena.h"
#include "train/trainer.h"

struct mn_average {
    modnas_ctx *ctx;
    mn_store *weights;
    double decay;
    mn_axpby mix;
    void *arena, *own; /* own: the weights while the average is in their place; NULL: it is not */
    int64_t n;         /* steps */
};

int mn_average_new(mn_store *weights, double decay, mn_average **out) {
    modnas_ctx *ctx = mn_backend_ctx(mn_store_backend(weights));
    mn_average *a = mn_alloc(ctx, 1, sizeof *a);
    if (!a) return MODNAS_ENOMEM;
    *a = (mn_average){.ctx = ctx, .weights = weights, .decay = decay};
    const size_t bytes = (mn_store_count(weights) + 16) * mn_store_elem_bytes(weights);
    int rc = mn_axpby_new(weights, &a->mix);
    if (!rc) rc = mn_backend_alloc(mn_store_backend(weights), bytes, &a->arena);
    if (rc)
        mn_average_free(a);
    else
        *out = a;
    return rc;
}

void mn_average_free(mn_average *a) {
    if (!a) return;
    if (a->arena) mn_backend_free(mn_store_backend(a->weights), a->arena);
    mn_free(a->ctx, a);
}

void mn_average_reset(mn_average *a) {
    mn_average_go_back(a, 0);
}

int64_t mn_average_steps(const mn_average *a) {
    return a ? a->n : 0;
}

void mn_average_go_back(mn_average *a, int64_t n) {
    if (a) a->n = n;
}

int mn_average_step(mn_average *a) {
    if (!a) return 0;
    const double n = (double)a->n, grown = (1 + n) / (10 + n), d = !a->n ? 0 : grown < a->decay ? grown : a->decay;
    MN_TRY(mn_axpby_run(&a->mix, 0, mn_store_count(a->weights), 1 - d, mn_store_weights(a->weights), d, a->arena));
    a->n++;
    return 0;
}

int mn_average_state(mn_average *a, mn_state *io) {
    if (!a) return 0;
    MN_TRY(mn_state_i64(io, &a->n));
    if (a->n < 0) return mn_state_fail(io, "an average of %lld steps", (long long)a->n);
    return a->n ? mn_store_state(a->weights, a->arena, io) : 0;
}

void *mn_average_arena(const mn_average *a) {
    return a && a->n ? a->arena : NULL;
}

void mn_trainer_average_in(mn_trainer *t) {
    mn_average *a = t->average;
    if (a && a->n && !a->own) a->own = mn_store_swap(a->weights, a->arena);
}

void mn_trainer_average_out(mn_trainer *t) {
    mn_average *a = t->average;
    if (!a || !a->own) return;
    mn_store_swap(a->weights, a->own);
    a->own = NULL;
}

int mn_trainer_settle(mn_trainer *t) {
    mn_average *a = t->average;
    if (!a || !a->n) return 0;
    a->n = 0;
    return mn_axpby_run(&a->mix, 0, mn_store_count(a->weights), 1, a->arena, 0, mn_store_weights(a->weights));
}
