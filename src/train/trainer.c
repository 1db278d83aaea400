/* The trainer: a model, its data and what turns gradients into steps.
 *
 *   reset      new optimizer and schedule        once an estimator
 *   prepare    meet every kernel of the space    once
 *   step, arch_grad, evaluate (steps.c)          three recorded passes that share the model's slab
 *
 * Specs are copied and never written to: an estimator that asks for a schedule of 20 epochs leaves no trace for the
 * next one. */
#include "space/elastic.h"
#include "train/trainer.h"

#include <string.h>

#include "space/prepare.h"
#include "train/parts.h"
#include "train/update.h"

#define SEED_MASK ((UINT64_C(1) << 53) - 1) /* seeds of dropout travel as doubles */

void mn_trainer_dims(const mn_loader *l, int32_t n, int32_t dims[4]) {
    const mn_dataset *d = mn_loader_dataset(l);
    dims[0] = n;
    dims[1] = d->c;
    dims[2] = d->h;
    dims[3] = d->w;
}

int mn_trainer_room(mn_trainer *t, int64_t n, int64_t classes) {
    const size_t want = (size_t)n * (size_t)classes;
    if (want <= t->logits_room) return 0;
    float *logits = mn_realloc(t->ctx, t->logits, want, sizeof *logits);
    if (!logits) return MODNAS_ENOMEM;
    t->logits = logits;
    t->logits_room = want;
    return 0;
}

/* ---- phases ------------------------------------------------------------------------------------------ */

static int make_schedule(mn_trainer *t, double lr, int64_t epochs, mn_schedule **out) {
    const mn_schedule_env env = {lr, epochs};
    if (!t->schedule_spec) return mn_schedule_none(t->ctx, lr, out);
    return mn_registry_build(t->ctx, "lr_scheduler", t->schedule_spec, NULL, NULL, &env, out);
}

int mn_trainer_reset(mn_trainer *t, int64_t epochs) {
    const mn_optimizer_env env = {t->model->weights};
    mn_weight_optim *optim = NULL;
    mn_schedule *schedule = NULL;
    mn_weight_optim_free(t->optim); /* before the new one: its arenas may be as large as the weights */
    t->optim = NULL;
    MN_TRY(mn_registry_build(t->ctx, "optimizer", t->optimizer_spec, NULL, NULL, &env, &optim));
    const int rc = make_schedule(t, mn_weight_optim_lr(optim), epochs, &schedule);
    if (rc) {
        mn_weight_optim_free(optim);
        return rc;
    }
    mn_schedule_free(t->schedule);
    mn_average_reset(t->average);
    t->optim = optim;
    t->schedule = schedule;
    const int64_t begun = t->epoch + (t->step > 0); /* more than were planned, where a host goes on */
    t->epoch_base += begun > t->epochs ? begun : t->epochs;
    t->epochs = epochs;
    t->epoch = t->step = 0;
    return 0;
}

int mn_trainer_state(mn_trainer *t, mn_state *io) {
    int64_t epochs = t->epochs;
    MN_TRY(mn_state_i64(io, &epochs));
    if (io->loading && epochs < 0) return mn_state_fail(io, "%lld epochs", (long long)epochs);
    if (io->loading) MN_TRY(mn_trainer_reset(t, epochs)); /* its schedule may depend on the epochs */
    int64_t *const counts[] = {&t->epoch_base, &t->epoch, &t->step, &t->valid_pass};
    for (size_t i = 0; i < MN_COUNT(counts); i++) {
        MN_TRY(mn_state_i64(io, counts[i]));
        if (*counts[i] < 0) return mn_state_fail(io, "count %zu is %lld", i, (long long)*counts[i]);
    }
    MN_TRY(mn_state_range(io, &t->valid_open, 0, 1));
    MN_TRY(mn_weight_optim_state(t->optim, io));
    return mn_average_state(t->average, io);
}

int64_t mn_trainer_n_train(const mn_trainer *t) {
    return mn_loader_n_batches(t->loaders.train);
}
int64_t mn_trainer_n_valid(const mn_trainer *t) {
    return t->loaders.valid ? mn_loader_n_batches(t->loaders.valid) : 0;
}
double mn_trainer_lr(const mn_trainer *t, int64_t epoch) {
    return mn_schedule_lr(t->schedule, epoch);
}
int mn_trainer_sort_channels(mn_trainer *t, int32_t rank) {
    void *arenas[MN_OPTIM_ARENAS + 1], *average = mn_average_arena(t->average);
    int32_t n = t->optim ? mn_weight_optim_arenas(t->optim, arenas) : 0;
    if (average) arenas[n++] = average;
    return mn_elastic_sort(t->model, rank, arenas, n);
}

