/* Slots. A Slot is a module whose child "ent" is what a constructor put there; while it has none it cannot be run. What
 * it gives may go through a drop path, so that an entity keeps its name whether there is one or not. */
#include "space/slot.h"

#include <stdio.h>

#include "module/layers.h"

static int slot_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_slot *s = m->state;
    s->n_forwards++;
    if (s->entity) {
        mn_value *v;
        MN_TRY(mn_forward(s->entity, run, src, n_src, &v));
        if (s->drop_path && !mn_module_is_identity(s->entity)) return mn_forward1(s->drop_path, run, v, dst);
        *dst = v;
        return 0;
    }
    return mn_fail(m->model->ctx, MODNAS_EINVAL, "slot %s (%d -> %d channels, stride %d) is empty", s->name, s->chn_in,
                   s->chn_out, s->stride);
}

static void slot_destroy(mn_module *m) {
    mn_slot *s = m->state;
    mn_vec *all = &m->model->slots;
    for (size_t i = all->n; i-- > 0;)
        if (MN_AT(*all, mn_slot *, i) == s) mn_vec_remove(all, i);
    mn_node_free(m->model->ctx, s->kwargs);
    mn_node_free(m->model->ctx, s->args);
    mn_node_free(m->model->ctx, s->own);
    mn_free(m->model->ctx, s->kwargs_json);
    mn_free(m->model->ctx, s->name);
    mn_free(m->model->ctx, s->label);
    mn_free(m->model->ctx, s->op);
}

static const mn_module_vt slot_vt = {"slot", slot_forward, slot_destroy};

static int init_slot(mn_slot *s, mn_model *model) {
    char name[16];
    s->sid = 0;
    for (size_t i = 0; i < model->slots.n; i++) { /* one more than the largest: numbers are not used twice */
        const int32_t sid = MN_AT(model->slots, mn_slot *, i)->sid;
        if (sid >= s->sid) s->sid = sid + 1;
    }
    snprintf(name, sizeof name, "%d", s->sid);
    s->name = mn_strdup(model->ctx, name);
    return s->name && mn_vec_push(model->ctx, &model->slots, &s, 1) ? 0 : MODNAS_ENOMEM;
}

int mn_slot_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t stride, mn_node *kwargs, mn_module **out) {
    mn_module *m;
    int rc = 0;
    if (chn_in < 1 || chn_out < 1 || stride < 1)
        rc = mn_fail(model->ctx, MODNAS_ESHAPE, "a slot with %d -> %d channels and stride %d", chn_in, chn_out, stride);
    if (!rc) rc = mn_module_new(model, &slot_vt, sizeof(mn_slot), &m);
    if (rc) {
        mn_node_free(model->ctx, kwargs);
        return rc;
    }
    mn_slot *s = m->state;
    s->module = m;
    s->chn_in = chn_in;
    s->chn_out = chn_out;
    s->stride = stride;
    s->kwargs = kwargs;
    rc = init_slot(s, model);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

mn_slot *mn_slot_of(mn_module *m) {
    return m->vt == &slot_vt ? m->state : NULL;
}

int mn_slot_fill(mn_slot *s, mn_module *entity, const char *op) {
    modnas_ctx *ctx = s->module->model->ctx;
    char *name = op ? mn_strdup(ctx, op) : NULL;
    if (op && !name) {
        mn_module_free(entity);
        return MODNAS_ENOMEM;
    }
    const int rc = s->entity ? mn_module_replace(s->entity, entity) : mn_module_add(s->module, "ent", entity);
    if (rc) {
        mn_free(ctx, name);
        return rc;
    }
    mn_free(ctx, s->op);
    s->op = name;
    s->entity = entity;
    return 0;
}

void mn_slot_set_args(mn_slot *s, mn_node *args) {
    mn_node_free(s->module->model->ctx, s->args);
    s->args = args;
}

int mn_slot_drop_path(mn_slot *s, double low, double high) {
    mn_module *drop;
    MN_TRY(mn_drop_path_new(s->module->model, low, high, &drop));
    MN_TRY(s->drop_path ? mn_module_replace(s->drop_path, drop) : mn_module_add(s->module, "drop_path", drop));
    s->drop_path = drop;
    return 0;
}

mn_slot *mn_model_slot(const mn_model *model, size_t i) {
    return i < model->slots.n ? MN_AT(model->slots, mn_slot *, i) : NULL;
}

mn_slot *mn_model_empty_slot(const mn_model *model) {
    for (size_t i = 0; i < model->slots.n; i++)
        if (!MN_AT(model->slots, mn_slot *, i)->entity) return MN_AT(model->slots, mn_slot *, i);
    return NULL;
}

int mn_slot_is_nested(const mn_slot *s) {
    for (mn_module *m = s->module->parent; m; m = m->parent)
        if (mn_slot_of(m)) return 1;
    return 0;
}

int mn_slot_set_label(mn_slot *s, const char *label) {
    modnas_ctx *ctx = s->module->model->ctx;
    char *copy = mn_strdup(ctx, label);
    if (!copy) return MODNAS_ENOMEM;
    mn_free(ctx, s->label);
    s->label = copy;
    return 0;
}

int mn_slot_name(const mn_slot *s, mn_str *out) {
    mn_str_addf(out, "slot %s%s%s (%d -> %d channels, stride %d)", s->name, s->label ? ", " : "",
                s->label ? s->label : "", s->chn_in, s->chn_out, s->stride);
    return out->failed ? MODNAS_ENOMEM : 0;
}
