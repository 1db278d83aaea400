/* How long a search's steps take, beside the original on PyTorch.
 *
 *   step [--reps N] [--paths N] [--batch N] [--threads N] [--model NAME] [--measure NAME] [--alone] [--json FILE]
 *        [--python FILE] [--candidates N] [--depth X]
 *
 * Each side is a process of its own with one supernet, ours too (this program started again with --serve). This process
 * makes one fixed list of paths, and asks each side in turn for a step on path i: at no time do two sides compute.
 * Before each request it waits a little, as OpenMP's threads spin for some milliseconds when their work is done. The
 * order of the sides rotates. What runs:
 *
 *   model     start-up: each side from the start of its process to the end of its first step, alone on the machine
 *     supernet
 *       measure     all paths once to warm up, then repetition by repetition, path by path, side by side
 *
 * A ratio is the median over paths and repetitions of (their time / our time on the same path in the same repetition).
 */
#include "step.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "step_serve.h"
#include "util_peaks.h"

enum { SETTLE_MS = 20, SEED = 1 };

const step_measure step_measures[STEP_MAX_MEASURES] = {
    [STEP_WEIGHT] = {"weight", "weight step", "ms", "gates", 0, 0},
    [STEP_ARCH] = {"arch", "architecture step", "ms", "gates", 0, 0},
    [STEP_EVAL] = {"eval", "evaluation pass", "ms", "gates", 0, 0},
    [STEP_WAIT] = {"wait", "waiting for the loader", "%", "gates", 0, 1},
    [STEP_SPOS] = {"spos", "SPOS weight step", "ms", "index", 0, 0},
    [STEP_DARTS] = {"darts", "DARTS step, batch 16", "ms", "sums", 16, 1},
    [STEP_CELLS] = {"cells", "second-order step of cells, batch 8", "ms", "cells", 8, 1},
    [STEP_RSS] = {"rss", "peak memory", "MB", NULL, 0, 0},
    [STEP_START] = {"start", "start to first step", "s", NULL, 0, 0},
};

#define BIT(measure) (1u << STEP_##measure)
enum { STEPS = BIT(WEIGHT) | BIT(ARCH) | BIT(EVAL) | BIT(SPOS) | BIT(DARTS) | BIT(CELLS) };
/* What has no goal, or moves little, runs some of the paths: a whole run is to be short. */
const step_side_kind step_sides[STEP_MAX_SIDES] = {
    [STEP_OURS] = {"modnas", "libmodnas", "blocked", ~0u, 1, 0},
    [STEP_NCHW] = {"nchw", "original, as it comes", "nchw", STEPS | BIT(RSS) | BIT(START), 1, 1},
    [STEP_CHANNELS_LAST] = {"channels_last", "original, channels-last", "channels_last",
                            STEPS | BIT(RSS) | BIT(START), 1, 1},
    /* its best: memory is kept, not given back at each step */
    [STEP_TUNED] = {"tuned", "the same with jemalloc", "channels_last", STEPS | BIT(RSS), 4, 1},
    [STEP_ALONE] = {"onednn", "on oneDNN's kernels", "blocked", BIT(WEIGHT) | BIT(ARCH) | BIT(SPOS), 1, 0},
    [STEP_ONE_THREAD] = {"one_thread", "with one thread", "blocked", BIT(WEIGHT) | BIT(ARCH) | BIT(EVAL), 4, 0},
};

static const char *const models[STEP_MAX_MODELS] = {"CIFAR_MobileNetV2", "CIFAR_MobileNetV2_GPU", "DARTS"};

typedef struct options {
    const char *model, *measure, *json, *python; /* model, measure: NULL is all */
    const char *depth; /* depth_coeff of the model */
    int reps, paths, batch, threads, alone, candidates;
} options;

typedef struct bench {
    options o;
    step_results r;
    char program[4200], python[4200], peer[4200], alone[4200], jemalloc[256]; /* jemalloc: "" if it is not here */
    side sides[STEP_MAX_SIDES];
    side_path *paths;
} bench;

static void settle(void) {
    nanosleep(&(struct timespec){.tv_nsec = SETTLE_MS * 1000000L}, NULL);
}

/* ---- sides --------------------------------------------------------------------------------------------- */

static int batch_of(const bench *b, const char *supernet) {
    for (int i = 0; i < STEP_MAX_MEASURES; i++) {
        const step_measure *x = &step_measures[i];
        if (x->supernet && x->batch && strcmp(x->supernet, supernet) == 0) return x->batch;
    }
    return b->r.batch;
}

