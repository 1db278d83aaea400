/* Every public function with a status, as a table. */
#include "util_entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modnas/export.h"
#include "util_paths.h"
#include "util_search.h"

static const char net[] = UTIL_SMALL_NET UTIL_SMALL_GATES "name: t\noptim: BinaryGateOptim\n"
                                                          "estim: {search: {type: SuperNetEstim, epochs: 1}}\n";
static const char tensor[] = "conv_first.1.weight"; /* of 8 */

/* ---- the table ----------------------------------------------------------------------------------------- */

#define CALL(fn, ...)                                                                                                  \
    static int call_##fn(util_subject *s) {                                                                            \
        return modnas_##fn(__VA_ARGS__);                                                                               \
    }
CALL(config_new, s->ctx, &s->new_cfg)
CALL(config_add_file, s->cfg, "entry.yaml")
CALL(config_add_text, s->cfg, "seed: 9", 7, "x")
CALL(config_set, s->cfg, "seed", "9")
CALL(config_override, s->cfg, "seed=9")
CALL(config_check, s->cfg)
CALL(config_json, s->cfg, &s->text)
CALL(config_raw_file, s->ctx, "/dev/null", &s->text)
CALL(config_raw_text, s->ctx, "1", 1, "x", &s->text)
CALL(describe, s->cfg, NULL, &s->text)
CALL(describe_text, s->cfg, NULL, &s->text)
CALL(describe_dot, s->cfg, NULL, &s->text)
CALL(profile, s->cfg, NULL, &s->text)
static int call_profile_check(util_subject *s) {
    char *table = NULL;
    const int rc = modnas_profile_check(s->cfg, &(modnas_profile_opts){.size = sizeof(modnas_profile_opts), .runs = 1}, 2, &table, &s->text);
    modnas_string_free(s->ctx, table);
    return rc;
}
CALL(bundle, s->ctx, "nowhere", NULL)
CALL(verify_json, s->ctx, "nowhere", NULL, &s->text, &s->number)
CALL(verify_text, s->ctx, "nowhere", NULL, &s->text, &s->number)
CALL(report, s->ctx, "nowhere", NULL, &s->text)
CALL(model_derive, s->cfg, NULL, &s->new_model)
CALL(export, s->cfg, NULL, "net.safetensors", &s->text)
CALL(inspect_json, s->ctx, "/dev/null", NULL, &s->text, &s->number)
CALL(inspect_text, s->ctx, "/dev/null", NULL, &s->text, &s->number)
CALL(list_json, s->ctx, NULL, &s->text)
CALL(list_text, s->ctx, NULL, &s->text)
CALL(devices_json, s->ctx, &s->text)
CALL(devices_text, s->ctx, &s->text)
CALL(registry_get_builder, s->ctx, "model", "MobileNetV2", &s->new_builder)
CALL(builder_args_json, s->ctx, s->builder, &s->text)
CALL(model_new, s->cfg, &s->new_model)
CALL(model_set_input, s->model, 1, 9, 9)
CALL(model_set_classes, s->model, 9)
CALL(model_input, s->model, s->chw)
CALL(model_macs, s->model, &s->macs)
CALL(model_forward, s->model, s->image, 1, s->logits)
CALL(model_save, s->model, "saved.safetensors")
CALL(model_load, s->model, "saved.safetensors", 0)
CALL(model_export_onnx, s->model, NULL, "saved.onnx")
CALL(module_add, modnas_model_root(s->model), "x", "Identity", NULL, &s->new_module)
CALL(slot_fill, modnas_model_slot(s->model, 0), "IDT")
CALL(slot_mix, modnas_model_slot(s->model, 0), "{type: IndexMixedOp, candidates: [MB3E1, MB3E3]}")
CALL(arch_new, s->model, &s->new_arch)
CALL(arch_copy, s->arch, &s->new_arch)
CALL(arch_set, s->arch, 0, 1)
CALL(arch_json, s->arch, &s->text)
CALL(search_new, s->cfg, NULL, &s->new_search)
CALL(search_ask, s->search, 1, &s->new_arch, &s->number)
CALL(search_train, s->search, NULL, 1, &s->loss)
CALL(search_arch_step, s->search, &s->loss)
CALL(search_evaluate, s->search, NULL, s->metrics, 16, &s->number)
CALL(search_export, s->search, NULL, &s->text)
CALL(search_save, s->search, "saved.state")
CALL(search_load, s->search, "saved.state")
CALL(search_checkpoint, s->search)
CALL(search_run, s->search, &s->text)
CALL(run, s->cfg, NULL, &s->number, &s->text)

