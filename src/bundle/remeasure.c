/* Measuring again: the weights of a bundle go into its network, and what was measured with them then is measured now.
 *
 * model_ESTIM_best   the estimator's architecture, metrics and score: the weights are as they were when it measured
 * model_ESTIM_last   of the last estimator: the network that the run ended with, and the test set
 *
 * Without a pipeline (data are missing) weights and counts are still looked at. */
#include <math.h>
#include <string.h>

#include "bundle/point.h"
#include "bundle/verify.h"
#include "construct/construct.h"
#include "search/derive.h"

#define SLACK 0.002 /* of an accuracy or a loss on another backend; see modnas/bundle.h */

/* ---- comparing ----------------------------------------------------------------------------------------- */

/* slack 0: it has to be the same. */
static int say_number(mn_verification *v, const char *what, const mn_node *stated, double found, double slack) {
    mn_str x = {.ctx = v->ctx}, y = {.ctx = v->ctx};
    const int is_number = stated->kind == MN_INT || stated->kind == MN_REAL;
    const int holds = is_number && (slack > 0 ? fabs(stated->r - found) <= slack : stated->r == found);
    mn_node_json(&x, stated);
    mn_str_real(&y, found);
    return mn_findings_take(&v->findings, holds ? MN_HOLDS : MN_HOLDS_NOT, what, &x, &y, NULL);
}

static int say_tree(mn_verification *v, const char *what, const mn_node *stated, const mn_node *found) {
    mn_str x = {.ctx = v->ctx}, y = {.ctx = v->ctx};
    mn_node_json(&x, stated);
    mn_node_json(&y, found);
    const int same = !x.failed && !y.failed && strcmp(x.text, y.text) == 0;
    return mn_findings_take(&v->findings, same ? MN_HOLDS : MN_HOLDS_NOT, what, &x, &y, NULL);
}

/* The three one behind the other; the caller's. */
static char *text_of(const mn_verification *v, const char *before, const char *name, const char *after) {
    mn_str s = {.ctx = v->ctx};
    mn_str_addf(&s, "%s%s%s", before, name, after);
    return mn_str_take(&s);
}

/* What a metric of n images may be off by; 0: nothing. */
static double slack_of(const mn_verification *v, const char *metric, double stated, int64_t n) {
    static const char *const counted[] = {"params", "macs", "latency_ms", "n"};
    if (v->findings.is_exact) return 0;
    for (size_t i = 0; i < MN_COUNT(counted); i++)
        if (strcmp(metric, counted[i]) == 0) return 0;
    return SLACK * (1 + fabs(stated)) + (n ? 1 / (double)n : 0);
}

/* Measured by a clock: nothing to compare. */
static int is_timed(const mn_estim *e, const char *metric) {
    for (const mn_metric *k = e ? e->metric : NULL; k; k = k->next)
        if (k->is_timed && strncmp(metric, "latency", 7) == 0) return 1;
    return 0;
}

static int say_unmeasured(mn_verification *v, const char *what, const mn_node *stated) {
    mn_str x = {.ctx = v->ctx}, none = {.ctx = v->ctx};
    mn_node_json(&x, stated);
    return mn_findings_take(&v->findings, MN_HOLDS_NOT, what, &x, &none, "nothing measures it");
}

/* Each number that is stated. Bytes of an arena are a backend's own. */
static int compare_metrics(mn_verification *v, const char *where, const mn_node *stated, const mn_metrics *m, int64_t n,
                           const mn_estim *e) {
    for (size_t i = 0; stated && stated->kind == MN_MAP && i < stated->n; i++) {
        const char *name = stated->keys[i];
        const mn_node *x = stated->items[i];
        const double *found = mn_metrics_get(m, name);
        if (is_timed(e, name)) continue;
        char *what = text_of(v, where, name, "");
        if (!what) return MODNAS_ENOMEM;
        int rc;
        if (!found)
            rc = say_unmeasured(v, what, x);
        else if (!v->findings.is_exact && strcmp(name, "arena_bytes") == 0)
            rc = mn_findings_add(&v->findings, MN_UNCHECKED, what, NULL, NULL, "it is of another backend");
        else
            rc = say_number(v, what, x, *found, slack_of(v, name, x->r, n));
        mn_free(v->ctx, what);
        MN_TRY(rc);
    }
    return 0;
}

