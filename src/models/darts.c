/* Networks of cells (Liu et al., DARTS, 2019): stem, cells of two kinds, pooling, classifier.
 *
 *   CIFAR      conv_first: 3x3 to chn * channel_multiplier, batch norm; both inputs of the first cell
 *   ImageNet   stem0: two 3x3 with stride 2; stem1: ReLU, one more; the first cell has stem0 and stem1 as its inputs
 *
 *   cells.<i>  a nested layer of the outputs of the two cells before, brought to the cell's channels by `preprocs`: 1x1
 *              convolutions in the order of `ops`, or a factorized reduction where the older one is twice as large; nodes
 *              that sum their edges, side by side. At layers // 3 and 2 layers // 3 channels double and the stride is 2:
 *              those are called "reduce", the others "normal", their edges "normal_0", "normal_1", ...
 *
 * The auxiliary head of the paper stands behind cell 2 layers // 3; only a loss that wants it records it. */
#include "models/models.h"
#include "space/candidates.h"
#include "space/nested.h"

enum { MAX_LAYERS = 256, MAX_CHN = 1 << 16, AUX_WINDOW = 5, AUX_LEAST = 6 };

typedef struct variant {
    int32_t imagenet, input;
} variant;

static const variant cifar = {0, 32}, imagenet = {1, 224};
static const char *const kinds[] = {"normal", "reduce", NULL};

typedef struct plan {
    const variant *form;
    mn_nested_desc cell;
    int32_t chn_in, chn, layers, multiplier, auxiliary, n_classes;
    int32_t reduced, chn_prev[2]; /* the cell before did; channels of the two cells before */
    int32_t size[2];              /* height and width where the next cell stands */
} plan;

typedef struct net_state {
    int32_t aux_at; /* cell that the auxiliary head reads; -1: there is none */
    const mn_run *run;
    mn_value *aux; /* what that gave when run was recorded last */
} net_state;

/* ---- stem ---------------------------------------------------------------------------------------------- */

static void halve(plan *p) {
    for (int i = 0; i < 2; i++) p->size[i] = (p->size[i] + 1) / 2;
}

static int conv3(mn_module *to, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t act) {
    const mn_conv_desc d = {chn_in, chn_out, {3, 3}, stride, {1, 1}, 1, 1, 0};
    return mn_conv_bn_act_append(to, &d, act);
}

static int add_relu(mn_module *to) {
    mn_module *m;
    MN_TRY(mn_activation_new(to->model, MODNAS_ACT_RELU, &m));
    return mn_module_append(to, m);
}

static int add_sequential(mn_module *to, const char *name, mn_module **out) {
    mn_module *m = NULL;
    const int rc = mn_sequential_new(to->model, &m);
    *out = m;
    return mn_add_made(to, name, rc, m);
}

static int add_imagenet_stem(mn_module *root, plan *p) {
    mn_module *m;
    MN_TRY(add_sequential(root, "stem0", &m));
    MN_TRY(conv3(m, p->chn_in, p->chn / 2, 2, MODNAS_ACT_RELU));
    MN_TRY(conv3(m, p->chn / 2, p->chn, 2, MODNAS_ACT_NONE));
    MN_TRY(add_sequential(root, "stem1", &m));
    MN_TRY(add_relu(m));
    MN_TRY(conv3(m, p->chn, p->chn, 2, MODNAS_ACT_NONE));
    for (int i = 0; i < 3; i++) halve(p);
    p->chn_prev[0] = p->chn_prev[1] = p->chn;
    p->reduced = 1;
    return 0;
}

static int add_stem(mn_module *root, plan *p) {
    mn_module *m;
    if (p->form->imagenet) return add_imagenet_stem(root, p);
    p->chn_prev[0] = p->chn_prev[1] = p->chn * p->multiplier;
    MN_TRY(add_sequential(root, "conv_first", &m));
    return conv3(m, p->chn_in, p->chn_prev[0], 1, MODNAS_ACT_NONE);
}

/* ---- cells --------------------------------------------------------------------------------------------- */

/* Of the cell before last; its size is twice the last one's where that reduced. */
static int new_preproc(mn_model *model, int32_t chn_in, int32_t chn, int reduces, mn_module **out) {
    const mn_block b = {.chn_in = chn_in, .chn_out = chn, .stride = 1, .kernel = 1, .groups = 1};
    return reduces ? mn_factorized_reduce_new(model, chn_in, chn, out) : mn_std_conv_new(model, &b, out);
}

