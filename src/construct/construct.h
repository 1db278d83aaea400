/* Constructors: edit a model's tree before it is committed. Kind "construct"; out: none. Exporters: kind "export"
 * (src/export). Those that set initial values run once all Slots are filled, those that need parameters in memory
 * (TorchCheckpointLoader) after the commit. */
#ifndef MN_CONSTRUCT_H
#define MN_CONSTRUCT_H

#include "space/space.h"

/* When a constructor is run; those of one time in the order of the list. */
enum mn_construct_when {
    MN_IN_ORDER,      /* it edits the tree */
    MN_WHEN_FILLED,   /* it wants all Slots filled: initial values, drop path */
    MN_WHEN_COMMITTED /* it works on parameters in memory */
};

/* What the data of a constructor's row begins with; NULL: all zero. */
typedef struct mn_construct_row {
    int32_t when;
    int32_t on_module; /* 1: heeds mn_construct_env.module */
} mn_construct_row;

typedef struct mn_construct_env {
    mn_model *model;
    mn_module **module; /* the operator to edit or to replace instead of the model's tree; NULL: none */
} mn_construct_env;

/* Build the model that a merged, checked configuration describes: backend, `init`, `ops`, `model`, `mixed_op`,
 * `arch_desc`, the `construct` entries in the order of the file, then commit (unless `commit` is 0) and `chkpt`. If no
 * constructor filled any Slot the backbone's own operators are taken; MODNAS_ECONFIG names a Slot that stays empty. */
int mn_construct_model(modnas_ctx *ctx, const mn_node *config, int32_t dtype, int commit, mn_model **out);
/* Another network on the backend of `like`, with its precision, seed and ops, from a list or a map of constructors;
 * committed, but for those that work on parameters in memory: weights from files are loaded by mn_construct_load. */
int mn_construct_beside(const mn_model *like, const mn_node *specs, mn_model **out);
int mn_construct_load(mn_model *model, const mn_node *specs);
/* The network of a spec of kind "model" into a model that has none yet: else MODNAS_EINVAL. */
int mn_construct_network(mn_model *model, const mn_node *spec);
/* Run a constructor of a spec. Before the commit, or after it those that work on parameters in memory: else
 * MODNAS_EINVAL. */
int mn_construct_run(mn_model *model, const mn_node *spec);
/* Fill a Slot, whatever it held: with a candidate, with a mixed op ({type, candidates, args}), with the backbone's own. */
int mn_fill_candidate(mn_slot *slot, const mn_node *spec);
int mn_fill_mixed(mn_slot *slot, const mn_node *spec);
int mn_fill_predefined(mn_slot *slot);
/* Backend name that a configuration asks for ("auto", "ref", ...), with device_ids taken into account. */
const char *mn_construct_backend(const mn_node *config);
/* That backend with the configuration's `threads`; *out = NULL for "none". Closed by the caller. */
int mn_construct_open_backend(modnas_ctx *ctx, const mn_node *config, mn_backend **out);

int mn_construct_memory(const mn_node *config, mn_model *model); /* key memory: its limit */
int32_t mn_construct_dtype(const mn_node *config); /* key precision: MODNAS_F32 or MODNAS_F64 */

/* arch_desc as given (path ending .yaml, .yml, .json that must exist; else YAML text; or a tree) -> tree, owned by the
 * caller. */
int mn_arch_desc_load(modnas_ctx *ctx, const mn_node *given, mn_node **out);
/* The text of such a file: one document; a plain scalar is text, never a number. */
int mn_arch_desc_parse(modnas_ctx *ctx, const char *text, size_t bytes, const char *name, mn_node **out);

#endif
