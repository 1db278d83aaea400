/* Inside of constructors: what their files share. The interface is construct/construct.h. */
#ifndef MN_CONSTRUCT_PARTS_H
#define MN_CONSTRUCT_PARTS_H

#include "construct/construct.h"

/* What a constructor's row has as `data`; NULL: all zero. */
typedef struct mn_construct_row {
    int32_t after_commit; /* 1: works on parameters in memory, so it is run once the model is committed */
} mn_construct_row;

/* Call fn for every Slot that is empty now, in model order. */
int mn_each_empty_slot(mn_model *model, int (*fn)(mn_slot *slot, void *ud), void *ud);
/* Put the backbone's own operator in. */
int mn_fill_predefined(mn_slot *slot);
/* `ops` of a configuration into model->ops; NULL: nothing. */
int mn_ops_conf_read(modnas_ctx *ctx, const mn_node *ops, mn_ops_conf *out);
/* The constructors of a configuration in the order of use: MAP name -> {type, args}, owned by the caller. */
int mn_construct_list(modnas_ctx *ctx, const mn_node *config, mn_node **out);

int mn_construct_infra_register(modnas_ctx *ctx);
int mn_construct_slots_register(modnas_ctx *ctx);
int mn_construct_arch_desc_register(modnas_ctx *ctx);

#endif
