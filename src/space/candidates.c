/* The table of candidate operators, and how one is made for a Slot.
 *
 * A builder refuses a Slot that its operator does not fit, so building a supernet checks every candidate at every Slot.
 * A family is a macro over its kernel sizes: adding one is such a line, and a builder if none of these fits. */
#include "space/candidates.h"

#include <stdio.h>
#include <string.h>

#include "module/layers.h"

/* The Slot is named by mn_candidate_build. */
static int misfit(const mn_component *c, const mn_candidate_env *e, const char *reason) {
    return mn_fail(e->model->ctx, MODNAS_ECONFIG, "%s %s", c->name, reason);
}

/* ---- builders ------------------------------------------------------------------------------------------ */

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
    if (e->chn_in != e->chn_out) return misfit(c, e, "needs equal channels");
    return mn_zero_op_new(e->model, e->chn_out, e->stride, out);
}

static int build_idt(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    (void)args;
    if (e->stride == 1 && e->chn_in == e->chn_out) return mn_identity_new(e->model, out);
    if (e->stride == 2) return mn_factorized_reduce_new(e->model, e->chn_in, e->chn_out, out);
    return misfit(c, e, e->stride == 1 ? "needs equal channels at stride 1" : "needs a stride of 1 or 2");
}

typedef struct primitive {
    int (*make)(mn_model *model, const mn_block *b, mn_module **out);
    mn_block block; /* what the Slot does not say */
} primitive;

static int build_primitive(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    const primitive *p = c->data;
    const int same = e->chn_in == e->chn_out;
    mn_block b = p->block;
    (void)args;
    if (p->make == mn_pool_bn_new && !same) return misfit(c, e, "needs equal channels");
    if (!memchr(e->model->ops.order, 'w', sizeof e->model->ops.order) && (!same || e->stride != 1))
        return misfit(c, e, "without weight in ops_order needs equal channels and stride 1");
    b.chn_in = e->chn_in;
    b.chn_out = e->chn_out;
    b.stride = e->stride;
    return p->make(e->model, &b, out);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define ROW(name, text, build, type, ...)                                                                              \
    {                                                                                                                  \
        "candidate", name, text, NULL, build, &(const type) {                                                          \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define MB(k, e) ROW("MB" #k "E" #e, "inverted residual, kernel " #k ", expansion " #e, build_mb, mb_conf, k, e)
#define PRIMITIVE(name, text, k, make, ...)                                                                            \
    ROW(name, text ", kernel " #k, build_primitive, primitive, make, {.kernel = k, __VA_ARGS__})
#define EACH_KERNEL(FAMILY) FAMILY(1), FAMILY(3), FAMILY(5), FAMILY(7), FAMILY(9), FAMILY(11), FAMILY(13)

#define MB_OF(k) MB(k, 1), MB(k, 3), MB(k, 6), MB(k, 9)
#define AP(k)    PRIMITIVE("AP" #k, "average pooling", k, mn_pool_bn_new, .algo = MODNAS_POOL_AVG)
#define MP(k)    PRIMITIVE("MP" #k, "max pooling", k, mn_pool_bn_new, .algo = MODNAS_POOL_MAX)
#define NC(k)    PRIMITIVE("NC" #k, "convolution", k, mn_std_conv_new, .groups = 1)
#define SS(k)    PRIMITIVE("SS" #k, "separable convolution", k, mn_dil_conv_new, .dilation = 1)
#define SC(k)    PRIMITIVE("SC" #k, "two separable convolutions", k, mn_sep_conv_new, .dilation = 1)
#define DC(k)    PRIMITIVE("DC" #k, "separable convolution, dilation 2", k, mn_dil_conv_new, .dilation = 2)
#define DD(k)    PRIMITIVE("DD" #k, "separable convolution, dilation 3", k, mn_dil_conv_new, .dilation = 3)
#define FC(k)    PRIMITIVE("FC" #k, "convolutions k x 1 and 1 x k", k, mn_fac_conv_new, .groups = 1)

static const mn_component rows[] = {
    MB_OF(3),
    MB_OF(5),
    MB_OF(7),
    MB_OF(9),
    EACH_KERNEL(AP),
    EACH_KERNEL(MP),
    EACH_KERNEL(NC),
    EACH_KERNEL(SS),
    EACH_KERNEL(SC),
    EACH_KERNEL(DC),
    EACH_KERNEL(DD),
    EACH_KERNEL(FC),
    PRIMITIVE("AVG", "average pooling", 3, mn_pool_bn_new, .algo = MODNAS_POOL_AVG),
    PRIMITIVE("MAX", "max pooling", 3, mn_pool_bn_new, .algo = MODNAS_POOL_MAX),
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

/* Put place and Slot before the text of an error that has neither. */
static int at_slot(modnas_ctx *ctx, int rc, const mn_node *spec, const mn_slot *slot) {
    char prefix[288];
    mn_str name = {.ctx = ctx};
    if (rc != MODNAS_ECONFIG && rc != MODNAS_ESHAPE && rc != MODNAS_ENOTFOUND) return rc;
    if (mn_slot_name(slot, &name) == 0)
        mn_fail(ctx, rc, "%s%s: %s", mn_spec_prefix(spec, prefix, sizeof prefix), name.text, modnas_errmsg(ctx));
    mn_str_free(&name);
    return rc;
}

int mn_candidate_build(mn_model *model, const mn_node *spec, const mn_slot *slot, mn_module **out) {
    modnas_ctx *ctx = model->ctx;
    const mn_candidate_env env = {model, slot->chn_in, slot->chn_out, slot->stride, slot->kwargs, slot};
    const mn_component *c;
    const char *name;
    const mn_node *args;
    MN_TRY(mn_spec_parse(ctx, spec, NULL, &name, &args));
    MN_TRY(at_slot(ctx, mn_registry_need(ctx, "candidate", name, NULL, &c), spec, slot));
    MN_TRY(mn_spec_check(ctx, "candidate", spec, NULL)); /* what is wrong from here on is between operator and Slot */
    return at_slot(ctx, mn_registry_build(ctx, "candidate", spec, NULL, NULL, &env, out), spec, slot);
}
