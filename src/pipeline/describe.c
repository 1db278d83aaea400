/* Describing what a configuration builds: the model is made and committed, its steps are recorded and planned, nothing
 * is run.
 *
 *   weights + gradients + optimizer state + architecture parameters + slab of a weight step = planned_peak_bytes
 *
 * The slab is not allocated. For mixed ops that sample, prepare's bound over all paths is taken. */
#include "modnas/describe.h"

#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "construct/construct.h"
#include "space/prepare.h"
#include "train/train.h"

enum { MEM_WEIGHTS, MEM_GRADIENTS, MEM_OPTIMIZER, MEM_ARCH, MEM_SLAB, N_MEM };

static const char *const mem_names[N_MEM] = {"weights", "gradients", "optimizer", "arch", "slab"};

typedef struct description {
    modnas_ctx *ctx;
    const mn_node *config;
    mn_model *model;
    int32_t input[3], batch;
    int64_t params, macs;
    size_t memory[N_MEM], peak;
    mn_str space_size;
} description;

/* ---- measuring ----------------------------------------------------------------------------------------- */

/* A weight step as a trainer makes it: training mode, labels, cross-entropy. */
static int record_step(mn_run *run, int32_t i, void *ud) {
    const description *d = ud;
    const mn_run_opts opts = {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT};
    const int64_t x_dims[4] = {d->batch, d->input[0], d->input[1], d->input[2]}, y_dims[4] = {d->batch, 1, 1, 1};
    mn_value *x, *y, *logits, *loss;
    (void)i;
    MN_TRY(mn_run_begin(run, &opts));
    MN_TRY(mn_input(run, x_dims, MODNAS_F32, &x));
    MN_TRY(mn_input(run, y_dims, MODNAS_I32, &y));
    MN_TRY(mn_model_forward(d->model, run, x, &logits));
    MN_TRY(mn_softmax_xent(run, logits, y, 0, &loss));
    MN_TRY(mn_run_keep(run, logits));
    MN_TRY(mn_run_keep(run, loss));
    return mn_run_plan(run, loss);
}

static int measure_slab(description *d) {
    mn_prepare_opts opts = {.n_runs = 1, .record = record_step, .ud = d, .dry = 1};
    MN_TRY(mn_run_new(d->model->backend, d->model->dtype, d->model->slab, &opts.runs[0].run));
    const int rc = mn_prepare(d->model, &opts, &d->memory[MEM_SLAB]);
    mn_run_free(opts.runs[0].run);
    return rc;
}

/* The optimizer of the trainer that is found first, else what is usual here. */
static int optimizer_spec(const description *d, mn_node **out) {
    const mn_node *trainers = mn_node_get(d->config, "trainer"),
                  *given = mn_node_path(trainers, "default.args.optimizer");
    for (size_t i = 0; trainers && trainers->kind == MN_MAP && !given && i < trainers->n; i++)
        given = mn_node_path(trainers->items[i], "args.optimizer");
    if (!given || given->kind == MN_NULL)
        return mn_yaml_value(d->ctx, "{type: SGD, args: {lr: 0.1, momentum: 0.9}}", "default", out);
    *out = mn_node_copy(d->ctx, given);
    return *out ? 0 : MODNAS_ENOMEM;
}

static int measure_optimizer(description *d) {
    const mn_optimizer_env env = {d->model->weights};
    mn_weight_optim *optim = NULL;
    mn_node *spec;
    MN_TRY(optimizer_spec(d, &spec));
    const int rc = mn_registry_build(d->ctx, "optimizer", spec, NULL, NULL, &env, &optim);
    if (!rc) d->memory[MEM_OPTIMIZER] = mn_weight_optim_state_bytes(optim);
    mn_weight_optim_free(optim);
    mn_node_free(d->ctx, spec);
    return rc;
}

static int measure_memory(description *d) {
    const mn_model *m = d->model;
    const size_t element = m->dtype == MODNAS_F64 ? 8 : 4;
    d->memory[MEM_WEIGHTS] = d->memory[MEM_GRADIENTS] = mn_store_count(m->weights) * element;
    /* values, gradients, and the two moments of Adam, which is what trains them */
    if (m->arch) d->memory[MEM_ARCH] = 4 * mn_store_count(m->arch) * element;
    MN_TRY(measure_optimizer(d));
    MN_TRY(measure_slab(d));
    for (int i = 0; i < N_MEM; i++) d->peak += d->memory[i];
    return 0;
}

