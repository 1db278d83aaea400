/* Networks as files: the table of endings, and what all of them share. */
#include "export/net.h"

#include "export/onnx.h"

#include <string.h>

static const struct {
    const char *ending;
    int (*write)(const mn_net *net, const char *path);
    int (*check)(const mn_net *net, const char *path); /* of what was written; NULL: it was checked before */
} endings[] = {
    {".safetensors", mn_net_write_safetensors, mn_net_check_safetensors},
    {".onnx", mn_net_write_onnx, NULL},
};

static int32_t find_ending(const char *path) {
    const size_t n = strlen(path);
    for (size_t i = 0; i < MN_COUNT(endings); i++) {
        const size_t k = strlen(endings[i].ending);
        if (n > k && strcmp(path + n - k, endings[i].ending) == 0) return (int32_t)i;
    }
    return -1;
}

int mn_net_check_path(modnas_ctx *ctx, const char *path) {
    mn_str all = {.ctx = ctx};
    if (find_ending(path) >= 0) return 0;
    for (size_t i = 0; i < MN_COUNT(endings); i++) mn_str_addf(&all, "%s%s", i ? ", " : "", endings[i].ending);
    const int rc = mn_fail(ctx, MODNAS_EINVAL, "%.400s: a network is written to a file that ends in one of: %s", path,
                           all.failed ? "" : all.text);
    mn_str_free(&all);
    return rc;
}

/* ---- the sum beside it ----------------------------------------------------------------------------------- */

int mn_net_write_sum(modnas_ctx *ctx, const char *path, const void *bytes, size_t n, char sha256[65]) {
    const char *slash = strrchr(path, '/');
    mn_str name = {.ctx = ctx}, line = {.ctx = ctx};
    mn_sha256 sha;
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, bytes, n);
    mn_sha256_hex(&sha, sha256);
    mn_str_addf(&name, "%s.sha256", path);
    mn_str_addf(&line, "%s  %s\n", sha256, slash ? slash + 1 : path);
    const int rc = name.failed || line.failed ? MODNAS_ENOMEM : mn_file_write(ctx, name.text, line.text, line.n);
    mn_str_free(&name);
    mn_str_free(&line);
    return rc;
}

static int sum_file(modnas_ctx *ctx, const char *path, char sha256[65]) {
    char *bytes;
    size_t n;
    MN_TRY(mn_file_read(ctx, path, SIZE_MAX / 4, &bytes, &n));
    const int rc = mn_net_write_sum(ctx, path, bytes, n, sha256);
    mn_free(ctx, bytes);
    return rc;
}

int mn_net_write(const mn_net *net, const char *path, char sha256[65]) {
    modnas_ctx *ctx = net->model->ctx;
    MN_TRY(mn_net_check_path(ctx, path));
    const int32_t i = find_ending(path);
    MN_TRY(endings[i].write(net, path));
    if (endings[i].check) MN_TRY(endings[i].check(net, path));
    return sum_file(ctx, path, sha256);
}

/* ---- safetensors ----------------------------------------------------------------------------------------- */

int mn_net_write_safetensors(const mn_net *net, const char *path) {
    size_t n = 0;
    while (net->metadata[n]) n++;
    const char **all = mn_alloc(net->model->ctx, n + 3, sizeof *all);
    if (!all) return MODNAS_ENOMEM;
    memcpy(all, net->metadata, n * sizeof *all);
    if (net->preprocessing) all[n] = "preprocessing";
    all[n + 1] = net->preprocessing;
    const int rc = mn_model_save(net->model, path, all);
    mn_free(net->model->ctx, all);
    return rc;
}

/* Read back, it has the model's tensors, in their shapes, and no others. */
int mn_net_check_safetensors(const mn_net *net, const char *path) {
    mn_model *m = net->model;
    const size_t n = mn_model_n_tensors(m);
    mn_target *targets = mn_alloc(m->ctx, n + 1, sizeof *targets);
    if (!targets) return MODNAS_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        mn_param *p = mn_model_tensor(m, i);
        targets[i] = mn_target_of(p, p->name);
        targets[i].param = NULL;
    }
    const int rc = mn_targets_load(m->ctx, targets, n, path, 0);
    mn_free(m->ctx, targets);
    return rc;
}

/* ---- ONNX ------------------------------------------------------------------------------------------------ */

int mn_net_write_onnx(const mn_net *net, const char *path) {
    modnas_onnx_opts o;
    MN_TRY(mn_opts_read(net->model->ctx, "modnas_onnx_opts", net->onnx, &o, sizeof o));
    if (!o.mean && !o.stddev) {
        o.mean = net->mean;
        o.stddev = net->stddev;
    }
    if (!o.class_names) o.class_names = net->class_names;
    if (!o.metadata) o.metadata = net->metadata;
    return mn_onnx_write(net->model, &o, net->input, path);
}
