/* Architectures that an optimizer proposed, and how many of them were evaluated. */
#ifndef MN_PROPOSED_H
#define MN_PROPOSED_H

#include "search/search.h"

typedef struct mn_proposed {
    int32_t room; /* arch_update_batch */
    mn_arch **archs;
    int32_t n, next; /* proposed; evaluated so far */
} mn_proposed;

/* Again after a failure: what is missing. */
int mn_proposed_init(mn_proposed *p, mn_estim *e, int64_t room);
void mn_proposed_free(mn_proposed *p, const mn_estim *e); /* zeroed is fine */
/* At most n new ones take the place of the old ones; MODNAS_EDONE when nothing is left to propose. */
int mn_proposed_ask(mn_proposed *p, mn_estim *e, int32_t n);
/* Evaluate the next one, of which there is one, and tell, after a checkpoint if that is due. Numbers that are not finite
 * and the like are a failed evaluation. */
int mn_proposed_evaluate(mn_proposed *p, mn_estim *e);
int mn_proposed_state(mn_proposed *p, mn_state *io);

#endif
