/* Sources of bytes: a file or memory, plain or packed, read once from front to back. */
#ifndef MN_SOURCE_H
#define MN_SOURCE_H

#include "base/base.h"

typedef struct mn_source mn_source;

enum mn_source_kind {
    MN_SOURCE_AUTO = 0, /* gzip if the first two bytes are 1f 8b, else plain */
    MN_SOURCE_PLAIN = 1,
    MN_SOURCE_GZIP = 2,   /* RFC 1952, any number of members, nothing else behind them */
    MN_SOURCE_ZLIB = 3,   /* RFC 1950, one stream, nothing behind it */
    MN_SOURCE_DEFLATE = 4 /* RFC 1951, the same */
};

/* Open a file. MODNAS_ENOTFOUND, MODNAS_EIO, MODNAS_ENOMEM. */
int mn_source_open(modnas_ctx *ctx, const char *path, int32_t kind, mn_source **out);
/* Open n bytes of memory, which must stay; `name` stands for the file in messages. */
int mn_source_open_mem(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, int32_t kind, mn_source **out);
/* Before the first read: the source's first bytes as they are, at most 64 KiB and fewer than `want` only if there are
 * no more; borrowed until the next call. */
int mn_source_head(mn_source *s, size_t want, const uint8_t **bytes, size_t *n);
/* Before the first read: unpack in another way than was said. */
int mn_source_unpack(mn_source *s, int32_t kind);
/* Unpack the next bytes. *got < want only at the end, and the end is only reached when every check value (gzip: CRC-32
 * and length of each member; zlib: Adler-32) was right. MODNAS_EFORMAT with the packed offset, MODNAS_EIO,
 * MODNAS_ENOMEM; what was written to dst then means nothing, and every later read fails too. */
int mn_source_read(mn_source *s, void *dst, size_t want, size_t *got);
/* Read to the end: what is left is checked, counted and hashed. */
int mn_source_drain(mn_source *s);
/* The next bytes in memory that grows as they come, at most `max`, fewer only at the end; *data is 0-terminated behind
 * its end and freed with mn_free. */
int mn_source_take(mn_source *s, size_t max, char **data, size_t *n);
/* Unpacked bytes delivered so far, and their running SHA-256 (a copy may be finished at any time). */
uint64_t mn_source_bytes(const mn_source *s);
mn_sha256 mn_source_sha256(const mn_source *s);
int32_t mn_source_kind(const mn_source *s);       /* never MN_SOURCE_AUTO */
uint64_t mn_source_packed(const mn_source *s);    /* bytes that came from the source so far */
uint64_t mn_source_n_members(const mn_source *s); /* packed streams that ended */
const char *mn_source_name(const mn_source *s);
const char *mn_source_content(const mn_source *s); /* the same, " (unpacked)" behind it where that makes a difference */
void mn_source_close(mn_source *s);                /* NULL is fine */

#endif
