/* ONNX files by their structure, read with the schema alone; what the check refuses; what options refuse. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/onnx.h"
#include "export/onnx.pb-c.h"
#include "modnas/inspect.h"
#include "module/layers.h"
#include "util_onnx.h"

_Static_assert(sizeof(modnas_onnx_opts) == 64 && offsetof(modnas_onnx_opts, opset) == 8 && offsetof(modnas_onnx_opts, batch) == 12 &&
                   offsetof(modnas_onnx_opts, keep_batch_norm) == 16 && offsetof(modnas_onnx_opts, custom_ops) == 20 &&
                   offsetof(modnas_onnx_opts, channels_last) == 24 && offsetof(modnas_onnx_opts, bytes) == 28 &&
                   offsetof(modnas_onnx_opts, mean) == 32 && offsetof(modnas_onnx_opts, stddev) == 40 &&
                   offsetof(modnas_onnx_opts, class_names) == 48 && offsetof(modnas_onnx_opts, metadata) == 56,
               "modnas_onnx_opts");

static char folder[64];
static mn_model *m;

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* conv (3 -> 8, bias), bn, pool, fc (8 -> 5) on images of 3x6x7. */
static void setup(void) {
    model_setup();
    util_folder_new(folder);
    m = model_small();
    m->input[0] = 3, m->input[1] = 6, m->input[2] = 7;
    m->n_classes = 5;
    util_onnx_fill(m, 1);
}

static void teardown(void) {
    mn_model_free(m);
    util_folder_free(folder);
    model_teardown();
}

static char *slurp(const char *path, size_t *n) {
    char *bytes;
    OK(mn_file_read(model_ctx, path, SIZE_MAX / 4, &bytes, n));
    return bytes;
}

static Mn__ModelProto *written(const modnas_onnx_opts *o) {
    size_t n;
    OK(modnas_model_export_onnx(m, o, "net.onnx"));
    char *bytes = slurp("net.onnx", &n);
    Mn__ModelProto *p = mn__model_proto__unpack(NULL, n, (uint8_t *)bytes);
    ck_assert_ptr_nonnull(p);
    mn_free(model_ctx, bytes);
    return p;
}

static void done(Mn__ModelProto *p) {
    mn__model_proto__free_unpacked(p, NULL);
}

/* Operators in order, with blanks between. */
static void ops_are(const Mn__ModelProto *p, const char *want) {
    char text[512] = "";
    for (size_t i = 0; i < p->graph->n_node; i++) {
        if (i) strcat(text, " ");
        strcat(text, p->graph->node[i]->op_type);
    }
    ck_assert_str_eq(text, want);
}

static const Mn__TensorProto *tensor(const Mn__ModelProto *p, const char *name) {
    for (size_t i = 0; i < p->graph->n_initializer; i++)
        if (strcmp(p->graph->initializer[i]->name, name) == 0) return p->graph->initializer[i];
    ck_abort_msg("no initialiser %s", name);
    return NULL;
}

static float element(const Mn__TensorProto *t, size_t i) {
    float x;
    ck_assert_uint_lt(i * sizeof x, t->raw_data.len);
    memcpy(&x, t->raw_data.data + i * sizeof x, sizeof x);
    return x;
}

static const char *property(const Mn__ModelProto *p, const char *key) {
    for (size_t i = 0; i < p->n_metadata_props; i++)
        if (strcmp(p->metadata_props[i]->key, key) == 0) return p->metadata_props[i]->value;
    return "";
}

/* ---- what is in them ----------------------------------------------------------------------------------- */

START_TEST(folded) {
    Mn__ModelProto *p = written(NULL);
    const Mn__GraphProto *g = p->graph;
    double w[8 * 27], gamma[8], var[8];
    ops_are(p, "Conv GlobalAveragePool Flatten Gemm");
    ck_assert_int_eq(p->ir_version, 8);
    ck_assert_str_eq(p->producer_name, "modnas");
    ck_assert_uint_eq(p->n_opset_import, 1);
    ck_assert_int_eq(p->opset_import[0]->version, 17);
    ck_assert_str_eq(g->node[0]->name, "conv/Conv");
    ck_assert_str_eq(g->node[3]->name, "fc/Gemm");
    ck_assert_str_eq(g->input[0]->name, "input");
    ck_assert_str_eq(g->output[0]->name, "logits");
    const Mn__TensorShapeProto *in = g->input[0]->type->tensor_type->shape, *out = g->output[0]->type->tensor_type->shape;
    ck_assert_str_eq(in->dim[0]->dim_param, "N");
    ck_assert_int_eq(in->dim[3]->dim_value, 7);
    ck_assert_uint_eq(out->n_dim, 2);
    ck_assert_str_eq(out->dim[0]->dim_param, "N");
    ck_assert_int_eq(out->dim[1]->dim_value, 5);
    /* w gamma / sqrt(var + eps) */
    OK(mn_param_get(model_param(m, "conv.weight"), w));
    OK(mn_param_get(model_param(m, "bn.weight"), gamma));
    OK(mn_param_get(model_param(m, "bn.running_var"), var));
    const Mn__TensorProto *t = tensor(p, "conv.weight");
    ck_assert_uint_eq(t->n_dims, 4);
    for (size_t i = 0; i < 8 * 27; i++)
        ck_assert_double_eq_tol(element(t, i) * element(t, i) * (var[i / 27] + 1e-5), w[i] * w[i] * gamma[i / 27] * gamma[i / 27], 1e-6);
    ck_assert_int_eq(tensor(p, "fc.weight")->dims[0], 5);
    ck_assert_uint_eq(tensor(p, "fc.weight")->n_dims, 2);
    done(p);
}
END_TEST

