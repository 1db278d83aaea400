/* What memory the steps of a configuration take.
 *
 *   arenas   weights, gradients, state of optimizers: known once the model is laid out
 *   slab     saved values, transients, work space: the steps of a trainer are recorded and planned, not run; for mixed
 *            ops that sample, prepare's bound over all paths
 *   batches  slots of the loaders
 *   library  what recording and planning left in the context besides
 *
 * A data set lies beside them: it is not opened here. */
#include "pipeline/footprint.h"

#include <string.h>

#include "config/config.h"
#include "search/search.h"
#include "space/prepare.h"

const char *const mn_memory_names[MN_N_MEMORY] = {"saved",     "transients", "workspace", "weights", "gradients",
                                                  "optimizer", "arch",       "batches",   "library"};

size_t mn_memory_sum(const mn_memory *m) {
    size_t sum = 0;
    for (int i = 0; i < MN_N_MEMORY; i++) sum += m->bytes[i];
    return sum;
}

static int is_given(const mn_node *n) {
    return n && n->kind != MN_NULL;
}

/* ---- batches ------------------------------------------------------------------------------------------- */

static const mn_node *loader_arg(const mn_node *config, const char *name) {
    return mn_node_get(mn_node_path(config, "data_loader.args"), name);
}

/* Samples of a validation batch; 0: nothing is validated. */
static int32_t valid_batch(const mn_node *config) {
    static const char *const parts[] = {"valid_size", "valid_ratio"};
    int has = is_given(mn_node_get(config, "valid_data"));
    for (size_t i = 0; i < MN_COUNT(parts); i++) {
        const mn_node *n = loader_arg(config, parts[i]);
        has |= n && ((n->kind == MN_INT && n->i > 0) || (n->kind == MN_REAL && n->r > 0));
    }
    const mn_node *batch = loader_arg(config, "val_batch_size");
    if (!has) return 0;
    return batch && batch->kind == MN_INT && batch->i > 0 && batch->i <= 1 << 20 ? (int32_t)batch->i : 64;
}

/* ---- slab ---------------------------------------------------------------------------------------------- */

typedef struct plan {
    const mn_memory_step *step;
    mn_prepare_opts opts;
    mn_run_opts run[MN_PREPARE_RUNS];
    int32_t batch[MN_PREPARE_RUNS];
} plan;

/* A step as a trainer records it: labels, cross-entropy. */
static int record(mn_run *run, int32_t i, void *ud) {
    const plan *p = ud;
    const int32_t *in = p->step->input;
    const int64_t x_dims[4] = {p->batch[i], in[0], in[1], in[2]}, y_dims[4] = {p->batch[i], 1, 1, 1};
    mn_value *x, *y, *logits, *loss;
    MN_TRY(mn_run_begin(run, &p->run[i]));
    MN_TRY(mn_input(run, x_dims, MODNAS_F32, &x));
    MN_TRY(mn_input(run, y_dims, MODNAS_I32, &y));
    MN_TRY(mn_model_forward(p->step->model, run, x, &logits));
    MN_TRY(mn_softmax_xent(run, logits, y, 0, &loss));
    MN_TRY(mn_run_keep(run, logits));
    MN_TRY(mn_run_keep(run, loss));
    return mn_run_plan(run, p->run[i].grads ? loss : NULL);
}

static int add_run(plan *p, mn_run_opts opts, int32_t batch, int32_t arch_step, int32_t n_active) {
    const mn_model *m = p->step->model;
    mn_prepare_run *r = &p->opts.runs[p->opts.n_runs];
    MN_TRY(mn_run_new(m->backend, m->dtype, m->slab, &r->run));
    r->arch_step = arch_step;
    r->n_active = n_active;
    p->run[p->opts.n_runs] = opts;
    p->batch[p->opts.n_runs++] = batch;
    return 0;
}

/* The steps: weights, what a gradient method asks of the trainer, evaluation where there is validation data, and that of
 * what was found, with statistics of its own (recalibration.c). Of the passes that look a step ahead the one with all
 * gradients needs most. */
static int add_runs(plan *p, const mn_optim *optim) {
    const int32_t batch = p->step->batch, valid = valid_batch(p->step->config), arch_batch = valid ? valid : batch,
                  needs = optim && p->step->model->arch ? optim->needs : 0, both = MN_ROLE_WEIGHT | MN_ROLE_ARCH;
    const mn_run_opts weights = {.train = 1, .update_stats = 1, .grads = needs & MN_ARCH_JOINT ? both : MN_ROLE_WEIGHT},
                      arch = {.train = 1, .grads = MN_ROLE_ARCH}, ahead = {.train = 1, .grads = both},
                      evaluation = {.train = 0}, statistics = {.train = 1, .update_stats = 1};
    MN_TRY(add_run(p, weights, batch, 0, 0));
    if (needs & MN_ARCH_GRAD) MN_TRY(add_run(p, arch, arch_batch, 1, optim->n_active));
    if (needs & MN_ARCH_AHEAD) MN_TRY(add_run(p, ahead, arch_batch, 0, 0));
    if (valid && mn_space_n_genes(p->step->model->space)) MN_TRY(add_run(p, statistics, batch, 0, 0));
    return valid ? add_run(p, evaluation, valid, 0, 0) : 0;
}

static void split_slab(const mn_footprint *f, size_t slab, mn_memory *out) {
    size_t *b = out->bytes;
    b[MN_MEM_WORKSPACE] = f->workspace < slab ? f->workspace : slab;
    slab -= b[MN_MEM_WORKSPACE];
    b[MN_MEM_TRANSIENTS] = f->transients < slab ? f->transients : slab;
    b[MN_MEM_SAVED] = slab - b[MN_MEM_TRANSIENTS];
}

