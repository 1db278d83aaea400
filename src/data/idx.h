/* IDX files: the format of MNIST and Fashion-MNIST, plain or in gzip.
 *
 *   00 00 | element type | n_dims | n_dims sizes, 4 bytes big-endian each | elements, last dim fastest
 *
 * Read here: unsigned bytes (type 0x08) in one dimension (labels) or three (images: count, height, width). */
#ifndef MN_IDX_H
#define MN_IDX_H

#include "data/source.h"

enum mn_idx_want { MN_IDX_ANY = 0, MN_IDX_LABELS = 1, MN_IDX_IMAGES = 3 }; /* number of dimensions */

enum { MN_IDX_HEADER = 16 }; /* bytes before the data of images; 8 of labels */

typedef struct mn_idx {
    char *name;      /* of the file, for messages */
    int32_t n_dims;  /* 1 or 3 */
    int64_t dims[3]; /* each at least 1; 1 beyond n_dims */
    uint8_t *data;
    size_t data_bytes; /* product of dims */
    uint8_t header[MN_IDX_HEADER];
    size_t header_bytes;
    char sha256[65]; /* of the unpacked file: header and data */
    mn_sha256 sha;   /* the same, not finished: more may be added to a copy */
} mn_idx;

/* Read an IDX file from n bytes (plain or gzip; `name` for messages) or from a path. Memory used is at most twice what
 * is really there and never more than the header claims.
 * @return 0; MODNAS_EFORMAT (file, byte offset, numbers), MODNAS_EUNSUPPORTED (a known element type or rank that is not
 * read here), MODNAS_ENOTFOUND, MODNAS_EIO, MODNAS_ENOMEM; *out is untouched then */
int mn_idx_parse(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, int32_t want, mn_idx *out);
int mn_idx_read(modnas_ctx *ctx, const char *path, int32_t want, mn_idx *out);
/* The same of a source whose elements are not kept: fn is called with pieces of them, in order, and with what the
 * header said; a status that is not 0 ends the walk and is returned. out->data stays NULL. A wrong file may be noticed
 * only behind some of the calls. */
typedef int (*mn_idx_fn)(const mn_idx *idx, const uint8_t *elements, size_t n, void *ud);
int mn_idx_walk(modnas_ctx *ctx, mn_source *s, int32_t want, mn_idx_fn fn, void *ud, mn_idx *out);
void mn_idx_free(modnas_ctx *ctx, mn_idx *idx);

/* Images and labels belong together: same count, every label below n_classes. MODNAS_EFORMAT with sample, label,
 * offset. */
int mn_idx_check_count(modnas_ctx *ctx, const mn_idx *images, const mn_idx *labels);
int mn_idx_check_labels(modnas_ctx *ctx, const mn_idx *labels, int32_t n_classes);

#endif