/* ---- weights and architecture -------------------------------------------------------------------------- */

static int read_desc(const mn_verification *v, const char *file, mn_node **desc) {
    char *path = mn_bundle_path(v->ctx, v->folder, file), *text = NULL;
    size_t n;
    int rc = path ? mn_file_read(v->ctx, path, MN_YAML_BYTES_MAX, &text, &n) : MODNAS_ENOMEM;
    if (!rc) rc = mn_arch_desc_parse(v->ctx, text, n, path, desc);
    mn_free(v->ctx, text);
    mn_free(v->ctx, path);
    return rc;
}

/* Set the model's choices to what the estimator found, where the bundle has that. */
static int set_point(mn_verification *v, const char *estim) {
    mn_node *desc = NULL;
    char *file = text_of(v, "arch_", estim, "_best.yaml");
    if (!file) return MODNAS_ENOMEM;
    int rc = mn_manifest_find(&v->manifest, file) ? read_desc(v, file, &desc) : 0;
    if (!rc) rc = mn_point_set(v->model, v->exporter, desc);
    mn_node_free(v->ctx, desc);
    if (rc) rc = mn_findings_fail(&v->findings, MN_HOLDS_NOT, file, rc);
    mn_free(v->ctx, file);
    return rc;
}

static int load_file(mn_verification *v, const char *file, int *fits) {
    char *path = mn_bundle_path(v->ctx, v->folder, file), *what = text_of(v, "weights of ", file, "");
    int rc = path && what ? mn_model_load(v->model, path, 0) : MODNAS_ENOMEM;
    *fits = rc == 0;
    if (path && what)
        rc = rc ? mn_findings_fail(&v->findings, MN_HOLDS_NOT, what, rc)
                : mn_findings_add(&v->findings, MN_HOLDS, what, NULL, NULL, NULL);
    mn_free(v->ctx, what);
    mn_free(v->ctx, path);
    return rc;
}

/* fits: 1: the model has the weights ESTIM_TAG, and the architecture that they are of; there: the bundle has them. */
static int load(mn_verification *v, const char *estim, const char *tag, int *there, int *fits) {
    char *file = text_of(v, "model_", estim, tag);
    if (!file) return MODNAS_ENOMEM;
    *fits = 0;
    *there = mn_manifest_find(&v->manifest, file) != NULL;
    int rc = *there ? load_file(v, file, fits) : 0;
    if (!rc && *fits) rc = set_point(v, estim);
    mn_free(v->ctx, file);
    return rc;
}

static int unchecked(mn_verification *v, const char *what, const char *why) {
    return mn_findings_add(&v->findings, MN_UNCHECKED, what, NULL, NULL, why);
}

/* ---- the best of an estimator -------------------------------------------------------------------------- */

static int compare_arch(mn_verification *v, const char *where, const mn_node *stated) {
    mn_node *found;
    char *what = text_of(v, where, ".arch", "");
    int rc = what ? mn_point_describe(v->model, v->exporter, &found) : MODNAS_ENOMEM;
    if (what) rc = rc ? mn_findings_fail(&v->findings, MN_HOLDS_NOT, what, rc) : say_tree(v, what, stated, found);
    if (what && !rc) mn_node_free(v->ctx, found);
    mn_free(v->ctx, what);
    return rc;
}

