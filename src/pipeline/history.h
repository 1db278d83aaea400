/* history.tsv: one line an evaluation. It is kept in memory; once opened, the file follows it. */
#ifndef MN_HISTORY_H
#define MN_HISTORY_H

#include "pipeline/expdir.h"
#include "search/search.h"

typedef struct mn_history {
    const mn_expdir *dir;
    mn_str text; /* the whole file */
    int32_t is_open;
    size_t saved;  /* bytes of it that are in the file */
    double synced; /* when the file was last known to be on the disk */
    int64_t n;    /* evaluations */
    int32_t n_columns;
    const char *column[MN_MAX_METRICS]; /* metrics in the order first met */
} mn_history;

void mn_history_init(mn_history *h, const mn_expdir *dir); /* a header alone */
int mn_history_open(mn_history *h);                        /* replaces the file by one with all so far */
int mn_history_check(const mn_history *h, const mn_metrics *m); /* MODNAS_EUNSUPPORTED: too many columns */
int mn_history_add(mn_history *h, const mn_evaluation *v);
/* All lines; loading: what was there before is gone, in the file too. */
int mn_history_state(mn_history *h, mn_state *io);
int mn_history_flush(mn_history *h); /* all of the file is on the disk */
void mn_history_close(mn_history *h); /* zeroed is fine */

#endif
