/* The layer "Slot": how a host's backbone, or one written in YAML, asks for a Slot. */
#include "module/layer_types.h"
#include "space/slot.h"

/* Copies of what is given; *kwargs stays NULL for an empty map, *own for null. */
static int copy_specs(const mn_args *a, mn_node **kwargs, mn_node **own) {
    const mn_node *map = mn_args_node(a, "kwargs"), *op = mn_args_node(a, "op");
    if (map->n && !(*kwargs = mn_node_copy(a->ctx, map))) return MODNAS_ENOMEM;
    if (op && !(*own = mn_node_copy(a->ctx, op))) return MODNAS_ENOMEM;
    return 0;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    mn_model *model = ((const mn_layer_env *)env)->model;
    int32_t chn_in, chn_out, stride;
    mn_node *kwargs = NULL, *own = NULL;
    mn_module *m;
    (void)c;
    MN_TRY(mn_layer_chn_in(a, "chn_in", MN_LAYER_SIZE_MAX, env, &chn_in));
    chn_out = chn_in;
    if (mn_args_given(a, "chn_out")) MN_TRY(mn_args_count(a, "chn_out", 1, MN_LAYER_SIZE_MAX, &chn_out));
    MN_TRY(mn_args_count(a, "stride", 1, MN_LAYER_SIZE_MAX, &stride));
    int rc = copy_specs(a, &kwargs, &own);
    if (rc)
        mn_node_free(a->ctx, kwargs);
    else
        rc = mn_slot_new(model, chn_in, chn_out, stride, kwargs, &m);
    if (rc) {
        mn_node_free(a->ctx, own);
        return rc;
    }
    mn_slot_of(m)->own = own;
    *((const mn_layer_env *)env)->out = (mn_flow){chn_out, 0};
    *(mn_module **)out = m;
    return 0;
}

static const mn_arg_def args[] = {
    {"chn_in", MN_ARG_INT, "null", NULL, MN_LAYER_IN},
    {"chn_out", MN_ARG_INT, "null", NULL, "channels of the result; default: chn_in"},
    {"stride", MN_ARG_INT, "1", NULL, "height and width are divided by it"},
    {"op", MN_ARG_SPEC, "null", "candidate", "the operator that the backbone itself has here"},
    {"kwargs", MN_ARG_MAP, "{}", NULL, "what candidates may want to know beside"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {"layer", "Slot", "place for a candidate or a mixed op", args, build, NULL};

int mn_slot_type_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
