/* REINFORCE as a policy over a space of choices: it proposes what it draws, and learns from what it is told.
 *
 * After batch_size results the logits move along the mean of (r - b) (onehot(drawn) - p); b is the mean reward of the
 * batches before, b += 0.99 (mean r - b) after it was used, in the first batch that of the other results. The reward is
 * the goal's value. What failed, or breaks a limit, has the lowest reward so far, less what limits are exceeded by. What
 * was drawn before is drawn anew, up to ten times, and then comes again and counts: a result that is known teaches little,
 * and the few that the policy cannot leave alone still move it. */
#include <math.h>
#include <string.h>

#include "optim/policy.h"
#include "optim/proposer.h"
#include "optim/reinforce.h"

#define BASELINE_SHARE 0.99
enum { TRIES = 10 };

typedef struct policy_optim {
    mn_proposer proposer;
    mn_policy policy;
    int32_t batch_size, n; /* results that were not learnt from yet */
    int32_t *digits;
    mn_fitness *fitness;
    int32_t has_baseline, has_lowest;
    double baseline, lowest; /* lowest: reward of what did not fail and obeys */
} policy_optim;

static int next(void *self, int32_t *digits) {
    policy_optim *s = self;
    mn_points *p = &s->proposer.points;
    int is_new = 0;
    for (int i = 0; i < TRIES && !is_new; i++) {
        mn_rng rng;
        mn_points_rng(p, &rng);
        mn_policy_draw(&s->policy, &rng, digits);
        MN_TRY(mn_points_visit(p, digits, &is_new));
    }
    return 0;
}

static double reward(const policy_optim *s, int32_t i) {
    const mn_fitness *f = &s->fitness[i];
    return mn_fitness_is_feasible(f) ? f->value[0] : s->lowest - (f->failed ? 0 : f->violation);
}

static void learn(policy_optim *s) {
    const int32_t n = s->n;
    double mean = 0;
    for (int32_t i = 0; i < n; i++) mean += reward(s, i) / n;
    for (int32_t i = 0; i < n; i++) {
        const double r = reward(s, i);
        const double others = n > 1 ? (n * mean - r) / (n - 1) : r;
        const double advantage = r - (s->has_baseline ? s->baseline : others);
        mn_policy_add(&s->policy, mn_points_at(&s->proposer.points, s->digits, i), advantage / n);
    }
    mn_policy_step(&s->policy);
    s->baseline = s->has_baseline ? s->baseline + BASELINE_SHARE * (mean - s->baseline) : mean;
    s->has_baseline = 1;
}

static int commit(void *self, const int32_t *digits, const mn_fitness *f, int is_own) {
    policy_optim *s = self;
    if (!is_own) return 0; /* nothing that this policy drew */
    if (mn_fitness_is_feasible(f) && (!s->has_lowest || f->value[0] < s->lowest)) {
        s->lowest = f->value[0];
        s->has_lowest = 1;
    }
    memcpy(mn_points_at(&s->proposer.points, s->digits, s->n), digits, (size_t)s->proposer.points.n * sizeof *digits);
    s->fitness[s->n++] = *f;
    if (s->n < s->batch_size) return 0;
    if (s->has_lowest) learn(s); /* else there is nothing to learn from */
    s->n = 0;
    return 0;
}

static int ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    return mn_proposer_ask(&((policy_optim *)o->state)->proposer, n, archs, n_out);
}

static int tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *m) {
    return mn_proposer_tell(&((policy_optim *)o->state)->proposer, arch, status, m);
}

static void destroy(mn_optim *o) {
    policy_optim *s = o->state;
    mn_policy_free(&s->policy); /* looks at the points */
    mn_proposer_free(&s->proposer);
    mn_free(o->ctx, s->digits);
    mn_free(o->ctx, s->fitness);
}

static int state(mn_optim *o, mn_state *io) {
    policy_optim *s = o->state;
    MN_TRY(mn_proposer_state(&s->proposer, io));
    MN_TRY(mn_policy_state(&s->policy, io));
    MN_TRY(mn_state_range(io, &s->n, 0, s->batch_size - 1));
    for (int32_t i = 0; i < s->n; i++) {
        MN_TRY(mn_points_digits_state(&s->proposer.points, mn_points_at(&s->proposer.points, s->digits, i), io));
        MN_TRY(mn_fitness_state(&s->fitness[i], io));
    }
    MN_TRY(mn_state_range(io, &s->has_baseline, 0, 1));
    MN_TRY(mn_state_range(io, &s->has_lowest, 0, 1));
    MN_TRY(mn_state_real(io, &s->baseline));
    return mn_state_real(io, &s->lowest);
}

static const mn_optim_vt vt = {.type = "REINFORCEOptim", .ask = ask, .tell = tell, .destroy = destroy, .state = state};

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    policy_optim *s = o->state;
    if (mn_objective_n_goals(env->objective) > 1)
        return mn_fail(o->ctx, MODNAS_ECONFIG, "REINFORCEOptim has one reward, and `objective` has %d goals",
                       mn_objective_n_goals(env->objective));
    MN_TRY(mn_points_count(a, "batch_size", 1, &s->batch_size));
    s->proposer.self = s;
    s->proposer.next = next;
    s->proposer.commit = commit;
    MN_TRY(mn_proposer_init(&s->proposer, a, env, vt.type));
    MN_TRY(mn_policy_init(&s->policy, &s->proposer.points, a, "a_optim"));
    s->digits = mn_alloc(o->ctx, (size_t)s->batch_size * (size_t)s->proposer.points.n, sizeof *s->digits);
    s->fitness = mn_alloc(o->ctx, (size_t)s->batch_size, sizeof *s->fitness);
    return s->digits && s->fitness ? 0 : MODNAS_ENOMEM;
}

int mn_reinforce_policy_new(const mn_args *a, const mn_optim_env *env, mn_optim **out) {
    return mn_optim_make(&vt, a, env, sizeof(policy_optim), fill, out);
}