START_TEST(kept) {
    const modnas_onnx_opts o = {.size = sizeof o, .keep_batch_norm = 1, .batch = 3, .opset = 21};
    Mn__ModelProto *p = written(&o);
    double mean[8];
    ops_are(p, "Conv BatchNormalization GlobalAveragePool Flatten Gemm");
    ck_assert_int_eq(p->ir_version, 10);
    ck_assert_int_eq(p->graph->input[0]->type->tensor_type->shape->dim[0]->dim_value, 3);
    OK(mn_param_get(model_param(m, "bn.running_mean"), mean));
    for (size_t i = 0; i < 8; i++) ck_assert_float_eq(element(tensor(p, "bn.running_mean"), i), (float)mean[i]);
    ck_assert_str_eq(p->graph->node[1]->input[1], "bn.weight");
    done(p);
}
END_TEST

START_TEST(preprocessing) {
    static const double mean[] = {0.5, 0.25, 0.125}, stddev[] = {0.2, 0.25, 0.5};
    static const char *const classes[] = {"a", "b \"c\"", "d", "e", "f"};
    static const char *const more[] = {"model", "mine", "who", "me", NULL};
    const modnas_onnx_opts o = {.size = sizeof o, .bytes = 1, .channels_last = 1, .mean = mean, .stddev = stddev,
                                .class_names = classes, .metadata = more};
    Mn__ModelProto *p = written(&o);
    ops_are(p, "Cast Transpose Mul Add Conv GlobalAveragePool Flatten Gemm");
    ck_assert_int_eq(p->graph->input[0]->type->tensor_type->elem_type, 2); /* uint8 */
    ck_assert_int_eq(p->graph->input[0]->type->tensor_type->shape->dim[3]->dim_value, 3);
    ck_assert_float_eq_tol(element(tensor(p, "input.scale"), 1), 1 / (255 * 0.25f), 1e-9f);
    ck_assert_float_eq_tol(element(tensor(p, "input.shift"), 2), -0.25f, 1e-7f);
    ck_assert_str_eq(property(p, "layout"), "NHWC");
    ck_assert_str_eq(property(p, "pixels"), "0..255");
    ck_assert_str_eq(property(p, "mean"), "[0.5, 0.25, 0.125]");
    ck_assert_str_eq(property(p, "std"), "[0.2, 0.25, 0.5]");
    ck_assert_str_eq(property(p, "class_names"), "[\"a\", \"b \\\"c\\\"\", \"d\", \"e\", \"f\"]");
    ck_assert_str_eq(property(p, "who"), "me");
    ck_assert_str_eq(property(p, "model"), "mine");
    done(p);
}
END_TEST

START_TEST(same_bytes) {
    size_t n[2];
    OK(modnas_model_export_onnx(m, NULL, "a.onnx"));
    OK(modnas_model_export_onnx(m, NULL, "b.onnx"));
    char *a = slurp("a.onnx", &n[0]), *b = slurp("b.onnx", &n[1]);
    ck_assert_uint_eq(n[0], n[1]);
    ck_assert_mem_eq(a, b, n[0]);
    mn_free(model_ctx, a);
    mn_free(model_ctx, b);
    ck_assert_int_eq(system("sha256sum -c --quiet a.onnx.sha256 b.onnx.sha256"), 0);
}
END_TEST

/* ---- what is refused ----------------------------------------------------------------------------------- */

static void refused(const modnas_onnx_opts *o, int status, const char *text) {
    ck_assert_int_eq(modnas_model_export_onnx(m, o, "bad.onnx"), status);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), text) != NULL, "%s", modnas_errmsg(model_ctx));
    ck_assert_int_ne(access("bad.onnx", F_OK), 0);
}

