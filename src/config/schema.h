/* What a configuration may hold: every top-level key with its form, and what a routine section is. */
#ifndef MN_CONFIG_SCHEMA_H
#define MN_CONFIG_SCHEMA_H

#include "registry/registry.h"

/* Whether it is a top-level key (a name of a routine section is none). */
int mn_schema_knows(const char *key);
/* Whether a key's value is a routine section: a map whose keys are all top-level keys. */
int mn_schema_is_section(const char *key, const mn_node *value);
/* Check a tree whose layers are merged. part: args and types that have to be given may be missing (the tree of a
 * routine that is not selected). MODNAS_ECONFIG or MODNAS_ENOTFOUND with the place. */
int mn_schema_check(modnas_ctx *ctx, const mn_node *root, int part);

#endif
