/* The parameters of NAS-Bench-Macro's networks (Su et al. 2021), from their definition: convolutions without bias, batch
 * norms' scale and shift, the linear layer with bias.
 *
 *   conv3x3 3 -> 32; stages of 2, 3, 3 layers with 64, 128, 256 channels, the first layer of a stage halves;
 *   conv1x1 -> 1280; linear -> 10
 *   layer 0: nothing, at the start of a stage conv1x1;  1: block of kernel 3, expansion 3;  2: of kernel 5, expansion 6 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/table.h"
#include "search_bench.h"

static int64_t conv_bn(int64_t in, int64_t out, int64_t kernel) {
    return in * out * kernel * kernel + 2 * out;
}

static int64_t block(int64_t in, int64_t out, int64_t kernel, int64_t expansion) {
    const int64_t wide = in * expansion;
    return conv_bn(in, wide, 1) + conv_bn(1, wide, kernel) + conv_bn(wide, out, 1);
}

int64_t search_macro_params(const char *arch) {
    static const int layers[] = {2, 3, 3};
    int64_t n = conv_bn(3, 32, 3), in = 32;
    for (int stage = 0; stage < 3; stage++) {
        const int64_t out = 64 << stage;
        for (int i = 0; i < layers[stage]; i++, arch++) {
            if (*arch == '0' && i == 0) n += conv_bn(in, out, 1);
            if (*arch == '1') n += block(in, out, 3, 3);
            if (*arch == '2') n += block(in, out, 5, 6);
            in = out;
        }
    }
    return n + conv_bn(in, 1280, 1) + 1280 * 10 + 10;
}

typedef struct writing {
    modnas_ctx *ctx;
    FILE *file;
    size_t arch, acc, params;
} writing;

static size_t column(const char *const *fields, size_t n, const char *name) {
    size_t i = 0;
    while (i < n && strcmp(fields[i], name) != 0) i++;
    return i;
}

static int write_line(size_t line, const char *const *fields, size_t n, void *ud) {
    writing *w = ud;
    if (line == 1) {
        w->arch = column(fields, n, "arch");
        w->acc = column(fields, n, "acc_mean");
        w->params = column(fields, n, "params");
        if (w->arch == n || w->acc == n || w->params == n)
            return mn_fail(w->ctx, MODNAS_EFORMAT, "NAS-Bench-Macro: no columns arch, acc_mean, params");
        fprintf(w->file, "arch\tacc_mean\tparams\n");
        return 0;
    }
    const long long ours = (long long)search_macro_params(fields[w->arch]), theirs = atoll(fields[w->params]);
    if (strcmp(fields[w->params], "-") != 0 && ours != theirs)
        return mn_fail(w->ctx, MODNAS_EFORMAT, "NAS-Bench-Macro %s: %lld parameters in the table, %lld by definition",
                       fields[w->arch], theirs, ours);
    fprintf(w->file, "%s\t%s\t%lld\n", fields[w->arch], fields[w->acc], ours);
    return 0;
}

int search_macro_write(modnas_ctx *ctx, const char *data, char *path, size_t bytes) {
    char from[640];
    mn_source *s;
    snprintf(from, sizeof from, "%snas_bench_macro/nasbench_macro.tsv", data);
    snprintf(path, bytes, "/tmp/modnas_macro_XXXXXX");
    const int fd = mkstemp(path);
    writing w = {.ctx = ctx, .file = fd < 0 ? NULL : fdopen(fd, "w")};
    if (!w.file) return mn_fail(ctx, MODNAS_EIO, "%s cannot be written", path);
    int rc = mn_source_open(ctx, from, MN_SOURCE_AUTO, &s);
    if (!rc) {
        rc = mn_table_walk(ctx, s, write_line, &w);
        mn_source_close(s);
    }
    if (fclose(w.file) != 0 && !rc) rc = mn_fail(ctx, MODNAS_EIO, "%s cannot be written", path);
    if (rc) unlink(path);
    return rc;
}
