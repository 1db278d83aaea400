/* Policies over points (see policy.h). */
#include "optim/policy.h"

#include <math.h>
#include <string.h>

/* ---- e^x, made of additions and multiplications alone ---------------------------------------------------- */

/* x = k ln 2 + r, |r| <= ln 2 / 2; e^r by its series, whose 15th term is below 1e-17. */
double mn_exp(double x) {
    const double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
    if (x < -700) return 0;
    const double k = floor(x / 0x1.62e42fefa39efp-1 + 0.5), r = (x - k * ln2_high) - k * ln2_low;
    double sum = 1, term = 1;
    for (int i = 1; i < 16; i++) {
        term *= r / i;
        sum += term;
    }
    return ldexp(sum, (int)k);
}

/* ---- the optimizer ------------------------------------------------------------------------------------- */

static double number(const mn_node *args, const char *name, double otherwise) {
    const mn_node *v = mn_node_get(args, name);
    return v && (v->kind == MN_INT || v->kind == MN_REAL) ? v->r : otherwise;
}

/* The defaults are those of the optimizers of this name. */
static int read_optimizer(mn_policy *y, const mn_args *a, const char *arg) {
    const mn_node *args, *betas;
    const mn_component *c;
    const char *type;
    MN_TRY(mn_spec_parse(a->ctx, mn_args_node(a, arg), NULL, &type, &args));
    MN_TRY(mn_registry_need(a->ctx, "optimizer", type, mn_args_node(a, arg), &c));
    y->is_adam = strcmp(c->name, "Adam") == 0;
    if (!y->is_adam && strcmp(c->name, "SGD") != 0)
        return mn_args_fail(a, arg, "a policy over choices is moved by Adam or SGD, not %.40s", c->name);
    betas = mn_node_get(args, "betas");
    y->lr = number(args, "lr", 1e-3);
    y->eps = number(args, "eps", 1e-8);
    y->decay = number(args, "weight_decay", 0);
    y->momentum = number(args, "momentum", 0);
    for (int i = 0; i < 2; i++) {
        y->beta[i] = betas && betas->kind == MN_SEQ && betas->n == 2 ? betas->items[i]->r : i ? 0.999 : 0.9;
        y->power[i] = 1;
    }
    return 0;
}

static void step_one(mn_policy *y, int32_t i, double lr) {
    const double g = y->grad[i] + y->decay * y->logit[i];
    if (!y->is_adam) {
        y->m[i] = y->momentum * y->m[i] + g;
        y->logit[i] -= lr * y->m[i];
        return;
    }
    y->m[i] = y->beta[0] * y->m[i] + (1 - y->beta[0]) * g;
    y->v[i] = y->beta[1] * y->v[i] + (1 - y->beta[1]) * g * g;
    y->logit[i] -= lr * (y->m[i] / (1 - y->power[0])) / (sqrt(y->v[i] / (1 - y->power[1])) + y->eps);
}

/* ---- the policy ---------------------------------------------------------------------------------------- */

static void update_probs(mn_policy *y) {
    for (int32_t d = 0; d < y->points->n; d++) {
        const double *logit = y->logit + y->first[d];
        double *p = y->p + y->first[d], most = logit[0], sum = 0;
        const int32_t n = y->points->choices[d];
        for (int32_t i = 1; i < n; i++) most = logit[i] > most ? logit[i] : most;
        for (int32_t i = 0; i < n; i++) sum += p[i] = mn_exp(logit[i] - most);
        for (int32_t i = 0; i < n; i++) p[i] /= sum;
    }
}

int mn_policy_init(mn_policy *y, const mn_points *p, const mn_args *a, const char *arg) {
    modnas_ctx *ctx = p->ctx;
    y->points = p;
    MN_TRY(read_optimizer(y, a, arg));
    y->first = mn_alloc(ctx, (size_t)p->n, sizeof *y->first);
    if (!y->first) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < p->n; i++) {
        y->first[i] = y->n;
        y->n += p->choices[i];
    }
    double **const blocks[] = {&y->logit, &y->p, &y->grad, &y->m, &y->v};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) {
        *blocks[i] = mn_alloc(ctx, (size_t)y->n, sizeof(double));
        if (!*blocks[i]) return MODNAS_ENOMEM;
    }
    update_probs(y);
    return 0;
}

void mn_policy_free(mn_policy *y) {
    if (!y->points) return;
    void *const blocks[] = {y->first, y->logit, y->p, y->grad, y->m, y->v};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(y->points->ctx, blocks[i]);
}

int mn_policy_state(mn_policy *y, mn_state *io) {
    double *const blocks[] = {y->logit, y->m, y->v};
    MN_TRY(mn_state_same(io, y->n, "logits"));
    for (size_t i = 0; i < MN_COUNT(blocks); i++)
        for (int32_t k = 0; k < y->n; k++) MN_TRY(mn_state_real(io, &blocks[i][k]));
    for (int i = 0; i < 2; i++) MN_TRY(mn_state_real(io, &y->power[i]));
    update_probs(y);
    return 0;
}

void mn_policy_draw(const mn_policy *y, mn_rng *rng, int32_t *digits) {
    for (int32_t d = 0; d < y->points->n; d++) {
        const double *p = y->p + y->first[d];
        double at = mn_rng_real(rng);
        for (digits[d] = 0; digits[d] + 1 < y->points->choices[d]; digits[d]++) {
            at -= p[digits[d]];
            if (at < 0) break;
        }
    }
}

/* d(-log p_j) / d logit_i = p_i - [i = j] */
void mn_policy_add(mn_policy *y, const int32_t *digits, double weight) {
    for (int32_t d = 0; d < y->points->n; d++)
        for (int32_t i = 0; i < y->points->choices[d]; i++)
            y->grad[y->first[d] + i] += weight * (y->p[y->first[d] + i] - (i == digits[d]));
}

void mn_policy_step(mn_policy *y) {
    for (int i = 0; i < 2; i++) y->power[i] *= y->beta[i];
    for (int32_t i = 0; i < y->n; i++) step_one(y, i, y->lr);
    memset(y->grad, 0, (size_t)y->n * sizeof *y->grad);
    update_probs(y);
}
