/* The table of candidate operators, and how one is made for a Slot.
 *
 * A builder refuses a Slot that its operator does not fit, so building a supernet checks every candidate at every Slot.
 * A family is a macro over its kernel sizes: adding one is such a line, and a builder if none of these fits. */
#include "space/candidates.h"

#include <stdio.h>
#include <string.h>

#include "module/layer_types.h"
#include "module/layers.h"

/* The Slot is named by mn_candidate_build. */
static int misfit(const mn_component *c, const mn_candidate_env *e, const char *reason) {
    return mn_fail(e->model->ctx, MODNAS_ECONFIG, "%s %s", c->name, reason);
}

/* ---- builders ------------------------------------------------------------------------------------------ */

typedef struct mb_conf {
    int32_t kernel, expansion, act, use_se;
} mb_conf;

static int make_mb(const mn_candidate_env *e, const mb_conf *mb, void *out) {
    mn_mbconv_desc d = {e->chn_in, 0, e->chn_out, e->stride, mb->kernel, mb->act, mb->use_se};
    MN_TRY(mn_mbconv_hidden(e->model, e->chn_in, mb->expansion, &d.hidden));
    return mn_mbconv_build(e->model, &d, out);
}

static int build_mb(const mn_component *c, const mn_args *args, const void *env, void *out) {
    (void)args;
    return make_mb(env, c->data, out);
}

/* 0 and 1 as the original has them, or false and true. */
static int read_flag(const mn_component *c, const mn_candidate_env *e, const mn_args *a, const char *name, int *flag) {
    const mn_node *v = mn_args_node(a, name);
    char reason[128], what[80];
    *flag = v && v->i;
    if (!v || v->kind == MN_BOOL || (v->kind == MN_INT && (v->i == 0 || v->i == 1))) return 0;
    snprintf(reason, sizeof reason, "takes 0 or 1 as %s, not %s", name, mn_node_what(v, what, sizeof what));
    return misfit(c, e, reason);
}

/* The form whose flags are args. */
static int build_m3(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mb_conf mb = *(const mb_conf *)c->data;
    int hs;
    MN_TRY(read_flag(c, env, args, "use_se", &mb.use_se));
    MN_TRY(read_flag(c, env, args, "use_hs", &hs));
    if (hs) mb.act = MODNAS_ACT_HARD_SWISH;
    return make_mb(env, &mb, out);
}

static int build_se(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    (void)args;
    if (e->chn_in != e->chn_out || e->stride != 1) return misfit(c, e, "needs equal channels and stride 1");
    return mn_mbv3_se_new(e->model, e->chn_in, out);
}

static int build_ir(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    const mb_conf *mb = c->data;
    (void)args;
    return mn_inverted_residual_new(e->model, e->chn_in, e->chn_out, e->stride, mb->expansion, mb->kernel, out);
}

static int build_skip(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    (void)c, (void)args;
    if (e->stride == 1 && e->chn_in == e->chn_out) return mn_identity_new(e->model, out);
    return mn_conv_bn_act_new(e->model, e->chn_in, e->chn_out, 1, e->stride, 1, MODNAS_ACT_NONE, out);
}

typedef struct shuffle_conf {
    int32_t kernel, is_long;
} shuffle_conf;

