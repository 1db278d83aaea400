/* The state of a component as bytes: what it needs to go on later as if nothing had come between.
 *
 * A component lists its fields in one function, which saves or loads them by what the state is for:
 *
 *     static int state(mn_optim *o, mn_state *io) {
 *         random_search *s = o->state;
 *         MN_TRY(mn_state_u64(io, &s->step));
 *         return mn_visited_state(&s->visited, io);
 *     }
 *
 * What follows from the configuration is not in it. Numbers are little-endian. Loading refuses what does not fit
 * (MODNAS_EFORMAT, with the section's name), so that nothing out of a file is an index that was not looked at. */
#ifndef MN_STATE_H
#define MN_STATE_H

#include "base/base.h"

typedef struct modnas_state mn_state;
struct modnas_state {
    modnas_ctx *ctx;
    const char *section; /* for messages */
    int32_t loading;
    mn_map *names;  /* where names that are loaded live (mn_state_name) */
    mn_str out;     /* saving: what there is so far */
    mn_put_fn put;  /* saving piece by piece instead; NULL: into out */
    void *to;
    const char *in; /* loading: n bytes, read up to `at` */
    size_t n, at;
};

void mn_state_save_to(mn_state *s, modnas_ctx *ctx, const char *section);
void mn_state_put_to(mn_state *s, modnas_ctx *ctx, const char *section, mn_put_fn put, void *to);
void mn_state_load_from(mn_state *s, modnas_ctx *ctx, const char *section, const void *data, size_t n, mn_map *names);
/* After the last field: all was read, or (saving) there was memory. */
int mn_state_end(const mn_state *s);
void mn_state_free(mn_state *s); /* what was saved; zeroed is fine */

/* All of these: 0; MODNAS_EFORMAT; MODNAS_ENOMEM. On failure the field is as it was. */
int mn_state_bytes(mn_state *s, void *data, size_t n);
int mn_state_i32(mn_state *s, int32_t *x);
int mn_state_i64(mn_state *s, int64_t *x); /* loading: at most 2^53 in size, so that counting goes on from there */
int mn_state_u64(mn_state *s, uint64_t *x);
int mn_state_real(mn_state *s, double *x);
int mn_state_range(mn_state *s, int32_t *x, int32_t min, int32_t max); /* loading: min <= x <= max, or it is refused */
/* A number of elements of at least elem_bytes each: loading refuses more than there can be. */
int mn_state_count(mn_state *s, uint64_t *n, size_t elem_bytes);
int mn_state_text(mn_state *s, char **text);       /* owned, NULL is fine; loading frees the one before */
int mn_state_name(mn_state *s, const char **name); /* loaded: lives as long as `names` */
/* A fact that both sides must agree on, `what` for the message: "parameters". */
int mn_state_same(mn_state *s, int64_t value, const char *what);
/* Loading: all that is left, which is taken. */
const char *mn_state_rest(mn_state *s);
/* Refuse what was loaded. */
int mn_state_fail(const mn_state *s, const char *fmt, ...) MN_PRINTF(2, 3);

#endif
