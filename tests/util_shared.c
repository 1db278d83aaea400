/* The shared folder of outside data, and packed data for tests (see util_shared.h). */
#include "util_shared.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const char *util_shared_path(const char *file, char *buf, size_t bytes) {
    const char *shared = getenv("MODNAS_SHARED");
    snprintf(buf, bytes, "%s/data/%s", shared ? shared : "../shared", file);
    return buf;
}

int util_shared_each(const char *folder, const char *prefix, int column, util_shared_fn fn) {
    char path[1024], local[640], line[512];
    snprintf(local, sizeof local, "%.100s/manifest.tsv", folder);
    FILE *f = fopen(util_shared_path(local, path, sizeof path), "r");
    if (!f) {
        printf("skipped: %s is not there\n", path);
        return -1;
    }
    int n = 0;
    for (int first = 1; fgets(line, sizeof line, f); first = 0) {
        char *rest = line, *file = strsep(&rest, "\t\n"), *value = file;
        for (int i = 0; i < column && value; i++) value = strsep(&rest, "\t\n");
        if (first || !value || strncmp(file, prefix, strlen(prefix)) != 0) continue;
        snprintf(local, sizeof local, "%.100s/%.512s", folder, file);
        fn(file, util_shared_path(local, path, sizeof path), value);
        n++;
    }
    fclose(f);
    return n;
}

size_t util_pack(const void *src, size_t n, int window_bits, void *dst, size_t cap) {
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)src;
    z.avail_in = (unsigned)n;
    z.next_out = dst;
    z.avail_out = (unsigned)cap;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    const size_t bytes = z.total_out;
    deflateEnd(&z);
    return bytes;
}
