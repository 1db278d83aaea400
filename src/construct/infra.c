/* Constructors around the others: initialisation, the model itself, placement, weights from a file. */
#include <string.h>
#include <unistd.h>

#include "construct/parts.h"

/* ---- init: the seed is read before anything is made (mn_construct_seed); settings of operators can be given here too
 */

static int run_init(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    (void)args, (void)out;
    if (model->root) return mn_fail(model->ctx, MODNAS_ECONFIG, "%s comes after the model; it belongs before", c->name);
    return 0;
}

static int run_torch_init(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    MN_TRY(run_init(c, args, env, out));
    return mn_ops_conf_read(model->ctx, mn_args_node(args, "ops_conf"), &model->ops);
}

/* ---- the model ----------------------------------------------------------------------------------------- */

static int set_string(modnas_ctx *ctx, mn_node *map, const char *key, const char *text) {
    mn_node *n = mn_node_str(ctx, text);
    return n ? mn_node_set(ctx, map, key, n) : MODNAS_ENOMEM;
}

static int model_spec(const mn_args *args, mn_node **out) {
    modnas_ctx *ctx = args->ctx;
    const mn_node *given = mn_args_node(args, "args");
    mn_node *spec = mn_node_new(ctx, MN_MAP);
    int rc = spec ? set_string(ctx, spec, "type", mn_args_str(args, "model_type")) : MODNAS_ENOMEM;
    if (!rc && given) {
        mn_node *copy = mn_node_copy(ctx, given);
        rc = copy ? mn_node_set(ctx, spec, "args", copy) : MODNAS_ENOMEM;
    }
    if (!rc && args->origin && args->origin->file)
        rc = mn_node_place(ctx, spec, args->origin->file, args->origin->line);
    if (rc)
        mn_node_free(ctx, spec);
    else
        *out = spec;
    return rc;
}

int mn_construct_network(mn_model *model, const mn_node *spec) {
    modnas_ctx *ctx = model->ctx;
    const mn_model_env env = {model};
    const mn_component *type;
    const mn_node *args;
    const char *name;
    char where[256];
    if (model->root)
        return mn_fail(ctx, MODNAS_EINVAL, "%s: the model is a %s already", mn_node_where(spec, where, sizeof where),
                       model->type);
    MN_TRY(mn_spec_parse(ctx, spec, NULL, &name, &args));
    MN_TRY(mn_registry_need(ctx, "model", name, spec, &type));
    mn_free(ctx, model->type);
    model->type = mn_strdup(ctx, type->name);
    return model->type ? mn_registry_build(ctx, "model", spec, NULL, NULL, &env, NULL) : MODNAS_ENOMEM;
}

static int run_model(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_node *spec;
    (void)c, (void)out;
    if (model->root) return mn_args_fail(args, "model_type", "the model is a %s already", model->type);
    MN_TRY(model_spec(args, &spec));
    const int rc = mn_construct_network(model, spec);
    mn_node_free(model->ctx, spec);
    return rc;
}

/* ---- placement: a model stands on its backend from the start ------------------------------------------- */

static int run_device(const mn_component *c, const mn_args *args, const void *env, void *out) {
    (void)c, (void)args, (void)env, (void)out;
    return 0;
}

/* ---- weights ------------------------------------------------------------------------------------------- */

/* "NAME.pt" of the original, where only "NAME.safetensors" of ours is there. */
int mn_weights_path(const char *given, mn_str *path) {
    const char *end = given[0] == '{' ? strstr(given, "}/") : NULL;
    if (end) given = end + 2; /* published configurations have a placeholder for the folder of the run */
    const size_t n = strlen(given);
    mn_str_add(path, given);
    if (!path->failed && n >= 3 && strcmp(given + n - 3, ".pt") == 0 && access(given, F_OK) != 0) {
        path->n -= 3;
        mn_str_add(path, ".safetensors");
        if (!path->failed && access(path->text, F_OK) != 0) {
            path->n = 0;
            mn_str_add(path, given);
        }
    }
    return path->failed ? MODNAS_ENOMEM : 0;
}

static int run_weights(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_str path = {.ctx = model->ctx};
    (void)c, (void)out;
    int rc = mn_weights_path(mn_args_str(args, "path"), &path);
    if (!rc) rc = mn_model_load(model, path.text, mn_args_bool(args, "partial"));
    if (rc == MODNAS_ENOTFOUND || rc == MODNAS_EFORMAT || rc == MODNAS_ESHAPE)
        rc = mn_args_fail(args, "path", "%s", modnas_errmsg(model->ctx));
    mn_str_free(&path);
    return rc;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }

static const mn_arg_def init_args[] = {
    {"seed", MN_ARG_INT, "null", NULL, "of all random numbers; the top-level key seed wins"}, END};
static const mn_arg_def torch_init_args[] = {
    {"seed", MN_ARG_INT, "null", NULL, "of all random numbers; the top-level key seed wins"},
    {"device", MN_ARG_ANY, "null", NULL, "accepted and not used: see backend"},
    {"ops_conf", MN_ARG_MAP, "null", NULL, "as the top-level key ops"},
    END};
static const mn_arg_def model_args[] = {{"model_type", MN_ARG_STR, NULL, NULL, "name of a model"},
                                        {"args", MN_ARG_MAP, "null", NULL, "its arguments"},
                                        END};
static const mn_arg_def device_args[] = {{"device", MN_ARG_ANY, "all", NULL, "accepted and not used: see backend"},
                                         {"data_parallel", MN_ARG_BOOL, "true", NULL, "accepted and not used"},
                                         END};
static const mn_arg_def weights_args[] = {
    {"path", MN_ARG_STR, NULL, NULL, "a safetensors file"},
    {"partial", MN_ARG_BOOL, "false", NULL, "tensors that only one side has are left alone"},
    END};
static const mn_component rows[] = {
    {"construct", "DefaultInitConstructor", "start of construction without a network", init_args, run_init, NULL},
    {"construct", "TorchInitConstructor", "start of construction of a network", torch_init_args, run_torch_init, NULL},
    {"construct", "DefaultModelConstructor", "a registered model", model_args, run_model, NULL},
    {"construct", "TorchToDevice", "accepted; a model stands on its backend from the start", device_args, run_device,
     NULL},
    {"construct", "TorchCheckpointLoader", "weights from a file, after the network is complete", weights_args,
     run_weights, &(const mn_construct_row){.when = MN_WHEN_COMMITTED}},
};

int mn_construct_infra_register(modnas_ctx *ctx) {
    MN_TRY(mn_registry_add_all(ctx, rows, MN_COUNT(rows)));
    return mn_registry_alias(ctx, "construct", "DefaultTorchCheckpointLoader", "TorchCheckpointLoader");
}
