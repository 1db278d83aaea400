/* The tree of a network (tree.h): one recording tells what is called, what it gives and what it costs. */
#include "pipeline/tree.h"

#include <inttypes.h>
#include <string.h>

#include "module/layers.h"
#include "search/derive.h"

mn_tree_node *mn_tree_at(const mn_tree *t, int32_t i) {
    return &MN_AT(t->nodes, mn_tree_node, i);
}

/* ---- recording ----------------------------------------------------------------------------------------- */

typedef struct recording {
    mn_tree *tree;
    int32_t at; /* the one that is under way; -1: none */
    int rc;
} recording;

static void enter(mn_module *m, mn_run *run, void *ud) {
    recording *r = ud;
    const int32_t i = (int32_t)r->tree->nodes.n;
    const mn_tree_node n = {.module = m, .parent = r->at, .first = i, .n = 1, .macs = mn_run_macs(run)};
    if (r->rc) return;
    r->at = i;
    if (!mn_vec_push(r->tree->ctx, &r->tree->nodes, &n, 1)) r->rc = MODNAS_ENOMEM;
}

static void leave(mn_module *m, mn_run *run, const mn_value *dst, void *ud) {
    recording *r = ud;
    if (r->rc) return;
    mn_tree_node *n = mn_tree_at(r->tree, r->at);
    memcpy(n->dims, dst->dims, sizeof n->dims);
    n->end = (int32_t)r->tree->nodes.n;
    n->macs = mn_run_macs(run) - n->macs;
    n->params = mn_derived_weights(m);
    r->at = n->parent;
}

static int record(mn_model *m, const int32_t input[3], mn_tree *t) {
    recording r = {t, -1, 0};
    const mn_watch watch = {enter, leave, &r};
    const int32_t before = m->record_all;
    MN_TRY(mn_run_new(m->backend, m->dtype, m->slab, &t->run));
    m->record_all = 1;
    m->watch = &watch;
    const int rc = mn_model_record(m, t->run, input, 1, &t->x, &t->logits);
    m->watch = NULL;
    m->record_all = before;
    return rc ? rc : r.rc;
}

/* ---- what is shown ------------------------------------------------------------------------------------- */

static int has_slot(const mn_tree *t, int32_t from, int32_t to) {
    for (int32_t i = from; i < to; i++)
        if (mn_slot_of(mn_tree_at(t, i)->module)) return 1;
    return 0;
}

/* With nothing inside, or nothing that anybody wants to see each time. */
static int is_operator(const mn_tree *t, int32_t i) {
    const mn_tree_node *n = mn_tree_at(t, i);
    return n->end == i + 1 || strcmp(n->module->vt->type, MN_SQUEEZE_EXCITE) == 0;
}

/* An operator, a row of operators, or a Slot without Slots inside. */
static int is_unit(const mn_tree *t, int32_t i) {
    const mn_tree_node *n = mn_tree_at(t, i);
    if (has_slot(t, i + 1, n->end)) return 0;
    if (mn_slot_of(n->module)) return 1;
    for (int32_t k = i + 1; k < n->end && !is_operator(t, i); k = mn_tree_at(t, k)->end)
        if (!is_operator(t, k)) return 0;
    return n->parent >= 0;
}

static void find_units(mn_tree *t) {
    for (int32_t i = 0; i < (int32_t)t->nodes.n; i++) {
        mn_tree_node *n = mn_tree_at(t, i);
        const mn_tree_node *around = n->parent < 0 ? NULL : mn_tree_at(t, n->parent);
        n->is_shown = !around || (around->is_shown && !around->is_unit);
        n->is_unit = n->is_shown && is_unit(t, i);
    }
}

static int same_candidates(mn_module *a, mn_module *b) {
    const mn_slot *x = mn_slot_of(a), *y = mn_slot_of(b);
    const mn_mixed *p = mn_mixed_of(a), *q = mn_mixed_of(b);
    if (x && (x->chn_in != y->chn_in || x->stride != y->stride || strcmp(x->op ? x->op : "", y->op ? y->op : "") != 0))
        return 0;
    if (!p || !q) return p == q;
    int same = p->n == q->n;
    for (int32_t i = 0; same && i < p->n; i++) same = strcmp(mn_mixed_candidate(p, i), mn_mixed_candidate(q, i)) == 0;
    return same;
}

static int same_node(const mn_tree *t, int32_t a, int32_t b) {
    const mn_tree_node *x = mn_tree_at(t, a), *y = mn_tree_at(t, b);
    return x->module->vt == y->module->vt && memcmp(x->dims, y->dims, sizeof x->dims) == 0 &&
           x->params == y->params && x->macs == y->macs && x->end - a == y->end - b &&
           same_candidates(x->module, y->module);
}

/* Parts are equal if all that is inside of them is. */
static int same(const mn_tree *t, int32_t a, int32_t b) {
    const int32_t n = mn_tree_at(t, a)->end - a;
    for (int32_t k = 0; k < n; k++)
        if (!same_node(t, a + k, b + k)) return 0;
    return 1;
}

