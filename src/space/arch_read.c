/* From a description, as an exporter writes one, to an architecture of a space.
 *
 *   [null, [MB3E6], ...]                   one item a Slot, or one a mixed op
 *   {bottlenecks: {...: {conv: [MB3E6]}}}  by the names of modules, the same items at Slots
 *   {c_0: MB3E6, t_1: [0.1, 0.7, ...]}     by the names of parameters; of numbers the largest
 *   "01221200"                             a digit a Slot (digits.c)
 *
 * An item is a name, or a list of names of which the first one counts. */
#include <stdio.h>
#include <string.h>

#include "space/candidates.h"
#include "space/nested.h"

typedef struct reading {
    modnas_ctx *ctx;
    mn_arch *arch;
} reading;

/* ---- one parameter --------------------------------------------------------------------------------------- */

static int32_t gene_of(const mn_space *s, const mn_arch_param *p) {
    int32_t i = 0;
    while (mn_space_gene(s, i) != p) i++;
    return i;
}

static const char *option_name(const mn_space *s, int32_t gene, int32_t option) {
    const char *name = mn_space_option(s, gene, option);
    return name ? name : ""; /* logits that no mixed op follows */
}

static int32_t largest(const mn_node *numbers) {
    int32_t best = 0;
    for (size_t i = 0; i < numbers->n; i++) {
        const mn_node *x = numbers->items[i];
        if (x->kind != MN_INT && x->kind != MN_REAL) return MN_ARCH_OPEN;
        if (x->r > numbers->items[best]->r) best = (int32_t)i;
    }
    return best;
}

static int fail_option(const reading *r, int32_t gene, const mn_node *item, const char *what) {
    const mn_space *s = r->arch->model->space;
    char prefix[288], is[128];
    mn_str all = {.ctx = r->ctx};
    const int32_t n = mn_space_gene(s, gene)->n;
    for (int32_t i = 0; i < n && i < 12; i++) mn_str_addf(&all, "%s%.40s", i ? ", " : "", option_name(s, gene, i));
    const int rc = mn_fail(r->ctx, MODNAS_ECONFIG, "%s%s: %s is none of its options: %s%s",
                           mn_spec_prefix(item, prefix, sizeof prefix), what, mn_node_what(item, is, sizeof is),
                           all.failed ? "" : all.text, n > 12 ? ", ..." : "");
    mn_str_free(&all);
    return rc;
}

/* The option that is called like an item: by its text, or by its JSON where it has none (a number that was not read). */
static int32_t option_called(const reading *r, int32_t gene, const mn_node *item) {
    const mn_space *s = r->arch->model->space;
    mn_str json = {.ctx = r->ctx};
    if (!item->text) mn_node_json(&json, item);
    const char *text = item->text ? item->text : json.failed ? "" : json.text;
    int32_t option = MN_ARCH_OPEN;
    for (int32_t i = 0; i < mn_space_gene(s, gene)->n && option == MN_ARCH_OPEN; i++)
        if (strcmp(option_name(s, gene, i), text) == 0) option = i;
    mn_str_free(&json);
    return option;
}

/* `what` has the parameter, "slot 3 (...)": for messages. */
static int choose(const reading *r, const mn_arch_param *p, const mn_node *item, const char *what) {
    const mn_space *s = r->arch->model->space;
    const int32_t gene = gene_of(s, p);
    int32_t *index = &r->arch->index[gene], option = MN_ARCH_OPEN;
    const mn_node *first = item->kind == MN_SEQ && item->n ? item->items[0] : item;
    if (p->type == MN_TENSOR && item->kind == MN_SEQ && item->n == (size_t)p->n) option = largest(item);
    if (option == MN_ARCH_OPEN) option = option_called(r, gene, first);
    if (option == MN_ARCH_OPEN) return fail_option(r, gene, first, what);
    if (*index != MN_ARCH_OPEN && *index != option)
        return mn_fail(r->ctx, MODNAS_ECONFIG, "%s: parameter %s is %s here and %s at another place", what, p->name,
                       option_name(s, gene, option), option_name(s, gene, *index));
    *index = option;
    return 0;
}

