/* Architecture parameters of a model: made once, named uniquely, looked up by name, and set together.
 *
 * Names follow the original: what is given, made unique with _1, _2, ...; else a letter for the type and a number that
 * all parameters of the space share: c_0, t_1, n_2. */
#include "space/elastic.h"

#include <stdio.h>
#include <string.h>

static void free_param(modnas_ctx *ctx, mn_arch_param *p) {
    if (!p) return;
    mn_node_free(ctx, p->choices);
    mn_param_free(p->tensor);
    mn_free(ctx, p->name);
    mn_free(ctx, p);
}

static void free_space(mn_space *s) {
    modnas_ctx *ctx = s->model->ctx;
    for (size_t i = 0; i < s->params.n; i++) free_param(ctx, MN_AT(s->params, mn_arch_param *, i));
    mn_vec_free(ctx, &s->params);
    mn_vec_free(ctx, &s->mixed);
    for (size_t i = 0; i < s->elastic.n; i++) mn_elastic_free(MN_AT(s->elastic, mn_elastic *, i));
    mn_vec_free(ctx, &s->elastic);
    mn_free(ctx, s);
}

int mn_space_of(mn_model *model, mn_space **out) {
    if (!model->space) {
        mn_space *s = mn_alloc(model->ctx, 1, sizeof *s);
        if (!s) return MODNAS_ENOMEM;
        s->model = model;
        mn_vec_init(&s->params, sizeof(mn_arch_param *));
        mn_vec_init(&s->mixed, sizeof(mn_mixed *));
        mn_vec_init(&s->elastic, sizeof(mn_elastic *));
        model->space = s;
        model->space_free = free_space;
    }
    *out = model->space;
    return 0;
}

mn_arch_param *mn_space_find(const mn_space *s, const char *name) {
    for (size_t i = 0; i < s->params.n; i++)
        if (strcmp(MN_AT(s->params, mn_arch_param *, i)->name, name) == 0) return MN_AT(s->params, mn_arch_param *, i);
    return NULL;
}

static int unique_name(mn_space *s, const char *given, int32_t type, char **out) {
    modnas_ctx *ctx = s->model->ctx;
    mn_str name = {.ctx = ctx};
    char made[16];
    snprintf(made, sizeof made, "%c_%d", type - 'A' + 'a', s->next_id);
    const char *base = given ? given : made;
    mn_str_add(&name, base);
    for (int i = 1; !name.failed && mn_space_find(s, name.text); i++) {
        name.n = 0;
        mn_str_addf(&name, "%s_%d", base, i);
    }
    *out = mn_str_take(&name);
    return *out ? 0 : MODNAS_ENOMEM;
}

/* A named parameter at the end of the list; takes choices. */
static int add_param(mn_space *s, const char *name, int32_t type, mn_node *choices, mn_arch_param **out) {
    modnas_ctx *ctx = s->model->ctx;
    mn_arch_param *p = mn_alloc(ctx, 1, sizeof *p);
    if (!p) {
        mn_node_free(ctx, choices);
        return MODNAS_ENOMEM;
    }
    p->type = type;
    p->choices = choices;
    int rc = unique_name(s, name, type, &p->name);
    if (!rc && !mn_vec_push(ctx, &s->params, &p, 1)) rc = MODNAS_ENOMEM;
    if (rc) {
        free_param(ctx, p);
        return rc;
    }
    s->next_id++;
    *out = p;
    return 0;
}

int mn_space_categorical(mn_space *s, const char *name, mn_node *choices, mn_arch_param **out) {
    if (choices->kind != MN_SEQ || !choices->n || choices->n > INT32_MAX) {
        mn_node_free(s->model->ctx, choices);
        return mn_fail(s->model->ctx, MODNAS_EINVAL, "parameter %s has no list of choices", name ? name : "of a space");
    }
    const int32_t n = (int32_t)choices->n;
    MN_TRY(add_param(s, name, MN_CATEGORICAL, choices, out));
    (*out)->n = n;
    return 0;
}

/* low, low + 1, ..., high; NULL when out of memory. */
static mn_node *whole_numbers(modnas_ctx *ctx, double low, double high) {
    mn_node *list = mn_node_new(ctx, MN_SEQ);
    for (double x = low; list && x <= high; x++) {
        mn_node *v = mn_node_int(ctx, (int64_t)x);
        if (v && mn_node_add(ctx, list, v) == 0) continue;
        mn_node_free(ctx, list);
        return NULL;
    }
    return list;
}