static int32_t batch_of(const mn_node *config) {
    const mn_node *n = mn_node_path(config, "data_loader.args.trn_batch_size");
    return n && n->kind == MN_INT && n->i > 0 && n->i <= 1 << 20 ? (int32_t)n->i : 64;
}

static int read_opts(description *d, const modnas_describe_opts *o) {
    d->batch = o->batch ? o->batch : batch_of(d->config);
    int given = 0;
    for (int i = 0; i < 3; i++) {
        if (o->input[i] < 0 || o->batch < 0)
            return mn_fail(d->ctx, MODNAS_EINVAL, "an input of %dx%dx%d and a batch of %d", o->input[0], o->input[1],
                           o->input[2], o->batch);
        given += o->input[i] > 0;
        d->input[i] = o->input[i] ? o->input[i] : d->model->input[i];
    }
    if (given % 3)
        return mn_fail(d->ctx, MODNAS_EINVAL, "an input of %dx%dx%d: all three or none", o->input[0], o->input[1],
                       o->input[2]);
    if (d->input[0] == d->model->input[0]) return 0;
    return mn_fail(d->ctx, MODNAS_ESHAPE, "an input of %d channels; the model takes %d", d->input[0],
                   d->model->input[0]);
}

/* `backend: none` has nothing to count with: the reference then does it. */
static int build_model(description *d) {
    mn_node *with_ref = NULL;
    int rc = 0;
    if (strcmp(mn_construct_backend(d->config), "none") == 0) {
        with_ref = mn_node_copy(d->ctx, d->config);
        mn_node *ref = with_ref ? mn_node_str(d->ctx, "ref") : NULL;
        rc = ref ? mn_node_set(d->ctx, with_ref, "backend", ref) : MODNAS_ENOMEM;
    }
    if (!rc) rc = mn_construct_model(d->ctx, with_ref ? with_ref : d->config, MODNAS_F32, 1, &d->model);
    mn_node_free(d->ctx, with_ref);
    return rc;
}

