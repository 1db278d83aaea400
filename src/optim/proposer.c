/* Asking and telling (see proposer.h). */
#include "optim/proposer.h"

#include <string.h>

enum { TRIES = 100, MOST = 4096 };

int mn_proposer_init(mn_proposer *p, const mn_args *a, const mn_optim_env *env, const char *type) {
    p->objective = env->objective;
    p->most = MOST;
    return mn_points_init(&p->points, a, env, type);
}

void mn_proposer_free(mn_proposer *p) {
    modnas_ctx *ctx = p->points.ctx;
    if (!ctx) return;
    mn_free(ctx, p->digits);
    mn_free(ctx, p->fitness);
    mn_free(ctx, p->told);
    mn_points_free(&p->points);
}

static int32_t *digits_at(const mn_proposer *p, int64_t i) {
    return mn_points_at(&p->points, p->digits, i);
}

/* ---- the queue ----------------------------------------------------------------------------------------- */

static int make_room(mn_proposer *p, int64_t room) {
    modnas_ctx *ctx = p->points.ctx;
    if (room <= p->room) return 0;
    const size_t n = (size_t)(room > 2 * p->room ? room : 2 * p->room);
    int32_t *digits = mn_realloc(ctx, p->digits, n * (size_t)p->points.n, sizeof *digits);
    if (digits) p->digits = digits;
    mn_fitness *fitness = mn_realloc(ctx, p->fitness, n, sizeof *fitness);
    if (fitness) p->fitness = fitness;
    int32_t *told = mn_realloc(ctx, p->told, n, sizeof *told);
    if (told) p->told = told;
    if (!digits || !fitness || !told) return MODNAS_ENOMEM;
    p->room = (int64_t)n;
    return 0;
}

static void copy_digits(const mn_points *p, int32_t *dst, const int32_t *src) {
    memcpy(dst, src, (size_t)p->n * sizeof *dst);
}

/* The first of the queue is committed and leaves it. */
static int take_first(mn_proposer *p) {
    const size_t bytes = (size_t)p->points.n * sizeof *p->digits;
    copy_digits(&p->points, p->points.digits, p->digits);
    const mn_fitness f = p->fitness[0];
    p->n--;
    memmove(p->digits, digits_at(p, 1), (size_t)p->n * bytes);
    memmove(p->fitness, p->fitness + 1, (size_t)p->n * sizeof *p->fitness);
    memmove(p->told, p->told + 1, (size_t)p->n * sizeof *p->told);
    return p->commit(p->self, p->points.digits, &f, 1);
}

static int take_told(mn_proposer *p) {
    while (p->n && p->told[0]) MN_TRY(take_first(p));
    return 0;
}

/* Not told, and not waited for any longer. */
static void give_up(mn_proposer *p, int64_t i) {
    if (p->told[i]) return;
    p->told[i] = 1;
    p->fitness[i] = (mn_fitness){.failed = 1, .n = mn_objective_n_goals(p->objective)};
}

static int give_up_all(mn_proposer *p) {
    for (int64_t i = 0; i < p->n; i++) give_up(p, i);
    return take_told(p);
}

/* ---- ask ----------------------------------------------------------------------------------------------- */

/* Is it among the last `n` of the queue? */
static int is_there(const mn_proposer *p, int64_t n, const int32_t *digits) {
    for (int64_t i = p->n - n; i < p->n; i++)
        if (mn_points_same(&p->points, digits_at(p, i), digits)) return 1;
    return 0;
}

/* One that is not among the `n` of this ask; MN_WAIT after many tries. */
static int next_distinct(mn_proposer *p, int64_t n) {
    int32_t *digits = digits_at(p, p->n);
    for (int i = 0; i < TRIES; i++) {
        MN_TRY(p->next(p->self, digits));
        if (!is_there(p, n, digits)) return 0;
    }
    for (int i = 0; i < TRIES; i++) {
        mn_rng rng;
        mn_points_rng(&p->points, &rng);
        mn_points_draw(&p->points, &rng, digits);
        if (!is_there(p, n, digits)) return 0;
    }
    return MN_WAIT;
}

static int ask_one(mn_proposer *p, int64_t n) {
    MN_TRY(make_room(p, p->n + 1));
    int rc = next_distinct(p, n);
    if (rc == MN_WAIT && n == 0) {
        MN_TRY(give_up_all(p));
        rc = next_distinct(p, n);
    }
    if (rc) return rc;
    p->told[p->n++] = 0;
    if (p->n <= p->most + n) return 0;
    give_up(p, 0);
    return take_told(p);
}

int mn_proposer_ask(mn_proposer *p, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    int rc = 0;
    *n_out = 0;
    while (*n_out < n && !rc) {
        rc = ask_one(p, *n_out);
        if (!rc) mn_points_write(&p->points, digits_at(p, p->n - 1), archs[(*n_out)++]);
    }
    if (rc == MN_WAIT || (rc == MODNAS_EDONE && *n_out)) rc = 0;
    if (rc) *n_out = 0;
    return rc;
}

/* ---- tell ---------------------------------------------------------------------------------------------- */

int mn_proposer_tell(mn_proposer *p, const mn_arch *arch, int status, const mn_metrics *m) {
    mn_fitness f;
    MN_TRY(mn_objective_judge(p->objective, status, m, &f));
    mn_points_read(&p->points, arch, p->points.digits);
    for (int64_t i = 0; i < p->n; i++) {
        if (p->told[i] || !mn_points_same(&p->points, digits_at(p, i), p->points.digits)) continue;
        p->told[i] = 1;
        p->fitness[i] = f;
        return take_told(p);
    }
    return p->commit(p->self, p->points.digits, &f, 0);
}

/* ---- state --------------------------------------------------------------------------------------------- */

int mn_points_digits_state(const mn_points *p, int32_t *digits, mn_state *io) {
    for (int32_t i = 0; i < p->n; i++) MN_TRY(mn_state_range(io, &digits[i], 0, p->choices[i] - 1));
    return 0;
}

int mn_proposer_state(mn_proposer *p, mn_state *io) {
    uint64_t n = (uint64_t)p->n;
    MN_TRY(mn_points_state(&p->points, io));
    MN_TRY(mn_state_count(io, &n, (size_t)p->points.n * sizeof *p->digits));
    if (io->loading) p->n = 0;
    MN_TRY(make_room(p, (int64_t)n));
    for (int64_t i = 0; i < (int64_t)n; i++) {
        if (io->loading) p->told[i] = 0;
        MN_TRY(mn_points_digits_state(&p->points, digits_at(p, i), io));
        MN_TRY(mn_state_range(io, &p->told[i], 0, 1));
        if (io->loading) p->fitness[i] = (mn_fitness){.failed = 1, .n = 1};
        if (p->told[i]) MN_TRY(mn_fitness_state(&p->fitness[i], io));
    }
    p->n = (int64_t)n;
    return 0;
}