int mn_space_numeric(mn_space *s, const char *name, double low, double high, int integer, mn_arch_param **out) {
    mn_node *choices = NULL;
    if (!(low <= high))
        return mn_fail(s->model->ctx, MODNAS_EINVAL, "parameter %s lies between %g and %g", name ? name : "of a space",
                       low, high);
    if (integer && high - low < MN_WHOLE_MAX && !(choices = whole_numbers(s->model->ctx, low, high)))
        return MODNAS_ENOMEM;
    const int32_t n = choices ? (int32_t)choices->n : 0;
    MN_TRY(add_param(s, name, MN_NUMERIC, choices, out));
    (*out)->n = n;
    (*out)->low = (*out)->value = low;
    (*out)->high = high;
    (*out)->integer = integer;
    return 0;
}

int mn_space_tensor(mn_space *s, const char *name, int32_t n, mn_arch_param **out) {
    mn_model *model = s->model;
    const int64_t dims[4] = {1, n, 1, 1};
    mn_arch_param *p;
    if (n < 1) return mn_fail(model->ctx, MODNAS_EINVAL, "parameter %s has %d elements", name ? name : "of a space", n);
    if (mn_model_committed(model))
        return mn_fail(model->ctx, MODNAS_EINVAL, "the model is committed: no more architecture parameters");
    MN_TRY(add_param(s, name, MN_TENSOR, NULL, &p));
    int rc = mn_param_new(model->ctx, MN_ROLE_ARCH, 1, dims, MN_INIT_NORMAL, 1e-3, &p->tensor);
    const mn_module_param entry = {p->name, p->tensor};
    if (!rc && !mn_vec_push(model->ctx, &model->arch_params, &entry, 1)) rc = MODNAS_ENOMEM;
    if (rc) {
        s->params.n--;
        free_param(model->ctx, p);
        return rc;
    }
    p->n = n;
    *out = p;
    return 0;
}

void mn_space_remove(mn_space *s, mn_arch_param *p) {
    mn_vec *tensors = &s->model->arch_params;
    for (size_t i = 0; i < tensors->n; i++)
        if (MN_AT(*tensors, mn_module_param, i).param == p->tensor) mn_vec_remove(tensors, i);
    for (size_t i = 0; i < s->params.n; i++)
        if (MN_AT(s->params, mn_arch_param *, i) == p) mn_vec_remove(&s->params, i);
    free_param(s->model->ctx, p);
}

/* ---- parameters with choices --------------------------------------------------------------------------- */

int32_t mn_space_n_categorical(const mn_space *s) {
    int32_t n = 0;
    for (size_t i = 0; i < s->params.n; i++) n += MN_AT(s->params, mn_arch_param *, i)->choices != NULL;
    return n;
}

mn_arch_param *mn_space_categorical_at(const mn_space *s, int32_t i) {
    for (size_t k = 0; k < s->params.n; k++) {
        mn_arch_param *p = MN_AT(s->params, mn_arch_param *, k);
        if (p->choices && i-- == 0) return p;
    }
    return NULL;
}

/* ---- size: a product of any length, in limbs of nine decimal digits, lowest first ---------------------- */

enum { LIMB = 1000000000 };

static int multiply(modnas_ctx *ctx, mn_vec *number, uint64_t by) {
    unsigned __int128 carry = 0;
    for (size_t i = 0; i < number->n; i++) {
        carry += (unsigned __int128)MN_AT(*number, uint32_t, i) * by;
        MN_AT(*number, uint32_t, i) = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    for (; carry; carry /= LIMB) {
        const uint32_t limb = (uint32_t)(carry % LIMB);
        if (!mn_vec_push(ctx, number, &limb, 1)) return MODNAS_ENOMEM;
    }
    return 0;
}

static uint64_t choices_of(const mn_arch_param *p) {
    if (p->n) return (uint64_t)p->n;
    const double n = p->integer ? p->high - p->low + 1 : 1;
    return n < 9e15 ? (uint64_t)n : (uint64_t)9e15;
}

int mn_space_size(const mn_space *s, mn_str *out) {
    modnas_ctx *ctx = s->model->ctx;
    mn_vec number;
    const uint32_t one = 1;
    mn_vec_init(&number, sizeof(uint32_t));
    int rc = mn_vec_push(ctx, &number, &one, 1) ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < s->params.n && !rc; i++)
        rc = multiply(ctx, &number, choices_of(MN_AT(s->params, mn_arch_param *, i)));
    if (!rc) {
        mn_str_addf(out, "%u", MN_AT(number, uint32_t, number.n - 1));
        for (size_t i = number.n - 1; i-- > 0;) mn_str_addf(out, "%09u", MN_AT(number, uint32_t, i));
        if (out->failed) rc = MODNAS_ENOMEM;
    }
    mn_vec_free(ctx, &number);
    return rc;
}
