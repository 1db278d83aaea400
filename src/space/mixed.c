/* Mixed ops: what all types share. A mixed op is a module whose children are its candidates; its state is an mn_mixed.
 *
 *   record_all  every candidate, without gradients (counting)       forced   one candidate, whatever the type
 *   else        what the type's forward records (mixed_types.c)
 *
 * The space keeps the model's mixed ops in the order in which the tree is walked; their number keys draws and tags
 * memory. */
#include "space/mixed.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- order in the model -------------------------------------------------------------------------------- */

static int give_number(mn_module *mod, void *ud) {
    mn_mixed *m = mn_mixed_of(mod);
    if (m) m->order = (*(int32_t *)ud)++;
    return 0;
}

static int by_order(const void *a, const void *b) {
    const int32_t x = (*(mn_mixed *const *)a)->order, y = (*(mn_mixed *const *)b)->order;
    return (x > y) - (x < y);
}

static mn_vec *sorted(const mn_model *model) {
    mn_space *s = model->space;
    if (!s) return NULL;
    if (s->unsorted && s->mixed.n) {
        int32_t n = 0;
        for (size_t i = 0; i < s->mixed.n; i++)
            MN_AT(s->mixed, mn_mixed *, i)->order = INT32_MAX; /* not in the tree yet */
        if (model->root && mn_module_walk(model->root, give_number, &n)) return &s->mixed;
        qsort(s->mixed.data, s->mixed.n, sizeof(mn_mixed *), by_order);
        for (size_t i = 0; i < s->mixed.n; i++) MN_AT(s->mixed, mn_mixed *, i)->tag = 1 + (int32_t)i;
        s->unsorted = 0;
    }
    return &s->mixed;
}

int32_t mn_model_n_mixed(const mn_model *model) {
    const mn_vec *v = sorted(model);
    return v ? (int32_t)v->n : 0;
}

mn_mixed *mn_model_mixed(const mn_model *model, int32_t i) {
    const mn_vec *v = sorted(model);
    return v && i >= 0 && (size_t)i < v->n ? MN_AT(*v, mn_mixed *, (size_t)i) : NULL;
}

/* ---- the module ---------------------------------------------------------------------------------------- */

int mn_mixed_record(mn_mixed *m, mn_run *run, int32_t i, mn_value *src, mn_value **dst) {
    mn_run_tag(run, m->tag);
    const int rc = mn_forward1(mn_mixed_module(m, i), run, src, dst);
    mn_run_tag(run, m->tag); /* a mixed op inside the candidate had its own */
    return rc;
}

static int record_all(mn_mixed *m, mn_run *run, mn_value *src, mn_value **dst) {
    int rc = 0;
    mn_run_no_grad(run, 1);
    for (int32_t i = m->n; i-- > 0 && !rc;) rc = mn_mixed_record(m, run, i, src, dst);
    mn_run_no_grad(run, 0);
    return rc;
}

static int mixed_forward(mn_module *mod, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_mixed *m = mod->state;
    const mn_model *model = mod->model;
    if (n_src != 1) return mn_fail(model->ctx, MODNAS_EINVAL, "a mixed op takes 1 value, %d given", (int)n_src);
    if (!sorted(model)) return mn_fail(model->ctx, MODNAS_EINVAL, "the model has no space");
    int rc;
    if (model->record_all) {
        rc = record_all(m, run, src[0], dst);
    } else if (m->forced >= 0) {
        m->last = m->forced;
        rc = mn_mixed_record(m, run, m->forced, src[0], dst);
    } else {
        rc = m->vt->forward(m, run, src[0], dst);
    }
    mn_run_tag(run, 0);
    return rc;
}

