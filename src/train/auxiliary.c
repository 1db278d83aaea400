/* AuxiliaryLoss: loss + aux_ratio c(logits of the auxiliary head, t), in training; in evaluation the loss alone. (The
 * original's makes a second forward for the head; here it is recorded behind the one that there is.) */
#include "train/parts.h"

typedef struct auxiliary {
    mn_model *model;
    mn_criterion *inner;
    double ratio;
} auxiliary;

static int loss(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **out) {
    const auxiliary *s = c->state;
    mn_value *aux, *more;
    MN_TRY(c->base->loss(c->base, run, logits, target, out));
    if (!mn_run_options(run)->train) return 0;
    MN_TRY(s->model->forward_aux(s->model, run, &aux));
    MN_TRY(s->inner->loss(s->inner, run, aux, target, &more));
    MN_TRY(mn_activation(run, more, MODNAS_ACT_LINEAR, s->ratio, 0, &more));
    return mn_add(run, *out, more, out);
}

static void destroy(mn_criterion *c) {
    mn_criterion_free(((auxiliary *)c->state)->inner);
}

static int fill(mn_criterion *c, const mn_args *a, const mn_criterion_env *env) {
    auxiliary *s = c->state;
    s->model = env->model;
    s->ratio = mn_args_real(a, "aux_ratio");
    if (!s->model->forward_aux)
        return mn_args_fail(a, "forward_func", "model %s has no auxiliary head", s->model->type);
    return mn_registry_build(c->ctx, "criterion", mn_args_node(a, "crit_conf"), NULL, NULL, NULL, &s->inner);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_criterion draft = {.loss = loss, .destroy = destroy};
    (void)c;
    return mn_criterion_make(&draft, a, env, "aux_ratio", sizeof(auxiliary), fill, out);
}

static const mn_arg_def args[] = {
    {"crit_conf", MN_ARG_SPEC, "CrossEntropyLoss", "criterion", "the loss c"},
    {"aux_ratio", MN_ARG_REAL, "0.4", NULL, "share of the auxiliary head's loss"},
    {"forward_func", MN_ARG_STR, "forward_aux", "forward_aux", "the head; there is one"},
    {0}};

const mn_component mn_auxiliary_loss = {
    "criterion", "AuxiliaryLoss", "loss + aux_ratio c(auxiliary head), in training", args, build, NULL};
