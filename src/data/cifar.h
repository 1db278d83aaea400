/* CIFAR binary files: records of one size, nothing in front, between or behind; plain or in gzip.
 *
 *   CIFAR-10     label (0..9) | 3072 pixels: 32 x 32 red, then green, then blue, rows from the top
 *   CIFAR-100    coarse label (0..19) | fine label (0..99) | 3072 pixels
 *
 * Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), the data set's page. */
#ifndef MN_CIFAR_H
#define MN_CIFAR_H

#include "data/source.h"

enum { MN_CIFAR_PIXELS = 3 * 32 * 32 };
enum mn_cifar_kind { MN_CIFAR_10 = 1, MN_CIFAR_100 = 2 }; /* bytes of labels in a record */

/* What of one or more files is kept. Zero-initialise; mn_cifar_free. */
typedef struct mn_cifar {
    int64_t n, cap;
    uint8_t *pixels;    /* n x 3 x 32 x 32 */
    int32_t *labels;    /* n; of CIFAR-100 the fine ones */
    mn_sha256 sha;      /* of the unpacked files added, one behind the other; not finished */
    int64_t file_bytes; /* of the file added last, unpacked, and its hash */
    char file_sha256[65];
} mn_cifar;

/* Add the records of a file, or of n bytes of memory (`name` for messages), behind those that are there.
 * @return 0; MODNAS_EFORMAT (no record, a part of a record, a label out of range; with byte offset and numbers),
 * MODNAS_ENOTFOUND, MODNAS_EIO, MODNAS_ENOMEM; the records of *c are then as they were */
int mn_cifar_add(modnas_ctx *ctx, const char *path, int32_t kind, mn_cifar *c);
int mn_cifar_add_mem(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, int32_t kind, mn_cifar *c);
void mn_cifar_free(modnas_ctx *ctx, mn_cifar *c);

/* Look at the records of a source without keeping them: fn is called with whole records, in order; a status that is
 * not 0 ends the walk and is returned. A wrong file may be noticed only behind some of the calls. */
typedef int (*mn_cifar_fn)(const uint8_t *records, size_t n_records, void *ud);
int mn_cifar_walk(modnas_ctx *ctx, mn_source *s, int32_t kind, mn_cifar_fn fn, void *ud);

#endif
