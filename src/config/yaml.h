/* Inside of the YAML reader: the core schema's types and the checks that libyaml lacks. The interface is config/node.h.
 */
#ifndef MN_CONFIG_YAML_H
#define MN_CONFIG_YAML_H

#include <yaml.h>

#include "config/node.h"

enum { MN_YAML_DEPTH_MAX = 100 }; /* levels of lists and maps */

/* What is being read: all of a text, or one document of it. */
typedef struct mn_yaml_source {
    modnas_ctx *ctx;
    const char *text;
    char *scan; /* as libyaml gets it: the same bytes but for what only YAML 1.2 takes for blanks and comments */
    size_t bytes;
    size_t line0;     /* lines in front */
    size_t *n_values; /* read so far, of all documents */
    const char *file;
    int lines;   /* 0: the text is one value, places have no line */
    int any_tag; /* tags that we do not know are dropped instead of refused */
} mn_yaml_source;

/* "file:line: what"; line counts from 1 within the source. Returns MODNAS_ECONFIG. */
int mn_yaml_fail(const mn_yaml_source *src, size_t line, const char *fmt, ...) MN_PRINTF(3, 4);
/* What libyaml stumbled over; MODNAS_ECONFIG or MODNAS_ENOMEM. */
int mn_yaml_parser_fail(const mn_yaml_source *src, const yaml_parser_t *parser);
/* Refuse what YAML forbids although libyaml accepts it, and what libyaml reads in another way than YAML 1.2; turn tabs
 * that it refuses although they are blanks into blanks, in src->scan. */
int mn_yaml_strict(const mn_yaml_source *src);
/* Read a source of one document. *doc stays NULL if there is none. */
int mn_yaml_document(const mn_yaml_source *src, mn_node **doc);

/* Its parts that look at the characters alone: the whole text, and a block scalar at start..end inside a block
 * collection at column indent (-1: none). */
int mn_yaml_check_bytes(const mn_yaml_source *src);
int mn_yaml_check_block(const mn_yaml_source *src, size_t start, size_t end, long indent, size_t line);

/* Kind of a plain scalar in the YAML 1.2 core schema. */
int32_t mn_yaml_core_kind(const char *text);
/* Whether a tag, as resolved or NULL, may stand in front of a list or map (kind MN_SEQ or MN_MAP). */
int mn_yaml_check_tag(const mn_yaml_source *src, size_t line, const char *tag, int32_t kind);
/* Make the node of a scalar. tag: as resolved, or NULL; quoted: not in plain style. */
int mn_yaml_scalar(const mn_yaml_source *src, size_t line, const char *text, size_t bytes, const char *tag, int quoted,
                   mn_node **out);

#endif
