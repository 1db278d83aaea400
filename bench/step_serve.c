/* Our side of bench/step. Requests and answers are lines on standard input and output:
 *
 *   (at the start)           ready PARAMS N,N,... VERSION    N: candidates of each mixed op
 *   run KIND PATH OTHERS     ran MILLISECONDS LOSS FLOP      PATH: a candidate of each mixed op; OTHERS: a second one;
 *                                                            of KIND wait not milliseconds but the loader's share, in %
 *   rss                      rss BYTES                       the peak of this process
 *
 * A step is what an estimator makes of it; only the choices are set by hand. Its time has everything in it but the wait
 * for a batch that the loader's thread has prepared long before. */
#include "step_serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "construct/construct.h"
#include "graph/run.h"
#include "search/derive.h"
#include "search/search.h"
#include "train/trainer.h"
#include "util_report.h"

enum { MAX_OPS = 128 };

static const struct supernet {
    const char *name, *mixed_op, *optim; /* optim: flow YAML; NULL: choices are applied as they come */
} supernets[] = {
    /* n_samples 0: the active sets are those that were set */
    {"gates", "BinaryGateMixedOp", "{type: BinaryGateOptim, args: {n_samples: 0}}"},
    {"index", "IndexMixedOp", NULL},
    {"sums", "SoftmaxSumMixedOp", "DARTSOptim"},
    {"cells", "SoftmaxSumMixedOp", "DARTSOptim"},
};

static const char mobile[] =
    "model: {type: %s, args: {n_classes: 10, depth_coeff: %s}}\n"
    "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {mixed_op: %s, candidates: [%.*s]}}}\n";
static const char cells[] =
    "ops: {ops_order: act_weight_bn, bn: {affine: false}}\n"
    "model: {type: DARTS, args: {n_classes: 10, chn: 16, layers: 8}}\n"
    "construct: {cells: {type: DARTSSearchConstructor, args: {mixed_op: SoftmaxSumMixedOp, candidates: [AVG, MAX, SC3, "
    "SC5, DC3, DC5, IDT, NIL]}}}\n";
static const char config[] =
    "backend: dnnl\nseed: 1\nthreads: %d\n%s"
    "train_data: {type: RandData, args: {data_size: 576, shape: [3, 32, 32], classes: 10}}\n"
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: %d, val_batch_size: %d, valid_size: %d}}\n"
    "trainer: {default: {type: ImageClsTrainer, args: {w_grad_clip: 5.0,"
    " optimizer: {type: SGD, args: {lr: 0.025, momentum: 0.9, weight_decay: 0.0003}}, lr_scheduler: "
    "CosineAnnealingLR}}}\n";

static const char candidates[] = "MB3E3, MB3E6, MB5E3, MB5E6, MB7E3, MB7E6";
enum { CANDIDATE = sizeof "MB3E3, " - 1 };

typedef struct session {
    modnas_ctx *ctx;
    mn_node *docs;
    mn_dataset *set;
    mn_loaders loaders;
    mn_model *model;
    mn_trainer *trainer;
    mn_optim *optim; /* NULL: none */
    mn_estim estim;  /* as much of one as an architecture step asks for */
    mn_arch *arch;
    int32_t batch, n_ops;
    int32_t path[MAX_OPS], others[MAX_OPS];
} session;

/* ---- opening ------------------------------------------------------------------------------------------- */

static int read_config(session *s, const struct supernet *net, char *const argv[7]) {
    char net_text[1024], text[2048];
    const int batch = atoi(argv[3]), threads = atoi(argv[4]), n_candidates = atoi(argv[5]);
    if (batch < 1 || threads < 1) return mn_fail(s->ctx, MODNAS_EINVAL, "batch %s, threads %s", argv[3], argv[4]);
    if (n_candidates < 2 || n_candidates * CANDIDATE > (int)sizeof candidates + 1)
        return mn_fail(s->ctx, MODNAS_EINVAL, "candidates %s, not 2 to %zu", argv[5], (sizeof candidates + 1) / CANDIDATE);
    snprintf(net_text, sizeof net_text, mobile, argv[0], argv[6], net->mixed_op, n_candidates * CANDIDATE - 2, candidates);
    const int n = snprintf(text, sizeof text, config, threads, strcmp(net->name, "cells") == 0 ? cells : net_text, batch,
                           batch, batch);
    s->batch = batch;
    return mn_yaml_read(s->ctx, text, (size_t)n, "bench", &s->docs);
}

static int build(session *s) {
    const mn_node *conf = s->docs->items[0];
    MN_TRY(mn_construct_model(s->ctx, conf, MODNAS_F32, 1, &s->model));
    MN_TRY(mn_registry_build(s->ctx, "data", mn_node_get(conf, "train_data"), NULL, NULL, NULL, &s->set));
    const mn_loader_env loader = {s->set, NULL, s->model->seed};
    MN_TRY(
        mn_registry_build(s->ctx, "data_loader", mn_node_get(conf, "data_loader"), NULL, NULL, &loader, &s->loaders));
    const mn_trainer_env trainer = {s->model, &s->loaders};
    return mn_registry_build(s->ctx, "trainer", mn_node_path(conf, "trainer.default"), NULL, NULL, &trainer,
                             &s->trainer);
}