const mn_weight_optim *mn_trainer_optim(const mn_trainer *t) {
    return t->optim;
}
mn_model *mn_trainer_model(const mn_trainer *t) {
    return t->model;
}
const mn_trainer_times *mn_trainer_get_times(const mn_trainer *t) {
    return &t->times;
}

void mn_trainer_set_criteria(mn_trainer *t, const mn_criterion *const by_pass[MN_N_PASSES]) {
    for (int i = 0; i < MN_N_PASSES; i++) {
        if (t->by_pass[i] != by_pass[i]) t->pass[i].dims[0] = 0; /* recorded with the other one */
        if (t->by_pass[i] != by_pass[i]) mn_bilevel_forget(t->bilevel);
        t->by_pass[i] = by_pass[i];
    }
}

const mn_criterion *mn_trainer_own_criterion(const mn_trainer *t) {
    return t->criterion;
}

const mn_criterion *mn_trainer_criterion(const mn_trainer *t, const mn_pass *p) {
    const mn_criterion *own = t->by_pass[p->kind];
    return own ? own : t->criterion;
}

void mn_trainer_accumulate(mn_trainer *t, int32_t on) {
    mn_pass *p = &t->pass[MN_PASS_TRAIN];
    const int32_t roles = (on ? MN_ROLE_WEIGHT : 0) | (p->opts.grads & MN_ROLE_ARCH);
    if (p->opts.accumulate != roles) p->dims[0] = 0;
    p->opts.accumulate = roles;
}

void mn_trainer_input(const mn_trainer *t, int32_t input[3]) {
    int32_t dims[4];
    mn_trainer_dims(t->loaders.train, 1, dims);
    memcpy(input, dims + 1, 3 * sizeof *input);
}

/* ---- prepare ----------------------------------------------------------------------------------------- */

typedef struct preparation {
    mn_trainer *t;
    mn_prepare_opts opts;
    mn_pass *pass[MN_PREPARE_RUNS];
    int32_t dims[MN_PREPARE_RUNS][4];
} preparation;

static int record(mn_run *run, int32_t i, void *ud) {
    const preparation *p = ud;
    (void)run;
    return mn_pass_record(p->pass[i], p->t->model, mn_trainer_criterion(p->t, p->pass[i]), p->dims[i]);
}

/* Samples of a loader's last batch when partial, else of its full ones; 0 when it has no such batch. */
static int32_t batch_of(const mn_loader *l, int partial) {
    const int64_t n = mn_loader_n_samples(l), batch = mn_loader_batch_size(l);
    if (partial) return (int32_t)(n % batch);
    return n >= batch ? (int32_t)batch : 0;
}

static int add_pass(preparation *p, mn_pass *pass, const mn_loader *l, int partial, int32_t arch_step,
                    int32_t n_active) {
    const int32_t n = l ? batch_of(l, partial) : 0, i = p->opts.n_runs;
    if (!n) return 0;
    mn_trainer_dims(l, n, p->dims[i]);
    p->pass[i] = pass;
    p->opts.runs[i] = (mn_prepare_run){pass->run, arch_step, n_active};
    p->opts.n_runs++;
    return mn_trainer_room(p->t, n, p->t->model->n_classes);
}

static int prepare_passes(mn_trainer *t, preparation *p) {
    p->t = t;
    p->opts.record = record;
    p->opts.ud = p;
    mn_footprint f = {0};
    if (p->opts.n_runs) MN_TRY(mn_prepare(t->model, &p->opts, &f));
    mn_footprint_join(&t->footprint, &f);
    return 0;
}

int mn_trainer_keep_limit(mn_trainer *t) {
    const size_t slab = mn_slab_bytes(t->model->slab), other = t->ctx->bytes_live - slab + MN_MEMORY_RESERVE;
    size_t took;
    return t->model->memory ? mn_prepare_limit(t->model, &t->footprint, other, 0, &took) : 0;
}

int mn_trainer_prepare_pass(mn_trainer *t, mn_pass *pass, const mn_loader *l, int partial) {
    preparation p = {.t = t};
    MN_TRY(add_pass(&p, pass, l, partial, 0, 0));
    return prepare_passes(t, &p);
}