static int add_cell(mn_module *cells, plan *p, int reduces) {
    mn_model *model = cells->model;
    mn_module *preproc[2] = {NULL, NULL}, *cell = NULL;
    mn_nested_desc d = p->cell;
    int rc = 0;
    p->chn *= reduces ? 2 : 1;
    d.name = kinds[reduces];
    d.n_inputs = 2;
    d.stride = reduces ? 2 : 1;
    d.chn = p->chn;
    d.preproc = preproc;
    for (int i = 0; i < 2 && !rc; i++) rc = new_preproc(model, p->chn_prev[i], p->chn, !i && p->reduced, &preproc[i]);
    if (rc) {
        mn_module_free(preproc[0]);
        return rc;
    }
    MN_TRY(mn_nested_new(model, &d, &cell));
    p->chn_prev[0] = p->chn_prev[1];
    p->chn_prev[1] = mn_nested_of(cell)->chn_out;
    p->reduced = reduces;
    if (reduces) halve(p);
    return mn_module_append(cells, cell);
}

/* ---- auxiliary head ------------------------------------------------------------------------------------ */

/* A window of 5 x 5 so far apart that 2 x 2 come of it: at 8 x 8 the stride of 3 that the paper has. */
static int add_aux_layers(mn_module *head, const plan *p) {
    const int32_t h = p->size[0], w = p->size[1];
    const mn_pool_opts pool = {
        .algo = MODNAS_POOL_AVG, .kernel = {AUX_WINDOW, AUX_WINDOW}, .stride = {h - AUX_WINDOW, w - AUX_WINDOW}};
    const mn_conv_desc narrow = {p->chn_prev[1], 128, {1, 1}, 1, {0, 0}, 1, 1, 0},
                       wide = {128, 768, {2, 2}, 1, {0, 0}, 1, 1, 0};
    mn_module *m;
    if (h < AUX_LEAST || w < AUX_LEAST)
        return mn_fail(head->model->ctx, MODNAS_ESHAPE, "the auxiliary head reads %dx%d pixels, at least %dx%d are wanted",
                       h, w, (int)AUX_LEAST, (int)AUX_LEAST);
    MN_TRY(add_relu(head));
    MN_TRY(mn_pool2d_new(head->model, &pool, &m));
    MN_TRY(mn_module_append(head, m));
    MN_TRY(mn_conv_bn_act_append(head, &narrow, MODNAS_ACT_RELU));
    MN_TRY(mn_conv_bn_act_append(head, &wide, MODNAS_ACT_RELU));
    MN_TRY(mn_global_pool_new(head->model, &m)); /* of 1 x 1 */
    MN_TRY(mn_module_append(head, m));
    MN_TRY(mn_linear_new(head->model, 768, p->n_classes, 1, &m));
    return mn_module_append(head, m);
}

static int forward_aux(mn_model *model, mn_run *run, mn_value **logits) {
    const net_state *s = model->root->state;
    if (s->run != run || !s->aux)
        return mn_fail(model->ctx, MODNAS_EINVAL, "the auxiliary head comes after the forward of %s", model->type);
    return mn_forward1(mn_module_child(model->root, "aux_head"), run, s->aux, logits);
}

/* ---- network ------------------------------------------------------------------------------------------- */

static int run_stem(mn_module *root, mn_run *run, mn_value *x, mn_value *s[2]) {
    mn_module *first = mn_module_child(root, "conv_first");
    if (!first) {
        MN_TRY(mn_forward1(mn_module_child(root, "stem0"), run, x, &s[0]));
        return mn_forward1(mn_module_child(root, "stem1"), run, s[0], &s[1]);
    }
    MN_TRY(mn_forward1(first, run, x, &s[0]));
    s[1] = s[0];
    return 0;
}

static int net_forward(mn_module *root, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    net_state *state = root->state;
    const mn_module *cells = mn_module_child(root, "cells");
    mn_value *s[2] = {NULL, NULL}, *v;
    if (n_src != 1) return mn_fail(root->model->ctx, MODNAS_EINVAL, "%s takes 1 value, %d given", root->vt->type, n_src);
    MN_TRY(run_stem(root, run, src[0], s));
    state->run = run;
    state->aux = NULL;
    for (size_t i = 0; i < cells->children.n; i++) {
        MN_TRY(mn_forward(MN_AT(cells->children, mn_module *, i), run, s, 2, &v));
        s[0] = s[1];
        s[1] = v;
        if ((int32_t)i == state->aux_at) state->aux = v;
    }
    MN_TRY(mn_forward1(mn_module_child(root, "avgpool"), run, s[1], &v));
    return mn_forward1(mn_module_child(root, "classifier"), run, v, dst);
}

static const mn_module_vt net_vt = {"cell_network", net_forward, NULL};

