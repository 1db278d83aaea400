/* Layers of a configuration before they are merged: files as trees, everything else as assignments to paths. */
#ifndef MN_CONFIG_LAYERS_H
#define MN_CONFIG_LAYERS_H

#include "config/node.h"

/* Maps are searched from the front: so many keys may a map of a configuration have, and so many assignments or named
 * entries of a list may there be. Lists of values may be longer. */
enum { MN_LAYER_KEYS_MAX = 4096 };

/* `path = value`, from a flag, `-o` or `override:`. */
typedef struct mn_assign {
    char *path;
    mn_node *value;
} mn_assign;

void mn_assigns_init(mn_vec *list); /* of mn_assign */
void mn_assigns_free(modnas_ctx *ctx, mn_vec *list);
/* MODNAS_ECONFIG, at the place of `value`, for a dotted path with empty parts, or too many of them, or too long. */
int mn_path_check(modnas_ctx *ctx, const char *path, const mn_node *value);
/* Append; takes `value` (on success and on failure). The path is checked. */
int mn_assigns_add(modnas_ctx *ctx, mn_vec *list, const char *path, mn_node *value);
/* "a.b=value", split at the first '='; the value is YAML. where: how messages call it, e.g. "-o a.b=1"; line 0: none.
 */
int mn_assigns_add_text(modnas_ctx *ctx, mn_vec *list, const char *text, const char *where, int32_t line);
/* Take `override` out of a map and append what it says: "a.b=v" strings, maps (dotted keys are paths, nested maps go
 * down to their leaves) and lists of these. */
int mn_assigns_take_overrides(modnas_ctx *ctx, mn_vec *list, mn_node *map);

/* All documents of a text as one map: later documents replace top-level keys. Aliases of keys are resolved, keys of
 * others' tools dropped with a warning, and keys with nothing behind them refused. */
int mn_layer_read(modnas_ctx *ctx, const char *text, size_t bytes, const char *name, mn_node **out);
/* The key that an alias of a top-level path stands for: "proc" is "routine", "init.args.seed" is "seed". */
const char *mn_layer_path(const char *path);

#endif
