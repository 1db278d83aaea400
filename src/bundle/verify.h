/* Verifying from the inside: verify.c reads a bundle and makes its pipeline, remeasure.c asks that for the numbers. */
#ifndef MN_VERIFY_H
#define MN_VERIFY_H

#include "bundle/bundle.h"
#include "config/config.h"
#include "export/export.h"
#include "pipeline/pipeline.h"

typedef struct mn_verification {
    modnas_ctx *ctx;
    const char *folder;
    mn_manifest manifest;
    mn_findings findings;
    mn_node *results; /* documents of results.json */
    modnas_config *cfg;
    const mn_node *config; /* its tree */
    mn_pipeline *pipeline; /* NULL: it cannot be made, and `why` is what is wrong: */
    char *why;
    mn_model *model;       /* the pipeline's, or one that was made without data; borrowed */
    mn_exporter *exporter; /* likewise */
} mn_verification;

/* What results.json states there; NULL: nothing. */
const mn_node *mn_stated(const mn_verification *v, const char *dotted);
/* Everything that takes a network: weights, counts, architectures, metrics. */
int mn_remeasure(mn_verification *v);

#endif
