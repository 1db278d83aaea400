/* A file of named sections, each with its checksum: the container of checkpoints (docs/formats.md).
 *
 *   "MODNASCP"  u32 version  u32 sections  u64 bytes of the file
 *   a section:  64 bytes SHA-256 (hex) of what follows  u32 bytes of the name  u32 needed  u64 bytes of the content
 *               name  content      each filled up with zeros to a multiple of 8
 *
 * All of it is checked before a byte is believed. A reader looks sections up by name and passes over those that it does
 * not know, unless they are marked as needed. */
#ifndef MN_SECTIONS_H
#define MN_SECTIONS_H

#include "base/base.h"

#define MN_SECTIONS_MAGIC "MODNASCP"
enum {
    MN_SECTIONS_VERSION = 2, /* raised when the layout is another, or what a section says in its place */
    MN_SECTIONS_HEAD = 24, /* bytes in front of the first section */
    MN_SECTION_SUM = 64,
    MN_SECTION_HEAD = 80, /* of a section: its sum, then sizes */
    MN_SECTION_NAME_MAX = 1000
};

typedef struct mn_section {
    char *name; /* owned */
    int32_t needed;
    char *data; /* owned, but in a file that was read */
    size_t n;
    mn_emit_fn emit; /* not NULL: data is not in memory, this puts it */
    void *ud;
} mn_section;

typedef struct mn_sections mn_sections;
struct mn_sections {
    modnas_ctx *ctx;
    mn_vec list; /* mn_section */
    char *file;  /* of one that was read: all of it */
};

void mn_sections_init(mn_sections *f, modnas_ctx *ctx);
void mn_sections_free(mn_sections *f); /* zeroed is fine */
/* Takes data (from mn_alloc), on failure too. */
int mn_sections_add(mn_sections *f, const char *name, int32_t needed, char *data, size_t n);
/* Contents that emit puts when the file is written: three times, for their number, their sum and themselves. */
int mn_sections_add_from(mn_sections *f, const char *name, int32_t needed, mn_emit_fn emit, void *ud);
const mn_section *mn_sections_find(const mn_sections *f, const char *name); /* NULL: there is none */
/* Replace `path` at once. */
int mn_sections_write(const mn_sections *f, const char *path);
/* MODNAS_EFORMAT with path, section and numbers for what is torn or damaged; MODNAS_EUNSUPPORTED for another version;
 * MODNAS_ENOTFOUND, MODNAS_EIO, MODNAS_ENOMEM. */
int mn_sections_read(modnas_ctx *ctx, const char *path, mn_sections *out);
int mn_sections_parse(modnas_ctx *ctx, char *bytes, size_t n, const char *name, mn_sections *out); /* takes bytes */

/* ---- the pieces, for who reads a file as it goes by ---- */

typedef struct mn_section_sizes {
    uint32_t name, needed;
    uint64_t content;
    uint64_t padded_name, padded_content;
} mn_section_sizes;

int mn_sections_is(const void *bytes, size_t n); /* 1: begins with the mark */
/* The file's head of MN_SECTIONS_HEAD bytes; file_bytes: as many as there are. */
int mn_sections_head(modnas_ctx *ctx, const void *head, uint64_t *file_bytes, uint32_t *n_sections, const char *name);
/* A section's head of MN_SECTION_HEAD bytes, of which `left` with what is behind it are there; number from 0. */
int mn_section_head(modnas_ctx *ctx, const void *head, uint64_t left, uint32_t number, const char *name,
                    mn_section_sizes *out);
/* MODNAS_EFORMAT unless sha is what the head says. */
int mn_section_check(modnas_ctx *ctx, const void *head, mn_sha256 *sha, const char *section, const char *name);

#endif
