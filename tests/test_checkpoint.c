/* Checkpoints: what is saved comes back, files made by hand from the description of the format
 * are read, and damaged or foreign ones are refused without harm. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "module/layers.h"
#include "module/safetensors.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* ---- checkpoints --------------------------------------------------------------------------------------- */

static char path[64];

static void setup(void) {
    model_setup();
    snprintf(path, sizeof path, "/tmp/test_checkpoint_%ld.safetensors", (long)getpid());
}

static void teardown(void) {
    unlink(path);
    model_teardown();
}

static void set_all(const mn_model *m, float first) {
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        mn_param *p = mn_store_param(m->weights, i);
        float x[512];
        for (int64_t k = 0; k < mn_param_numel(p); k++) x[k] = first++;
        OK(mn_param_set_f32(p, x));
    }
}

START_TEST(saved_weights_come_back) {
    mn_model *m = model_small();
    float x[512];
    set_all(m, 1);
    OK(mn_model_save(m, path, (const char *const[]){"format", "modnas", "note", "a \"b\"", NULL}));
    set_all(m, -1000);
    OK(mn_model_load(m, path, 0));
    float expected = 1;
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        const mn_param *p = mn_store_param(m->weights, i);
        OK(mn_param_get_f32(p, x));
        for (int64_t k = 0; k < mn_param_numel(p); k++) ck_assert(x[k] == expected++);
    }
    mn_safetensors *f;
    OK(mn_safetensors_read(model_ctx, path, &f));
    const mn_tensor_info *conv = mn_safetensors_find(f, "conv.weight"), *fc = mn_safetensors_find(f, "fc.weight"),
                         *mean = mn_safetensors_find(f, "bn.running_mean");
    ck_assert(conv && conv->rank == 4 && conv->dims[0] == 8 && conv->dims[1] == 3 && conv->dims[2] == 3);
    ck_assert(fc && fc->rank == 2 && fc->dims[0] == 5 && fc->dims[1] == 8);
    ck_assert(mean && mean->rank == 1 && mean->dims[0] == 8);
    ck_assert_str_eq(mn_safetensors_metadata(f, "note"), "a \"b\"");
    ck_assert_ptr_null(mn_safetensors_metadata(f, "no"));
    mn_safetensors_free(f);
    mn_model_free(m);
}
END_TEST

static void write_file(const char *header, uint64_t length, const void *data, size_t bytes) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fwrite(&length, 8, 1, f);
    fputs(header, f);
    fwrite(data, 1, bytes, f);
    fclose(f);
}

#define ENTRY(name, dtype, shape, begin, end)                                                                          \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

/* Not aligned, offsets not in the order of names, escapes, blanks: all of it is allowed. */
START_TEST(a_file_by_hand_is_read) {
    static const float data[3] = {1.5f, -2, 3};
    const char *h = "{ \"__metadata__\" : {\"k\\u0041\":\"v\"},\n\t" ENTRY("b", "F32", "[]", "8", "12") ", " ENTRY(
        "a.w", "F32", "[2,1]", "0", "8") ", " ENTRY("none", "F32", "[0,3]", "8", "8") "} ";
    write_file(h, strlen(h), data, sizeof data);
    mn_safetensors *f;
    float x;
    OK(mn_safetensors_read(model_ctx, path, &f));
    ck_assert_uint_eq(mn_safetensors_count(f), 3);
    ck_assert_str_eq(mn_safetensors_metadata(f, "kA"), "v");
    memcpy(&x, (const char *)mn_safetensors_find(f, "b")->data, 4);
    ck_assert(x == 3);
    memcpy(&x, (const char *)mn_safetensors_find(f, "a.w")->data + 4, 4);
    ck_assert(x == -2);
    ck_assert_uint_eq(mn_safetensors_find(f, "none")->count, 0);
    mn_safetensors_free(f);
}
END_TEST

typedef struct bad_file {
    const char *header;
    int64_t length; /* 0: that of the header */
    const char *text;
} bad_file;