static int call_search_tell(util_subject *s) {
    const modnas_metric m = {"x", 1};
    return modnas_search_tell(s->search, s->arch, 0, &m, 1);
}
static int call_model_tensor(util_subject *s) {
    modnas_tensor_info info = {.size = sizeof info};
    return modnas_model_tensor(s->model, 0, &info);
}
static int call_model_get(util_subject *s) {
    float x[8];
    return modnas_model_get(s->model, tensor, x, MN_COUNT(x));
}
static int call_model_set(util_subject *s) {
    const float x[8] = {1};
    return modnas_model_set(s->model, tensor, x, MN_COUNT(x));
}
static int build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)m, (void)args, (void)ud;
    return 0;
}
static int call_module_add_custom(util_subject *s) {
    const modnas_module_vt vt = {.size = sizeof vt, .build = build};
    return modnas_module_add_custom(modnas_model_root(s->model), "x", &vt, NULL, NULL, &s->new_module);
}
static int call_module_param(util_subject *s) {
    const int64_t dims[1] = {4};
    return modnas_module_param(modnas_model_root(s->model), "x", dims, 1, MODNAS_INIT_ZEROS, 0);
}
static int call_module_slot(util_subject *s) {
    modnas_slot_info info = {.size = sizeof info};
    return modnas_module_slot(modnas_model_slot(s->model, 0), &info);
}
static int call_registry_register(util_subject *s) {
    const modnas_module_vt vt = {.size = sizeof vt, .build = build};
    const modnas_component c = {.size = sizeof c, .kind = "layer", .name = "Entry", .vt = &vt};
    return modnas_registry_register(s->ctx, &c);
}
static int call_registry_build(util_subject *s) {
    const modnas_place place = {.size = sizeof place, .search = s->search};
    return modnas_registry_build(s->ctx, "optim", "BinaryGateOptim", &place);
}
static int sample(int64_t index, float *dst, int32_t *label, void *ud) {
    (void)index, (void)ud;
    *dst = 0;
    *label = 0;
    return 0;
}
static int call_data_register(util_subject *s) {
    const modnas_data_source source = {
        .size = sizeof source, .n = 1, .dims = {1, 1, 1}, .n_classes = 1, .sample = sample};
    return modnas_data_register(s->ctx, "EntryData", &source);
}

#define ROW(fn, status, may_start)                                                                                     \
    { "modnas_" #fn, call_##fn, status, may_start }
const util_entry util_entries[] = {ROW(config_new, 0, 0),
                                   ROW(config_add_file, 0, 0),
                                   ROW(config_add_text, 0, 0),
                                   ROW(config_set, 0, 0),
                                   ROW(config_override, 0, 0),
                                   ROW(config_check, 0, 0),
                                   ROW(config_json, 0, 0),
                                   ROW(config_raw_file, 0, 0),
                                   ROW(config_raw_text, 0, 0),
                                   ROW(describe, 0, 1),
                                   ROW(describe_text, 0, 1),
                                   ROW(describe_dot, 0, 1),
                                   ROW(profile, 0, 1),
                                   ROW(profile_check, 0, 1),
                                   ROW(bundle, MODNAS_ENOTFOUND, 0),
                                   ROW(verify_json, MODNAS_ENOTFOUND, 0),
                                   ROW(verify_text, MODNAS_ENOTFOUND, 0),
                                   ROW(report, MODNAS_ENOTFOUND, 0),
                                   ROW(model_derive, MODNAS_ECONFIG, 0), /* no chkpt */
                                   ROW(export, MODNAS_ECONFIG, 0),
                                   ROW(inspect_json, 0, 0),
                                   ROW(inspect_text, 0, 0),
                                   ROW(list_json, 0, 0),
                                   ROW(list_text, 0, 0),
                                   ROW(devices_json, 0, 0),
                                   ROW(devices_text, 0, 0),
                                   ROW(registry_get_builder, 0, 0),
                                   ROW(builder_args_json, 0, 0),
                                   ROW(registry_register, 0, 0),
                                   ROW(data_register, 0, 0),
                                   ROW(model_new, 0, 1),
                                   ROW(model_set_input, MODNAS_EINVAL, 0),
                                   ROW(model_set_classes, MODNAS_EINVAL, 0),
                                   ROW(model_input, 0, 0),
                                   ROW(model_macs, 0, 1),
                                   ROW(model_forward, 0, 1),
                                   ROW(model_save, 0, 0),
                                   ROW(model_load, 0, 0),
                                   ROW(model_tensor, 0, 0),
                                   ROW(model_get, 0, 0),
                                   ROW(model_set, 0, 0),
                                   ROW(model_export_onnx, 0, 1),
                                   ROW(module_add, MODNAS_EINVAL, 0),
                                   ROW(module_add_custom, MODNAS_EINVAL, 0),
                                   ROW(module_param, MODNAS_EINVAL, 0),
                                   ROW(module_slot, 0, 0),
                                   ROW(slot_fill, MODNAS_EINVAL, 0),
                                   ROW(slot_mix, MODNAS_EINVAL, 0),
                                   ROW(arch_new, 0, 0),
                                   ROW(arch_copy, 0, 0),
                                   ROW(arch_set, 0, 0),
                                   ROW(arch_json, 0, 0),
                                   ROW(search_new, 0, 1),
                                   ROW(search_ask, MODNAS_EUNSUPPORTED, 0),
                                   ROW(search_train, 0, 1),
                                   ROW(search_arch_step, 0, 1),
                                   ROW(search_evaluate, 0, 1),
                                   ROW(search_tell, 0, 0),
                                   ROW(search_export, 0, 0),
                                   ROW(search_save, 0, 0),
                                   ROW(search_load, 0, 0),
                                   ROW(search_checkpoint, MODNAS_EINVAL, 0),
                                   ROW(search_run, 0, 1),
                                   ROW(run, 0, 1),
                                   ROW(registry_build, 0, 0),
                                   {NULL, NULL, 0, 0}};

/* ---- the subject --------------------------------------------------------------------------------------- */

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, modnas_errmsg(s->ctx))

