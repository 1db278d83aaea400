/* Merging the layers of a configuration into one tree. */
#ifndef MN_CONFIG_RESOLVE_H
#define MN_CONFIG_RESOLVE_H

#include "config/layers.h"

typedef struct mn_layers {
    mn_node *files;        /* MAP: all files merged, their `override` taken out */
    mn_vec file_overrides; /* mn_assign, as the others */
    mn_vec flags, overrides;
} mn_layers;

/* The routine that is selected: the last of overrides, flags, files that says so; NULL: none. */
int mn_resolve_routine(modnas_ctx *ctx, const mn_layers *l, const mn_node **out);
/* files < section of the routine < flags < overrides. routine NULL: none. selected: what mn_resolve_routine said;
 * otherwise the tree is for checking only, and of the flags and overrides only those count that are for this section or
 * find something to replace. The routine's section and the keys that are used up here (routine, override, defaults) are
 * not in the tree; other sections are. Forms with one meaning are brought to one: `estim` is a map, null keys are gone
 * where null means absent. Owned by the caller. */
int mn_resolve(modnas_ctx *ctx, const mn_layers *l, const mn_node *routine, int selected, mn_node **out);
/* Fill in what spec 1.4 gives a default, after the check. */
int mn_resolve_defaults(modnas_ctx *ctx, mn_node *root);

#endif
