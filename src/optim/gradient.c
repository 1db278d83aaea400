/* What gradient methods share; see gradient.h. */
#include "optim/gradient.h"

#include <string.h>

const char *const mn_gradient_sums[] = {"SoftmaxSumMixedOp", "GumbelSumMixedOp", NULL};

static int is_one_of(const char *type, const char *const *types) {
    for (; *types; types++)
        if (strcmp(type, *types) == 0) return 1;
    return 0;
}

/* "A, B and C" */
static const char *list_text(mn_str *s, const char *const *types) {
    for (size_t i = 0; types[i]; i++) mn_str_addf(s, "%s%s", i == 0 ? "" : types[i + 1] ? ", " : " and ", types[i]);
    return s->failed ? "others" : s->text;
}

static int fail_type(const mn_args *a, const mn_model *model, int32_t i, const char *const *types) {
    mn_str list = {.ctx = a->ctx};
    const int rc =
        mn_fail(a->ctx, MODNAS_ECONFIG, "%s does not work with %s (mixed op %d of model %s), only with %s",
                a->component->name, mn_model_mixed(model, i)->vt->type, i, model->type, list_text(&list, types));
    mn_str_free(&list);
    return rc;
}

int mn_gradient_check(const mn_args *a, const mn_model *model, const char *const *types) {
    const char *name = a->component->name;
    const int32_t n = mn_model_n_mixed(model);
    if (!n) return mn_fail(a->ctx, MODNAS_ECONFIG, "%s: model %s has no mixed ops", name, model->type);
    for (int32_t i = 0; i < n; i++)
        if (!is_one_of(mn_model_mixed(model, i)->vt->type, types)) return fail_type(a, model, i, types);
    if (model->arch) return 0;
    return mn_fail(a->ctx, MODNAS_ECONFIG, "%s: with 'backend: none' there are no gradients", name);
}

int mn_gradient_new(const mn_args *a, const mn_optim_env *env, const mn_optim_vt *vt, const char *const *types,
                    size_t state_bytes, mn_optim **out) {
    const mn_optimizer_env arch = {env->model->arch};
    mn_optim *o;
    MN_TRY(mn_gradient_check(a, env->model, types));
    MN_TRY(mn_optim_new(vt, a->ctx, env, state_bytes, &o));
    mn_gradient *s = o->state;
    const int rc = mn_registry_build(o->ctx, "optimizer", mn_args_node(a, "a_optim"), NULL, NULL, &arch, &s->optim);
    if (rc)
        mn_optim_free(o);
    else
        *out = o;
    return rc;
}

int mn_gradient_make(const mn_args *a, const mn_optim_env *env, const mn_optim_vt *vt, const char *const *types,
                     size_t state_bytes, int (*fill)(mn_optim *o, const mn_args *a, const mn_optim_env *env),
                     void *out) {
    mn_optim *o;
    MN_TRY(mn_gradient_new(a, env, vt, types, state_bytes, &o));
    const int rc = fill(o, a, env);
    if (rc)
        mn_optim_free(o);
    else
        *(mn_optim **)out = o;
    return rc;
}

int mn_gradient_apply(mn_optim *o) {
    const mn_gradient *s = o->state;
    return mn_weight_optim_step(s->optim, mn_weight_optim_lr(s->optim), 1);
}

int mn_gradient_state(mn_optim *o, mn_state *io) {
    return mn_weight_optim_state(((mn_gradient *)o->state)->optim, io);
}

void mn_gradient_destroy(mn_optim *o) {
    mn_weight_optim_free(((mn_gradient *)o->state)->optim);
}
