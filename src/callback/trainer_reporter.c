/* TrainerReporter: lines of log within an epoch, with the means so far of what the trainer measures. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "callback/parts.h"

static double mean(double sum, int64_t n) {
    return n ? sum / (double)n : NAN;
}

/* Of a validation only the end, which it is for. */
static int is_due(double intv, const mn_progress *p, int trains) {
    const int64_t every = mn_callback_every(intv, p->steps);
    return p->step + 1 == p->steps || (trains && every && (p->step + 1) % every == 0);
}

static int step(mn_callback *c, const mn_progress *p) {
    const mn_scores *s = p->sofar;
    const int trains = strcmp(p->phase, "train") == 0;
    char lr[32] = "";
    if (!trains && strcmp(p->phase, "valid") != 0) return 0;
    if (!is_due(*(const double *)c->own, p, trains)) return 0;
    if (trains) snprintf(lr, sizeof lr, " | LR: %.4f", p->lr);
    mn_log(c->ctx, MODNAS_LOG_INFO, "%s: [%3" PRId64 "/%" PRId64 "] Acc Top1: %.4f | Acc Top5: %.4f | Loss: %.4f%s",
           trains ? "Train" : "Valid", p->step + 1, p->steps, mean(s->top1, s->n), mean(s->top5, s->n),
           mean(s->loss, s->n), lr);
    return 0;
}

static const mn_callback_vt vt = {.type = "TrainerReporter", .priority = -1, .step = step};

static int build(const mn_component *component, const mn_args *a, const void *env, void *out) {
    (void)component;
    return mn_callback_make_interval(&vt, a, env, out);
}

static const mn_arg_def args[] = {
    {"interval", MN_ARG_REAL, "0.2", NULL, "steps between two lines, below 1 a share of an epoch; 0: only its last step"},
    {"format_fn", MN_ARG_ANY, "null", NULL, MN_UNUSED_ARG},
    {"stat_cls", MN_ARG_ANY, "null", NULL, MN_UNUSED_ARG},
    {NULL, 0, NULL, NULL, NULL}};
const mn_component mn_trainer_reporter_component = {
    "callback", "TrainerReporter", "lines of log within an epoch: accuracy, loss, learning rate", args, build, NULL};
