/* DefaultTraversalConstructor: other layers in the place of those of a type, as Slots in the place of convolutions:
 *
 *   {type: DefaultTraversalConstructor, args: {by_classname: Conv2d, convert: Slot}}
 *
 * What the old layer was told (channels, window, stride, groups) the new one gets where it takes it, unless it says
 * otherwise. And constructors of the original that nothing but Python code can use: they are refused, with what does it
 * here. */
#include <string.h>

#include "construct/parts.h"
#include "module/layer_types.h"
#include "module/layers.h"

enum { MAX_NAMES = 16 };

typedef struct conversion {
    const mn_node *convert;
    struct {
        const char *type; /* of a module */
        int32_t act;      /* of an activation; -1: any */
    } of[MAX_NAMES];
    size_t n;
    mn_vec found; /* mn_module * */
} conversion;

/* ---- which ones ---------------------------------------------------------------------------------------- */

/* A name of PyTorch, or the type of a module. */
static void add_name(conversion *x, const char *name) {
    static const char *const torch[][2] = {{"Conv2d", "conv2d"},       {"BatchNorm2d", "batch_norm"},
                                           {"Linear", "linear"},       {"Dropout", "dropout"},
                                           {"MaxPool2d", "pool2d"},    {"AvgPool2d", "pool2d"},
                                           {"Identity", "identity"}};
    const int32_t act = mn_activation_find(name);
    x->of[x->n].act = act;
    x->of[x->n].type = act >= 0 ? "activation" : name;
    for (size_t i = 0; i < MN_COUNT(torch); i++)
        if (strcmp(torch[i][0], name) == 0) x->of[x->n].type = torch[i][1];
    x->n++;
}

static int read_names(const mn_args *a, const char *arg, conversion *x) {
    const mn_node *given = mn_args_node(a, arg);
    if (!given) return 0;
    const size_t n = given->kind == MN_SEQ ? given->n : 1;
    for (size_t i = 0; i < n; i++) {
        const mn_node *name = given->kind == MN_SEQ ? given->items[i] : given;
        if (name->kind != MN_STR) return mn_args_fail(a, arg, "a name, or a list of names, is wanted");
        if (x->n == MAX_NAMES) return mn_args_fail(a, arg, "more than %d names", (int)MAX_NAMES);
        add_name(x, name->text);
    }
    return 0;
}

/* Those inside of what a Slot holds belong to the operator there. */
static int find(mn_module *m, void *ud) {
    conversion *x = ud;
    if (!m->parent) return 0;
    for (const mn_module *p = m->parent; p; p = p->parent)
        if (mn_slot_of((mn_module *)(uintptr_t)p)) return 0;
    for (size_t i = 0; i < x->n; i++) {
        if (strcmp(m->vt->type, x->of[i].type) != 0) continue;
        if (x->of[i].act >= 0 && mn_activation_of(m) != x->of[i].act) continue;
        return mn_vec_push(m->model->ctx, &x->found, &m, 1) ? 0 : MODNAS_ENOMEM;
    }
    return 0;
}

/* ---- in their place ------------------------------------------------------------------------------------ */

static int set(modnas_ctx *ctx, mn_node *map, const char *key, int64_t i) {
    return mn_node_set(ctx, map, key, mn_node_int(ctx, i));
}

/* What is known of the old one, under the names that layers and Slots have for it. */
static int describe(const mn_module *old, mn_node *more, mn_flow *in) {
    modnas_ctx *ctx = old->model->ctx;
    const mn_param *w = mn_module_find_param(old, "weight");
    const int is_conv = w && w->use.kind == MODNAS_KERNEL_CONV2D, is_linear = w && w->use.kind == MODNAS_KERNEL_LINEAR;
    if (!is_conv && !is_linear) return 0;
    const int64_t chn_in = w->dims[1] * (w->groups ? w->groups : 1), chn_out = w->dims[0];
    in->chn = (int32_t)chn_in;
    MN_TRY(set(ctx, more, is_conv ? "out_channels" : "out_features", chn_out));
    if (!is_conv) return 0;
    MN_TRY(set(ctx, more, "chn_out", chn_out));
    MN_TRY(set(ctx, more, "kernel_size", w->dims[2]));
    MN_TRY(set(ctx, more, "stride", w->use.u.window.stride[0]));
    MN_TRY(set(ctx, more, "padding", w->use.u.window.pad[0]));
    MN_TRY(set(ctx, more, "dilation", w->use.u.window.dilation[0]));
    return set(ctx, more, "groups", w->groups ? w->groups : 1);
}

