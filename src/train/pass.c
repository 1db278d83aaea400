/* Recording and running one pass; counting what it got right. */
#include "train/pass.h"

#include <string.h>

#include "space/prepare.h"

int mn_pass_new(mn_model *model, const mn_run_opts *opts, mn_pass *p) {
    memset(p, 0, sizeof *p);
    p->opts = *opts;
    return mn_run_new(model->backend, model->dtype, model->slab, &p->run);
}

void mn_pass_free(mn_pass *p) {
    mn_run_free(p->run);
    p->run = NULL;
}

int mn_pass_is_ready(const mn_pass *p, const mn_model *model, const int32_t dims[4]) {
    return p->dims[0] && p->version == model->version && memcmp(p->dims, dims, sizeof p->dims) == 0;
}

int mn_pass_record(mn_pass *p, mn_model *model, const mn_criterion *criterion, const int32_t dims[4]) {
    const int64_t x[4] = {dims[0], dims[1], dims[2], dims[3]}, y[4] = {dims[0], 1, 1, 1};
    p->dims[0] = 0;
    mn_run_set_limit(p->run, mn_prepare_run_limit(model));
    MN_TRY(mn_run_begin(p->run, &p->opts));
    MN_TRY(mn_input(p->run, x, MODNAS_F32, &p->x));
    MN_TRY(mn_input(p->run, y, MODNAS_I32, &p->y));
    MN_TRY(mn_model_forward(model, p->run, p->x, &p->logits));
    MN_TRY(criterion->loss(criterion, p->run, p->logits, p->y, &p->loss));
    MN_TRY(mn_run_keep(p->run, p->logits));
    MN_TRY(mn_run_keep(p->run, p->loss));
    MN_TRY(mn_run_plan(p->run, p->opts.grads ? p->loss : NULL));
    memcpy(p->dims, dims, sizeof p->dims);
    p->criterion = criterion;
    p->version = model->version;
    return 0;
}

static int check_labels(modnas_ctx *ctx, const mn_batch *b, int64_t classes) {
    for (int32_t i = 0; i < b->n; i++)
        if (b->y[i] < 0 || b->y[i] >= classes)
            return mn_fail(ctx, MODNAS_EFORMAT, "batch %lld, sample %d: label %d, the network has %lld outputs",
                           (long long)b->index, i, b->y[i], (long long)classes);
    return 0;
}

int64_t mn_count_top(const float *logits, const int32_t *labels, int32_t n, int32_t classes, int32_t k) {
    int64_t hits = 0;
    for (int32_t i = 0; i < n; i++) {
        const float *row = logits + (size_t)i * (size_t)classes;
        const int32_t label = labels[i];
        int32_t above = 0;
        for (int32_t c = 0; c < classes; c++) above += row[c] > row[label] || (row[c] == row[label] && c < label);
        hits += above < k;
    }
    return hits;
}

static int feed(const mn_pass *p, const mn_criterion *c, uint64_t step, mn_batch *batch) {
    if (c->base) MN_TRY(feed(p, c->base, step, batch));
    return c->feed ? c->feed(c, p->run, p->dims, step, batch) : 0;
}

int mn_pass_forward(mn_pass *p, const mn_batch *batch, uint64_t step, double *loss) {
    mn_batch fed = *batch;
    MN_TRY(check_labels(mn_run_ctx(p->run), batch, p->logits->dims[1]));
    MN_TRY(feed(p, p->criterion, step, &fed));
    mn_run_bind(p->run, p->x, fed.x);
    mn_run_bind(p->run, p->y, fed.y);
    MN_TRY(mn_run_forward(p->run, step));
    return mn_run_read(p->run, p->loss, loss);
}

int mn_pass_count(mn_pass *p, const mn_batch *batch, double loss, float *logits, mn_scores *scores) {
    const int32_t classes = (int32_t)p->logits->dims[1];
    MN_TRY(mn_run_read_f32(p->run, p->logits, logits));
    scores->n += batch->n;
    scores->loss += loss * batch->n;
    scores->top1 += (double)mn_count_top(logits, batch->y, batch->n, classes, 1);
    scores->top5 += (double)mn_count_top(logits, batch->y, batch->n, classes, 5);
    return 0;
}
