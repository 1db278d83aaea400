/* Losses: the mean over a batch of the cross-entropy between softmax(logits) and the label, eq. 7 of Szegedy et al.
 * 2016 for the smoothed one: the target is (1 - eta) onehot + eta / classes. */
#include "train/parts.h"

static int cross_entropy(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    return mn_softmax_xent(run, logits, target, c->label_smoothing, loss);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)env;
    const char *arg = c->data;
    const double eta = mn_args_real(a, arg);
    if (!(eta >= 0 && eta <= 1)) return mn_args_fail(a, arg, "%g is outside 0..1", eta);
    mn_criterion *k = mn_alloc(a->ctx, 1, sizeof *k);
    if (!k) return MODNAS_ENOMEM;
    k->ctx = a->ctx;
    k->label_smoothing = eta;
    k->loss = cross_entropy;
    mn_ctx_hold(a->ctx);
    *(mn_criterion **)out = k;
    return 0;
}

void mn_criterion_free(mn_criterion *c) {
    if (!c) return;
    modnas_ctx *ctx = c->ctx;
    mn_free(ctx, c);
    mn_ctx_drop(ctx);
}

static const mn_arg_def plain_args[] = {
    {"label_smoothing", MN_ARG_REAL, "0", NULL, "share of the target that is uniform"}, {NULL, 0, NULL, NULL, NULL}};
static const mn_arg_def smooth_args[] = {{"eta", MN_ARG_REAL, "0.1", NULL, "share of the target that is uniform"},
                                         {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_criterion_components[MN_N_CRITERIA] = {
    {"criterion", "CrossEntropyLoss", "cross-entropy of softmax and label", plain_args, build, "label_smoothing"},
    {"criterion", "CrossEntropyLabelSmoothingLoss", "cross-entropy with a smoothed target", smooth_args, build, "eta"},
};
