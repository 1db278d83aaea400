/* What was found, as a network with weights: out of a supernet and its file, with statistics taken anew from training
 * data; and what is told of it where it goes. */
#ifndef MN_DERIVED_H
#define MN_DERIVED_H

#include "modnas/export.h"
#include "pipeline/pipeline.h"

typedef struct mn_derived {
    modnas_ctx *ctx;
    mn_node *tree; /* the configuration */
    mn_model *model;
    mn_node *arch;    /* what it is of a supernet; NULL: its configuration is a network */
    char *arch_file;  /* where that was found; NULL: it was given */
    mn_pipeline data; /* its data and loaders alone; none: the configuration has no data, or they could not be read */
    const char *calibration; /* how statistics were taken; NULL: they are those of the file */
    char calibration_sha256[65];
} mn_derived;

/* opts: complete, as mn_opts_read gives them. */
int mn_derived_open(modnas_ctx *ctx, const mn_node *config, const modnas_export_opts *opts, mn_derived *out);
void mn_derived_close(mn_derived *f); /* zeroed is fine */

/* derived_arch.c: the file of the architecture that the run of a checkpoint found; MODNAS_ECONFIG when there is none. */
int mn_derived_arch_file(modnas_ctx *ctx, const mn_node *config, const char *chkpt, char **out);
/* derived_file.c: the network as a file; report as modnas_export. */
int mn_derived_write(mn_derived *f, const modnas_onnx_opts *onnx, const char *path, mn_str *report);

#endif
