/* Life of an optimizer. */
#include "search/search.h"

/* What optimizers do not choose would stay where it is, and nobody would know. */
static int check_numbers(modnas_ctx *ctx, const mn_space *s) {
    for (size_t i = 0; s && i < s->params.n; i++) {
        const mn_arch_param *p = MN_AT(s->params, mn_arch_param *, i);
        if (p->n) continue;
        return mn_fail(ctx, MODNAS_ECONFIG,
                       "parameter %s is a number from %g to %g: optimizers choose among values, or whole numbers of a "
                       "range of up to %d",
                       p->name, p->low, p->high, MN_WHOLE_MAX);
    }
    return 0;
}

int mn_optim_new(const mn_optim_vt *vt, modnas_ctx *ctx, const mn_optim_env *env, size_t state_bytes, mn_optim **out) {
    MN_TRY(check_numbers(ctx, env->model->space));
    mn_optim *o = mn_alloc(ctx, 1, sizeof *o);
    void *state = mn_alloc(ctx, 1, state_bytes);
    if (!o || !state) {
        mn_free(ctx, o);
        mn_free(ctx, state);
        return MODNAS_ENOMEM;
    }
    o->vt = vt;
    o->ctx = ctx;
    o->model = env->model;
    o->state = state;
    mn_ctx_hold(ctx);
    *out = o;
    return 0;
}

int mn_optim_make(const mn_optim_vt *vt, const mn_args *a, const mn_optim_env *env, size_t state_bytes,
                  int (*fill)(mn_optim *o, const mn_args *a, const mn_optim_env *env), void *out) {
    mn_optim *o;
    MN_TRY(mn_optim_new(vt, a->ctx, env, state_bytes, &o));
    const int rc = fill(o, a, env);
    if (rc)
        mn_optim_free(o);
    else
        *(mn_optim **)out = o;
    return rc;
}

void mn_optim_free(mn_optim *o) {
    if (!o) return;
    modnas_ctx *ctx = o->ctx;
    if (o->vt->destroy) o->vt->destroy(o);
    mn_free(ctx, o->state);
    mn_free(ctx, o);
    mn_ctx_drop(ctx);
}