static int compare_score(mn_verification *v, const char *where, const mn_node *stated, const mn_estim *e,
                         const mn_metrics *m, int64_t n) {
    mn_fitness f;
    char *what = text_of(v, where, ".score", "");
    if (!what) return MODNAS_ENOMEM;
    int rc = mn_objective_judge(e->objective, 0, m, &f);
    if (rc == MODNAS_EINVAL) rc = 0; /* a goal that was timed */
    else if (!rc) rc = say_number(v, what, stated, f.value[0], slack_of(v, "score", stated->r, n));
    mn_free(v->ctx, what);
    return rc;
}

static int measure_best(mn_verification *v, mn_estim *e, const char *where, const mn_node *best) {
    const mn_node *score = mn_node_get(best, "score");
    const mn_loader *valid = v->pipeline->loaders.valid;
    const int64_t n = valid ? mn_loader_n_samples(valid) : 0;
    mn_metrics m = {0};
    if (e->trainer) mn_trainer_set_criteria(e->trainer, e->by_pass);
    const int rc = mn_estim_remeasure(e, &m);
    if (rc) return mn_findings_fail(&v->findings, rc == MODNAS_EUNSUPPORTED ? MN_UNCHECKED : MN_HOLDS_NOT, where, rc);
    char *metrics = text_of(v, where, ".metrics.", "");
    const int compared = metrics ? compare_metrics(v, metrics, mn_node_get(best, "metrics"), &m, n, e) : MODNAS_ENOMEM;
    mn_free(v->ctx, metrics);
    MN_TRY(compared);
    return score ? compare_score(v, where, score, e, &m, n) : 0;
}

/* Of estimators whose weights the bundle has. */
static int check_best_at(mn_verification *v, const char *name, mn_estim *e, const char *where, const mn_node *best) {
    int there, fits;
    MN_TRY(load(v, name, "_best.safetensors", &there, &fits));
    if (!there) return unchecked(v, where, "the bundle has no weights of it");
    if (!fits) return unchecked(v, where, "the weights do not fit");
    MN_TRY(compare_arch(v, where, mn_node_get(best, "arch")));
    return e ? measure_best(v, e, where, best) : unchecked(v, where, v->why);
}

static int has_weights(const mn_verification *v, const char *estim, const char *tag) {
    char *file = text_of(v, "model_", estim, tag);
    const int has = file && mn_manifest_find(&v->manifest, file);
    mn_free(v->ctx, file);
    return has;
}

static int check_best(mn_verification *v, const char *name, mn_estim *e, const mn_node *stated) {
    const mn_node *best = mn_node_get(stated, "best");
    if (!has_weights(v, name, "_best.safetensors") && !has_weights(v, name, "_last.safetensors")) return 0;
    if (!best || best->kind != MN_MAP) return 0;
    char *where = text_of(v, "estim.", name, ".best");
    const int rc = where ? check_best_at(v, name, e, where, best) : MODNAS_ENOMEM;
    mn_free(v->ctx, where);
    return rc;
}

/* ---- the network at the end ---------------------------------------------------------------------------- */

/* Without a pipeline, of an image as it is stated. */
static int count_network(mn_verification *v, mn_network *out) {
    const mn_node *input = mn_stated(v, "network.input");
    if (v->pipeline) return mn_pipeline_network(v->pipeline, out);
    for (size_t i = 0; i < 3; i++) {
        const mn_node *x = input && input->kind == MN_SEQ && input->n == 3 ? input->items[i] : NULL;
        if (!x || x->kind != MN_INT || x->i < 1 || x->i > 1 << 16)
            return mn_fail(v->ctx, MODNAS_EFORMAT, "results.json: network.input is no size of an image");
        out->input[i] = (int32_t)x->i;
    }
    MN_TRY(mn_derive_begin(v->model));
    out->params = mn_derived_params(v->model);
    const int rc = mn_derived_macs(v->model, out->input, &out->macs);
    mn_derive_end(v->model);
    return rc;
}

