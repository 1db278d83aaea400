/* Bundles: one folder with what a run states and all that it takes to measure it again.
 *
 *   exp/NAME/ --make.c--> results.json  config.yaml  arch_*.yaml  model_*.safetensors  ...  manifest.tsv
 *   manifest.tsv --manifest.c--> rows --check.c--> are the files those that were written?  }
 *   config.yaml, weights --verify.c--> the run's pipeline, measured again                  }--> findings.c --> text, JSON
 *
 * A file is written down as a whole and in parts (parts.c), so that a change in it is told by the tensor or the key that
 * it is in. The public part is include/modnas/bundle.h, the format is in docs/formats.md. */
#ifndef MN_BUNDLE_H
#define MN_BUNDLE_H

#include "base/base.h"

/* ---- parts.c ------------------------------------------------------------------------------------------- */

enum { MN_PART_NAME = 80 };

typedef struct mn_part { /* ends where the next one begins, or with the file */
    char name[MN_PART_NAME];
    size_t at;
} mn_part;

/* Parts of a file by its ending and content: tensors, keys, items. None where it has fewer than two. parts: mn_part. */
int mn_parts_find(modnas_ctx *ctx, const char *file, const char *bytes, size_t n, mn_vec *parts);

/* ---- manifest.c ---------------------------------------------------------------------------------------- */

#define MN_MANIFEST "manifest.tsv"
#define MN_BUNDLE_ARCH  "arch_desc.yaml"    /* what the configuration names, */
#define MN_BUNDLE_TABLE "latency_table.tsv" /* under these names */

typedef struct mn_manifest_row {
    const char *file, *part; /* part NULL: all of it */
    uint64_t at, bytes;
    char sha256[65];
} mn_manifest_row;

typedef struct mn_manifest {
    modnas_ctx *ctx;
    mn_vec rows;  /* mn_manifest_row: each file, followed by its parts, which make it up */
    mn_map names; /* that rows point to */
} mn_manifest;

/* MODNAS_EFORMAT, "name:line: what": nothing but what mn_manifest_add and mn_manifest_end write is taken. */
int mn_manifest_parse(modnas_ctx *ctx, const char *text, size_t n, const char *name, mn_manifest *out);
void mn_manifest_free(mn_manifest *m); /* zeroed is fine */
const mn_manifest_row *mn_manifest_find(const mn_manifest *m, const char *file); /* NULL: it has no such file */
/* The rows of a file's contents, behind those that are there; and the last row. */
int mn_manifest_add(mn_str *s, const char *file, const char *bytes, size_t n);
void mn_manifest_end(mn_str *s);

/* ---- findings.c ---------------------------------------------------------------------------------------- */

enum mn_verdict { MN_HOLDS, MN_HOLDS_NOT, MN_UNCHECKED, MN_N_VERDICTS };

typedef struct mn_finding {
    int32_t verdict;
    char *what;
    char *stated, *found; /* JSON; NULL: nothing */
    char *why;            /* NULL: the two say it */
} mn_finding;

typedef struct mn_findings {
    modnas_ctx *ctx;
    mn_vec list; /* mn_finding */
    size_t n[MN_N_VERDICTS];
    int32_t is_measured, is_exact; /* numbers were measured again; as they were, so that they have to be the same */
} mn_findings;

void mn_findings_init(mn_findings *f, modnas_ctx *ctx);
void mn_findings_free(mn_findings *f);
/* Texts are copied; those behind `what` may be NULL. */
int mn_findings_add(mn_findings *f, int32_t verdict, const char *what, const char *stated, const char *found,
                    const char *why);
/* What went wrong is a finding, with the context's text, unless it was memory or a wish to stop. */
int mn_findings_fail(mn_findings *f, int32_t verdict, const char *what, int rc);
/* The same of two builders, which are freed. */
int mn_findings_take(mn_findings *f, int32_t verdict, const char *what, mn_str *stated, mn_str *found, const char *why);
int32_t mn_findings_hold(const mn_findings *f); /* 1: all of them do */
void mn_findings_json(mn_str *s, const mn_findings *f, const char *bundle);
void mn_findings_text(mn_str *s, const mn_findings *f, const char *bundle);

/* ---- check.c ------------------------------------------------------------------------------------------- */

/* Names of all that lies in a folder, sorted. names: char *, freed with mn_bundle_free_names. */
int mn_bundle_names(modnas_ctx *ctx, const char *folder, mn_vec *names);
void mn_bundle_free_names(modnas_ctx *ctx, mn_vec *names);
char *mn_bundle_path(modnas_ctx *ctx, const char *folder, const char *file); /* the caller's; NULL when out of memory */
int mn_bundle_is_file(const char *path);                                     /* 1: a plain one */
/* Is each file of the manifest as it was written, and is there no other one? */
int mn_bundle_check(const mn_manifest *m, const char *folder, mn_findings *f);

#endif
