/* Trees of configuration values: what the YAML reader returns, what merging edits, what components read their args
 * from, and what architecture descriptions are made of.
 *
 * Nodes are owned by their parent; a root is freed with mn_node_free. Every node knows the file and line it came from
 * (line 0: made by a flag, an override or a default; `file` then says which, e.g. "-o a.b=1"); the value of a key has
 * the line of its key. Scalars carry YAML 1.2 core types. */
#ifndef MN_NODE_H
#define MN_NODE_H

#include "base/base.h"

enum mn_node_kind { MN_NULL, MN_BOOL, MN_INT, MN_REAL, MN_STR, MN_SEQ, MN_MAP };

typedef struct mn_node mn_node;
struct mn_node {
    int32_t kind;
    int32_t line;
    char *file; /* owned copy; NULL if unknown */
    char *
        text; /* STR: the string. NULL, BOOL, INT, REAL: as written, NULL if nothing was (`key:` against `key: null`) */
    int64_t i; /* BOOL (0, 1), INT */
    double r;  /* INT, REAL */
    size_t n;  /* SEQ, MAP: children */
    mn_node **items;
    char **keys; /* MAP: owned, insertion order, unique */
};

mn_node *mn_node_new(modnas_ctx *ctx, int32_t kind); /* NULL when out of memory, here and below */
mn_node *mn_node_str(modnas_ctx *ctx, const char *text);
mn_node *mn_node_int(modnas_ctx *ctx, int64_t i);
mn_node *mn_node_real(modnas_ctx *ctx, double r);
mn_node *mn_node_bool(modnas_ctx *ctx, int value);
mn_node *mn_node_copy(modnas_ctx *ctx, const mn_node *n);
void mn_node_free(modnas_ctx *ctx, mn_node *n);
int mn_node_equal(const mn_node *a, const mn_node *b);
/* differ: 1 if their JSON is not the same (NULL counts as null). *a, *b [in, out] are then what stands at the first
 * place of the maps where it is not, and path has that place behind it; else they mean nothing. */
int mn_node_differ(modnas_ctx *ctx, mn_str *path, const mn_node **a, const mn_node **b, int *differ);

/* Lookups: borrowed; NULL when absent or when n is no map. */
mn_node *mn_node_get(const mn_node *map, const char *key);
mn_node *mn_node_path(const mn_node *root, const char *dotted); /* "a.b.0.c": numbers index sequences */
/* Take `value` (on success and on failure). set replaces; add appends to a sequence. */
int mn_node_set(modnas_ctx *ctx, mn_node *map, const char *key, mn_node *value);
int mn_node_add(modnas_ctx *ctx, mn_node *seq, mn_node *value);
int mn_node_push(modnas_ctx *ctx, mn_node *map, const char *key, mn_node *value); /* a key known to be new */
/* Makes missing maps. MODNAS_ECONFIG where the path leads through a scalar or past the end of a list. */
int mn_node_set_path(modnas_ctx *ctx, mn_node *root, const char *dotted, mn_node *value);
void mn_node_remove(modnas_ctx *ctx, mn_node *map, const char *key);
/* The original's merge: map + map recurse, list + list concatenates, else b replaces a. `b` is copied. */
int mn_node_merge(modnas_ctx *ctx, mn_node *a, const mn_node *b);

const char *mn_node_kind_name(int32_t kind); /* "a list", "a number", ... for messages */
/* "file.yaml:12" or "-o a.b=1" or "default": where a node came from; into buf, returns buf. */
const char *mn_node_where(const mn_node *n, char *buf, size_t bytes);
/* "the string 'banana'", "the number 3", "a map": what is there, for messages; into buf, returns buf. */
const char *mn_node_what(const mn_node *n, char *buf, size_t bytes);
/* Say where a node came from: file is copied, line and file of its children stay. */
int mn_node_place(modnas_ctx *ctx, mn_node *n, const char *file, int32_t line);

void mn_node_json(mn_str *s, const mn_node *n); /* one line of JSON; null for NULL */
void mn_node_yaml(mn_str *s, const mn_node *n); /* block style, comes back the same through the reader */

/* ---- YAML ---------------------------------------------------------------------------------------------------------
 */

enum { MN_YAML_BYTES_MAX = 64 << 20 }; /* of text, in one go */

/* Read YAML text (all documents). Types of the YAML 1.2 core schema; anchors, aliases and merge keys resolved;
 * duplicate keys, cycles, alias bombs, tags we do not know, and what YAML forbids but libyaml lets through are refused.
 * @param file  name for messages ("-" for standard input)
 * @param docs  [out] SEQ of the documents; freed by the caller
 * @return 0; MODNAS_ECONFIG with "file:line: what is wrong"; MODNAS_ENOMEM */
int mn_yaml_read(modnas_ctx *ctx, const char *text, size_t bytes, const char *file, mn_node **docs);
/* The same for any YAML file: tags that we do not know say nothing, unless the type of a plain scalar hangs on one. */
int mn_yaml_read_raw(modnas_ctx *ctx, const char *text, size_t bytes, const char *file, mn_node **docs);
/* One document or one scalar, as the value of an override. */
int mn_yaml_value(modnas_ctx *ctx, const char *text, const char *file, mn_node **out);

#endif
