/* DefaultEstim: train the weights for a number of epochs; score after the last one, and every valid_intv before it.
 *
 * On a supernet each step trains what its mixed ops run (a sampled path, a mixture, an index); a score is that of the
 * derived network. Without validation data nothing is scored: the network that is trained on everything at the end is
 * measured on the test set. */
#include "estim/parts.h"

typedef struct default_estim {
    int64_t valid_intv; /* 0: after the last epoch only */
} default_estim;

static int prepare(mn_estim *e) {
    return mn_trainer_prepare(e->trainer, 0, 0);
}

static int run(mn_estim *e) {
    const default_estim *s = e->state;
    const int scores = mn_estim_can_score(e);
    MN_TRY(mn_estim_begin(e));
    if (!scores) mn_log(e->ctx, MODNAS_LOG_WARN, "estim.%s: there is no validation data, nothing is scored", e->name);
    while (mn_estim_goes_on(e)) {
        MN_TRY(mn_estim_train_epoch(e, NULL));
        const int64_t done = e->epoch + 1;
        const int due = done == e->epochs || (s->valid_intv && done % s->valid_intv == 0);
        if (scores && due) MN_TRY(mn_estim_evaluate(e, NULL));
        MN_TRY(mn_estim_epoch_done(e));
    }
    return 0;
}

/* Where it is all estimators know. */
static int state(mn_estim *e, mn_state *io) {
    (void)e, (void)io;
    return 0;
}

static const mn_estim_vt vt = {.type = "DefaultEstim", .prepare = prepare, .run = run, .state = state};

static int fill(mn_estim *e, const mn_args *a) {
    default_estim *s = e->state;
    s->valid_intv = mn_args_given(a, "valid_intv") ? mn_args_int(a, "valid_intv") : 0;
    if (s->valid_intv >= 0) return 0;
    return mn_args_fail(a, "valid_intv", "is %lld, it is at least 0", (long long)s->valid_intv);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    MN_TRY(mn_estim_check_trainer(a->ctx, env, vt.type));
    return mn_estim_make(&vt, a, env, sizeof(default_estim), fill, out);
}

static const mn_arg_def args[] = {
    {"valid_intv", MN_ARG_INT, "null", NULL, "epochs between two scores; null: only after the last one"},
    {"save_best", MN_ARG_BOOL, "true", NULL, "taken for old configurations: the best is always saved"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_default_estim_component = {"estim", "DefaultEstim", "trains the weights", args, build, NULL};
