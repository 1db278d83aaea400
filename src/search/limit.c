/* Limits: reading them, whether anything obeys, and the most probable architecture that does. */
#include "search/limit.h"

#include <math.h>
#include <string.h>

#include "config/config.h"

/* ---- reading ------------------------------------------------------------------------------------------- */

/* "metric <= quantity" or ">=", checked when the configuration was. */
static int read_limit(modnas_ctx *ctx, const char *text, mn_limit *l) {
    const size_t n = strcspn(text, " \t<>");
    const char *sign = text + n + strspn(text + n, " \t"), *number = sign + 2 + strspn(sign + 2, " \t");
    l->is_least = sign[0] == '>';
    if (mn_quantity(number, &l->bound)) return mn_fail(ctx, MODNAS_ECONFIG, "'%.80s' is no limit", text);
    l->text = mn_strdup(ctx, text);
    l->metric = mn_strndup(ctx, text, n);
    return l->text && l->metric ? 0 : MODNAS_ENOMEM;
}

static int read_all(mn_limits *l, const mn_node *list) {
    l->all = mn_alloc(l->ctx, list->n, sizeof *l->all);
    if (!l->all) return MODNAS_ENOMEM;
    for (size_t i = 0; i < list->n; i++, l->n++) MN_TRY(read_limit(l->ctx, list->items[i]->text, &l->all[i]));
    return 0;
}

int mn_limits_new(modnas_ctx *ctx, const mn_node *objective, mn_limits **out) {
    const mn_node *list = mn_node_get(objective, "subject_to");
    *out = NULL;
    if (!list || !list->n) return 0;
    mn_limits *l = mn_alloc(ctx, 1, sizeof *l);
    if (!l) return MODNAS_ENOMEM;
    l->ctx = ctx;
    const int rc = read_all(l, list);
    if (rc) {
        l->n = (int32_t)list->n; /* half of one may be there */
        mn_limits_free(l);
    } else {
        *out = l;
    }
    return rc;
}

void mn_limits_free(mn_limits *l) {
    if (!l) return;
    modnas_ctx *ctx = l->ctx;
    for (int32_t i = 0; l->all && i < l->n; i++) {
        mn_free(ctx, (void *)(uintptr_t)l->all[i].text);
        mn_free(ctx, (void *)(uintptr_t)l->all[i].metric);
        mn_costs_free(&l->all[i].costs);
    }
    void *const blocks[] = {l->all, l->value, l->cost, l->index, l};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(ctx, blocks[i]);
}

/* ---- keeping ------------------------------------------------------------------------------------------- */

int mn_limits_keep(mn_limits *l, int32_t i, mn_costs *costs, double unit) {
    mn_limit *x = &l->all[i];
    if (l->n_kept == MN_KNAPSACK_COSTS) {
        mn_costs_free(costs);
        return mn_fail(l->ctx, MODNAS_EUNSUPPORTED, "more than %d limits on costs", MN_KNAPSACK_COSTS);
    }
    x->costs = *costs;
    x->is_kept = 1;
    memset(costs, 0, sizeof *costs);
    x->unit = unit;
    /* of the options' sums, all of them turned to "at most" */
    const int64_t room = mn_limit_bound(x) - x->costs.fixed;
    l->knapsack.room[l->n_kept++] = x->is_least ? -room : room;
    return 0;
}

static int allocate(mn_limits *l, const mn_costs *c) {
    const size_t options = (size_t)c->first[c->n] + 1;
    l->value = mn_alloc(l->ctx, options, sizeof *l->value);
    l->cost = mn_alloc(l->ctx, options, (size_t)l->n_kept * sizeof *l->cost);
    l->index = mn_alloc(l->ctx, (size_t)c->n + 1, sizeof *l->index);
    if (!l->value || !l->cost || !l->index) return MODNAS_ENOMEM;
    mn_knapsack *k = &l->knapsack;
    k->n = c->n;
    k->first = c->first;
    k->value = l->value;
    for (int32_t i = 0; i < l->n; i++) {
        const mn_limit *x = &l->all[i];
        if (!x->is_kept) continue;
        int64_t *cost = l->cost + (size_t)k->n_costs * options;
        for (int32_t o = 0; o < c->first[c->n]; o++) cost[o] = x->is_least ? -x->costs.of[o] : x->costs.of[o];
        k->cost[k->n_costs++] = cost;
    }
    return 0;
}

/* ---- saying that nothing obeys ------------------------------------------------------------------------- */

/* The least cost, times sign, of options that may be taken. */
static int64_t least(const mn_limits *l, const mn_costs *c, int sign) {
    int64_t sum = sign * c->fixed;
    for (int32_t i = 0; i < c->n; i++) {
        int64_t best = INT64_MAX;
        for (int32_t o = c->first[i]; o < c->first[i + 1]; o++)
            if (l->value[o] > -INFINITY && sign * c->of[o] < best) best = sign * c->of[o];
        sum += best;
    }
    return sum;
}

