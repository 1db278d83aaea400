/* Inputs: a file or memory, plain or gzip, read once from front to back. */
#ifndef MN_INPUT_H
#define MN_INPUT_H

#include "base/base.h"

typedef struct mn_input mn_input;

enum mn_input_kind {
    MN_INPUT_AUTO = 0, /* gzip if the first two bytes are 1f 8b, else plain */
    MN_INPUT_PLAIN = 1,
    MN_INPUT_GZIP = 2 /* RFC 1952, any number of members, nothing else behind them */
};

/* Open a file. MODNAS_ENOTFOUND, MODNAS_EIO, MODNAS_ENOMEM. */
int mn_input_open(modnas_ctx *ctx, const char *path, int32_t kind, mn_input **out);
/* Open n bytes of memory, which must stay; `name` stands for the file in messages. */
int mn_input_open_mem(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, int32_t kind, mn_input **out);
/* Unpack the next bytes. *got < want only at the end, and the end is only reached when every member's CRC-32 and length
 * were right. MODNAS_EFORMAT with the packed offset, MODNAS_EIO, MODNAS_ENOMEM; what was written to dst then means
 * nothing. */
int mn_input_read(mn_input *s, void *dst, size_t want, size_t *got);
/* Unpacked bytes delivered so far, and their running SHA-256 (a copy may be finished at any time). */
uint64_t mn_input_bytes(const mn_input *s);
mn_sha256 mn_input_sha256(const mn_input *s);
const char *mn_input_name(const mn_input *s);
const char *mn_input_content(const mn_input *s); /* the same, " (unpacked)" behind it where that makes a difference */
void mn_input_close(mn_input *s); /* NULL is fine */

#endif
