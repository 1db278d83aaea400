/* Architectures: an option for every parameter of a space that has options.
 *
 * The option of a parameter with choices is one of them; that of logits is the candidate that their mixed ops run
 * alone. An option may be left open: the model then does as it would without. An architecture holds its model, so
 * handles may be freed in any order. */
#include "space/nested.h"

#include <string.h>

static int has_options(const mn_arch_param *p) {
    return p->n > 0;
}

int32_t mn_space_n_genes(const mn_space *s) {
    int32_t n = 0;
    for (size_t i = 0; s && i < s->params.n; i++) n += has_options(MN_AT(s->params, mn_arch_param *, i));
    return n;
}

mn_arch_param *mn_space_gene(const mn_space *s, int32_t i) {
    for (size_t k = 0; s && k < s->params.n; k++) {
        mn_arch_param *p = MN_AT(s->params, mn_arch_param *, k);
        if (has_options(p) && i-- == 0) return p;
    }
    return NULL;
}

/* The next mixed op that follows parameter p, from number *at on; NULL: no more. */
static mn_mixed *next_op(const mn_model *model, const mn_arch_param *p, int32_t *at) {
    while (*at < mn_model_n_mixed(model)) {
        mn_mixed *m = mn_model_mixed(model, (*at)++);
        if (m->param == p) return m;
    }
    return NULL;
}

static mn_mixed *first_op(const mn_model *model, const mn_arch_param *p) {
    int32_t at = 0;
    return next_op(model, p, &at);
}

static int may_be_left_out(const mn_model *model, const mn_arch_param *p) {
    const mn_mixed *m = p->type == MN_TENSOR ? first_op(model, p) : NULL;
    return m && mn_mixed_is_edge(m);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static size_t bytes_of(int32_t n) {
    return sizeof(mn_arch) + (size_t)n * sizeof(int32_t);
}

static mn_arch *allocate(mn_model *model, int32_t n) {
    mn_arch *a = mn_alloc(model->ctx, 1, bytes_of(n));
    if (!a) return NULL;
    a->model = mn_model_hold(model);
    a->n = n;
    return a;
}

int mn_arch_new(mn_model *model, mn_arch **out) {
    mn_arch *a = allocate(model, mn_space_n_genes(model->space));
    if (!a) return MODNAS_ENOMEM;
    mn_arch_read(a);
    *out = a;
    return 0;
}

int mn_arch_copy(const mn_arch *a, mn_arch **out) {
    mn_arch *copy = allocate(a->model, a->n);
    if (!copy) return MODNAS_ENOMEM;
    memcpy(copy->index, a->index, (size_t)a->n * sizeof *a->index);
    *out = copy;
    return 0;
}

void mn_arch_free(mn_arch *a) {
    if (!a) return;
    mn_model *model = a->model;
    mn_free(model->ctx, a);
    mn_model_free(model);
}

/* ---- model and architecture ---------------------------------------------------------------------------- */

void mn_arch_read(mn_arch *a) {
    for (int32_t i = 0; i < a->n; i++) {
        const mn_arch_param *p = mn_space_gene(a->model->space, i);
        const mn_mixed *m = p->type == MN_TENSOR ? first_op(a->model, p) : NULL;
        a->index[i] = p->choices ? p->index : m ? m->forced : MN_ARCH_OPEN;
    }
}

int mn_arch_derive(mn_arch *a) {
    for (int32_t i = 0; i < a->n; i++) {
        const mn_arch_param *p = mn_space_gene(a->model->space, i);
        if (a->index[i] != MN_ARCH_OPEN) continue;
        const mn_mixed *m = first_op(a->model, p);
        if (p->choices)
            a->index[i] = p->index;
        else if (m)
            MN_TRY(mn_mixed_best(m, &a->index[i]));
        else
            a->index[i] = 0;
    }
    return 0;
}

int mn_arch_check(const mn_arch *a, int32_t i, int32_t option) {
    const mn_arch_param *p = mn_space_gene(a->model->space, i);
    if (!p) return mn_fail(a->model->ctx, MODNAS_EINVAL, "parameter %d of an architecture of %d parameters", i, a->n);
    if (option == MN_ARCH_OPEN || (option >= 0 && option < p->n)) return 0;
    if (option == MN_ARCH_NONE && may_be_left_out(a->model, p)) return 0;
    return mn_fail(a->model->ctx, MODNAS_EINVAL, "choice %d of parameter %s, which has %d", option, p->name, p->n);
}

static int force(mn_model *model, const mn_arch_param *p, int32_t option) {
    int32_t at = 0;
    for (mn_mixed *m = next_op(model, p, &at); m; m = next_op(model, p, &at))
        if (m->forced != option) mn_mixed_force(m, option);
    return 0;
}

int mn_arch_apply(const mn_arch *a) {
    mn_space *s = a->model->space;
    const int32_t n = mn_space_n_genes(s);
    if (a->n != n)
        return mn_fail(a->model->ctx, MODNAS_EINVAL, "an architecture of %d choices for %d parameters", a->n, n);
    for (int32_t i = 0; i < n; i++) MN_TRY(mn_arch_check(a, i, a->index[i]));
    for (int32_t i = 0; i < n; i++) {
        mn_arch_param *p = mn_space_gene(s, i);
        if (p->type == MN_TENSOR) {
            force(a->model, p, a->index[i]);
        } else if (a->index[i] != MN_ARCH_OPEN && p->index != a->index[i]) {
            p->index = a->index[i];
            a->model->version++;
        }
    }
    return 0;
}

/* ---- texts --------------------------------------------------------------------------------------------- */

/* What a choice is called: a string is its own name, anything else its JSON, made once. NULL when out of memory. */
static const char *choice_text(modnas_ctx *ctx, mn_node *choice) {
    if (choice->text) return choice->text;
    mn_str json = {.ctx = ctx};
    mn_node_json(&json, choice);
    choice->text = mn_str_take(&json);
    return choice->text;
}

const char *mn_space_option(const mn_space *s, int32_t i, int32_t option) {
    const mn_arch_param *p = mn_space_gene(s, i);
    if (!p || option < 0 || option >= p->n) return NULL;
    if (p->choices) return choice_text(s->model->ctx, p->choices->items[option]);
    const mn_mixed *m = first_op(s->model, p);
    return m && option < m->n ? mn_mixed_candidate(m, option) : NULL;
}