/* Equal neighbours among the parts of i. */
static void fold(mn_tree *t, int32_t i) {
    int32_t first = i + 1;
    const int32_t end = mn_tree_at(t, i)->end;
    for (int32_t k = first; k < end; k = mn_tree_at(t, k)->end) {
        if (k == first || !same(t, first, k)) {
            first = k;
            continue;
        }
        mn_tree_at(t, k)->first = first;
        mn_tree_at(t, first)->n++;
    }
}

int mn_tree_of(mn_model *m, const int32_t input[3], mn_tree *out) {
    mn_tree t = {.ctx = m->ctx};
    mn_vec_init(&t.nodes, sizeof(mn_tree_node));
    const int rc = record(m, input, &t);
    if (rc) {
        mn_tree_free(&t);
        return rc;
    }
    find_units(&t);
    for (int32_t i = 0; i < (int32_t)t.nodes.n; i++)
        if (mn_tree_at(&t, i)->is_shown && !mn_tree_at(&t, i)->is_unit) fold(&t, i);
    *out = t;
    return 0;
}

void mn_tree_free(mn_tree *t) {
    if (!t->ctx) return;
    mn_run_free(t->run);
    mn_vec_free(t->ctx, &t->nodes);
}

/* ---- words --------------------------------------------------------------------------------------------- */

/* "conv 3x3", "depthwise 5x5", "bn", "act", or the type. */
static void add_operator(mn_str *s, const mn_module *m) {
    static const char *const shorter[][2] = {
        {"batch_norm", "bn"}, {"activation", "act"}, {"conv2d", "conv"}, {"global_pool", "mean"},
        {MN_SQUEEZE_EXCITE, "squeeze-excite"}};
    const mn_param *w = mn_module_find_param(m, "weight");
    const char *name = m->vt->type;
    for (size_t i = 0; i < MN_COUNT(shorter); i++)
        if (strcmp(name, shorter[i][0]) == 0) name = shorter[i][1];
    if (!w || w->rank != 4) {
        mn_str_add(s, name);
        return;
    }
    mn_str_addf(s, "%s %" PRId64 "x%" PRId64, w->dims[0] == w->groups && w->groups > 1 ? "depthwise" : name, w->dims[2],
                w->dims[3]);
}

/* Batch norm and activation belong to what they follow: "conv 1x1+bn+act, depthwise 3x3+bn+act". */
static void add_row(const mn_tree *t, int32_t i, mn_str *s) {
    const mn_tree_node *n = mn_tree_at(t, i);
    int n_added = 0;
    for (int32_t k = i + 1; k < n->end;) {
        const mn_module *m = mn_tree_at(t, k)->module;
        const int follows = strcmp(m->vt->type, "batch_norm") == 0 || strcmp(m->vt->type, "activation") == 0;
        if (!is_operator(t, k)) {
            k++;
            continue;
        }
        if (n_added++) mn_str_add(s, follows ? "+" : ", ");
        add_operator(s, m);
        k = mn_tree_at(t, k)->end;
    }
}

/* "slot 3, 4, 5": those of all equal parts that it stands for. */
static void add_slots(const mn_tree *t, int32_t i, mn_str *s) {
    int32_t around = i;
    while (around >= 0 && mn_tree_at(t, around)->n == 1) around = mn_tree_at(t, around)->parent;
    const int32_t n = around < 0 ? 1 : mn_tree_at(t, around)->n,
                  size = around < 0 ? 0 : mn_tree_at(t, around)->end - around;
    for (int32_t k = 0; k < n; k++)
        mn_str_addf(s, "%s%s", k ? ", " : "slot ", mn_slot_of(mn_tree_at(t, i + k * size)->module)->name);
}

static void add_slot(const mn_tree *t, int32_t i, mn_str *s) {
    const mn_slot *slot = mn_slot_of(mn_tree_at(t, i)->module);
    const mn_mixed *m = slot->entity ? mn_mixed_of(slot->entity) : NULL;
    add_slots(t, i, s);
    if (slot->stride > 1) mn_str_addf(s, ", stride %d", slot->stride);
    mn_str_add(s, ": ");
    for (int32_t k = 0; m && k < m->n; k++) mn_str_addf(s, "%s%s", k ? " | " : "", mn_mixed_candidate(m, k));
    if (m) return;
    if (slot->op) {
        mn_str_add(s, slot->op);
        return;
    }
    mn_str row = {.ctx = s->ctx};
    if (mn_tree_at(t, i)->is_unit) add_row(t, i, &row);
    mn_str_addf(s, "own%s%s", row.n ? " " : "", row.n ? row.text : "");
    mn_str_free(&row);
}

void mn_tree_what(const mn_tree *t, int32_t i, mn_str *s) {
    const mn_tree_node *n = mn_tree_at(t, i);
    if (mn_slot_of(n->module))
        add_slot(t, i, s);
    else if (n->is_unit && !is_operator(t, i))
        add_row(t, i, s);
    else if (n->is_unit)
        add_operator(s, n->module);
    else if (strcmp(n->module->vt->type, "sequential") != 0)
        mn_str_add(s, n->module->vt->type);
}

