/* Exporters in general: what a model has become, as a tree that a file can hold and a constructor can read; several of
 * them as one, and those that a configuration asks for. */
#include "export/export.h"

#include <string.h>

#include "export/parts.h"

void mn_exporter_free(mn_exporter *e) {
    if (!e) return;
    if (e->destroy) e->destroy(e);
    mn_free(e->ctx, e->state);
    mn_free(e->ctx, e);
}

int mn_exporter_new(modnas_ctx *ctx, size_t state_bytes, int (*run)(mn_exporter *, mn_model *, mn_node **),
                    mn_exporter **out) {
    mn_exporter *e = mn_alloc(ctx, 1, sizeof *e);
    if (!e) return MODNAS_ENOMEM;
    e->ctx = ctx;
    e->run = run;
    if (state_bytes) {
        e->state = mn_alloc(ctx, 1, state_bytes);
        if (!e->state) {
            mn_free(ctx, e);
            return MODNAS_ENOMEM;
        }
    }
    *out = e;
    return 0;
}

/* ---- merge --------------------------------------------------------------------------------------------- */

typedef struct merge_state {
    mn_vec names;     /* char * */
    mn_vec exporters; /* mn_exporter * */
} merge_state;

static void destroy_merge(mn_exporter *e) {
    merge_state *s = e->state;
    for (size_t i = 0; i < s->names.n; i++) mn_free(e->ctx, MN_AT(s->names, char *, i));
    for (size_t i = 0; i < s->exporters.n; i++) mn_exporter_free(MN_AT(s->exporters, mn_exporter *, i));
    mn_vec_free(e->ctx, &s->names);
    mn_vec_free(e->ctx, &s->exporters);
}

static int run_merge(mn_exporter *e, mn_model *model, mn_node **desc) {
    const merge_state *s = e->state;
    mn_node *map = mn_node_new(e->ctx, MN_MAP);
    int rc = map ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < s->exporters.n && !rc; i++) {
        mn_exporter *part = MN_AT(s->exporters, mn_exporter *, i);
        mn_node *item = NULL;
        rc = part->run(part, model, &item);
        if (!rc) rc = mn_node_set(e->ctx, map, MN_AT(s->names, char *, i), item);
    }
    if (rc)
        mn_node_free(e->ctx, map);
    else
        *desc = map;
    return rc;
}

/* Build one part; a list's parts are named by their number. */
static int add_part(const char *name, const mn_node *spec, void *ud) {
    mn_exporter *e = ud, *part;
    merge_state *s = e->state;
    mn_str text = {.ctx = e->ctx};
    if (name)
        mn_str_add(&text, name);
    else
        mn_str_addf(&text, "%zu", s->names.n);
    char *copy = mn_str_take(&text);
    if (!copy || !mn_vec_push(e->ctx, &s->names, &copy, 1)) {
        mn_free(e->ctx, copy);
        return MODNAS_ENOMEM;
    }
    MN_TRY(mn_registry_build(e->ctx, "export", spec, NULL, NULL, NULL, &part));
    if (mn_vec_push(e->ctx, &s->exporters, &part, 1)) return 0;
    mn_exporter_free(part);
    return MODNAS_ENOMEM;
}

static int merge_of(modnas_ctx *ctx, const mn_node *specs, mn_exporter **out) {
    mn_exporter *e;
    MN_TRY(mn_exporter_new(ctx, sizeof(merge_state), run_merge, &e));
    merge_state *s = e->state;
    e->destroy = destroy_merge;
    mn_vec_init(&s->names, sizeof(char *));
    mn_vec_init(&s->exporters, sizeof(mn_exporter *));
    const int rc = mn_specs_visit(specs, add_part, e);
    if (rc)
        mn_exporter_free(e);
    else
        *out = e;
    return rc;
}

static int build_merge(const mn_component *c, const mn_args *args, const void *env, void *out) {
    (void)c, (void)env;
    return merge_of(args->ctx, mn_args_node(args, "exporters"), out);
}

/* ---- the section of a configuration -------------------------------------------------------------------- */

typedef struct section {
    const mn_node *only; /* the last one seen */
    size_t n;
} section;

static int count_spec(const char *name, const mn_node *spec, void *ud) {
    section *s = ud;
    (void)name;
    s->only = spec;
    s->n++;
    return 0;
}

/* Parameters by name where nothing is run: with `backend: none`, and where constructors make a space without a model. */
static int build_default(modnas_ctx *ctx, const mn_node *config, mn_exporter **out) {
    const mn_node *backend = mn_node_get(config, "backend");
    const int none =
        (backend && (backend->kind == MN_NULL || (backend->kind == MN_STR && strcmp(backend->text, "none") == 0))) ||
        (mn_node_get(config, "construct") && !mn_node_get(config, "model"));
    mn_node *spec = mn_node_str(ctx, none ? "DefaultParamsExporter" : "DefaultSlotTraversalExporter");
    if (!spec) return MODNAS_ENOMEM;
    const int rc = mn_registry_build(ctx, "export", spec, NULL, NULL, NULL, out);
    mn_node_free(ctx, spec);
    return rc;
}

int mn_exporters_build(modnas_ctx *ctx, const mn_node *config, mn_exporter **out) {
    const mn_node *given = mn_node_get(config, "export");
    section s = {NULL, 0};
    if (given && given->kind == MN_NULL) {
        *out = NULL;
        return 0;
    }
    MN_TRY(mn_specs_visit(given, count_spec, &s));
    if (s.n == 0) return build_default(ctx, config, out);
    if (s.n == 1) return mn_registry_build(ctx, "export", s.only, NULL, NULL, NULL, out);
    return merge_of(ctx, given, out);
}

static const mn_arg_def merge_args[] = {{"exporters", MN_ARG_SPECS, NULL, "export", "map name -> exporter, or a list"},
                                        {NULL, 0, NULL, NULL, NULL}};
static const mn_component merge_row = {"export",   "MergeExporter", "several descriptions in one map",
                                       merge_args, build_merge,     NULL};

int mn_export_register(modnas_ctx *ctx) {
    MN_TRY(mn_export_tops_register(ctx));
    MN_TRY(mn_export_params_register(ctx));
    MN_TRY(mn_export_elastic_register(ctx));
    MN_TRY(mn_export_file_register(ctx));
    return mn_registry_add(ctx, &merge_row);
}
