/* The network as a tree of what its forward calls, for people: what each part gives and costs, equal parts folded. */
#ifndef MN_TREE_H
#define MN_TREE_H

#include "space/space.h"

typedef struct mn_tree_node {
    mn_module *module;
    int32_t parent;   /* -1: it is the root */
    int32_t end;      /* number behind the last one inside */
    int32_t is_unit;  /* nothing inside of it is shown: it is an operator, a row of them, or a Slot */
    int32_t is_shown; /* 0: it is inside of a unit */
    int32_t first, n; /* equal parts in a row: the number of the first one, and how many; itself and 1: alone */
    int64_t dims[4], params, macs;
} mn_tree_node;

typedef struct mn_tree {
    modnas_ctx *ctx;
    mn_vec nodes; /* mn_tree_node, in the order of the calls, parents before what is inside */
    mn_run *run;  /* one recording with all candidates of mixed ops, for one image */
    mn_value *x, *logits;
} mn_tree;

/* Of a committed model. */
int mn_tree_of(mn_model *m, const int32_t input[3], mn_tree *out);
void mn_tree_free(mn_tree *t);
mn_tree_node *mn_tree_at(const mn_tree *t, int32_t i);
/* What a unit is: "conv 3x3+bn+act", "slot 3, stride 2: MB3E3 | MB3E6"; of anything else its type, nothing for a row of
 * parts. */
void mn_tree_what(const mn_tree *t, int32_t i, mn_str *s);
/* Its name in its parent; of equal parts the first one's and the end of the last one's: "block1 .. 3". */
void mn_tree_name(const mn_tree *t, int32_t i, mn_str *s);
void mn_tree_gives(const mn_tree_node *n, mn_str *s); /* "32x16x16", or "10" for a row of numbers */
void mn_add_grouped(mn_str *s, int64_t n);            /* 14834106 as "14,834,106" */

void mn_tree_write(const mn_tree *t, const char *name, mn_str *s);   /* as lines of text; name: of the root */
int mn_tree_draw(const mn_tree *t, const char *name, mn_str *s); /* for Graphviz (draw.c) */

#endif