static int build_optim(session *s, const char *spec) {
    const mn_optim_env env = {.model = s->model, .seed = s->model->seed};
    mn_node *node;
    MN_TRY(mn_yaml_value(s->ctx, spec, "bench", &node));
    const int rc = mn_registry_build(s->ctx, "optim", node, NULL, NULL, &env, &s->optim);
    mn_node_free(s->ctx, node);
    return rc;
}

static int session_open(session *s, char *const argv[7]) {
    const struct supernet *net = NULL;
    MN_TRY(report_context(&s->ctx));
    MN_TRY(mn_register_builtins(s->ctx));
    for (size_t i = 0; i < MN_COUNT(supernets); i++)
        if (strcmp(supernets[i].name, argv[1]) == 0) net = &supernets[i];
    if (!net) return mn_fail(s->ctx, MODNAS_EINVAL, "there is no supernet '%s'", argv[1]);
    MN_TRY(read_config(s, net, argv));
    MN_TRY(build(s));
    s->n_ops = mn_model_n_mixed(s->model);
    if (s->n_ops > MAX_OPS) return mn_fail(s->ctx, MODNAS_EINVAL, "%d mixed ops, %d is the most", s->n_ops, MAX_OPS);
    MN_TRY(mn_arch_new(s->model, &s->arch));
    if (!net->optim && s->arch->n != s->n_ops)
        return mn_fail(s->ctx, MODNAS_EINVAL, "%d choices of %d mixed ops", s->arch->n, s->n_ops);
    if (net->optim) MN_TRY(build_optim(s, net->optim));
    s->estim.trainer = s->trainer;
    MN_TRY(mn_trainer_reset(s->trainer, 100));
    MN_TRY(mn_trainer_prepare(s->trainer, s->optim ? s->optim->needs : 0, 2));
    return mn_trainer_start_epoch(s->trainer, 0);
}

static void session_close(session *s) {
    mn_optim_free(s->optim);
    mn_trainer_free(s->trainer);
    mn_loader_free(s->loaders.train);
    mn_loader_free(s->loaders.valid);
    mn_dataset_free(s->set);
    mn_arch_free(s->arch);
    mn_model_free(s->model);
    if (s->ctx) mn_node_free(s->ctx, s->docs);
    modnas_ctx_free(s->ctx);
}

/* ---- steps --------------------------------------------------------------------------------------------- */

static void force(session *s, int on) {
    for (int32_t i = 0; i < s->n_ops; i++) mn_mixed_force(mn_model_mixed(s->model, i), on ? s->path[i] : -1);
}

static int weight_step(session *s, mn_scores *scores) {
    force(s, 1);
    return mn_trainer_step(s->trainer, scores);
}

static int spos_step(session *s, mn_scores *scores) {
    force(s, 0);
    memcpy(s->arch->index, s->path, (size_t)s->n_ops * sizeof *s->path);
    MN_TRY(mn_arch_apply(s->arch));
    return mn_trainer_step(s->trainer, scores);
}

/* Two candidates compared in each mixed op, the path through the first. */
static int arch_step(session *s, mn_scores *scores) {
    force(s, 0);
    for (int32_t i = 0; i < s->n_ops; i++) {
        mn_mixed *m = mn_model_mixed(s->model, i);
        const int32_t a = s->path[i], b = s->others[i];
        m->n_active = 2;
        m->active[a > b] = a;
        m->active[a < b] = b;
        m->choice = a;
    }
    s->estim.arch_scores = (mn_scores){0, 0, 0, 0};
    MN_TRY(s->optim->vt->step(s->optim, &s->estim));
    *scores = s->estim.arch_scores;
    return 0;
}

/* All candidates of each mixed op, whatever the path. */
static int darts_step(session *s, mn_scores *scores) {
    s->estim.arch_scores = (mn_scores){0, 0, 0, 0};
    MN_TRY(s->optim->vt->step(s->optim, &s->estim));
    *scores = s->estim.arch_scores;
    return 0;
}

/* As a search makes them, one after the other. */
static int steps_back_to_back(session *s, mn_scores *scores) {
    enum { STEPS = 16 };
    for (int i = 0; i < STEPS; i++) MN_TRY(weight_step(s, scores));
    return 0;
}

static int evaluation(session *s, mn_scores *scores) {
    force(s, 1);
    return mn_trainer_evaluate(s->trainer, NULL, scores, NULL, NULL);
}

/* How often it goes forward, and back to the gradients of activations and of weights. pass: what was recorded for it;
 * ALL: every candidate, a step ahead, validation and two differences. */
typedef struct step_kind {
    const char *name;
    int (*step)(session *s, mn_scores *scores);
    int pass, forward, data, weights;
} step_kind;

