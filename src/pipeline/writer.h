/* What a search tells TensorBoard: writers/, with `writer: {enabled: true}`.
 *
 *   trainer/train/{loss,acc_top1,acc_top5,LR}   a weight step          at epoch x steps + step
 *   trainer/valid/{loss,acc_top1,acc_top5}      a batch of validation  likewise
 *   arch/SLOT/CANDIDATE                         softmax(alpha)         after an epoch, at its last weight step
 *   evaluate/ESTIM/METRIC                       an evaluation          at its index
 *
 * Steps of a tag only rise: where an estimator later in the chain counts from 0, they go on from the last one.
 *
 * A start writes a file of its own. Going on, what was written after the checkpoint is cut off, and the new file tells a
 * TensorBoard that is looking to forget it. */
#ifndef MN_WRITER_H
#define MN_WRITER_H

#include "pipeline/expdir.h"
#include "search/search.h"

enum { MN_WRITER_TRAIN, MN_WRITER_VALID, MN_WRITER_PHASES };

typedef struct mn_writer_at {
    int64_t next[MN_WRITER_PHASES];     /* the least that the next step may be */
    mn_scores before[MN_WRITER_PHASES]; /* sums of the pass up to the latest step */
    int64_t end;                        /* steps of all tags are below */
} mn_writer_at;

typedef struct mn_writer {
    const mn_expdir *dir;
    mn_model *model;
    int32_t is_on;
    int fd; /* -1: no file is open */
    int64_t seconds, number, size; /* the file's name; bytes of it that are written */
    mn_str out;                    /* what comes behind them */
    size_t n_kept;                 /* of that; the rest is of an evaluation that is under way */
    mn_writer_at at, kept;         /* now; where what is kept ends */
    double flushed;
} mn_writer;

void mn_writer_init(mn_writer *w, const mn_expdir *dir, const mn_node *config, mn_model *model);
int mn_writer_open(mn_writer *w); /* begin a file, if it is enabled */
/* A disk that takes no more is a warning, and the end of the file. */
int mn_writer_step(mn_writer *w, const mn_progress *p, int is_kept);
int mn_writer_evaluated(mn_writer *w, const mn_evaluation *v);
int mn_writer_epoch(mn_writer *w);
int mn_writer_state(mn_writer *w, mn_state *io); /* saving: all that is kept is on the disk */
void mn_writer_close(mn_writer *w);              /* zeroed is fine */

#endif
