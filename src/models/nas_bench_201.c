/* NASBench201: the 5^6 networks of cells of NAS-Bench-201 (Dong and Yang, ICLR 2020) for 3x32x32 images.
 *
 *   stem -> stage1 -> reduce1 -> stage2 -> reduce2 -> stage3 -> last -> pool -> fc
 *
 * A stage is n_cells (5) equal cells of 16, 32 and 64 channels; between stages a residual block halves the image. A cell
 * has four nodes; the first is what comes in, each other one the sum of a Slot's result on every node before it, the
 * last one is what it gives:
 *
 *   edge    1<-0  2<-0  2<-1  3<-0  3<-1  3<-2         in this order
 *
 * All cells are alike: an architecture is six digits, one an edge, in that order: none, skip_connect, nor_conv_1x1,
 * nor_conv_3x3, avg_pool_3x3. Slots of one edge have its name as their label, by which a search ties them. */
#include <stdio.h>

#include "models/models.h"
#include "module/layer_types.h"
#include "space/candidates.h"

enum { N_NODES = 4, N_EDGES = 6, N_STAGES = 3, MAX_CELLS = 64 };

static const char *const ops[] = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"};
static const mn_digits digits = {ops, MN_COUNT(ops), N_EDGES};

static mn_module *child(const mn_module *m, size_t i) {
    return MN_AT(m->children, mn_module *, i);
}

/* ---- cell ---------------------------------------------------------------------------------------------- */

/* children: the Slots of the edges in order */
static int cell_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_value *node[N_NODES], *v;
    size_t edge = 0;
    if (n_src != 1) return mn_fail(m->model->ctx, MODNAS_EINVAL, "a cell takes 1 value, %d given", (int)n_src);
    node[0] = src[0];
    for (int to = 1; to < N_NODES; to++) {
        for (int from = 0; from < to; from++) {
            MN_TRY(mn_forward1(child(m, edge++), run, node[from], &v));
            if (from) MN_TRY(mn_add(run, node[to], v, &v));
            node[to] = v;
        }
    }
    *dst = node[N_NODES - 1];
    return 0;
}

static const mn_module_vt cell_vt = {"cell", cell_forward, NULL};

static int add_edge(mn_module *cell, int32_t chn, int to, int from) {
    char name[16];
    mn_module *slot;
    snprintf(name, sizeof name, "%d<-%d", to, from);
    MN_TRY(mn_slot_new(cell->model, chn, chn, 1, NULL, &slot));
    MN_TRY(mn_module_add(cell, name, slot));
    return mn_slot_set_label(mn_slot_of(slot), name);
}

static int add_cell(mn_module *stage, int32_t chn) {
    mn_module *cell;
    MN_TRY(mn_module_new(stage->model, &cell_vt, 0, &cell));
    MN_TRY(mn_module_append(stage, cell));
    for (int to = 1; to < N_NODES; to++)
        for (int from = 0; from < to; from++) MN_TRY(add_edge(cell, chn, to, from));
    return 0;
}

/* ---- reduction ----------------------------------------------------------------------------------------- */

/* children: conv_a, conv_b, downsample */
static int reduce_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_value *x, *y;
    if (n_src != 1) return mn_fail(m->model->ctx, MODNAS_EINVAL, "a reduction takes 1 value, %d given", (int)n_src);
    MN_TRY(mn_forward1(child(m, 0), run, src[0], &y));
    MN_TRY(mn_forward1(child(m, 1), run, y, &y));
    MN_TRY(mn_forward1(child(m, 2), run, src[0], &x));
    return mn_add(run, x, y, dst);
}

static const mn_module_vt reduce_vt = {"reduction", reduce_forward, NULL};

