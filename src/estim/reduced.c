/* What estimators share that score networks with the weights of a larger one. */
#include "estim/reduced.h"

#include <inttypes.h>

int mn_reduced_init(mn_reduced *r, mn_estim *e, const mn_args *a, int changes) {
    mn_calibration_opts o = {.n_batches = mn_args_int(a, "num_bn_batch"), .clear = mn_args_bool(a, "clear_subnet_bn")};
    if (o.n_batches < 0) return mn_args_fail(a, "num_bn_batch", "is %" PRId64 ", it is at least 0", o.n_batches);
    o.mode = mn_calibration_mode(mn_args_str(a, "bn_mode")); /* the registry let only these through */
    if (o.n_batches && e->trainer) MN_TRY(mn_calibration_new(e->trainer, &o, &r->calibration));
    if (!r->calibration && !changes) return 0;
    r->kept = mn_alloc(e->ctx, mn_store_bytes(e->model->weights) + 1, 1);
    return r->kept ? 0 : MODNAS_ENOMEM;
}

void mn_reduced_free(mn_reduced *r, mn_estim *e) {
    mn_free(e->ctx, r->kept);
    mn_calibration_free(r->calibration);
}

int mn_reduced_prepare(mn_reduced *r, mn_estim *e) {
    if (!r->calibration) return 0;
    MN_TRY(mn_calibration_prepare(r->calibration));
    e->calibration_sha256 = mn_calibration_sha256(r->calibration);
    return 0;
}

int mn_reduced_keep(mn_reduced *r, mn_estim *e) {
    if (!r->kept) return 0;
    MN_TRY(mn_store_save(e->model->weights, r->kept));
    r->is_kept = 1;
    return 0;
}

int mn_reduced_calibrate(mn_reduced *r) {
    return r->calibration ? mn_calibration_run(r->calibration) : 0;
}

int mn_reduced_put(mn_reduced *r, mn_estim *e) {
    if (!r->is_kept) return 0;
    r->is_kept = 0;
    return mn_store_restore(e->model->weights, r->kept);
}