/* How the process of a side is called. */
static int start_side(bench *b, int i, const char *model, const char *supernet) {
    const step_side_kind *kind = &step_sides[i];
    char batch[16], threads[16], n_candidates[16], env[64], preload[300], plugins[4300];
    const int n_threads = i == STEP_ONE_THREAD ? 1 : b->r.threads;
    snprintf(batch, sizeof batch, "%d", batch_of(b, supernet));
    snprintf(threads, sizeof threads, "%d", n_threads);
    snprintf(n_candidates, sizeof n_candidates, "%d", b->o.candidates);
    const char *peer[] = {b->python, b->peer, model, supernet, kind->layout, batch, threads, NULL};
    const char *ours[] = {b->program, "--serve", model, supernet, kind->layout, batch, threads, n_candidates, b->o.depth, NULL};
    snprintf(env, sizeof env, kind->is_original ? "OMP_NUM_THREADS=%d" : "GOMP_SPINCOUNT=5000",
             n_threads); /* ours as the program modnas does */
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", b->jemalloc);
    snprintf(plugins, sizeof plugins, "MODNAS_PLUGINS=%s", b->alone);
    const char *envs[][4] = {
        {env}, [STEP_TUNED] = {env, preload, "MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1"}, [STEP_ALONE] = {env, plugins}};
    settle();
    if (side_start(&b->sides[i], (char *const *)(kind->is_original ? peer : ours),
                   envs[i == STEP_TUNED || i == STEP_ALONE ? i : 0]))
        return -1;
    memcpy(b->r.version[i], b->sides[i].version, sizeof b->r.version[i]);
    return 0;
}

static void stop_sides(bench *b) {
    for (int i = 0; i < STEP_MAX_SIDES; i++) side_stop(&b->sides[i]);
}

/* Is it the same network on all sides? */
static int compare_sides(const bench *b) {
    const side *ours = &b->sides[0];
    for (int i = 1; i < STEP_MAX_SIDES; i++) {
        const side *s = &b->sides[i];
        if (!s->pid) continue;
        if (s->params == ours->params && s->n_ops == ours->n_ops &&
            memcmp(s->n_candidates, ours->n_candidates, sizeof s->n_candidates) == 0)
            continue;
        fprintf(stderr, "%s has %lld parameters and %d mixed ops, %s has %lld and %d\n", s->version,
                (long long)s->params, s->n_ops, ours->version, (long long)ours->params, ours->n_ops);
        return -1;
    }
    return 0;
}

/* Is it wanted, and is it a step of this supernet (NULL: none)? */
static int is_wanted(const bench *b, int measure, const char *supernet) {
    const step_measure *x = &step_measures[measure];
    if (b->o.measure && strcmp(b->o.measure, x->name) != 0) return 0;
    return supernet ? x->supernet && strcmp(x->supernet, supernet) == 0 : !x->supernet;
}

static int takes_part(const bench *b, int i, int measure) {
    return b->r.has_side[i] && (step_sides[i].measures >> measure & 1);
}

static int has_part(const bench *b, int i, const char *supernet) {
    for (int k = 0; k < STEP_MAX_MEASURES; k++)
        if (is_wanted(b, k, supernet) && takes_part(b, i, k)) return 1;
    return 0;
}

static int start_sides(bench *b, step_model *m, const char *supernet) {
    for (int i = 0; i < STEP_MAX_SIDES; i++)
        if (has_part(b, i, supernet) && start_side(b, i, m->name, supernet)) return -1;
    m->params = b->sides[0].params;
    m->n_ops = b->sides[0].n_ops;
    memcpy(m->n_candidates, b->sides[0].n_candidates, sizeof m->n_candidates);
    return compare_sides(b);
}

/* ---- paths --------------------------------------------------------------------------------------------- */

