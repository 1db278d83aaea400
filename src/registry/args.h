/* Inside of the registry: what specs and args ask of each other. The interface is registry/registry.h. */
#ifndef MN_REGISTRY_ARGS_H
#define MN_REGISTRY_ARGS_H

#include "registry/registry.h"

/* One value against one row of args. owner: whose it is, for messages ("SGD" of "SGD.lr", may be ""). part: specs in it
 * may be parts. */
int mn_arg_check(modnas_ctx *ctx, const char *owner, const mn_arg_def *def, const mn_node *value, int part);
/* As mn_spec_parse, with the keys that specs of the kind have; *type is NULL if it has none. */
int mn_spec_take(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra, const char **type,
                 const mn_node **args);
/* As mn_spec_check; part: as mn_spec_check_part. */
int mn_spec_check_any(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra,
                      const char *known, int part);
int mn_spec_no_type(modnas_ctx *ctx, const char *kind, const mn_node *spec);
/* Keys and values of a component's args (NULL: none given). spec: for messages. more: what the framework gives. part:
 * args that have to be given may be missing. */
int mn_args_check(modnas_ctx *ctx, const mn_component *c, const mn_node *spec, const mn_node *args, const mn_node *more,
                  int part);
/* A copy of a row, its args and all texts in one block, freed with mn_free; `data` is not copied. NULL when out of
 * memory. */
mn_component *mn_component_copy(modnas_ctx *ctx, const mn_component *c);
/* "; did you mean 'x'?" or "" into buf. */
const char *mn_did_you_mean(char *buf, size_t bytes, const char *word, const char *const *names, size_t n);

#endif
