/* What a file is and what is in it, or why it is bad. */
#ifndef MODNAS_INSPECT_H
#define MODNAS_INSPECT_H

#include "modnas/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of modnas_inspect. Zero in a field means its default. */
typedef struct modnas_inspect_opts {
    size_t size;    /* sizeof(modnas_inspect_opts) as the caller compiled it */
    const char *as; /* type to read the file as; default: found out from its first bytes and its name */
} modnas_inspect_opts;

/** Read a file as what it is and say whether it is right. Types:
 *
 * "idx"      unsigned bytes in one dimension (labels) or three (images), plain or in gzip
 * "cifar10"  records of a label byte and 3072 pixels, plain or in gzip
 * "gzip"     RFC 1952, any number of members and nothing else; "zlib" RFC 1950 and "deflate" RFC 1951: one stream and
 *            nothing behind it ("deflate" has no mark of its own and is never found out)
 * "yaml"     YAML 1.2, any documents, also JSON
 * "arch"     an architecture description
 * "table"    lines of fields with tabs between them, the first line names the columns
 * "chkpt"    weights in safetensors, or a resumable checkpoint
 * "onnx"     a network as modnas_export writes it
 *
 * The library's own readers judge. Whatever the file, memory stays small: content is counted and hashed as it is
 * unpacked. YAML files, headers of checkpoints and ONNX files are held.
 *
 * One JSON object: {"file": path, "type": one of the types or "unknown", "valid": bool, "bytes", "sha256", "error"}.
 * "bytes" and "sha256" are those of the content, unpacked; null if it cannot be read to its end. "error" is one line
 * with the place, null if the file is valid.
 * @param path   a file; one that cannot be opened or read is not valid
 * @param opts   NULL: defaults
 * @param json   [out] freed with modnas_string_free
 * @param valid  [out] may be NULL; 1 or 0, as in the JSON
 * @return 0, also when the file is bad; MODNAS_EINVAL (no such type); MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_inspect_json(modnas_ctx *ctx, const char *path, const modnas_inspect_opts *opts,
                                                   char **json, int32_t *valid);

/** The same as text for a person, with what is in the file: sizes, counts of labels, columns, tensors. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_inspect_text(modnas_ctx *ctx, const char *path, const modnas_inspect_opts *opts,
                                                   char **text, int32_t *valid);

#ifdef __cplusplus
}
#endif
#endif