/* All with 12 bytes of data. */
static const bad_file bad_files[] = {
    {"{" ENTRY("a", "F32", "[3]", "0", "12"), 0, "header of"},
    {"[1]", 0, "no JSON object"},
    {"{}", 0, "12 bytes of data"},
    {"{" ENTRY("a", "F32", "[3]", "0", "12") "}", 1 << 20, "a header of 1048576 bytes"},
    {"{" ENTRY("a", "F32", "[3]", "0", "12") "}", -1, "a header of 18446744073709551615 bytes"},
    {"{" ENTRY("a", "F16", "[6]", "0", "12") "}", 0, "tensor a is F16"},
    {"{" ENTRY("a", "F32", "[4]", "0", "16") "}", 0, "ends at byte 16 of 12"},
    {"{" ENTRY("a", "F32", "[3]", "12", "0") "}", 0, "begin <= end"},
    {"{" ENTRY("a", "F32", "[2]", "0", "12") "}", 0, "wants 8"},
    {"{" ENTRY("a", "F32", "[2]", "0", "8") "}", 0, "the tensors have 8"},
    {"{" ENTRY("a", "F32", "[2]", "0", "8") "," ENTRY("b", "F32", "[2]", "4", "12") "}", 0,
     "begins at byte 4, wanted 8"},
    {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "8", "12") "}", 0,
     "begins at byte 8, wanted 4"},
    {"{" ENTRY("a", "F32", "[3]", "0", "12") "," ENTRY("a", "F32", "[3]", "0", "12") "}", 0, "header of"},
    {"{" ENTRY("a", "F32", "[-3]", "0", "12") "}", 0, "no whole number"},
    {"{" ENTRY("a", "F32", "[4294967296,4294967296,3]", "0", "12") "}", 0, "too large"},
    {"{" ENTRY("a", "F32", "[4611686018427387907]", "0", "12") "}", 0, "too large"},
    {"{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,3]", "0", "12") "}", 0, "8 dimensions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3]}}", 0, "wanted dtype, shape and data_offsets"},
    {"{\"a\":12}", 0, "wanted dtype"},
    {"{\"__metadata__\":{\"a\":1}," ENTRY("a", "F32", "[3]", "0", "12") "}", 0, "map of strings"},
};

START_TEST(bad_files_are_refused) {
    const bad_file *b = &bad_files[_i];
    mn_safetensors *f = NULL;
    write_file(b->header, b->length ? (uint64_t)b->length : strlen(b->header), "123456789012", 12);
    ck_assert_int_eq(mn_safetensors_read(model_ctx, path, &f), MODNAS_EFORMAT);
    ck_assert_ptr_null(f);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), b->text) != NULL, "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), path) != NULL, "%s", modnas_errmsg(model_ctx));
}
END_TEST

static size_t read_bytes(char *bytes, size_t max) {
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    const size_t n = fread(bytes, 1, max, f);
    fclose(f);
    return n;
}

