/* Blocks of CIFAR_MobileNetV2: expansion, depthwise convolution, projection, and what lies between, at batch 64.
 *
 * Ours is the kernel `bottleneck`. oneDNN's is a list of the operators that it replaces, each asked for by itself
 * (kernels_direct.c) in the order of a step and with memory of its own. In inference ours has the last batch norm in it;
 * oneDNN's batch norms then are scales and shifts that cost it nothing, only ReLU6 is left. */
#include "kernels_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels_cost.h"
#include "kernels_direct.h"

enum { BATCH = 64, MAX_ARGS = 19, MAX_STEPS = 8, W1 = 3, W2 = 8, W3 = 13 };

static const struct shape {
    int in, wide, out, kernel, stride, size;
} shapes[] = {
    {24, 144, 24, 3, 1, 32}, {24, 144, 24, 5, 1, 16},  {16, 96, 24, 5, 2, 32},   {24, 144, 32, 3, 2, 16},
    {32, 192, 32, 7, 1, 8},  {64, 384, 64, 5, 1, 8},   {96, 576, 96, 5, 1, 4},   {160, 960, 160, 7, 1, 4},
    {160, 960, 320, 3, 1, 4},
};

typedef struct tensor {
    void *mem;
    size_t bytes;
} tensor;

struct block {
    mn_backend *b;
    const struct shape *s;
    const mn_plan *plan[BLOCK_PASSES];
    modnas_kernel expand, depthwise, project, norm1, norm2, whole;
    tensor x, y, g_x, g_y, saved, scratch, own[2][MAX_ARGS]; /* parameters as FORWARD has them, and their gradients */
    direct *steps[BLOCK_PASSES][MAX_STEPS];
    int n_steps[BLOCK_PASSES];
};

int block_count(void) {
    return MN_COUNT(shapes);
}

/* ---- kernels ------------------------------------------------------------------------------------------- */

static modnas_tdesc images(int channels, int size) {
    return (modnas_tdesc){{BATCH, channels, size, size}, MODNAS_LAYOUT_BLOCKED, MODNAS_F32};
}

static modnas_kernel conv(mn_backend *b, int in, int out, int size, int kernel, int stride, int groups) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_CONV2D;
    k.u.window.groups = groups;
    for (int i = 0; i < 2; i++) {
        k.u.window.kernel[i] = kernel;
        k.u.window.stride[i] = stride;
        k.u.window.dilation[i] = 1;
        k.u.window.pad[i] = k.u.window.pad[2 + i] = kernel / 2;
    }
    k.src = images(in, size);
    k.dst = images(out, (size - 1) / stride + 1);
    k.weights = (modnas_tdesc){{out, in / groups, kernel, kernel}, MODNAS_LAYOUT_PLAIN, MODNAS_F32};
    const int32_t layout = mn_backend_want_layout(b, &k, MODNAS_ROLE_WEIGHTS);
    if (layout > 0) k.weights.layout = layout;
    return k;
}

static modnas_kernel norm(const modnas_tdesc *t) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_BATCH_NORM;
    k.flags = MODNAS_KF_AFFINE | MODNAS_KF_UPDATE_STATS;
    k.act = MODNAS_ACT_RELU6;
    k.src = k.dst = *t;
    return k;
}

