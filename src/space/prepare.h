/* Meet every kernel of a space before the first step.
 *
 *   for each candidate index j:  every mixed op takes its j-th candidate (j modulo its number of candidates)
 *       for each run of the caller (weight step, architecture step, evaluation):  record and plan
 *   then mixtures: the heaviest candidate everywhere, and a few drawn ones
 *   elastic values: each combination of width, window and resolution, the same one everywhere
 *   all of it for the first and for the last epoch, if any module depends on the epoch
 *
 * Afterwards all kernel plans exist, the arrays of the runs have grown, and the slab is large enough for any mixture,
 * so that another path makes no allocation, no plan and no object of the backend.
 *
 * The bound. Let saved_j(t) be what candidate j of mixed op t keeps for the backward, slab_j the need of path j. What
 * comes and goes within one mixed op depends on its own candidate, so a mixture needs at most
 *
 *     max over j of  slab_j + sum over t of (max over i of saved_i(t) - saved_j(t))
 *
 * where t = 0 stands for all that is outside mixed ops; the largest work space of a kernel comes on top.
 *
 * Under a limit (`memory` of the configuration) there is a second bound of the same form, for plans that drop all that
 * they can make again. Paths are cut where mixed ops begin and end, so what comes and goes within one depends on its
 * own candidate there, too. Either bound can be kept on every path; a limit below both is refused. */
#ifndef MN_PREPARE_H
#define MN_PREPARE_H

#include "space/space.h"

#define MN_PREPARE_RUNS 5

typedef struct mn_prepare_run {
    mn_run *run;
    int32_t arch_step; /* recorded as an architecture step */
    int32_t n_active;  /* of an architecture step: size of the active sets (sample_ops); 0: all candidates */
} mn_prepare_run;

typedef struct mn_prepare_opts {
    int32_t n_runs; /* <= MN_PREPARE_RUNS */
    mn_prepare_run runs[MN_PREPARE_RUNS];
    /* Begin run i with the options of its step, record input, model and loss as the step will, and plan it. */
    int (*record)(mn_run *run, int32_t i, void *ud);
    void *ud;
    int32_t dry; /* 1: only measure, the slab stays as it is */
} mn_prepare_opts;

/* Bytes of slab that any path needs at most. */
typedef struct mn_footprint {
    size_t saved, transients, workspace; /* saved for the backward; what comes and goes; of the kernel that wants most */
    size_t least; /* all of it with as much recomputed as can be; without a limit the same as with nothing */
} mn_footprint;
size_t mn_footprint_bytes(const mn_footprint *f); /* with nothing recomputed */
void mn_footprint_join(mn_footprint *f, const mn_footprint *other); /* the larger of each */

/* @param out  may be NULL. Choices, active sets and draw of the model are afterwards what they were; the runs hold what
 * was recorded last. Under a limit the slab is left for mn_prepare_limit. */
int mn_prepare(mn_model *model, const mn_prepare_opts *opts, mn_footprint *out);
/* What a pass of this model tells its run before it records (mn_run_set_limit). */
size_t mn_prepare_run_limit(const mn_model *model);
/* Settle the slab of a model with a limit that has `other` bytes besides it; *slab is what it takes. MODNAS_ECONFIG with
 * the smallest limit that would do. dry: nothing is reserved. */
int mn_prepare_limit(mn_model *model, const mn_footprint *f, size_t other, int dry, size_t *slab);

#endif
