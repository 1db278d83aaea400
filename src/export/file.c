/* Descriptions in files: YAML for .yaml and .yml, JSON for .json; and weights beside one. */
#include <string.h>

#include "export/parts.h"

static int ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

int mn_desc_write(modnas_ctx *ctx, const mn_node *desc, const char *path) {
    mn_str text = {.ctx = ctx};
    if (ends_with(path, ".json")) {
        mn_node_json(&text, desc);
        mn_str_add(&text, "\n");
    } else {
        mn_node_yaml(&text, desc);
    }
    const int rc = text.failed ? mn_fail(ctx, MODNAS_ENOMEM, "out of memory for the text of %s", path)
                               : mn_file_write(ctx, path, text.text, text.n);
    mn_str_free(&text);
    return rc;
}

typedef struct file_state {
    char *path;
    mn_exporter *inner;
} file_state;

static void destroy(mn_exporter *e) {
    file_state *s = e->state;
    mn_free(e->ctx, s->path);
    mn_exporter_free(s->inner);
}

static int run(mn_exporter *e, mn_model *model, mn_node **desc) {
    const file_state *s = e->state;
    mn_node *d;
    MN_TRY(s->inner->run(s->inner, model, &d));
    const int rc = mn_desc_write(e->ctx, d, s->path);
    if (rc)
        mn_node_free(e->ctx, d);
    else
        *desc = d;
    return rc;
}

/* What another exporter says, and all weights and statistics as they are then in a file. */
static int run_weights(mn_exporter *e, mn_model *model, mn_node **desc) {
    const file_state *s = e->state;
    mn_node *d;
    if (!mn_model_committed(model)) return mn_fail(e->ctx, MODNAS_EINVAL, "there are no weights that could be exported");
    MN_TRY(s->inner->run(s->inner, model, &d));
    const int rc = mn_model_save(model, s->path, NULL);
    if (rc)
        mn_node_free(e->ctx, d);
    else
        *desc = d;
    return rc;
}

/* NAME.pt of the original is NAME.safetensors here. */
static int set_weights_path(file_state *s, const mn_args *args) {
    mn_str path = {.ctx = args->ctx};
    mn_str_add(&path, mn_args_str(args, "path"));
    if (!path.failed && ends_with(path.text, ".pt")) path.text[path.n -= 3] = 0;
    if (!path.failed && !ends_with(path.text, ".safetensors")) mn_str_add(&path, ".safetensors");
    s->path = mn_str_take(&path);
    return s->path ? 0 : MODNAS_ENOMEM;
}

/* The path as given if it has a known ending, else with `ext` behind it. */
static int set_path(file_state *s, const mn_args *args) {
    mn_str path = {.ctx = args->ctx};
    const char *given = mn_args_str(args, "path");
    mn_str_add(&path, given);
    if (!ends_with(given, ".yaml") && !ends_with(given, ".yml") && !ends_with(given, ".json"))
        mn_str_addf(&path, ".%s", mn_args_str(args, "ext"));
    s->path = mn_str_take(&path);
    return s->path ? 0 : MODNAS_ENOMEM;
}

typedef struct file_kind { /* data of a row */
    int (*run)(mn_exporter *e, mn_model *model, mn_node **desc);
    int (*set_path)(file_state *s, const mn_args *args);
} file_kind;

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const file_kind *kind = c->data;
    mn_exporter *e;
    (void)env;
    MN_TRY(mn_exporter_new(args->ctx, sizeof(file_state), kind->run, &e));
    file_state *s = e->state;
    e->destroy = destroy;
    int rc = kind->set_path(s, args);
    if (!rc) rc = mn_registry_build(args->ctx, "export", mn_args_node(args, "exporter"), NULL, NULL, NULL, &s->inner);
    if (rc)
        mn_exporter_free(e);
    else
        *(mn_exporter **)out = e;
    return rc;
}

static const mn_arg_def args_of[] = {
    {"path", MN_ARG_STR, NULL, NULL, "file; .yaml, .yml or .json, else ext is added"},
    {"ext", MN_ARG_STR, "yaml", "yaml|yml|json", "ending of a path that has none"},
    {"exporter", MN_ARG_SPEC, "DefaultSlotTraversalExporter", "export", "makes what is written"},
    {NULL, 0, NULL, NULL, NULL}};
static const mn_arg_def weights_args[] = {
    {"path", MN_ARG_STR, NULL, NULL, "file of weights; .safetensors is added, or put for .pt"},
    {"exporter", MN_ARG_SPEC, "DefaultSlotTraversalExporter", "export", "makes the description"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component rows[] = {
    {"export", "DefaultToFileExporter", "another exporter's description, also in a file", args_of, build,
     &(const file_kind){run, set_path}},
    {"export", "DefaultTorchCheckpointExporter", "another exporter's description, and the weights in a file", weights_args,
     build, &(const file_kind){run_weights, set_weights_path}},
};

int mn_export_file_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
