/* The tree of a network as a picture, in Graphviz's language.
 *
 *   unit        a box: name, operators, what it gives and costs; Slots in colour, with their candidates
 *   parts       a frame around what is inside; equal ones are drawn once, "3 x"
 *   operators   that a part has between what is inside of it (a sum, a concatenation): a small oval
 *   arrows      the values; from one equal part to the next none, for they are one */
#include <inttypes.h>
#include <string.h>

#include "graph/view.h"
#include "pipeline/tree.h"

enum { IMAGE = -1 }; /* what comes in */

/* A box or an oval: node `node`, and which of its own operators, 0: the box. */
typedef struct place {
    int32_t node, k;
} place;

typedef struct arrow {
    place from, to;
} arrow;

typedef struct drawing {
    const mn_tree *tree;
    mn_vec views;   /* mn_view */
    place *of;      /* of each vertex */
    int32_t *n_own; /* operators of each node that are its own; of a unit 1: it has any */
    mn_vec arrows;  /* arrow */
    mn_str *s;
} drawing;

/* ---- where a vertex is drawn --------------------------------------------------------------------------- */

static int32_t node_of(const mn_tree *t, const mn_module *m) {
    for (int32_t i = 0; i < (int32_t)t->nodes.n; i++)
        if (mn_tree_at(t, i)->module == m) return i;
    return 0;
}

static int32_t shown(const mn_tree *t, int32_t i) {
    while (!mn_tree_at(t, i)->is_shown) i = mn_tree_at(t, i)->parent;
    return i;
}

/* The one that is drawn for i: the same part of the first of all equal ones, from the outside in. */
static int32_t drawn(const mn_tree *t, int32_t i) {
    for (int32_t a = i; a >= 0; a = mn_tree_at(t, a)->parent) {
        const int32_t first = mn_tree_at(t, a)->first;
        i -= a - first;
        a = first;
    }
    return i;
}

static void find_places(drawing *d) {
    const mn_tree *t = d->tree;
    for (size_t i = 0; i < d->views.n; i++) {
        const mn_view *v = &MN_AT(d->views, mn_view, i);
        const int32_t node = shown(t, node_of(t, v->part));
        const int32_t is_unit = mn_tree_at(t, node)->is_unit;
        d->n_own[node] = is_unit ? 1 : d->n_own[node] + 1;
        d->of[v->dst->producer] = (place){node, is_unit ? 0 : d->n_own[node]};
    }
}

/* 1: from one of several equal parts to another. */
static int is_between_equals(const mn_tree *t, int32_t a, int32_t b) {
    for (; a >= 0; a = mn_tree_at(t, a)->parent)
        for (int32_t x = b; x >= 0; x = mn_tree_at(t, x)->parent)
            if (a != x && mn_tree_at(t, a)->first == mn_tree_at(t, x)->first) return 1;
    return 0;
}

static int same_place(place a, place b) {
    return a.node == b.node && a.k == b.k;
}

static int add_arrow(drawing *d, place from, place to) {
    const mn_tree *t = d->tree;
    if (same_place(from, to) || (from.node != IMAGE && is_between_equals(t, from.node, to.node))) return 0;
    if (from.node != IMAGE) from.node = drawn(t, from.node);
    to.node = drawn(t, to.node);
    const arrow a = {from, to};
    for (size_t i = 0; i < d->arrows.n; i++) {
        const arrow *b = &MN_AT(d->arrows, arrow, i);
        if (same_place(b->from, from) && same_place(b->to, to)) return 0;
    }
    return mn_vec_push(t->ctx, &d->arrows, &a, 1) ? 0 : MODNAS_ENOMEM;
}

