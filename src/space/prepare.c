/* Walking through a space so that every kernel has been planned; see prepare.h for the order and for the bound. */
#include "space/prepare.h"

#include <string.h>

enum { N_RANDOM = 6 }; /* mixtures drawn at the end: neighbours of different kinds meet */

/* What a mixed op was set to before. */
typedef struct setting {
    int32_t *active, n_active, forced, choice, last, index;
} setting;

typedef struct walk {
    mn_model *model;
    const mn_prepare_opts *opts;
    int32_t n_mixed, n_widest;
    int32_t natural; /* 1: the first path, on which sums are never reduced to one candidate */
    setting *before;
    int32_t *pick;     /* by mixed op: the candidate that the present path takes */
    size_t *saved;     /* by run and tag: most bytes kept by any candidate */
    size_t *saved_now; /* by path, run and tag: what it kept */
    size_t *need;      /* by path and run: slab */
    size_t scratch;    /* the largest work space of a kernel, behind all values */
    int32_t *heaviest; /* by mixed op */
    size_t n_paths;
} walk;

static size_t row(const walk *w, size_t path, int32_t run) {
    return path * (size_t)w->opts->n_runs + (size_t)run;
}

static size_t *saved_of(const walk *w, size_t path, int32_t run) {
    return w->saved_now + row(w, path, run) * (size_t)(w->n_mixed + 1);
}

/* ---- settings ------------------------------------------------------------------------------------------ */

static int keep_settings(walk *w) {
    for (int32_t i = 0; i < w->n_mixed; i++) {
        const mn_mixed *m = mn_model_mixed(w->model, i);
        setting *s = &w->before[i];
        s->active = mn_alloc(w->model->ctx, (size_t)m->n, sizeof *s->active);
        if (!s->active) return MODNAS_ENOMEM;
        memcpy(s->active, m->active, (size_t)m->n * sizeof *s->active);
        s->n_active = m->n_active;
        s->forced = m->forced;
        s->choice = m->choice;
        s->last = m->last;
        if (m->n > w->n_widest) w->n_widest = m->n;
    }
    return 0;
}

static void restore_settings(walk *w) {
    for (int32_t i = 0; i < w->n_mixed; i++) {
        mn_mixed *m = mn_model_mixed(w->model, i);
        setting *s = &w->before[i];
        if (!s->active) continue; /* out of memory before it was kept: nothing was changed either */
        memcpy(m->active, s->active, (size_t)m->n * sizeof *s->active);
        m->n_active = s->n_active;
        m->forced = s->forced;
        m->choice = s->choice;
        m->last = s->last;
        mn_free(w->model->ctx, s->active);
    }
}

/* `n` candidates from `first` on, in a circle, ascending. */
static void set_window(mn_mixed *m, int32_t first, int32_t n) {
    if (n < 1 || n > m->n) n = m->n;
    m->n_active = 0;
    for (int32_t i = 0; i < m->n; i++)
        if ((i - first + m->n) % m->n < n) m->active[m->n_active++] = i;
}

/* Make mixed op m take candidate c (and the following ones, where a step takes several) in a recording for run r. A sum
 * takes all of them anyway, but may be evaluated with one. */
static void set_candidate(const walk *w, mn_mixed *m, int32_t c, const mn_prepare_run *r) {
    const int evaluation = !w->natural && mn_run_options(r->run)->grads == 0;
    m->forced = m->choice = -1;
    if (m->vt->sums)
        m->forced = evaluation ? c : -1;
    else if (m->vt->param_type == MN_CATEGORICAL || (!r->arch_step && m->n_samples == 1))
        m->forced = c;
    else
        set_window(m, c, r->arch_step ? r->n_active : m->n_samples);
    if (r->arch_step) m->choice = c;
}

/* ---- paths --------------------------------------------------------------------------------------------- */

static int record_path(walk *w) {
    const mn_prepare_opts *o = w->opts;
    const size_t path = w->n_paths;
    for (int32_t r = 0; r < o->n_runs; r++) {
        for (int32_t i = 0; i < w->n_mixed; i++) set_candidate(w, mn_model_mixed(w->model, i), w->pick[i], &o->runs[r]);
        w->model->arch_step = o->runs[r].arch_step;
        w->model->version++;
        MN_TRY(o->record(o->runs[r].run, r, o->ud));
        w->need[row(w, path, r)] = mn_run_slab_bytes(o->runs[r].run);
        const size_t scratch = mn_run_scratch_bytes(o->runs[r].run);
        if (scratch > w->scratch) w->scratch = scratch;
        for (int32_t t = 0; t <= w->n_mixed; t++) {
            const size_t bytes = mn_run_saved_bytes(o->runs[r].run, t);
            size_t *most = &w->saved[(size_t)r * (size_t)(w->n_mixed + 1) + (size_t)t];
            saved_of(w, path, r)[t] = bytes;
            if (bytes <= *most) continue;
            *most = bytes;
            if (t && r == 0) w->heaviest[t - 1] = w->pick[t - 1];
        }
    }
    w->n_paths++;
    return 0;
}