static int add_cells(mn_module *root, plan *p) {
    const int32_t first = p->layers / 3, second = 2 * p->layers / 3;
    net_state *s = root->state;
    mn_module *cells, *head;
    s->aux_at = -1;
    MN_TRY(add_sequential(root, "cells", &cells));
    for (int32_t i = 0; i < p->layers; i++) {
        MN_TRY(add_cell(cells, p, i == first || i == second));
        if (i != second || !p->auxiliary) continue;
        s->aux_at = i;
        MN_TRY(add_sequential(root, "aux_head", &head));
        MN_TRY(add_aux_layers(head, p));
    }
    return 0;
}

static int add_layers(mn_module *root, plan *p) {
    mn_module *m = NULL;
    MN_TRY(add_stem(root, p));
    MN_TRY(add_cells(root, p));
    int rc = mn_global_pool_new(root->model, &m);
    MN_TRY(mn_add_made(root, "avgpool", rc, m));
    rc = mn_linear_new(root->model, p->chn_prev[1], p->n_classes, 1, &m);
    return mn_add_made(root, "classifier", rc, m);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

static int read_cell(const mn_args *a, mn_nested_desc *d) {
    MN_TRY(mn_args_count(a, "nodes", 1, MN_STATES_MAX - 2, &d->n_rows));
    MN_TRY(mn_layer_def_read(a, "allocator", MN_ALLOCATOR, &d->allocator));
    MN_TRY(mn_layer_def_read(a, "merger_state", MN_MERGER, &d->merger_state));
    MN_TRY(mn_layer_def_read(a, "merger_out", MN_MERGER, &d->merger_out));
    return mn_layer_def_read(a, "enumerator", MN_ENUMERATOR, &d->enumerator);
}

static int read_plan(const mn_args *a, mn_model *model, plan *p) {
    MN_TRY(mn_model_read_images(a, p->form->input, model));
    MN_TRY(mn_args_count(a, "chn", 1 + p->form->imagenet, MAX_CHN, &p->chn));
    MN_TRY(mn_args_count(a, "layers", 1, MAX_LAYERS, &p->layers));
    MN_TRY(mn_args_count(a, "channel_multiplier", 1, 64, &p->multiplier));
    MN_TRY(read_cell(a, &p->cell));
    p->auxiliary = mn_args_bool(a, "auxiliary");
    p->chn_in = model->input[0];
    p->n_classes = model->n_classes;
    for (int i = 0; i < 2; i++) p->size[i] = model->input[1 + i];
    model->ops.pool_bn = mn_args_bool(a, "pool_bn");
    return 0;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    plan p = {.form = c->data};
    mn_module *root;
    (void)out;
    MN_TRY(read_plan(a, model, &p));
    MN_TRY(mn_module_new(model, &net_vt, sizeof(net_state), &root));
    const int rc = add_layers(root, &p);
    if (rc) {
        mn_module_free(root);
        return rc;
    }
    model->root = root;
    model->cells = kinds;
    model->forward_aux = p.auxiliary ? forward_aux : NULL;
    return 0;
}

#define ARGS(classes, width, n)                                                                                        \
    MN_IMAGE_ARGS(classes),                                                                                            \
        {"chn", MN_ARG_INT, width, NULL, "channels of an edge in the first cells"},                                    \
        {"layers", MN_ARG_INT, n, NULL, "cells"},                                                                      \
        {"nodes", MN_ARG_INT, "4", NULL, "nodes of a cell"},                                                           \
        {"channel_multiplier", MN_ARG_INT, "3", NULL, "of chn, for the stem of CIFAR networks"},                       \
        {"auxiliary", MN_ARG_BOOL, "false", NULL, "an auxiliary head, for AuxiliaryLoss"},                             \
        {"pool_bn", MN_ARG_BOOL, "true", NULL, "batch norm behind pooling, as `ops` says; the paper has none"},        \
        {"shared_a", MN_ARG_BOOL, "true", NULL, MN_UNUSED_ARG},                                                        \
        {"allocator", MN_ARG_SPEC, "ReplicateAllocator", "layer_def", "of a cell, as of a DAGLayer"},                  \
        {"merger_state", MN_ARG_SPEC, "SumMerger", "layer_def", "likewise"},                                           \
        {"merger_out", MN_ARG_SPEC, "ConcatMerger", "layer_def", "likewise"},                                          \
        {"enumerator", MN_ARG_SPEC, "CombinationEnumerator", "layer_def", "likewise"}, {                               \
        NULL, 0, NULL, NULL, NULL                                                                                      \
    }

static const mn_arg_def cifar_args[] = {ARGS("10", "16", "8")}, imagenet_args[] = {ARGS("1000", "48", "14")};

static const mn_component rows[] = {
    {"model", "DARTS", "cells for 3x32x32 images", cifar_args, build, &cifar},
    {"model", "ImageNet-DARTS", "cells for 3x224x224 images", imagenet_args, build, &imagenet},
};

int mn_darts_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
