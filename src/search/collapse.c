/* The collapse of DARTS (Zela et al. 2020; Chu et al. 2020): skip connections and pooling win in early training because
 * they need none, and the network that is derived has little left to train.
 *
 * Mixed ops with a candidate without parameters are looked at. With f_i of n_i such candidates, a choice at random
 * gives their number K a sum of independent 0 / 1 draws of probabilities f_i / n_i, whose exact distribution is built
 * up op by op. That many at once, and at least half of the ops: an alarm. A search may mean it; it has to be looked at.
 *
 * Mixed ops that share their logits are one choice. Of edges of cells those count that are kept, with their best
 * operator that is not zero, as they are derived: that is how many skip connections a cell of DARTS would have. */
#include "search/collapse.h"

#include <math.h>

#include "search/derive.h"
#include "space/candidates.h"
#include "space/nested.h"

#define ALARM_P     0.01
#define ALARM_SHARE 0.5

typedef struct counting {
    mn_collapse *c;
    double *chance; /* of K = 0, 1, ...: room for one more than there are mixed ops */
    double *probs;  /* of one op */
    double entropy;
    int32_t n_logits;
} counting;

static int is_free(const mn_mixed *m, int32_t i) {
    return mn_derived_weights(mn_mixed_module(m, i)) == 0;
}

static void add_op(counting *k, double p, int chosen) {
    mn_collapse *c = k->c;
    for (int32_t j = ++c->n_ops; j >= 0; j--) k->chance[j] = k->chance[j] * (1 - p) + (j ? k->chance[j - 1] * p : 0);
    c->expected += p;
    c->n_free += chosen;
}

static int look_at(counting *k, const mn_mixed *m) {
    const int is_edge = mn_mixed_is_edge(m);
    int32_t best, n_free = 0, n_all = 0;
    double h = 0;
    if (m->param->type != MN_TENSOR || m->n < 2) return 0;
    MN_TRY(mn_mixed_probs(m, k->probs));
    MN_TRY(mn_mixed_best(m, &best));
    for (int32_t i = 0; i < m->n; i++) {
        const int counts = !is_edge || !mn_is_zero_op(mn_mixed_module(m, i));
        n_all += counts;
        n_free += counts && is_free(m, i);
        if (k->probs[i] > 0) h -= k->probs[i] * log(k->probs[i]);
    }
    k->entropy += h / log(m->n);
    k->n_logits++;
    if (is_edge && (best < 0 || mn_is_zero_op(mn_mixed_module(m, best)))) return 0; /* not in the network */
    if (n_free) add_op(k, (double)n_free / n_all, is_free(m, best));
    return 0;
}

static int is_first(mn_model *m, int32_t i) {
    for (int32_t j = 0; j < i; j++)
        if (mn_model_mixed(m, j)->param == mn_model_mixed(m, i)->param) return 0;
    return 1;
}

static int measure(mn_model *m, counting *k) {
    mn_collapse *c = k->c;
    k->chance[0] = 1;
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++)
        if (is_first(m, i)) MN_TRY(look_at(k, mn_model_mixed(m, i)));
    for (int32_t j = c->n_free; j <= c->n_ops; j++) c->p += k->chance[j];
    c->entropy = k->n_logits ? k->entropy / k->n_logits : 1;
    c->is_alarm = c->n_ops && c->n_free >= ALARM_SHARE * c->n_ops && c->p <= ALARM_P;
    return 0;
}

int mn_collapse_measure(mn_model *m, mn_collapse *out) {
    const int32_t n = mn_model_n_mixed(m);
    int32_t widest = 1;
    for (int32_t i = 0; i < n; i++)
        if (mn_model_mixed(m, i)->n > widest) widest = mn_model_mixed(m, i)->n;
    counting k = {.c = out};
    *out = (mn_collapse){.n_ops = 0};
    k.chance = mn_alloc(m->ctx, (size_t)n + 1, sizeof *k.chance);
    k.probs = mn_alloc(m->ctx, (size_t)widest, sizeof *k.probs);
    const int rc = k.chance && k.probs ? measure(m, &k) : MODNAS_ENOMEM;
    mn_free(m->ctx, k.chance);
    mn_free(m->ctx, k.probs);
    return rc;
}
