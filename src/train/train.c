/* What this folder registers. */
#include "train/parts.h"

int mn_train_register(modnas_ctx *ctx) {
    MN_TRY(mn_registry_add(ctx, &mn_sgd_component));
    MN_TRY(mn_registry_add(ctx, &mn_adam_component));
    MN_TRY(mn_registry_add(ctx, &mn_adamw_component));
    MN_TRY(mn_registry_add(ctx, &mn_rmsprop_component));
    MN_TRY(mn_registry_add(ctx, &mn_adagrad_component));
    MN_TRY(mn_registry_add_all(ctx, mn_schedule_components, MN_N_SCHEDULES));
    MN_TRY(mn_registry_add_all(ctx, mn_criterion_components, MN_N_CRITERIA));
    MN_TRY(mn_registry_add(ctx, &mn_auxiliary_loss));
    MN_TRY(mn_registry_add(ctx, &mn_mixup_loss));
    MN_TRY(mn_registry_add(ctx, &mn_distill_loss));
    return mn_registry_add_all(ctx, mn_trainer_components, MN_N_TRAINERS);
}