/* Path i depends on nothing but its number: a shorter list is the beginning of a longer one. */
static void draw_path(const side *s, int number, side_path *p) {
    mn_rng rng;
    mn_rng_init(&rng, SEED, mn_stream("bench.path"), (uint64_t)number);
    for (int32_t i = 0; i < s->n_ops; i++) {
        const uint64_t n = (uint64_t)s->n_candidates[i];
        p->taken[i] = (int32_t)mn_rng_below(&rng, n);
        p->other[i] = (int32_t)(((uint64_t)p->taken[i] + 1 + mn_rng_below(&rng, n - 1)) % n);
    }
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

static int n_paths_of(const bench *b, int measure, int i) {
    const int most = step_measures[measure].paths, all = most && most < b->r.n_paths ? most : b->r.n_paths;
    return (all + step_sides[i].part - 1) / step_sides[i].part;
}

static int step_all(bench *b, step_model *m, int measure, int path, int turn, int counts) {
    for (int k = 0; k < STEP_MAX_SIDES; k++) {
        const int i = (turn + k) % STEP_MAX_SIDES;
        side_answer a;
        if (!takes_part(b, i, measure) || path >= n_paths_of(b, measure, i)) continue;
        settle();
        if (side_run(&b->sides[i], step_measures[measure].name, &b->paths[path], &a)) return -1;
        if (counts && step_add(&m->series[measure][i], a.ms)) return -1;
        if (counts && i == STEP_OURS && step_add(&m->flops[measure], a.flops)) return -1;
    }
    return 0;
}

static void announce(const step_model *m, int measure) {
    fprintf(stderr, "measuring %s: %s\n", m->name, step_measures[measure].text);
}

/* Time and again, as the machine may be busy with something else for a moment: the best counts. */
static void measure_peak(bench *b) {
    const double peak = peaks_flops(b->r.threads);
    if (peak > b->r.peak) b->r.peak = peak;
}

/* The first repetition warms up. */
static int measure_steps(bench *b, step_model *m, int measure) {
    const int n_paths = n_paths_of(b, measure, STEP_OURS);
    announce(m, measure);
    measure_peak(b);
    for (int i = 0; i < STEP_MAX_SIDES; i++) m->series[measure][i].paths = (size_t)n_paths_of(b, measure, i);
    m->flops[measure].paths = (size_t)n_paths;
    for (int rep = -1; rep < b->r.reps; rep++) {
        for (int path = 0; path < n_paths; path++)
            if (step_all(b, m, measure, path, rep + 1 + path, rep >= 0)) return -1;
    }
    return 0;
}

static int add_single(step_model *m, int measure, int i, double x) {
    m->series[measure][i].paths = 1;
    return step_add(&m->series[measure][i], x);
}

/* Of the processes that made all steps of a supernet. */
static int measure_rss(bench *b, step_model *m) {
    for (int i = 0; i < STEP_MAX_SIDES; i++) {
        double bytes;
        if (!takes_part(b, i, STEP_RSS)) continue;
        if (side_rss(&b->sides[i], &bytes) || add_single(m, STEP_RSS, i, bytes / 1e6)) return -1;
    }
    return 0;
}

static int measure_supernet(bench *b, step_model *m, const char *supernet) {
    if (!has_part(b, STEP_OURS, supernet)) return 0;
    if (start_sides(b, m, supernet)) return -1;
    for (int i = 0; i < b->r.n_paths; i++) draw_path(&b->sides[0], i, &b->paths[i]);
    for (int i = 0; i < STEP_MAX_MEASURES; i++)
        if (is_wanted(b, i, supernet) && measure_steps(b, m, i)) return -1;
    if (supernet == step_measures[STEP_WEIGHT].supernet && is_wanted(b, STEP_RSS, NULL) && measure_rss(b, m)) return -1;
    stop_sides(b);
    return 0;
}

/* From before the process is made until its first step is done. */
static int time_start(bench *b, step_model *m, int i, double *seconds) {
    side *s = &b->sides[i];
    side_path path;
    side_answer a;
    if (start_side(b, i, m->name, step_measures[STEP_WEIGHT].supernet)) return -1;
    draw_path(s, 0, &path);
    if (side_run(s, step_measures[STEP_WEIGHT].name, &path, &a)) return -1;
    *seconds = mn_seconds() - s->started;
    m->params = s->params;
    side_stop(s);
    return 0;
}

/* The first repetition brings the files into memory. */
static int measure_start(bench *b, step_model *m) {
    announce(m, STEP_START);
    for (int rep = -1; rep < b->r.reps; rep++)
        for (int i = 0; i < STEP_MAX_SIDES; i++) {
            double seconds;
            if (!takes_part(b, i, STEP_START)) continue;
            if (time_start(b, m, i, &seconds)) return -1;
            if (rep >= 0 && add_single(m, STEP_START, i, seconds)) return -1;
        }
    return 0;
}

static int is_of_cells(const char *name) {
    return strcmp(name, "DARTS") == 0 || strcmp(name, "cells") == 0;
}

static int measure_model(bench *b, step_model *m) {
    if (!is_of_cells(m->name) && is_wanted(b, STEP_START, NULL) && measure_start(b, m)) return -1;
    const char *done = "";
    for (int i = 0; i < STEP_MAX_MEASURES; i++) {
        const char *supernet = step_measures[i].supernet;
        if (!supernet || strcmp(supernet, done) == 0 || is_of_cells(supernet) != is_of_cells(m->name)) continue; /* those of one supernet stand together */
        if (measure_supernet(b, m, supernet)) return -1;
        done = supernet;
    }
    return 0;
}

static int measure(bench *b) {
    for (int i = 0; i < STEP_MAX_MODELS; i++) {
        if (b->o.model && strcmp(b->o.model, models[i]) != 0) continue;
        step_model *m = &b->r.models[b->r.n_models++];
        m->name = models[i];
        if (measure_model(b, m)) return -1;
    }
    return 0;
}

/* ---- the program --------------------------------------------------------------------------------------- */

/* Does the other side know this supernet? */
static int is_standard(const options *o) {
    return o->candidates == 6 && strcmp(o->depth, "1") == 0;
}

static int parse(int argc, char **argv, options *o) {
    const struct {
        const char *name;
        const char **text;
        int *number;
    } rows[] = {{"--model", &o->model, NULL},   {"--measure", &o->measure, NULL}, {"--json", &o->json, NULL},
                {"--python", &o->python, NULL}, {"--reps", NULL, &o->reps},       {"--paths", NULL, &o->paths},
                {"--batch", NULL, &o->batch},   {"--threads", NULL, &o->threads},   {"--depth", &o->depth, NULL},
                {"--candidates", NULL, &o->candidates}};
    *o = (options){.reps = 3, .paths = 20, .batch = 64, .threads = 2, .candidates = 6, .depth = "1"};
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < MN_COUNT(rows) && strcmp(rows[k].name, argv[i]) != 0) k++;
        if (strcmp(argv[i], "--alone") == 0)
            o->alone = 1;
        else if (k == MN_COUNT(rows) || i + 1 == argc)
            return -1;
        else if (rows[k].text)
            *rows[k].text = argv[++i];
        else if ((*rows[k].number = atoi(argv[++i])) < 1)
            return -1;
    }
    return is_standard(o) || o->alone ? 0 : -1;
}

