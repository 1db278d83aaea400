/* Constructed: a candidate that goes through constructors of its own; DropPathConverter is one that is made for that.
 *
 *   candidates:
 *     SC3: {type: Constructed, args: {module: SC3, construct: {type: DropPathConverter, args: {drop_prob: 0.2}}}} */
#include "construct/parts.h"
#include "module/layers.h"

/* ---- the candidate ------------------------------------------------------------------------------------- */

static int run_one(const char *name, const mn_node *spec, void *ud) {
    const mn_construct_env *env = ud;
    modnas_ctx *ctx = env->model->ctx;
    const char *type;
    const mn_node *args;
    const mn_component *c;
    (void)name;
    MN_TRY(mn_spec_parse(ctx, spec, NULL, &type, &args));
    MN_TRY(mn_registry_need(ctx, "construct", type, spec, &c));
    const mn_construct_row *row = c->data;
    if (!row || !row->on_module)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s works on a model, not on one operator", c->name);
    return mn_registry_build(ctx, "construct", spec, NULL, NULL, env, NULL);
}

static int build_constructed(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    mn_module *m = NULL;
    const mn_construct_env construct = {e->model, &m};
    (void)c;
    MN_TRY(mn_registry_build(args->ctx, "candidate", mn_args_node(args, "module"), NULL, e->slot->args, env, &m));
    const int rc = mn_specs_visit(mn_args_node(args, "construct"), run_one, (void *)(uintptr_t)&construct);
    if (rc)
        mn_module_free(m);
    else
        *(mn_module **)out = m;
    return rc;
}

/* ---- drop path on one operator ------------------------------------------------------------------------- */

/* The operator becomes the first of two: {0: operator, 1: drop path}. */
static int run_converter(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_construct_env *e = env;
    mn_module *both, *drop;
    double p[2] = {0, 0};
    (void)out;
    MN_TRY(mn_drop_prob_read(args, p));
    if (!e->module)
        return mn_fail(args->ctx, MODNAS_ECONFIG, "%s works on the operator of a Constructed; for a model there is %s",
                       c->name, "DropPathConstructor");
    if (mn_module_is_identity(*e->module)) return 0;
    MN_TRY(mn_drop_path_new(e->model, p[0], p[1], &drop));
    int rc = mn_sequential_new(e->model, &both);
    if (rc) {
        mn_module_free(drop);
        return rc;
    }
    mn_module *const inner = *e->module;
    *e->module = both; /* which owns it from here on */
    rc = mn_module_append(both, inner);
    if (rc)
        mn_module_free(drop);
    else
        rc = mn_module_append(both, drop);
    return rc;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }

static const mn_arg_def constructed_args[] = {
    {"module", MN_ARG_SPEC, NULL, "candidate", "the operator"},
    {"construct", MN_ARG_SPECS, "null", "construct", "what it goes through, in order"},
    END};
static const mn_arg_def converter_args[] = {MN_DROP_PROB_ARG, END};

static const mn_component rows[] = {
    {"candidate", "Constructed", "an operator that went through constructors", constructed_args, build_constructed,
     NULL},
    {"construct", "DropPathConverter", "drop path on the operator of a Constructed, unless it is an identity",
     converter_args, run_converter, &(const mn_construct_row){MN_IN_ORDER, 1}},
};

int mn_construct_constructed_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
