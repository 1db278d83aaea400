/* Layers of layers: rows, repeats, residual and branch blocks, the block of mobile networks; and how a layer comes to
 * stand in another.
 *
 *   Sequential         layers
 *   Residual           activation(layers(x) + shortcut(x))         shortcut: nothing, or layers of its own
 *   Branch             concat, sum or product of branches that all get x
 *   InvertedResidual   1x1 to hidden, depthwise, squeeze-excite, 1x1 out; plus x where that fits */
#include <stdio.h>
#include <string.h>

#include "module/layer_types.h"
#include "module/layers.h"

enum { MAX_REPEAT = 1000, MAX_LAYERS = 65536 /* of a model */, MAX_BRANCHES = 64 };

static mn_module *child(const mn_module *m, size_t i) {
    return MN_AT(m->children, mn_module *, i);
}

/* Hand out a module that was filled in, or free it. */
static int finish(int rc, mn_module *m, void *out) {
    if (rc)
        mn_module_free(m);
    else
        *(mn_module **)out = m;
    return rc;
}

/* ---- a layer in its place ------------------------------------------------------------------------------ */

/* What is wrong with a name, with its place in the file. */
static int check_place(mn_module *parent, const char *name, const mn_node *spec) {
    modnas_ctx *ctx = parent->model->ctx;
    char where[256];
    const int rc = mn_module_check_name(parent, name);
    if (rc && rc != MODNAS_ENOMEM && spec->line)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s", mn_node_where(spec, where, sizeof where), modnas_errmsg(ctx));
    if (rc || parent->model->n_layers++ < MAX_LAYERS) return rc;
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: more than %d layers", mn_node_where(spec, where, sizeof where),
                   (int)MAX_LAYERS);
}

int mn_layer_add(mn_module *parent, const char *name, const mn_node *spec, mn_flow *flow, mn_module **out) {
    modnas_ctx *ctx = parent->model->ctx;
    mn_flow given = {0};
    const mn_layer_env env = {parent->model, parent, name, flow ? *flow : (mn_flow){0}, &given};
    mn_module *m = NULL;
    char where[256];
    MN_TRY(check_place(parent, name, spec));
    MN_TRY(mn_registry_build(ctx, "layer", spec, NULL, NULL, &env, &m));
    if (spec->line && !(m->where = mn_strdup(ctx, mn_node_where(spec, where, sizeof where)))) {
        mn_module_free(m);
        return MODNAS_ENOMEM;
    }
    MN_TRY(mn_module_add(parent, name, m));
    if (flow) *flow = given;
    if (out) *out = m;
    return 0;
}

/* ---- layers in a row ----------------------------------------------------------------------------------- */

typedef struct filling {
    mn_module *parent;
    mn_flow *flow;
} filling;

static int add_part(const char *name, const mn_node *spec, void *ud) {
    const filling *f = ud;
    char number[24];
    snprintf(number, sizeof number, "%zu", f->parent->children.n);
    return mn_layer_add(f->parent, name ? name : number, spec, f->flow, NULL);
}

int mn_layers_fill(mn_module *parent, const mn_node *specs, mn_flow *flow) {
    filling f = {parent, flow};
    return mn_specs_visit(specs, add_part, &f);
}

/* The layers once, or each time in a row of their own. */
static int fill_rows(mn_module *m, const mn_args *a, mn_flow *flow) {
    const mn_node *layers = mn_args_node(a, "layers");
    int32_t n;
    MN_TRY(mn_args_count(a, "repeat", 1, MAX_REPEAT, &n));
    if (n == 1) return mn_layers_fill(m, layers, flow);
    for (int32_t i = 0; i < n; i++) {
        mn_module *row;
        MN_TRY(mn_sequential_new(m->model, &row));
        MN_TRY(mn_module_append(m, row));
        MN_TRY(mn_layers_fill(row, layers, flow));
    }
    return 0;
}