static void find_jemalloc(bench *b) {
    static const char *const places[] = {"/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
                                         "/usr/lib/aarch64-linux-gnu/libjemalloc.so.2", "/usr/lib64/libjemalloc.so.2"};
    for (size_t i = 0; i < MN_COUNT(places) && !b->jemalloc[0]; i++)
        if (access(places[i], R_OK) == 0) snprintf(b->jemalloc, sizeof b->jemalloc, "%s", places[i]);
    if (b->jemalloc[0]) return;
    fprintf(stderr, "step: no jemalloc here (Debian: apt-get install libjemalloc2): the original is not measured with it\n");
    b->r.has_side[STEP_TUNED] = 0;
}

static void find_parts(bench *b) {
    char home[4096];
    report_home(home, sizeof home);
    snprintf(b->program, sizeof b->program, "%s/step", home);
    snprintf(b->peer, sizeof b->peer, "%s/../../../bench/peer/serve.py", home);
    snprintf(b->python, sizeof b->python, "%s/../../bench-venv/bin/python", home);
    if (b->o.python) snprintf(b->python, sizeof b->python, "%s", b->o.python);
    snprintf(b->alone, sizeof b->alone, "%s/plugins", home);
    b->r.has_side[STEP_OURS] = 1;
    if (b->o.alone) return;
    b->r.has_side[STEP_ALONE] = 1;
    b->r.has_side[STEP_ONE_THREAD] = b->r.threads == 2;
    if (access(b->python, X_OK) != 0) {
        fprintf(stderr, "step: the original is not here (no %s): `make bench-deps` installs it; libmodnas is measured without it\n",
                b->python);
        return;
    }
    for (int i = 0; i < STEP_MAX_SIDES; i++) b->r.has_side[i] |= step_sides[i].is_original;
    find_jemalloc(b);
}

static int run(bench *b) {
    modnas_ctx *ctx = NULL;
    int rc = modnas_ctx_new(NULL, &ctx) || measure(b);
    if (!rc) step_print(&b->r);
    if (!rc) step_print_goals(&b->r);
    if (!rc && b->o.json && step_write_json(ctx, &b->r, b->o.json)) {
        fprintf(stderr, "%s\n", modnas_errmsg(ctx));
        rc = 1;
    }
    stop_sides(b);
    step_results_free(&b->r);
    modnas_ctx_free(ctx);
    return rc != 0;
}

int main(int argc, char **argv) {
    static bench b;
    if (argc == 9 && strcmp(argv[1], "--serve") == 0) return step_serve(argv + 2);
    if (parse(argc, argv, &b.o)) {
        fprintf(stderr,
                "usage: %s [--reps N] [--paths N] [--batch N] [--threads N] [--model NAME] [--measure NAME] [--alone]"
                " [--json FILE] [--python FILE]\n"
                "       [--candidates N] [--depth X], with --alone\n",
                argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a side that went away is reported */
    b.r.reps = b.o.reps;
    b.r.n_paths = b.o.paths;
    b.r.batch = b.o.batch;
    b.r.threads = b.o.threads;
    b.paths = calloc((size_t)b.r.n_paths, sizeof *b.paths);
    if (!b.paths) return 1;
    find_parts(&b);
    const int status = run(&b);
    free(b.paths);
    return status;
}
