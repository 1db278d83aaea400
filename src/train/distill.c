/* KnowledgeDistillLoss (Hinton et al. 2015): in training, a teacher's outputs are a target beside the labels.
 *
 *   loss = loss_scale ((1 - kd_ratio) base + kd_ratio c(y, y_teacher))       y_teacher: outputs, before softmax
 *
 * The teacher is a network of its own, made by kd_model_constructor, whose weights are read from their file when the
 * phase begins (an estimator before it may write it). Without one it is the model itself as it is when the phase
 * begins, with the options that are set then: a copy of all weights, which takes the place of the weights while the
 * teacher's pass runs. Its pass is recorded once for an image size. One batch is asked of it once, however many paths
 * are trained on it. */
#include <string.h>

#include "construct/construct.h"
#include "train/arena.h"
#include "train/parts.h"

typedef struct distill {
    modnas_ctx *ctx;
    mn_criterion *inner;
    double ratio, scale;
    mn_model *teacher; /* owned if there are constructors, else the model itself */
    mn_node *constructors;
    void *kept;    /* the model itself: its weights as they were */
    mn_arch *arch; /* and its options */
    int32_t trains; /* 1: batch statistics, and running ones that move */
    int32_t is_ready;
    mn_run *run;
    mn_value *x, *logits;
    int32_t dims[4];  /* recorded for; N 0: not recorded */
    float *outputs;   /* of the batch that it was asked last */
    size_t room;
    const float *of;  /* that batch; NULL: none */
    int64_t index, epoch;
    mn_fed fed[MN_FED_RUNS];
} distill;

static mn_store *store_of(const distill *s) {
    return s->teacher->weights;
}

/* ---- the teacher --------------------------------------------------------------------------------------- */

static int keep_weights(distill *s) {
    mn_axpby copy;
    MN_TRY(mn_axpby_new(store_of(s), &copy));
    mn_arch_read(s->arch);
    return mn_axpby_run(&copy, 0, mn_store_count(store_of(s)), 1, mn_store_weights(store_of(s)), 0, s->kept);
}

static int begin(mn_criterion *c) {
    distill *s = c->state;
    if (!s->teacher) return 0;
    MN_TRY(s->kept ? keep_weights(s) : mn_construct_load(s->teacher, s->constructors));
    s->dims[0] = 0;
    s->of = NULL;
    s->is_ready = 1;
    return 0;
}

static int io(mn_criterion *c, mn_state *io) {
    distill *s = c->state;
    if (!s->teacher) return 0;
    MN_TRY(mn_state_range(io, &s->is_ready, 0, 1));
    if (!s->is_ready) return 0;
    s->dims[0] = 0;
    s->of = NULL;
    if (s->arch) MN_TRY(mn_arch_state(s->arch, io));
    return mn_store_state(store_of(s), s->kept, io);
}

static int record(distill *s, const int32_t dims[4]) {
    const mn_run_opts opts = {.train = s->trains, .update_stats = s->trains, .no_drop = 1};
    const int64_t x[4] = {dims[0], dims[1], dims[2], dims[3]};
    s->dims[0] = 0;
    MN_TRY(mn_run_begin(s->run, &opts));
    MN_TRY(mn_input(s->run, x, MODNAS_F32, &s->x));
    MN_TRY(mn_model_forward(s->teacher, s->run, s->x, &s->logits));
    MN_TRY(mn_run_keep(s->run, s->logits));
    MN_TRY(mn_run_plan(s->run, NULL));
    memcpy(s->dims, dims, sizeof s->dims);
    return 0;
}

/* The model itself stands for the teacher meanwhile, and afterwards as before: nothing that was recorded is out of
 * date. */
static int record_as_it_was(distill *s, const int32_t dims[4]) {
    const uint64_t version = s->teacher->version;
    mn_arch *now;
    MN_TRY(mn_arch_new(s->teacher, &now));
    int rc = mn_arch_apply(s->arch);
    if (!rc) rc = record(s, dims);
    const int undone = mn_arch_apply(now);
    mn_arch_free(now);
    s->teacher->version = version;
    return rc ? rc : undone;
}

static int ask(distill *s, const mn_batch *b) {
    mn_run_bind(s->run, s->x, b->x);
    void *own = s->kept ? mn_store_swap(store_of(s), s->kept) : NULL;
    const int rc = mn_run_forward(s->run, 0);
    if (own) mn_store_swap(store_of(s), own);
    return rc ? rc : mn_run_read_f32(s->run, s->logits, s->outputs);
}

static int is_known(const distill *s, const mn_batch *b, const int32_t dims[4]) {
    return s->of && s->of == b->x && s->index == b->index && s->epoch == b->epoch &&
           memcmp(s->dims, dims, sizeof s->dims) == 0;
}

static int feed(const mn_criterion *c, mn_run *run, const int32_t dims[4], uint64_t step, mn_batch *batch) {
    distill *s = c->state;
    (void)step;
    if (!mn_run_options(run)->train) return 0;
    if (!s->is_ready) MN_TRY(begin((mn_criterion *)(uintptr_t)c)); /* added within a phase */
    if (!is_known(s, batch, dims)) {
        s->of = NULL;
        if (memcmp(s->dims, dims, sizeof s->dims)) MN_TRY((s->arch ? record_as_it_was : record)(s, dims));
        MN_TRY(ask(s, batch));
        s->of = batch->epoch >= 0 ? batch->x : NULL;
        s->index = batch->index;
        s->epoch = batch->epoch;
    }
    mn_run_bind(run, mn_fed_in(s->fed, run)->input[0], s->outputs);
    return 0;
}

/* ---- the loss ------------------------------------------------------------------------------------------ */

static int linear(mn_run *run, mn_value *x, double factor, mn_value **out) {
    return mn_activation(run, x, MODNAS_ACT_LINEAR, factor, 0, out);
}