START_TEST(options) {
    static const double mean[] = {0, 0, 0}, stddev[] = {1, 0, 1};
    static const char *const twice[] = {"x", "y", "x", "z", NULL}, *const odd[] = {"x", NULL}, *const some[] = {"a", "b", NULL};
    const struct {
        modnas_onnx_opts o;
        const char *text;
    } rows[] = {{{.opset = 12}, "opset 12; 13 to 21"},
                {{.opset = 22}, "opset 22"},
                {{.batch = -1}, "a batch of -1"},
                {{.mean = mean}, "mean is given without stddev"},
                {{.mean = mean, .stddev = stddev}, "channel 1"},
                {{.mean = mean, .stddev = (const double[]){1, 1, 1}, .metadata = twice}, "'x' twice"},
                {{.metadata = odd}, "'x' of the metadata has no value"},
                {{.class_names = some}, "class 2 of 5 has no name"}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        modnas_onnx_opts o = rows[i].o;
        o.size = sizeof o;
        refused(&o, MODNAS_EINVAL, rows[i].text);
    }
    ck_assert_int_eq(modnas_model_export_onnx(m, NULL, "no/such/folder/x.onnx"), MODNAS_EIO);
    ck_assert_int_eq(modnas_model_export_onnx(m, NULL, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_model_export_onnx(NULL, NULL, "x"), MODNAS_EINVAL);
    mn_model *none = model_of("backend: none\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1]]}}\n", MODNAS_F32);
    ck_assert_int_eq(modnas_model_export_onnx(none, NULL, "x.onnx"), MODNAS_EINVAL);
    mn_model_free(none);
}
END_TEST

/* Memory gives out at every place in turn: no file, nothing left, and then it works. */
START_TEST(no_memory) {
    int rc = MODNAS_ENOMEM;
    for (int64_t i = 0; rc == MODNAS_ENOMEM; i++) {
        ck_assert_int_lt(i, 5000);
        const int64_t live = model_host.live;
        model_host.left = i;
        rc = modnas_model_export_onnx(m, NULL, "x.onnx");
        model_host.left = -1;
        ck_assert_int_eq(model_host.live, live);
    }
    OK(rc);
}
END_TEST

/* ---- inspect ------------------------------------------------------------------------------------------- */

/* The network of setup: 8 x 3 x 3 x 3 + 8 of the convolution, 4 x 8 of batch norm, 8 x 5 + 5 of the linear layer. */
START_TEST(inspect) {
    static const char *const metadata[] = {"who", "me", NULL};
    const modnas_onnx_opts o = {.size = sizeof o, .keep_batch_norm = 1, .metadata = metadata};
    char *text, *json;
    int32_t valid;
    OK(modnas_model_export_onnx(m, &o, "net.onnx"));
    OK(modnas_inspect_text(model_ctx, "net.onnx", NULL, &text, &valid));
    ck_assert_msg(valid == 1, "%s", text);
    static const char *const lines[] = {"net.onnx: onnx\n  version 8 of the format, opset 17, by modnas ",
                                        "\n  input input: float (N, 3, 6, 7)\n  output logits: float (N, 5)\n",
                                        "Conv x 1, BatchNormalization x 1, ", " 301 parameters\n", "\n  who: me\n", ", SHA-256 "};
    for (size_t i = 0; i < MN_COUNT(lines); i++) ck_assert_msg(strstr(text, lines[i]) != NULL, "no %s in %s", lines[i], text);
    modnas_string_free(model_ctx, text);
    OK(modnas_inspect_json(model_ctx, "net.onnx", NULL, &json, &valid));
    char *sidecar = slurp("net.onnx.sha256", &(size_t){0}); /* begins with the hash */
    sidecar[64] = 0;
    ck_assert_ptr_nonnull(strstr(json, sidecar));
    mn_free(model_ctx, sidecar);
    modnas_string_free(model_ctx, json);
    ck_assert_int_eq(system("head -c 700 net.onnx >cut.onnx; mv net.onnx net"), 0);
    OK(modnas_inspect_text(model_ctx, "cut.onnx", NULL, &text, &valid));
    ck_assert_msg(valid == 0 && strstr(text, "cut.onnx: onnx, not valid\n  cut.onnx: no ONNX file\n"), "%s", text);
    modnas_string_free(model_ctx, text);
    OK(modnas_inspect_text(model_ctx, "net", NULL, &text, &valid)); /* known by its first bytes */
    ck_assert(valid == 1 && strstr(text, "net: onnx\n") == text);
    modnas_string_free(model_ctx, text);
}
END_TEST

/* ---- the check ----------------------------------------------------------------------------------------- */

/* A right file with one thing changed. */
static void check_fails(void (*change)(Mn__GraphProto *g, Mn__ModelProto *p), const char *text) {
    const modnas_onnx_opts o = {.size = sizeof o, .keep_batch_norm = 1};
    Mn__ModelProto *p = written(&o);
    change(p->graph, p);
    const size_t n = mn__model_proto__get_packed_size(p);
    uint8_t *bytes = malloc(n);
    ck_assert_ptr_nonnull(bytes);
    mn__model_proto__pack(p, bytes);
    ck_assert_int_eq(mn_onnx_check(model_ctx, bytes, n, "f"), MODNAS_EFORMAT);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), text) != NULL, "%s, wanted: %s", modnas_errmsg(model_ctx), text);
    free(bytes);
    done(p);
}