static int build_sequential(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_layer_env *e = env;
    mn_module *m;
    (void)c;
    *e->out = e->in;
    MN_TRY(mn_sequential_new(e->model, &m));
    return finish(fill_rows(m, a, e->out), m, out);
}

/* A sequential of given layers as the next child; what it gives is added to flow. */
static int add_row(mn_module *parent, const char *name, const mn_node *layers, mn_flow *flow) {
    mn_module *row;
    MN_TRY(mn_sequential_new(parent->model, &row));
    MN_TRY(mn_module_add(parent, name, row));
    return mn_layers_fill(row, layers, flow);
}

/* ---- residual ------------------------------------------------------------------------------------------ */

/* children: layers, and shortcut if it has layers of its own. state: the activation behind the sum */
static int residual_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    const int32_t act = *(const int32_t *)m->state;
    mn_value *y, *x = src[0];
    MN_TRY(mn_forward(child(m, 0), run, src, n_src, &y));
    if (m->children.n > 1) MN_TRY(mn_forward(child(m, 1), run, src, n_src, &x));
    if (memcmp(y->dims, x->dims, sizeof y->dims) != 0) {
        char a[64], b[64];
        return mn_fail(m->model->ctx, MODNAS_ESHAPE, "the layers give %s, the shortcut %s", mn_dims_text(y->dims, a),
                       mn_dims_text(x->dims, b));
    }
    MN_TRY(mn_add(run, y, x, dst));
    return act == MODNAS_ACT_NONE ? 0 : mn_activation(run, *dst, act, 0, 0, dst);
}

static const mn_module_vt residual_vt = {"residual", residual_forward, NULL};

static int residual_new(mn_model *model, int32_t act, mn_module **out) {
    MN_TRY(mn_module_new(model, &residual_vt, sizeof act, out));
    *(int32_t *)(*out)->state = act;
    return 0;
}

static int fill_residual(mn_module *m, const mn_args *a, const mn_layer_env *e) {
    const mn_node *given = mn_args_node(a, "shortcut");
    mn_flow shortcut = e->in;
    *e->out = e->in;
    MN_TRY(add_row(m, "layers", mn_args_node(a, "layers"), e->out));
    if (given) MN_TRY(add_row(m, "shortcut", given, &shortcut));
    if (!e->out->chn || !shortcut.chn || e->out->chn == shortcut.chn) return 0;
    return mn_args_fail(a, given ? "shortcut" : "layers", "the layers give %d channels, the shortcut %d%s",
                        e->out->chn, shortcut.chn, given ? "" : ": it needs layers of its own");
}

static int build_residual(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_layer_env *e = env;
    mn_module *m;
    (void)c;
    MN_TRY(residual_new(e->model, mn_args_act(a, "activation"), &m));
    return finish(fill_residual(m, a, e), m, out);
}

/* ---- branches ------------------------------------------------------------------------------------------ */

enum merge { CONCAT, SUM, PRODUCT };
static const char *const merges[] = {"concat", "sum", "product"};

static int merge(mn_run *run, int32_t how, mn_value **v, int32_t n, mn_value **dst) {
    if (how == CONCAT && n > 1) return mn_concat(run, v, n, 1, dst);
    *dst = v[0];
    for (int32_t i = 1; i < n; i++)
        MN_TRY(how == SUM ? mn_add(run, *dst, v[i], dst) : mn_binary(run, MODNAS_BINARY_MUL, *dst, v[i], dst));
    return 0;
}

static int branch_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_value *v[MAX_BRANCHES] = {NULL};
    for (size_t i = 0; i < m->children.n; i++) MN_TRY(mn_forward(child(m, i), run, src, n_src, &v[i]));
    return merge(run, *(const int32_t *)m->state, v, (int32_t)m->children.n, dst);
}

static const mn_module_vt branch_vt = {"branch", branch_forward, NULL};

typedef struct branching {
    mn_module *m;
    const mn_layer_env *env;
    int32_t how;
} branching;

