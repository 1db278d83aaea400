/* Filling Slots, and constructors of hosts. */
#include "host/host.h"

static int need_slot(modnas_ctx *ctx, mn_module *m, const char *fn, mn_slot **out) {
    if (!m) return mn_fail(ctx, MODNAS_EINVAL, "%s: the Slot is NULL", fn);
    *out = mn_slot_of(m);
    if (!*out) return mn_fail(ctx, MODNAS_EINVAL, "%s: a %s is no Slot", fn, m->vt->type);
    return mn_host_may_edit(m->model);
}

int mn_host_put_candidate(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    mn_slot *slot = NULL;
    MN_TRY(need_slot(ctx, place->module, "place.module of a candidate", &slot));
    return mn_fill_candidate(slot, spec);
}

static int put_mixed(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    mn_slot *slot = NULL;
    MN_TRY(need_slot(ctx, place->module, "place.module of a mixed_op", &slot));
    return mn_fill_mixed(slot, spec);
}

const mn_host_kind mn_host_mixed_op = {.kind = "mixed_op", .put = put_mixed};

/* ---- typed --------------------------------------------------------------------------------------------- */

static int fill(modnas_module *m, const char *text, const char *fn, int (*put)(mn_slot *slot, const mn_node *spec)) {
    mn_slot *slot = NULL;
    mn_node *spec;
    if (!m) return MODNAS_EINVAL;
    MN_ENTER(m->model->ctx);
    modnas_ctx *ctx = m->model->ctx;
    MN_TRY(need_slot(ctx, m, fn, &slot));
    MN_TRY(mn_host_value(ctx, text, fn, &spec));
    const int rc = put(slot, spec);
    mn_node_free(ctx, spec);
    return rc;
}

int modnas_slot_fill(modnas_module *slot, const char *spec) {
    mn_slot *s;
    if (spec) return fill(slot, spec, "modnas_slot_fill", mn_fill_candidate);
    if (!slot) return MODNAS_EINVAL;
    MN_ENTER(slot->model->ctx);
    MN_TRY(need_slot(slot->model->ctx, slot, "modnas_slot_fill", &s));
    return mn_fill_predefined(s);
}

int modnas_slot_mix(modnas_module *slot, const char *spec) {
    if (!slot) return MODNAS_EINVAL;
    MN_ENTER(slot->model->ctx);
    if (!spec) return mn_fail(slot->model->ctx, MODNAS_EINVAL, "modnas_slot_mix: spec is NULL");
    return fill(slot, spec, "modnas_slot_mix", mn_fill_mixed);
}

size_t modnas_model_n_slots(const modnas_model *model) {
    return model ? model->slots.n : 0;
}

modnas_module *modnas_model_slot(const modnas_model *model, size_t i) {
    const mn_slot *s = model ? mn_model_slot(model, i) : NULL;
    return s ? s->module : NULL;
}

/* ---- constructors -------------------------------------------------------------------------------------- */

static int init(modnas_ctx *ctx, mn_host *h) {
    const modnas_construct_vt *vt = h->vt;
    h->construct.when = vt->after_commit ? MN_WHEN_COMMITTED : MN_IN_ORDER;
    if (!vt->run) return mn_fail(ctx, MODNAS_EINVAL, "construct '%.80s': run is NULL", h->name);
    if ((vt->after_commit | 1) == 1 && !vt->reserved) return 0;
    return mn_fail(ctx, MODNAS_EINVAL, "construct '%.80s': after_commit is %d, reserved %d", h->name, vt->after_commit,
                   vt->reserved);
}

static int run(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_host *h = c->data;
    const modnas_construct_vt *vt = h->vt;
    mn_model *model = ((const mn_construct_env *)env)->model;
    (void)out;
    MN_TRY(mn_host_enter(model, h->name));
    mn_callback_begin(args->ctx);
    const int rc = vt->run(model, args, h->ud);
    model->depth--;
    return mn_callback_end(args->ctx, rc, "constructor %s", h->name);
}

static int put(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    if (!place->model) return mn_fail(ctx, MODNAS_EINVAL, "a constructor is run on place.model, which is NULL");
    return mn_construct_run(place->model, spec);
}

const mn_host_kind mn_host_construct = {"construct", "modnas_construct_vt", sizeof(modnas_construct_vt), init, run,
                                        put};
