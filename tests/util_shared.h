/* The shared folder of outside data (MODNAS_SHARED, else ../shared), and packed data for tests. */
#ifndef UTIL_SHARED_H
#define UTIL_SHARED_H

#include <stddef.h>

/* data/FILE of the shared folder; into buf, returns buf. */
const char *util_shared_path(const char *file, char *buf, size_t bytes);

/* Call fn(file, path, value) for each line of FOLDER/manifest.tsv, but the headings, whose first column begins with
 * `prefix`: that column, the path of the file in the shared folder, and the column of number `column` (from 0). Returns
 * how many; -1, after a line that says "skipped", where there is no manifest. */
typedef void (*util_shared_fn)(const char *file, const char *path, const char *value);
int util_shared_each(const char *folder, const char *prefix, int column, util_shared_fn fn);

/* Pack n bytes as zlib's windowBits say (31: one gzip member, 15: zlib, -15: deflate); returns the size. */
size_t util_pack(const void *src, size_t n, int window_bits, void *dst, size_t cap);

#endif
