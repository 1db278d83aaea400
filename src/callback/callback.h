/* Callbacks: what is done beside an estimator's run at moments of it. Kind "callback"; the builder's env: const
 * mn_callback_env *, out: mn_callback **. They are called while files are written, the higher priority first. */
#ifndef MN_CALLBACK_H
#define MN_CALLBACK_H

#include "search/search.h"

#define MN_MOST_TOP 100 /* of the best that may be kept */

typedef struct mn_callback_env { /* how files are written (pipeline/callbacks.c) */
    mn_model *model;
    void *ud;
    int (*save_model)(void *ud, const mn_estim *e, const char *tag); /* chkpt/model_<estim>_<tag>.safetensors */
    int (*save_arch)(void *ud, const mn_estim *e, const char *tag, const mn_node *arch); /* outputs/arch_<estim>_<tag>.yaml */
    int (*save_text)(void *ud, const mn_estim *e, const char *before, const char *ending, mn_str *text); /* outputs/ */
    int (*drop)(void *ud, const mn_estim *e, const char *tag); /* both, of a run before, are there no more */
    int32_t *n_top;        /* how many of the best are kept */
    const char **run_file; /* name of results.json without its ending; lives as long as the callback */
} mn_callback_env;

typedef struct mn_callback mn_callback;
typedef struct mn_callback_vt { /* NULL: nothing is done then */
    const char *type;
    int32_t priority;
    int (*begin)(mn_callback *c, mn_estim *e); /* a phase begins; not when it goes on */
    /* is_new: a new optimum: the best so far, or of several goals one that nothing dominates. */
    int (*evaluated)(mn_callback *c, mn_estim *e, const mn_evaluation *v, int is_new);
    int (*epoch_done)(mn_callback *c, mn_estim *e); /* e->epoch + 1 epochs are over */
    int (*end)(mn_callback *c, mn_estim *e);        /* e->epoch are, and no more will be */
    int (*state)(mn_callback *c, mn_state *io);     /* base/state.h */
    void (*destroy)(mn_callback *c);                /* what `own` holds beyond its block */
} mn_callback_vt;

struct mn_callback {
    const mn_callback_vt *vt;
    modnas_ctx *ctx;
    mn_callback_env env;
    void *own; /* owned block of the type */
};
/* own_bytes of zeroed memory. */
int mn_callback_new(const mn_callback_vt *vt, modnas_ctx *ctx, const mn_callback_env *env, size_t own_bytes,
                    mn_callback **out);
void mn_callback_free(mn_callback *c); /* NULL is fine */

/* Is it due after e->epoch + 1 epochs? intv: epochs, below 1 a share of all epochs; 0: never. */
int mn_callback_is_due(const mn_estim *e, double intv);

int mn_callback_register(modnas_ctx *ctx);

#endif
