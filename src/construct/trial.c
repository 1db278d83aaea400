/* One recording of a finished model, with every candidate of every mixed op: what its forward does wrong is found
 * before anything is run. Nothing is planned or computed. */
#include <inttypes.h>

#include "construct/parts.h"
#include "module/active.h"

enum { BATCH = 2 }; /* more than one: a forward that takes images for one another is noticed */

static int record(mn_model *m, mn_run *run, mn_value **logits, mn_value **aux) {
    const mn_run_opts opts = {.train = 1};
    const int64_t dims[4] = {BATCH, m->input[0], m->input[1], m->input[2]};
    mn_value *x;
    MN_TRY(mn_run_begin(run, &opts));
    MN_TRY(mn_input(run, dims, m->dtype, &x));
    MN_TRY(mn_model_forward(m, run, x, logits));
    return m->forward_aux ? m->forward_aux(m, run, aux) : 0;
}

static int check_logits(mn_model *m, const int64_t d[4]) {
    const int32_t classes = m->n_classes ? m->n_classes : (int32_t)d[1];
    if (d[0] == BATCH && d[1] == classes && d[2] == 1 && d[3] == 1) {
        m->n_classes = classes;
        return 0;
    }
    return mn_fail(
        m->ctx, MODNAS_ESHAPE,
        "model %s gives %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64 " for %d images of %dx%dx%d; %dx%dx1x1 is wanted",
        m->type, d[0], d[1], d[2], d[3], (int)BATCH, m->input[0], m->input[1], m->input[2], (int)BATCH, classes);
}

static int check_slots(const mn_model *m) {
    for (size_t i = 0; i < m->slots.n; i++) {
        const mn_slot *s = mn_model_slot(m, i);
        mn_str name = {.ctx = m->ctx}, path = {.ctx = m->ctx};
        if (s->n_forwards) continue;
        int rc = mn_slot_name(s, &name);
        if (!rc) rc = mn_module_path(s->module, &path);
        if (!rc)
            rc = mn_fail(m->ctx, MODNAS_EINVAL, "module '%s': %s is never used: the forward of %s leaves it out",
                         path.text, name.text, m->type);
        mn_str_free(&name);
        mn_str_free(&path);
        return rc;
    }
    return 0;
}

typedef struct unused {
    const mn_run *run;
    mn_str first; /* path of the first one */
    int64_t n;
} unused;

static int count_unused(mn_module *m, void *ud) {
    unused *u = ud;
    for (size_t i = 0; i < m->params.n; i++) {
        const mn_param *p = MN_AT(m->params, mn_module_param, i).param;
        if (p->role != MN_ROLE_WEIGHT || mn_run_uses(u->run, p) || mn_active_is_step(m, p)) continue;
        if (!u->n++) mn_str_add(&u->first, p->name);
    }
    return 0;
}

static int note_unused(const mn_model *m, const mn_run *run) {
    unused u = {run, {.ctx = m->ctx}, 0};
    MN_TRY(mn_module_walk(m->root, count_unused, &u));
    if (u.n && !u.first.failed)
        mn_log(m->ctx, MODNAS_LOG_WARN, "the forward of %s leaves %" PRId64 " of its weights out: %s%s", m->type, u.n,
               u.first.text, u.n > 1 ? ", ..." : "");
    mn_str_free(&u.first);
    return 0;
}

int mn_try_model(mn_model *m) {
    const int32_t before = m->record_all;
    mn_value *logits, *aux = NULL;
    mn_run *run;
    for (size_t i = 0; i < m->slots.n; i++) mn_model_slot(m, i)->n_forwards = 0;
    MN_TRY(mn_run_new(m->backend, m->dtype, m->slab, &run));
    m->record_all = 1;
    int rc = record(m, run, &logits, &aux);
    m->record_all = before;
    if (!rc) rc = check_logits(m, logits->dims);
    if (!rc && aux) rc = check_logits(m, aux->dims);
    if (!rc) rc = check_slots(m);
    if (!rc) rc = note_unused(m, run);
    mn_run_free(run);
    return rc;
}
