/* The steps of a trainer: weights, architecture, evaluation.
 *
 * Draws of sampling mixed ops and of dropout are keyed by model->draw, which every weight and architecture step of the
 * model moves by one: no two steps of a run see the same draw, whichever trainer or estimator makes them. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "train/trainer.h"

int mn_trainer_start_epoch(mn_trainer *t, int64_t epoch) {
    MN_TRY(mn_loader_start(t->loaders.train, t->epoch_base + epoch));
    mn_model_set_epoch(t->model, epoch, t->epochs);
    t->epoch = epoch;
    t->step = 0;
    return 0;
}

int mn_trainer_ready(mn_trainer *t, mn_pass *p, const mn_loader *l, int32_t n) {
    int32_t dims[4];
    mn_trainer_dims(l, n, dims);
    if (mn_pass_is_ready(p, t->model, dims)) return 0;
    const double start = mn_seconds();
    MN_TRY(mn_pass_record(p, t->model, mn_trainer_criterion(t, p), dims));
    t->times.record_s += mn_seconds() - start;
    t->times.n_records++;
    return mn_trainer_room(t, n, p->logits->dims[1]);
}

int mn_trainer_check_finite(const mn_trainer *t, const char *what, double x) {
    if (isfinite(x)) return 0;
    return mn_fail(t->ctx, MODNAS_ENUMERIC, "epoch %" PRId64 ", step %" PRId64 ": the %s is %g", t->epoch + 1,
                   t->step + 1, what, x);
}

/* *scale of the gradients, times what clips them then. */
static int clip(mn_trainer *t, double *scale) {
    double norm;
    if (t->w_grad_clip == 0) return 0;
    MN_TRY(mn_grad_norm_get(t->norm, &norm));
    MN_TRY(mn_trainer_check_finite(t, "norm of the gradients", norm));
    *scale *= mn_clip_scale(norm * *scale, t->w_grad_clip);
    return 0;
}

/* The paths of a weight step. */
typedef struct paths {
    int64_t n;
    int mean;
    int (*set)(int64_t i, void *ud); /* NULL: the model's own, once */
    void *ud;
} paths;

static int weight_grad(mn_trainer *t, const mn_batch *batch, mn_scores *scores) {
    mn_pass *p = &t->pass[MN_PASS_TRAIN];
    double loss;
    mn_model_set_draw(t->model, t->model->draw + 1);
    MN_TRY(mn_trainer_ready(t, p, t->loaders.train, batch->n));
    MN_TRY(mn_pass_forward(p, batch, t->model->draw, &loss));
    MN_TRY(mn_trainer_check_finite(t, "loss", loss));
    MN_TRY(mn_run_backward(p->run));
    return mn_pass_count(p, batch, loss, t->logits, scores);
}

static int weight_step(mn_trainer *t, const mn_batch *batch, const paths *w, mn_scores *scores) {
    double scale = w->mean ? 1 / (double)w->n : 1;
    mn_trainer_accumulate(t, w->set != NULL);
    mn_store_zero_grad(t->model->weights);
    for (int64_t i = 0; i < w->n; i++) {
        if (w->set) MN_TRY(w->set(i, w->ud));
        MN_TRY(weight_grad(t, batch, scores));
    }
    MN_TRY(clip(t, &scale));
    MN_TRY(mn_weight_optim_step(t->optim, mn_schedule_lr(t->schedule, t->epoch), scale));
    MN_TRY(mn_average_step(t->average));
    t->step++;
    return 0;
}

void mn_trainer_add_time(mn_trainer *t, double start) {
    t->times.step_s += mn_seconds() - start;
    t->times.n_steps++;
}

static int step(mn_trainer *t, const paths *w, mn_scores *scores) {
    mn_batch batch;
    MN_TRY(mn_loader_next_endless(t->loaders.train, &batch)); /* architecture steps may take some, too */
    const double start = mn_seconds();
    t->model->busy++;
    const int rc = weight_step(t, &batch, w, scores);
    t->model->busy--;
    if (!rc) mn_trainer_add_time(t, start);
    return rc;
}

int mn_trainer_step(mn_trainer *t, mn_scores *scores) {
    return step(t, &(paths){.n = 1}, scores);
}

int mn_trainer_step_paths(mn_trainer *t, int64_t n, int mean, int (*set)(int64_t i, void *ud), void *ud,
                          mn_scores *scores) {
    return step(t, &(paths){n, mean, set, ud}, scores);
}