/* The width of the middle: the arg, else what the Slot says, else half of the output. */
static int build_shuffle(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    const shuffle_conf *conf = c->data;
    const mn_node *mid = mn_node_get(e->kwargs, "chn_mid");
    mn_shuffle_desc d = {e->chn_in, e->chn_out, e->stride, conf->kernel, mid ? (int32_t)mid->i : 0, conf->is_long};
    if (e->stride == 1 && e->chn_in % 2) return misfit(c, e, "needs an even number of channels at stride 1, to split them");
    if (e->chn_out % 2) return misfit(c, e, "needs an even number of output channels, to shuffle them");
    if (e->chn_out <= (e->stride == 1 ? e->chn_in / 2 : e->chn_in))
        return misfit(c, e, "needs more output channels than pass by: half of the source's at stride 1, else all");
    if (mn_args_given(args, "chn_mid")) MN_TRY(mn_args_count(args, "chn_mid", 1, 65536, &d.chn_mid));
    return mn_shuffle_unit_new(e->model, &d, out);
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

#define ROW(name, text, args, build, type, ...)                                                                        \
    {                                                                                                                  \
        "candidate", name, text, args, build, &(const type) {                                                          \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define MB(k, e)                                                                                                       \
    ROW("MB" #k "E" #e, "inverted residual, kernel " #k ", expansion " #e, NULL, build_mb, mb_conf, k, e,              \
        MODNAS_ACT_RELU6, 0)
#define M3(k, e, end, text, args, build, act, se)                                                                      \
    ROW("M3B" #k "E" #e end, "inverted residual of MobileNetV3, kernel " #k ", expansion " #e text, args, build,       \
        mb_conf, k, e, act, se)
#define M3B(k, e)                                                                                                      \
    M3(k, e, "", "", m3_args, build_m3, MODNAS_ACT_RELU, 0),                                                           \
        M3(k, e, "S", ", squeeze-excite", NULL, build_mb, MODNAS_ACT_RELU, 1),                                         \
        M3(k, e, "H", ", hard-swish", NULL, build_mb, MODNAS_ACT_HARD_SWISH, 0),                                       \
        M3(k, e, "SH", ", squeeze-excite, hard-swish", NULL, build_mb, MODNAS_ACT_HARD_SWISH, 1)
#define IR(k, e)                                                                                                       \
    ROW("IR" #k "E" #e, "inverted residual with its shortcut, kernel " #k ", expansion " #e, NULL, build_ir, mb_conf,  \
        k, e, MODNAS_ACT_RELU, 0)
#define PRIMITIVE(name, text, k, make, ...)                                                                            \
    ROW(name, text ", kernel " #k, NULL, build_primitive, primitive, make, {.kernel = k, __VA_ARGS__})
#define SHU(k) ROW("SHU" #k, "unit of ShuffleNetV2, kernel " #k, shuffle_args, build_shuffle, shuffle_conf, k, 0)
#define SHX(k)                                                                                                         \
    ROW("SHX" #k, "unit of SPOS with three depthwise convolutions, kernel " #k, shuffle_args, build_shuffle,           \
        shuffle_conf, k, 1)
#define EACH_KERNEL(FAMILY) FAMILY(1), FAMILY(3), FAMILY(5), FAMILY(7), FAMILY(9), FAMILY(11), FAMILY(13)

#define MB_OF(k) MB(k, 1), MB(k, 3), MB(k, 6), MB(k, 9)
#define M3_OF(k) M3B(k, 1), M3B(k, 3), M3B(k, 6), M3B(k, 9)
#define IR_OF(k) IR(k, 1), IR(k, 3), IR(k, 6), IR(k, 9)
#define AP(k)    PRIMITIVE("AP" #k, "average pooling", k, mn_pool_bn_new, .algo = MODNAS_POOL_AVG)
#define MP(k)    PRIMITIVE("MP" #k, "max pooling", k, mn_pool_bn_new, .algo = MODNAS_POOL_MAX)
#define NC(k)    PRIMITIVE("NC" #k, "convolution", k, mn_std_conv_new, .groups = 1)
#define SS(k)    PRIMITIVE("SS" #k, "separable convolution", k, mn_dil_conv_new, .dilation = 1)
#define SC(k)    PRIMITIVE("SC" #k, "two separable convolutions", k, mn_sep_conv_new, .dilation = 1)
#define DC(k)    PRIMITIVE("DC" #k, "separable convolution, dilation 2", k, mn_dil_conv_new, .dilation = 2)
#define DD(k)    PRIMITIVE("DD" #k, "separable convolution, dilation 3", k, mn_dil_conv_new, .dilation = 3)
#define FC(k)    PRIMITIVE("FC" #k, "convolutions k x 1 and 1 x k", k, mn_fac_conv_new, .groups = 1)

static const mn_arg_def m3_args[] = {
    {"use_se", MN_ARG_ANY, "0", NULL, "squeeze and excitation behind the depthwise convolution"},
    {"use_hs", MN_ARG_ANY, "0", NULL, "hard-swish instead of ReLU"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_arg_def shuffle_args[] = {
    {"chn_mid", MN_ARG_INT, "null", NULL, "channels in the middle; default: the Slot's, else half of the output's"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component rows[] = {
    MB_OF(3),
    MB_OF(5),
    MB_OF(7),
    MB_OF(9),
    M3_OF(3),
    M3_OF(5),
    M3_OF(7),
    M3_OF(9),
    IR_OF(3),
    IR_OF(5),
    IR_OF(7),
    IR_OF(9),
    SHU(3),
    SHU(5),
    SHU(7),
    SHU(9),
    SHX(3),
    SHX(5),
    SHX(7),
    SHX(9),
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
    {"candidate", "SE", "squeeze and excitation (equal channels and stride 1 only)", NULL, build_se, NULL},
    {"candidate", "NIL", "zeros (equal channels only)", NULL, build_nil, NULL},
    {"candidate", "IDT", "identity; with stride 2 a factorized reduction", NULL, build_idt, NULL},
    {"candidate", "SKIP", "identity; between unequal shapes a 1x1 convolution with batch norm", NULL, build_skip, NULL},
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
    return at_slot(ctx, mn_registry_build(ctx, "candidate", spec, NULL, slot->args, &env, out), spec, slot);
}
