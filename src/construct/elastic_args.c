/* Arguments of the constructors of elastic networks. What they make is in elastic.c. */
#include <stdlib.h>
#include <string.h>

#include "construct/elastic.h"

/* ---- ranges -------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* null: the default. */
static int read_range(mn_wish *w, const char *arg, const int32_t *otherwise, int32_t n) {
    const mn_node *list = mn_args_node(w->args, arg);
    w->arg = arg;
    w->is_given = mn_args_given(w->args, arg);
    w->n = w->is_given ? (int32_t)list->n : n;
    if (w->is_given && (list->kind != MN_SEQ || !list->n || list->n > MN_MAX_CHOICES))
        return mn_args_fail(w->args, arg, "a list of 1 to %d whole numbers is wanted", (int)MN_MAX_CHOICES);
    for (int32_t i = 0; i < w->n; i++) {
        const mn_node *v = w->is_given ? list->items[i] : NULL;
        if (v && (v->kind != MN_INT || v->i < 1 || v->i > 65536))
            return mn_args_fail(w->args, arg, "number %d is no whole number from 1 to 65536", (int)i);
        w->choices[i] = v ? (int32_t)v->i : otherwise[i];
    }
    qsort(w->choices, (size_t)w->n, sizeof *w->choices, by_size);
    return 0;
}

static const struct {
    const char *name;
    int32_t rank;
} ranks[] = {{"none", MN_RANK_NONE},
             {"l1_fan_in", MN_RANK_L1_FAN_IN},
             {"l1_fan_out", MN_RANK_L1_FAN_OUT},
             {"bn_l1", MN_RANK_BN}};

static int read_rank(mn_wish *w, const char *name) {
    for (size_t i = 0; i < MN_COUNT(ranks); i++)
        if (strcmp(name, ranks[i].name) == 0) {
            w->rank = ranks[i].rank;
            return 0;
        }
    return mn_args_fail(w->args, "rank_fn", "'%.40s' is none of none, l1_fan_in, l1_fan_out, bn_l1", name);
}

static int need(mn_model *model) {
    if (model->root && model->slots.n) return 0;
    return mn_fail(model->ctx, MODNAS_ECONFIG, "an elastic network is made of a model with Slots; there are none");
}

static int run_width(const mn_component *c, const mn_args *args, const void *env, void *out) {
    static const int32_t expansions[] = {1, 3, 6};
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_wish w = {.args = args, .fix_first = mn_args_bool(args, "fix_first")};
    (void)c, (void)out;
    MN_TRY(need(model));
    MN_TRY(read_rank(&w, mn_args_given(args, "rank_fn") ? mn_args_str(args, "rank_fn") : "none"));
    MN_TRY(read_range(&w, "expansion_range", expansions, MN_COUNT(expansions)));
    return mn_elastic_widths(model, &w);
}

static int run_depth(const mn_component *c, const mn_args *args, const void *env, void *out) {
    static const int32_t repeats[] = {1, 2, 3, 4};
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_wish w = {.args = args};
    (void)c, (void)out;
    MN_TRY(need(model));
    MN_TRY(read_range(&w, "repeat_range", repeats, MN_COUNT(repeats)));
    return mn_elastic_depths(model, &w);
}

static int run_kernel(const mn_component *c, const mn_args *args, const void *env, void *out) {
    static const int32_t windows[] = {3, 5, 7};
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_wish w = {.args = args};
    (void)c, (void)out;
    MN_TRY(need(model));
    MN_TRY(read_range(&w, "kernel_range", windows, MN_COUNT(windows)));
    return mn_elastic_kernels(model, &w);
}

static int run_resolution(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_wish w = {.args = args};
    (void)c, (void)out;
    MN_TRY(need(model));
    MN_TRY(read_range(&w, "resolution_range", NULL, 0));
    return mn_elastic_resolution(model, &w);
}

