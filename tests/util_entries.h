/* Every public function with a status that a host may call on things that stand, as a table: what refuses a whole
 * context (another thread, a parallel region, a forked child) is tested through all of them. Functions of the tape and
 * of arguments are not in it: they have a meaning inside a callback only. */
#ifndef UTIL_ENTRIES_H
#define UTIL_ENTRIES_H

#include "modnas/modnas.h"
#include "util_host.h"

/* One of everything, on one context; and room for results, which a refusal leaves alone. */
typedef struct util_subject {
    modnas_ctx *ctx;
    modnas_config *cfg;
    modnas_model *model;
    modnas_search *search; /* of the same configuration */
    modnas_arch *arch;     /* of the search */
    const modnas_builder *builder;
    char *text;
    float image[3 * 8 * 8], logits[4];
    modnas_config *new_cfg;
    modnas_model *new_model;
    modnas_search *new_search;
    modnas_arch *new_arch;
    modnas_module *new_module;
    const modnas_builder *new_builder;
    modnas_metric metrics[16];
    int32_t number, chw[3];
    int64_t macs;
    double loss;
} util_subject;

typedef struct util_entry {
    const char *name;
    int (*call)(util_subject *s);
    int32_t status;    /* what it answers on a subject that is free */
    int32_t may_start; /* 1: it opens the backend, or runs kernels; the others do neither */
} util_entry;

extern const util_entry util_entries[]; /* ends with a NULL name; those that change most come last */

/* A small network on `backend`; the folder is the caller's. */
void util_subject_open(util_subject *s, modnas_ctx *ctx, const char *backend);
void util_subject_clear(util_subject *s);          /* frees results; the rest stays */
void util_subject_close(util_subject *s);          /* the context stays */
int util_subject_untouched(const util_subject *s); /* no result was written */
/* SHA-256 of weights, configuration and architecture. */
void util_subject_hash(util_subject *s, char text[65]);

/* The names after `MODNAS_MUST_USE int` in the public headers that are neither in the table nor exempt; 0 or a list. */
void util_entries_missing(char *list, size_t bytes);

#endif
