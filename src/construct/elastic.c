/* Constructors of elastic networks (space/elastic.h): they read the blocks around Slots and give their layers sizes that
 * parameters of the space set. A block is what holds a Slot, or several, and has a forward of its own; else the Slot.
 *
 *   width    its first and its last convolution, and all between; a shortcut ("downsample") is not touched
 *   kernel   the depthwise convolution in it
 *   depth    a stage is a block, and the blocks after it that keep channels and size: those may be left out
 *
 * They come after what fills the Slots; a Slot that is empty gets the backbone's own operator. */
#include "construct/elastic.h"

#include <stdio.h>
#include <string.h>

#include "module/active.h"
#include "module/layers.h"

#define SHORTCUT "downsample"

enum { MAX_LAYERS = 64 };

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

static int add_layer(layers *l, mn_module *m) {
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

static int walk_layers(layers *l, mn_module *m) {
    MN_TRY(add_layer(l, m));
    for (size_t i = 0; i < m->children.n; i++) {
        mn_module *child = MN_AT(m->children, mn_module *, i);
        if (strcmp(child->name, SHORTCUT) != 0) MN_TRY(walk_layers(l, child));
    }
    return 0;
}

static int find_layers(mn_module *block, layers *out) {
    *out = (layers){.first = -1, .last = -1};
    return walk_layers(out, block);
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

/* ---- blocks -------------------------------------------------------------------------------------------- */

typedef struct block {
    mn_module *module;
    mn_slot *first, *last;
} block;

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

/* In model order, all of their Slots filled; the caller frees *out. */
static int find_blocks(mn_model *model, block **out, int32_t *n) {
    const size_t n_slots = model->slots.n;
    block *all = mn_alloc(model->ctx, n_slots + 1, sizeof *all);
    int rc = all ? 0 : MODNAS_ENOMEM;
    *n = 0;
    for (size_t i = 0; i < n_slots && !rc; i++) {
        mn_slot *s = mn_model_slot(model, i);
        mn_module *parent = s->module->parent, *m = parent && parent->vt->forward ? parent : s->module;
        if (mn_slot_is_nested(s)) continue;
        rc = prepare_slot(s);
        if (*n && all[*n - 1].module == m)
            all[*n - 1].last = s;
        else
            all[(*n)++] = (block){m, s, s};
    }
    if (rc)
        mn_free(model->ctx, all);
    else
        *out = all;
    return rc;
}

typedef int (*block_fn)(const mn_wish *w, const block *b, mn_elastic_desc *d);

/* With a description that has the name of its first Slot. */
static int each_block(mn_model *model, const mn_wish *w, block_fn fn) {
    block *all;
    int32_t n;
    MN_TRY(find_blocks(model, &all, &n));
    int rc = 0;
    for (int32_t i = w->fix_first; i < n && !rc; i++) {
        mn_str where = {.ctx = model->ctx};
        rc = mn_slot_name(all[i].first, &where);
        mn_elastic_desc d = {.slot = all[i].first, .where = where.text};
        if (!rc) rc = fn(w, &all[i], &d);
        mn_str_free(&where);
    }
    mn_free(model->ctx, all);
    return rc;
}

/* Ratios of the whole, rounded as MobileNets round channels; those that are the same are one. */
static void choose_ratios(const mn_wish *w, mn_elastic_desc *d, int32_t *size) {
    for (int32_t i = 0; i < w->n; i++) {
        int32_t n = w->ratios[i] < 1 ? mn_make_divisible(w->ratios[i] * d->full) : d->full;
        if (n > d->full) n = d->full;
        if (!d->n || size[d->n - 1] != n) size[d->n++] = n;
    }
}

/* Choices with their sizes, value * unit; 0 of them: nothing is elastic here. */
static int choose(const mn_wish *w, mn_elastic_desc *d, int32_t unit, int32_t *choices, int32_t *size) {
    d->choices = choices;
    d->size = size;
    if (w->by_ratio) {
        choose_ratios(w, d, size);
        d->choices = size;
        return d->n;
    }
    for (int32_t i = 0; i < w->n; i++) {
        const int64_t n = (int64_t)w->choices[i] * unit;
        if (!w->is_given && n > d->full) continue;
        choices[d->n] = w->choices[i];
        size[d->n++] = n > INT32_MAX ? INT32_MAX : (int32_t)n;
    }
    return d->n;
}

/* With the place of the argument in front. has: the extent that there is where the value's is to go. */
static int make(const mn_wish *w, mn_model *model, const mn_elastic_desc *d, const mn_extent *has, mn_elastic **out) {
    if (has) return mn_args_fail(w->args, w->arg, "%s: %s is elastic already", d->where, mn_elastic_kinds[d->kind]);
    const int rc = mn_elastic_new(model, d, out);
    return rc == MODNAS_ECONFIG ? mn_args_fail(w->args, w->arg, "%s", modnas_errmsg(model->ctx)) : rc;
}

/* Channels of a group that is not one channel: widths are multiples of it, and it keeps its channels. */
static int check_groups(const mn_wish *w, const layers *l, mn_elastic_desc *d) {
    for (int32_t i = l->first; i <= l->last; i++) {
        const mn_module *m = l->of[i];
        if (!is_conv(m) || weights_of(m)->groups < 2 || is_depthwise(m)) continue;
        const int32_t each = chn_out(m) / weights_of(m)->groups;
        d->rank = MN_RANK_NONE;
        for (int32_t k = 0; k < d->n; k++)
            if (d->size[k] % each)
                return mn_args_fail(w->args, w->arg, "%s: %d channels are no whole number of groups of %d", d->where,
                                    d->size[k], each);
    }
    return 0;
}

static int block_width(const mn_wish *w, const block *b, mn_elastic_desc *d) {
    const mn_slot *s = b->first;
    int32_t choices[MN_MAX_CHOICES], size[MN_MAX_CHOICES];
    layers l;
    mn_elastic *e;
    MN_TRY(find_layers(b->module, &l));
    d->kind = MN_ELASTIC_WIDTH;
    d->name = "spa";
    d->rank = w->rank;
    d->full = inside(&l) ? inside(&l) : s->chn_in;
    if (w->by_ratio && !inside(&l)) return 0;
    if (!choose(w, d, s->chn_in, choices, size)) return 0;
    if (!inside(&l) && (d->n > 1 || size[0] != d->full))
        return mn_args_fail(w->args, w->arg, "%s: the block has no convolution that makes channels of its own: its width cannot change",
                            d->where);
    if (inside(&l)) MN_TRY(check_groups(w, &l, d));
    MN_TRY(make(w, s->module->model, d, inside(&l) ? l.of[l.first]->active.out : NULL, &e));
    return inside(&l) ? set_width(e, &l) : 0;
}

static int block_kernel(const mn_wish *w, const block *b, mn_elastic_desc *d) {
    int32_t choices[MN_MAX_CHOICES], size[MN_MAX_CHOICES];
    layers l;
    mn_module *conv = NULL;
    mn_elastic *e;
    MN_TRY(find_layers(b->module, &l));
    for (int32_t i = 0; i < l.n; i++)
        if (is_depthwise(l.of[i])) conv = l.of[i];
    if (!conv) return mn_args_fail(w->args, w->arg, "%s: there is no depthwise convolution", d->where);
    d->kind = MN_ELASTIC_KERNEL;
    d->name = "ker";
    d->full = (int32_t)weights_of(conv)->dims[2];
    if (!choose(w, d, 1, choices, size)) return 0;
    for (int32_t i = 0; i < d->n; i++)
        if (size[i] % 2 == 0) return mn_args_fail(w->args, w->arg, "%s: a window of %d is not odd", d->where, size[i]);
    MN_TRY(make(w, b->module->model, d, conv->active.kernel, &e));
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

static int can_vanish(const block *b) {
    return b->first->chn_in == b->last->chn_out && b->first->stride == 1 && b->last->stride == 1 &&
           !mn_module_child(b->module, SHORTCUT);
}

static int add_stage(const mn_wish *w, mn_model *model, const block *blocks, int32_t number, int32_t n) {
    int32_t choices[MN_MAX_CHOICES], size[MN_MAX_CHOICES];
    char where[96];
    mn_elastic *e;
    if (n < 2) return 0;
    snprintf(where, sizeof where, "stage %d (slots %s to %s)", number, blocks[0].first->name, blocks[n - 1].last->name);
    mn_elastic_desc d = {.kind = MN_ELASTIC_DEPTH, .name = "seq", .where = where, .full = n};
    if (!choose(w, &d, 1, choices, size)) return 0;
    MN_TRY(make(w, model, &d, blocks[1].module->active.there, &e));
    for (int32_t i = 1; i < n; i++)
        if (!(blocks[i].module->active.there = mn_elastic_block(e, i))) return MODNAS_ENOMEM;
    return 0;
}

int mn_elastic_depths(mn_model *model, const mn_wish *w) {
    block *all;
    int32_t n, number = 0, rc = 0;
    MN_TRY(find_blocks(model, &all, &n));
    for (int32_t first = 0, end; first < n && !rc; first = end) {
        for (end = first + 1; end < n && can_vanish(&all[end]); end++) {}
        rc = add_stage(w, model, all + first, number++, end - first);
    }
    mn_free(model->ctx, all);
    return rc;
}

int mn_elastic_widths(mn_model *model, const mn_wish *w) {
    return each_block(model, w, block_width);
}

int mn_elastic_kernels(mn_model *model, const mn_wish *w) {
    return each_block(model, w, block_kernel);
}

int mn_elastic_resolution(mn_model *model, const mn_wish *w) {
    int32_t choices[MN_MAX_CHOICES], size[MN_MAX_CHOICES];
    mn_elastic_desc d = {.kind = MN_ELASTIC_RESOLUTION, .name = "res", .where = "images", .full = model->input[1]};
    mn_elastic *e;
    if (model->input[1] != model->input[2])
        return mn_args_fail(w->args, w->arg, "images of %d x %d: their sides are not equal", model->input[1], model->input[2]);
    choose(w, &d, 1, choices, size);
    MN_TRY(make(w, model, &d, model->root->active.side, &e));
    model->root->active.side = &e->extent;
    return 0;
}
