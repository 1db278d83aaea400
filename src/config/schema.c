/* Every top-level key of a configuration with its form (spec 1.3 and the keys beside it), and the walk over a merged
 * tree. */
#include "config/schema.h"

#include <string.h>

#include "config/forms.h"

static const mn_key_def keys[] = {
    {{"name", MN_ARG_STR, NULL, NULL, "name of the experiment, the folder below exp/"}, mn_form_name},
    {{"routine", MN_ARG_STR, "null", NULL, "section that is merged over the top level"}, NULL},
    {{"backend", MN_ARG_STR, "auto", "auto|ref|dnnl|cudnn|none", "where kernels run; torch means auto"}, NULL},
    {{"device_ids", MN_ARG_ANY, "all", NULL, "all, cpu, or numbers of devices"}, mn_form_device_ids},
    {{"device", MN_ARG_MAP, "null", NULL, "device and data_parallel"}, mn_form_device},
    {{"init", MN_ARG_SPEC, "null", "construct", "args of the init constructor; its seed is `seed`"}, mn_form_init},
    {{"ops", MN_ARG_MAP, "null", NULL, "settings of all operators"}, mn_form_ops},
    {{"model", MN_ARG_SPEC, NULL, "model", "the backbone"}, mn_form_spec},
    {{"mixed_op", MN_ARG_SPEC, "null", "mixed_op", "mixed op for every Slot, with its candidates"}, mn_form_mixed_op},
    {{"arch_desc", MN_ARG_ANY, "null", NULL, "architecture to build: a tree, YAML text or a file"}, NULL},
    {{"construct", MN_ARG_SPECS, "null", "construct", "constructors by name"}, mn_form_construct},
    {{"export", MN_ARG_SPECS, "null", "export", "exporters by name"}, mn_form_export},
    {{"callback", MN_ARG_SPECS, "null", "callback", "callbacks by name"}, mn_form_callback},
    {{"optim", MN_ARG_SPEC, "null", "optim", "search algorithm"}, mn_form_spec},
    {{"trainer", MN_ARG_SPECS, "null", "trainer", "trainers by name"}, mn_form_specs},
    {{"estim", MN_ARG_MAP, "null", NULL, "estimators by name, run in order"}, mn_form_estim},
    {{"data", MN_ARG_SPEC, "null", "data", "what train_data, valid_data and test_data share"}, mn_form_data},
    {{"train_data", MN_ARG_SPEC, "null", "data", "training data"}, mn_form_data_part},
    {{"valid_data", MN_ARG_SPEC, "null", "data", "validation data"}, mn_form_data_part},
    {{"test_data", MN_ARG_SPEC, "null", "data", "test data, read once at the end"}, mn_form_data_part},
    {{"data_loader", MN_ARG_SPEC, "null", "data_loader", "batches, splits"}, mn_form_spec},
    {{"data_provider", MN_ARG_SPEC, "null", "data_provider", "endless batches"}, mn_form_spec},
    {{"chkpt", MN_ARG_STR, "null", NULL, "file of weights to start from"}, NULL},
    {{"import", MN_ARG_ANY, "null", NULL, "modules of the original; accepted"}, mn_form_import},
    {{"predefined", MN_ARG_BOOL, "true", NULL, "accepted: the built-in components are always there"}, NULL},
    {{"defaults", MN_ARG_MAP, "null", NULL, "more defaults: path -> value"}, NULL},
    {{"override", MN_ARG_ANY, "null", NULL, "KEY=VALUE, maps, lists of these"}, NULL},
    {{"expman", MN_ARG_MAP, "null", NULL, "where experiments lie"}, mn_form_expman},
    {{"writer", MN_ARG_MAP, "null", NULL, "TensorBoard files"}, mn_form_writer},
    {{"logging", MN_ARG_MAP, "null", NULL, "accepted"}, NULL},
    {{"pipeline", MN_ARG_MAP, "null", NULL, "runs in a chain"}, NULL},
    {{"hptune", MN_ARG_MAP, "null", NULL, "section of the routine hptune"}, NULL},
    {{"hp_space", MN_ARG_ANY, "null", NULL, "hyper-parameters"}, mn_form_hp_space},
    {{"measure_fn", MN_ARG_STR, "null", NULL, "what hptune measures with"}, NULL},
    {{"threads", MN_ARG_INT, "2", NULL, "logical threads, 1..256"}, mn_form_threads},
    {{"objective", MN_ARG_MAP, "null", NULL, "what is maximised and minimised, subject to what"}, mn_form_objective},
    {{"precision", MN_ARG_STR, "f32", "f32|f64", "type of activations and weights"}, NULL},
    {{"memory", MN_ARG_ANY, "null", NULL, "most memory that a run may take, e.g. 2GiB"}, mn_form_memory},
    {{"seed", MN_ARG_INT, "null", NULL, "seed of everything that is drawn"}, mn_form_seed},
};