/* All branches get what comes in; channels add up, or are those of the first one. */
static int add_branch(const char *name, const mn_node *spec, void *ud) {
    const branching *b = ud;
    mn_flow flow = b->env->in, *out = b->env->out;
    const int is_first = b->m->children.n == 0;
    char number[24], where[256];
    if (b->m->children.n == MAX_BRANCHES)
        return mn_fail(b->m->model->ctx, MODNAS_ECONFIG, "%s: more than %d branches",
                       mn_node_where(spec, where, sizeof where), (int)MAX_BRANCHES);
    snprintf(number, sizeof number, "%zu", b->m->children.n);
    MN_TRY(mn_layer_add(b->m, name ? name : number, spec, &flow, NULL));
    if (is_first)
        *out = flow;
    else if (b->how == CONCAT)
        out->chn = out->chn && flow.chn ? out->chn + flow.chn : 0;
    return 0;
}

static int build_branch(const mn_component *c, const mn_args *a, const void *env, void *out) {
    branching b = {NULL, env, 0};
    (void)c;
    while (strcmp(merges[b.how], mn_args_str(a, "merge")) != 0) b.how++;
    MN_TRY(mn_module_new(b.env->model, &branch_vt, sizeof b.how, &b.m));
    *(int32_t *)b.m->state = b.how;
    int rc = mn_specs_visit(mn_args_node(a, "branches"), add_branch, &b);
    if (!rc && !b.m->children.n) rc = mn_args_fail(a, "branches", "there are none");
    return finish(rc, b.m, out);
}

/* ---- inverted residual (Sandler et al. 2018; Tan et al. 2019) ------------------------------------------ */

typedef struct inverted {
    int32_t chn_in, chn_out, hidden, kernel, stride, act, expand, residual;
    int32_t n_excite, gate; /* of squeeze-excite: hidden units, 0: none; its last activation */
} inverted;

static int read_inverted(const mn_args *a, const mn_layer_env *e, inverted *b) {
    MN_TRY(mn_layer_chn_in(a, "in_channels", MN_LAYER_SIZE_MAX, e, &b->chn_in));
    MN_TRY(mn_args_count(a, "out_channels", 1, MN_LAYER_SIZE_MAX, &b->chn_out));
    MN_TRY(mn_args_count(a, "hidden", 1, MN_LAYER_SIZE_MAX, &b->hidden));
    MN_TRY(mn_args_count(a, "kernel_size", 1, MN_LAYER_SIZE_MAX, &b->kernel));
    MN_TRY(mn_args_count(a, "stride", 1, MN_LAYER_SIZE_MAX, &b->stride));
    MN_TRY(mn_args_count(a, "squeeze_excite", 0, MN_LAYER_SIZE_MAX, &b->n_excite));
    b->act = mn_args_act(a, "activation");
    b->gate = mn_args_act(a, "gate");
    b->expand = mn_args_given(a, "expand") ? mn_args_bool(a, "expand") : b->hidden != b->chn_in;
    b->residual = mn_args_bool(a, "residual") && b->stride == 1 && b->chn_in == b->chn_out;
    if (b->kernel % 2 == 0) return mn_args_fail(a, "kernel_size", "%d is even: the padding would not be SAME", b->kernel);
    if (!b->expand && b->hidden != b->chn_in)
        return mn_args_fail(a, "hidden", "%d, but without expand it is the %d channels that come in", b->hidden,
                            b->chn_in);
    return 0;
}

