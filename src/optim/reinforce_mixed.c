/* REINFORCE over sampled mixed ops (Cai et al. 2019, section 3.3.2).
 *
 * A step draws batch_size paths, every parameter its candidate i with probability p_i of softmax(alpha), and measures
 * the score r of each with the estimator's metrics:
 *
 *   dJ/dalpha = mean over paths of (r - b) (p - onehot(drawn)),   J = -E[r]
 *   b         the mean score of the steps before, b += 0.99 (mean r - b) after it was used; in the first step that of
 *             the step's other paths
 *
 * So b never depends on the path that it is taken off from, and the estimate has no bias: the original moves b first,
 * which takes a tenth off each gradient. One path is one reward (the original credits a whole validation pass to the
 * path of its last batch). A path whose loss is not finite has no reward: it is left out, and said. */
#include <math.h>

#include "optim/gradient.h"
#include "optim/reinforce.h"

#define BASELINE_SHARE 0.99

typedef struct reinforce {
    mn_gradient base;
    int32_t batch_size, has_baseline, n_genes, n_widest;
    int64_t valid_batches;
    uint64_t seed, step;
    double baseline;
    mn_mixed **op;  /* by gene: one of the mixed ops that it is the logits of */
    mn_arch **path; /* of the step */
    double *reward; /* of each; NaN: none */
    double *p, *grad;
} reinforce;

/* ---- paths --------------------------------------------------------------------------------------------- */

static int32_t draw(mn_rng *rng, const double *p, int32_t n) {
    double at = mn_rng_real(rng);
    int32_t i = 0;
    for (; i + 1 < n; i++) {
        at -= p[i];
        if (at < 0) break;
    }
    return i;
}

static int draw_paths(reinforce *s) {
    mn_rng rng;
    mn_rng_init(&rng, s->seed, mn_stream("REINFORCEOptim"), s->step++);
    for (int32_t g = 0; g < s->n_genes; g++) {
        MN_TRY(mn_mixed_probs(s->op[g], s->p));
        for (int32_t j = 0; j < s->batch_size; j++) s->path[j]->index[g] = draw(&rng, s->p, s->op[g]->n);
    }
    return 0;
}

static int score_path(mn_optim *o, mn_estim *e, int32_t j) {
    reinforce *s = o->state;
    mn_metrics m = {0};
    const int rc = mn_estim_measure(e, s->path[j], &m);
    s->reward[j] = rc ? NAN : mn_metrics_score(&m);
    if (rc && rc != MODNAS_ENUMERIC) return rc;
    if (rc) mn_log(o->ctx, MODNAS_LOG_WARN, "REINFORCEOptim: a path has no reward: %s", modnas_errmsg(o->ctx));
    return 0;
}

/* Quietly, on a few validation batches if so wished. */
static int score_paths(mn_optim *o, mn_estim *e) {
    const reinforce *s = o->state;
    int rc = 0;
    if (s->valid_batches) mn_trainer_limit_valid(e->trainer, s->valid_batches);
    e->quiet++;
    for (int32_t j = 0; j < s->batch_size && !rc; j++) rc = score_path(o, e, j);
    e->quiet--;
    if (s->valid_batches) mn_trainer_limit_valid(e->trainer, 0);
    return rc;
}

/* ---- the gradient -------------------------------------------------------------------------------------- */

/* Mean of the rewards that there are, and their number. */
static int32_t mean_reward(const reinforce *s, double *mean) {
    int32_t n = 0;
    *mean = 0;
    for (int32_t j = 0; j < s->batch_size; j++) {
        if (!isfinite(s->reward[j])) continue;
        *mean += s->reward[j];
        n++;
    }
    if (n) *mean /= n;
    return n;
}

/* reward - b of path j. Without a baseline, b = (n mean - reward) / (n - 1). */
static double advantage(const reinforce *s, int32_t j, double mean, int32_t n) {
    if (s->has_baseline) return s->reward[j] - s->baseline;
    return n > 1 ? (s->reward[j] - mean) * n / (n - 1) : 0;
}

static int set_gradient(reinforce *s, int32_t g, double mean, int32_t n) {
    mn_mixed *m = s->op[g];
    MN_TRY(mn_mixed_probs(m, s->p));
    for (int32_t i = 0; i < m->n; i++) s->grad[i] = 0;
    for (int32_t j = 0; j < s->batch_size; j++) {
        if (!isfinite(s->reward[j])) continue;
        const double weight = advantage(s, j, mean, n) / n;
        for (int32_t i = 0; i < m->n; i++) s->grad[i] += weight * (s->p[i] - (i == s->path[j]->index[g]));
    }
    return mn_mixed_set_grad(m, s->grad);
}