/* The next batch of the validation set: a pass over it of its own order, begun anew where an evaluation or the end came
 * between. */
int mn_trainer_arch_batch(mn_trainer *t, mn_batch *batch) {
    if (!t->loaders.valid) return mn_loader_next_endless(t->loaders.train, batch);
    for (int again = 0; again < 2; again++) {
        if (!t->valid_open) MN_TRY(mn_loader_start(t->loaders.valid, ++t->valid_pass));
        t->valid_open = 1;
        const int rc = mn_loader_next(t->loaders.valid, batch);
        if (rc != MODNAS_EDONE) return rc;
        t->valid_open = 0;
    }
    return MODNAS_EDONE;
}

static int arch_grad(mn_trainer *t, const mn_batch *batch, mn_scores *scores) {
    mn_pass *p = &t->pass[MN_PASS_ARCH];
    double loss;
    mn_model_set_draw(t->model, t->model->draw + 1);
    MN_TRY(mn_trainer_ready(t, p, t->loaders.valid ? t->loaders.valid : t->loaders.train, batch->n));
    MN_TRY(mn_pass_forward(p, batch, t->model->draw, &loss));
    MN_TRY(mn_trainer_check_finite(t, "loss of the architecture step", loss));
    mn_store_zero_grad(t->model->arch);
    MN_TRY(mn_run_backward(p->run));
    return mn_pass_count(p, batch, loss, t->logits, scores);
}

int mn_trainer_need_arch(const mn_trainer *t) {
    if (t->model->arch) return 0;
    return mn_fail(t->ctx, MODNAS_EINVAL, "model %s has no architecture parameters to train", t->model->type);
}

int mn_trainer_arch_grad(mn_trainer *t, mn_scores *scores) {
    mn_batch batch;
    MN_TRY(mn_trainer_need_arch(t));
    MN_TRY(mn_trainer_arch_batch(t, &batch));
    const double start = mn_seconds();
    t->model->busy++;
    mn_model_set_arch_step(t->model, 1);
    const int rc = arch_grad(t, &batch, scores);
    mn_model_set_arch_step(t->model, 0);
    t->model->busy--;
    if (!rc) mn_trainer_add_time(t, start);
    return rc;
}

static int evaluate_batch(mn_trainer *t, const mn_loader *l, const mn_batch *batch, mn_scores *sum) {
    mn_pass *p = &t->pass[MN_PASS_EVAL];
    double loss;
    MN_TRY(mn_trainer_ready(t, p, l, batch->n));
    MN_TRY(mn_pass_forward(p, batch, 0, &loss));
    if (!isfinite(loss))
        return mn_fail(t->ctx, MODNAS_ENUMERIC, "epoch %" PRId64 ": the loss of batch %" PRId64 " of %s is %g",
                       t->epoch + 1, batch->index + 1, mn_loader_dataset(l)->name, loss);
    return mn_pass_count(p, batch, loss, t->logits, sum);
}

void mn_trainer_limit_valid(mn_trainer *t, int64_t n) {
    t->valid_limit = n;
    t->valid_pass += n > 0;
}

int mn_trainer_evaluate(mn_trainer *t, mn_loader *loader, mn_scores *scores, mn_tick_fn tick, void *ud) {
    mn_loader *l = loader ? loader : t->loaders.valid;
    mn_scores sum = {0, 0, 0, 0};
    mn_batch batch;
    if (!l)
        return mn_fail(t->ctx, MODNAS_ECONFIG,
                       "there is no validation data: data_loader.valid_size and valid_ratio are 0");
    if (!loader) t->valid_open = 0;
    const int64_t all = mn_loader_n_batches(l), limit = loader ? 0 : t->valid_limit, n = limit && limit < all ? limit : all;
    MN_TRY(mn_loader_start(l, limit ? t->valid_pass : 0));
    for (int64_t i = 0; i < n; i++) {
        MN_TRY(mn_loader_next(l, &batch));
        t->model->busy++;
        const int rc = evaluate_batch(t, l, &batch, &sum);
        t->model->busy--;
        MN_TRY(rc);
        if (tick) MN_TRY(tick(i, n, &sum, ud));
        MN_TRY(mn_canceled(t->ctx));
    }
    scores->loss += sum.loss;
    scores->top1 += sum.top1;
    scores->top5 += sum.top5;
    scores->n += sum.n;
    return 0;
}
