/* What a trainer gives to look one weight step ahead (unroll.c): the next training batch, which the next weight step
 * will see again, a validation batch, and three recorded passes. All have batch statistics and leave running ones
 * alone; draws of sampling mixed ops and of dropout are the same in all of them. Clipping is no part of the step. */
#include <string.h>

#include "space/prepare.h"
#include "train/trainer.h"
#include "train/unroll.h"

struct mn_bilevel {
    mn_unroll *unroll;
    mn_pass pass[MN_N_UNROLL];
    float *x; /* the validation batch: without validation data both are of one loader */
    int32_t *y;
};

/* A step on its way. */
typedef struct looking {
    mn_trainer *t;
    mn_batch train, valid;
    mn_scores *scores;
} looking;

static const mn_loader *valid_data(const mn_trainer *t) {
    return t->loaders.valid ? t->loaders.valid : t->loaders.train;
}

static size_t sample_values(const mn_loader *l) {
    int32_t dims[4];
    mn_trainer_dims(l, 1, dims);
    return (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];
}

/* ---- life ---------------------------------------------------------------------------------------------- */

void mn_bilevel_free(mn_bilevel *b, modnas_ctx *ctx) {
    if (!b) return;
    for (int i = 0; i < MN_N_UNROLL; i++) mn_pass_free(&b->pass[i]);
    mn_unroll_free(b->unroll);
    mn_free(ctx, b->x);
    mn_free(ctx, b->y);
    mn_free(ctx, b);
}

static int fill(mn_bilevel *b, mn_trainer *t) {
    static const int32_t grads[MN_N_UNROLL] = {MN_ROLE_WEIGHT, MN_ROLE_WEIGHT | MN_ROLE_ARCH, MN_ROLE_ARCH},
                         kinds[MN_N_UNROLL] = {MN_PASS_TRAIN, MN_PASS_ARCH, MN_PASS_TRAIN};
    const size_t n = (size_t)mn_loader_batch_size(valid_data(t));
    b->x = mn_alloc(t->ctx, n, sample_values(valid_data(t)) * sizeof *b->x);
    b->y = mn_alloc(t->ctx, n, sizeof *b->y);
    if (!b->x || !b->y) return MODNAS_ENOMEM;
    for (int i = 0; i < MN_N_UNROLL; i++) {
        const mn_run_opts opts = {.train = 1, .grads = grads[i], .seed = t->pass[MN_PASS_TRAIN].opts.seed};
        MN_TRY(mn_pass_new(t->model, &opts, &b->pass[i]));
        b->pass[i].kind = kinds[i];
    }
    return mn_unroll_new(t->model->weights, t->model->arch, &b->unroll);
}

static int need(mn_trainer *t) {
    if (t->bilevel) return 0;
    mn_bilevel *b = mn_alloc(t->ctx, 1, sizeof *b);
    if (!b) return MODNAS_ENOMEM;
    const int rc = fill(b, t);
    if (rc)
        mn_bilevel_free(b, t->ctx);
    else
        t->bilevel = b;
    return rc;
}

void mn_bilevel_forget(mn_bilevel *b) {
    for (int i = 0; b && i < MN_N_UNROLL; i++) b->pass[i].dims[0] = 0;
}

/* ---- prepare ------------------------------------------------------------------------------------------- */

int mn_bilevel_prepare(mn_trainer *t) {
    MN_TRY(need(t));
    for (int partial = 0; partial < 2; partial++)
        for (int i = 0; i < MN_N_UNROLL; i++) {
            mn_pass *p = &t->bilevel->pass[i];
            MN_TRY(mn_trainer_prepare_pass(t, p, i == MN_UNROLL_VALID ? valid_data(t) : t->loaders.train, partial));
        }
    mn_bilevel_forget(t->bilevel);
    return 0;
}

/* ---- the step ------------------------------------------------------------------------------------------ */

static int run_pass(int32_t kind, void *ud) {
    const looking *k = ud;
    mn_trainer *t = k->t;
    mn_pass *p = &t->bilevel->pass[kind];
    const int is_valid = kind == MN_UNROLL_VALID;
    const mn_batch *batch = is_valid ? &k->valid : &k->train;
    double loss;
    MN_TRY(mn_trainer_ready(t, p, is_valid ? valid_data(t) : t->loaders.train, batch->n));
    MN_TRY(mn_pass_forward(p, batch, t->model->draw, &loss));
    MN_TRY(mn_trainer_check_finite(t, is_valid ? "loss after the step ahead" : "loss of the step ahead", loss));
    MN_TRY(mn_run_backward(p->run));
    return is_valid ? mn_pass_count(p, batch, loss, t->logits, k->scores) : 0;
}

/* The validation batch is copied, as taking the next one of the same loader may reuse its memory. */
static int take_batches(looking *k) {
    mn_trainer *t = k->t;
    mn_bilevel *b = t->bilevel;
    MN_TRY(mn_trainer_arch_batch(t, &k->valid));
    memcpy(b->x, k->valid.x, (size_t)k->valid.n * sample_values(valid_data(t)) * sizeof *b->x);
    memcpy(b->y, k->valid.y, (size_t)k->valid.n * sizeof *b->y);
    k->valid.x = b->x;
    k->valid.y = b->y;
    return mn_loader_peek_endless(t->loaders.train, &k->train);
}

int mn_trainer_unrolled_grad(mn_trainer *t, double radius, mn_scores *scores) {
    looking k = {.t = t, .scores = scores};
    MN_TRY(mn_trainer_need_arch(t));
    MN_TRY(need(t));
    MN_TRY(take_batches(&k));
    const double start = mn_seconds();
    t->model->busy++;
    mn_model_set_draw(t->model, t->model->draw + 1);
    const int rc =
        mn_unroll_grad(t->bilevel->unroll, t->optim, mn_schedule_lr(t->schedule, t->epoch), radius, run_pass, &k);
    t->model->busy--;
    if (!rc) mn_trainer_add_time(t, start);
    return rc;
}
