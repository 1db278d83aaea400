/* The collapse of DARTS (Zela et al. 2020; Chu et al. 2020): skip connections and pooling win in early training because
 * they need none, and the network that is derived has little left to train.
 *
 * Architecture parameters whose mixed ops have a candidate without parameters are looked at; cells that share one count
 * once. With f_i of n_i such candidates, a choice at random gives their number K a sum of independent 0 / 1 draws of
 * probabilities f_i / n_i, whose exact distribution is built up one by one. That many at once, and at least half of all:
 * an alarm. Where most candidates have no parameters that says little, so identities are counted by themselves, too. A
 * search may mean it; it has to be looked at.
 *
 * Of edges of nested layers those count that are kept, with their best operator that is not zero, as they are derived:
 * that is how many skip connections a cell of DARTS would have. */
#include "search/collapse.h"

#include <math.h>

#include "module/layers.h"
#include "search/derive.h"
#include "space/candidates.h"
#include "space/nested.h"

#define ALARM_P     0.01
#define ALARM_SHARE 0.5

typedef struct tally { /* of parameters that could choose a candidate of a kind */
    int32_t n, n_chosen;
    double expected, *chance; /* of K = 0, 1, ...: room for one more than there are mixed ops */
} tally;

typedef struct counting {
    tally free, identity;
    double *probs;   /* of one op */
    double entropy;
    int32_t n_logits;
} counting;

static int is_free(const mn_mixed *m, int32_t i) {
    return mn_derived_weights(mn_mixed_module(m, i)) == 0;
}

static int is_identity(const mn_mixed *m, int32_t i) {
    return mn_module_is_identity(mn_mixed_module(m, i));
}

static int is_zero(const mn_mixed *m, int32_t i) {
    return mn_is_zero_op(mn_mixed_module(m, i));
}

static void add_op(tally *t, const mn_mixed *m, int32_t best, int (*is_one)(const mn_mixed *m, int32_t i)) {
    const int is_edge = mn_mixed_is_edge(m);
    int32_t n = 0, n_all = 0;
    for (int32_t i = 0; i < m->n; i++) {
        const int counts = !is_edge || !is_zero(m, i);
        n_all += counts;
        n += counts && is_one(m, i);
    }
    if (!n) return;
    const double p = (double)n / n_all;
    for (int32_t j = ++t->n; j >= 0; j--) t->chance[j] = t->chance[j] * (1 - p) + (j ? t->chance[j - 1] * p : 0);
    t->expected += p;
    t->n_chosen += is_one(m, best);
}

static int look_at(counting *k, const mn_mixed *m) {
    int32_t best;
    double h = 0;
    MN_TRY(mn_mixed_probs(m, k->probs));
    MN_TRY(mn_mixed_best(m, &best));
    for (int32_t i = 0; i < m->n; i++)
        if (k->probs[i] > 0) h -= k->probs[i] * log(k->probs[i]);
    k->entropy += h / log(m->n);
    k->n_logits++;
    if (mn_mixed_is_edge(m) && (best < 0 || is_zero(m, best))) return 0; /* not in the network */
    add_op(&k->free, m, best, is_free);
    add_op(&k->identity, m, best, is_identity);
    return 0;
}

/* The first one of those that follow its parameter. */
static int is_first(const mn_model *model, int32_t i) {
    const mn_mixed *m = mn_model_mixed(model, i);
    for (int32_t k = 0; k < i; k++)
        if (mn_model_mixed(model, k)->param == m->param) return 0;
    return m->param->type == MN_TENSOR && m->n > 1;
}

static double chance_of_as_many(const tally *t) {
    double p = 0;
    for (int32_t j = t->n_chosen; j <= t->n; j++) p += t->chance[j];
    return p;
}

static int is_unlikely(const tally *t, double p) {
    return t->n && t->n_chosen >= ALARM_SHARE * t->n && p <= ALARM_P;
}

static int measure(mn_model *m, counting *k, mn_collapse *c) {
    k->free.chance[0] = k->identity.chance[0] = 1;
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++)
        if (is_first(m, i)) MN_TRY(look_at(k, mn_model_mixed(m, i)));
    *c = (mn_collapse){.n_ops = k->free.n,
                       .n_free = k->free.n_chosen,
                       .expected = k->free.expected,
                       .p = chance_of_as_many(&k->free),
                       .n_identity = k->identity.n_chosen,
                       .p_identity = chance_of_as_many(&k->identity),
                       .entropy = k->n_logits ? k->entropy / k->n_logits : 1};
    c->is_alarm = is_unlikely(&k->free, c->p) || is_unlikely(&k->identity, c->p_identity);
    return 0;
}

int mn_collapse_measure(mn_model *m, mn_collapse *out) {
    const size_t n = (size_t)mn_model_n_mixed(m);
    int32_t widest = 1;
    for (int32_t i = 0; i < (int32_t)n; i++)
        if (mn_model_mixed(m, i)->n > widest) widest = mn_model_mixed(m, i)->n;
    double *chances = mn_alloc(m->ctx, 2 * (n + 1), sizeof *chances);
    counting k = {.free.chance = chances, .identity.chance = chances ? chances + n + 1 : NULL};
    k.probs = mn_alloc(m->ctx, (size_t)widest, sizeof *k.probs);
    const int rc = chances && k.probs ? measure(m, &k, out) : MODNAS_ENOMEM;
    mn_free(m->ctx, chances);
    mn_free(m->ctx, k.probs);
    return rc;
}
