/* Constructors of elastic networks (space/elastic.h): they read the blocks that Slots stand for and give their layers
 * sizes that parameters of the space set.
 *
 *   width    first and last convolution of what a Slot was filled with, and all between
 *   kernel   the depthwise convolution in it
 *   depth    a stage is a block, and the blocks after it that keep channels and size: those may be left out
 *
 * They come after what fills the Slots; a Slot that is empty gets the backbone's own operator. */
#include "space/elastic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "construct/parts.h"
#include "module/active.h"
#include "module/layers.h"

enum { MAX_CHOICES = 64, MAX_LAYERS = 64 };

/* What an entry of the configuration asks for. */
typedef struct wish {
    const mn_args *args;
    const char *arg; /* for messages: "expansion_range" */
    int32_t choices[MAX_CHOICES], n;
    int32_t is_given; /* 0: of the default those that are possible */
    int32_t rank, fix_first;
} wish;

/* ---- layers of a block --------------------------------------------------------------------------------- */

/* Convolutions and batch norms in the order of the tree. */
typedef struct layers {
    mn_module *of[MAX_LAYERS];
    int32_t n, first, last; /* its first and its last convolution; -1: none */
} layers;

static const mn_param *weights_of(const mn_module *m) {
    return m->params.n ? MN_AT(m->params, mn_module_param, 0).param : NULL;
}

static int is_conv(const mn_module *m) {
    const mn_param *p = weights_of(m);
    return p && p->rank == 4;
}

static int32_t chn_out(const mn_module *conv) {
    return (int32_t)weights_of(conv)->dims[0];
}

static int32_t chn_in(const mn_module *conv) {
    return (int32_t)weights_of(conv)->dims[1] * weights_of(conv)->groups;
}

static int is_depthwise(const mn_module *m) {
    return is_conv(m) && weights_of(m)->groups > 1 && weights_of(m)->groups == chn_in(m) && chn_in(m) == chn_out(m);
}

static int add_layer(mn_module *m, void *ud) {
    layers *l = ud;
    if (!is_conv(m) && !mn_batch_norm_opts(m)) return 0;
    if (l->n == MAX_LAYERS)
        return mn_fail(m->model->ctx, MODNAS_ECONFIG, "more than %d layers in an elastic block", (int)MAX_LAYERS);
    if (is_conv(m)) {
        if (l->first < 0) l->first = l->n;
        l->last = l->n;
    }
    l->of[l->n++] = m;
    return 0;
}

static int find_layers(mn_module *entity, layers *out) {
    *out = (layers){.first = -1, .last = -1};
    return mn_module_walk(entity, add_layer, out);
}

/* Channels inside of a block; 0: its first convolution does not make them. */
static int32_t inside(const layers *l) {
    if (l->first < 0 || l->first == l->last || is_depthwise(l->of[l->first])) return 0;
    const int32_t n = chn_out(l->of[l->first]);
    return n == chn_in(l->of[l->last]) ? n : 0;
}

/* Squeeze and excitation has a width of its own in between. */
static int set_width(mn_elastic *e, const layers *l) {
    const int32_t n = inside(l);
    const mn_extent *squeeze = NULL;
    for (int32_t i = l->first; i <= l->last; i++) {
        mn_module *m = l->of[i];
        const int in = i > l->first && is_conv(m) && chn_in(m) == n, out = i < l->last && (!is_conv(m) || chn_out(m) == n);
        if (in && i < l->last && !out && !squeeze && !(squeeze = mn_elastic_squeeze(e, chn_out(m)))) return MODNAS_ENOMEM;
        if (i > l->first && is_conv(m)) m->active.in = in ? &e->extent : squeeze;
        if (i < l->last) m->active.out = out ? &e->extent : squeeze;
    }
    return 0;
}

/* ---- Slots --------------------------------------------------------------------------------------------- */

static int prepare_slot(mn_slot *s) {
    mn_model *model = s->module->model;
    if (!s->entity) MN_TRY(mn_fill_predefined(s));
    if (!mn_mixed_of(s->entity)) return 0;
    mn_str name = {.ctx = model->ctx};
    int rc = mn_slot_name(s, &name);
    if (!rc) rc = mn_fail(model->ctx, MODNAS_ECONFIG, "%s: a mixed op is not elastic", name.text);
    mn_str_free(&name);
    return rc;
}

typedef int (*slot_fn)(const wish *w, mn_slot *s, mn_elastic_desc *d);