static int find_arrows(drawing *d) {
    const place image = {IMAGE, 0};
    for (size_t i = 0; i < d->views.n; i++) {
        const mn_view *v = &MN_AT(d->views, mn_view, i);
        for (int32_t k = 0; k < v->n_src; k++) {
            const mn_value *src = v->src[k];
            if (!src || (src->producer < 0 && src != d->tree->x)) continue;
            MN_TRY(add_arrow(d, src == d->tree->x ? image : d->of[src->producer], d->of[v->dst->producer]));
        }
    }
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

enum { WIDE = 28 };

/* Text of a label: quotes and backslashes kept from Graphviz, long lists on several lines. */
static void add_text(mn_str *s, const mn_str *text) {
    size_t column = 0;
    for (size_t i = 0; i < text->n; i++) {
        const char c = text->text[i];
        if (c == '"' || c == '\\') mn_str_add(s, "\\");
        if (c == ' ' && column > WIDE && i && (text->text[i - 1] == ',' || text->text[i - 1] == '|')) {
            mn_str_add(s, "\\n");
            column = 0;
            continue;
        }
        mn_str_addn(s, &c, 1);
        column++;
    }
}

static void add_label(drawing *d, void (*add)(const mn_tree *, int32_t, mn_str *), int32_t i) {
    mn_str text = {.ctx = d->tree->ctx};
    add(d->tree, i, &text);
    add_text(d->s, &text);
    d->s->failed |= text.failed;
    mn_str_free(&text);
}

/* 1234567 as "1.23M". */
static void add_short(mn_str *s, int64_t n) {
    const double x = (double)n;
    if (n < 1000)
        mn_str_addf(s, "%" PRId64, n);
    else
        mn_str_addf(s, n < 1000000 ? "%.3gk" : "%.3gM", n < 1000000 ? x / 1e3 : x / 1e6);
}

static void add_costs(drawing *d, int32_t i) {
    const mn_tree_node *n = mn_tree_at(d->tree, i);
    mn_str_add(d->s, "gives ");
    mn_tree_gives(n, d->s);
    if (n->params) {
        mn_str_add(d->s, "; params ");
        add_short(d->s, n->params);
    }
    if (n->macs) {
        mn_str_add(d->s, "; macs ");
        add_short(d->s, n->macs);
    }
}

static void draw_unit(drawing *d, int32_t i) {
    mn_str_addf(d->s, "n%d_0 [label=\"", i);
    add_label(d, mn_tree_name, i);
    mn_str_add(d->s, "\\n");
    add_label(d, mn_tree_what, i);
    mn_str_add(d->s, "\\n");
    add_costs(d, i);
    mn_str_addf(d->s, "\"%s];\n", mn_slot_of(mn_tree_at(d->tree, i)->module) ? ", fillcolor=\"#cfe3f7\"" : "");
}

/* What a part does between what is inside of it. */
static void draw_own(drawing *d, int32_t i) {
    static const char *const binary[] = {"+", "-", "x", "max", "min", "/"}; /* MODNAS_BINARY_... */
    for (size_t k = 0; k < d->views.n; k++) {
        const mn_view *v = &MN_AT(d->views, mn_view, k);
        const place at = d->of[v->dst->producer];
        if (at.node != i || !at.k) continue;
        const int32_t algo = strcmp(v->op, "binary") == 0 ? v->u->binary.algo : strcmp(v->op, "add") == 0 ? 0 : -1;
        mn_str_addf(d->s, "n%d_%d [shape=oval, width=0.3, height=0.25, margin=0.03, fillcolor=white, label=\"%s\"];\n", i, at.k,
                    algo >= 0 && algo < (int32_t)MN_COUNT(binary) ? binary[algo] : v->op);
    }
}

static void draw_parts(drawing *d, int32_t i);

/* Frames that hold nothing but a frame are one: "2 x 0 .. 1.0.layers". */
static void draw_frame(drawing *d, int32_t i) {
    const mn_tree_node *n = mn_tree_at(d->tree, i);
    mn_str_addf(d->s, "subgraph cluster_%d {\nfontsize=11; label=\"", i);
    if (n->n > 1) mn_str_addf(d->s, "%d x ", n->n);
    add_label(d, mn_tree_name, i);
    for (int32_t k = i + 1; !d->n_own[i] && mn_tree_at(d->tree, k)->end == n->end && !mn_tree_at(d->tree, k)->is_unit; k++) {
        mn_str_add(d->s, ".");
        add_label(d, mn_tree_name, k);
        i = k;
    }
    mn_str_add(d->s, "\";\n");
    draw_parts(d, i);
    mn_str_add(d->s, "}\n");
}

/* What is inside of i. */
static void draw_parts(drawing *d, int32_t i) {
    const int32_t end = mn_tree_at(d->tree, i)->end;
    draw_own(d, i);
    for (int32_t k = i + 1; k < end; k = mn_tree_at(d->tree, k)->end) {
        const mn_tree_node *n = mn_tree_at(d->tree, k);
        if (n->first != k) continue;
        if (!n->is_unit)
            draw_frame(d, k);
        else if (d->n_own[k]) /* an identity has no box: what it gives is what came in */
            draw_unit(d, k);
    }
}

static void write(drawing *d, const char *name) {
    const int64_t *in = d->tree->x->dims;
    mn_str title = {.ctx = d->tree->ctx};
    mn_str_add(&title, name);
    mn_str_add(d->s, "digraph network {\nlabel=\"");
    add_text(d->s, &title);
    mn_str_add(d->s, "\\n");
    add_costs(d, 0);
    mn_str_addf(d->s,
                "\";\nlabelloc=t; rankdir=TB; fontname=\"sans-serif\"; fontsize=18; color=\"#999999\"; style=rounded;\n"
                "node [shape=box, style=\"filled,rounded\", fillcolor=\"#f2f2f2\", fontname=\"sans-serif\", fontsize=11];\n"
                "edge [color=\"#555555\", arrowsize=0.7];\n"
                "image [label=\"image\\n%" PRId64 "x%" PRId64 "x%" PRId64 "\", shape=oval, fillcolor=white];\n",
                in[1], in[2], in[3]);
    draw_parts(d, 0);
    for (size_t i = 0; i < d->arrows.n; i++) {
        const arrow *a = &MN_AT(d->arrows, arrow, i);
        if (a->from.node == IMAGE)
            mn_str_add(d->s, "image");
        else
            mn_str_addf(d->s, "n%d_%d", a->from.node, a->from.k);
        mn_str_addf(d->s, " -> n%d_%d;\n", a->to.node, a->to.k);
    }
    mn_str_add(d->s, "}\n");
    d->s->failed |= title.failed;
    mn_str_free(&title);
}

int mn_tree_draw(const mn_tree *t, const char *name, mn_str *s) {
    drawing d = {.tree = t, .s = s};
    mn_vec_init(&d.views, sizeof(mn_view));
    mn_vec_init(&d.arrows, sizeof(arrow));
    d.of = mn_alloc(t->ctx, mn_run_n_vertices(t->run) + 1, sizeof *d.of);
    d.n_own = mn_alloc(t->ctx, t->nodes.n + 1, sizeof *d.n_own);
    int rc = d.of && d.n_own ? mn_run_view(t->run, NULL, &d.views) : MODNAS_ENOMEM;
    if (!rc) {
        find_places(&d);
        rc = find_arrows(&d);
    }
    if (!rc) write(&d, name);
    mn_free(t->ctx, d.of);
    mn_free(t->ctx, d.n_own);
    mn_vec_free(t->ctx, &d.views);
    mn_vec_free(t->ctx, &d.arrows);
    return rc;
}
