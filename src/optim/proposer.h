/* Optimizers that learn from results: what was asked for and not told yet, in the order of asking.
 *
 *   ask    next(digits) for each architecture, distinct within one ask
 *   tell   judged by the objective; results go to commit in the order in which they were asked for, whatever the order
 *          they are told in
 *
 * An optimizer that cannot go on before it has results says MN_WAIT: the ask is short then. If it is asked again all the
 * same, what was not told counts as failed; so does the oldest of more than `most`. */
#ifndef MN_PROPOSER_H
#define MN_PROPOSER_H

#include "optim/points.h"

enum { MN_WAIT = 1 };

typedef struct mn_proposer {
    mn_points points;
    const mn_objective *objective;
    void *self; /* given to next and commit */
    int (*next)(void *self, int32_t *digits); /* 0, MN_WAIT, MODNAS_EDONE, or an error */
    /* is_own 0: nobody asked for it, the host tells what it knows. */
    int (*commit)(void *self, const int32_t *digits, const mn_fitness *f, int is_own);
    int64_t n, room, most; /* asked, not committed */
    int32_t *digits;
    mn_fitness *fitness;
    int32_t *told;
} mn_proposer;

/* self, next and commit are set before. */
int mn_proposer_init(mn_proposer *p, const mn_args *a, const mn_optim_env *env, const char *type);
void mn_proposer_free(mn_proposer *p);
int mn_proposer_ask(mn_proposer *p, int32_t n, mn_arch *const *archs, int32_t *n_out);
int mn_proposer_tell(mn_proposer *p, const mn_arch *arch, int status, const mn_metrics *m);
int mn_proposer_state(mn_proposer *p, mn_state *io);
/* Digits in a file are options of their parameters. */
int mn_points_digits_state(const mn_points *p, int32_t *digits, mn_state *io);

#endif