/* Every Slot that is not inside of another, with a description that has its name. */
static int each_slot(mn_model *model, const wish *w, slot_fn fn) {
    const size_t n = model->slots.n;
    for (size_t i = 0; i < n; i++) {
        mn_slot *s = mn_model_slot(model, i);
        mn_str where = {.ctx = model->ctx};
        if (mn_slot_is_nested(s)) continue;
        MN_TRY(prepare_slot(s));
        mn_elastic_desc d = {.slot = s};
        int rc = mn_slot_name(s, &where);
        d.where = where.text;
        if (!rc && !(i == 0 && w->fix_first)) rc = fn(w, s, &d);
        mn_str_free(&where);
        MN_TRY(rc);
    }
    return 0;
}

/* Choices with their sizes, value * unit; 0 of them: nothing is elastic here. */
static int choose(const wish *w, mn_elastic_desc *d, int32_t unit, int32_t *choices, int32_t *size) {
    d->choices = choices;
    d->size = size;
    for (int32_t i = 0; i < w->n; i++) {
        const int64_t n = (int64_t)w->choices[i] * unit;
        if (!w->is_given && n > d->full) continue;
        choices[d->n] = w->choices[i];
        size[d->n++] = n > INT32_MAX ? INT32_MAX : (int32_t)n;
    }
    return d->n;
}

/* With the place of the argument in front. */
static int make(const wish *w, mn_model *model, const mn_elastic_desc *d, mn_elastic **out) {
    const int rc = mn_elastic_new(model, d, out);
    return rc == MODNAS_ECONFIG ? mn_args_fail(w->args, w->arg, "%s", modnas_errmsg(model->ctx)) : rc;
}

static int slot_width(const wish *w, mn_slot *s, mn_elastic_desc *d) {
    int32_t choices[MAX_CHOICES], size[MAX_CHOICES];
    layers l;
    mn_elastic *e;
    MN_TRY(find_layers(s->entity, &l));
    d->kind = MN_ELASTIC_WIDTH;
    d->name = "spa";
    d->rank = w->rank;
    d->full = inside(&l) ? inside(&l) : s->chn_in;
    if (!choose(w, d, s->chn_in, choices, size)) return 0;
    if (!inside(&l) && (d->n > 1 || size[0] != d->full))
        return mn_args_fail(w->args, w->arg, "%s: the block has no convolution that makes channels of its own: its width cannot change",
                            d->where);
    MN_TRY(make(w, s->module->model, d, &e));
    return inside(&l) ? set_width(e, &l) : 0;
}

static int slot_kernel(const wish *w, mn_slot *s, mn_elastic_desc *d) {
    int32_t choices[MAX_CHOICES], size[MAX_CHOICES];
    layers l;
    mn_module *conv = NULL;
    mn_elastic *e;
    MN_TRY(find_layers(s->entity, &l));
    for (int32_t i = 0; i < l.n; i++)
        if (is_depthwise(l.of[i])) conv = l.of[i];
    if (!conv) return mn_args_fail(w->args, w->arg, "%s: there is no depthwise convolution", d->where);
    d->kind = MN_ELASTIC_KERNEL;
    d->name = "ker";
    d->full = (int32_t)weights_of(conv)->dims[2];
    if (!choose(w, d, 1, choices, size)) return 0;
    for (int32_t i = 0; i < d->n; i++)
        if (size[i] % 2 == 0) return mn_args_fail(w->args, w->arg, "%s: a window of %d is not odd", d->where, size[i]);
    MN_TRY(make(w, s->module->model, d, &e));
    conv->active.kernel = &e->extent;
    for (int32_t from = d->full, to = d->full - 2; to > 0; to -= 2)
        for (int32_t i = 0; i < d->n; i++)
            if (size[i] == to) {
                MN_TRY(mn_active_add_step(conv, from, to));
                from = to;
            }
    return 0;
}

/* ---- stages -------------------------------------------------------------------------------------------- */

static int can_vanish(const mn_slot *s) {
    return s->chn_in == s->chn_out && s->stride == 1;
}

/* Slots first .. end - 1 are a stage. */
static int add_stage(const wish *w, mn_model *model, mn_slot *const *slots, int32_t number, int32_t n) {
    int32_t choices[MAX_CHOICES], size[MAX_CHOICES];
    char where[96];
    mn_elastic *e;
    if (n < 2) return 0;
    snprintf(where, sizeof where, "stage %d (slots %s to %s)", number, slots[0]->name, slots[n - 1]->name);
    mn_elastic_desc d = {.kind = MN_ELASTIC_DEPTH, .name = "seq", .where = where, .full = n};
    if (!choose(w, &d, 1, choices, size)) return 0;
    MN_TRY(make(w, model, &d, &e));
    for (int32_t i = 1; i < n; i++) {
        mn_module *block = slots[i]->module->parent;
        if (!block || block->children.n != 1)
            return mn_args_fail(w->args, w->arg, "%s: slot %s is no block of its own", where, slots[i]->name);
        if (!(block->active.there = mn_elastic_block(e, i))) return MODNAS_ENOMEM;
    }
    return 0;
}

