/* Looking at files: what one is and what is in it, or why it is bad. The public part is include/modnas/inspect.h.
 *
 *   bytes --sniff.c--> type --its reader--> what is in it  }
 *                               |                          }--> mn_report --> JSON, or text for a person
 *                               mn_source counts and hashes }
 *
 * Readers are those of the library's other folders, so what passes here is what they take. Nothing is held that can be
 * counted while it goes by: a file of gigabytes, packed or not, needs a window. mn_inspect_mem looks at memory in the
 * same way, whatever the type. */
#ifndef MN_INSPECT_H
#define MN_INSPECT_H

#include "data/source.h"

typedef struct mn_report {
    modnas_ctx *ctx;
    const char *type; /* a row of the types, or "unknown" */
    int32_t guessed;  /* nobody said what type it is */
    int32_t valid;
    int32_t whole; /* the unpacked content came to its end: */
    uint64_t bytes;
    char sha256[65];
    mn_str text; /* what is in it, each line indented; for a valid file */
    char *error; /* why it is not valid */
} mn_report;

/* Look at a source, which is closed. as: a type, or NULL to find it out.
 * @return 0 also for a file that is bad; MODNAS_EINVAL (no such type), MODNAS_ENOMEM */
int mn_inspect_source(modnas_ctx *ctx, mn_source *s, const char *as, mn_report *out);
int mn_inspect_mem(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, const char *as, mn_report *out);
void mn_report_free(mn_report *r);

/* ---- inside ---- */

/* The type that a file's first bytes and its name speak for; NULL: none. */
const char *mn_sniff(modnas_ctx *ctx, const uint8_t *head, size_t n, const char *name);

/* Read a source as a type: a status when it is bad; what is in it goes to r->text. */
typedef int (*mn_look_fn)(mn_report *r, mn_source *s);
int mn_look_idx(mn_report *r, mn_source *s);
int mn_look_cifar10(mn_report *r, mn_source *s);
int mn_look_packed(mn_report *r, mn_source *s);
int mn_look_table(mn_report *r, mn_source *s);
int mn_look_chkpt(mn_report *r, mn_source *s);
int mn_look_onnx(mn_report *r, mn_source *s);
int mn_look_yaml(mn_report *r, mn_source *s);
int mn_look_arch(mn_report *r, mn_source *s);

#endif