static const char *name_of(const mn_tree *t, int32_t i) {
    const char *name = mn_tree_at(t, i)->module->name;
    return name ? name : "";
}

void mn_tree_name(const mn_tree *t, int32_t i, mn_str *s) {
    const mn_tree_node *n = mn_tree_at(t, i);
    const char *a = name_of(t, i), *b = name_of(t, i + (n->n - 1) * (n->end - i));
    size_t k = 0;
    mn_str_add(s, a);
    if (n->n == 1) return;
    while (a[k] && a[k] == b[k]) k++;
    while (k && b[k - 1] >= '0' && b[k - 1] <= '9') k--;
    mn_str_addf(s, " .. %s", b + k);
}

void mn_tree_gives(const mn_tree_node *n, mn_str *s) {
    mn_str_addf(s, "%" PRId64, n->dims[1]);
    if (n->dims[2] != 1 || n->dims[3] != 1) mn_str_addf(s, "x%" PRId64 "x%" PRId64, n->dims[2], n->dims[3]);
}

void mn_add_grouped(mn_str *s, int64_t n) {
    char digits[32];
    mn_str text = {.ctx = s->ctx};
    mn_str_addf(&text, "%" PRId64, n);
    const size_t len = text.failed ? 0 : text.n;
    size_t at = 0;
    for (size_t i = 0; i < len && at + 2 < sizeof digits; i++) {
        digits[at++] = text.text[i];
        if (i + 1 < len && (len - 1 - i) % 3 == 0) digits[at++] = ',';
    }
    mn_str_addn(s, digits, at);
    mn_str_free(&text);
}

/* ---- lines --------------------------------------------------------------------------------------------- */

enum { INDENT = 2, NAME_MOST = 56 };

/* The only part of i that is shown; -1: there are none, or several. */
static int32_t only_part(const mn_tree *t, int32_t i) {
    const mn_tree_node *n = mn_tree_at(t, i);
    return !n->is_unit && n->end > i + 1 && mn_tree_at(t, i + 1)->end == n->end ? i + 1 : -1;
}

/* A part that is alone in its parent stands on its line: "down.conv", with what both are. Its number is returned. */
static int32_t add_line(const mn_tree *t, int32_t i, const char *root, mn_str *name, mn_str *what) {
    if (mn_tree_at(t, i)->parent < 0)
        mn_str_add(name, root);
    else
        mn_tree_name(t, i, name);
    mn_tree_what(t, i, what);
    for (int32_t k; mn_tree_at(t, i)->parent >= 0 && (k = only_part(t, i)) >= 0; i = k) {
        const size_t before = what->n;
        mn_str_addf(name, ".%s", name_of(t, k));
        if (before) mn_str_add(what, ": ");
        const size_t colon = what->n;
        mn_tree_what(t, k, what);
        if (what->n == colon && !what->failed && what->n) what->text[what->n = before] = 0;
    }
    return i;
}

static void write_line(mn_str *s, const mn_tree_node *n, int32_t depth, int width, const char *name, const char *what) {
    mn_str gives = {.ctx = s->ctx}, params = {.ctx = s->ctx}, macs = {.ctx = s->ctx};
    mn_tree_gives(n, &gives);
    mn_add_grouped(&params, n->params);
    mn_add_grouped(&macs, n->macs);
    if (!gives.failed && !params.failed && !macs.failed)
        mn_str_addf(s, "%*s%-*s  %-11s %12s %15s", depth * INDENT, "", width - depth * INDENT, name, gives.text,
                    params.text, macs.text);
    if (n->n > 1) mn_str_addf(s, "  each of %d", n->n);
    if (*what) mn_str_addf(s, "  %s", what);
    mn_str_add(s, "\n");
    mn_str_free(&gives);
    mn_str_free(&params);
    mn_str_free(&macs);
}

/* The line of i and those inside; s NULL: only how wide the names are, into *width. */
static void walk(const mn_tree *t, int32_t i, int32_t depth, const char *root, int *width, mn_str *s) {
    mn_str name = {.ctx = t->ctx}, what = {.ctx = t->ctx};
    const int32_t last = add_line(t, i, root, &name, &what);
    const int wide = depth * INDENT + (int)name.n;
    if (s && !name.failed && !what.failed)
        write_line(s, mn_tree_at(t, i), depth, *width, name.n ? name.text : "", what.n ? what.text : "");
    else if (!s && wide > *width)
        *width = wide < NAME_MOST ? wide : NAME_MOST;
    if (s && (name.failed || what.failed)) s->failed = 1;
    mn_str_free(&name);
    mn_str_free(&what);
    const mn_tree_node *n = mn_tree_at(t, last);
    for (int32_t k = last + 1; !n->is_unit && k < n->end; k = mn_tree_at(t, k)->end)
        if (mn_tree_at(t, k)->first == k) walk(t, k, depth + 1, root, width, s);
}

void mn_tree_write(const mn_tree *t, const char *name, mn_str *s) {
    int width = 24;
    walk(t, 0, 0, name, &width, NULL);
    mn_str_addf(s, "%-*s  %-11s %12s %15s\n", width, "", "gives", "params", "macs");
    walk(t, 0, 0, name, &width, s);
}
