/* What a run left in its folder, read: results, configuration, history, event files (docs/formats.md). All of it is
 * foreign text. */
#ifndef MN_EXPERIMENT_H
#define MN_EXPERIMENT_H

#include "config/node.h"
#include "report/grid.h"

typedef struct mn_dots {
    mn_vec x, y; /* double */
} mn_dots;

typedef struct mn_experiment {
    modnas_ctx *ctx;
    const char *folder;   /* borrowed */
    mn_node *results_docs, *config_docs;
    const mn_node *results, *config; /* maps; config NULL: there is no config.yaml */
    char *config_text;
    mn_grid history;      /* file NULL: there is none */
    int32_t col_estim, col_arch, col_score; /* of it */
    mn_map scalars;       /* tag -> mn_dots *, of event files */
    size_t n_event_files, n_torn; /* files; those that end in half a record */
    const char *latency_table;    /* given beside; NULL: none */
} mn_experiment;

/* MODNAS_ENOTFOUND where there are no results; MODNAS_EFORMAT, MODNAS_ECONFIG with file:line. */
int mn_experiment_read(modnas_ctx *ctx, const char *folder, mn_experiment *out);
void mn_experiment_free(mn_experiment *e); /* zeroed is fine */

/* FOLDER/BEFORE NAME AFTER, freed by the caller; NULL when out of memory. */
char *mn_experiment_path(const mn_experiment *e, const char *before, const char *name, const char *after);
const mn_dots *mn_experiment_scalar(const mn_experiment *e, const char *tag); /* NULL: there is none */

/* Lookups in trees, forgiving: NaN or "" where there is no such thing. */
double mn_at_real(const mn_node *map, const char *path);
const char *mn_at_text(const mn_node *map, const char *path);
int mn_is_true(const mn_node *map, const char *path);
/* The one to show of an estimator that evaluated; number of those in results: estim map. */
const mn_node *mn_experiment_estims(const mn_experiment *e); /* a map, may be empty, never NULL */
/* The last estimator with a best architecture: what the run found. NULL: none has. name: its key. */
const mn_node *mn_experiment_found(const mn_experiment *e, const char **name);

#endif
