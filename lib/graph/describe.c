/* What was recorded, as JSON. */
#include <inttypes.h>
#include <string.h>

#include "graph/run.h"

static void add_dims(mn_str *s, const char *name, const int64_t dims[4]) {
    mn_str_addf(s, ",\"%s\":[%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]", name, dims[0], dims[1], dims[2], dims[3]);
}

static void add_ints(mn_str *s, const char *name, const int32_t *x, int n, int32_t zero) {
    mn_str_addf(s, ",\"%s\":[", name);
    for (int i = 0; i < n; i++) mn_str_addf(s, "%s%d", i ? "," : "", x[i] ? x[i] : zero);
    mn_str_add(s, "]");
}

static void add_conv(mn_str *s, const mn_vertex *x) {
    const mn_conv_opts *o = &x->u.conv;
    add_ints(s, "stride", o->stride, 2, 1);
    add_ints(s, "pad", o->pad, 4, 0);
    add_ints(s, "dilation", o->dilation, 2, 1);
    mn_str_addf(s, ",\"groups\":%d", o->groups ? o->groups : 1);
}

static void add_pool(mn_str *s, const mn_vertex *x) {
    const mn_pool_opts *o = &x->u.pool;
    mn_str_addf(s, ",\"algo\":\"%s\"", o->algo == MODNAS_POOL_MAX ? "max" : "avg");
    add_ints(s, "kernel", o->kernel, 2, 1);
    add_ints(s, "stride", o->stride, 2, 1);
    add_ints(s, "pad", o->pad, 4, 0);
}

static void add_activation(mn_str *s, const mn_vertex *x) {
    static const char *const names[] = {
        [MODNAS_ACT_NONE] = "none",
        [MODNAS_ACT_RELU] = "relu",
        [MODNAS_ACT_RELU6] = "relu6",
        [MODNAS_ACT_CLIP] = "clip",
        [MODNAS_ACT_SIGMOID] = "sigmoid",
        [MODNAS_ACT_HARD_SIGMOID] = "hard_sigmoid",
        [MODNAS_ACT_HARD_SWISH] = "hard_swish",
        [MODNAS_ACT_SWISH] = "swish",
        [MODNAS_ACT_TANH] = "tanh",
        [MODNAS_ACT_LINEAR] = "linear",
        [MODNAS_ACT_LEAKY_RELU] = "leaky_relu",
        [MODNAS_ACT_ELU] = "elu",
        [MODNAS_ACT_SOFTPLUS] = "softplus",
        [MODNAS_ACT_EXP] = "exp",
        [MODNAS_ACT_LOG] = "log",
        [MODNAS_ACT_POW] = "pow",
        [MODNAS_ACT_ABS] = "abs",
    };
    mn_str_addf(s, ",\"function\":\"%s\"", names[x->u.act.act]);
}

static void add_vertex(mn_str *s, const mn_run *run, const mn_vertex *x) {
    static const struct {
        const char *op;
        void (*add)(mn_str *s, const mn_vertex *x);
    } more[] = {{"conv2d", add_conv}, {"pool2d", add_pool}, {"activation", add_activation}};
    mn_str_addf(s, "{\"op\":\"%s\"", x->op->name);
    for (int32_t i = 0; i < x->n_src; i++) {
        const mn_value *v = mn_src(run, x, i);
        if (v) add_dims(s, v->param ? "weights" : i ? "with" : "in", v->dims);
        if (v && v->param) break; /* the shapes of others follow from these */
    }
    add_dims(s, "out", x->dst->dims);
    for (size_t i = 0; i < MN_COUNT(more); i++)
        if (strcmp(more[i].op, x->op->name) == 0) more[i].add(s, x);
    mn_str_add(s, "}");
}

void mn_run_describe(const mn_run *run, int32_t tag, mn_str *json) {
    int n = 0;
    mn_str_add(json, "[");
    for (size_t i = 0; i < run->vertices.n; i++) {
        const mn_vertex *x = &MN_AT(run->vertices, mn_vertex, i);
        if (x->tag != tag) continue;
        if (n++) mn_str_add(json, ",");
        add_vertex(json, run, x);
    }
    mn_str_add(json, "]");
}