static int add_stages(mn_model *model, const wish *w) {
    const int32_t n_slots = (int32_t)model->slots.n;
    mn_slot **slots = mn_alloc(model->ctx, (size_t)n_slots + 1, sizeof *slots);
    int32_t n = 0, number = 0, rc = slots ? 0 : MODNAS_ENOMEM;
    for (int32_t i = 0; i < n_slots && !rc; i++) {
        mn_slot *s = mn_model_slot(model, (size_t)i);
        if (!mn_slot_is_nested(s)) slots[n++] = s;
        rc = mn_slot_is_nested(s) ? 0 : prepare_slot(s);
    }
    for (int32_t first = 0, end; first < n && !rc; first = end) {
        for (end = first + 1; end < n && can_vanish(slots[end]); end++) {}
        rc = add_stage(w, model, slots + first, number++, end - first);
    }
    mn_free(model->ctx, slots);
    return rc;
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* null: the default. */
static int read_range(wish *w, const char *arg, const int32_t *otherwise, int32_t n) {
    const mn_node *list = mn_args_node(w->args, arg);
    w->arg = arg;
    w->is_given = mn_args_given(w->args, arg);
    w->n = w->is_given ? (int32_t)list->n : n;
    if (w->is_given && (list->kind != MN_SEQ || !list->n || list->n > MAX_CHOICES))
        return mn_args_fail(w->args, arg, "a list of 1 to %d whole numbers is wanted", (int)MAX_CHOICES);
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

static int read_rank(wish *w, const char *name) {
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
    wish w = {.args = args, .fix_first = mn_args_bool(args, "fix_first")};
    (void)c, (void)out;
    MN_TRY(need(model));
    MN_TRY(read_rank(&w, mn_args_given(args, "rank_fn") ? mn_args_str(args, "rank_fn") : "none"));
    MN_TRY(read_range(&w, "expansion_range", expansions, MN_COUNT(expansions)));
    return each_slot(model, &w, slot_width);
}

static int run_depth(const mn_component *c, const mn_args *args, const void *env, void *out) {
    static const int32_t repeats[] = {1, 2, 3, 4};
    mn_model *model = ((const mn_construct_env *)env)->model;
    wish w = {.args = args};
    (void)c, (void)out;
    MN_TRY(need(model));
    MN_TRY(read_range(&w, "repeat_range", repeats, MN_COUNT(repeats)));
    return add_stages(model, &w);
}

static int run_kernel(const mn_component *c, const mn_args *args, const void *env, void *out) {
    static const int32_t windows[] = {3, 5, 7};
    mn_model *model = ((const mn_construct_env *)env)->model;
    wish w = {.args = args};
    (void)c, (void)out;
    MN_TRY(need(model));
    MN_TRY(read_range(&w, "kernel_range", windows, MN_COUNT(windows)));
    return each_slot(model, &w, slot_kernel);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

#define DEPTH  "MobileNetV2ElasticSequentialConstructor"
#define WIDTH  "MobileNetV2ElasticSpatialConstructor"
#define KERNEL "MobileNetV2ElasticKernelConstructor"

/* In this order: that of the parameters. */
static const struct {
    const char *arg, *type;
    int32_t always; /* 1: also where nothing is said */
} kinds[] = {{"sequential_kwargs", DEPTH, 1}, {"spatial_kwargs", WIDTH, 1}, {"kernel_kwargs", KERNEL, 0}};

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
static const mn_arg_def all_args[] = {
    {"spatial_kwargs", MN_ARG_MAP, "null", NULL, "args of " WIDTH},
    {"sequential_kwargs", MN_ARG_MAP, "null", NULL, "args of " DEPTH},
    {"kernel_kwargs", MN_ARG_MAP, "null", NULL, "args of " KERNEL "; null: windows are not elastic"},
    END};

static const mn_component rows[] = {
    {"construct", "MobileNetV2ElasticConstructor", "elastic depths and widths, and kernels if they are given", all_args,
     run_all, NULL},
    {"construct", WIDTH, "elastic width of every block: parameters spa, spa_1, ...", width_args, run_width, NULL},
    {"construct", DEPTH, "elastic depth of every stage: parameters seq, seq_1, ...", depth_args, run_depth, NULL},
    {"construct", KERNEL, "elastic depthwise kernels: parameters ker, ker_1, ...", kernel_args, run_kernel, NULL},
};

int mn_construct_elastic_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
