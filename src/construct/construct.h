/* Constructors: edit a model's tree before it is committed. Kind "construct"; out: none. Exporters: kind "export"
 * (src/export). Those that need parameters in memory (TorchCheckpointLoader) are run after the commit. */
#ifndef MN_CONSTRUCT_H
#define MN_CONSTRUCT_H

#include "space/space.h"

typedef struct mn_construct_env {
    mn_model *model;
} mn_construct_env;

/* Build the model that a merged, checked configuration describes: backend, `init`, `ops`, `model`, `mixed_op`,
 * `arch_desc`, the `construct` entries in the order of the file, then commit (unless `commit` is 0) and `chkpt`. `seed`
 * as configured. If no constructor filled any Slot the backbone's own operators are taken; MODNAS_ECONFIG names a Slot
 * that stays empty. */
int mn_construct_model(modnas_ctx *ctx, const mn_node *config, int32_t dtype, int commit, mn_model **out);
/* The network of a spec of kind "model" into a model that has none; `where` is what its args are for, in messages. */
int mn_construct_network(mn_model *model, const mn_node *spec);
/* Fill a Slot, whatever it held: with a candidate, with a mixed op ({type, candidates, args}), with the backbone's own. */
int mn_fill_candidate(mn_slot *slot, const mn_node *spec);
int mn_fill_mixed(mn_slot *slot, const mn_node *spec);
int mn_fill_predefined(mn_slot *slot);
/* Backend name that a configuration asks for ("auto", "ref", ...), with device_ids taken into account. */
const char *mn_construct_backend(const mn_node *config);
/* That backend with the configuration's `threads`; *out = NULL for "none". Closed by the caller. */
int mn_construct_open_backend(modnas_ctx *ctx, const mn_node *config, mn_backend **out);
uint64_t mn_construct_seed(const mn_node *config);

/* arch_desc as given (path ending .yaml, .yml, .json that must exist; else YAML text; or a tree) -> tree, owned by the
 * caller. */
int mn_arch_desc_load(modnas_ctx *ctx, const mn_node *given, mn_node **out);
/* The text of such a file: one document; a plain scalar is text, never a number. */
int mn_arch_desc_parse(modnas_ctx *ctx, const char *text, size_t bytes, const char *name, mn_node **out);

#endif
