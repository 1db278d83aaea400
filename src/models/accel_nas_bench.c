/* AccelNASBench: the networks of Accel-NASBench (Ahmad et al. 2024) for 3x224x224 images, in MnasNet's form.
 *
 *   stem -> stages.<i>.<j>.conv, a Slot each -> head -> pool -> fc
 *
 * Seven stages, each of l blocks with expansion e, kernel k, and squeeze-excite if se; an argument is seven digits, one
 * a stage, as the published table has them: {e: '6461414', k: '5333335', l: '1132121', se: '0000000'}. The hidden units
 * of squeeze-excite are a quarter of the block's input channels. */
#include <string.h>

#include "models/models.h"

enum { N_STAGES = 7, STEM = 32, HEAD = 1280 };

static const int32_t chn[N_STAGES] = {16, 24, 40, 80, 112, 192, 320}, stride[N_STAGES] = {1, 2, 2, 2, 1, 2, 1};

/* ---- block --------------------------------------------------------------------------------------------- */

static int add_parts(mn_module *m, const mn_slot *s) {
    const int32_t k = mn_kwarg_of(s, "kernel_size", 3), h = mn_kwarg_of(s, "expansion", 1) * s->chn_in;
    const mn_conv_desc expand = {s->chn_in, h, {1, 1}, 1, {0, 0}, 1, 1, 0};
    const mn_conv_desc depthwise = {h, h, {k, k}, s->stride, {k / 2, k / 2}, 1, h, 0};
    const mn_conv_desc project = {h, s->chn_out, {1, 1}, 1, {0, 0}, 1, 1, 0};
    const int32_t squeeze = s->chn_in < 4 ? 1 : s->chn_in / 4;
    mn_module *se;
    if (h != s->chn_in) MN_TRY(mn_conv_bn_act_append(m, &expand, MODNAS_ACT_RELU));
    MN_TRY(mn_conv_bn_act_append(m, &depthwise, MODNAS_ACT_RELU));
    if (mn_kwarg_of(s, "use_se", 0)) {
        MN_TRY(mn_squeeze_excite_new(m->model, h, squeeze, MODNAS_ACT_RELU, MODNAS_ACT_SIGMOID, &se));
        MN_TRY(mn_module_append(m, se));
    }
    return mn_conv_bn_act_append(m, &project, MODNAS_ACT_NONE);
}

static int predefined(mn_model *model, const mn_slot *slot, mn_module **out) {
    mn_module *m;
    MN_TRY(mn_sequential_new(model, &m));
    const int rc = add_parts(m, slot);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

/* ---- backbone ------------------------------------------------------------------------------------------ */

typedef struct plan {
    int32_t e[N_STAGES], k[N_STAGES], l[N_STAGES], se[N_STAGES];
} plan;

static int add_stage(mn_module *stages, const plan *p, int32_t i) {
    const mn_kwarg kwargs[] = {{"expansion", p->e[i]}, {"kernel_size", p->k[i]}, {"use_se", p->se[i]}};
    const int32_t chn_in = i ? chn[i - 1] : STEM;
    mn_module *m;
    MN_TRY(mn_sequential_new(stages->model, &m));
    MN_TRY(mn_module_append(stages, m));
    for (int32_t j = 0; j < p->l[i]; j++) {
        const char name[2] = {(char)('0' + j), 0};
        MN_TRY(mn_add_inverted_residual(m, name, j ? chn[i] : chn_in, chn[i], j ? 1 : stride[i], kwargs,
                                        MN_COUNT(kwargs)));
    }
    return 0;
}

static int add_layers(mn_module *root, const void *made) {
    mn_model *model = root->model;
    mn_module *m = NULL;
    int rc = mn_conv_bn_act_new(model, model->input[0], STEM, 3, 2, 1, MODNAS_ACT_RELU, &m);
    MN_TRY(mn_add_made(root, "stem", rc, m));
    rc = mn_sequential_new(model, &m);
    MN_TRY(mn_add_made(root, "stages", rc, m));
    for (int32_t i = 0; i < N_STAGES; i++) MN_TRY(add_stage(m, made, i));
    rc = mn_conv_bn_act_new(model, chn[N_STAGES - 1], HEAD, 1, 1, 1, MODNAS_ACT_RELU, &m);
    MN_TRY(mn_add_made(root, "head", rc, m));
    rc = mn_global_pool_new(model, &m);
    MN_TRY(mn_add_made(root, "pool", rc, m));
    rc = mn_linear_new(model, HEAD, model->n_classes, 1, &m);
    return mn_add_made(root, "fc", rc, m);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

/* Seven digits of `allowed`: text, or what YAML takes for a number. */
static int read_digits(const mn_args *a, const char *name, const char *allowed, int32_t to[N_STAGES]) {
    const mn_node *n = mn_args_node(a, name);
    const char *text = n->text ? n->text : "";
    for (size_t i = 0; i < N_STAGES; i++)
        if (strlen(text) != N_STAGES || !strchr(allowed, text[i]))
            return mn_args_fail(a, name, "'%.40s' is not %d digits, each of %s", text, N_STAGES, allowed);
    for (size_t i = 0; i < N_STAGES; i++) to[i] = text[i] - '0';
    return 0;
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    plan p;
    (void)c, (void)out;
    MN_TRY(mn_model_read_images(args, 224, model));
    MN_TRY(read_digits(args, "e", "146", p.e));
    MN_TRY(read_digits(args, "k", "35", p.k));
    MN_TRY(read_digits(args, "l", "123456789", p.l));
    MN_TRY(read_digits(args, "se", "01", p.se));
    MN_TRY(mn_model_set_root(model, add_layers, &p));
    model->predefined = predefined;
    return 0;
}

static const mn_arg_def args[] = {MN_IMAGE_ARGS("1000"),
                                  {"e", MN_ARG_ANY, NULL, NULL, "expansions 1, 4, 6: seven digits, one a stage"},
                                  {"k", MN_ARG_ANY, NULL, NULL, "kernels 3, 5"},
                                  {"l", MN_ARG_ANY, NULL, NULL, "blocks, 1 to 9"},
                                  {"se", MN_ARG_ANY, NULL, NULL, "squeeze-excite 0, 1"},
                                  {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {"model", "AccelNASBench", "a network of Accel-NASBench for 3x224x224 images",
                                 args,    build,           NULL};

int mn_accel_nas_bench_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