static int learn(mn_optim *o) {
    reinforce *s = o->state;
    double mean;
    const int32_t n = mean_reward(s, &mean);
    if (!n) return 0;
    mn_store_zero_grad(o->model->arch);
    for (int32_t g = 0; g < s->n_genes; g++) MN_TRY(set_gradient(s, g, mean, n));
    MN_TRY(mn_gradient_apply(o));
    s->baseline = s->has_baseline ? s->baseline + BASELINE_SHARE * (mean - s->baseline) : mean;
    s->has_baseline = 1;
    return 0;
}

static int step(mn_optim *o, mn_estim *e) {
    MN_TRY(draw_paths(o->state));
    MN_TRY(score_paths(o, e));
    return learn(o);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static int state(mn_optim *o, mn_state *io) {
    reinforce *s = o->state;
    MN_TRY(mn_gradient_state(o, io));
    MN_TRY(mn_state_u64(io, &s->step));
    MN_TRY(mn_state_range(io, &s->has_baseline, 0, 1));
    return mn_state_real(io, &s->baseline);
}

static void destroy(mn_optim *o) {
    reinforce *s = o->state;
    for (int32_t j = 0; s->path && j < s->batch_size; j++) mn_arch_free(s->path[j]);
    void *const blocks[] = {s->op, s->path, s->reward, s->p, s->grad};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(o->ctx, blocks[i]);
    mn_gradient_destroy(o);
}

static const mn_optim_vt vt = {.type = "REINFORCEOptim", .step = step, .destroy = destroy, .state = state};

static void find_ops(reinforce *s, const mn_model *model) {
    for (int32_t g = 0; g < s->n_genes; g++)
        for (int32_t i = 0; i < mn_model_n_mixed(model); i++) {
            mn_mixed *m = mn_model_mixed(model, i);
            if (m->param != mn_space_gene(model->space, g)) continue;
            s->op[g] = m;
            if (m->n > s->n_widest) s->n_widest = m->n;
        }
}

static int allocate(mn_optim *o) {
    reinforce *s = o->state;
    s->n_genes = mn_space_n_genes(o->model->space);
    s->op = mn_alloc(o->ctx, (size_t)s->n_genes, sizeof(mn_mixed *));
    s->path = mn_alloc(o->ctx, (size_t)s->batch_size, sizeof(mn_arch *));
    s->reward = mn_alloc(o->ctx, (size_t)s->batch_size, sizeof *s->reward);
    if (!s->op || !s->path || !s->reward) return MODNAS_ENOMEM;
    find_ops(s, o->model);
    s->p = mn_alloc(o->ctx, (size_t)s->n_widest, sizeof *s->p);
    s->grad = mn_alloc(o->ctx, (size_t)s->n_widest, sizeof *s->grad);
    if (!s->p || !s->grad) return MODNAS_ENOMEM;
    for (int32_t j = 0; j < s->batch_size; j++) MN_TRY(mn_arch_new(o->model, &s->path[j]));
    return 0;
}

/* Every option has to be drawn by softmax of logits. */
static int check_genes(const mn_optim *o) {
    const reinforce *s = o->state;
    for (int32_t g = 0; g < s->n_genes; g++)
        if (!s->op[g])
            return mn_fail(o->ctx, MODNAS_ECONFIG, "REINFORCEOptim: parameter %s of model %s is of no mixed op",
                           mn_space_gene(o->model->space, g)->name, o->model->type);
    return 0;
}

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    reinforce *s = o->state;
    const int64_t n = mn_args_int(a, "batch_size");
    if (n < 1 || n > 10000) return mn_args_fail(a, "batch_size", "is %lld, it is 1 to 10000", (long long)n);
    s->valid_batches = mn_args_int(a, "valid_batches");
    if (s->valid_batches < 0)
        return mn_args_fail(a, "valid_batches", "is %lld, it is at least 0", (long long)s->valid_batches);
    s->batch_size = (int32_t)n;
    s->seed = env->seed;
    MN_TRY(allocate(o));
    return check_genes(o);
}

int mn_reinforce_mixed_new(const mn_args *a, const mn_optim_env *env, mn_optim **out) {
    static const char *const types[] = {"BinaryGateMixedOp", NULL};
    return mn_gradient_make(a, env, &vt, types, sizeof(reinforce), fill, out);
}
