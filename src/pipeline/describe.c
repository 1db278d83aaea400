/* Describing what a configuration builds: the model is made and committed, its steps are recorded and planned, nothing
 * is run. What memory a step takes is in footprint.c. */
#include "pipeline/footprint.h"

#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "construct/construct.h"
#include "modnas/describe.h"
#include "pipeline/tree.h"
#include "space/elastic.h"

typedef struct description {
    modnas_ctx *ctx;
    const mn_node *config;
    mn_model *model;
    int32_t input[3], batch;
    int64_t params, macs;
    size_t live; /* bytes of the context before the model */
    mn_memory memory;
    mn_str space_size;
} description;

/* ---- measuring ----------------------------------------------------------------------------------------- */

static int32_t batch_of(const mn_node *config) {
    const mn_node *n = mn_node_path(config, "data_loader.args.trn_batch_size");
    return n && n->kind == MN_INT && n->i > 0 && n->i <= 1 << 20 ? (int32_t)n->i : 64;
}

static int read_opts(description *d, const modnas_describe_opts *o) {
    d->batch = o->batch ? o->batch : batch_of(d->config);
    if (o->batch < 0) return mn_fail(d->ctx, MODNAS_EINVAL, "a batch of %d", o->batch);
    return mn_model_choose_input(d->model, o->input, d->input);
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

/* The model, its space and the sizes to count for. */
static int open_model(description *d, const modnas_describe_opts *o) {
    d->live = d->ctx->bytes_live;
    MN_TRY(build_model(d));
    MN_TRY(mn_space_size(d->model->space, &d->space_size));
    return d->model->root ? read_opts(d, o) : 0; /* a space alone: nothing to count */
}

static int measure(description *d) {
    if (!d->model->root) return 0;
    const mn_memory_step step = {d->model, d->config, d->input, d->batch, d->live};
    d->params = mn_model_n_params(d->model);
    MN_TRY(mn_model_macs(d->model, d->input, &d->macs));
    return mn_memory_measure(&step, &d->memory);
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

/* Values of elastic layers, by kind: their parameters, and what their choices are. */
static void add_elastic(mn_str *s, const mn_model *m) {
    const char *between = "";
    mn_str_add(s, "],\"elastic\":[");
    for (int32_t kind = 0; kind < MN_N_ELASTIC; kind++)
        for (int32_t i = 0; i < mn_model_n_elastic(m, kind); i++, between = ",") {
            const mn_elastic *e = mn_model_elastic(m, kind, i);
            mn_str_addf(s, "%s{\"kind\":\"%s\",\"name\":", between, mn_elastic_kinds[kind]);
            mn_str_json(s, e->param->name);
            mn_str_add(s, ",\"where\":");
            mn_str_json(s, e->where);
            mn_str_add(s, ",\"choices\":");
            mn_node_json(s, e->param->choices);
            for (int32_t k = 0; k < e->n; k++) mn_str_addf(s, "%s%d", k ? "," : ",\"sizes\":[", e->size[k]);
            mn_str_add(s, "]}");
        }
}

static int write_json(mn_str *s, description *d) {
    MN_TRY(measure(d));
    const mn_model *m = d->model;
    mn_str_add(s, "{\"model\":");
    mn_str_json(s, m->type);
    mn_str_addf(s, ",\"backend\":{\"name\":\"%s\",\"version\":", m->backend ? mn_backend_name(m->backend) : "none");
    if (m->backend)
        mn_str_json(s, mn_backend_version(m->backend));
    else
        mn_str_add(s, "null");
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
    if (mn_model_is_elastic(m)) add_elastic(s, m);
    mn_str_add(s, "],\"space_size\":");
    mn_str_json(s, d->space_size.text);
    mn_str_add(s, ",\"memory\":{");
    for (int i = 0; i < MN_N_MEMORY; i++)
        mn_str_addf(s, "%s\"%s\":%zu", i ? "," : "", mn_memory_names[i], d->memory.bytes[i]);
    mn_str_addf(s, "},\"planned_peak_bytes\":%zu}", mn_memory_sum(&d->memory));
    return 0;
}

static void add_mib(mn_str *s, const char *before, size_t bytes, const char *after) {
    mn_str_addf(s, "%s%.1f MiB%s", before, (double)bytes / 1048576.0, after);
}

static void write_space(mn_str *s, const description *d) {
    const mn_space *space = d->model->space;
    mn_str_addf(s, "space    %s architectures, no network\n", d->space_size.text);
    for (size_t i = 0; i < space->params.n; i++) {
        const mn_arch_param *p = MN_AT(space->params, mn_arch_param *, i);
        mn_str_addf(s, "parameter %s: %d choices\n", p->name, p->n);
    }
}

static void write_head(mn_str *s, const description *d) {
    const mn_model *m = d->model;
    mn_str_addf(s, "model    %s, input %dx%dx%d, %d classes\n", m->type, d->input[0], d->input[1], d->input[2],
                m->n_classes);
    mn_str_addf(s, "backend  %s (%s)\nparams   ", mn_backend_name(m->backend), mn_backend_version(m->backend));
    mn_add_grouped(s, d->params);
    mn_str_add(s, "\nmacs     ");
    mn_add_grouped(s, d->macs);
    mn_str_addf(s, "%s\nslots    %zu, of them %d with a choice\n", mn_model_n_mixed(m) ? " (all candidates)" : "",
                m->slots.n, mn_model_n_mixed(m));
    if (mn_model_is_elastic(m)) mn_str_add(s, "elastic ");
    for (int32_t kind = 0; kind < MN_N_ELASTIC; kind++)
        if (mn_model_n_elastic(m, kind)) mn_str_addf(s, " %s %d", mn_elastic_kinds[kind], mn_model_n_elastic(m, kind));
    if (mn_model_is_elastic(m)) mn_str_add(s, "\n");
    mn_str_addf(s, "space    %s architecture%s\n", d->space_size.text, strcmp(d->space_size.text, "1") == 0 ? "" : "s");
    add_mib(s, "memory   ", mn_memory_sum(&d->memory), " for a training step of ");
    mn_str_addf(s, "%d images", d->batch);
    for (int i = 0; i < MN_N_MEMORY; i++) {
        mn_str_addf(s, "%s%s", i ? ", " : " (", mn_memory_names[i]);
        add_mib(s, " ", d->memory.bytes[i], "");
    }
    mn_str_add(s, ")\n");
}

static int write_text(mn_str *s, description *d) {
    mn_tree tree;
    MN_TRY(measure(d));
    if (!d->model->root) {
        write_space(s, d);
        return 0;
    }
    MN_TRY(mn_tree_of(d->model, d->input, &tree));
    write_head(s, d);
    mn_str_add(s, "\n");
    mn_tree_write(&tree, d->model->type, s);
    mn_tree_free(&tree);
    return 0;
}

static int write_dot(mn_str *s, description *d) {
    mn_tree tree;
    if (!d->model->root) return mn_fail(d->ctx, MODNAS_EINVAL, "a space without a network has nothing to draw");
    MN_TRY(mn_tree_of(d->model, d->input, &tree));
    const int rc = mn_tree_draw(&tree, d->model->type, s);
    mn_tree_free(&tree);
    return rc;
}

static int describe(modnas_config *cfg, const modnas_describe_opts *opts, int (*write)(mn_str *, description *),
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
    if (!rc) rc = open_model(&d, &o);
    if (!rc) rc = write(&text, &d);
    if (!rc) {
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

int modnas_describe_dot(modnas_config *cfg, const modnas_describe_opts *opts, char **dot) {
    return describe(cfg, opts, write_dot, dot);
}
