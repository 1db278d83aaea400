/* Inside of constructors: what their files share. The interface is construct/construct.h. */
#ifndef MN_CONSTRUCT_PARTS_H
#define MN_CONSTRUCT_PARTS_H

#include "construct/construct.h"

/* Call fn for every Slot that is empty now, in model order. */
int mn_each_empty_slot(mn_model *model, int (*fn)(mn_slot *slot, void *ud), void *ud);
/* Does the backbone have an operator of its own for it? */
int mn_has_predefined(const mn_slot *slot);
/* Record the committed model once, with every candidate: MODNAS_EINVAL or MODNAS_ESHAPE when its forward leaves a Slot
 * out or gives something else than (N, classes, 1, 1). Sets model->n_classes where it is not known. */
int mn_try_model(mn_model *model);
struct mn_nested; /* space/nested.h */
/* Build a description into a nested layer that is open. Of a network of cells: into all of them that are. */
int mn_fill_nested(struct mn_nested *n, const mn_node *desc);
int mn_fill_cells(mn_model *model, const mn_node *desc);
/* What one item of an architecture says: a description of the nested layer that is there, else a name,
 * a list of one, a spec, or null for the backbone's own operator. */
int mn_fill_item(mn_slot *slot, const mn_node *item);
/* Candidates that come to the Slot from here on are given `args` (a map; NULL: none), as far as they have such and their
 * spec does not say otherwise; with `keep` the use_se and use_hs of the backbone's own operator there, too. */
int mn_slot_give_args(mn_slot *slot, const mn_node *args, int keep);
/* MODNAS_ECONFIG for one in the arg `name` that none of the candidates has (MN_ARG_SPECS); they may be NULL: any. */
int mn_check_candidate_args(const mn_args *a, const char *name, const mn_node *candidates);
/* An architecture as it was given, digits as the list that they stand for; the caller's. */
int mn_arch_items(mn_model *model, const mn_node *given, mn_node **out);
/* Call fn for every Slot that a list has an item for, in model order: MODNAS_ECONFIG if it has more or fewer. */
int mn_each_item(mn_model *model, const mn_node *desc, int (*fn)(mn_slot *slot, const mn_node *item, void *ud), void *ud);
/* `ops` of a configuration into model->ops; NULL: nothing. */
int mn_ops_conf_read(modnas_ctx *ctx, const mn_node *ops, mn_ops_conf *out);
/* The constructors of a configuration in the order of use: MAP name -> {type, args}, owned by the caller. */
int mn_construct_list(modnas_ctx *ctx, const mn_node *config, mn_node **out);

/* mn_construct_model with constructors of one's own. */
int mn_construct_from(modnas_ctx *ctx, const mn_node *config, const mn_node *list, int32_t dtype, int commit,
                      mn_model **out);
/* The file that a path of weights means: without a placeholder in front, "NAME.safetensors" where there is no "NAME.pt".
 * path is empty before. */
int mn_weights_path(const char *given, mn_str *path);

/* Of everything that is drawn: the key `seed`, else that of the list's init, else 0. */
uint64_t mn_construct_seed(const mn_node *config, const mn_node *list);

/* The arg drop_prob. A number: from 0 towards it; [first, last]: from one towards the other. */
#define MN_DROP_PROB_ARG                                                                                               \
    {"drop_prob", MN_ARG_ANY, "0.1", NULL, "rises from 0 towards it, by epoch / epochs; [first, last]: from first towards last"}
int mn_drop_prob_read(const mn_args *args, double p[2]);

int mn_construct_infra_register(modnas_ctx *ctx);
int mn_construct_initialise_register(modnas_ctx *ctx);
int mn_construct_drop_path_register(modnas_ctx *ctx);
int mn_construct_hparam_register(modnas_ctx *ctx);
int mn_construct_cells_register(modnas_ctx *ctx);
int mn_construct_constructed_register(modnas_ctx *ctx);
int mn_construct_elastic_register(modnas_ctx *ctx);
int mn_construct_slots_register(modnas_ctx *ctx);
int mn_construct_spaces_register(modnas_ctx *ctx);
int mn_construct_stacnas_register(modnas_ctx *ctx);
int mn_construct_traversal_register(modnas_ctx *ctx);
int mn_construct_arch_desc_register(modnas_ctx *ctx);
int mn_construct_arch_tree_register(modnas_ctx *ctx);

#endif
