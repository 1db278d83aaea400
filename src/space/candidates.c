/* The table of candidate operators, and how one is made for a Slot.
 *
 *   MB<k>E<e>  k in 3 5 7 9, e in 1 3 6 9: inverted residual convolution, kernel k, expansion e
 *   NIL        zeros;  IDT  identity, or a factorized reduction where the Slot has stride 2
 *
 * A builder refuses a Slot that its operator does not fit, so building a supernet checks every candidate at every Slot.
 * Adding one is a row here and a builder. */
#include "space/candidates.h"

#include <stdio.h>
#include <string.h>

#include "module/layers.h"

typedef struct mb_conf {
    int32_t kernel, expansion;
} mb_conf;

static int build_mb(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    const mb_conf *mb = c->data;
    (void)args;
    return mn_mbconv_new(e->model, e->chn_in, e->chn_out, e->stride, mb->expansion, mb->kernel, MODNAS_ACT_RELU6, out);
}

static int build_nil(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    (void)args;
    if (e->chn_in != e->chn_out)
        return mn_fail(e->model->ctx, MODNAS_ECONFIG, "%s: %s keeps the channels, it does not fit", e->where, c->name);
    return mn_zero_op_new(e->model, e->chn_out, e->stride, out);
}

static int build_idt(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    (void)args;
    if (e->stride == 1 && e->chn_in == e->chn_out) return mn_identity_new(e->model, out);
    if (e->stride == 2) return mn_factorized_reduce_new(e->model, e->chn_in, e->chn_out, out);
    if (e->stride == 1)
        return mn_fail(e->model->ctx, MODNAS_ECONFIG, "%s: %s with stride 1 keeps the channels, it does not fit",
                       e->where, c->name);
    return mn_fail(e->model->ctx, MODNAS_ECONFIG, "%s: %s has stride 1 or 2, it does not fit", e->where, c->name);
}

#define MB(k, e)                                                                                                       \
    {                                                                                                                  \
        "candidate", "MB" #k "E" #e, "inverted residual convolution, kernel " #k ", expansion " #e, NULL, build_mb,    \
            &(const mb_conf) {                                                                                         \
            k, e                                                                                                       \
        }                                                                                                              \
    }

static const mn_component rows[] = {
    MB(3, 1),
    MB(3, 3),
    MB(3, 6),
    MB(3, 9),
    MB(5, 1),
    MB(5, 3),
    MB(5, 6),
    MB(5, 9),
    MB(7, 1),
    MB(7, 3),
    MB(7, 6),
    MB(7, 9),
    MB(9, 1),
    MB(9, 3),
    MB(9, 6),
    MB(9, 9),
    {"candidate", "NIL", "zeros (equal channels only)", NULL, build_nil, NULL},
    {"candidate", "IDT", "identity; with stride 2 a factorized reduction", NULL, build_idt, NULL},
};

int mn_candidates_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}

/* ---- by name ------------------------------------------------------------------------------------------- */

const char *mn_spec_prefix(const mn_node *spec, char *buf, size_t bytes) {
    char where[256];
    buf[0] = 0;
    if (spec && spec->file) snprintf(buf, bytes, "%s: ", mn_node_where(spec, where, sizeof where));
    return buf;
}

typedef struct name_list {
    const char *names[128];
    size_t n;
} name_list;

static int collect(const mn_component *c, void *ud) {
    name_list *l = ud;
    if (l->n < MN_COUNT(l->names)) l->names[l->n++] = c->name;
    return 0;
}

/* The name must be a candidate's; the message has place, Slot and the nearest name. */
static int check_name(modnas_ctx *ctx, const mn_node *spec, const char *name, const char *where) {
    if (mn_registry_find(ctx, "candidate", name)) return 0;
    name_list l = {.n = 0};
    char prefix[288];
    mn_spec_prefix(spec, prefix, sizeof prefix);
    if (mn_registry_visit(ctx, "candidate", collect, &l)) l.n = 0;
    const char *near = mn_suggest(name, l.names, l.n);
    if (near)
        return mn_fail(ctx, MODNAS_ENOTFOUND, "%s%s: no candidate named '%s'; did you mean '%s'?", prefix, where, name,
                       near);
    return mn_fail(ctx, MODNAS_ENOTFOUND, "%s%s: no candidate named '%s'", prefix, where, name);
}

int mn_candidate_build(mn_model *model, const mn_node *spec, const mn_slot *slot, mn_module **out) {
    modnas_ctx *ctx = model->ctx;
    mn_str where = {.ctx = ctx};
    const char *name;
    const mn_node *args;
    char prefix[288];
    int rc = mn_spec_parse(ctx, spec, NULL, &name, &args);
    if (!rc) rc = mn_slot_name(slot, &where);
    if (!rc) rc = check_name(ctx, spec, name, where.text);
    if (!rc) {
        const mn_candidate_env env = {model, name, slot->chn_in, slot->chn_out, slot->stride, slot->kwargs, where.text};
        rc = mn_registry_build(ctx, "candidate", spec, NULL, NULL, &env, out);
        if (rc == MODNAS_ECONFIG && strncmp(modnas_errmsg(ctx), where.text, where.n) == 0)
            rc = mn_fail(ctx, rc, "%s%s", mn_spec_prefix(spec, prefix, sizeof prefix), modnas_errmsg(ctx));
    }
    mn_str_free(&where);
    return rc;
}