/* The slab last: under a limit it takes what the rest leaves. */
static int measure_steps(const mn_memory_step *s, const mn_optim *optim, mn_memory *out) {
    plan p = {.step = s, .opts = {.record = record, .dry = 1}};
    mn_footprint f = {0};
    p.opts.ud = &p;
    int rc = add_runs(&p, optim);
    if (!rc) rc = mn_prepare(s->model, &p.opts, &f);
    const size_t own = s->model->ctx->bytes_live - s->live,
                 arenas = out->bytes[MN_MEM_WEIGHTS] + out->bytes[MN_MEM_GRADIENTS] + out->bytes[MN_MEM_ARCH];
    out->bytes[MN_MEM_LIBRARY] = own > arenas ? own - arenas : 0;
    if (optim && s->model->arch && optim->needs & MN_ARCH_AHEAD) /* train/unroll.c */
        out->bytes[MN_MEM_ARCH] +=
            (mn_store_count(s->model->weights) + 2 * mn_store_count(s->model->arch)) * mn_store_elem_bytes(s->model->weights);
    size_t slab = mn_footprint_bytes(&f);
    if (!rc && s->model->memory)
        rc = mn_prepare_limit(s->model, &f, mn_memory_sum(out) + MN_MEMORY_RESERVE, 1, &slab);
    if (!rc) split_slab(&f, slab, out);
    for (int32_t i = 0; i < p.opts.n_runs; i++) mn_run_free(p.opts.runs[i].run);
    return rc;
}

/* ---- optimizers ---------------------------------------------------------------------------------------- */

static int add_optimizer(const mn_memory_step *s, const mn_node *spec, mn_memory *out) {
    const mn_optimizer_env env = {s->model->weights};
    mn_weight_optim *optim = NULL;
    MN_TRY(mn_registry_build(s->model->ctx, "optimizer", spec, NULL, NULL, &env, &optim));
    out->bytes[MN_MEM_OPTIMIZER] += mn_weight_optim_state_bytes(optim);
    mn_weight_optim_free(optim);
    return 0;
}

typedef struct optimizers {
    const mn_memory_step *step;
    mn_memory *out;
    int n;
} optimizers;

static int add_trainer(const char *name, const mn_node *spec, void *ud) {
    optimizers *o = ud;
    const char *type;
    const mn_node *args;
    (void)name;
    MN_TRY(mn_spec_parse(o->step->model->ctx, spec, NULL, &type, &args));
    const mn_store *w = o->step->model->weights;
    const mn_node *given = mn_node_get(args, "optimizer");
    if (is_given(mn_node_get(args, "ema"))) o->out->bytes[MN_MEM_OPTIMIZER] += mn_store_bytes(w);
    if (!is_given(given)) return 0;
    o->n++;
    return add_optimizer(o->step, given, o->out);
}

/* Each trainer has its own; what is usual where there is none. */
static int measure_optimizers(const mn_memory_step *s, mn_memory *out) {
    optimizers o = {s, out, 0};
    mn_node *usual;
    MN_TRY(mn_specs_visit(mn_node_get(s->config, "trainer"), add_trainer, &o));
    if (o.n) return 0;
    MN_TRY(mn_yaml_value(s->model->ctx, "{type: SGD, args: {lr: 0.1, momentum: 0.9}}", "default", &usual));
    const int rc = add_optimizer(s, usual, out);
    mn_node_free(s->model->ctx, usual);
    return rc;
}

/* The optimizer, and the steps that it makes. */
static int measure_optim(const mn_memory_step *s, const mn_objective *objective, mn_memory *out) {
    mn_model *m = s->model;
    const mn_optim_env env = {.model = m, .seed = m->seed, .objective = objective};
    const mn_node *given = mn_node_get(s->config, "optim");
    const size_t before = m->ctx->bytes_live;
    mn_optim *optim = NULL;
    if (is_given(given)) MN_TRY(mn_registry_build(m->ctx, "optim", given, NULL, NULL, &env, &optim));
    out->bytes[MN_MEM_ARCH] += m->ctx->bytes_live - before;
    const int rc = measure_steps(s, optim, out);
    mn_optim_free(optim);
    return rc;
}

static int measure_search(const mn_memory_step *s, mn_memory *out) {
    mn_objective *objective;
    MN_TRY(mn_objective_new(s->model->ctx, mn_node_get(s->config, "objective"), &objective));
    const int rc = measure_optim(s, objective, out);
    mn_objective_free(objective);
    return rc;
}

int mn_memory_measure(const mn_memory_step *s, mn_memory *out) {
    mn_model *m = s->model;
    const size_t element = mn_store_elem_bytes(m->weights), values = sizeof(float) * (size_t)s->input[0] *
                                                                    (size_t)s->input[1] * (size_t)s->input[2];
    memset(out, 0, sizeof *out);
    size_t *b = out->bytes;
    b[MN_MEM_WEIGHTS] = b[MN_MEM_GRADIENTS] = mn_store_count(m->weights) * element;
    if (m->arch) b[MN_MEM_ARCH] = 2 * mn_store_count(m->arch) * element;
    b[MN_MEM_BATCHES] = mn_loader_ahead(s->batch, values) + mn_loader_ahead(valid_batch(s->config), values);
    MN_TRY(measure_optimizers(s, out));
    return measure_search(s, out);
}