static void rename_to(char **name, const char *other) {
    if (*name != protobuf_c_empty_string) free(*name);
    *name = strdup(other);
}

#define CHANGE(name, ...)                                                                                              \
    static void name(Mn__GraphProto *g, Mn__ModelProto *p) {                                                           \
        (void)g, (void)p;                                                                                              \
        __VA_ARGS__;                                                                                                   \
    }
CHANGE(old_opset, p->opset_import[0]->version = 12)
CHANGE(other_domain, rename_to(&p->opset_import[0]->domain, "else"))
CHANGE(foreign_op, rename_to(&g->node[0]->op_type, "Convolution"))
CHANGE(foreign_domain, rename_to(&g->node[0]->domain, "else"))
CHANGE(own_domain, rename_to(&g->node[0]->domain, "modnas"))
CHANGE(same_node, rename_to(&g->node[1]->name, "conv/Conv"))
CHANGE(same_value, rename_to(&g->initializer[1]->name, "conv.weight"))
CHANGE(no_value, rename_to(&g->node[2]->input[0], "nowhere"))
CHANGE(no_attribute, rename_to(&g->node[0]->attribute[0]->name, "dilation"))
CHANGE(other_type, g->node[0]->attribute[0]->type = 2)
CHANGE(less_padding, g->node[0]->attribute[3]->ints[0] = 0)
CHANGE(less_data, g->initializer[0]->raw_data.len -= 4)
CHANGE(other_size, g->output[0]->type->tensor_type->shape->dim[1]->dim_value = 6)
CHANGE(other_channels, g->input[0]->type->tensor_type->shape->dim[1]->dim_value = 4)
CHANGE(bytes_in, g->input[0]->type->tensor_type->elem_type = 2)
CHANGE(key_twice, rename_to(&p->metadata_props[1]->key, p->metadata_props[0]->key))

START_TEST(check) {
    const struct {
        void (*change)(Mn__GraphProto *g, Mn__ModelProto *p);
        const char *text;
    } rows[] = {{old_opset, "opset 12"},
                {other_domain, "imported twice, is the domain 'else'"},
                {foreign_op, "no operator of opset 17"},
                {foreign_domain, "domain 'else' is not known"},
                {own_domain, "not imported"},
                {same_node, "no name, or taken"},
                {same_value, "two values of the name 'conv.weight'"},
                {no_value, "nothing before it makes 'nowhere'"},
                {no_attribute, "no attribute 'dilation'"},
                {other_type, "no attribute 'dilations' of this type"},
                {less_padding, "other sizes"},
                {less_data, "not as many bytes"},
                {other_size, "stated has the value 'logits'"},
                {other_channels, "4 channels, the weights want 3"},
                {bytes_in, "input 0 is of type 2"},
                {key_twice, "twice in the metadata"}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) check_fails(rows[i].change, rows[i].text);
    ck_assert_int_eq(mn_onnx_check(model_ctx, "no such thing", 13, "f"), MODNAS_EFORMAT);
    ck_assert_int_eq(mn_onnx_check(model_ctx, "", 0, "f"), MODNAS_EFORMAT);
}
END_TEST

/* Cut off anywhere, or with a byte changed: refused or read, never more than that. */
START_TEST(damage) {
    size_t n;
    OK(modnas_model_export_onnx(m, NULL, "x.onnx"));
    char *bytes = slurp("x.onnx", &n);
    OK(mn_onnx_check(model_ctx, bytes, n, "x"));
    for (size_t i = 0; i < n; i += 1 + n / 600) {
        int rc = mn_onnx_check(model_ctx, bytes, i, "x");
        ck_assert(rc == MODNAS_EFORMAT || (rc == 0 && i > n / 2)); /* the metadata comes last */
        bytes[i] ^= 0x55;
        rc = mn_onnx_check(model_ctx, bytes, n, "x");
        ck_assert(rc == 0 || rc == MODNAS_EFORMAT);
        bytes[i] ^= 0x55;
    }
    mn_free(model_ctx, bytes);
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx");
    util_add(s, "files", setup, teardown, (const TTest *[]){folded, kept, preprocessing, same_bytes, NULL});
    util_add(s, "refused", setup, teardown, (const TTest *[]){options, no_memory, inspect, check, damage, NULL});
    return util_run(s);
}
