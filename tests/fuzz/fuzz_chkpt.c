/* Checkpoints: the safetensors reader, and loading one into a model.
 *
 * The tensors of a file that was accepted are its data, all of it and in place; the header alone says the same of them.
 * A file that does not fit a model leaves the model as it was. */
#include <unistd.h>

#include "fuzz.h"
#include "module/layers.h"
#include "module/model.h"
#include "module/safetensors.h"

static int parse(modnas_ctx *ctx, const char *bytes, size_t n, size_t file_bytes, mn_safetensors **out) {
    char *copy = mn_alloc(ctx, n + 1, 1); /* the reader takes it */
    FUZZ_CHECK(copy, "no memory");
    memcpy(copy, bytes, n);
    fuzz_fill(out, sizeof *out);
    const int rc = mn_safetensors_parse(ctx, copy, n, file_bytes, "in.safetensors", out);
    fuzz_check_text(ctx, rc);
    if (!rc) return 0;
    FUZZ_CHECK(rc == MODNAS_EFORMAT, "status %d", rc);
    fuzz_check_untouched(out, sizeof *out);
    return rc;
}

static size_t check_tensors(const mn_safetensors *f, const char *bytes, size_t n, size_t n_header) {
    size_t total = 0;
    for (size_t i = 0; i < mn_safetensors_count(f); i++) {
        const mn_tensor_info *t = mn_safetensors_at(f, i);
        size_t product = 1;
        for (int32_t k = 0; k < t->rank; k++) product *= (size_t)t->dims[k];
        FUZZ_CHECK(product == t->count && mn_safetensors_find(f, t->name) == t, "tensor %s", t->name);
        FUZZ_CHECK(t->at + t->elem_bytes * t->count <= n - n_header, "tensor %s ends behind the file", t->name);
        if (t->data) FUZZ_CHECK(!memcmp(t->data, bytes + n_header + t->at, t->elem_bytes * t->count), "other data");
        total += t->elem_bytes * t->count;
    }
    FUZZ_CHECK(total == n - n_header, "%zu bytes of tensors in %zu of data", total, n - n_header);
    return total;
}

static void read_file(modnas_ctx *ctx, const char *bytes, size_t n) {
    mn_safetensors *whole, *head;
    if (parse(ctx, bytes, n, n, &whole)) return;
    fuzz_accept();
    const size_t n_header = 8 + (size_t)mn_safetensors_header_bytes(bytes);
    check_tensors(whole, bytes, n, n_header);
    FUZZ_CHECK(parse(ctx, bytes, n_header, n, &head) == 0, "%s", modnas_errmsg(ctx));
    FUZZ_CHECK(mn_safetensors_count(head) == mn_safetensors_count(whole), "the header alone has other tensors");
    check_tensors(head, bytes, n, n_header);
    mn_safetensors_free(head);
    mn_safetensors_free(whole);
}

/* fc: 2 -> 2 with bias, on the reference backend. */
static mn_model *model_new(modnas_ctx *ctx) {
    mn_backend *backend;
    mn_model *m;
    mn_module *fc;
    int rc = mn_backend_open(ctx, "ref", 1, &backend);
    if (!rc) rc = mn_model_new(ctx, backend, MODNAS_F32, 2, &m);
    if (!rc) rc = mn_sequential_new(m, &m->root);
    if (!rc) rc = mn_linear_new(m, 2, 2, 1, &fc);
    if (!rc) rc = mn_module_add(m->root, "fc", fc);
    if (!rc) rc = mn_model_commit(m);
    FUZZ_CHECK(rc == 0, "%s", modnas_errmsg(ctx));
    mn_backend_close(backend);
    return m;
}

static void get_weights(const mn_model *m, float weights[6]) {
    FUZZ_CHECK(mn_store_n_params(m->weights) == 2, "other parameters");
    FUZZ_CHECK(mn_param_get_f32(mn_store_param(m->weights, 0), weights) == 0, "no weights");
    FUZZ_CHECK(mn_param_get_f32(mn_store_param(m->weights, 1), weights + 4) == 0, "no bias");
}

static void load(modnas_ctx *ctx, const char *path, int partial) {
    float before[6], after[6];
    mn_model *m = model_new(ctx);
    get_weights(m, before);
    const int rc = mn_model_load(m, path, partial);
    fuzz_check_text(ctx, rc);
    get_weights(m, after);
    if (rc) FUZZ_CHECK(memcmp(before, after, sizeof before) == 0, "a refused file changed the model");
    mn_model_free(m);
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    char path[64];
    const int fd = fuzz_file(bytes, n, path);
    read_file(ctx, bytes, n);
    load(ctx, path, 0);
    load(ctx, path, 1);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 64 << 20, 2048);
}
