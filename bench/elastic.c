/* A sub-network's training step in its supernet, beside the step of the same network cut out.
 *
 *   elastic [--nets 8] [--reps 7] [--batch 64] [--threads 2] [--window 7] [--size 32] [--cpu 0]
 *           [--model CIFAR_MobileNetV2_GPU]
 *
 * A step is forward, backward and SGD with momentum on random images; both take turns, the first turn is not counted.
 * `record` is what a new path costs besides: recording and planning, with all kernels known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/node.h"
#include "construct/subnet.h"
#include "pipeline/pipeline.h"
#include "search/derive.h"
#include "space/elastic.h"
#include "train/train.h"
#include "util_report.h"

#define FILE_NAME "elastic_bench.safetensors"

enum { MAX_REPS = 64 };

static struct {
    const char *model;
    int nets, reps, batch, threads, window, size, cpu;
} o = {"CIFAR_MobileNetV2_GPU", 8, 7, 64, 2, 7, 32, 0};

static modnas_ctx *ctx;

static void must(int rc) {
    if (!rc) return;
    fprintf(stderr, "elastic: %s\n", modnas_errmsg(ctx));
    exit(1);
}

/* A network with all that a step of it takes. */
typedef struct side {
    mn_model *m;
    mn_run *run;
    mn_value *x, *y, *logits, *loss;
    mn_weight_optim *sgd;
    float *images;
    int32_t *labels;
} side;

static void record(side *s) {
    const mn_run_opts opts = {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT};
    const int64_t x[4] = {o.batch, 3, o.size, o.size}, y[4] = {o.batch, 1, 1, 1};
    must(mn_run_begin(s->run, &opts));
    must(mn_input(s->run, x, MODNAS_F32, &s->x));
    must(mn_input(s->run, y, MODNAS_I32, &s->y));
    must(mn_model_forward(s->m, s->run, s->x, &s->logits));
    must(mn_softmax_xent(s->run, s->logits, s->y, 0, &s->loss));
    must(mn_run_plan(s->run, s->loss));
    mn_run_bind(s->run, s->x, s->images);
    mn_run_bind(s->run, s->y, s->labels);
}

static void open_side(side *s, mn_model *m) {
    const size_t n = (size_t)(o.batch * 3 * o.size * o.size);
    const mn_sgd_opts sgd = {.lr = 1e-3, .momentum = 0.9, .weight_decay = 3e-5};
    s->m = m;
    s->images = malloc(n * sizeof(float));
    s->labels = calloc((size_t)o.batch, sizeof(int32_t));
    for (size_t i = 0; i < n; i++) s->images[i] = (float)(i * 7919 % 1000) / 500 - 1;
    must(mn_run_new(m->backend, m->dtype, m->slab, &s->run));
    must(mn_sgd_new(ctx, m->weights, &sgd, &s->sgd));
}

static void close_side(side *s) {
    mn_weight_optim_free(s->sgd);
    mn_run_free(s->run);
    free(s->images);
    free(s->labels);
    mn_model_free(s->m);
}

/* Of a clock, or with --cpu 1 of this process: for a machine that has other things to do, with one thread. */
static double seconds(void) {
    return o.cpu ? (double)clock() / CLOCKS_PER_SEC : mn_seconds();
}

static double step_ms(side *s) {
    const double start = seconds();
    mn_store_zero_grad(s->m->weights);
    must(mn_run_forward(s->run, 0));
    must(mn_run_backward(s->run));
    must(mn_weight_optim_step(s->sgd, 1e-3, 1));
    return 1e3 * (seconds() - start);
}

static double record_ms(side *s) {
    const double start = seconds();
    record(s);
    return 1e3 * (seconds() - start);
}

static mn_node *config(void) {
    mn_str text = {.ctx = ctx};
    mn_node *docs;
    mn_str_addf(&text, "backend: dnnl\nthreads: %d\nmodel: {type: %s, args: {n_classes: 10, kernel_size: %d}}\n", o.threads,
                o.model, o.window);
    mn_str_add(&text, "construct: {elastic: {type: MobileNetV2ElasticConstructor, args: {kernel_kwargs: {}}}}\n");
    must(mn_yaml_read(ctx, text.text, text.n, "bench", &docs));
    mn_str_free(&text);
    return docs;
}

