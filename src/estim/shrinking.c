/* ProgressiveShrinkingEstim: trains an elastic network so that all its sub-networks work with the shared weights
 * (Once-for-All: Cai et al. 2020).
 *
 *   stage:  [channels in the order of their rank]  [a new optimizer and schedule]
 *           epoch:  each step trains n_subnet_batch sub-networks of the stage's sizes on one batch: one update with the
 *                   mean of their gradients (the authors: with the sum);  the resolution is drawn once a batch
 *           every subnet_valid_freq epochs, and at its end: sub-networks are scored, each with statistics of its own
 *
 * With `sandwich` the largest and the smallest are among them in each step (Yu et al. 2020, BigNAS). What teaches them is
 * a criterion of the section: KnowledgeDistillLoss takes the network as it is when the phase begins, which is the largest.
 * Draws are keyed by seed and step. The model stands for the largest network at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "estim/parts.h"
#include "estim/reduced.h"
#include "estim/stages.h"

enum { MAX_PATHS = 64 };

typedef struct shrinking {
    uint64_t seed;
    mn_stages stages;
    int32_t stage; /* that was begun; -1: none */
    int32_t n_paths, sandwich, mean, rerank, reset, save_stage, grid;
    int64_t valid_freq;
    mn_arch *path[MAX_PATHS];
    int32_t n;       /* of this step, different ones */
    mn_arch *whole;  /* the largest network */
    mn_arch *draft;  /* work space */
    int32_t n_valid; /* networks scored in this epoch */
    mn_reduced reduced;
} shrinking;

static void copy(const mn_arch *from, mn_arch *to) {
    memcpy(to->index, from->index, (size_t)from->n * sizeof *to->index);
}

/* ---- steps --------------------------------------------------------------------------------------------- */

static void choose_path(const shrinking *s, int32_t k, mn_rng *rng, mn_arch *path) {
    const int32_t corner = k == 0 ? MN_STAGE_LARGEST : MN_STAGE_SMALLEST;
    copy(s->draft, path);
    for (int32_t kind = 0; kind < MN_ELASTIC_RESOLUTION; kind++) {
        if (s->sandwich && k < 2)
            mn_stage_set(&s->stages, s->stage, kind, corner, path);
        else
            mn_stage_draw(&s->stages, s->stage, kind, rng, path);
    }
}

static int is_new(const shrinking *s, const mn_arch *path) {
    for (int32_t i = 0; i < s->n; i++)
        if (memcmp(s->path[i]->index, path->index, (size_t)path->n * sizeof *path->index) == 0) return 0;
    return 1;
}

static int set_path(int64_t at, void *ud) {
    return mn_arch_apply(((const shrinking *)ud)->path[at]);
}

static int step(mn_estim *e, mn_scores *scores) {
    shrinking *s = e->state;
    mn_rng rng;
    mn_rng_init(&rng, s->seed, mn_stream("ProgressiveShrinkingEstim"), (uint64_t)e->n_steps);
    copy(s->whole, s->draft);
    mn_stage_draw(&s->stages, s->stage, MN_ELASTIC_RESOLUTION, &rng, s->draft);
    s->n = 0;
    for (int32_t k = 0; k < s->n_paths; k++) {
        choose_path(s, k, &rng, s->path[s->n]);
        s->n += is_new(s, s->path[s->n]);
    }
    return mn_trainer_step_paths(e->trainer, s->n, s->mean, set_path, s, scores);
}

/* ---- scores -------------------------------------------------------------------------------------------- */

static int take(mn_estim *e) {
    shrinking *s = e->state;
    MN_TRY(mn_reduced_keep(&s->reduced, e));
    return mn_reduced_calibrate(&s->reduced);
}

static int put(mn_estim *e) {
    return mn_reduced_put(&((shrinking *)e->state)->reduced, e);
}

/* Of the networks whose values are alike: the i-th; of all of them, or of the largest and the smallest. */
static int32_t n_alike(const shrinking *s) {
    int32_t n = 1;
    for (int32_t kind = 0; kind < MN_ELASTIC_RESOLUTION; kind++) {
        const int32_t most = mn_stage_most(&s->stages, s->stage, kind);
        if (most) n *= most;
    }
    return s->grid || n < 2 ? n : 2;
}