static void mixed_destroy(mn_module *mod) {
    modnas_ctx *ctx = mod->model->ctx;
    mn_mixed *m = mod->state;
    mn_space *s = mod->model->space;
    for (size_t i = 0; s && i < s->mixed.n; i++) {
        if (MN_AT(s->mixed, mn_mixed *, i) != m) continue;
        MN_AT(s->mixed, mn_mixed *, i) = MN_AT(s->mixed, mn_mixed *, s->mixed.n - 1);
        s->mixed.n--;
        s->unsorted = 1;
    }
    mn_free(ctx, m->active);
    mn_free(ctx, m->path);
    mn_free(ctx, m->weight);
    mn_free(ctx, m->alpha_f32);
    mn_free(ctx, m->value);
}

static const mn_module_vt mixed_vt = {"mixed_op", mixed_forward, mixed_destroy};

mn_mixed *mn_mixed_of(mn_module *m) {
    return m->vt == &mixed_vt ? m->state : NULL;
}

const char *mn_mixed_candidate(const mn_mixed *m, int32_t i) {
    return mn_mixed_module(m, i)->name;
}

mn_module *mn_mixed_module(const mn_mixed *m, int32_t i) {
    return MN_AT(m->module->children, mn_module *, (size_t)i);
}

/* ---- building ------------------------------------------------------------------------------------------ */

typedef struct adding {
    mn_mixed *m;
    const mn_mixed_env *env;
} adding;

/* key: of a map; in a list a candidate is named as its component. */
static int add_candidate(const char *key, const mn_node *spec, void *ud) {
    const adding *a = ud;
    modnas_ctx *ctx = a->env->model->ctx;
    const char *name;
    const mn_node *args;
    mn_module *module;
    char where[256];
    MN_TRY(mn_spec_parse(ctx, spec, NULL, &name, &args));
    const mn_component *c = mn_registry_find(ctx, "candidate", name);
    if (key || c) name = key ? key : c->name;
    if (mn_module_child(a->m->module, name))
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: candidate %s is there twice", mn_node_where(spec, where, sizeof where),
                       name);
    MN_TRY(mn_candidate_build(a->env->model, spec, a->env->slot, &module));
    return mn_module_add(a->m->module, name, module);
}

static int add_candidates(mn_mixed *m, const mn_mixed_env *e) {
    adding a = {m, e};
    MN_TRY(mn_specs_visit(e->candidates, add_candidate, &a));
    m->n = (int32_t)m->module->children.n;
    if (m->n) return 0;
    return mn_fail(e->model->ctx, MODNAS_ECONFIG, "slot %s: a mixed op needs a list or map of candidates",
                   e->slot->name);
}

static int allocate(mn_mixed *m, modnas_ctx *ctx) {
    const size_t n = (size_t)m->n;
    m->active = mn_alloc(ctx, n, sizeof *m->active);
    m->path = mn_alloc(ctx, n, sizeof *m->path);
    m->weight = mn_alloc(ctx, n, sizeof *m->weight);
    m->alpha_f32 = mn_alloc(ctx, n, sizeof *m->alpha_f32);
    m->value = mn_alloc(ctx, n, sizeof *m->value);
    return m->active && m->path && m->weight && m->alpha_f32 && m->value ? 0 : MODNAS_ENOMEM;
}

static int own_param(mn_mixed *m, mn_space *s, modnas_ctx *ctx) {
    if (m->vt->param_type == MN_TENSOR) return mn_space_tensor(s, NULL, m->n, &m->param);
    mn_node *names = mn_node_new(ctx, MN_SEQ);
    int rc = names ? 0 : MODNAS_ENOMEM;
    for (int32_t i = 0; i < m->n && !rc; i++) {
        mn_node *name = mn_node_str(ctx, mn_mixed_candidate(m, i));
        rc = name ? mn_node_add(ctx, names, name) : MODNAS_ENOMEM;
    }
    if (rc) {
        mn_node_free(ctx, names);
        return rc;
    }
    return mn_space_categorical(s, NULL, names, &m->param);
}

static int take_param(mn_mixed *m, const mn_mixed_env *e, mn_space *s) {
    modnas_ctx *ctx = e->model->ctx;
    if (!e->shared) return own_param(m, s, ctx);
    if (e->shared->type != m->vt->param_type || e->shared->n != m->n)
        return mn_fail(ctx, MODNAS_ECONFIG, "slot %s: parameter %s of %d does not fit %d candidates of a %s",
                       e->slot->name, e->shared->name, e->shared->n, m->n, m->vt->type);
    m->param = e->shared;
    return 0;
}

