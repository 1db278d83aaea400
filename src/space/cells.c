/* Descriptions of networks of cells: one of each kind of cell, which all cells of that kind have.
 *
 *   [normal, reduce]                                   each as a DAGLayer is described
 *   {genotype: "normal=sep_conv_3x3:0,... reduce=..."}   two edges a node, with the operators' names of the paper (Liu et
 *                                                      al. 2019); the same as plain text */
#include <string.h>

#include "registry/args.h"
#include "space/candidates.h"
#include "space/nested.h"

static const struct {
    const char *name, *candidate;
} ops[] = {{"none", "NIL"},         {"max_pool_3x3", "MAX"}, {"avg_pool_3x3", "AVG"}, {"skip_connect", "IDT"},
           {"sep_conv_3x3", "SC3"}, {"sep_conv_5x5", "SC5"}, {"sep_conv_7x7", "SC7"}, {"dil_conv_3x3", "DC3"},
           {"dil_conv_5x5", "DC5"}, {"conv_7x1_1x7", "FC7"}};

enum { EDGES_A_NODE = 2, N_INPUTS = 2 };

/* ---- text ---------------------------------------------------------------------------------------------- */

typedef struct reading {
    modnas_ctx *ctx;
    const mn_node *from; /* for messages */
    const char *at;
} reading;

static int fail_text(const reading *r, const char *what, const char *name) {
    char prefix[288];
    return mn_fail(r->ctx, MODNAS_ECONFIG, "%sgenotype: %s '%.60s'", mn_spec_prefix(r->from, prefix, sizeof prefix), what,
                   name);
}

static int find_op(const reading *r, const char *name, size_t n, const char **candidate) {
    const char *names[MN_COUNT(ops)];
    char word[64], hint[100], prefix[288];
    for (size_t i = 0; i < MN_COUNT(ops); i++) {
        names[i] = ops[i].name;
        if (strlen(names[i]) != n || strncmp(names[i], name, n) != 0) continue;
        *candidate = ops[i].candidate;
        return 0;
    }
    n = n < sizeof word ? n : sizeof word - 1;
    memcpy(word, name, n);
    word[n] = 0;
    return mn_fail(r->ctx, MODNAS_ECONFIG, "%sgenotype: there is no operator '%s'%s",
                   mn_spec_prefix(r->from, prefix, sizeof prefix), word,
                   mn_did_you_mean(hint, sizeof hint, word, names, MN_COUNT(ops)));
}

static int add(modnas_ctx *ctx, mn_node *list, mn_node *child) {
    return child ? mn_node_add(ctx, list, child) : MODNAS_ENOMEM;
}

/* A new list at the end of one. */
static int add_list(modnas_ctx *ctx, mn_node *list, const mn_node *from, mn_node **out) {
    mn_node *child = mn_node_new(ctx, MN_SEQ);
    MN_TRY(add(ctx, list, child));
    *out = child;
    return from->file ? mn_node_place(ctx, child, from->file, from->line) : 0;
}

static int add_edge(const reading *r, const char *op, int64_t state, int64_t to, mn_node *node) {
    mn_node *edge, *names, *states;
    MN_TRY(add_list(r->ctx, node, r->from, &edge));
    MN_TRY(add_list(r->ctx, edge, r->from, &names));
    MN_TRY(add(r->ctx, names, mn_node_str(r->ctx, op)));
    MN_TRY(add_list(r->ctx, edge, r->from, &states));
    MN_TRY(add(r->ctx, states, mn_node_int(r->ctx, state)));
    return add(r->ctx, edge, mn_node_int(r->ctx, to));
}

/* "op:state" up to ',', ' ' or the end. */
static int read_edge(reading *r, int64_t to, mn_node *node) {
    const size_t n = strcspn(r->at, ":, ");
    const char *op = NULL, *digits = r->at + n + 1;
    if (r->at[n] != ':') return fail_text(r, "operator:state is wanted at", r->at);
    MN_TRY(find_op(r, r->at, n, &op));
    const size_t k = strspn(digits, "0123456789");
    int64_t state = 0;
    for (size_t i = 0; i < k && i < 4; i++) state = 10 * state + digits[i] - '0';
    if (!k || k > 3 || !strchr(", ", digits[k])) return fail_text(r, "a state's number is wanted at", digits);
    r->at = digits + k;
    return add_edge(r, op, state, to, node);
}