static int add_reduction(mn_module *root, const char *name, int32_t chn_in, int32_t chn_out) {
    mn_model *model = root->model;
    const mn_pool_opts half = {.algo = MODNAS_POOL_AVG, .kernel = {2, 2}, .stride = {2, 2}};
    const mn_conv_desc d = {chn_in, chn_out, {1, 1}, 1, {0, 0}, 1, 1, 0};
    mn_module *m, *down, *part = NULL;
    MN_TRY(mn_module_new(model, &reduce_vt, 0, &m));
    MN_TRY(mn_module_add(root, name, m));
    int rc = mn_relu_conv_bn_new(model, chn_in, chn_out, 3, 2, &part);
    MN_TRY(mn_add_made(m, "conv_a", rc, part));
    rc = mn_relu_conv_bn_new(model, chn_out, chn_out, 3, 1, &part);
    MN_TRY(mn_add_made(m, "conv_b", rc, part));
    MN_TRY(mn_sequential_new(model, &down));
    MN_TRY(mn_module_add(m, "downsample", down));
    MN_TRY(mn_pool2d_new(model, &half, &part));
    MN_TRY(mn_module_append(down, part));
    MN_TRY(mn_conv2d_new(model, &d, &part));
    return mn_module_append(down, part);
}

/* ---- network ------------------------------------------------------------------------------------------- */

typedef struct plan {
    int32_t chn, n_cells;
} plan;

static int add_stages(mn_module *root, const plan *p) {
    char name[16];
    mn_module *stage;
    for (int i = 0; i < N_STAGES; i++) {
        const int32_t chn = p->chn << i;
        snprintf(name, sizeof name, "reduce%d", i);
        if (i) MN_TRY(add_reduction(root, name, chn / 2, chn));
        snprintf(name, sizeof name, "stage%d", i + 1);
        MN_TRY(mn_sequential_new(root->model, &stage));
        MN_TRY(mn_module_add(root, name, stage));
        for (int32_t k = 0; k < p->n_cells; k++) MN_TRY(add_cell(stage, chn));
    }
    return 0;
}

static int add_parts(mn_module *root, const void *made) {
    const plan *p = made;
    mn_model *model = root->model;
    const int32_t chn_last = p->chn << (N_STAGES - 1);
    mn_module *m = NULL, *part;
    int rc = mn_conv_bn_act_new(model, model->input[0], p->chn, 3, 1, 1, MODNAS_ACT_NONE, &m);
    MN_TRY(mn_add_made(root, "stem", rc, m));
    MN_TRY(add_stages(root, p));
    MN_TRY(mn_sequential_new(model, &m));
    MN_TRY(mn_module_add(root, "last", m));
    MN_TRY(mn_batch_norm_new(model, chn_last, 1, 0, 0, &part));
    MN_TRY(mn_module_append(m, part));
    MN_TRY(mn_activation_new(model, MODNAS_ACT_RELU, &part));
    MN_TRY(mn_module_append(m, part));
    rc = mn_global_pool_new(model, &m);
    MN_TRY(mn_add_made(root, "pool", rc, m));
    rc = mn_linear_new(model, chn_last, model->n_classes, 1, &m);
    return mn_add_made(root, "fc", rc, m);
}

/* What the benchmark's strongest networks are mostly made of. */
static int predefined(mn_model *model, const mn_slot *s, mn_module **out) {
    return mn_relu_conv_bn_new(model, s->chn_in, s->chn_out, 3, s->stride, out);
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    plan p;
    (void)c, (void)out;
    MN_TRY(mn_model_read_images(args, 32, model));
    if (model->input[1] % 4 || model->input[2] % 4)
        return mn_args_fail(args, "input", "%d x %d pixels; both have to be multiples of 4", model->input[1], model->input[2]);
    MN_TRY(mn_args_count(args, "chn", 1, 4096, &p.chn));
    MN_TRY(mn_args_count(args, "n_cells", 1, MAX_CELLS, &p.n_cells));
    MN_TRY(mn_model_set_root(model, add_parts, &p));
    model->predefined = predefined;
    model->digits = &digits;
    return 0;
}

static const mn_arg_def args[] = {
    MN_IMAGE_ARGS("10"),
    {"chn", MN_ARG_INT, "16", NULL, "channels of the first stage; the others have twice and four times as many"},
    {"n_cells", MN_ARG_INT, "5", NULL, "cells of each stage"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {"model", "NASBench201", "the space of NAS-Bench-201 for 3x32x32 images: 6 edges",
                                 args,    build,         NULL};

int mn_nas_bench_201_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