static int by_number(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int read_ratios(mn_wish *w, const char *arg) {
    const mn_node *list = mn_args_node(w->args, arg);
    w->arg = arg;
    w->by_ratio = 1;
    w->n = (int32_t)list->n;
    if (!list->n || list->n > MN_MAX_CHOICES)
        return mn_args_fail(w->args, arg, "a list of 1 to %d numbers is wanted", (int)MN_MAX_CHOICES);
    for (size_t i = 0; i < list->n; i++) {
        const mn_node *v = list->items[i];
        if ((v->kind != MN_INT && v->kind != MN_REAL) || !(v->r > 0 && v->r <= 1))
            return mn_args_fail(w->args, arg, "number %zu is not above 0 and at most 1", i);
        w->ratios[i] = v->r;
    }
    qsort(w->ratios, (size_t)w->n, sizeof *w->ratios, by_number);
    return 0;
}

/* What is given, and no more: of any network with Slots. */
static int run_any(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_wish depth = {.args = args}, width = {.args = args, .fix_first = mn_args_bool(args, "fix_first")}, kernel = {.args = args};
    MN_TRY(need(model));
    if (mn_args_given(args, "depth_range")) {
        MN_TRY(read_range(&depth, "depth_range", NULL, 0));
        MN_TRY(mn_elastic_depths(model, &depth));
    }
    if (mn_args_given(args, "width_range")) {
        MN_TRY(read_rank(&width, mn_args_given(args, "rank_fn") ? mn_args_str(args, "rank_fn") : "none"));
        MN_TRY(read_ratios(&width, "width_range"));
        MN_TRY(mn_elastic_widths(model, &width));
    }
    if (mn_args_given(args, "kernel_range")) {
        MN_TRY(read_range(&kernel, "kernel_range", NULL, 0));
        MN_TRY(mn_elastic_kernels(model, &kernel));
    }
    return mn_args_given(args, "resolution_range") ? run_resolution(c, args, env, out) : 0;
}

/* ---- all of them --------------------------------------------------------------------------------------- */

#define DEPTH  "MobileNetV2ElasticSequentialConstructor"
#define WIDTH  "MobileNetV2ElasticSpatialConstructor"
#define KERNEL "MobileNetV2ElasticKernelConstructor"
#define IMAGES "MobileNetV2ElasticResolutionConstructor"

/* In this order: that of the parameters. */
static const struct {
    const char *arg, *type;
    int32_t always; /* 1: also where nothing is said */
} kinds[] = {{"sequential_kwargs", DEPTH, 1}, {"spatial_kwargs", WIDTH, 1}, {"kernel_kwargs", KERNEL, 0},
             {"resolution_kwargs", IMAGES, 0}};

static int set(modnas_ctx *ctx, mn_node *spec, const char *key, mn_node *value) {
    return value ? mn_node_set(ctx, spec, key, value) : MODNAS_ENOMEM;
}

static int run_as(modnas_ctx *ctx, const char *type, const mn_node *kwargs, const void *env) {
    mn_node *spec = mn_node_new(ctx, MN_MAP);
    int rc = spec ? set(ctx, spec, "type", mn_node_str(ctx, type)) : MODNAS_ENOMEM;
    if (!rc && kwargs && kwargs->file) rc = mn_node_place(ctx, spec, kwargs->file, kwargs->line);
    if (!rc && kwargs) rc = set(ctx, spec, "args", mn_node_copy(ctx, kwargs));
    if (!rc) rc = mn_spec_check(ctx, "construct", spec, NULL);
    if (!rc) rc = mn_registry_build(ctx, "construct", spec, NULL, NULL, env, NULL);
    mn_node_free(ctx, spec);
    return rc;
}

static int run_all(const mn_component *c, const mn_args *args, const void *env, void *out) {
    (void)c, (void)out;
    for (size_t i = 0; i < MN_COUNT(kinds); i++) {
        const mn_node *kwargs = mn_args_given(args, kinds[i].arg) ? mn_args_node(args, kinds[i].arg) : NULL;
        if (kwargs || kinds[i].always) MN_TRY(run_as(args->ctx, kinds[i].type, kwargs, env));
    }
    return 0;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }

static const mn_arg_def width_args[] = {
    {"expansion_range", MN_ARG_LIST, "null", NULL, "expansions; default: those of 1, 3, 6 that a block has"},
    {"rank_fn", MN_ARG_STR, "l1_fan_in", "none|l1_fan_in|l1_fan_out|bn_l1", "how channels are ranked; null: not at all"},
    {"fix_first", MN_ARG_BOOL, "true", NULL, "the first block keeps its width"},
    END};
static const mn_arg_def depth_args[] = {
    {"repeat_range", MN_ARG_LIST, "null", NULL, "numbers of blocks; default: those of 1, 2, 3, 4 that a stage has"}, END};
static const mn_arg_def kernel_args[] = {
    {"kernel_range", MN_ARG_LIST, "null", NULL, "odd windows; default: those of 3, 5, 7 that a block has"}, END};
#define RESOLUTION                                                                                                     \
    "sizes that images of the model's input are brought to, up to their own"
static const mn_arg_def resolution_args[] = {{"resolution_range", MN_ARG_LIST, NULL, NULL, RESOLUTION}, END};
static const mn_arg_def all_args[] = {
    {"spatial_kwargs", MN_ARG_MAP, "null", NULL, "args of " WIDTH},
    {"sequential_kwargs", MN_ARG_MAP, "null", NULL, "args of " DEPTH},
    {"kernel_kwargs", MN_ARG_MAP, "null", NULL, "args of " KERNEL "; null: windows are not elastic"},
    {"resolution_kwargs", MN_ARG_MAP, "null", NULL, "args of " IMAGES "; null: the size of images is not elastic"},
    END};

static const mn_arg_def any_args[] = {
    {"depth_range", MN_ARG_LIST, "null", NULL, "numbers of blocks that a stage may have; null: all of them"},
    {"width_range", MN_ARG_LIST, "null", NULL, "shares of the channels inside of a block, up to 1; null: all of them"},
    {"kernel_range", MN_ARG_LIST, "null", NULL, "odd windows of depthwise convolutions; null: their own"},
    {"resolution_range", MN_ARG_LIST, "null", NULL, RESOLUTION "; null: their own"},
    {"rank_fn", MN_ARG_STR, "l1_fan_in", "none|l1_fan_in|l1_fan_out|bn_l1", "how channels are ranked; null: not at all"},
    {"fix_first", MN_ARG_BOOL, "true", NULL, "the first block keeps its width"},
    END};

static const mn_component rows[] = {
    {"construct", "ElasticConstructor", "what is given of elastic depths, widths and windows, of any network with Slots",
     any_args, run_any, NULL},
    {"construct", "MobileNetV2ElasticConstructor", "elastic depths and widths, and kernels if they are given", all_args,
     run_all, NULL},
    {"construct", WIDTH, "elastic width of every block: parameters spa, spa_1, ...", width_args, run_width, NULL},
    {"construct", DEPTH, "elastic depth of every stage: parameters seq, seq_1, ...", depth_args, run_depth, NULL},
    {"construct", IMAGES, "elastic size of the images: parameter res", resolution_args, run_resolution, NULL},
    {"construct", KERNEL, "elastic depthwise kernels: parameters ker, ker_1, ...", kernel_args, run_kernel, NULL},
};

int mn_construct_elastic_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
