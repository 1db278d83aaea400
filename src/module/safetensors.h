/* The safetensors file format: 8 bytes length of the header (little-endian), a JSON header, then the tensors' bytes.
 *
 *   {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
 *
 * Here tensors are F32 or F64; I64 is read, too, and passed over. Offsets count from the end of the header; tensors fill the file without gaps or overlaps.
 */
#ifndef MN_SAFETENSORS_H
#define MN_SAFETENSORS_H

#include "base/base.h"

#define MN_TENSOR_RANK 8

typedef struct mn_tensor_info {
    const char *name;
    int32_t rank;
    int64_t dims[MN_TENSOR_RANK];
    size_t elem_bytes; /* 8: F64; 4 or 0: F32 */
    int32_t is_int;    /* reading: 1: I64, as counters of others are; no numbers of ours */
    size_t count;      /* product of dims */
    size_t at;         /* reading: first byte, counted from the end of the header */
    const void *data;  /* reading: in the file's memory, maybe unaligned: copy it out with memcpy; NULL if not read */
} mn_tensor_info;

/* Put the elements of tensor i into data[0 .. count). */
typedef int (*mn_tensor_fill_fn)(size_t i, void *data, void *ud);

/* What a file is made of; `path` is for messages. Otherwise as mn_safetensors_write. */
typedef struct mn_safetensors_out {
    modnas_ctx *ctx;
    const char *path;
    const mn_tensor_info *tensors;
    size_t n;
    const char *const *metadata;
    mn_tensor_fill_fn fill;
    void *ud;
} mn_safetensors_out;
int mn_safetensors_put(mn_put_fn put, void *to, void *out); /* an mn_emit_fn; out: mn_safetensors_out */
/* Replace `path` at once. metadata: key, value, ..., NULL, or NULL. `count` is computed here. */
int mn_safetensors_write(modnas_ctx *ctx, const char *path, const mn_tensor_info *tensors, size_t n,
                         const char *const *metadata, mn_tensor_fill_fn fill, void *ud);

typedef struct mn_safetensors mn_safetensors;
/* MODNAS_EFORMAT with path, tensor and numbers when the file is truncated, malformed, or holds other types than F32
 * and F64. */
int mn_safetensors_read(modnas_ctx *ctx, const char *path, mn_safetensors **out);
/* The same of a file of file_bytes, `name` for messages, of which the first n bytes, at least the header, are in memory
 * from mn_alloc. Takes them, on failure too. */
int mn_safetensors_parse(modnas_ctx *ctx, char *bytes, size_t n, uint64_t file_bytes, const char *name,
                         mn_safetensors **out);
/* Length of the header as the first 8 bytes have it, at most MN_SAFETENSORS_HEADER_MAX in a right file. */
enum { MN_SAFETENSORS_HEADER_MAX = 100 << 20 }; /* the limit of the format's own reader */
uint64_t mn_safetensors_header_bytes(const void *bytes);
void mn_safetensors_free(mn_safetensors *f);
size_t mn_safetensors_count(const mn_safetensors *f);
const mn_tensor_info *mn_safetensors_at(const mn_safetensors *f, size_t i);
const mn_tensor_info *mn_safetensors_find(const mn_safetensors *f, const char *name); /* NULL if absent */
const char *mn_safetensors_metadata(const mn_safetensors *f, const char *key);        /* NULL if absent */

#endif