/* What stands, and no result. */
static void bare(const util_subject *s, util_subject *out) {
    memset(out, 0, sizeof *out);
    out->ctx = s->ctx;
    out->cfg = s->cfg;
    out->model = s->model;
    out->search = s->search;
    out->arch = s->arch;
    out->builder = s->builder;
}

void util_subject_open(util_subject *s, modnas_ctx *ctx, const char *backend) {
    memset(s, 0, sizeof *s);
    s->ctx = ctx;
    util_write_text("entry.yaml", "seed: 9\n");
    OK(modnas_config_new(ctx, &s->cfg));
    OK(modnas_config_add_text(s->cfg, net, strlen(net), "t.yaml"));
    OK(modnas_config_set(s->cfg, "backend", backend));
    OK(modnas_config_override(s->cfg, "model.args.input=[3, 8, 8]"));
    OK(modnas_model_new(s->cfg, &s->model));
    OK(modnas_search_new(s->cfg, NULL, &s->search));
    OK(modnas_arch_new(modnas_search_model(s->search), &s->arch));
    OK(modnas_registry_get_builder(ctx, "model", "MobileNetV2", &s->builder));
}

void util_subject_clear(util_subject *s) {
    modnas_string_free(s->ctx, s->text);
    modnas_arch_free(s->new_arch);
    modnas_search_free(s->new_search);
    modnas_model_free(s->new_model);
    modnas_config_free(s->new_cfg);
    const util_subject old = *s;
    bare(&old, s);
}

void util_subject_close(util_subject *s) {
    util_subject_clear(s);
    modnas_arch_free(s->arch);
    modnas_search_free(s->search);
    modnas_model_free(s->model);
    modnas_config_free(s->cfg);
}

int util_subject_untouched(const util_subject *s) {
    util_subject fresh;
    bare(s, &fresh);
    return memcmp(s, &fresh, sizeof fresh) == 0;
}

static void add_model(mn_sha256 *sha, modnas_model *m) {
    float *x = malloc(1 << 20);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < modnas_model_n_tensors(m); i++) {
        modnas_tensor_info info = {.size = sizeof info};
        ck_assert_int_eq(modnas_model_tensor(m, i, &info), 0);
        ck_assert_int_eq(modnas_model_get(m, info.name, x, (size_t)info.count), 0);
        mn_sha256_add(sha, x, (size_t)info.count * sizeof *x);
    }
    free(x);
}

void util_subject_hash(util_subject *s, char text[65]) {
    mn_sha256 sha;
    char *json[2] = {NULL, NULL};
    mn_sha256_init(&sha);
    add_model(&sha, s->model);
    add_model(&sha, modnas_search_model(s->search));
    OK(modnas_config_json(s->cfg, &json[0]));
    OK(modnas_arch_json(s->arch, &json[1]));
    for (int i = 0; i < 2; i++) {
        mn_sha256_add(&sha, json[i], strlen(json[i]));
        modnas_string_free(s->ctx, json[i]);
    }
    mn_sha256_hex(&sha, text);
}

/* ---- is the table whole? ------------------------------------------------------------------------------- */

/* Functions of the tape and of arguments, which live in a callback; and the one that needs no context. */
static int exempt(const char *name) {
    static const char *const prefixes[] = {"modnas_op_",   "modnas_forward", "modnas_value_",
                                           "modnas_args_", "modnas_state_",  "modnas_ctx_new"};
    for (size_t i = 0; i < MN_COUNT(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return 1;
    return 0;
}

static int in_table(const char *name) {
    for (const util_entry *e = util_entries; e->name; e++)
        if (strcmp(e->name, name) == 0) return 1;
    return 0;
}

void util_entries_missing(char *list, size_t bytes) {
    char self[4096], command[5000], name[128];
    util_path_beside(0, "", self, sizeof self);
    for (int up = 0; up < 4; up++) *strrchr(self, '/') = 0; /* build/VARIANT/tests/program */
    snprintf(command, sizeof command,
             "sed -n 's/^MODNAS_API MODNAS_MUST_USE int \\(modnas_[a-z0-9_]*\\)(.*/\\1/p' %s/include/modnas/*.h", self);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    int found = 0;
    *list = 0;
    for (; fscanf(f, "%127s", name) == 1; found++)
        if (!exempt(name) && !in_table(name)) snprintf(list + strlen(list), bytes - strlen(list), " %s", name);
    pclose(f);
    ck_assert_int_gt(found, 50);
}
