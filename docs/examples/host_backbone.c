/* A host with a backbone of its own. C and C++ alike:
 *   cc host_backbone.c $(pkg-config --cflags --libs modnas) */
#include <modnas/modnas.h>
#include <stdio.h>
#include <string.h>

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const int status = (call);                                                                                     \
        if (status != 0) return status;                                                                                \
    } while (0)

/* ---- the backbone: a stem, three Slots of which the last two halve the image, a classifier -------------------------
 */

enum { N_BLOCKS = 3 };
static const char *const blocks[N_BLOCKS] = {"block0", "block1", "block2"};

/* What it is made of. Names become those of the checkpoint; `op` is the operator that a Slot has when nothing is
 * searched. */
static int build(modnas_module *net, const modnas_args *args, void *ud) {
    const int width = (int)modnas_args_int(args, "width");
    char text[128];
    (void)ud;
    TRY(modnas_model_set_input(modnas_module_model(net), 1, 12, 12));
    snprintf(text, sizeof text, "in_channels: 1, out_channels: %d", width);
    TRY(modnas_module_add(net, "stem", "ConvBNAct", text, NULL));
    for (int i = 0; i < N_BLOCKS; i++) {
        snprintf(text, sizeof text, "chn_in: %d, chn_out: %d, stride: %d, op: MB3E3", i ? width << (i - 1) : width,
                 width << i, i ? 2 : 1);
        TRY(modnas_module_add(net, blocks[i], "Slot", text, NULL));
    }
    TRY(modnas_module_add(net, "pool", "GlobalAvgPool", NULL, NULL));
    snprintf(text, sizeof text, "in_features: %d, out_features: 4", width << (N_BLOCKS - 1));
    return modnas_module_add(net, "fc", "Linear", text, NULL);
}

/* What it computes: recorded here, planned and differentiated by the library. Blocks that keep the shape add their
 * source. */
static int forward(modnas_module *net, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                   void *ud) {
    modnas_value *x, *y;
    (void)n_src, (void)ud;
    TRY(modnas_forward(modnas_module_child(net, "stem"), tape, src[0], &x));
    for (int i = 0; i < N_BLOCKS; i++) {
        TRY(modnas_forward(modnas_module_child(net, blocks[i]), tape, x, &y));
        if (i == 0) TRY(modnas_op_add(tape, x, y, &y));
        x = y;
    }
    TRY(modnas_forward(modnas_module_child(net, "pool"), tape, x, &x));
    return modnas_forward(modnas_module_child(net, "fc"), tape, x, dst);
}

static int add_backbone(modnas_ctx *ctx) {
    modnas_module_vt vt = {sizeof vt, build, forward};
    modnas_component net;
    memset(&net, 0, sizeof net);
    net.size = sizeof net;
    net.kind = "model";
    net.name = "HostNet";
    net.text = "a stem, three Slots, a classifier";
    net.args = "width: 16";
    net.vt = &vt;
    return modnas_registry_register(ctx, &net);
}

static const char config[] = "model: {type: HostNet, args: {width: 8}}\n"
                             "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3, MB5E3]}\n";

static int run(modnas_ctx *ctx, modnas_config *cfg) {
    char *text = NULL;
    TRY(add_backbone(ctx));
    TRY(modnas_config_add_text(cfg, config, sizeof config - 1, "config"));
    TRY(modnas_describe_text(cfg, NULL, &text));
    fputs(text, stdout);
    modnas_string_free(ctx, text);
    return 0;
}

int main(void) {
    modnas_ctx *ctx = NULL;
    modnas_config *cfg = NULL;
    int status = modnas_ctx_new(NULL, &ctx);
    if (status == 0) status = modnas_config_new(ctx, &cfg);
    if (status == 0) status = run(ctx, cfg);
    if (status != 0) fprintf(stderr, "%s\n", ctx ? modnas_errmsg(ctx) : modnas_strerror(status));
    modnas_config_free(cfg);
    modnas_ctx_free(ctx);
    return status != 0;
}