static int read_cell(reading *r, mn_node *cell) {
    mn_node *node = NULL;
    for (int64_t n = 0;; n++) {
        if (n % EDGES_A_NODE == 0) MN_TRY(add_list(r->ctx, cell, r->from, &node));
        MN_TRY(read_edge(r, N_INPUTS + n / EDGES_A_NODE, node));
        if (*r->at != ',') return n % EDGES_A_NODE ? 0 : fail_text(r, "an odd number of edges before", r->at);
        r->at++;
    }
}

/* "normal=... reduce=..." in any order into a list by the model's kinds. */
static int read_cells(reading *r, const char *const *kinds, mn_node *list) {
    mn_node *cell[8] = {NULL};
    size_t n = 0;
    for (; kinds[n]; n++) MN_TRY(add_list(r->ctx, list, r->from, &cell[n]));
    for (;;) {
        size_t i = 0;
        r->at += strspn(r->at, " ");
        if (!*r->at) break;
        while (i < n && (strncmp(r->at, kinds[i], strlen(kinds[i])) != 0 || r->at[strlen(kinds[i])] != '=')) i++;
        if (i == n) return fail_text(r, "the name of a cell and '=' are wanted at", r->at);
        if (cell[i]->n) return fail_text(r, "a cell is there twice:", kinds[i]);
        r->at += strlen(kinds[i]) + 1;
        MN_TRY(read_cell(r, cell[i]));
    }
    for (size_t i = 0; i < n; i++)
        if (!cell[i]->n) return fail_text(r, "there is no cell", kinds[i]);
    return 0;
}

static int read_genotype(mn_model *model, const mn_node *text, mn_node **out) {
    reading r = {model->ctx, text, text->text};
    mn_node *list = mn_node_new(model->ctx, MN_SEQ);
    int rc = list ? 0 : MODNAS_ENOMEM;
    if (!rc && text->file) rc = mn_node_place(model->ctx, list, text->file, text->line);
    if (!rc) rc = read_cells(&r, model->cells, list);
    if (rc)
        mn_node_free(model->ctx, list);
    else
        *out = list;
    return rc;
}

/* ---- every cell of its kind ---------------------------------------------------------------------------- */

static const mn_node *genotype_of(const mn_node *desc) {
    const mn_node *g = desc->kind == MN_MAP && desc->n == 1 ? mn_node_get(desc, "genotype") : desc;
    return g && g->kind == MN_STR ? g : NULL;
}

int mn_cells_describe(const mn_model *model, const mn_node *desc) {
    size_t n = 0;
    while (model->cells && model->cells[n]) n++;
    return n && (genotype_of(desc) || (desc->kind == MN_SEQ && desc->n == n));
}

typedef struct visiting {
    const mn_node *desc;
    mn_cell_fn fn;
    void *ud;
} visiting;

static int visit(mn_module *m, void *ud) {
    const visiting *v = ud;
    mn_nested *n = mn_nested_of(m);
    for (size_t i = 0; n && n->name && m->model->cells[i]; i++)
        if (strcmp(m->model->cells[i], n->name) == 0) return v->fn(n, v->desc->items[i], v->ud);
    return 0;
}

int mn_cells_visit(mn_model *model, const mn_node *desc, mn_cell_fn fn, void *ud) {
    const mn_node *text = genotype_of(desc);
    mn_node *read = NULL;
    if (text) MN_TRY(read_genotype(model, text, &read));
    visiting v = {read ? read : desc, fn, ud};
    const int rc = mn_module_walk(model->root, visit, &v);
    mn_node_free(model->ctx, read);
    return rc;
}
