/* A host with a backbone, data and a search loop of its own. C and C++ alike:
 *   cc host_backbone.c $(pkg-config --cflags --libs modnas) */
#include <modnas/modnas.h>
#include <stdio.h>
#include <string.h>

/* Functions return 0, or what went wrong; the text is with the context. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const int status_ = (call);                                                                                    \
        if (status_ != 0) return status_;                                                                              \
    } while (0)

/* ---- the backbone: a stem, three Slots of which two halve the image, a classifier of 4 classes ---------------- */
enum { N_BLOCKS = 3, SIDE = 12 };
static const char *const names[N_BLOCKS] = {"block0", "block1", "block2"};
static const char *const slots[N_BLOCKS] = {"chn_in: 8, chn_out: 8", "chn_in: 8, chn_out: 16, stride: 2",
                                            "chn_in: 16, chn_out: 32, stride: 2"};

/* What it is made of. Names become those of the checkpoint. */
static int build(modnas_module *net, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    TRY(modnas_model_set_input(modnas_module_model(net), 1, SIDE, SIDE));
    TRY(modnas_module_add(net, "stem", "ConvBNAct", "in_channels: 1, out_channels: 8", NULL));
    for (int i = 0; i < N_BLOCKS; i++) TRY(modnas_module_add(net, names[i], "Slot", slots[i], NULL));
    TRY(modnas_module_add(net, "pool", "GlobalAvgPool", NULL, NULL));
    return modnas_module_add(net, "fc", "Linear", "in_features: 32, out_features: 4", NULL);
}

/* What it computes: recorded here, planned and differentiated by the library. The first block adds its source. */
static int forward(modnas_module *net, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                   void *ud) {
    modnas_value *x, *y;
    (void)n_src, (void)ud;
    TRY(modnas_forward(modnas_module_child(net, "stem"), tape, src[0], &x));
    for (int i = 0; i < N_BLOCKS; i++, x = y) {
        TRY(modnas_forward(modnas_module_child(net, names[i]), tape, x, &y));
        if (i == 0) TRY(modnas_op_add(tape, x, y, &y));
    }
    TRY(modnas_forward(modnas_module_child(net, "pool"), tape, x, &x));
    return modnas_forward(modnas_module_child(net, "fc"), tape, x, dst);
}

/* ---- the data: stripes under noise, their direction is the class ---------------------------------------------- */
static int sample(int64_t index, float *dst, int32_t *label, void *ud) {
    static const int slope[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, SIDE - 1}};
    uint32_t noise = (uint32_t)index * 2654435761u + 1;
    (void)ud;
    *label = (int32_t)(index % 4);
    for (int i = 0; i < SIDE * SIDE; i++) {
        const int phase = i / SIDE * slope[*label][0] + i % SIDE * slope[*label][1] + (int)(index / 4);
        noise = noise * 1664525u + 1013904223u;
        dst[i] = (phase % 4 < 2 ? 0.5f : -0.5f) + (float)(noise >> 8) / 8388608.0f - 1.0f;
    }
    return 0;
}

/* Tables of functions and sizes, all fields in order; zero and NULL are defaults. */
static int add_components(modnas_ctx *ctx) {
    static const modnas_module_vt functions = {sizeof functions, build, forward};
    const modnas_component net = {sizeof net, "model", "HostNet", "our backbone", NULL, &functions, NULL, NULL};
    const modnas_data_source data = {sizeof data, 640, {1, SIDE, SIDE}, 4, 0, 0, sample, NULL, NULL};
    TRY(modnas_registry_register(ctx, &net));
    return modnas_data_register(ctx, "Stripes", &data);
}

/* ---- searching ------------------------------------------------------------------------------------------------ */
#define COMMON                                                                                                         \
    "name: host_backbone\nthreads: 1\nmodel: HostNet\ntrain_data: Stripes\n"                                           \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 32, val_batch_size: 128, valid_size: 128}}\n"       \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: Adam, args: {lr: 0.01}}}}}\n"
static const char by_asking[] = COMMON "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3]}\n"
                                       "optim: RandomSearchOptim\n";
static const char by_gradient[] = COMMON "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3, MB5E3]}\n"
                                         "optim: BinaryGateOptim\nestim: {search: {type: SuperNetEstim, epochs: 15}}\n";

static int open_search(modnas_ctx *ctx, const char *yaml, const modnas_search_opts *opts, modnas_search **search) {
    modnas_config *cfg = NULL;
    TRY(modnas_config_new(ctx, &cfg));
    int status = modnas_config_add_text(cfg, yaml, strlen(yaml), "host_backbone");
    if (status == 0) status = modnas_search_new(cfg, opts, search);
    modnas_config_free(cfg);
    return status;
}

/* Pull: the loop is the host's. The weights that all paths share are trained along the one that was proposed. */
static int try_path(modnas_search *search, const modnas_arch *path) {
    modnas_metric metrics[8];
    int32_t n;
    TRY(modnas_search_train(search, path, 12, NULL));
    TRY(modnas_search_evaluate(search, path, metrics, 8, &n));
    return modnas_search_tell(search, path, 0, metrics, n);
}

static int ask_and_tell(modnas_search *search) {
    for (int i = 0; i < 20; i++) {
        modnas_arch *path;
        int32_t n;
        TRY(modnas_search_ask(search, 1, &path, &n));
        const int status = try_path(search, path);
        modnas_arch_free(path);
        TRY(status);
    }
    return 0;
}

/* Push: the loop is the library's, and this is called after each evaluation. */
static int evaluated(modnas_search *search, const modnas_evaluation *e, void *ud) {
    (void)search, (void)ud;
    if (e->is_best) printf("  epoch %d: %.3f with %s\n", (int)e->index + 1, e->score, e->desc);
    return 0;
}

/* Print the best architecture, and write it to the file that `arch_desc` of a configuration reads. */
static int report(modnas_ctx *ctx, modnas_search *search, const char *path) {
    double accuracy = 0;
    char *yaml = NULL;
    TRY(modnas_search_export(search, modnas_search_best(search, &accuracy), &yaml));
    printf("%s, accuracy %.3f:\n%s", path, accuracy, yaml);
    FILE *file = fopen(path, "w");
    if (file) fputs(yaml, file);
    modnas_string_free(ctx, yaml);
    return file && fclose(file) == 0 ? 0 : 1;
}

static int run(modnas_ctx *ctx, modnas_search **asked, modnas_search **ran) {
    const modnas_search_opts opts = {sizeof opts, NULL, NULL, evaluated, NULL, NULL, NULL, 0, 0};
    TRY(add_components(ctx));
    TRY(open_search(ctx, by_asking, NULL, asked));
    TRY(ask_and_tell(*asked));
    TRY(report(ctx, *asked, "found_by_asking.yaml"));
    TRY(open_search(ctx, by_gradient, &opts, ran));
    TRY(modnas_search_run(*ran, NULL));
    return report(ctx, *ran, "found_by_gradient.yaml");
}

int main(void) {
    modnas_ctx *ctx = NULL;
    modnas_search *asked = NULL, *ran = NULL;
    int status = modnas_ctx_new(NULL, &ctx);
    if (status == 0) status = run(ctx, &asked, &ran);
    if (status != 0) fprintf(stderr, "%d: %s\n", status, ctx ? modnas_errmsg(ctx) : modnas_strerror(status));
    modnas_search_free(asked);
    modnas_search_free(ran);
    modnas_ctx_free(ctx);
    return status != 0;
}
