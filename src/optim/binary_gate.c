/* BinaryGateOptim: ProxylessNAS with gradients (Cai et al. 2019, section 3.2).
 *
 * One step:  each mixed op draws n_samples candidates from softmax(alpha), its active set S, and one of them, j, as its
 * path gradient of the validation loss:  dL/dalpha_i = sum_j in S <dL/dy, o_j(x)> w_j ([i = j] - w_i),  w =
 * softmax(alpha on S) Adam step on all alphas renorm: alphas in S move by  ln K' - ln K,  K = (sum outside S of
 * e^alpha) / (sum in S of e^alpha) before, K' after the step, so that the step moves probability within S and the total
 * of S stays what it was
 *
 * An op whose active set is all of it needs no renorm. Values before the step are kept by op, so ops of different sizes
 * do not get mixed up; n_samples above an op's number of candidates takes them all.
 *
 * The estimate is straight-through and biased by design. An op whose path is its zero operator learns like any other
 * here: <dL/dy, 0> is 0, so its logit moves only as the others' products pull. ProxylessNAS's own code leaves such an
 * op as it is; skip_zero: true does the same. */
#include <math.h>
#include <string.h>

#include "optim/gradient.h"
#include "optim/parts.h"

typedef struct binary_gate {
    mn_gradient base;
    int32_t n_samples, renorm, skip_zero;
    uint64_t seed, step;
    double *alpha;  /* work space of the largest op */
    double *before; /* by mixed op: ln K before the step */
} binary_gate;

/* ln of the sum of e^alpha over the members (in = 1) or the others (in = 0) of an op's active set. */
static double log_sum(const mn_mixed *m, const double *alpha, int in) {
    double most = -INFINITY, sum = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < m->n; i++) {
            int member = 0;
            for (int32_t k = 0; k < m->n_active; k++) member |= m->active[k] == i;
            if (member != in) continue;
            if (pass)
                sum += exp(alpha[i] - most);
            else if (alpha[i] > most)
                most = alpha[i];
        }
    return most + log(sum);
}

static int is_whole(const mn_mixed *m) {
    return m->n_active >= m->n;
}

/* ln K of an op. */
static int log_odds(const binary_gate *s, const mn_mixed *m, double *out) {
    MN_TRY(mn_mixed_alpha(m, s->alpha));
    *out = log_sum(m, s->alpha, 0) - log_sum(m, s->alpha, 1);
    return 0;
}

static int keep_odds(const binary_gate *s, const mn_model *model) {
    for (int32_t i = 0; i < mn_model_n_mixed(model); i++) {
        const mn_mixed *m = mn_model_mixed(model, i);
        if (!is_whole(m)) MN_TRY(log_odds(s, m, &s->before[i]));
    }
    return 0;
}

static int restore_odds(const binary_gate *s, const mn_model *model) {
    for (int32_t i = 0; i < mn_model_n_mixed(model); i++) {
        mn_mixed *m = mn_model_mixed(model, i);
        double after;
        if (is_whole(m)) continue;
        MN_TRY(log_odds(s, m, &after));
        for (int32_t k = 0; k < m->n_active; k++) s->alpha[m->active[k]] += after - s->before[i];
        MN_TRY(mn_mixed_set_alpha(m, s->alpha));
    }
    return 0;
}

static int sample(binary_gate *s, const mn_model *model) {
    mn_rng rng;
    mn_rng_init(&rng, s->seed, mn_stream("BinaryGateOptim"), s->step++);
    for (int32_t i = 0; s->n_samples && i < mn_model_n_mixed(model); i++)
        MN_TRY(mn_mixed_sample_ops(mn_model_mixed(model, i), s->n_samples, &rng));
    return 0;
}

/* Ops whose path was the zero operator lose their gradient: the optimizer passes them over, as PyTorch does without a
 * .grad. */
static void drop_zero(const mn_model *model) {
    for (int32_t i = 0; i < mn_model_n_mixed(model); i++) {
        const mn_mixed *m = mn_model_mixed(model, i);
        if (strcmp(mn_mixed_candidate(m, m->last), "NIL") == 0) m->param->tensor->stamp = 0;
    }
}

static int gradient_step(mn_optim *o, mn_estim *e) {
    const binary_gate *s = o->state;
    MN_TRY(mn_trainer_arch_grad(e->trainer, &e->arch_scores));
    if (s->skip_zero) drop_zero(o->model);
    if (s->renorm) MN_TRY(keep_odds(s, o->model));
    MN_TRY(mn_gradient_apply(o));
    return s->renorm ? restore_odds(s, o->model) : 0;
}

static int step(mn_optim *o, mn_estim *e) {
    binary_gate *s = o->state;
    int rc = sample(s, o->model);
    if (!rc) rc = gradient_step(o, e);
    for (int32_t i = 0; i < mn_model_n_mixed(o->model); i++) mn_mixed_reset_ops(mn_model_mixed(o->model, i));
    return rc;
}

static void destroy(mn_optim *o) {
    binary_gate *s = o->state;
    mn_gradient_destroy(o);
    mn_free(o->ctx, s->alpha);
    mn_free(o->ctx, s->before);
}

static int state(mn_optim *o, mn_state *io) {
    binary_gate *s = o->state;
    MN_TRY(mn_state_u64(io, &s->step));
    return mn_gradient_state(o, io);
}

static const mn_optim_vt vt = {.type = "BinaryGateOptim", .step = step, .destroy = destroy, .state = state};

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    binary_gate *s = o->state;
    const int32_t n = mn_model_n_mixed(env->model);
    int32_t most = 1;
    for (int32_t i = 0; i < n; i++)
        if (mn_model_mixed(env->model, i)->n > most) most = mn_model_mixed(env->model, i)->n;
    const int64_t n_samples = mn_args_int(a, "n_samples");
    if (n_samples < 0) return mn_args_fail(a, "n_samples", "is %lld, it is at least 0", (long long)n_samples);
    s->n_samples = n_samples < most ? (int32_t)n_samples : most;
    s->renorm = mn_args_bool(a, "renorm");
    s->skip_zero = mn_args_bool(a, "skip_zero");
    s->seed = env->seed;
    o->needs = MN_ARCH_GRAD;
    o->n_active = s->n_samples;
    s->alpha = mn_alloc(o->ctx, (size_t)most, sizeof *s->alpha);
    s->before = mn_alloc(o->ctx, (size_t)n, sizeof *s->before);
    return s->alpha && s->before ? 0 : MODNAS_ENOMEM;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    static const char *const types[] = {"BinaryGateMixedOp", "BinaryGateUniformMixedOp", NULL};
    (void)c;
    return mn_gradient_make(a, env, &vt, types, sizeof(binary_gate), fill, out);
}

static const mn_arg_def args[] = {
    MN_GRADIENT_ARG("{type: Adam, args: {lr: 0.006, betas: [0.0, 0.999], weight_decay: 0}}"),
    {"n_samples", MN_ARG_INT, "2", NULL, "candidates that a step compares in each mixed op; 0: all"},
    {"renorm", MN_ARG_BOOL, "true", NULL, "a step keeps the total probability of the compared candidates"},
    {"skip_zero", MN_ARG_BOOL, "false", NULL,
     "no update of a mixed op whose path is its zero operator, as ProxylessNAS"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_binary_gate_component = {
    "optim", "BinaryGateOptim", "ProxylessNAS: sampled paths, gradients of their gates", args, build, NULL};