static mn_node *describe(const mn_model *m) {
    mn_node *map = mn_node_new(ctx, MN_MAP);
    for (int32_t i = 0; i < mn_space_n_genes(m->space); i++) {
        const mn_arch_param *p = mn_space_gene(m->space, i);
        must(mn_node_set(ctx, map, p->name, mn_node_copy(ctx, p->choices->items[p->index])));
    }
    return map;
}

static void measure(side *elastic, const mn_node *conf, int32_t net, double *share) {
    double a[MAX_REPS], b[MAX_REPS], ratio[MAX_REPS], again;
    mn_subnet sub;
    mn_arch *arch;
    mn_rng rng;
    mn_rng_init(&rng, 1, 1, (uint64_t)net);
    must(mn_arch_new(elastic->m, &arch));
    for (int32_t i = 0; i < arch->n && net; i++) /* the first one is the whole */
        arch->index[i] = (int32_t)mn_rng_below(&rng, (uint64_t)mn_space_gene(elastic->m->space, i)->n);
    must(mn_arch_apply(arch));
    mn_node *desc = describe(elastic->m);
    must(mn_subnet_open(ctx, conf, MODNAS_F32, &sub));
    must(mn_subnet_reduce(sub.model, desc, FILE_NAME));
    side alone;
    open_side(&alone, sub.model);
    sub.model = NULL;
    mn_subnet_close(&sub);
    record(elastic);
    record(&alone);
    for (int i = -1; i < o.reps; i++) {
        const double x = step_ms(elastic), y = step_ms(&alone);
        if (i < 0) continue;
        a[i] = x;
        b[i] = y;
        ratio[i] = x / y;
    }
    again = record_ms(elastic);
    const spread of = spread_of(ratio, (size_t)o.reps), sa = spread_of(a, (size_t)o.reps), sb = spread_of(b, (size_t)o.reps);
    printf("%3d %10.2f M %9.2f ms %9.2f ms   %6.3f (%.3f-%.3f) %8.2f ms\n", (int)net,
           (double)mn_derived_params(elastic->m) / 1e6, sa.median, sb.median, of.median, of.low, of.high, again);
    *share = of.median;
    close_side(&alone);
    mn_node_free(ctx, desc);
    mn_arch_free(arch);
}

static void read_options(int argc, char **argv) {
    const struct {
        const char *name;
        int *to;
    } numbers[] = {{"--nets", &o.nets},       {"--reps", &o.reps},     {"--batch", &o.batch},
                   {"--threads", &o.threads}, {"--window", &o.window}, {"--size", &o.size},
                   {"--cpu", &o.cpu}};
    for (int i = 1; i + 1 < argc; i += 2) {
        for (size_t k = 0; k < MN_COUNT(numbers); k++)
            if (strcmp(argv[i], numbers[k].name) == 0) *numbers[k].to = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--model") == 0) o.model = argv[i + 1];
    }
    if (o.reps < 1 || o.reps > MAX_REPS) o.reps = 7;
}

int main(int argc, char **argv) {
    char machine[512];
    mn_model *m;
    side elastic;
    read_options(argc, argv);
    if (report_context(&ctx)) return 1;
    must(mn_register_builtins(ctx));
    report_machine_text(machine, sizeof machine);
    mn_node *docs = config();
    const mn_node *conf = docs->items[0];
    must(mn_construct_model(ctx, conf, MODNAS_F32, 1, &m));
    must(mn_model_save(m, FILE_NAME, NULL));
    printf("%s\n%s, windows of %d, batch %d, %d threads\nnet     params   elastic step    alone            share     record\n",
           machine, o.model, o.window, o.batch, o.threads);
    open_side(&elastic, m);
    double *share = calloc((size_t)o.nets + 1, sizeof *share);
    for (int32_t net = 0; net <= o.nets; net++) measure(&elastic, conf, net, &share[net]);
    const spread all = spread_of(share + 1, (size_t)o.nets);
    printf("sub-networks: %.3f of the step alone (%.3f-%.3f), goal at most 1.05\n", all.median, all.low, all.high);
    free(share);
    close_side(&elastic);
    mn_node_free(ctx, docs);
    unlink(FILE_NAME);
    modnas_ctx_free(ctx);
    return 0;
}
