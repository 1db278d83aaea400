/* Drop path (stochastic depth: Huang et al. 2016, as in Zoph et al. 2018): in training a sample's value is dropped as a
 * whole with probability p, and divided by 1 - p where it is kept, so that its mean stays. Elsewhere nothing happens.
 *
 *   dst[n] = src[n] mask[n] / (1 - p)       p = low + (high - low) epoch / epochs
 *
 * It is made of what is there: dropout of one 1 a sample, times the source. So the mask is drawn anew every step, keyed
 * by seed, step and place, and is the same on every backend. */
#include "module/layers.h"
#include "module/model.h"

typedef struct drop_state {
    double low, high;
    double *ones;
    int64_t n_ones;
} drop_state;

static int enough_ones(mn_module *m, int64_t n) {
    drop_state *s = m->state;
    if (n <= s->n_ones) return 0;
    double *ones = mn_realloc(m->model->ctx, s->ones, (size_t)n, sizeof *ones);
    if (!ones) return MODNAS_ENOMEM;
    for (int64_t i = 0; i < n; i++) ones[i] = 1;
    s->ones = ones;
    s->n_ones = n;
    return 0;
}

static int drop_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    const drop_state *s = m->state;
    if (n_src != 1) return mn_fail(m->model->ctx, MODNAS_EINVAL, "%s takes 1 value, %d given", m->vt->type, (int)n_src);
    const int64_t dims[4] = {src[0]->dims[0], 1, 1, 1};
    const double p = s->low + (s->high - s->low) * mn_model_progress(m->model);
    mn_value *mask;
    if (!mn_run_options(run)->train || mn_run_options(run)->no_drop || p == 0) {
        *dst = src[0];
        return 0;
    }
    MN_TRY(enough_ones(m, dims[0]));
    MN_TRY(mn_const(run, dims, s->ones, &mask));
    MN_TRY(mn_dropout(run, mask, p, &mask));
    return mn_binary(run, MODNAS_BINARY_MUL, src[0], mask, dst);
}

static void drop_destroy(mn_module *m) {
    mn_free(m->model->ctx, ((drop_state *)m->state)->ones);
    m->model->n_by_epoch--;
}

static const mn_module_vt drop_vt = {"drop_path", drop_forward, drop_destroy};

int mn_drop_path_new(mn_model *model, double low, double high, mn_module **out) {
    const double p[2] = {low, high};
    for (int i = 0; i < 2; i++)
        if (!(p[i] >= 0 && p[i] < 1))
            return mn_fail(model->ctx, MODNAS_EINVAL, "drop path with p = %g, not in [0, 1)", p[i]);
    MN_TRY(mn_module_new(model, &drop_vt, sizeof(drop_state), out));
    drop_state *s = (*out)->state;
    s->low = low;
    s->high = high;
    model->n_by_epoch++;
    return 0;
}
