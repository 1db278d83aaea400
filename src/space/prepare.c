/* Walking through a space so that every kernel has been planned; see prepare.h for the order and for the bound. */
#include "space/prepare.h"

#include <string.h>

#include "space/elastic.h"

enum { N_RANDOM = 6 }; /* mixtures drawn at the end: neighbours of different kinds meet */

/* What a mixed op was set to before. */
typedef struct setting {
    int32_t *active, n_active, forced, choice, last, index;
} setting;

/* What plans of one sort need: those that save everything, those that save as little as they can. */
typedef struct tally {
    size_t *saved;     /* by run and tag: most bytes kept by any candidate */
    size_t *saved_now; /* by path, run and tag: what it kept */
    size_t *need;      /* by path and run: slab */
} tally;

enum { ALL, LEAST, N_TALLIES };

typedef struct walk {
    mn_model *model;
    const mn_prepare_opts *opts;
    int32_t n_mixed, n_widest;
    int32_t natural; /* 1: paths on which an evaluation takes as many candidates as a step does, else one */
    setting *before;
    int32_t *pick; /* by mixed op: the candidate that the present path takes */
    tally tally[N_TALLIES];
    int n_tallies;
    size_t scratch;    /* the largest work space of a kernel, behind all values */
    int32_t *heaviest; /* by mixed op */
    int32_t n_elastic, n_sizes; /* elastic values; paths on which each layer meets all of its sizes */
    int32_t *sizes_before;      /* by elastic value: its choice */
    size_t n_paths;
} walk;

static size_t row(const walk *w, size_t path, int32_t run) {
    return path * (size_t)w->opts->n_runs + (size_t)run;
}

static size_t *saved_of(const walk *w, const tally *t, size_t path, int32_t run) {
    return t->saved_now + row(w, path, run) * (size_t)(w->n_mixed + 1);
}

static size_t *most_saved(const walk *w, const tally *t, int32_t run) {
    return t->saved + (size_t)run * (size_t)(w->n_mixed + 1);
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

/* ---- elastic values ------------------------------------------------------------------------------------ */

/* Kinds that a layer's shapes depend on together; depth leaves blocks out, and the rest as it is. */
static const int32_t sized_by[] = {MN_ELASTIC_WIDTH, MN_ELASTIC_KERNEL, MN_ELASTIC_RESOLUTION};

static mn_elastic *elastic_at(const walk *w, int32_t i) {
    return MN_AT(w->model->space->elastic, mn_elastic *, (size_t)i);
}

static int32_t most_choices(const walk *w, int32_t kind) {
    int32_t most = 1;
    for (int32_t i = 0; i < w->n_elastic; i++)
        if (elastic_at(w, i)->kind == kind && elastic_at(w, i)->n > most) most = elastic_at(w, i)->n;
    return most;
}

static int keep_sizes(walk *w) {
    w->n_elastic = w->model->space ? (int32_t)w->model->space->elastic.n : 0;
    w->n_sizes = 1;
    w->sizes_before = mn_alloc(w->model->ctx, (size_t)w->n_elastic + 1, sizeof *w->sizes_before);
    if (!w->sizes_before) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < w->n_elastic; i++) w->sizes_before[i] = elastic_at(w, i)->param->index;
    for (size_t k = 0; k < MN_COUNT(sized_by); k++) w->n_sizes *= most_choices(w, sized_by[k]);
    return 0;
}

/* Combination j of the kinds' choices, the same one everywhere; the largest ones come first. */
static void set_sizes(const walk *w, int32_t j) {
    for (int32_t i = 0; i < w->n_elastic; i++) elastic_at(w, i)->param->index = elastic_at(w, i)->largest;
    for (size_t k = 0; k < MN_COUNT(sized_by); k++) {
        const int32_t most = most_choices(w, sized_by[k]), c = j % most;
        j /= most;
        for (int32_t i = 0; i < w->n_elastic; i++) {
            const mn_elastic *e = elastic_at(w, i);
            if (e->kind == sized_by[k]) e->param->index = (e->largest + c) % e->n;
        }
    }
}

static void restore_sizes(const walk *w) {
    for (int32_t i = 0; i < w->n_elastic; i++) elastic_at(w, i)->param->index = w->sizes_before[i];
}

/* `n` candidates from `first` on, in a circle, ascending. */
static void set_window(mn_mixed *m, int32_t first, int32_t n) {
    if (n < 1 || n > m->n) n = m->n;
    m->n_active = 0;
    for (int32_t i = 0; i < m->n; i++)
        if ((i - first + m->n) % m->n < n) m->active[m->n_active++] = i;
}