static int loss(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **out) {
    distill *s = c->state;
    mn_value *taught, **outputs = &mn_fed_in(s->fed, run)->input[0];
    MN_TRY(c->base->loss(c->base, run, logits, target, out));
    if (!mn_run_options(run)->train) return 0;
    const size_t n = (size_t)(logits->dims[0] * logits->dims[1]);
    if (n > s->room) {
        float *grown = mn_realloc(s->ctx, s->outputs, n, sizeof *grown);
        if (!grown) return MODNAS_ENOMEM;
        s->outputs = grown;
        s->room = n;
        s->of = NULL;
    }
    MN_TRY(mn_input(run, logits->dims, MODNAS_F32, outputs));
    MN_TRY(s->inner->loss(s->inner, run, logits, *outputs, &taught));
    MN_TRY(linear(run, taught, s->scale * s->ratio, &taught));
    MN_TRY(linear(run, *out, s->scale * (1 - s->ratio), out));
    return mn_add(run, *out, taught, out);
}

/* ---- making -------------------------------------------------------------------------------------------- */

static void destroy(mn_criterion *c) {
    distill *s = c->state;
    mn_run_free(s->run);
    if (s->kept) mn_backend_free(mn_store_backend(store_of(s)), s->kept);
    if (s->constructors) mn_model_free(s->teacher);
    mn_arch_free(s->arch);
    mn_node_free(c->ctx, s->constructors);
    mn_criterion_free(s->inner);
    mn_free(c->ctx, s->outputs);
}

static int read_inner(distill *s, const mn_args *a) {
    static const char *const types[][2] = {{"ce", "CrossEntropySoftTargetLoss"}, {"mse", "MSELoss"}};
    const char *type = mn_args_str(a, "loss_type");
    if (!type)
        return mn_registry_build(s->ctx, "criterion", mn_args_node(a, "crit_conf"), NULL, NULL, NULL, &s->inner);
    mn_node *spec = mn_node_str(s->ctx, types[strcmp(type, types[0][0]) != 0][1]);
    const int rc = spec ? mn_registry_build(s->ctx, "criterion", spec, NULL, NULL, NULL, &s->inner) : MODNAS_ENOMEM;
    mn_node_free(s->ctx, spec);
    return rc;
}

static int make_teacher(distill *s, const mn_args *a, mn_model *model) {
    const mn_node *given = mn_args_node(a, "kd_model_constructor");
    mn_model *made;
    s->constructors = mn_node_copy(s->ctx, given);
    if (!s->constructors) return MODNAS_ENOMEM;
    const int rc = mn_construct_beside(model, given, &made);
    if (rc) {
        mn_node_free(s->ctx, s->constructors);
        s->constructors = NULL;
        return rc == MODNAS_ENOMEM ? rc : mn_args_fail(a, "kd_model_constructor", "%s", modnas_errmsg(s->ctx));
    }
    s->teacher = made;
    if (made->n_classes == model->n_classes && made->input[0] == model->input[0]) return 0;
    return mn_args_fail(a, "kd_model_constructor", "a teacher of %d channels and %d classes, model %s has %d and %d",
                        made->input[0], made->n_classes, model->type, model->input[0], model->n_classes);
}

static int take_itself(distill *s, mn_model *model) {
    s->teacher = model;
    MN_TRY(mn_arch_new(model, &s->arch));
    mn_store *w = model->weights;
    return mn_backend_alloc(mn_store_backend(w), (mn_store_count(w) + 16) * mn_store_elem_bytes(w), &s->kept);
}

static int fill(mn_criterion *c, const mn_args *a, const mn_criterion_env *env) {
    distill *s = c->state;
    s->ctx = c->ctx;
    s->ratio = mn_args_real(a, "kd_ratio");
    s->scale = mn_args_real(a, "loss_scale");
    s->trains = mn_args_bool(a, "train_teacher");
    if (!(s->ratio >= 0 && s->ratio <= 1)) return mn_args_fail(a, "kd_ratio", "%g is outside 0..1", s->ratio);
    MN_TRY(read_inner(s, a));
    if (env->pass == MN_PASS_EVAL) return 0;
    if (!env->model->backend) return mn_args_fail(a, "kd_ratio", "needs a backend");
    MN_TRY(mn_args_given(a, "kd_model_constructor") ? make_teacher(s, a, env->model) : take_itself(s, env->model));
    return mn_run_new(s->teacher->backend, s->teacher->dtype, s->teacher->slab, &s->run);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_criterion draft = {.loss = loss, .feed = feed, .begin = begin, .io = io, .destroy = destroy};
    (void)c;
    return mn_criterion_make(&draft, a, env, "kd_ratio", sizeof(distill), fill, out);
}

static const mn_arg_def args[] = {
    {"crit_conf", MN_ARG_SPEC, "CrossEntropySoftTargetLoss", "criterion", "the loss c"},
    {"loss_type", MN_ARG_STR, "null", "ce|mse", "c by an older name: CrossEntropySoftTargetLoss, MSELoss"},
    {"kd_model_constructor", MN_ARG_SPECS, "null", "construct",
     "makes the teacher and loads its weights; null: the model as it is when the phase begins"},
    {"kd_ratio", MN_ARG_REAL, "0.5", NULL, "share of the teacher"},
    {"loss_scale", MN_ARG_REAL, "1", NULL, "factor of all"},
    {"train_teacher", MN_ARG_BOOL, "false", NULL,
     "the teacher's batch norm takes the statistics of the batch, and its running ones move"},
    {0}};

const mn_component mn_distill_loss = {
    "criterion", "KnowledgeDistillLoss", "loss with a teacher's outputs as a second target, in training", args, build,
    NULL};
