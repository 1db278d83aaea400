/* TableEstim: looks what an optimizer proposes up in a table of results. Nothing is trained or computed.
 *
 *   epoch:  arch_update_batch architectures, asked for, looked up and told
 *
 * `score` steers (or `objective`, over the columns of score and metrics), `report` is only reported: a search on
 * validation results may report those on the test set. An architecture that the table lacks, or that lacks a number to
 * steer by, is a failed evaluation. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "config/config.h"
#include "estim/lookup.h"
#include "estim/parts.h"
#include "estim/proposed.h"

typedef struct table_estim {
    mn_lookup table;
    mn_vec columns;     /* char *: of the table's numbers: score, metrics, report */
    int32_t n_steering; /* those before it are steered by */
    int32_t *gene;      /* by parameter of the table: of an architecture */
    mn_str key;
    mn_proposed proposed;
    int32_t done; /* in this epoch */
} table_estim;

/* ---- looking up ---------------------------------------------------------------------------------------- */

static int make_key(mn_estim *e, const mn_arch *arch) {
    table_estim *s = e->state;
    s->key.n = 0;
    for (int32_t i = 0; i < s->table.n_params; i++) {
        const char *option = mn_space_option(e->model->space, s->gene[i], arch->index[s->gene[i]]);
        mn_str_add(&s->key, i ? s->table.joiner : "");
        mn_str_add(&s->key, option ? option : "");
    }
    return s->key.failed ? MODNAS_ENOMEM : 0;
}

