/* EarlyStopping: an estimator ends when so many epochs in a row have brought no new optimum. Epochs that evaluated
 * nothing do not count: they could not have. */
#include <inttypes.h>

#include "callback/parts.h"

typedef struct stopping {
    int64_t threshold;
    int64_t n_without;             /* epochs in a row */
    int32_t n_new, n_evaluated;    /* 1: there was one in this epoch */
} stopping;

static int begin(mn_callback *c, mn_estim *e) {
    stopping *s = c->own;
    (void)e;
    s->n_without = 0;
    s->n_new = s->n_evaluated = 0;
    return 0;
}

static int evaluated(mn_callback *c, mn_estim *e, const mn_evaluation *v, int *is_opt) {
    stopping *s = c->own;
    (void)e, (void)v;
    s->n_evaluated = 1;
    if (*is_opt) s->n_new = 1;
    return 0;
}

static int epoch_done(mn_callback *c, mn_estim *e, mn_str *line) {
    stopping *s = c->own;
    (void)line;
    s->n_without = s->n_new ? 0 : s->n_without + s->n_evaluated;
    s->n_new = s->n_evaluated = 0;
    if (s->n_without < s->threshold || e->epoch + 1 >= e->epochs) return 0;
    e->is_stopped = 1;
    mn_log(c->ctx, MODNAS_LOG_INFO, "estim.%s: no new optimum in %" PRId64 " epochs: stopped after %" PRId64 " of %" PRId64,
           e->name, s->n_without, e->epoch + 1, e->epochs);
    return 0;
}

static int state(mn_callback *c, mn_state *io) {
    stopping *s = c->own;
    int64_t n = s->n_without;
    MN_TRY(mn_state_i64(io, &n));
    if (n < 0) return mn_state_fail(io, "%" PRId64 " epochs without an optimum", n);
    s->n_without = n;
    MN_TRY(mn_state_range(io, &s->n_new, 0, 1));
    return mn_state_range(io, &s->n_evaluated, 0, 1);
}

static const mn_callback_vt vt = {.type = "EarlyStopping",
                                  .priority = -10,
                                  .begin = begin,
                                  .evaluated = evaluated,
                                  .epoch_done = epoch_done,
                                  .state = state};

static int fill(mn_callback *c, const mn_args *a) {
    stopping *s = c->own;
    s->threshold = mn_args_int(a, "threshold");
    if (s->threshold >= 1) return 0;
    return mn_args_fail(a, "threshold", "it is %" PRId64 ", at least 1 is wanted", s->threshold);
}

static int build(const mn_component *component, const mn_args *a, const void *env, void *out) {
    (void)component;
    return mn_callback_make(&vt, a, env, sizeof(stopping), fill, out);
}

static const mn_arg_def args[] = {{"threshold", MN_ARG_INT, "10", NULL, "epochs in a row without a new optimum"},
                                  {NULL, 0, NULL, NULL, NULL}};
const mn_component mn_early_stopping_component = {
    "callback", "EarlyStopping", "ends an estimator that finds nothing better any more", args, build, NULL};
