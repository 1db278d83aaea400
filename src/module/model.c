/* A model's life: made empty, filled by a builder and edited by constructors, committed, run, freed.
 *
 * Commit turns the tree into two stores (weights with running statistics, and architecture parameters); from then on a
 * parameter has its dotted name. The layers above add what they own (the space) through the fields of mn_model. */
#include "module/model.h"

#include <string.h>

static const mn_ops_conf default_ops = {{'b', 'a', 'w'}, 1, 1e-5, 0.1, 0, 1}; /* ops_order: bn_act_weight */

int mn_model_new(modnas_ctx *ctx, mn_backend *backend, int32_t dtype, uint64_t seed, mn_model **out) {
    mn_model *m = mn_alloc(ctx, 1, sizeof *m);
    if (!m) return MODNAS_ENOMEM;
    if (backend) {
        const int rc = mn_backend_open(ctx, mn_backend_name(backend), mn_backend_threads(backend), &m->backend);
        if (rc) {
            mn_free(ctx, m);
            return rc;
        }
    }
    m->ctx = ctx;
    m->refs = 1;
    m->dtype = dtype;
    m->seed = seed;
    m->ops = default_ops;
    m->version = 1;
    mn_vec_init(&m->slots, sizeof(struct mn_slot *));
    mn_vec_init(&m->arch_params, sizeof(mn_module_param));
    mn_ctx_hold(ctx);
    *out = m;
    return 0;
}

mn_model *mn_model_hold(mn_model *m) {
    m->refs++;
    return m;
}

void mn_model_free(mn_model *m) {
    if (!m || --m->refs) return;
    modnas_ctx *ctx = m->ctx;
    mn_run_free(m->eval.run);
    mn_slab_free(m->slab);
    mn_store_free(m->weights); /* parameters go after their store */
    mn_store_free(m->arch);
    mn_module_free(m->root);
    if (m->space) m->space_free(m->space);
    mn_vec_free(ctx, &m->slots);
    mn_vec_free(ctx, &m->arch_params);
    mn_backend_close(m->backend);
    mn_free(ctx, m->type);
    mn_free(ctx, m->memory_key);
    mn_free(ctx, m);
    mn_ctx_drop(ctx);
}

/* ---- commit -------------------------------------------------------------------------------------------- */

typedef struct naming {
    mn_store *store;
    int32_t role;
    mn_str path;
} naming;

static int add_params(mn_module *m, void *ud) {
    naming *n = ud;
    for (size_t i = 0; i < m->params.n; i++) {
        const mn_module_param *p = &MN_AT(m->params, mn_module_param, i);
        if (p->param->role != n->role) continue;
        n->path.n = 0;
        MN_TRY(mn_module_path(m, &n->path));
        if (m->parent) mn_str_add(&n->path, ".");
        mn_str_add(&n->path, p->name);
        if (n->path.failed) return MODNAS_ENOMEM;
        MN_TRY(mn_store_add(n->store, p->param, n->path.text));
    }
    return 0;
}

/* Statistics come last: they have no gradients, and between weights they would split the ranges that an optimizer
 * walks. */
static int commit_weights(mn_model *m) {
    MN_TRY(mn_store_new(m->backend, m->dtype, &m->weights));
    naming n = {m->weights, MN_ROLE_WEIGHT, {.ctx = m->ctx}};
    int rc = mn_module_walk(m->root, add_params, &n);
    n.role = MN_ROLE_STAT;
    if (!rc) rc = mn_module_walk(m->root, add_params, &n);
    mn_str_free(&n.path);
    return rc ? rc : mn_store_commit(m->weights, m->seed);
}

static int commit_arch(mn_model *m) {
    if (!m->arch_params.n) return 0;
    MN_TRY(mn_store_new(m->backend, m->dtype, &m->arch));
    mn_str name = {.ctx = m->ctx};
    int rc = 0;
    for (size_t i = 0; i < m->arch_params.n && !rc; i++) {
        const mn_module_param *p = &MN_AT(m->arch_params, mn_module_param, i);
        name.n = 0;
        mn_str_addf(&name, "arch.%s", p->name);
        rc = name.failed ? MODNAS_ENOMEM : mn_store_add(m->arch, p->param, name.text);
    }
    mn_str_free(&name);
    return rc ? rc : mn_store_commit(m->arch, m->seed);
}