static int measure(mn_estim *e, const mn_arch *arch, mn_metrics *out) {
    table_estim *s = e->state;
    MN_TRY(make_key(e, arch));
    const double *row = mn_lookup_find(&s->table, s->key.text);
    if (!row) return mn_fail(e->ctx, MODNAS_ENOTFOUND, "estim.%s: the table has no row %.200s", e->name, s->key.text);
    for (int32_t i = 0; i < s->table.n_values; i++) {
        const char *name = MN_AT(s->columns, char *, i);
        if (!isnan(row[i]))
            MN_TRY(mn_metrics_add(e->ctx, out, name, row[i]));
        else if (i < s->n_steering)
            return mn_fail(e->ctx, MODNAS_ENOTFOUND, "estim.%s: row %.200s of the table has no %s", e->name,
                           s->key.text, name);
    }
    return 0;
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

static int prepare(mn_estim *e) {
    (void)e;
    return 0;
}

static int evaluate(mn_estim *e, const mn_arch *arch) {
    table_estim *s = e->state;
    const mn_scores none = {0, 0, 0, 0};
    mn_metrics m = {0};
    const int rc = mn_estim_measure(e, arch, &m);
    if (rc && rc != MODNAS_ENOTFOUND) return rc;
    MN_TRY(mn_estim_record(e, arch, rc, &m));
    s->proposed.next++;
    return mn_estim_tick(e, "eval", s->done++, s->proposed.room, &none);
}

/* What is left of an epoch. An optimizer may give fewer than asked for, where it waits for results. */
static int epoch(mn_estim *e) {
    table_estim *s = e->state;
    mn_proposed *p = &s->proposed;
    while (s->done < p->room) {
        if (p->next == p->n) MN_TRY(mn_proposed_ask(p, e, p->room - s->done));
        if (!p->n) return mn_fail(e->ctx, MODNAS_EDONE, "%s has nothing to propose", e->optim->vt->type);
        MN_TRY(mn_estim_checkpoint(e, 0));
        MN_TRY(evaluate(e, p->archs[p->next]));
    }
    return 0;
}

static int epochs(mn_estim *e) {
    table_estim *s = e->state;
    while (mn_estim_goes_on(e)) {
        const int rc = epoch(e);
        if (rc && rc != MODNAS_EDONE) return rc;
        if (rc) mn_log(e->ctx, MODNAS_LOG_INFO, "estim.%s: %s", e->name, modnas_errmsg(e->ctx));
        if (rc && !s->done) return 0;
        s->done = 0;
        MN_TRY(mn_estim_epoch_done(e));
        if (rc) return 0;
    }
    return 0;
}

static int run(mn_estim *e) {
    table_estim *s = e->state;
    const int goes_on = e->resumed;
    MN_TRY(mn_estim_check_proposer(e));
    MN_TRY(mn_estim_begin(e));
    if (!goes_on) s->done = s->proposed.next = s->proposed.n = 0;
    const int rc = epochs(e), set = e->best_point ? mn_arch_apply(e->best_point) : 0;
    if (e->n_evaluations && !e->best_metrics.n)
        mn_log(e->ctx, MODNAS_LOG_WARN, "estim.%s: none of %" PRId64 " architectures %s", e->name, e->n_evaluations,
               mn_objective_limits(e->objective) ? "obeys all limits" : "has a score");
    return rc ? rc : set;
}

static int state(mn_estim *e, mn_state *io) {
    table_estim *s = e->state;
    MN_TRY(mn_state_range(io, &s->done, 0, s->proposed.room));
    return mn_proposed_state(&s->proposed, io);
}

static void destroy(mn_estim *e) {
    table_estim *s = e->state;
    mn_lookup_free(&s->table);
    for (size_t i = 0; i < s->columns.n; i++) mn_free(e->ctx, MN_AT(s->columns, char *, i));
    mn_vec_free(e->ctx, &s->columns);
    mn_free(e->ctx, s->gene);
    mn_str_free(&s->key);
    mn_proposed_free(&s->proposed, e);
}

static const mn_estim_vt vt = {.type = "TableEstim",
                               .prepare = prepare,
                               .run = run,
                               .destroy = destroy,
                               .state = state,
                               .measure = measure,
                               .searches = MN_SEARCHES_STILL};

/* ---- making -------------------------------------------------------------------------------------------- */

static int add_column(mn_estim *e, const mn_args *a, const char *arg, const char *name) {
    table_estim *s = e->state;
    for (size_t i = 0; i < s->columns.n; i++)
        if (strcmp(MN_AT(s->columns, char *, i), name) == 0) return 0;
    if (s->columns.n == MN_MAX_METRICS) return mn_args_fail(a, arg, "more than %d columns", MN_MAX_METRICS);
    char *copy = mn_strdup(e->ctx, name);
    if (copy && mn_vec_push(e->ctx, &s->columns, &copy, 1)) return 0;
    mn_free(e->ctx, copy);
    return MODNAS_ENOMEM;
}

static int read_columns(mn_estim *e, const mn_args *a) {
    table_estim *s = e->state;
    const mn_node *metrics = mn_args_node(a, "metrics");
    MN_TRY(add_column(e, a, "score", mn_args_str(a, "score")));
    for (size_t i = 0; metrics && i < metrics->n; i++) {
        if (metrics->items[i]->kind != MN_STR) return mn_args_fail(a, "metrics", "names of columns are wanted");
        MN_TRY(add_column(e, a, "metrics", metrics->items[i]->text));
    }
    s->n_steering = (int32_t)s->columns.n;
    if (mn_args_given(a, "report")) MN_TRY(add_column(e, a, "report", mn_args_str(a, "report")));
    return mn_objective_check(e->objective, s->columns.data, s->n_steering, "TableEstim");
}

static int find_gene(const mn_estim *e, const mn_args *a, const char *name, int32_t *out) {
    const int32_t n = mn_space_n_genes(e->model->space);
    for (*out = 0; *out < n; ++*out) {
        const mn_arch_param *p = mn_space_gene(e->model->space, *out);
        if (p->choices && strcmp(p->name, name) == 0) return 0;
    }
    return mn_args_fail(a, mn_args_given(a, "arch") ? "arch" : "params",
                        "the space has no parameter '%.80s'; TableSpaceConstructor makes it from the table", name);
}

static int read_batch(mn_estim *e) {
    mn_estim_conf *conf;
    MN_TRY(mn_estim_conf_load(e->ctx, e->conf, &conf));
    const int64_t n = conf->arch_update_batch;
    mn_estim_conf_free(e->ctx, conf);
    return mn_proposed_init(&((table_estim *)e->state)->proposed, e, n);
}

static int fill(mn_estim *e, const mn_args *a) {
    table_estim *s = e->state;
    s->key.ctx = e->ctx;
    mn_vec_init(&s->columns, sizeof(char *));
    MN_TRY(mn_estim_check_proposer(e));
    MN_TRY(read_columns(e, a));
    MN_TRY(mn_lookup_read(a, s->columns.data, (int32_t)s->columns.n, &s->table));
    e->table_sha256 = s->table.sha256;
    s->gene = mn_alloc(e->ctx, (size_t)s->table.n_params, sizeof *s->gene);
    if (!s->gene) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < s->table.n_params; i++) MN_TRY(find_gene(e, a, s->table.params[i], &s->gene[i]));
    return read_batch(e);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_estim_make(&vt, a, env, sizeof(table_estim), fill, out);
}

static const mn_arg_def args[] = {
    MN_LOOKUP_ARGS,
    {"score", MN_ARG_STR, NULL, NULL, "column that steers, the more the better unless `objective` says otherwise"},
    {"report", MN_ARG_STR, "null", NULL, "column that is only reported"},
    {"metrics", MN_ARG_LIST, "[]", NULL, "further columns, for `objective`"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_table_estim_component = {
    "estim", "TableEstim", "looks up what an optimizer proposes in a table of results", args, build, NULL};
