/* MixUpLoss (Zhang et al. 2018): in training, images are mixed with others of their batch, and so are the losses.
 *
 *   x_i <- l x_i + (1 - l) x_k(i)      loss = l c(y, t) + (1 - l) c(y, t_k)      l ~ Beta(alpha, alpha), one a batch
 *
 * k is the batch in reverse, or shuffled. Draws are keyed by seed and step. It stands in the place of the losses before
 * it; in evaluation it is c(y, t). (The original mixes in a second forward of its own; here there is one forward, so
 * accuracies of training are those of mixed images.) */
#include <math.h>

#include "train/parts.h"

typedef struct mixup {
    mn_criterion *inner;
    double alpha;
    int32_t use_flip;
    uint64_t seed;
    float *x; /* room for n samples of `values` */
    int32_t *y, *partner;
    size_t n, values;
    float lambda;
    mn_fed fed[MN_FED_RUNS]; /* lambda, labels of the partners */
} mixup;

/* Marsaglia and Tsang 2000; alpha < 1 by alpha + 1. */
static double draw_gamma(mn_rng *rng, double alpha) {
    if (alpha < 1) {
        const double g = draw_gamma(rng, alpha + 1);
        return g * pow(1 - mn_rng_real(rng), 1 / alpha);
    }
    const double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = mn_rng_normal(rng), u = 1 - mn_rng_real(rng), t = 1 + c * x, v = t * t * t;
        if (v > 0 && log(u) < x * x / 2 + d - d * v + d * log(v)) return d * v;
    }
}

double mn_draw_beta(mn_rng *rng, double alpha) {
    const double a = draw_gamma(rng, alpha), b = draw_gamma(rng, alpha);
    return a + b > 0 ? a / (a + b) : mn_rng_real(rng) < 0.5; /* both below the smallest number: 0 or 1 */
}

static int make_room(const mn_criterion *c, size_t n, size_t values) {
    mixup *s = c->state;
    if (n <= s->n && values <= s->values) return 0;
    if (n < s->n) n = s->n;
    if (values < s->values) values = s->values;
    float *x = mn_realloc(c->ctx, s->x, n, values * sizeof *x);
    if (x) s->x = x;
    int32_t *y = x ? mn_realloc(c->ctx, s->y, n, sizeof *y) : NULL;
    if (y) s->y = y;
    int32_t *partner = y ? mn_realloc(c->ctx, s->partner, n, sizeof *partner) : NULL;
    if (!partner) return MODNAS_ENOMEM;
    s->partner = partner;
    s->n = n;
    s->values = values;
    return 0;
}

static int loss(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **out) {
    mixup *s = c->state;
    const int64_t one[4] = {1, 1, 1, 1};
    mn_value *other, *gap;
    MN_TRY(s->inner->loss(s->inner, run, logits, target, out));
    if (!mn_run_options(run)->train) return 0;
    MN_TRY(make_room(c, (size_t)logits->dims[0], s->values));
    mn_fed *fed = mn_fed_in(s->fed, run);
    MN_TRY(mn_input(run, one, MODNAS_F32, &fed->input[0]));
    MN_TRY(mn_input(run, target->dims, MODNAS_I32, &fed->input[1]));
    MN_TRY(s->inner->loss(s->inner, run, logits, fed->input[1], &other));
    MN_TRY(mn_binary(run, MODNAS_BINARY_SUB, *out, other, &gap));
    MN_TRY(mn_binary(run, MODNAS_BINARY_MUL, gap, fed->input[0], &gap));
    return mn_add(run, other, gap, out);
}

static void choose_partners(const mixup *s, mn_rng *rng, int32_t n) {
    for (int32_t i = 0; i < n; i++) s->partner[i] = s->use_flip ? n - 1 - i : i;
    if (!s->use_flip) mn_rng_shuffle(rng, s->partner, n);
}

static void mix(const mixup *s, const mn_batch *b, size_t values) {
    for (int32_t i = 0; i < b->n; i++) {
        const float *own = b->x + (size_t)i * values, *other = b->x + (size_t)s->partner[i] * values;
        float *x = s->x + (size_t)i * values;
        s->y[i] = b->y[s->partner[i]];
        for (size_t k = 0; k < values; k++) x[k] = s->lambda * own[k] + (1 - s->lambda) * other[k];
    }
}

static int feed(const mn_criterion *c, mn_run *run, const int32_t dims[4], uint64_t step, mn_batch *batch) {
    mixup *s = c->state;
    const size_t values = (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];
    mn_rng rng;
    if (!mn_run_options(run)->train) return 0;
    MN_TRY(make_room(c, (size_t)batch->n, values));
    mn_rng_init(&rng, s->seed, mn_stream("MixUpLoss"), step);
    s->lambda = (float)mn_draw_beta(&rng, s->alpha);
    choose_partners(s, &rng, batch->n);
    mix(s, batch, values);
    batch->x = s->x;
    batch->epoch = -1;
    const mn_fed *fed = mn_fed_in(s->fed, run);
    mn_run_bind(run, fed->input[0], &s->lambda);
    mn_run_bind(run, fed->input[1], s->y);
    return 0;
}

static void destroy(mn_criterion *c) {
    mixup *s = c->state;
    mn_criterion_free(s->inner);
    mn_free(c->ctx, s->x);
    mn_free(c->ctx, s->y);
    mn_free(c->ctx, s->partner);
}

static int fill(mn_criterion *c, const mn_args *a, const mn_criterion_env *env) {
    mixup *s = c->state;
    c->base = NULL;
    s->alpha = mn_args_real(a, "alpha");
    s->use_flip = mn_args_bool(a, "use_flip");
    s->seed = env->model->seed;
    s->values = (size_t)env->input[0] * (size_t)env->input[1] * (size_t)env->input[2];
    if (!(s->alpha > 0 && s->alpha <= 1e6)) return mn_args_fail(a, "alpha", "%g is outside (0, 1e6]", s->alpha);
    return mn_registry_build(c->ctx, "criterion", mn_args_node(a, "crit_conf"), NULL, NULL, NULL, &s->inner);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_criterion draft = {.loss = loss, .feed = feed, .destroy = destroy};
    (void)c;
    return mn_criterion_make(&draft, a, env, "alpha", sizeof(mixup), fill, out);
}

static const mn_arg_def args[] = {
    {"crit_conf", MN_ARG_SPEC, "CrossEntropyLoss", "criterion", "the loss c"},
    {"alpha", MN_ARG_REAL, "0.3", NULL, "shares are drawn from Beta(alpha, alpha)"},
    {"use_flip", MN_ARG_BOOL, "true", NULL, "mixed with the batch in reverse; false: shuffled"},
    {0}};

const mn_component mn_mixup_loss = {
    "criterion", "MixUpLoss", "loss of images mixed with others of their batch, in training", args, build, NULL};
