/* Losses with a price on what the space costs: the expected cost of a path, as ProxylessNAS (Cai et al. 2019, section
 * 3.3) has latency in its loss.
 *
 *   E = fixed + sum over logits alpha of sum_i softmax(alpha)_i cost_i        r = E / ref, ref stays what it was
 *
 *   AddMetricsLoss      loss + lamd (r - 1)
 *   MultMetricsLoss     alpha loss r^beta
 *   MultLogMetricsLoss  alpha loss (log E / log ref)^beta
 *
 * Costs are those of search/cost.h. A forced mixed op and a choice cost what they run. */
#include <math.h>
#include <string.h>

#include "metrics/parts.h"
#include "search/cost.h"

typedef struct cost_loss {
    mn_model *model;
    mn_costs costs;
    double ref, unit;          /* ref in that of the metric, of which `unit` costs are one */
    double scale, alpha, beta; /* scale: lamd */
    double *share;                  /* by option: its cost over ref */
} cost_loss;

/* ---- recording ----------------------------------------------------------------------------------------- */

static mn_mixed *op_of(const mn_model *model, const mn_arch_param *p) {
    for (int32_t i = 0; i < mn_model_n_mixed(model); i++)
        if (mn_model_mixed(model, i)->param == p) return mn_model_mixed(model, i);
    return NULL;
}

static int linear(mn_run *run, mn_value *x, double factor, double term, mn_value **out) {
    return mn_activation(run, x, MODNAS_ACT_LINEAR, factor, term, out);
}

/* sum_i softmax(alpha)_i share_i */
static int record_gene(const cost_loss *s, mn_run *run, const mn_arch_param *p, const double *share, mn_value **out) {
    const int64_t dims[4] = {1, p->n, 1, 1}, one[4] = {1, 1, 1, 1};
    mn_value *alpha, *prob, *costs, *product;
    (void)s;
    MN_TRY(mn_use_param(run, p->tensor, &alpha));
    MN_TRY(mn_softmax(run, alpha, 0, &prob));
    MN_TRY(mn_const(run, dims, share, &costs));
    MN_TRY(mn_binary(run, MODNAS_BINARY_MUL, prob, costs, &product));
    return mn_reduce(run, MODNAS_REDUCE_SUM, product, one, out);
}

/* r. */
static int record_ratio(const cost_loss *s, mn_run *run, mn_value **out) {
    const int64_t one[4] = {1, 1, 1, 1};
    double known = (double)s->costs.fixed / (s->ref * s->unit);
    mn_value *sum = NULL, *v;
    for (int32_t i = 0; i < s->costs.n; i++) {
        const mn_arch_param *p = mn_space_gene(s->model->space, i);
        const mn_mixed *m = p->type == MN_TENSOR ? op_of(s->model, p) : NULL;
        const double *share = s->share + s->costs.first[i];
        if (p->choices) known += share[p->index];
        if (m && m->forced >= 0) known += share[m->forced];
        if (!m || m->forced >= 0) continue;
        MN_TRY(record_gene(s, run, p, share, &v));
        if (sum) MN_TRY(mn_add(run, sum, v, &v));
        sum = v;
    }
    return sum ? linear(run, sum, 1, known, out) : mn_const(run, one, &known, out);
}

static int record_base(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **ratio,
                       mn_value **loss) {
    MN_TRY(c->base->loss(c->base, run, logits, target, loss));
    return record_ratio(c->state, run, ratio);
}

static int add_loss(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    const cost_loss *s = c->state;
    mn_value *r, *price;
    MN_TRY(record_base(c, run, logits, target, &r, loss));
    MN_TRY(linear(run, r, s->scale, -s->scale, &price));
    return mn_add(run, *loss, price, loss);
}

/* alpha loss x^beta */
static int multiply(const cost_loss *s, mn_run *run, mn_value *x, mn_value **loss) {
    MN_TRY(mn_activation(run, x, MODNAS_ACT_POW, s->beta, 0, &x));
    MN_TRY(linear(run, x, s->alpha, 0, &x));
    return mn_binary(run, MODNAS_BINARY_MUL, *loss, x, loss);
}

static int mult_loss(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    const cost_loss *s = c->state;
    mn_value *r;
    MN_TRY(record_base(c, run, logits, target, &r, loss));
    return multiply(s, run, r, loss);
}