static int check_network(mn_verification *v) {
    const mn_node *params = mn_stated(v, "network.params"), *macs = mn_stated(v, "network.macs"),
                  *input = mn_stated(v, "network.input");
    mn_network n;
    if (!params || !macs) return 0;
    if (!v->pipeline && mn_node_path(v->config, "objective.subject_to")) return unchecked(v, "network", v->why);
    const int rc = count_network(v, &n);
    if (rc) return mn_findings_fail(&v->findings, MN_HOLDS_NOT, "network", rc);
    MN_TRY(say_number(v, "network.params", params, (double)n.params, 0));
    MN_TRY(say_number(v, "network.macs", macs, (double)n.macs, 0));
    for (size_t i = 0; v->pipeline && input && input->kind == MN_SEQ && i < input->n && i < 3; i++) {
        static const char *const names[] = {"network.input.0", "network.input.1", "network.input.2"};
        MN_TRY(say_number(v, names[i], input->items[i], n.input[i], 0));
    }
    return 0;
}

/* Where each architecture is trained, the test set sees the weights of the best. */
static int load_tested(mn_verification *v, const mn_estim *last) {
    char *file = last->trains_each ? text_of(v, "model_", last->name, "_best.safetensors") : NULL;
    char *path = file ? mn_bundle_path(v->ctx, v->folder, file) : NULL;
    const int rc = !last->trains_each ? 0 : path ? mn_model_load(v->model, path, 0) : MODNAS_ENOMEM;
    mn_free(v->ctx, path);
    mn_free(v->ctx, file);
    return rc;
}

static int check_test(mn_verification *v, mn_estim *last) {
    const mn_node *stated = mn_stated(v, "test");
    mn_scores s = {0, 0, 0, 0};
    if (!stated) return 0;
    if (!last) return unchecked(v, "test", v->why);
    if (last->trainer) mn_trainer_set_criteria(last->trainer, last->by_pass);
    int rc = load_tested(v, last);
    if (rc) return rc == MODNAS_ENOMEM ? rc : unchecked(v, "test", "the weights of the best are not there, or do not fit");
    rc = mn_pipeline_test(v->pipeline, last->trains_each, &s);
    if (rc) return mn_findings_fail(&v->findings, MN_HOLDS_NOT, "test", rc);
    if (!s.n) return unchecked(v, "test", "the configuration has no test_data");
    const double n = (double)s.n;
    const mn_metrics m = {4, {"acc_top1", "acc_top5", "loss", "n"}, {s.top1 / n, s.top5 / n, s.loss / n, n}};
    return compare_metrics(v, "test.", stated, &m, s.n, NULL);
}

static int check_end(mn_verification *v, const char *name, mn_estim *last) {
    int there, fits;
    MN_TRY(load(v, name, "_last.safetensors", &there, &fits));
    if (fits) MN_TRY(check_network(v));
    if (fits) return check_test(v, last);
    return mn_stated(v, "test") ? unchecked(v, "test", there ? "the weights do not fit" : "the bundle has no weights of it")
                                : 0;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static mn_estim *find_estim(const mn_verification *v, const char *name) {
    const mn_pipeline *p = v->pipeline;
    for (size_t i = 0; p && i < p->stages.n; i++)
        if (strcmp(MN_AT(p->stages, mn_stage, i).estim->name, name) == 0) return MN_AT(p->stages, mn_stage, i).estim;
    return NULL;
}

static int check_estim(mn_verification *v, const char *name, const mn_node *stated, int is_last) {
    mn_estim *e = find_estim(v, name);
    if (v->pipeline && !e)
        return mn_findings_add(&v->findings, MN_HOLDS_NOT, name, NULL, NULL, "config.yaml has no such estimator");
    MN_TRY(check_best(v, name, e, stated));
    return is_last ? check_end(v, name, e) : 0;
}

int mn_remeasure(mn_verification *v) {
    const mn_node *estims = mn_stated(v, "estim");
    for (size_t i = 0; estims && estims->kind == MN_MAP && i < estims->n; i++)
        MN_TRY(check_estim(v, estims->keys[i], estims->items[i], i + 1 == estims->n));
    return 0;
}
