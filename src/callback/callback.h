/* Callbacks: what is done beside an estimator's run at moments of it. Kind "callback"; the builder's env: const
 * mn_callback_env *, out: mn_callback **. The higher priority comes first, so that the later ones see what it made. */
#ifndef MN_CALLBACK_H
#define MN_CALLBACK_H

#include "search/search.h"

#define MN_MOST_TOP 100 /* of the best that may be kept */

typedef struct mn_callback_env { /* how files are written (pipeline/callbacks.c) */
    mn_model *model;
    const mn_objective *objective; /* NULL: the first metric */
    void *ud;
    int (*save_model)(void *ud, const mn_estim *e, const char *tag); /* chkpt/model_<estim>_<tag>.safetensors */
    int (*save_arch)(void *ud, const mn_estim *e, const char *tag, const mn_node *arch); /* outputs/arch_<estim>_<tag>.yaml */
    int (*save_text)(void *ud, const mn_estim *e, const char *before, const char *ending, mn_str *text); /* outputs/ */
    int (*drop)(void *ud, const mn_estim *e, const char *tag); /* both, of a run before, are there no more */
    int32_t *n_top;        /* how many of the best are kept */
    const char **run_file; /* name of results.json without its ending; lives as long as the callback */
} mn_callback_env;

typedef struct mn_callback mn_callback;
typedef struct mn_callback_vt { /* NULL: nothing is done then. Files may be written by all but `step` */
    const char *type;
    int32_t priority;
    int (*begin)(mn_callback *c, mn_estim *e); /* a phase begins; not when it goes on */
    int (*step)(mn_callback *c, const mn_progress *p); /* of a host's own loop, too; memory is not asked for */
    /* is_opt, a new optimum: the best so far, unless a callback before said otherwise. */
    int (*evaluated)(mn_callback *c, mn_estim *e, const mn_evaluation *v, int *is_opt);
    int (*epoch_done)(mn_callback *c, mn_estim *e, mn_str *line); /* e->epoch + 1 epochs are over; line: what is told */
    int (*end)(mn_callback *c, mn_estim *e);                      /* e->epoch are, and no more will be */
    void (*results)(const mn_callback *c, const mn_estim *e, mn_str *s); /* of e in results.json: ,"key":value */
    int (*state)(mn_callback *c, mn_state *io);                          /* base/state.h */
    void (*destroy)(mn_callback *c);                                     /* what `own` holds beyond its block */
} mn_callback_vt;

struct mn_callback {
    const mn_callback_vt *vt;
    modnas_ctx *ctx;
    mn_callback_env env;
    void *own; /* owned block of the type */
};
/* For builders: made, with own_bytes of zeroed memory, and filled by `fill`, after whose failure it is freed. out: mn_callback **. */
int mn_callback_make(const mn_callback_vt *vt, const mn_args *a, const mn_callback_env *env, size_t own_bytes,
                     int (*fill)(mn_callback *c, const mn_args *a), void *out);
void mn_callback_free(mn_callback *c); /* NULL is fine */

/* An interval of n: so many, below 1 a share of n, at least 1; 0: never. */
int64_t mn_callback_every(double intv, int64_t n);
/* Is it due after e->epoch + 1 epochs? */
int mn_callback_is_due(const mn_estim *e, double intv);
/* An interval from an arg. */
int mn_callback_intv(const mn_args *a, const char *name, double *out);
/* mn_callback_make of one whose own state is its arg `interval` alone, a double. */
int mn_callback_make_interval(const mn_callback_vt *vt, const mn_args *a, const mn_callback_env *env, void *out);
/* One more field of what is told of an epoch. */
void mn_callback_tell(mn_str *line, const char *fmt, ...) MN_PRINTF(2, 3);

int mn_callback_register(modnas_ctx *ctx);

#endif