/* where: of which architectures none obeys. One limit that none obeys on its own is reason enough. */
static int fail_none(const mn_limits *l, int status, const char *where) {
    mn_str all = {.ctx = l->ctx};
    int rc = 0;
    for (int32_t i = 0; i < l->n && !rc; i++) {
        const mn_limit *x = &l->all[i];
        if (!x->is_kept) continue;
        const int64_t low = least(l, &x->costs, 1), high = -least(l, &x->costs, -1), bound = mn_limit_bound(x);
        const double from = (double)low / x->unit, to = (double)high / x->unit;
        mn_str_addf(&all, "%s'%s' (%s goes from %.15g to %.15g)", all.n ? ", " : "", x->text, x->metric, from, to);
        if (x->is_least ? high < bound : low > bound)
            rc = mn_fail(l->ctx, status, "objective: nothing %s obeys '%s': %s goes from %.15g to %.15g", where, x->text,
                         x->metric, from, to);
    }
    if (!rc && all.failed) rc = MODNAS_ENOMEM;
    if (!rc)
        rc = mn_fail(l->ctx, status, "objective: nothing %s obeys all of its %d limits on costs at once: %s", where,
                     l->n_kept, all.text);
    mn_str_free(&all);
    return rc;
}

int mn_limits_ready(mn_limits *l) {
    const mn_limit *first = NULL;
    for (int32_t i = l->n; i-- > 0;)
        if (l->all[i].is_kept) first = &l->all[i];
    if (!first) return 0;
    MN_TRY(allocate(l, &first->costs));
    const int rc = mn_knapsack_solve(l->ctx, &l->knapsack, l->index); /* all values are 0 */
    return rc == MODNAS_ENOTFOUND ? fail_none(l, MODNAS_ECONFIG, "in the space") : rc;
}

/* ---- choosing ------------------------------------------------------------------------------------------ */

static mn_mixed *op_of(const mn_model *model, const mn_arch_param *p) {
    for (int32_t i = 0; i < mn_model_n_mixed(model); i++)
        if (mn_model_mixed(model, i)->param == p) return mn_model_mixed(model, i);
    return NULL;
}

/* log softmax(alpha) into value. */
static int log_probs(const mn_mixed *m, double *value) {
    double most = -INFINITY, sum = 0;
    MN_TRY(mn_mixed_alpha(m, value));
    for (int32_t i = 0; i < m->n; i++) {
        if (!isfinite(value[i]))
            return mn_fail(m->module->model->ctx, MODNAS_ENUMERIC, "architecture parameter %s is not finite",
                           m->param->name);
        most = fmax(most, value[i]);
    }
    for (int32_t i = 0; i < m->n; i++) sum += exp(value[i] - most);
    for (int32_t i = 0; i < m->n; i++) value[i] -= most + log(sum);
    return 0;
}

/* Values of gene i's options: `taken` alone, or what is left open. *is_free: several may be chosen. */
static int fill_gene(mn_limits *l, const mn_model *model, int32_t i, int32_t taken, int *is_free) {
    const mn_arch_param *p = mn_space_gene(model->space, i);
    const mn_mixed *m = p->type == MN_TENSOR ? op_of(model, p) : NULL;
    const int32_t first = l->knapsack.first[i];
    *is_free = m && taken == MN_ARCH_OPEN;
    if (*is_free) return log_probs(m, l->value + first);
    if (taken < 0) taken = p->choices ? p->index : 0;
    for (int32_t o = 0; o < p->n; o++) l->value[first + o] = o == taken ? 0 : -INFINITY;
    return 0;
}

int mn_limits_choose(mn_limits *l, const mn_model *model, int32_t *index) {
    int n_free = 0, is_free;
    if (!l->n_kept) return 0;
    for (int32_t i = 0; i < l->knapsack.n; i++) {
        MN_TRY(fill_gene(l, model, i, index[i], &is_free));
        n_free += is_free;
    }
    if (!n_free) return 0;
    const int rc = mn_knapsack_solve(l->ctx, &l->knapsack, l->index);
    if (rc == MODNAS_ENOTFOUND) return fail_none(l, rc, "in the space, with the options that are set,");
    for (int32_t i = 0; i < l->knapsack.n && !rc; i++)
        if (index[i] == MN_ARCH_OPEN) index[i] = l->index[i];
    return rc;
}

int mn_limits_force(mn_limits *l, mn_model *model) {
    mn_arch *a;
    if (!l->n_kept) return 0;
    MN_TRY(mn_arch_new(model, &a));
    int rc = mn_limits_choose(l, model, a->index);
    for (int32_t i = 0; i < mn_model_n_mixed(model) && !rc; i++) {
        mn_mixed *m = mn_model_mixed(model, i);
        if (m->param->type != MN_TENSOR || m->forced >= 0) continue;
        for (int32_t g = 0; g < a->n; g++)
            if (mn_space_gene(model->space, g) == m->param && a->index[g] >= 0) mn_mixed_force(m, a->index[g]);
    }
    mn_arch_free(a);
    return rc;
}

int64_t mn_limit_bound(const mn_limit *l) {
    double bound = round(l->bound * l->unit); /* 0.57 ms are 570000 ns, 0.57 * 1e6 is a little less */
    if (!mn_limit_obeys(l, bound / l->unit)) bound += l->is_least ? 1 : -1;
    return bound > 1e18 ? (int64_t)1e18 : bound < -1e18 ? (int64_t)-1e18 : (int64_t)bound;
}

int mn_limit_obeys(const mn_limit *l, double value) {
    return l->is_least ? value >= l->bound : value <= l->bound;
}
