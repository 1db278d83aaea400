/* Points of a space of choices: what all optimizers that propose share.
 *
 * A point is one option for each parameter with choices, its digits. Points are drawn digit by digit, so that no number
 * of the size of the space is ever needed: spaces far above 2^64 are fine. */
#ifndef MN_POINTS_H
#define MN_POINTS_H

#include "optim/visited.h"
#include "search/search.h"

typedef struct mn_points {
    modnas_ctx *ctx;
    const char *type; /* of the optimizer: its name, and that of its stream of draws */
    uint64_t seed, step;
    int32_t n;        /* digits */
    int32_t *gene;    /* by digit: its parameter of an architecture */
    int32_t *choices; /* by digit */
    int32_t *digits;  /* work space of one point */
    mn_visited visited;
} mn_points;

/* For the model of env: seed from the arg `seed`, else the run's. MODNAS_ECONFIG: it has no choices to make, or
 * a mixed op whose candidate is none (with both names). */
int mn_points_init(mn_points *p, const mn_args *a, const mn_optim_env *env, const char *type);
void mn_points_free(mn_points *p); /* zeroed is fine */
int mn_points_state(mn_points *p, mn_state *io);
#define MN_POINTS_ARG                                                                                                  \
    { "seed", MN_ARG_INT, "null", NULL, "of the draws; null: the run's" }

void mn_points_rng(mn_points *p, mn_rng *rng); /* a generator for the next step */
void mn_points_draw(const mn_points *p, mn_rng *rng, int32_t *digits); /* uniform, visited or not */
int mn_points_same(const mn_points *p, const int32_t *a, const int32_t *b);
/* Another choice for one digit that has several, each equally likely; nothing where none has. */
void mn_points_mutate_one(const mn_points *p, mn_rng *rng, int32_t *digits);
/* Each digit that has several with this probability; how many changed. */
int32_t mn_points_mutate(const mn_points *p, mn_rng *rng, double probability, int32_t *digits);
void mn_points_write(const mn_points *p, const int32_t *digits, mn_arch *arch);
void mn_points_read(const mn_points *p, const mn_arch *arch, int32_t *digits);

/* Digits of points, one behind the other in a block of n. */
static inline int32_t *mn_points_at(const mn_points *p, int32_t *block, int64_t i) {
    return block + i * p->n;
}

/* All points were visited. */
int mn_points_are_all(const mn_points *p);
int mn_points_done(const mn_points *p); /* MODNAS_EDONE, with its text */
/* A point that was not visited, each equally likely; it is now. On average size / left draws are made. MODNAS_EDONE. */
int mn_points_new(mn_points *p, int32_t *digits);
/* Visit: is_new 0 if it was before. */
int mn_points_visit(mn_points *p, const int32_t *digits, int *is_new);

/* A number of points of at most `most`, from an arg that is at least `least`. */
int mn_points_count(const mn_args *a, const char *name, int32_t least, int32_t *out);

#endif