static int commit_memory(mn_model *m) {
    MN_TRY(commit_weights(m));
    MN_TRY(commit_arch(m));
    return mn_slab_new(m->backend, &m->slab);
}

int mn_model_committed(const mn_model *m) {
    return m->slab != NULL;
}

int mn_model_commit(mn_model *m) {
    if (!m->root && m->backend) return mn_fail(m->ctx, MODNAS_EINVAL, "the model has no modules");
    if (m->standing) return mn_fail(m->ctx, MODNAS_EEXIST, "the model is committed already");
    int rc = 0;
    if (m->backend) rc = commit_memory(m);
    if (rc) {
        mn_store_free(m->weights);
        mn_store_free(m->arch);
        m->weights = m->arch = NULL;
    }
    m->standing = !rc;
    m->version++;
    return rc;
}

int mn_model_forward(mn_model *m, mn_run *run, mn_value *x, mn_value **logits) {
    if (!m->root) return mn_fail(m->ctx, MODNAS_EINVAL, "the model has no modules");
    return mn_forward1(m->root, run, x, logits);
}

void mn_model_set_epoch(mn_model *m, int64_t epoch, int64_t epochs) {
    const double before = mn_model_progress(m);
    m->epoch = epoch;
    m->epochs = epochs;
    if (m->n_by_epoch && mn_model_progress(m) != before) m->version++;
}

double mn_model_progress(const mn_model *m) {
    return m->epochs > 0 ? (double)m->epoch / (double)m->epochs : 0;
}

/* ---- counts -------------------------------------------------------------------------------------------- */

static int count_params(mn_module *m, void *ud) {
    for (size_t i = 0; i < m->params.n; i++) {
        const mn_param *p = MN_AT(m->params, mn_module_param, i).param;
        if (p->role == MN_ROLE_WEIGHT) *(int64_t *)ud += mn_param_numel(p);
    }
    return 0;
}

int64_t mn_model_n_params(const mn_model *m) {
    int64_t n = 0;
    if (m->root && mn_module_walk(m->root, count_params, &n)) return 0;
    return n;
}

int mn_model_record(mn_model *m, mn_run *run, const int32_t input[3], int32_t n, mn_value **x, mn_value **logits) {
    const mn_run_opts opts = {0};
    const int64_t dims[4] = {n, input[0], input[1], input[2]};
    MN_TRY(mn_run_begin(run, &opts));
    MN_TRY(mn_input(run, dims, m->dtype, x));
    return mn_model_forward(m, run, *x, logits);
}

int mn_model_recorded_macs(mn_model *m, const int32_t input[3], int64_t *macs) {
    if (!mn_model_committed(m)) return mn_fail(m->ctx, MODNAS_EINVAL, "multiply-adds are counted on a committed model");
    mn_run *run;
    mn_value *x, *logits;
    MN_TRY(mn_run_new(m->backend, m->dtype, m->slab, &run));
    const int rc = mn_model_record(m, run, input ? input : m->input, 1, &x, &logits);
    if (!rc) *macs = mn_run_macs(run);
    mn_run_free(run);
    return rc;
}

int mn_model_macs(mn_model *m, const int32_t input[3], int64_t *macs) {
    const int32_t before = m->record_all;
    m->record_all = 1;
    const int rc = mn_model_recorded_macs(m, input, macs);
    m->record_all = before;
    return rc;
}

int mn_model_choose_input(const mn_model *m, const int32_t given[3], int32_t out[3]) {
    int n = 0;
    for (int i = 0; i < 3; i++) {
        n += given[i] > 0;
        out[i] = given[i] ? given[i] : m->input[i];
    }
    if (n % 3 || given[0] < 0 || given[1] < 0 || given[2] < 0)
        return mn_fail(m->ctx, MODNAS_EINVAL, "an input of %dx%dx%d: all three or none", given[0], given[1], given[2]);
    if (out[0] == m->input[0]) return 0;
    return mn_fail(m->ctx, MODNAS_ESHAPE, "an input of %d channels; the model takes %d", out[0], m->input[0]);
}
