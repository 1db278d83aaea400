/* EstimReporter: the line of log of an epoch, made of what the callbacks before this one tell. */
#include <inttypes.h>

#include "callback/parts.h"

static int epoch_done(mn_callback *c, mn_estim *e, mn_str *line) {
    const double *intv = c->own;
    if (line->failed) return MODNAS_ENOMEM;
    if (!mn_callback_is_due(e, *intv) && e->epoch + 1 < e->epochs) return 0;
    mn_log(c->ctx, MODNAS_LOG_INFO, "%s: [%3" PRId64 "/%" PRId64 "]%s%s", e->name, e->epoch + 1, e->epochs,
           line->n ? " " : "", line->n ? line->text : "");
    return 0;
}

static const mn_callback_vt vt = {.type = "EstimReporter", .priority = -10, .epoch_done = epoch_done};

static int build(const mn_component *component, const mn_args *a, const void *env, void *out) {
    (void)component;
    return mn_callback_make_interval(&vt, a, env, out);
}

static const mn_arg_def args[] = {
    {"interval", MN_ARG_REAL, "1", NULL, "epochs between two lines, below 1 a share of all; 0: only the last one"},
    {"format_fn", MN_ARG_ANY, "null", NULL, MN_UNUSED_ARG},
    {NULL, 0, NULL, NULL, NULL}};
const mn_component mn_estim_reporter_component = {
    "callback", "EstimReporter", "a line of log an epoch", args, build, NULL};