/* Make mixed op m take candidate c (and the following ones, where a step takes several) in a recording for run r. What
 * takes several may be evaluated with one, and other kernels may then do the work. */
static void set_candidate(const walk *w, mn_mixed *m, int32_t c, const mn_prepare_run *r) {
    const int evaluation = !w->natural && mn_run_options(r->run)->grads == 0;
    m->forced = m->choice = -1;
    if (evaluation || m->vt->param_type == MN_CATEGORICAL || (!m->vt->sums && !r->arch_step && m->n_samples == 1))
        m->forced = c;
    else if (!m->vt->sums)
        set_window(m, c, r->arch_step ? r->n_active : m->n_samples);
    if (r->arch_step) m->choice = c;
}

/* ---- paths --------------------------------------------------------------------------------------------- */

/* Count the plan that run r has now. */
static void count(walk *w, tally *sum, int32_t r) {
    const mn_run *run = w->opts->runs[r].run;
    sum->need[row(w, w->n_paths, r)] = mn_run_slab_bytes(run);
    if (mn_run_scratch_bytes(run) > w->scratch) w->scratch = mn_run_scratch_bytes(run);
    for (int32_t t = 0; t <= w->n_mixed; t++) {
        const size_t bytes = mn_run_saved_bytes(run, t);
        size_t *most = &most_saved(w, sum, r)[t];
        saved_of(w, sum, w->n_paths, r)[t] = bytes;
        if (bytes <= *most) continue;
        *most = bytes;
        if (t && r == 0 && sum == w->tally) w->heaviest[t - 1] = w->pick[t - 1];
    }
}

static int record_path(walk *w) {
    const mn_prepare_opts *o = w->opts;
    for (int32_t r = 0; r < o->n_runs; r++) {
        for (int32_t i = 0; i < w->n_mixed; i++) set_candidate(w, mn_model_mixed(w->model, i), w->pick[i], &o->runs[r]);
        w->model->arch_step = o->runs[r].arch_step;
        w->model->version++;
        mn_run_set_limit(o->runs[r].run, mn_prepare_run_limit(w->model));
        MN_TRY(o->record(o->runs[r].run, r, o->ud));
        count(w, &w->tally[ALL], r);
        if (w->n_tallies == 1) continue;
        MN_TRY(mn_run_plan_least(o->runs[r].run));
        count(w, &w->tally[LEAST], r);
    }
    w->n_paths++;
    return 0;
}

/* Each candidate of each mixed op on one path. */
static int record_each(walk *w) {
    for (int32_t j = 0; j < w->n_widest; j++) {
        for (int32_t i = 0; i < w->n_mixed; i++) w->pick[i] = j % mn_model_mixed(w->model, i)->n;
        MN_TRY(record_path(w));
    }
    return 0;
}

static int record_sizes(walk *w) {
    for (int32_t j = w->n_sizes; j-- > 0;) {
        set_sizes(w, j);
        MN_TRY(record_path(w));
    }
    return 0;
}