static void write_bytes(const char *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Cut anywhere, a file is refused; with a byte of its header changed it is refused or read, and in any case the model
 * is either as it was or holds the file. */
START_TEST(damaged_files_do_no_harm) {
    static char whole[8192], damaged[8192];
    mn_model *m = model_small();
    set_all(m, 1);
    OK(mn_model_save(m, path, NULL));
    const size_t n = read_bytes(whole, sizeof whole);
    ck_assert_uint_lt(n, sizeof whole);
    uint64_t header;
    memcpy(&header, whole, 8);
    set_all(m, 5000);
    for (size_t cut = 0; cut < n; cut += cut < header ? 7 : 41) {
        write_bytes(whole, cut);
        ck_assert_int_eq(mn_model_load(m, path, 0), MODNAS_EFORMAT);
    }
    for (size_t i = 0; i < 8 + header; i++) {
        memcpy(damaged, whole, n);
        damaged[i] = (char)(damaged[i] ^ (1 << i % 7));
        write_bytes(damaged, n);
        if (mn_model_load(m, path, 0) == 0) continue; /* such as a blank that became a tabulator */
        float x[512];
        OK(mn_param_get_f32(mn_store_param(m->weights, 0), x));
        ck_assert(x[0] == 5000 || x[0] == 1);
    }
    mn_model_free(m);
}
END_TEST

START_TEST(tensors_must_be_the_models) {
    static const float zeros[64];
    mn_model *m = model_small();
    const char *other =
        "{" ENTRY("fc.bias", "F32", "[5]", "0", "20") "," ENTRY("extra.w", "F32", "[1]", "20", "24") "}";
    const char *shape = "{" ENTRY("fc.bias", "F32", "[1,5]", "0", "20") "}",
               *none = "{" ENTRY("x", "F32", "[5]", "0", "20") "}";
    set_all(m, 1);
    write_file(other, strlen(other), zeros, 24);
    ck_assert_int_eq(mn_model_load(m, path, 0), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "conv.weight of the model is missing"));
    OK(mn_model_load(m, path, 1));
    float x[512];
    OK(mn_param_get_f32(model_param(m, "fc.bias"), x));
    ck_assert(x[4] == 0);
    OK(mn_param_get_f32(model_param(m, "conv.weight"), x));
    ck_assert(x[0] == 1);
    write_file(shape, strlen(shape), zeros, 20);
    ck_assert_int_eq(mn_model_load(m, path, 1), MODNAS_ESHAPE);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "fc.bias is 1x5, the model wants 5"));
    write_file(none, strlen(none), zeros, 20);
    ck_assert_int_eq(mn_model_load(m, path, 1), MODNAS_EFORMAT);
    ck_assert_int_eq(mn_model_load(m, "/tmp/test_checkpoint_is_not_there", 0), MODNAS_ENOTFOUND);
    ck_assert_int_eq(mn_model_save(m, "/tmp/no/such/folder/x", NULL), MODNAS_EIO);
    mn_model_free(m);
}
END_TEST

/* A supernet's file has its architecture parameters too, and one more tensor than the model is named. */
START_TEST(architecture_parameters_are_saved) {
    const char *config = "backend: ref\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1]], "
                         "n_classes: 2, input: [1, 4, 4]}}\n"
                         "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, NIL, IDT]}\n";
    mn_model *m = model_of(config, MODNAS_F32);
    const double alpha[3] = {0.5, -1, 2};
    double got[3];
    OK(mn_mixed_set_alpha(mn_model_mixed(m, 0), alpha));
    OK(mn_model_save(m, path, NULL));
    OK(mn_mixed_set_alpha(mn_model_mixed(m, 0), (const double[3]){0, 0, 0}));
    OK(mn_model_load(m, path, 0));
    OK(mn_mixed_alpha(mn_model_mixed(m, 0), got));
    for (int i = 0; i < 3; i++) ck_assert_double_eq(got[i], alpha[i]);
    mn_safetensors *f;
    OK(mn_safetensors_read(model_ctx, path, &f));
    ck_assert_ptr_nonnull(mn_safetensors_find(f, "arch.t_0"));
    ck_assert_ptr_nonnull(
        mn_safetensors_find(f, "bottlenecks.Bottlenecks_0.MobileInvertedResidualBlock_0_0.conv.ent.MB3E1.0.weight"));
    mn_safetensors_free(f);
    mn_model *plain = model_small();
    ck_assert_int_eq(mn_model_load(plain, path, 0), MODNAS_EFORMAT);
    mn_model_free(plain);
    mn_model_free(m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("checkpoint");
    util_add(s, "checkpoints", setup, teardown,
             (const TTest *[]){saved_weights_come_back, a_file_by_hand_is_read, damaged_files_do_no_harm,
                               tensors_must_be_the_models, architecture_parameters_are_saved, NULL});
    TCase *t = tcase_create("bad files");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, bad_files_are_refused, 0, (int)MN_COUNT(bad_files));
    suite_add_tcase(s, t);
    return util_run(s);
}
