/* The components of this folder, for train.c's registration. */
#ifndef MN_TRAIN_PARTS_H
#define MN_TRAIN_PARTS_H

#include "train/train.h"

enum { MN_N_SCHEDULES = 7, MN_N_CRITERIA = 9, MN_N_TRAINERS = 2 };
extern const mn_component mn_sgd_component, mn_adam_component, mn_adamw_component, mn_rmsprop_component,
    mn_adagrad_component;
extern const mn_component mn_schedule_components[MN_N_SCHEDULES];
extern const mn_component mn_criterion_components[MN_N_CRITERIA];
extern const mn_component mn_trainer_components[MN_N_TRAINERS];
extern const mn_component mn_auxiliary_loss, mn_mixup_loss, mn_distill_loss;

double mn_draw_beta(mn_rng *rng, double alpha); /* from Beta(alpha, alpha) */

#endif