/* ---- by Slot, by mixed op -------------------------------------------------------------------------------- */

static int read_slot(const reading *r, const mn_slot *slot, const mn_node *item);

/* An edge that is not listed: its mixed op's zero operator, or nothing. */
static int leave_out(const reading *r, const mn_edge *e) {
    const mn_slot *slot = mn_slot_of(e->module);
    const mn_mixed *m = slot->entity ? mn_mixed_of(slot->entity) : NULL;
    int32_t option;
    if (m && mn_mixed_left_out(m, &option)) {
        r->arch->index[gene_of(r->arch->model->space, m->param)] = option;
        return 0;
    }
    return mn_fail(r->ctx, MODNAS_ECONFIG, "slot %s is an edge that the architecture does not have, and cannot be left out",
                   slot->name);
}

static int read_nested(mn_nested *n, const mn_node *desc, void *ud) {
    const reading *r = ud;
    const mn_node **item = mn_alloc(r->ctx, n->edges.n, sizeof *item);
    int rc = item ? mn_nested_match(n, desc, item) : MODNAS_ENOMEM;
    for (size_t i = 0; i < n->edges.n && !rc; i++) {
        const mn_edge *e = &MN_AT(n->edges, mn_edge, i);
        if (e->module) rc = item[i] ? read_slot(r, mn_slot_of(e->module), item[i]) : leave_out(r, e);
    }
    mn_free(r->ctx, item);
    return rc;
}

static int is_own(const mn_slot *slot, const mn_node *item) {
    if (item->kind == MN_SEQ && item->n == 1) item = item->items[0];
    return item->kind == MN_NULL || item->kind == MN_MAP || (slot->op && item->text && strcmp(item->text, slot->op) == 0);
}

static int read_slot(const reading *r, const mn_slot *slot, const mn_node *item) {
    const mn_mixed *m = slot->entity ? mn_mixed_of(slot->entity) : NULL;
    mn_nested *n = slot->entity ? mn_nested_of(slot->entity) : NULL;
    if (n) return read_nested(n, item, (void *)(uintptr_t)r);
    mn_str name = {.ctx = r->ctx};
    char prefix[288], is[128];
    int rc = mn_slot_name(slot, &name);
    if (!rc && m) rc = choose(r, m->param, item, name.text);
    if (!rc && !m && !is_own(slot, item))
        rc = mn_fail(r->ctx, MODNAS_ECONFIG, "%s%s has no mixed op: null is wanted, not %s",
                     mn_spec_prefix(item, prefix, sizeof prefix), name.text, mn_node_what(item, is, sizeof is));
    mn_str_free(&name);
    return rc;
}

static int by_slot(const reading *r, const mn_node *desc) {
    size_t k = 0;
    for (size_t i = 0; i < r->arch->model->slots.n; i++) {
        const mn_slot *slot = mn_model_slot(r->arch->model, i);
        if (!mn_slot_is_nested(slot)) MN_TRY(read_slot(r, slot, desc->items[k++]));
    }
    return 0;
}

static int by_mixed(const reading *r, const mn_node *desc) {
    char what[64];
    for (size_t i = 0; i < desc->n; i++) {
        snprintf(what, sizeof what, "mixed op %zu of %zu", i + 1, desc->n);
        MN_TRY(choose(r, mn_model_mixed(r->arch->model, (int32_t)i)->param, desc->items[i], what));
    }
    return 0;
}