/* Full batches and partial ones are met in two rounds of at most three runs. all: not only the architecture step. */
static int prepare_round(mn_trainer *t, int all, int arch, int32_t n_active, int partial) {
    preparation p = {.t = t};
    const mn_loader *valid = t->loaders.valid, *arch_data = valid ? valid : t->loaders.train;
    if (all) MN_TRY(add_pass(&p, &t->pass[MN_PASS_TRAIN], t->loaders.train, partial, 0, 0));
    if (arch) MN_TRY(add_pass(&p, &t->pass[MN_PASS_ARCH], arch_data, partial, 1, n_active));
    if (all) MN_TRY(add_pass(&p, &t->pass[MN_PASS_EVAL], valid, partial, 0, 0));
    return prepare_passes(t, &p);
}

/* Weight steps with gradients of the architecture parameters, or without. */
static void set_joint(mn_trainer *t, int on) {
    mn_pass *p = &t->pass[MN_PASS_TRAIN];
    const int32_t grads = MN_ROLE_WEIGHT | (on ? MN_ROLE_ARCH : 0);
    if (p->opts.grads == grads) return;
    p->opts.grads = grads;
    p->dims[0] = 0;
    t->prepared[0] = t->prepared[1] = 0;
    mn_trainer_accumulate(t, p->opts.accumulate & MN_ROLE_WEIGHT);
}

static int prepare(mn_trainer *t, int several, int arch, int32_t n_active) {
    const int known = t->prepared_active == n_active ? t->prepared_arch : t->prepared_arch & ~MN_ARCH_GRAD;
    const int all = !t->prepared[several], more = arch & ~known & ~MN_ARCH_JOINT;
    if (!all && !more) return 0;
    mn_trainer_accumulate(t, several);
    for (int partial = 0; partial < 2; partial++)
        MN_TRY(prepare_round(t, all, more & MN_ARCH_GRAD, n_active, partial));
    if (more & MN_ARCH_AHEAD) MN_TRY(mn_bilevel_prepare(t));
    MN_TRY(mn_trainer_keep_limit(t));
    for (int i = 0; i < MN_N_PASSES; i++) t->pass[i].dims[0] = 0;
    t->prepared[several] = 1;
    if (more & MN_ARCH_GRAD) t->prepared_active = n_active;
    t->prepared_arch |= more;
    return 0;
}

int mn_trainer_prepare(mn_trainer *t, int arch, int32_t n_active) {
    set_joint(t, arch & MN_ARCH_JOINT);
    return prepare(t, 0, arch, n_active);
}

int mn_trainer_prepare_paths(mn_trainer *t) {
    return prepare(t, 1, 0, 0);
}

/* ---- making ------------------------------------------------------------------------------------------ */

static int check_data(const mn_args *a, const mn_trainer *t) {
    const mn_model *m = t->model;
    const mn_loader *l = t->loaders.train;
    if (!m->backend)
        return mn_fail(a->ctx, MODNAS_ECONFIG, "%s needs a backend; with 'backend: none' nothing is trained",
                       a->component->name);
    if (!l)
        return mn_fail(a->ctx, MODNAS_ECONFIG, "%s needs training data: there is no train_data", a->component->name);
    const mn_dataset *d = mn_loader_dataset(l);
    if (d->c != m->input[0])
        return mn_fail(a->ctx, MODNAS_ECONFIG, "%s has images of %d channels, model %s takes %d", d->name, d->c,
                       m->type, m->input[0]);
    if (mn_loader_n_classes(l) > m->n_classes)
        return mn_fail(a->ctx, MODNAS_ECONFIG, "%s has %d classes, model %s has %d outputs", d->name,
                       mn_loader_n_classes(l), m->type, m->n_classes);
    if (mn_loader_n_classes(l) < m->n_classes)
        mn_log(a->ctx, MODNAS_LOG_WARN, "%s has %d classes, model %s has %d outputs", d->name, mn_loader_n_classes(l),
               m->type, m->n_classes);
    if (!t->loaders.valid) return 0;
    const mn_dataset *v = mn_loader_dataset(t->loaders.valid);
    if (v->c == d->c && v->h == d->h && v->w == d->w && mn_loader_n_classes(t->loaders.valid) <= m->n_classes) return 0;
    return mn_fail(a->ctx, MODNAS_ECONFIG,
                   "validation images are %dx%dx%d of %d classes, training images %dx%dx%d of %d", v->c, v->h, v->w,
                   mn_loader_n_classes(t->loaders.valid), d->c, d->h, d->w, mn_loader_n_classes(l));
}

