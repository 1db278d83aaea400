/* Checkpoints of a search: what is in one (pack.c), what one is of (meta.c), when they are made and which one a run
 * goes on from (chkpt.c). The file is docs/formats.md's. */
#ifndef MN_CHKPT_H
#define MN_CHKPT_H

#include "base/sections.h"
#include "pipeline/pipeline.h"

/* under_way: in the middle of estimator p->at; else before it. MODNAS_EUNSUPPORTED: something has a state that it does
 * not save. */
int mn_pipeline_pack(mn_pipeline *p, int under_way, mn_sections *out);
/* What mn_pipeline_compare refuses leaves the search as it was; after another error it is torn, and only good for
 * another one to be loaded. `path` is for messages. */
int mn_pipeline_unpack(mn_pipeline *p, const mn_sections *f, const char *path);

/* What a checkpoint is of, as one line of JSON. */
int mn_pipeline_meta(const mn_pipeline *p, mn_str *out);
/* MODNAS_ECONFIG with both values if it is of another space, seed, number of threads, data or configuration. */
int mn_pipeline_compare(const mn_pipeline *p, const mn_sections *f, const char *path);

/* Intervals from the configuration. */
void mn_chkpt_init(mn_pipeline *p);
/* The folder is open: forget the checkpoints of a run before, or (resume) load the newest good one, if there is any. */
int mn_chkpt_open(mn_pipeline *p, int resume);
/* Write one now. A disk that refuses is a warning: the checkpoint before is still there. */
int mn_chkpt_write(mn_pipeline *p, int under_way);
/* The same if one is due, after an epoch or within one. */
int mn_chkpt_due(mn_pipeline *p, int is_epoch);

#endif