static const mn_key_def *find_key(const char *key) {
    for (size_t i = 0; i < MN_COUNT(keys); i++)
        if (strcmp(keys[i].def.name, key) == 0) return &keys[i];
    return NULL;
}

int mn_schema_knows(const char *key) {
    return find_key(key) != NULL;
}

/* The first key of a map that is no top-level key; NULL if all are. */
static const char *stranger(const mn_node *map, const mn_node **value) {
    for (size_t i = 0; i < map->n; i++) {
        if (find_key(map->keys[i])) continue;
        *value = map->items[i];
        return map->keys[i];
    }
    return NULL;
}

int mn_schema_is_section(const char *key, const mn_node *value) {
    const mn_node *v;
    return !find_key(key) && value->kind == MN_MAP && value->n && !stranger(value, &v);
}

static int unknown_key(modnas_ctx *ctx, const char *key, const mn_node *v, const char *section) {
    const char *names[MN_COUNT(keys)];
    char at[300], hint[100];
    for (size_t i = 0; i < MN_COUNT(keys); i++) names[i] = keys[i].def.name;
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: unknown key '%.80s'%s%.80s%s%s", mn_node_where(v, at, sizeof at), key,
                   section ? " in section '" : "", section ? section : "", section ? "'" : "",
                   mn_did_you_mean(hint, sizeof hint, key, names, MN_COUNT(names)));
}

/* A key outside the table that is no section. If some of its own keys are top-level keys, or its name is a usual one,
 * it is meant as a section and the fault is inside. */
static int refuse_key(modnas_ctx *ctx, const char *key, const mn_node *v) {
    char at[300], what[80];
    const mn_node *inner;
    int meant = strcmp(key, "search") == 0 || strcmp(key, "augment") == 0;
    for (size_t i = 0; v->kind == MN_MAP && i < v->n; i++) meant |= find_key(v->keys[i]) != NULL;
    if (!meant) return unknown_key(ctx, key, v, NULL);
    const char *name = v->kind == MN_MAP ? stranger(v, &inner) : NULL;
    if (name) return unknown_key(ctx, name, inner, key);
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: section '%s': a map of top-level keys is wanted, not %s",
                   mn_node_where(v, at, sizeof at), key, mn_node_what(v, what, sizeof what));
}

int mn_schema_check(modnas_ctx *ctx, const mn_node *root, int part) {
    const mn_check c = {ctx, root, part};
    for (size_t i = 0; i < root->n; i++) {
        const mn_node *v = root->items[i];
        const mn_key_def *k = find_key(root->keys[i]);
        if (!k && mn_schema_is_section(root->keys[i], v)) continue;
        if (!k) return refuse_key(ctx, root->keys[i], v);
        MN_TRY(k->form ? k->form(&c, &k->def, v) : mn_arg_check(ctx, "", &k->def, v, part));
    }
    return 0;
}