static int make_passes(mn_trainer *t) {
    const mn_run_opts opts[MN_N_PASSES] = {
        [MN_PASS_TRAIN] = {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT, .seed = t->model->seed & SEED_MASK},
        [MN_PASS_ARCH] = {.train = 1, .grads = MN_ROLE_ARCH, .seed = t->model->seed & SEED_MASK},
        [MN_PASS_EVAL] = {.train = 0}};
    for (int i = 0; i < MN_N_PASSES; i++) {
        MN_TRY(mn_pass_new(t->model, &opts[i], &t->pass[i]));
        t->pass[i].kind = i;
    }
    return 0;
}

static int make_average(mn_trainer *t, const mn_args *a) {
    if (!mn_args_given(a, "ema")) return 0;
    const double decay = mn_args_real(a, "ema");
    if (!(decay >= 0 && decay < 1)) return mn_args_fail(a, "ema", "%g is outside [0, 1)", decay);
    return mn_average_new(t->model->weights, decay, &t->average);
}

static int fill(mn_trainer *t, const mn_args *a) {
    const mn_node *schedule = mn_args_node(a, "lr_scheduler");
    MN_TRY(mn_args_not_negative(a, "w_grad_clip"));
    MN_TRY(check_data(a, t));
    t->w_grad_clip = mn_args_real(a, "w_grad_clip");
    t->optimizer_spec = mn_node_copy(t->ctx, mn_args_node(a, "optimizer"));
    t->schedule_spec = schedule ? mn_node_copy(t->ctx, schedule) : NULL;
    if (!t->optimizer_spec || (schedule && !t->schedule_spec)) return MODNAS_ENOMEM;
    MN_TRY(mn_registry_build(t->ctx, "criterion", mn_args_node(a, "criterion"), NULL, NULL, NULL, &t->criterion));
    MN_TRY(mn_grad_norm_new(t->model->weights, &t->norm));
    MN_TRY(make_average(t, a));
    MN_TRY(make_passes(t));
    return mn_trainer_reset(t, 0); /* a wrong learning rate shows now, not when its estimator starts */
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    const mn_trainer_env *e = env;
    mn_trainer *t = mn_alloc(a->ctx, 1, sizeof *t);
    if (!t) return MODNAS_ENOMEM;
    t->ctx = a->ctx;
    mn_ctx_hold(t->ctx);
    t->model = e->model;
    t->loaders = *e->loaders;
    const int rc = fill(t, a);
    if (rc)
        mn_trainer_free(t);
    else
        *(mn_trainer **)out = t;
    return rc;
}

void mn_trainer_free(mn_trainer *t) {
    if (!t) return;
    modnas_ctx *ctx = t->ctx;
    for (int i = 0; i < MN_N_PASSES; i++) mn_pass_free(&t->pass[i]);
    mn_bilevel_free(t->bilevel, ctx);
    mn_average_free(t->average);
    mn_weight_optim_free(t->optim);
    mn_schedule_free(t->schedule);
    mn_criterion_free(t->criterion);
    mn_grad_norm_free(t->norm);
    mn_node_free(ctx, t->optimizer_spec);
    mn_node_free(ctx, t->schedule_spec);
    mn_free(ctx, t->logits);
    mn_free(ctx, t);
    mn_ctx_drop(ctx);
}

static const mn_arg_def args[] = {
    {"optimizer", MN_ARG_SPEC, NULL, "optimizer", "how weights move"},
    {"lr_scheduler", MN_ARG_SPEC, "null", "lr_scheduler", "learning rate by epoch; null: it stays"},
    {"criterion", MN_ARG_SPEC, "CrossEntropyLoss", "criterion", "loss"},
    {"ema", MN_ARG_REAL, "null", NULL,
     "decay of a running average of the weights, which is evaluated and saved in their place; null: none"},
    {"w_grad_clip", MN_ARG_REAL, "0", NULL, "largest norm of all weight gradients together; 0: any"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_trainer_components[MN_N_TRAINERS] = {
    {"trainer", "ImageClsTrainer", "trains and scores a classifier of images", args, build, NULL},
    {"trainer", "DefaultTrainer", "trains and scores with a loss; here the same as ImageClsTrainer", args, build, NULL},
};