static int fill_mixed(mn_mixed *m, const mn_mixed_env *e) {
    mn_space *s;
    MN_TRY(add_candidates(m, e));
    MN_TRY(allocate(m, e->model->ctx));
    MN_TRY(mn_space_of(e->model, &s));
    MN_TRY(take_param(m, e, s));
    mn_mixed_reset_ops(m);
    s->unsorted = 1;
    return mn_vec_push(e->model->ctx, &s->mixed, &m, 1) ? 0 : MODNAS_ENOMEM;
}

static int build_mixed(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_mixed_env *e = env;
    mn_module *mod;
    MN_TRY(mn_module_new(e->model, &mixed_vt, sizeof(mn_mixed), &mod));
    mn_mixed *m = mod->state;
    m->vt = c->data;
    m->module = mod;
    m->n_samples = c->args ? (int32_t)mn_args_int(args, "n_samples") : 1;
    m->temperature = 1e5;
    m->forced = m->choice = m->last = -1;
    int rc = m->n_samples < 1 ? mn_args_fail(args, "n_samples", "%d paths; 1 is the least", m->n_samples) : 0;
    if (!rc) rc = fill_mixed(m, e);
    if (rc)
        mn_module_free(mod);
    else
        *(mn_module **)out = mod;
    return rc;
}

int mn_mixed_build(mn_model *model, const mn_node *spec, const mn_mixed_env *env, mn_module **out) {
    return mn_registry_build(model->ctx, "mixed_op", spec, NULL, NULL, env, out);
}

static const mn_arg_def gate_args[] = {
    {"n_samples", MN_ARG_INT, "1", NULL,
     "distinct paths of a weight step, whose outputs are summed; at most the number of candidates"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component rows[] = {
    {"mixed_op", "SoftmaxSumMixedOp", "sum of all candidates weighted by softmax(alpha)", NULL, build_mixed,
     &mn_softmax_sum},
    {"mixed_op", "GumbelSumMixedOp", "sum of all candidates weighted by softmax((alpha + Gumbel noise) / T)", NULL,
     build_mixed, &mn_gumbel_sum},
    {"mixed_op", "BinaryGateMixedOp", "one sampled candidate; its gate has a gradient (ProxylessNAS)", gate_args,
     build_mixed, &mn_binary_gate},
    {"mixed_op", "BinaryGateUniformMixedOp", "as BinaryGateMixedOp, sampled uniformly", gate_args, build_mixed,
     &mn_binary_gate_uniform},
    {"mixed_op", "IndexMixedOp", "the candidate that a categorical parameter names", NULL, build_mixed, &mn_index},
};

static const char *const older_names[][2] = {{"SoftmaxSum", "SoftmaxSumMixedOp"},
                                             {"WeightedSum", "SoftmaxSumMixedOp"},
                                             {"WeightedSumMixedOp", "SoftmaxSumMixedOp"},
                                             {"GumbelSum", "GumbelSumMixedOp"},
                                             {"BinaryGate", "BinaryGateMixedOp"},
                                             {"BinGate", "BinaryGateMixedOp"},
                                             {"BinGateMixedOp", "BinaryGateMixedOp"},
                                             {"Index", "IndexMixedOp"},
                                             {"BinGateUniform", "BinaryGateUniformMixedOp"},
                                             {"BinaryGateUniform", "BinaryGateUniformMixedOp"}};

int mn_mixed_register(modnas_ctx *ctx) {
    MN_TRY(mn_registry_add_all(ctx, rows, MN_COUNT(rows)));
    for (size_t i = 0; i < MN_COUNT(older_names); i++)
        MN_TRY(mn_registry_alias(ctx, "mixed_op", older_names[i][0], older_names[i][1]));
    return 0;
}