static int read_list(const reading *r, const mn_node *desc) {
    const mn_model *m = r->arch->model;
    char where[256];
    size_t n_slots = 0;
    for (size_t i = 0; i < m->slots.n; i++) n_slots += !mn_slot_is_nested(mn_model_slot(m, i));
    if (desc->n == n_slots) return by_slot(r, desc);
    if (desc->n == (size_t)mn_model_n_mixed(m)) return by_mixed(r, desc);
    return mn_fail(r->ctx, MODNAS_ECONFIG, "%s: an architecture of %zu items; the space has %zu Slots and %d mixed ops",
                   mn_node_where(desc, where, sizeof where), desc->n, n_slots, mn_model_n_mixed(m));
}

/* ---- by module, by parameter ----------------------------------------------------------------------------- */

static int read_module(const reading *r, mn_module *m, const mn_node *desc) {
    char where[256];
    for (size_t i = 0; i < desc->n; i++) {
        const mn_node *item = desc->items[i];
        mn_module *child = mn_module_child(m, desc->keys[i]);
        if (!child)
            return mn_fail(r->ctx, MODNAS_ECONFIG, "%s: an architecture names '%.80s', which is neither a parameter of "
                           "the space nor a part of a %s", mn_node_where(item, where, sizeof where), desc->keys[i],
                           m->vt->type);
        const mn_slot *slot = mn_slot_of(child);
        if (slot)
            MN_TRY(read_slot(r, slot, item));
        else if (item->kind == MN_MAP)
            MN_TRY(read_module(r, child, item));
    }
    return 0;
}

static int read_map(const reading *r, const mn_node *desc) {
    mn_space *s = r->arch->model->space;
    if (!desc->n || !mn_space_find(s, desc->keys[0])) return read_module(r, r->arch->model->root, desc);
    for (size_t i = 0; i < desc->n; i++) {
        const mn_arch_param *p = mn_space_find(s, desc->keys[i]);
        char where[256];
        if (!p || !p->n)
            return mn_fail(r->ctx, MODNAS_ECONFIG, "%s: the space has no choice named '%.80s'",
                           mn_node_where(desc->items[i], where, sizeof where), desc->keys[i]);
        MN_TRY(choose(r, p, desc->items[i], p->name));
    }
    return 0;
}

/* One digit a Slot. */
static int read_digits(const reading *r, const mn_node *text) {
    mn_node *list;
    MN_TRY(mn_digits_read(r->arch->model, text, &list));
    const int rc = read_list(r, list);
    mn_node_free(r->ctx, list);
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------------------- */

static int read_desc(const reading *r, const mn_node *desc) {
    char where[256], is[128];
    if (desc->kind == MN_SEQ) return read_list(r, desc);
    if (desc->kind == MN_MAP) return read_map(r, desc);
    if (desc->kind == MN_STR && r->arch->model->digits) return read_digits(r, desc);
    return mn_fail(r->ctx, MODNAS_ECONFIG, "%s: an architecture is a list or a map, not %s",
                   mn_node_where(desc, where, sizeof where), mn_node_what(desc, is, sizeof is));
}

static int check_whole(const reading *r, const mn_node *desc) {
    char where[256];
    for (int32_t i = 0; i < r->arch->n; i++)
        if (r->arch->index[i] == MN_ARCH_OPEN)
            return mn_fail(r->ctx, MODNAS_ECONFIG, "%s: the architecture does not say what parameter %s is",
                           mn_node_where(desc, where, sizeof where), mn_space_gene(r->arch->model->space, i)->name);
    return 0;
}

int mn_arch_of_desc(mn_model *model, const mn_node *desc, mn_arch **out) {
    reading r = {.ctx = model->ctx};
    MN_TRY(mn_arch_new(model, &r.arch));
    for (int32_t i = 0; i < r.arch->n; i++) r.arch->index[i] = MN_ARCH_OPEN;
    int rc = mn_cells_describe(model, desc) ? mn_cells_visit(model, desc, read_nested, &r) : read_desc(&r, desc);
    if (!rc) rc = check_whole(&r, desc);
    if (rc)
        mn_arch_free(r.arch);
    else
        *out = r.arch;
    return rc;
}
