/* Points of a space of choices (see points.h). */
#include "optim/points.h"

#include <inttypes.h>
#include <string.h>

/* ---- life ---------------------------------------------------------------------------------------------- */

static int fill(mn_points *p, const mn_optim_env *env, int32_t n) {
    p->gene = mn_alloc(p->ctx, (size_t)n, sizeof *p->gene);
    p->choices = mn_alloc(p->ctx, (size_t)n, sizeof *p->choices);
    p->digits = mn_alloc(p->ctx, (size_t)n, sizeof *p->digits);
    if (!p->gene || !p->choices || !p->digits) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < mn_space_n_genes(env->model->space); i++) {
        const mn_arch_param *param = mn_space_gene(env->model->space, i);
        if (!param->choices) continue;
        p->gene[p->n] = i;
        p->choices[p->n++] = param->n;
    }
    return mn_visited_init(&p->visited, p->ctx, p->choices, n);
}

/* Logits are no choices: who only proposes would leave them as they are. */
static int check_mixed(const mn_args *a, const mn_model *model, const char *type) {
    for (int32_t i = 0; i < mn_model_n_mixed(model); i++) {
        const mn_mixed *m = mn_model_mixed(model, i);
        if (m->param->type != MN_CATEGORICAL)
            return mn_fail(a->ctx, MODNAS_ECONFIG,
                           "%s does not work with %s (mixed op %d of model %s), only with choices (IndexMixedOp)", type,
                           m->vt->type, i, model->type);
    }
    return 0;
}

int mn_points_init(mn_points *p, const mn_args *a, const mn_optim_env *env, const char *type) {
    const int32_t n = env->model->space ? mn_space_n_categorical(env->model->space) : 0;
    MN_TRY(check_mixed(a, env->model, type));
    if (!n) return mn_fail(a->ctx, MODNAS_ECONFIG, "%s: model %s has nothing to choose", type, env->model->type);
    p->ctx = a->ctx;
    p->type = type;
    p->seed = mn_args_given(a, "seed") ? (uint64_t)mn_args_int(a, "seed") : env->seed;
    return fill(p, env, n);
}

void mn_points_free(mn_points *p) {
    if (!p->ctx) return;
    mn_free(p->ctx, p->gene);
    mn_free(p->ctx, p->choices);
    mn_free(p->ctx, p->digits);
    mn_visited_free(&p->visited);
}

int mn_points_state(mn_points *p, mn_state *io) {
    MN_TRY(mn_state_u64(io, &p->step));
    return mn_visited_state(&p->visited, io);
}

/* ---- points -------------------------------------------------------------------------------------------- */

void mn_points_rng(mn_points *p, mn_rng *rng) {
    mn_rng_init(rng, p->seed, mn_stream(p->type), p->step++);
}

void mn_points_draw(const mn_points *p, mn_rng *rng, int32_t *digits) {
    for (int32_t i = 0; i < p->n; i++) digits[i] = (int32_t)mn_rng_below(rng, (uint64_t)p->choices[i]);
}

int mn_points_same(const mn_points *p, const int32_t *a, const int32_t *b) {
    return memcmp(a, b, (size_t)p->n * sizeof *a) == 0;
}

/* One of the other choices of digit i. */
static void change(const mn_points *p, mn_rng *rng, int32_t *digits, int32_t i) {
    const int32_t other = (int32_t)mn_rng_below(rng, (uint64_t)p->choices[i] - 1);
    digits[i] = other + (other >= digits[i]);
}

void mn_points_mutate_one(const mn_points *p, mn_rng *rng, int32_t *digits) {
    int32_t n = 0;
    for (int32_t i = 0; i < p->n; i++) n += p->choices[i] > 1;
    if (!n) return;
    int32_t at = (int32_t)mn_rng_below(rng, (uint64_t)n);
    for (int32_t i = 0; i < p->n; i++)
        if (p->choices[i] > 1 && at-- == 0) change(p, rng, digits, i);
}

int32_t mn_points_mutate(const mn_points *p, mn_rng *rng, double probability, int32_t *digits) {
    int32_t n = 0;
    for (int32_t i = 0; i < p->n; i++) {
        if (p->choices[i] < 2 || mn_rng_real(rng) >= probability) continue;
        change(p, rng, digits, i);
        n++;
    }
    return n;
}

void mn_points_write(const mn_points *p, const int32_t *digits, mn_arch *arch) {
    for (int32_t i = 0; i < p->n; i++) arch->index[p->gene[i]] = digits[i];
}

void mn_points_read(const mn_points *p, const mn_arch *arch, int32_t *digits) {
    for (int32_t i = 0; i < p->n; i++) {
        const int32_t option = arch->index[p->gene[i]];
        digits[i] = option >= 0 && option < p->choices[i] ? option : 0;
    }
}

/* ---- visiting ------------------------------------------------------------------------------------------ */

int mn_points_are_all(const mn_points *p) {
    return p->visited.n >= p->visited.size;
}

int mn_points_done(const mn_points *p) {
    return mn_fail(p->ctx, MODNAS_EDONE, "all %" PRIu64 " architectures were proposed", p->visited.size);
}

int mn_points_visit(mn_points *p, const int32_t *digits, int *is_new) {
    return mn_visited_add(&p->visited, digits, is_new);
}

int mn_points_new(mn_points *p, int32_t *digits) {
    int is_new = 0;
    if (mn_points_are_all(p)) return mn_points_done(p);
    while (!is_new) {
        mn_rng rng;
        mn_points_rng(p, &rng);
        mn_points_draw(p, &rng, digits);
        MN_TRY(mn_points_visit(p, digits, &is_new));
    }
    return 0;
}

int mn_points_count(const mn_args *a, const char *name, int32_t least, int32_t *out) {
    enum { MOST = 1 << 20 };
    const int64_t n = mn_args_int(a, name);
    if (n < least || n > MOST) return mn_args_fail(a, name, "is %lld, it is %d to %d", (long long)n, least, (int)MOST);
    *out = (int32_t)n;
    return 0;
}
