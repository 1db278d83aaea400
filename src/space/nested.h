/* Nested layers: small graphs whose edges are Slots. DAGLayer and MultiChainLayer, candidates of a Slot and cells of a
 * network.
 *
 *   state 0 .. inputs - 1     what the layer is given (through `preprocs`, if there are any)
 *   state inputs ...          nodes: what the edges that lead to it give, merged
 *   output                    some of the states, merged
 *
 *   DAGLayer          rows are nodes: the edges that lead to it              children dag.<node>.<edge>
 *   MultiChainLayer   rows are chains: edge by edge, each makes a state      children chains.<chain>.<edge>
 *
 * An edge can be left out: for good (its module is taken away) or while its mixed op is forced to MN_ARCH_NONE. */
#ifndef MN_NESTED_H
#define MN_NESTED_H

#include "space/layer_defs.h"

typedef struct mn_source { /* channels [first, first + chn) of a state */
    int32_t state, first, chn;
} mn_source;

typedef struct mn_edge {
    int32_t row, node;         /* where a description has it; the state that it leads to */
    int32_t source, n_sources; /* in mn_nested.sources; several are joined along channels */
    int32_t chn_in, chn, stride;
    mn_module *module; /* the Slot; NULL: left out */
} mn_edge;

typedef struct mn_nested { /* state of the module */
    mn_module *module;
    char *name; /* e.g. "normal"; NULL: none */
    int32_t is_chains;
    int32_t n_inputs, n_rows, n_states, stride, chn_out;
    mn_layer_def merger_state, merger_out;
    mn_vec sources, edges; /* mn_source, mn_edge */
    int32_t *chn;          /* of each state */
    int32_t *out, n_out;   /* states that the output is merged of */
    mn_value **value;      /* work space: n_states and as many again, plus an edge's */
} mn_nested;

/* What a layer is made by. */
typedef struct mn_nested_desc {
    const char *name;             /* of the Slots of its edges: "<name>_<edge>"; NULL: they have numbers */
    int32_t n_inputs, stride;
    const int32_t *chn_in;        /* of each input */
    int32_t chn;                  /* of each edge; the allocator scales it for chains */
    int32_t n_rows;               /* nodes, or chains */
    const int32_t *row_nodes;     /* of chains: edges of each; NULL: a DAG */
    int32_t n_sources;            /* of an edge of a DAG; 0: 1 */
    mn_layer_def allocator, merger_state, merger_out, enumerator; /* chains have no merger_state and no enumerator */
    const mn_node *kwargs;        /* of the edges' Slots; may be NULL */
    mn_module **preproc;          /* of each input, to chn channels; taken, also on failure; NULL: none */
} mn_nested_desc;

int mn_nested_new(mn_model *model, const mn_nested_desc *d, mn_module **out);
mn_nested *mn_nested_of(mn_module *m); /* NULL if m is none */
/* The layer that a Slot is an edge of, and which one; NULL: of none. */
mn_nested *mn_nested_around(const mn_slot *slot, int32_t *edge);
/* 1: it stands in the Slot of an edge of a DAGLayer, which can be left out. */
int mn_mixed_is_edge(const mn_mixed *m);
/* Its edges are all empty Slots still, so that a description can be built into it. */
int mn_nested_is_open(const mn_nested *n);
void mn_nested_drop(mn_nested *n, int32_t edge);
/* The first nested layer of that name; NULL: none. */
mn_nested *mn_nested_find(mn_model *model, const char *name);

/* ---- descriptions (nested_desc.c) ---------------------------------------------------------------------- */

/* Which of its edges a DAG would keep, the k strongest of each node, and with which candidates: keep[edge] is 1 or 0,
 * option[edge] a candidate of the edge's mixed op (-1: it has none). An edge is as strong as its most probable candidate
 * that is no zero operator; one whose choice is a zero operator is not kept; a choice by index is kept whatever k is. Of
 * chains every edge is kept. */
enum { MN_NESTED_K = 2 };
int mn_nested_choose(const mn_nested *n, int32_t k, int32_t *keep, int32_t *option);
/* The option of a mixed op that a description leaves out: its zero operator, else MN_ARCH_NONE; 0: a choice has none. */
int mn_mixed_left_out(const mn_mixed *m, int32_t *option);
/* item[edge]: what a description says of it; NULL: not listed. MODNAS_ECONFIG with file and line. */
int mn_nested_match(const mn_nested *n, const mn_node *desc, const mn_node **item);

/* ---- networks of cells (cells.c) ----------------------------------------------------------------------- */

/* 1: `desc` describes this model by its kinds of cells. */
int mn_cells_describe(const mn_model *model, const mn_node *desc);
/* Then: call fn for each cell with what desc says of its kind. The cells' Slots may come and go meanwhile. */
typedef int (*mn_cell_fn)(mn_nested *n, const mn_node *desc, void *ud);
int mn_cells_visit(mn_model *model, const mn_node *desc, mn_cell_fn fn, void *ud);

int mn_nested_register(modnas_ctx *ctx);

#endif