static void choose_alike(const shrinking *s, int32_t i, mn_arch *arch) {
    copy(s->whole, arch);
    for (int32_t kind = 0; kind < MN_ELASTIC_RESOLUTION; kind++) {
        const int32_t most = mn_stage_most(&s->stages, s->stage, kind);
        if (!most) continue;
        mn_stage_set(&s->stages, s->stage, kind, s->grid ? i % most : i ? MN_STAGE_LARGEST : MN_STAGE_SMALLEST, arch);
        if (s->grid) i /= most;
    }
}

static int validate(mn_estim *e) {
    shrinking *s = e->state;
    for (const int32_t n = n_alike(s); s->n_valid < n; s->n_valid++) {
        MN_TRY(mn_estim_checkpoint(e, 0));
        choose_alike(s, s->n_valid, s->draft);
        MN_TRY(mn_arch_apply(s->draft));
        MN_TRY(mn_estim_evaluate(e, NULL));
    }
    s->n_valid = 0;
    return mn_arch_apply(s->whole);
}

/* ---- stages -------------------------------------------------------------------------------------------- */

static int begin_stage(mn_estim *e, int32_t stage) {
    shrinking *s = e->state;
    const mn_stage_def *d = &s->stages.stage[stage];
    mn_log(e->ctx, MODNAS_LOG_INFO, "estim.%s: stage %d of %d, %" PRId64 " epochs", e->name, stage + 1, s->stages.n,
           d->epochs);
    if (s->rerank && mn_stage_most(&s->stages, stage, MN_ELASTIC_WIDTH) > 1)
        MN_TRY(mn_trainer_sort_channels(e->trainer, -1));
    if (s->reset) {
        MN_TRY(mn_trainer_reset(e->trainer, d->epochs));
        e->epoch_base = d->first;
    }
    s->stage = stage;
    return 0;
}

static int open_epoch(mn_estim *e, int64_t epoch) {
    const shrinking *s = e->state;
    const int32_t stage = mn_stages_at(&s->stages, epoch);
    return s->stage == stage ? 0 : begin_stage(e, stage);
}

static int end_stage(mn_estim *e) {
    const shrinking *s = e->state;
    char tag[32];
    if (!s->save_stage || !e->observer.save) return 0;
    snprintf(tag, sizeof tag, "stage_%d", s->stage);
    return e->observer.save(e, tag, e->observer.ud);
}

static int epochs(mn_estim *e) {
    shrinking *s = e->state;
    const int scores = mn_estim_can_score(e);
    while (mn_estim_goes_on(e)) {
        const mn_stage_def *d = &s->stages.stage[mn_stages_at(&s->stages, e->epoch)];
        MN_TRY(mn_estim_train_epoch(e, NULL));
        MN_TRY(mn_arch_apply(s->whole));
        const int64_t made = e->epoch + 1 - d->first;
        if (scores && (made == d->epochs || (s->valid_freq && made % s->valid_freq == 0))) MN_TRY(validate(e));
        if (made == d->epochs) MN_TRY(end_stage(e));
        MN_TRY(mn_estim_epoch_done(e));
    }
    return 0;
}

/* ---- the phase ----------------------------------------------------------------------------------------- */

static int prepare(mn_estim *e) {
    MN_TRY(mn_trainer_prepare_paths(e->trainer));
    return mn_reduced_prepare(&((shrinking *)e->state)->reduced, e);
}

static int enlarge(shrinking *s) {
    mn_arch_read(s->whole);
    for (int32_t i = 0; i < s->stages.n_values; i++) {
        const mn_elastic *v = s->stages.value[i];
        s->whole->index[mn_elastic_gene(v)] = v->largest;
    }
    return mn_arch_apply(s->whole);
}

static int run(mn_estim *e) {
    shrinking *s = e->state;
    if (!e->resumed) {
        MN_TRY(enlarge(s));
        s->stage = -1;
        s->n_valid = 0;
    }
    MN_TRY(mn_estim_begin(e));
    const int rc = epochs(e), undone = mn_arch_apply(s->whole);
    return rc ? rc : undone;
}

static int state(mn_estim *e, mn_state *io) {
    shrinking *s = e->state;
    MN_TRY(mn_state_range(io, &s->stage, -1, s->stages.n - 1));
    MN_TRY(mn_state_range(io, &s->n_valid, 0, s->stage < 0 ? 0 : n_alike(s)));
    if (io->loading) e->epoch_base = s->reset && s->stage >= 0 ? s->stages.stage[s->stage].first : 0;
    return mn_arch_state(s->whole, io);
}

