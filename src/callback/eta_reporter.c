/* ETAReporter: when an estimator will be over, by the time that its last epoch took. */
#include <inttypes.h>

#include "callback/parts.h"

typedef struct eta {
    double began; /* the epoch; 0: it was under way when this run began, and all epochs so far say how long one takes */
} eta;

static int begin(mn_callback *c, mn_estim *e) {
    (void)e;
    ((eta *)c->own)->began = mn_seconds();
    return 0;
}

static int epoch_done(mn_callback *c, mn_estim *e, mn_str *line) {
    eta *s = c->own;
    const double now = mn_seconds();
    const double of_one = s->began > 0 ? now - s->began : (now - e->started) / (double)(e->epoch + 1);
    const int64_t left = (int64_t)(of_one * (double)(e->epochs - e->epoch - 1) + 0.5);
    s->began = now;
    mn_callback_tell(line, "ETA: %" PRId64 " h %" PRId64 " m %" PRId64 " s", left / 3600, left / 60 % 60, left % 60);
    return 0;
}

static const mn_callback_vt vt = {.type = "ETAReporter", .priority = -1, .begin = begin, .epoch_done = epoch_done};

static int build(const mn_component *component, const mn_args *a, const void *env, void *out) {
    (void)component;
    return mn_callback_make(&vt, a, env, sizeof(eta), NULL, out);
}

const mn_component mn_eta_reporter_component = {
    "callback", "ETAReporter", "time that is left, in the line of an epoch", NULL, build, NULL};