static int record_paths(walk *w) {
    mn_rng rng;
    mn_rng_init(&rng, w->model->seed, mn_stream("prepare"), 0);
    memset(w->pick, 0, (size_t)w->n_mixed * sizeof *w->pick);
    w->natural = 1;
    if (w->n_elastic || !w->n_mixed) MN_TRY(record_sizes(w));
    if (!w->n_mixed) return 0;
    MN_TRY(record_each(w));
    w->natural = 0;
    MN_TRY(record_each(w));
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

/* The bound of prepare.h, in two parts: most that is saved, and most on top of what a path saves. */
static void bound(const walk *w, const tally *t, size_t *saved, size_t *transients) {
    *saved = *transients = 0;
    for (int32_t r = 0; r < w->opts->n_runs; r++) {
        size_t most = 0, on_top = 0;
        for (int32_t i = 0; i <= w->n_mixed; i++) most += most_saved(w, t, r)[i];
        for (size_t path = 0; path < w->n_paths; path++) {
            size_t rest = t->need[row(w, path, r)];
            for (int32_t i = 0; i <= w->n_mixed; i++) rest -= saved_of(w, t, path, r)[i];
            if (rest > on_top) on_top = rest;
        }
        if (most + on_top <= *saved + *transients) continue;
        *saved = most;
        *transients = on_top;
    }
}

static void measure(const walk *w, mn_footprint *out) {
    bound(w, &w->tally[ALL], &out->saved, &out->transients);
    out->workspace = w->scratch;
    out->least = mn_footprint_bytes(out);
    if (w->n_tallies == 1) return;
    size_t saved, transients;
    bound(w, &w->tally[LEAST], &saved, &transients);
    if (saved + transients + w->scratch < out->least) out->least = saved + transients + w->scratch;
}

static int allocate(walk *w) {
    modnas_ctx *ctx = w->model->ctx;
    const size_t n = (size_t)w->n_mixed, runs = (size_t)w->opts->n_runs;
    w->before = mn_alloc(ctx, n + 1, sizeof *w->before);
    w->pick = mn_alloc(ctx, n + 1, sizeof *w->pick);
    w->heaviest = mn_alloc(ctx, n + 1, sizeof *w->heaviest);
    if (!w->before || !w->pick || !w->heaviest) return MODNAS_ENOMEM;
    MN_TRY(keep_sizes(w));
    MN_TRY(keep_settings(w));
    const size_t rounds = w->model->n_by_epoch ? 2 : 1, paths = rounds * (2 * (size_t)w->n_widest + N_RANDOM + 1 + (size_t)w->n_sizes);
    for (int i = 0; i < w->n_tallies; i++) {
        tally *t = &w->tally[i];
        t->saved = mn_alloc(ctx, runs, (n + 1) * sizeof *t->saved);
        t->need = mn_alloc(ctx, paths * runs, sizeof *t->need);
        t->saved_now = mn_alloc(ctx, paths * runs, (n + 1) * sizeof *t->saved_now);
        if (!t->saved || !t->need || !t->saved_now) return MODNAS_ENOMEM;
    }
    return 0;
}

static void release(walk *w) {
    modnas_ctx *ctx = w->model->ctx;
    if (w->before) restore_settings(w);
    if (w->sizes_before) restore_sizes(w);
    for (int i = 0; i < w->n_tallies; i++) {
        mn_free(ctx, w->tally[i].saved);
        mn_free(ctx, w->tally[i].need);
        mn_free(ctx, w->tally[i].saved_now);
    }
    mn_free(ctx, w->before);
    mn_free(ctx, w->sizes_before);
    mn_free(ctx, w->pick);
    mn_free(ctx, w->heaviest);
}

int mn_prepare(mn_model *model, const mn_prepare_opts *opts, mn_footprint *out) {
    if (opts->n_runs < 1 || opts->n_runs > MN_PREPARE_RUNS)
        return mn_fail(model->ctx, MODNAS_EINVAL, "prepare: %d runs; 1 to %d can be given", opts->n_runs,
                       MN_PREPARE_RUNS);
    if (!mn_model_committed(model)) return mn_fail(model->ctx, MODNAS_EINVAL, "prepare: the model is not committed");
    const int32_t arch_step = model->arch_step;
    const size_t limit = model->slab_limit;
    mn_footprint f = {0};
    walk w = {.model = model, .opts = opts, .n_mixed = mn_model_n_mixed(model), .n_tallies = model->memory ? 2 : 1};
    model->slab_limit = 0;
    int rc = allocate(&w);
    if (!rc) rc = record_epochs(&w);
    if (!rc) measure(&w, &f);
    release(&w);
    model->slab_limit = limit;
    model->arch_step = arch_step;
    model->version++;
    if (!rc && !opts->dry && !model->memory) rc = mn_slab_reserve(model->slab, mn_footprint_bytes(&f));
    if (!rc && out) *out = f;
    return rc;
}

/* ---- footprints and limits ----------------------------------------------------------------------------- */

size_t mn_footprint_bytes(const mn_footprint *f) {
    return f->saved + f->transients + f->workspace;
}

void mn_footprint_join(mn_footprint *f, const mn_footprint *other) {
    const size_t least = f->least > other->least ? f->least : other->least;
    if (mn_footprint_bytes(other) > mn_footprint_bytes(f)) *f = *other;
    f->least = least;
}

size_t mn_prepare_run_limit(const mn_model *model) {
    if (!model->memory) return 0;
    return model->slab_limit ? model->slab_limit : SIZE_MAX;
}

int mn_prepare_limit(mn_model *model, const mn_footprint *f, size_t other, int dry, size_t *slab) {
    enum { MIB = 1 << 20 };
    const size_t room = model->memory > other ? (model->memory - other) / 64 * 64 : 0, want = mn_footprint_bytes(f);
    if (room < f->least)
        return mn_fail(model->ctx, MODNAS_ECONFIG,
                       "%s: memory: a step needs %zu bytes for its values even if it recomputes what it can, and %zu are "
                       "used elsewhere; the smallest limit that would do is %zuMiB",
                       model->memory_key ? model->memory_key : "model", f->least, other,
                       (f->least + other + 64 + MIB - 1) / MIB);
    *slab = want < room ? want : room;
    if (dry) return 0;
    model->slab_limit = room;
    return mn_slab_reserve(model->slab, *slab);
}
