/* SubNetEstim: architectures that the optimizer proposes, evaluated one by one with the weights of a supernet, or
 * trained.
 *
 *   epoch:  ask for arch_update_batch architectures;  each:  keep the weights
 *               [initial weights]  [subnet_epochs of training]  [statistics of batch norm]  metrics, record, tell
 *               the weights again, bit for bit
 *
 * It ends after `epochs`, or when nothing is left to propose; the model then stands for the best architecture. An
 * evaluation whose numbers are not finite is a failed one, which the optimizer is told of. */
#include <inttypes.h>

#include "config/config.h"
#include "estim/parts.h"
#include "estim/proposed.h"
#include "estim/reduced.h"

typedef struct subnet {
    int64_t epochs; /* of training a candidate */
    int32_t rebuild;
    mn_proposed proposed;
    mn_reduced reduced;
} subnet;

/* ---- one architecture ---------------------------------------------------------------------------------- */

static int train(mn_estim *e) {
    const subnet *s = e->state;
    const int64_t steps = mn_trainer_n_train(e->trainer);
    MN_TRY(mn_trainer_reset(e->trainer, s->epochs));
    for (int64_t epoch = 0; epoch < s->epochs; epoch++) {
        mn_scores sum = {0, 0, 0, 0};
        MN_TRY(mn_trainer_start_epoch(e->trainer, epoch));
        e->lr = mn_trainer_lr(e->trainer, epoch);
        for (int64_t i = 0; i < steps; i++) {
            MN_TRY(mn_trainer_step(e->trainer, &sum));
            MN_TRY(mn_estim_tick(e, "train", i, steps, &sum));
        }
    }
    return mn_trainer_settle(e->trainer);
}

static int take(mn_estim *e) {
    subnet *s = e->state;
    MN_TRY(mn_reduced_keep(&s->reduced, e));
    if (s->rebuild) MN_TRY(mn_store_initialise(e->model->weights, e->model->seed));
    if (s->epochs) MN_TRY(train(e));
    return mn_reduced_calibrate(&s->reduced);
}

static int put(mn_estim *e) {
    return mn_reduced_put(&((subnet *)e->state)->reduced, e);
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

static int prepare(mn_estim *e) {
    if (!e->trainer) return 0;
    MN_TRY(mn_trainer_prepare(e->trainer, 0, 0));
    return mn_reduced_prepare(&((subnet *)e->state)->reduced, e);
}

static int epochs(mn_estim *e) {
    mn_proposed *p = &((subnet *)e->state)->proposed;
    while (mn_estim_goes_on(e)) {
        const int rc = p->next == p->n ? mn_proposed_ask(p, e, p->room) : 0;
        if (rc == MODNAS_EDONE) mn_log(e->ctx, MODNAS_LOG_INFO, "estim.%s: %s", e->name, modnas_errmsg(e->ctx));
        if (rc) return rc == MODNAS_EDONE ? 0 : rc;
        while (p->next < p->n) MN_TRY(mn_proposed_evaluate(p, e));
        MN_TRY(mn_estim_epoch_done(e));
    }
    return 0;
}

static int state(mn_estim *e, mn_state *io) {
    return mn_proposed_state(&((subnet *)e->state)->proposed, io);
}

static int run(mn_estim *e) {
    subnet *s = e->state;
    const int goes_on = e->resumed;
    MN_TRY(mn_estim_check_proposer(e));
    MN_TRY(mn_estim_begin(e));
    if (!goes_on) s->proposed.next = s->proposed.n = 0;
    e->total_steps = 0; /* not known */
    const int rc = epochs(e), set = e->best_point ? mn_arch_apply(e->best_point) : 0;
    return rc ? rc : set;
}

static void destroy(mn_estim *e) {
    subnet *s = e->state;
    mn_proposed_free(&s->proposed, e);
    mn_reduced_free(&s->reduced, e);
}

static const mn_estim_vt vt = {.type = "SubNetEstim",
                               .prepare = prepare,
                               .run = run,
                               .destroy = destroy,
                               .take = take,
                               .put = put,
                               .state = state,
                               .searches = MN_SEARCHES_STILL};

/* ---- making -------------------------------------------------------------------------------------------- */

static int read_conf(mn_estim *e) {
    subnet *s = e->state;
    mn_estim_conf *conf;
    MN_TRY(mn_estim_conf_load(e->ctx, e->conf, &conf));
    const int64_t batch = conf->arch_update_batch;
    s->epochs = conf->subnet_epochs < 0 ? 0 : conf->subnet_epochs;
    mn_estim_conf_free(e->ctx, conf);
    return mn_proposed_init(&s->proposed, e, batch);
}

static int fill(mn_estim *e, const mn_args *a) {
    subnet *s = e->state;
    char where[256];
    MN_TRY(mn_estim_check_proposer(e));
    MN_TRY(read_conf(e));
    e->trains_each = s->epochs > 0;
    s->rebuild = mn_args_bool(a, "rebuild_subnet");
    if (s->rebuild && !s->epochs)
        return mn_args_fail(a, "rebuild_subnet", "true, and no subnet_epochs: networks would be scored untrained");
    if (s->epochs && !e->trainer)
        return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s: subnet_epochs needs a trainer",
                       mn_node_where(e->conf, where, sizeof where), e->name);
    MN_TRY(mn_estim_check_score(e));
    return mn_reduced_init(&s->reduced, e, a, s->epochs > 0);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_estim_make(&vt, a, env, sizeof(subnet), fill, out);
}

static const mn_arg_def args[] = {
    {"rebuild_subnet", MN_ARG_BOOL, "false", NULL,
     "subnet_epochs begin with initial weights, not with the shared ones"},
    MN_REDUCED_ARGS,
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_subnet_estim_component = {
    "estim", "SubNetEstim", "evaluates what an optimizer proposes, one network after the other", args, build, NULL};
