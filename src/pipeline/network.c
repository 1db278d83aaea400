/* The network that a run ends with: the last estimator's, with the weights as they are then. */
#include <inttypes.h>
#include <string.h>

#include "pipeline/pipeline.h"
#include "search/derive.h"

static mn_estim *last_estim(const mn_pipeline *p) {
    return p->stages.n ? MN_AT(p->stages, mn_stage, p->stages.n - 1).estim : NULL;
}

int mn_pipeline_network(mn_pipeline *p, mn_network *out) {
    mn_network n = {.params = 0};
    const mn_estim *last = last_estim(p);
    if (!last || !p->model->backend) return mn_fail(p->ctx, MODNAS_EINVAL, "there is no network");
    MN_TRY(mn_derive_begin(p->model));
    mn_estim_input(last, n.input);
    n.params = mn_derived_params(p->model);
    const int rc = mn_derived_macs(p->model, n.input, &n.macs);
    mn_derive_end(p->model);
    if (!rc) *out = n;
    return rc;
}

/* ---- the test set -------------------------------------------------------------------------------------- */

static int evaluate(const mn_pipeline *p, const mn_estim *last, mn_scores *test) {
    return mn_trainer_evaluate(last->trainer, p->test_loader, test, NULL, NULL);
}

/* As the estimator measures architectures: with statistics of its own, maybe. */
static int test_taken(const mn_pipeline *p, mn_estim *last, mn_scores *test) {
    int rc = mn_estim_take(last);
    if (!rc) rc = evaluate(p, last, test);
    const int undone = mn_estim_put(last);
    return rc ? rc : undone;
}

static int load_best(mn_pipeline *p, const mn_estim *last) {
    char *path = mn_expdir_file(&p->dir, "chkpt/", "model_", last->name, "_best.safetensors");
    const int rc = path ? mn_model_load(p->model, path, 0) : MODNAS_ENOMEM;
    mn_free(p->ctx, path);
    return rc;
}

/* Each architecture was trained: with the weights that the best was measured with. */
static int test_best(mn_pipeline *p, const mn_estim *last, mn_scores *test) {
    void *kept = mn_alloc(p->ctx, mn_store_bytes(p->model->weights) + 1, 1);
    int rc = kept ? mn_store_save(p->model->weights, kept) : MODNAS_ENOMEM;
    if (!rc) {
        rc = load_best(p, last);
        if (!rc) rc = evaluate(p, last, test);
        const int undone = mn_store_restore(p->model->weights, kept);
        if (!rc) rc = undone;
    }
    mn_free(p->ctx, kept);
    return rc;
}

int mn_pipeline_test(mn_pipeline *p, int as_is, mn_scores *test) {
    mn_estim *last = last_estim(p);
    if (!p->test_loader || !last || !last->trainer) return 0;
    if (last->trains_each && !as_is && !last->best_point) return 0; /* nothing was found */
    MN_TRY(mn_derive_begin(p->model));
    const int rc = as_is               ? evaluate(p, last, test)
                   : last->trains_each ? test_best(p, last, test)
                                       : test_taken(p, last, test);
    mn_derive_end(p->model);
    if (!rc)
        mn_log(p->ctx, MODNAS_LOG_INFO, "Test: Acc Top1: %.4f | Acc Top5: %.4f | Loss: %.4f | %" PRId64 " images",
               test->top1 / (double)test->n, test->top5 / (double)test->n, test->loss / (double)test->n, test->n);
    return rc;
}