static int record_paths(walk *w) {
    mn_rng rng;
    mn_rng_init(&rng, w->model->seed, mn_stream("prepare"), 0);
    memset(w->pick, 0, (size_t)w->n_mixed * sizeof *w->pick);
    w->natural = 1;
    MN_TRY(record_path(w));
    w->natural = 0;
    for (int32_t j = 0; j < w->n_widest; j++) {
        for (int32_t i = 0; i < w->n_mixed; i++) w->pick[i] = j % mn_model_mixed(w->model, i)->n;
        MN_TRY(record_path(w));
    }
    if (!w->n_mixed) return 0;
    for (int32_t j = 0; j < N_RANDOM; j++) {
        for (int32_t i = 0; i < w->n_mixed; i++)
            w->pick[i] = (int32_t)mn_rng_below(&rng, (uint64_t)mn_model_mixed(w->model, i)->n);
        MN_TRY(record_path(w));
    }
    memcpy(w->pick, w->heaviest, (size_t)w->n_mixed * sizeof *w->pick);
    return record_path(w);
}

/* What depends on the epoch may be absent in the first one: the last one is met as well. */
static int record_epochs(walk *w) {
    mn_model *m = w->model;
    const int64_t epoch = m->epoch, epochs = m->epochs;
    mn_model_set_epoch(m, 0, 1);
    int rc = record_paths(w);
    mn_model_set_epoch(m, 1, 1);
    if (!rc && m->n_by_epoch) rc = record_paths(w);
    mn_model_set_epoch(m, epoch, epochs);
    return rc;
}

static size_t bound(const walk *w) {
    size_t most = 0;
    for (size_t path = 0; path < w->n_paths; path++)
        for (int32_t r = 0; r < w->opts->n_runs; r++) {
            const size_t *saved = w->saved + (size_t)r * (size_t)(w->n_mixed + 1);
            size_t bytes = w->need[row(w, path, r)];
            for (int32_t t = 0; t <= w->n_mixed; t++) bytes += saved[t] - saved_of(w, path, r)[t];
            if (bytes > most) most = bytes;
        }
    return most + w->scratch;
}

static int allocate(walk *w) {
    modnas_ctx *ctx = w->model->ctx;
    const size_t n = (size_t)w->n_mixed, runs = (size_t)w->opts->n_runs;
    w->before = mn_alloc(ctx, n + 1, sizeof *w->before);
    w->pick = mn_alloc(ctx, n + 1, sizeof *w->pick);
    w->heaviest = mn_alloc(ctx, n + 1, sizeof *w->heaviest);
    w->saved = mn_alloc(ctx, runs, (n + 1) * sizeof *w->saved);
    if (!w->before || !w->pick || !w->heaviest || !w->saved) return MODNAS_ENOMEM;
    MN_TRY(keep_settings(w));
    const size_t rounds = w->model->n_by_epoch ? 2 : 1, paths = rounds * (1 + (size_t)w->n_widest + N_RANDOM + 1);
    w->need = mn_alloc(ctx, paths * runs, sizeof *w->need);
    w->saved_now = mn_alloc(ctx, paths * runs, (n + 1) * sizeof *w->saved_now);
    return w->need && w->saved_now ? 0 : MODNAS_ENOMEM;
}

int mn_prepare(mn_model *model, const mn_prepare_opts *opts, size_t *slab_bytes) {
    if (opts->n_runs < 1 || opts->n_runs > MN_PREPARE_RUNS)
        return mn_fail(model->ctx, MODNAS_EINVAL, "prepare: %d runs; 1 to %d can be given", opts->n_runs,
                       MN_PREPARE_RUNS);
    if (!mn_model_committed(model)) return mn_fail(model->ctx, MODNAS_EINVAL, "prepare: the model is not committed");
    const int32_t arch_step = model->arch_step;
    walk w = {.model = model, .opts = opts, .n_mixed = mn_model_n_mixed(model)};
    int rc = allocate(&w);
    if (!rc) rc = record_epochs(&w);
    if (w.before) restore_settings(&w);
    model->arch_step = arch_step;
    model->version++;
    const size_t bytes = rc ? 0 : bound(&w);
    if (!rc && !opts->dry) rc = mn_slab_reserve(model->slab, bytes);
    if (!rc && slab_bytes) *slab_bytes = bytes;
    void *const blocks[] = {w.before, w.pick, w.heaviest, w.saved, w.saved_now, w.need};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(model->ctx, blocks[i]);
    return rc;
}