enum { ALL = -1 };
static const step_kind kinds[] = {
    {"weight", weight_step, MN_PASS_TRAIN, 1, 1, 1},
    {"arch", arch_step, MN_PASS_ARCH, 1, 1, 0},
    {"eval", evaluation, MN_PASS_EVAL, 1, 0, 0},
    {"wait", steps_back_to_back, MN_PASS_TRAIN, 1, 1, 1},
    {"spos", spos_step, MN_PASS_TRAIN, 1, 1, 1},
    {"darts", darts_step, ALL, 4, 4, 2},
    {"cells", darts_step, ALL, 4, 4, 2},
};

/* Multiply-adds of the first convolution for one image: nobody wants the gradient of images. */
static int64_t stem_macs(mn_run *run) {
    const mn_vertex *x = mn_vertex_at(run, 0);
    const int64_t *w = mn_src(run, x, 1)->dims, *y = x->dst->dims;
    return w[1] * w[2] * w[3] * y[1] * y[2] * y[3];
}

/* Taps that fall into the padding are counted, as `describe` counts them. */
static int step_flops(session *s, const step_kind *kind, double *flops) {
    mn_run *run = s->trainer->pass[kind->pass == ALL ? MN_PASS_TRAIN : kind->pass].run;
    int64_t forward = mn_run_macs(run), path; /* before anything is recorded anew */
    const int64_t stem = stem_macs(run);
    if (kind->pass == ALL) {
        MN_TRY(mn_model_macs(s->model, NULL, &path));
        forward = path;
    } else {
        force(s, 1);
        MN_TRY(mn_derived_macs(s->model, s->model->input, &path));
    }
    *flops = 2.0 * s->batch * (double)(kind->forward * forward + kind->data * (path - stem) + kind->weights * path);
    return 0;
}

static int check_path(const session *s) {
    for (int32_t i = 0; i < s->n_ops; i++) {
        const mn_mixed *m = mn_model_mixed(s->model, i);
        if (m->last != s->path[i])
            return mn_fail(s->ctx, MODNAS_EINVAL, "mixed op %d took candidate %d, %d was asked for", i, m->last,
                           s->path[i]);
    }
    return 0;
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static int read_path(session *s, const char *text, int32_t *path) {
    for (int32_t i = 0; i < s->n_ops; i++) {
        char *end;
        const long c = strtol(text, &end, 10);
        if (end == text || c < 0 || c >= mn_model_mixed(s->model, i)->n)
            return mn_fail(s->ctx, MODNAS_EINVAL, "choice %d of a path is '%s'", i, text);
        path[i] = (int32_t)c;
        text = end + (*end == ',');
    }
    return 0;
}

static int run(session *s, const char *name, const char *path, const char *others) {
    const step_kind *kind = NULL;
    mn_scores scores = {0, 0, 0, 0};
    double flops;
    for (size_t i = 0; i < MN_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0) kind = &kinds[i];
    if (!kind) return mn_fail(s->ctx, MODNAS_EINVAL, "there is no kind of step '%s'", name);
    MN_TRY(read_path(s, path, s->path));
    MN_TRY(read_path(s, others, s->others));
    const double start = mn_seconds(), waited = mn_loader_waited(s->loaders.train);
    MN_TRY(kind->step(s, &scores));
    const double seconds = mn_seconds() - start;
    const double share = (mn_loader_waited(s->loaders.train) - waited) / seconds;
    if (kind->pass != ALL) MN_TRY(check_path(s));
    MN_TRY(step_flops(s, kind, &flops));
    printf("ran %.6f %.9g %.0f\n", kind->step == steps_back_to_back ? 100 * share : 1e3 * seconds,
           scores.loss / (double)scores.n, flops);
    return 0;
}

/* VmHWM and not getrusage: the latter remembers the program that was there before exec. */
static void answer_rss(void) {
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
    if (f) fclose(f);
    printf("rss %ld\n", 1024 * kib);
}

static void greet(const session *s) {
    printf("ready %" PRId64 " ", mn_model_n_params(s->model));
    for (int32_t i = 0; i < s->n_ops; i++) printf("%s%d", i ? "," : "", mn_model_mixed(s->model, i)->n);
    printf(" libmodnas %s, %s\n", modnas_version(), mn_backend_version(s->model->backend));
}

static int answer(session *s, const char *line) {
    char word[4][1024];
    const int n = sscanf(line, "%1023s %1023s %1023s %1023s", word[0], word[1], word[2], word[3]);
    if (n == 4 && strcmp(word[0], "run") == 0) return run(s, word[1], word[2], word[3]);
    if (n != 1 || strcmp(word[0], "rss") != 0) return mn_fail(s->ctx, MODNAS_EINVAL, "not a request: %s", line);
    answer_rss();
    return 0;
}

int step_serve(char *const argv[7]) {
    session s = {.ctx = NULL};
    char line[4096];
    int rc = session_open(&s, argv);
    if (!rc) greet(&s);
    while (!rc && fflush(stdout) == 0 && fgets(line, sizeof line, stdin)) rc = answer(&s, line);
    if (rc) fprintf(stderr, "%s\n", s.ctx ? modnas_errmsg(s.ctx) : "no context");
    session_close(&s);
    return rc != 0;
}