static int replace(const conversion *x, mn_module *old) {
    modnas_ctx *ctx = old->model->ctx;
    mn_flow given = {0};
    mn_layer_env env = {old->model, old->parent, old->name, {0}, &given};
    mn_node *more = mn_node_new(ctx, MN_MAP);
    mn_module *next = NULL;
    int rc = more ? describe(old, more, &env.in) : MODNAS_ENOMEM;
    if (!rc) rc = mn_registry_build(ctx, "layer", x->convert, NULL, more, &env, &next);
    mn_node_free(ctx, more);
    return rc ? rc : mn_module_replace(old, next);
}

static int run(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    conversion x = {.convert = mn_args_node(args, "convert")};
    (void)c, (void)out;
    if (!model->root) return mn_args_fail(args, "convert", "the configuration has no model");
    MN_TRY(read_names(args, "by_class", &x));
    MN_TRY(read_names(args, "by_classname", &x));
    mn_vec_init(&x.found, sizeof(mn_module *));
    int rc = mn_module_walk(model->root, find, &x);
    if (!rc && !x.found.n)
        rc = mn_args_fail(args, "by_classname", "model %s has no such layer outside of its Slots", model->type);
    for (size_t i = 0; i < x.found.n && !rc; i++) rc = replace(&x, MN_AT(x.found, mn_module *, i));
    mn_vec_free(model->ctx, &x.found);
    return rc;
}

/* ---- what needs Python --------------------------------------------------------------------------------- */

typedef struct refusal {
    mn_construct_row row;
    const char *instead; /* what does it here */
} refusal;

static int refuse(const mn_component *c, const mn_args *args, const void *env, void *out) {
    char where[256];
    (void)env, (void)out;
    return mn_fail(args->ctx, MODNAS_EUNSUPPORTED, "%s: %s needs Python code, which is not run here: %s",
                   args->origin ? mn_node_where(args->origin, where, sizeof where) : "construct", c->name,
                   ((const refusal *)c->data)->instead);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }
#define OLD(name)                                                                                                      \
    { name, MN_ARG_ANY, "null", NULL, MN_UNUSED_ARG }

static const mn_arg_def args_of[] = {
    {"by_class", MN_ARG_ANY, "null", NULL, "as by_classname"},
    {"by_classname", MN_ARG_ANY, "null", NULL, "the layers to replace: a name of PyTorch (Conv2d, ReLU6), or a list of names"},
    {"convert", MN_ARG_ANY, NULL, NULL, "the layer that stands there then; Slot: a place for candidates"},
    END};
static const mn_arg_def external_args[] = {OLD("model_type"), OLD("src_path"), OLD("import_path"), OLD("args"), END};
static const mn_arg_def slot_args[] = {OLD("gen"), OLD("convert_fn"), OLD("args"), OLD("skip_exist"), END};

static const mn_component rows[] = {
    {"construct", "DefaultTraversalConstructor", "other layers, or Slots, in the place of those of a type", args_of, run,
     NULL},
    {"construct", "ExternalModelConstructor", "refused: it imports a model written in Python", external_args, refuse,
     &(const refusal){{0}, "write the model in YAML (model: Sequential), or register it from a host (modnas_registry_register)"}},
    {"construct", "DefaultSlotTraversalConstructor", "refused: it calls a function for each Slot", slot_args, refuse,
     &(const refusal){{0}, "DefaultOpConstructor, DefaultMixedOpConstructor and DefaultSlotArchDescConstructor fill Slots; a host "
                           "fills them with modnas_slot_fill"}},
    {"construct", "DropPathTransformer", "refused: it changes a class of Python", slot_args, refuse,
     &(const refusal){{0}, "DropPathConstructor puts drop path on Slots, DropPathConverter on one operator"}},
};

int mn_construct_traversal_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
