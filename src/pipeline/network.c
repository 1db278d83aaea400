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

int mn_pipeline_test(mn_pipeline *p, mn_scores *test) {
    mn_estim *last = last_estim(p);
    if (!p->test_loader || !last || !last->trainer) return 0;
    MN_TRY(mn_derive_begin(p->model));
    int rc = mn_estim_take(last);
    if (!rc) rc = mn_trainer_evaluate(last->trainer, p->test_loader, test, NULL, NULL);
    const int undone = mn_estim_put(last);
    if (!rc) rc = undone;
    mn_derive_end(p->model);
    if (!rc)
        mn_log(p->ctx, MODNAS_LOG_INFO, "Test: Acc Top1: %.4f | Acc Top5: %.4f | Loss: %.4f | %" PRId64 " images",
               test->top1 / (double)test->n, test->top5 / (double)test->n, test->loss / (double)test->n, test->n);
    return rc;
}