static int measure(description *d, const modnas_describe_opts *o) {
    MN_TRY(build_model(d));
    MN_TRY(read_opts(d, o));
    d->params = mn_model_n_params(d->model);
    MN_TRY(mn_model_macs(d->model, d->input, &d->macs));
    MN_TRY(mn_space_size(d->model->space, &d->space_size));
    return measure_memory(d);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void add_candidates(mn_str *s, const mn_slot *slot, const char *before, const char *between,
                           void (*add)(mn_str *, const char *)) {
    const mn_mixed *m = slot->entity ? mn_mixed_of(slot->entity) : NULL;
    if (!m && slot->op) {
        mn_str_add(s, before);
        add(s, slot->op);
    }
    for (int32_t i = 0; m && i < m->n; i++) {
        mn_str_add(s, i ? between : before);
        add(s, mn_mixed_candidate(m, i));
    }
}

static void write_json(mn_str *s, const description *d) {
    const mn_model *m = d->model;
    mn_str_add(s, "{\"model\":");
    mn_str_json(s, m->type);
    mn_str_addf(s, ",\"backend\":{\"name\":\"%s\",\"version\":", mn_backend_name(m->backend));
    mn_str_json(s, mn_backend_version(m->backend));
    mn_str_addf(s, "},\"input\":[%d,%d,%d],\"batch\":%d,\"n_classes\":%d", d->input[0], d->input[1], d->input[2],
                d->batch, m->n_classes);
    mn_str_addf(s, ",\"params\":%" PRId64 ",\"macs\":%" PRId64 ",\"mixed_ops\":%d,\"slots\":[", d->params, d->macs,
                mn_model_n_mixed(m));
    for (size_t i = 0; i < m->slots.n; i++) {
        const mn_slot *slot = mn_model_slot(m, i);
        mn_str_add(s, i ? ",{\"name\":" : "{\"name\":");
        mn_str_json(s, slot->name);
        mn_str_addf(s, ",\"chn_in\":%d,\"chn_out\":%d,\"stride\":%d,\"candidates\":[", slot->chn_in, slot->chn_out,
                    slot->stride);
        add_candidates(s, slot, "", ",", mn_str_json);
        mn_str_add(s, "]}");
    }
    mn_str_add(s, "],\"space_size\":");
    mn_str_json(s, d->space_size.text);
    mn_str_add(s, ",\"memory\":{");
    for (int i = 0; i < N_MEM; i++) mn_str_addf(s, "%s\"%s\":%zu", i ? "," : "", mem_names[i], d->memory[i]);
    mn_str_addf(s, "},\"planned_peak_bytes\":%zu}", d->peak);
}

/* 14834106 as "14,834,106". */
static void add_grouped(mn_str *s, int64_t n) {
    char text[32];
    mn_str digits = {.ctx = s->ctx};
    mn_str_addf(&digits, "%" PRId64, n);
    const size_t len = digits.failed ? 0 : digits.n;
    size_t at = 0;
    for (size_t i = 0; i < len && at + 2 < sizeof text; i++) {
        text[at++] = digits.text[i];
        if (i + 1 < len && (len - 1 - i) % 3 == 0) text[at++] = ',';
    }
    mn_str_addn(s, text, at);
    mn_str_free(&digits);
}

static void add_mib(mn_str *s, const char *before, size_t bytes, const char *after) {
    mn_str_addf(s, "%s%.1f MiB%s", before, (double)bytes / 1048576.0, after);
}

static void write_text(mn_str *s, const description *d) {
    const mn_model *m = d->model;
    mn_str_addf(s, "model    %s, input %dx%dx%d, %d classes\n", m->type, d->input[0], d->input[1], d->input[2],
                m->n_classes);
    mn_str_addf(s, "backend  %s (%s)\nparams   ", mn_backend_name(m->backend), mn_backend_version(m->backend));
    add_grouped(s, d->params);
    mn_str_add(s, "\nmacs     ");
    add_grouped(s, d->macs);
    mn_str_addf(s, "%s\nslots    %zu, of them %d with a choice\n", mn_model_n_mixed(m) ? " (all candidates)" : "",
                m->slots.n, mn_model_n_mixed(m));
    mn_str_addf(s, "space    %s architecture%s\n", d->space_size.text, strcmp(d->space_size.text, "1") == 0 ? "" : "s");
    add_mib(s, "memory   ", d->peak, " for a training step of ");
    mn_str_addf(s, "%d images", d->batch);
    for (int i = 0; i < N_MEM; i++) {
        mn_str_addf(s, "%s%s", i ? ", " : " (", mem_names[i]);
        add_mib(s, " ", d->memory[i], "");
    }
    mn_str_add(s, ")\n");
    for (size_t i = 0; i < m->slots.n; i++) {
        const mn_slot *slot = mn_model_slot(m, i);
        mn_str_addf(s, "slot %-3s %4d -> %-4d stride %d ", slot->name, slot->chn_in, slot->chn_out, slot->stride);
        if (slot->op || mn_mixed_of(slot->entity))
            add_candidates(s, slot, " ", " ", mn_str_add);
        else
            mn_str_add(s, " (the model's own)");
        mn_str_add(s, "\n");
    }
}

static int describe(modnas_config *cfg, const modnas_describe_opts *opts, void (*write)(mn_str *, const description *),
                    char **out) {
    if (!cfg || !out) return MODNAS_EINVAL;
    modnas_ctx *ctx = mn_config_ctx(cfg);
    MN_ENTER(ctx);
    description d = {.ctx = ctx, .space_size = {.ctx = ctx}};
    modnas_describe_opts o;
    mn_str text = {.ctx = ctx};
    MN_TRY(mn_opts_read(ctx, "modnas_describe_opts", opts, &o, sizeof o));
    MN_TRY(mn_register_builtins(ctx));
    int rc = mn_config_tree(cfg, &d.config);
    if (!rc) rc = measure(&d, &o);
    if (!rc) {
        write(&text, &d);
        char *done = mn_str_take(&text);
        if (done)
            *out = done;
        else
            rc = MODNAS_ENOMEM;
    }
    mn_str_free(&text);
    mn_str_free(&d.space_size);
    mn_model_free(d.model);
    return rc;
}

int modnas_describe(modnas_config *cfg, const modnas_describe_opts *opts, char **json) {
    return describe(cfg, opts, write_json, json);
}

int modnas_describe_text(modnas_config *cfg, const modnas_describe_opts *opts, char **text) {
    return describe(cfg, opts, write_text, text);
}