static void set_kernels(block *k) {
    const struct shape *s = k->s;
    k->expand = conv(k->b, s->in, s->wide, s->size, 1, 1, 1);
    k->depthwise = conv(k->b, s->wide, s->wide, s->size, s->kernel, s->stride, s->wide);
    k->project = conv(k->b, s->wide, s->out, (s->size - 1) / s->stride + 1, 1, 1, 1);
    k->norm1 = norm(&k->depthwise.src);
    k->norm2 = norm(&k->depthwise.dst);
    k->whole = k->depthwise;
    k->whole.kind = MODNAS_KERNEL_BOTTLENECK;
    k->whole.act = MODNAS_ACT_RELU6;
    k->whole.flags = MODNAS_KF_EXPAND;
    k->whole.src = k->expand.src;
    k->whole.dst = k->project.dst;
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static int get(block *k, size_t bytes, tensor *t) {
    t->bytes = bytes;
    MN_TRY(mn_backend_alloc(k->b, bytes, &t->mem));
    for (size_t i = 0; i < bytes / sizeof(float); i++) ((float *)t->mem)[i] = 0.5f + 0.01f * (float)(i % 7);
    return 0;
}

static int get_tensors(block *k) {
    const struct shape *s = k->s;
    const size_t wide = (size_t)s->wide * sizeof(float), out = (size_t)s->out * sizeof(float);
    const modnas_kernel *convs[] = {&k->expand, &k->depthwise, &k->project};
    static const int places[] = {W1, W2, W3};
    MN_TRY(get(k, mn_backend_layout_bytes(k->b, &k->whole.src, 0), &k->x));
    MN_TRY(get(k, k->x.bytes, &k->g_x));
    MN_TRY(get(k, mn_backend_layout_bytes(k->b, &k->whole.dst, 0), &k->y));
    MN_TRY(get(k, k->y.bytes, &k->g_y));
    for (int g = 0; g < 2; g++) {
        for (int i = W1 + 1; i < W3; i++)
            if (i != W2) MN_TRY(get(k, wide, &k->own[g][i]));
        for (int i = W3 + 1; i < W3 + 5; i++) MN_TRY(get(k, out, &k->own[g][i]));
        for (int i = 0; i < 3; i++)
            MN_TRY(get(k, mn_backend_layout_bytes(k->b, &convs[i]->weights, convs[i]->u.window.groups),
                       &k->own[g][places[i]]));
    }
    return 0;
}

/* ---- plans --------------------------------------------------------------------------------------------- */

static int plan(block *k) {
    size_t scratch = 0, saved = 0;
    for (int pass = 0; pass < BLOCK_PASSES; pass++) {
        modnas_kernel whole = k->whole;
        whole.pass = pass == BLOCK_BACKWARD ? MODNAS_BACKWARD_DATA : MODNAS_FORWARD;
        if (pass == BLOCK_INFERENCE) whole.flags |= MODNAS_KF_INFERENCE;
        MN_TRY(mn_backend_plan(k->b, &whole, &k->plan[pass]));
        if (k->plan[pass]->scratch > scratch) scratch = k->plan[pass]->scratch;
        if (k->plan[pass]->workspace > saved) saved = k->plan[pass]->workspace;
    }
    MN_TRY(get(k, saved, &k->saved));
    return get(k, scratch, &k->scratch);
}

/* One more of oneDNN's; all or none of a pass. */
static void add_direct(block *k, int pass, const modnas_kernel *of, int32_t its_pass) {
    modnas_kernel one = *of;
    one.pass = its_pass;
    direct *d = k->n_steps[pass] < 0 ? NULL : direct_new(&one, mn_backend_threads(k->b));
    if (d)
        k->steps[pass][k->n_steps[pass]++] = d;
    else {
        for (int i = 0; i < k->n_steps[pass]; i++) direct_free(k->steps[pass][i]);
        k->n_steps[pass] = -1;
    }
}

static void set_direct(block *k) {
    modnas_kernel act1 = k->norm1, act2 = k->norm2;
    act1.kind = act2.kind = MODNAS_KERNEL_ACTIVATION;
    const struct {
        int pass;
        const modnas_kernel *of;
        int32_t its_pass;
    } rows[] = {
        {BLOCK_FORWARD, &k->expand, MODNAS_FORWARD},           {BLOCK_FORWARD, &k->norm1, MODNAS_FORWARD},
        {BLOCK_FORWARD, &k->depthwise, MODNAS_FORWARD},        {BLOCK_FORWARD, &k->norm2, MODNAS_FORWARD},
        {BLOCK_FORWARD, &k->project, MODNAS_FORWARD},          {BLOCK_BACKWARD, &k->project, MODNAS_BACKWARD_DATA},
        {BLOCK_BACKWARD, &k->project, MODNAS_BACKWARD_WEIGHTS}, {BLOCK_BACKWARD, &k->norm2, MODNAS_BACKWARD_DATA},
        {BLOCK_BACKWARD, &k->depthwise, MODNAS_BACKWARD_DATA}, {BLOCK_BACKWARD, &k->depthwise, MODNAS_BACKWARD_WEIGHTS},
        {BLOCK_BACKWARD, &k->norm1, MODNAS_BACKWARD_DATA},     {BLOCK_BACKWARD, &k->expand, MODNAS_BACKWARD_DATA},
        {BLOCK_BACKWARD, &k->expand, MODNAS_BACKWARD_WEIGHTS}, {BLOCK_INFERENCE, &k->expand, MODNAS_FORWARD},
        {BLOCK_INFERENCE, &act1, MODNAS_FORWARD},              {BLOCK_INFERENCE, &k->depthwise, MODNAS_FORWARD},
        {BLOCK_INFERENCE, &act2, MODNAS_FORWARD},              {BLOCK_INFERENCE, &k->project, MODNAS_FORWARD},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) add_direct(k, rows[i].pass, rows[i].of, rows[i].its_pass);
}

int block_new(mn_backend *b, int i, block **out) {
    block *k = calloc(1, sizeof *k);
    *out = NULL;
    if (!k) return MODNAS_ENOMEM;
    k->b = b;
    k->s = &shapes[i];
    set_kernels(k);
    const int has = mn_backend_supports(b, &k->whole);
    int rc = has < 0 ? has : 0;
    if (has == 1) rc = get_tensors(k);
    if (has == 1 && !rc) rc = plan(k);
    if (has == 1 && !rc) {
        set_direct(k);
        *out = k;
        return 0;
    }
    block_free(k);
    return rc;
}

void block_free(block *k) {
    if (!k) return;
    tensor *const others[] = {&k->x, &k->y, &k->g_x, &k->g_y, &k->saved, &k->scratch};
    for (size_t i = 0; i < MN_COUNT(others); i++) mn_backend_free(k->b, others[i]->mem);
    for (int i = 0; i < 2 * MAX_ARGS; i++) mn_backend_free(k->b, k->own[i / MAX_ARGS][i % MAX_ARGS].mem);
    for (int pass = 0; pass < BLOCK_PASSES; pass++)
        for (int i = 0; i < k->n_steps[pass]; i++) direct_free(k->steps[pass][i]);
    free(k);
}

/* ---- running ------------------------------------------------------------------------------------------- */

static int run_forward(block *k, int pass) {
    static const double scalars[] = {1e-5, 0.1, 1e-5, 0.1, 1e-5};
    const int inference = pass == BLOCK_INFERENCE;
    void *args[MAX_ARGS] = {k->x.mem, k->y.mem, inference ? NULL : k->saved.mem};
    for (int i = W1; i < MAX_ARGS; i++) args[i] = k->own[0][i].mem;
    return mn_plan_run(k->plan[pass], args, inference ? 19 : 14, scalars, inference ? 5 : 4, k->scratch.mem);
}

static int run_backward(block *k) {
    const tensor *w = k->own[0], *g = k->own[1];
    void *args[] = {k->x.mem,      k->g_y.mem,    k->saved.mem,  k->g_x.mem,    w[W1].mem,     w[W1 + 1].mem,
                    w[W1 + 2].mem, g[W1].mem,     g[W1 + 1].mem, g[W1 + 2].mem, w[W2].mem,     w[W2 + 1].mem,
                    w[W2 + 2].mem, g[W2].mem,     g[W2 + 1].mem, g[W2 + 2].mem, w[W3].mem,     g[W3].mem};
    return mn_plan_run(k->plan[BLOCK_BACKWARD], args, MN_COUNT(args), NULL, 0, k->scratch.mem);
}

int block_ready(block *k, int pass) {
    return pass == BLOCK_BACKWARD ? run_forward(k, BLOCK_FORWARD) : 0;
}

int block_run(block *k, int pass) {
    return pass == BLOCK_BACKWARD ? run_backward(k) : run_forward(k, pass);
}

int block_has_direct(const block *k, int pass) {
    return k->n_steps[pass] > 0;
}

int block_run_direct(block *k, int pass) {
    for (int i = 0; i < k->n_steps[pass]; i++)
        if (direct_run(k->steps[pass][i])) return -1;
    return 0;
}

/* ---- what it is ---------------------------------------------------------------------------------------- */

void block_name(const block *k, int pass, char *text, size_t bytes) {
    static const char *const names[] = {"fwd", "bwd", "infer"};
    snprintf(text, bytes, "bottleneck/%s/c%d_e%d_o%d_k%d_h%d%s", names[pass], k->s->in, k->s->wide, k->s->out, k->s->kernel,
             k->s->size, k->s->stride > 1 ? "_s2" : "");
}

void block_shape(const block *k, char *text, size_t bytes) {
    const int64_t *x = k->whole.src.dims, *y = k->whole.dst.dims;
    snprintf(text, bytes, "%dx%dx%dx%d -> %dx%dx%dx%d", BATCH, (int)x[1], (int)x[2], (int)x[3], BATCH, (int)y[1], (int)y[2],
             (int)y[3]);
}

double block_flops(const block *k, int pass) {
    const double forward = cost_flops(&k->expand) + cost_flops(&k->depthwise) + cost_flops(&k->project);
    return pass == BLOCK_BACKWARD ? 2 * forward : forward;
}

double block_bytes(const block *k, int pass) {
    const tensor *w = k->own[0];
    const double weights = (double)(w[W1].bytes + w[W2].bytes + w[W3].bytes);
    if (pass == BLOCK_BACKWARD) return (double)(k->x.bytes + k->g_x.bytes + k->g_y.bytes) + 2 * weights;
    return (double)(k->x.bytes + k->y.bytes) + weights;
}
