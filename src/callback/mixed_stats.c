/* MixedOpStatsReporter: outputs/probs_<estim>.tsv, what a search makes of each option of each architecture parameter.
 *
 *   epoch  param  option  probability  evaluations  mean_score
 *
 * probability is softmax(alpha), '-' where a parameter has no logits; evaluations are those so far that had the option,
 * mean_score is theirs. */
#include <inttypes.h>
#include <math.h>

#include "callback/parts.h"

typedef struct option {
    int64_t n;
    double sum; /* of scores */
} option;

typedef struct stats {
    double intv;
    int32_t n_genes, n_options;
    option *options; /* of all genes, one behind the other */
    char *text;      /* the file; NULL: nothing yet */
    int64_t at;      /* epochs behind the latest lines */
} stats;

/* ---- counting ------------------------------------------------------------------------------------------ */

static int begin(mn_callback *c, mn_estim *e) {
    stats *s = c->own;
    (void)e;
    mn_free(c->ctx, s->text);
    s->text = NULL;
    s->at = 0;
    for (int32_t i = 0; i < s->n_options; i++) s->options[i] = (option){0, 0};
    return 0;
}

static int evaluated(mn_callback *c, mn_estim *e, const mn_evaluation *v, int *is_opt) {
    const stats *s = c->own;
    (void)is_opt;
    if (v->status || !isfinite(v->score) || !v->point || v->point->n != s->n_genes) return 0;
    option *o = s->options;
    for (int32_t i = 0; i < s->n_genes; i++) {
        const int32_t k = v->point->index[i];
        if (k >= 0) {
            o[k].n++;
            o[k].sum += v->score;
        }
        o += mn_space_gene(e->model->space, i)->n;
    }
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static const mn_mixed *mixed_of(const mn_model *m, const mn_arch_param *p) {
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++)
        if (mn_model_mixed(m, i)->param == p) return mn_model_mixed(m, i);
    return NULL;
}

static void add_line(mn_str *out, double p, const option *o) {
    mn_str_add(out, "\t");
    if (isnan(p))
        mn_str_add(out, "-");
    else
        mn_str_real(out, p);
    mn_str_addf(out, "\t%" PRId64 "\t", o->n);
    if (o->n)
        mn_str_real(out, o->sum / (double)o->n);
    else
        mn_str_add(out, "-");
    mn_str_add(out, "\n");
}

static int add_gene(mn_str *out, const mn_estim *e, int32_t i, int64_t epoch, const option *o) {
    const mn_arch_param *p = mn_space_gene(e->model->space, i);
    const mn_mixed *mixed = p->type == MN_TENSOR ? mixed_of(e->model, p) : NULL;
    double *probs = mn_alloc(out->ctx, (size_t)p->n, sizeof *probs);
    int rc = probs ? 0 : MODNAS_ENOMEM;
    for (int32_t k = 0; !rc && k < p->n; k++) probs[k] = NAN;
    if (!rc && mixed) rc = mn_mixed_probs(mixed, probs);
    for (int32_t k = 0; !rc && k < p->n; k++) {
        const char *name = mn_space_option(e->model->space, i, k);
        mn_str_addf(out, "%" PRId64 "\t%s\t%s", epoch, p->name, name ? name : "?");
        add_line(out, probs[k], &o[k]);
    }
    mn_free(out->ctx, probs);
    return rc;
}

static int record(mn_callback *c, mn_estim *e, int64_t epoch) {
    stats *s = c->own;
    mn_str all = {.ctx = c->ctx}, copy = {.ctx = c->ctx};
    const option *o = s->options;
    int rc = 0;
    mn_str_add(&all, s->text ? s->text : "epoch\tparam\toption\tprobability\tevaluations\tmean_score\n");
    for (int32_t i = 0; i < s->n_genes && !rc; i++) {
        rc = add_gene(&all, e, i, epoch, o);
        o += mn_space_gene(e->model->space, i)->n;
    }
    char *text = rc ? NULL : mn_str_take(&all);
    mn_str_free(&all);
    if (!text) return rc ? rc : MODNAS_ENOMEM;
    mn_free(c->ctx, s->text);
    s->text = text;
    s->at = epoch;
    mn_str_add(&copy, text);
    return c->env.save_text(c->env.ud, e, "probs_", ".tsv", &copy);
}

static int epoch_done(mn_callback *c, mn_estim *e, mn_str *line) {
    const stats *s = c->own;
    (void)line;
    return s->n_genes && mn_callback_is_due(e, s->intv) ? record(c, e, e->epoch + 1) : 0;
}

static int end(mn_callback *c, mn_estim *e) {
    const stats *s = c->own;
    return s->n_genes && s->at != e->epoch ? record(c, e, e->epoch) : 0;
}

/* ---- state --------------------------------------------------------------------------------------------- */

static int state(mn_callback *c, mn_state *io) {
    stats *s = c->own;
    MN_TRY(mn_state_same(io, s->n_options, "options"));
    for (int32_t i = 0; i < s->n_options; i++) {
        MN_TRY(mn_state_i64(io, &s->options[i].n));
        MN_TRY(mn_state_real(io, &s->options[i].sum));
    }
    MN_TRY(mn_state_text(io, &s->text));
    return mn_state_i64(io, &s->at);
}

static void destroy(mn_callback *c) {
    stats *s = c->own;
    mn_free(c->ctx, s->options);
    mn_free(c->ctx, s->text);
}

static const mn_callback_vt vt = {.type = "MixedOpStatsReporter",
                                  .priority = -1,
                                  .begin = begin,
                                  .evaluated = evaluated,
                                  .epoch_done = epoch_done,
                                  .end = end,
                                  .state = state,
                                  .destroy = destroy};

static int fill(mn_callback *c, const mn_args *a) {
    stats *s = c->own;
    const mn_space *space = c->env.model->space;
    MN_TRY(mn_callback_intv(a, "plot_intv", &s->intv));
    if (!(s->intv > 0)) return mn_args_fail(a, "plot_intv", "it is 0, a share of the epochs or a number of them is wanted");
    s->n_genes = mn_space_n_genes(space);
    for (int32_t i = 0; i < s->n_genes; i++) s->n_options += mn_space_gene(space, i)->n;
    s->options = mn_alloc(c->ctx, (size_t)s->n_options + 1, sizeof *s->options);
    return s->options ? 0 : MODNAS_ENOMEM;
}

static int build(const mn_component *component, const mn_args *a, const void *env, void *out) {
    (void)component;
    return mn_callback_make(&vt, a, env, sizeof(stats), fill, out);
}

static const mn_arg_def args[] = {
    {"plot_intv", MN_ARG_REAL, "0.2", NULL, "epochs between two entries, below 1 a share of all epochs"},
    {NULL, 0, NULL, NULL, NULL}};
const mn_component mn_mixed_stats_component = {
    "callback", "MixedOpStatsReporter", "probabilities and scores by option, as a table", args, build, NULL};
