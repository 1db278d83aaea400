/* Where a trainer is in its data and its phases: kept before an evaluation that trains, and gone back to if that is
 * broken off, so that it is made again as it would have been. Weights and optimizer are not in it: what trains for a
 * while puts the weights back itself, and begins with a new optimizer. */
#include "train/trainer.h"

static mn_loader_place place_of(const mn_loader *l) {
    mn_loader_place p = {-1, 0};
    if (l) mn_loader_where(l, &p);
    return p;
}

void mn_trainer_mark_take(const mn_trainer *t, mn_trainer_mark *m) {
    const mn_model *model = t->model;
    *m = (mn_trainer_mark){.epochs = t->epochs,
                           .epoch_base = t->epoch_base,
                           .epoch = t->epoch,
                           .step = t->step,
                           .valid_pass = t->valid_pass,
                           .valid_open = t->valid_open,
                           .averaged = mn_average_steps(t->average),
                           .draw = model->draw,
                           .model_epoch = model->epoch,
                           .model_epochs = model->epochs,
                           .train = place_of(t->loaders.train),
                           .valid = place_of(t->loaders.valid)};
}

int mn_trainer_mark_back(mn_trainer *t, const mn_trainer_mark *m) {
    mn_model *model = t->model;
    t->epochs = m->epochs;
    t->epoch_base = m->epoch_base;
    t->epoch = m->epoch;
    t->step = m->step;
    t->valid_pass = m->valid_pass;
    t->valid_open = m->valid_open;
    mn_average_go_back(t->average, m->averaged);
    model->draw = m->draw;
    model->epoch = m->model_epoch;
    model->epochs = m->model_epochs;
    model->version++;
    MN_TRY(mn_loader_go(t->loaders.train, &m->train));
    return t->loaders.valid ? mn_loader_go(t->loaders.valid, &m->valid) : 0;
}