static int fill_inverted(mn_module *m, const inverted *b) {
    const int32_t k = b->kernel, p = k / 2;
    const mn_conv_desc depthwise = {b->hidden, b->hidden, {k, k}, b->stride, {p, p}, 1, b->hidden, 0};
    const mn_conv_desc project = {b->hidden, b->chn_out, {1, 1}, 1, {0, 0}, 1, 1, 0};
    const mn_conv_desc expand = {b->chn_in, b->hidden, {1, 1}, 1, {0, 0}, 1, 1, 0};
    mn_module *part;
    if (b->expand) MN_TRY(mn_conv_bn_act_append(m, &expand, b->act));
    MN_TRY(mn_conv_bn_act_append(m, &depthwise, b->act));
    if (b->n_excite) {
        MN_TRY(mn_squeeze_excite_new(m->model, b->hidden, b->n_excite, MODNAS_ACT_RELU, b->gate, &part));
        MN_TRY(mn_module_append(m, part));
    }
    return mn_conv_bn_act_append(m, &project, MODNAS_ACT_NONE);
}

static int build_inverted(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_layer_env *e = env;
    inverted b;
    mn_module *m, *row;
    (void)c;
    MN_TRY(read_inverted(a, e, &b));
    *e->out = (mn_flow){b.chn_out, e->in.is_flat};
    MN_TRY(b.residual ? residual_new(e->model, MODNAS_ACT_NONE, &m) : mn_sequential_new(e->model, &m));
    int rc = mn_sequential_new(e->model, &row);
    if (!rc) rc = mn_module_add(m, "layers", row);
    return finish(rc ? rc : fill_inverted(row, &b), m, out);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }
#define CHN_IN                                                                                                         \
    { "in_channels", MN_ARG_INT, "null", NULL, MN_LAYER_IN }
#define LAYERS(text)                                                                                                   \
    { "layers", MN_ARG_SPECS, "null", "layer", text }

static const mn_arg_def sequential_args[] = {
    LAYERS("a list of layers, or a map name -> layer"),
    {"repeat", MN_ARG_INT, "1", NULL, "that often one after another, each time with weights of its own"},
    END};
static const mn_arg_def residual_args[] = {
    LAYERS("what is added to the shortcut: a list of layers, or a map name -> layer"),
    {"shortcut", MN_ARG_SPECS, "null", "layer", "layers of the other way; default: none, what comes in is added"},
    {"activation", MN_ARG_STR, "none", MN_LAYER_ACTS, "behind the sum"},
    END};
static const mn_arg_def branch_args[] = {
    {"branches", MN_ARG_SPECS, NULL, "layer", "a list of layers, or a map name -> layer, that all get what comes in"},
    {"merge", MN_ARG_STR, "concat", "concat|sum|product", "how their results become one; concat: over channels"},
    END};
static const mn_arg_def inverted_args[] = {
    CHN_IN,
    {"out_channels", MN_ARG_INT, NULL, NULL, "channels of the result"},
    {"hidden", MN_ARG_INT, NULL, NULL, "channels of the depthwise convolution"},
    {"kernel_size", MN_ARG_INT, "3", NULL, "of the depthwise convolution; odd"},
    {"stride", MN_ARG_INT, "1", NULL, "of the depthwise convolution"},
    {"squeeze_excite", MN_ARG_INT, "0", NULL, "hidden units of a squeeze-excite behind it; 0: none"},
    {"activation", MN_ARG_STR, "ReLU6", MN_LAYER_ACTS, "behind the first two convolutions"},
    {"gate", MN_ARG_STR, "Hardsigmoid", MN_LAYER_REAL_ACTS, "of squeeze-excite's factors"},
    {"expand", MN_ARG_BOOL, "null", NULL, "a 1x1 convolution in front; default: if hidden is not in_channels"},
    {"residual", MN_ARG_BOOL, "true", NULL, "what comes in is added where stride is 1 and channels agree"},
    END};

static const mn_component rows[] = {
    {"layer", "Sequential", "layers one after another", sequential_args, build_sequential, NULL},
    {"layer", "Residual", "layers, and what comes in added to their result", residual_args, build_residual, NULL},
    {"layer", "Branch", "layers side by side, their results made one", branch_args, build_branch, NULL},
    {"layer", "InvertedResidual", "1x1, depthwise, 1x1 convolution: the block of mobile networks", inverted_args,
     build_inverted, NULL},
};

int mn_layer_blocks_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