static void destroy(mn_estim *e) {
    shrinking *s = e->state;
    for (int32_t i = 0; i < MAX_PATHS; i++) mn_arch_free(s->path[i]);
    mn_arch_free(s->whole);
    mn_arch_free(s->draft);
    mn_reduced_free(&s->reduced, e);
    mn_stages_free(&s->stages);
}

static const mn_estim_vt vt = {.type = "ProgressiveShrinkingEstim",
                               .prepare = prepare,
                               .run = run,
                               .destroy = destroy,
                               .open_epoch = open_epoch,
                               .weight_step = step,
                               .take = take,
                               .put = put,
                               .state = state};

/* ---- making -------------------------------------------------------------------------------------------- */

static int read_paths(mn_estim *e, const mn_args *a) {
    shrinking *s = e->state;
    const int64_t n = mn_args_int(a, "n_subnet_batch");
    s->sandwich = mn_args_bool(a, "sandwich");
    s->mean = mn_args_bool(a, "average");
    if (n < 1 + s->sandwich || n > MAX_PATHS)
        return mn_args_fail(a, "n_subnet_batch", "is %" PRId64 ", it is from %d%s to %d", n, 1 + s->sandwich,
                            s->sandwich ? " (sandwich)" : "", MAX_PATHS);
    s->n_paths = (int32_t)n;
    for (int32_t i = 0; i < s->n_paths; i++) MN_TRY(mn_arch_new(e->model, &s->path[i]));
    MN_TRY(mn_arch_new(e->model, &s->whole));
    return mn_arch_new(e->model, &s->draft);
}

static int fill(mn_estim *e, const mn_args *a) {
    shrinking *s = e->state;
    s->stage = -1;
    s->seed = mn_args_given(a, "seed") ? (uint64_t)mn_args_int(a, "seed") : e->model->seed;
    s->rerank = mn_args_bool(a, "stage_rerank_spatial");
    s->reset = mn_args_bool(a, "reset_stage_training");
    s->save_stage = mn_args_bool(a, "save_stage");
    s->grid = mn_args_bool(a, "valid_grid");
    s->valid_freq = mn_args_int(a, "subnet_valid_freq");
    if (s->valid_freq < 0)
        return mn_args_fail(a, "subnet_valid_freq", "is %" PRId64 ", it is at least 0", s->valid_freq);
    MN_TRY(mn_stages_read(&s->stages, a, e->model, e->epochs));
    e->epochs = mn_stages_epochs(&s->stages);
    MN_TRY(read_paths(e, a));
    return mn_reduced_init(&s->reduced, e, a, 0);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    MN_TRY(mn_estim_check_trainer(a->ctx, env, vt.type));
    return mn_estim_make(&vt, a, env, sizeof(shrinking), fill, out);
}

static const mn_arg_def args[] = {
    {"stages", MN_ARG_LIST, "null", NULL,
     "a map of kernel, depth, width, resolution (lists of sizes) and epochs each; null: kernels, depths, widths in turn"},
    {"use_ratio", MN_ARG_BOOL, "false", NULL, "sizes are shares of the largest"},
    {"n_subnet_batch", MN_ARG_INT, "1", NULL, "sub-networks of a step"},
    {"average", MN_ARG_BOOL, "true", NULL, "a step takes the mean of their gradients; false: the sum, as the authors"},
    {"sandwich", MN_ARG_BOOL, "false", NULL, "the largest and the smallest are among them"},
    {"stage_rerank_spatial", MN_ARG_BOOL, "true", NULL, "channels are put in the order of their rank before a stage"},
    {"reset_stage_training", MN_ARG_BOOL, "true", NULL, "each stage has an optimizer and a schedule of its own"},
    {"save_stage", MN_ARG_BOOL, "false", NULL, "weights after each stage, chkpt/model_<estim>_stage_<i>"},
    {"subnet_valid_freq", MN_ARG_INT, "25", NULL, "epochs of a stage between two scorings; 0: only at its end"},
    {"valid_grid", MN_ARG_BOOL, "true", NULL,
     "all networks whose values are alike are scored; false: the smallest and the largest"},
    {"seed", MN_ARG_INT, "null", NULL, "of the sub-networks; null: the run's"},
    MN_REDUCED_ARGS,
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_shrinking_estim_component = {
    "estim", "ProgressiveShrinkingEstim", "trains an elastic network in stages, its sub-networks with it", args, build,
    NULL};
