/* Generations: a population is proposed whole, and when all of it has results the next one is bred from them. */
#ifndef MN_GENERATION_H
#define MN_GENERATION_H

#include "optim/proposer.h"

typedef struct mn_generation {
    mn_proposer proposer;
    int32_t pop_size;
    int32_t n, n_asked, n_done; /* of this generation: members, handed out, with results */
    int32_t *digits;            /* pop_size points, in the order of asking */
    mn_fitness *fitness;
    int32_t max_tries; /* children that are bred for one that was not met before */
    /* Before a generation that is not the first: look at the results. */
    int (*select)(void *self);
    /* A child of what was selected. */
    void (*breed)(void *self, mn_rng *rng, int32_t *digits);
    int32_t n_bred; /* members that are bred; the rest are at random */
} mn_generation;

/* pop_size, max_tries, n_bred, select, breed, proposer.self are set before; self begins with the generation. */
int mn_generation_init(mn_generation *g, const mn_args *a, const mn_optim_env *env, const char *type);
void mn_generation_free(mn_generation *g);
int mn_generation_state(mn_generation *g, mn_state *io);
/* Of each digit, one of the n parents' at random. */
void mn_points_cross(const mn_points *p, mn_rng *rng, const int32_t *const *parents, int32_t n, int32_t *digits);

/* For tables of optimizers whose state begins with one. */
int mn_generation_ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out);
int mn_generation_tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *m);

#endif
