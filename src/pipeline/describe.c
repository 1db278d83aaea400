/* Describing what a configuration builds: the model is made and committed, its steps are recorded and planned, nothing
 * is run. What memory a step takes is in footprint.c. */
#include "pipeline/footprint.h"

#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "construct/construct.h"
#include "modnas/describe.h"

typedef struct description {
    modnas_ctx *ctx;
    const mn_node *config;
    mn_model *model;
    int32_t input[3], batch;
    int64_t params, macs;
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

static int measure(description *d, const modnas_describe_opts *o) {
    const size_t live = d->ctx->bytes_live;
    MN_TRY(build_model(d));
    MN_TRY(mn_space_size(d->model->space, &d->space_size));
    if (!d->model->root) return 0; /* a space alone: nothing to count */
    MN_TRY(read_opts(d, o));
    const mn_memory_step step = {d->model, d->config, d->input, d->batch, live};
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

static void write_json(mn_str *s, const description *d) {
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
    mn_str_add(s, "],\"space_size\":");
    mn_str_json(s, d->space_size.text);
    mn_str_add(s, ",\"memory\":{");
    for (int i = 0; i < MN_N_MEMORY; i++)
        mn_str_addf(s, "%s\"%s\":%zu", i ? "," : "", mn_memory_names[i], d->memory.bytes[i]);
    mn_str_addf(s, "},\"planned_peak_bytes\":%zu}", mn_memory_sum(&d->memory));
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

static void write_space(mn_str *s, const description *d) {
    const mn_space *space = d->model->space;
    mn_str_addf(s, "space    %s architectures, no network\n", d->space_size.text);
    for (size_t i = 0; i < space->params.n; i++) {
        const mn_arch_param *p = MN_AT(space->params, mn_arch_param *, i);
        mn_str_addf(s, "parameter %s: %d choices\n", p->name, p->n);
    }
}

static void write_text(mn_str *s, const description *d) {
    const mn_model *m = d->model;
    if (!m->root) {
        write_space(s, d);
        return;
    }
    mn_str_addf(s, "model    %s, input %dx%dx%d, %d classes\n", m->type, d->input[0], d->input[1], d->input[2],
                m->n_classes);
    mn_str_addf(s, "backend  %s (%s)\nparams   ", mn_backend_name(m->backend), mn_backend_version(m->backend));
    add_grouped(s, d->params);
    mn_str_add(s, "\nmacs     ");
    add_grouped(s, d->macs);
    mn_str_addf(s, "%s\nslots    %zu, of them %d with a choice\n", mn_model_n_mixed(m) ? " (all candidates)" : "",
                m->slots.n, mn_model_n_mixed(m));
    mn_str_addf(s, "space    %s architecture%s\n", d->space_size.text, strcmp(d->space_size.text, "1") == 0 ? "" : "s");
    add_mib(s, "memory   ", mn_memory_sum(&d->memory), " for a training step of ");
    mn_str_addf(s, "%d images", d->batch);
    for (int i = 0; i < MN_N_MEMORY; i++) {
        mn_str_addf(s, "%s%s", i ? ", " : " (", mn_memory_names[i]);
        add_mib(s, " ", d->memory.bytes[i], "");
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