/* log E / log ref = log r / log ref + 1 */
static int mult_log_loss(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    const cost_loss *s = c->state;
    mn_value *r;
    MN_TRY(record_base(c, run, logits, target, &r, loss));
    MN_TRY(mn_activation(run, r, MODNAS_ACT_LOG, 0, 0, &r));
    MN_TRY(linear(run, r, 1 / log(s->ref), 1, &r));
    return multiply(s, run, r, loss);
}

/* ---- making -------------------------------------------------------------------------------------------- */

static void destroy(mn_criterion *c) {
    cost_loss *s = c->state;
    mn_costs_free(&s->costs);
    mn_free(c->ctx, s->share);
}

/* Of all options alike. */
static double mean_cost(const mn_costs *c) {
    double sum = (double)c->fixed;
    for (int32_t i = 0; i < c->n; i++)
        for (int32_t k = c->first[i]; k < c->first[i + 1]; k++)
            sum += (double)c->of[k] / (c->first[i + 1] - c->first[i]);
    return sum;
}

static int fill(mn_criterion *c, const mn_args *a, const mn_criterion_env *env) {
    cost_loss *s = c->state;
    const double least = c->loss == mult_log_loss; /* where its logarithm is 0 */
    s->model = env->model;
    if (c->loss == add_loss) s->scale = mn_args_real(a, "lamd");
    if (c->loss != add_loss) s->alpha = mn_args_real(a, "alpha");
    if (c->loss != add_loss) s->beta = mn_args_real(a, "beta");
    if (!mn_space_n_genes(env->model->space))
        return mn_args_fail(a, "metrics", "of a model that has nothing to choose");
    MN_TRY(mn_costs_named(env->model, mn_args_str(a, "metrics"), env->input, &s->costs));
    s->unit = mn_cost_unit(mn_args_str(a, "metrics"));
    s->ref = mn_args_given(a, "target_val") ? mn_args_real(a, "target_val") : mean_cost(&s->costs) / s->unit;
    if (!(s->ref > least)) return mn_args_fail(a, "target_val", "is %g, it is more than %g", s->ref, least);
    s->share = mn_alloc(c->ctx, (size_t)s->costs.first[s->costs.n] + 1, sizeof *s->share);
    if (!s->share) return MODNAS_ENOMEM;
    for (int32_t k = 0; k < s->costs.first[s->costs.n]; k++) s->share[k] = (double)s->costs.of[k] / (s->ref * s->unit);
    return 0;
}

typedef struct row { /* what a component is made of */
    int (*loss)(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss);
} row;

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_criterion draft = {.loss = ((const row *)c->data)->loss, .destroy = destroy};
    return mn_criterion_make(&draft, a, env, "metrics", sizeof(cost_loss), fill, out);
}

#define COMMON                                                                                                         \
    {"metrics", MN_ARG_STR, NULL, "params|macs|latency_ms", "the cost; latency_ms with objective.latency_table"},                                                          \
        {"target_val", MN_ARG_REAL, "null", NULL, "ref; null: the mean of all architectures"}, {                       \
        "target_decay", MN_ARG_REAL, "0", NULL, "taken for old configurations: ref stays"                              \
    }

static const mn_arg_def add_args[] = {COMMON, {"lamd", MN_ARG_REAL, "0.01", NULL, "price of ref"}, {0}},
                        mult_args[] = {COMMON,
                                       {"alpha", MN_ARG_REAL, "1", NULL, "factor"},
                                       {"beta", MN_ARG_REAL, "0.6", NULL, "exponent"},
                                       {0}};

static const row add_row = {add_loss}, mult_row = {mult_loss}, mult_log_row = {mult_log_loss};

static const mn_component components[] = {
    {"criterion", "AddMetricsLoss", "loss + lamd (E / ref - 1), E the expected cost of a path", add_args, build,
     &add_row},
    {"criterion", "MultMetricsLoss", "alpha loss (E / ref)^beta, E the expected cost of a path", mult_args, build,
     &mult_row},
    {"criterion", "MultLogMetricsLoss", "alpha loss (log E / log ref)^beta, E the expected cost of a path", mult_args,
     build, &mult_log_row}};

int mn_cost_loss_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, components, MN_COUNT(components));
}
