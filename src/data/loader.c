/* Loaders: batches in a random order, prepared ahead by one thread.
 *
 *        claimed (thread)      done (thread)       taken (caller)     released (caller)
 *   ... |  being prepared  |  waiting to be taken  |  lent to the caller  |  free again ...
 *
 * Batch b lives in slot b % N_SLOTS.
 *
 * The four counters only grow within an epoch, released <= taken <= done <= claimed <= released + N_SLOTS. One mutex
 * guards them (but `taken`, which only the caller touches); a batch's memory is written and read outside of it by
 * whoever the counters say owns it. Starting an epoch first waits until the thread prepares nothing, then sets all to
 * 0: what was prepared ahead is forgotten.
 *
 * A sample that cannot be used holds the epoch up: its batch is not done, nothing after it is claimed, and `failed` says
 * so to the caller once it has taken what was done before. A caller who asks once more has that batch tried again.
 *
 * The order of an epoch is a permutation keyed by (seed, stream, epoch), a sample's augmentation is keyed by (seed,
 * epoch, index): a batch's bytes depend on neither the thread nor on what was asked before. The thread takes no
 * signals, allocates nothing and never touches the context. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "data/loader.h"

enum { N_SLOTS = 4, FLOATS_PER_LINE = 16 };

typedef struct fault { /* what is wrong with a sample, as mn_dataset_fail wants it */
    int64_t index;
    int code;
    int32_t label;
} fault;

struct mn_loader {
    modnas_ctx *ctx;
    mn_dataset *set;
    int32_t *index, *order; /* n: the samples; the samples in this epoch's order */
    int32_t *label_map;     /* NULL: none */
    int64_t n, n_batches, epoch;
    int32_t batch, n_classes, augment, shuffle, prefetch;
    uint64_t seed, stream, augment_stream;
    size_t sample_values, slot_values;
    float *x; /* N_SLOTS slots */
    int32_t *y;
    double waited; /* seconds, and how often */
    int64_t waits;

    pthread_t thread;
    pid_t thread_pid; /* process that has the thread; 0: none */
    pthread_mutex_t mutex;
    pthread_cond_t work, ready; /* a slot or an epoch for the thread; a batch, or rest, for the caller */
    int64_t claimed, done, taken, released;
    int busy, stop, failed;
    fault fault; /* when failed */
    int told;    /* 1: the caller knows; its next call tries again */
};

/* ---- one batch ----------------------------------------------------------------------------------------- */

static int32_t batch_samples(const mn_loader *l, int64_t b) {
    const int64_t left = l->n - b * l->batch;
    return left < l->batch ? (int32_t)left : l->batch;
}

/* 0, or -1 with what is wrong with the first sample that cannot be used. */
static int fill(const mn_loader *l, int64_t b, fault *f) {
    const int64_t slot = b % N_SLOTS;
    float *x = l->x + (size_t)slot * l->slot_values;
    int32_t *y = l->y + slot * l->batch;
    const int32_t *order = l->order + b * l->batch, n = batch_samples(l, b);
    for (int32_t i = 0; i < n; i++, x += l->sample_values) {
        mn_rng rng;
        mn_rng_init(&rng, l->seed, l->augment_stream, (uint64_t)l->epoch << 32 | (uint32_t)order[i]);
        int32_t label = -1;
        const int code = l->set->vt->sample(l->set, order[i], l->augment, &rng, x, &label);
        const int good = !code && label >= 0 && label < l->set->n_classes;
        y[i] = good && l->label_map ? l->label_map[label] : label;
        if (good && y[i] >= 0) continue;
        *f = (fault){order[i], code, label};
        return -1;
    }
    return 0;
}

/* ---- the thread ------------------------------------------------------------------------------------------ */

static void *prepare_ahead(void *arg) {
    mn_loader *l = arg;
    pthread_mutex_lock(&l->mutex);
    for (;;) {
        while (!l->stop && (l->claimed >= l->n_batches || l->claimed >= l->released + N_SLOTS))
            pthread_cond_wait(&l->work, &l->mutex);
        if (l->stop) break;
        const int64_t b = l->claimed++;
        l->busy = 1;
        pthread_mutex_unlock(&l->mutex);
        fault f;
        const int failed = fill(l, b, &f);
        pthread_mutex_lock(&l->mutex);
        l->busy = 0;
        if (failed) {
            l->failed = 1;
            l->fault = f;
            l->claimed = l->n_batches;
        }
        l->done += !failed;
        pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* Without a thread to be had the caller prepares its batches: slower, the same bytes. */
static void start_thread(mn_loader *l) {
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before)) return;
    const int error = pthread_create(&l->thread, NULL, prepare_ahead, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        l->prefetch = 0;
        char text[128];
        mn_log(l->ctx, MODNAS_LOG_WARN, "%s: no thread to prepare batches ahead: %s", l->set->name,
               strerror_r(error, text, sizeof text));
        return;
    }
    l->thread_pid = getpid();
}

static int in_fork(const mn_loader *l) {
    return l->thread_pid && l->thread_pid != getpid();
}

static int fail_fork(const mn_loader *l) {
    return mn_fail(l->ctx, MODNAS_EFORK, "%s: the loader's thread is in process %ld, this is %ld", l->set->name,
                   (long)l->thread_pid, (long)getpid());
}

/* ---- making and freeing ---------------------------------------------------------------------------------- */

static int check_opts(modnas_ctx *ctx, const mn_loader_opts *o) {
    if (o->batch < 1) return mn_fail(ctx, MODNAS_EINVAL, "a batch of %d samples", o->batch);
    const int64_t n = o->index ? o->n : o->set->n;
    if (n < 1 || n > INT32_MAX)
        return mn_fail(ctx, MODNAS_EINVAL, "%s: %lld samples to load", o->set->name, (long long)n);
    return 0;
}

static int fill_arrays(mn_loader *l, const mn_loader_opts *o) {
    modnas_ctx *ctx = l->ctx;
    const mn_dataset *d = o->set;
    l->sample_values = (size_t)d->c * (size_t)d->h * (size_t)d->w;
    if (__builtin_mul_overflow(l->sample_values, (size_t)l->batch, &l->slot_values) || l->slot_values > SIZE_MAX / 64)
        return mn_fail(ctx, MODNAS_ENOMEM, "%s: a batch of %d samples of %zu values does not fit in memory", d->name,
                       l->batch, l->sample_values);
    l->slot_values = (l->slot_values + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
    l->index = mn_alloc(ctx, (size_t)l->n, sizeof *l->index);
    l->order = mn_alloc(ctx, (size_t)l->n, sizeof *l->order);
    l->y = mn_alloc(ctx, N_SLOTS * (size_t)l->batch, sizeof *l->y);
    l->x = mn_alloc_aligned(ctx, N_SLOTS * l->slot_values * sizeof *l->x);
    if (o->label_map) l->label_map = mn_alloc(ctx, (size_t)d->n_classes, sizeof *l->label_map);
    if (!l->index || !l->order || !l->y || !l->x || (o->label_map && !l->label_map)) return MODNAS_ENOMEM;
    for (int64_t i = 0; i < l->n; i++) l->order[i] = l->index[i] = o->index ? o->index[i] : (int32_t)i;
    if (o->label_map) memcpy(l->label_map, o->label_map, (size_t)d->n_classes * sizeof *l->label_map);
    return 0;
}

int mn_loader_new(modnas_ctx *ctx, const mn_loader_opts *o, mn_loader **out) {
    MN_TRY(check_opts(ctx, o));
    mn_loader *l = mn_alloc(ctx, 1, sizeof *l);
    if (!l) return MODNAS_ENOMEM;
    l->ctx = ctx;
    mn_ctx_hold(ctx);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    l->set = o->set;
    l->n = o->index ? o->n : o->set->n;
    l->epoch = -1;
    l->batch = o->batch < l->n ? o->batch : (int32_t)l->n;
    l->n_batches = (l->n + l->batch - 1) / l->batch;
    l->n_classes = o->label_map ? o->n_classes : o->set->n_classes;
    l->augment = o->augment;
    l->shuffle = o->shuffle;
    l->prefetch = o->prefetch && !o->set->vt->on_caller;
    l->seed = o->seed;
    l->stream = mn_stream(o->stream);
    l->augment_stream = mn_stream("data.augment");
    const int rc = fill_arrays(l, o);
    if (rc)
        mn_loader_free(l);
    else
        *out = l;
    return rc;
}

int mn_loader_sample(const mn_loader *of, int64_t n, mn_loader **out) {
    enum { SEED = 1 }; /* not the run's: runs are calibrated on the same samples */
    int32_t *index = mn_alloc(of->ctx, (size_t)of->n, sizeof *index);
    mn_rng rng;
    if (!index) return MODNAS_ENOMEM;
    memcpy(index, of->index, (size_t)of->n * sizeof *index);
    mn_rng_init(&rng, SEED, mn_stream("data.sample"), 0);
    mn_rng_shuffle(&rng, index, of->n);
    const mn_loader_opts o = {.set = of->set,
                              .index = index,
                              .n = n < of->n ? n : of->n,
                              .label_map = of->label_map,
                              .n_classes = of->n_classes,
                              .batch = of->batch,
                              .prefetch = of->prefetch,
                              .stream = "data.order.sample"};
    const int rc = mn_loader_new(of->ctx, &o, out);
    mn_free(of->ctx, index);
    return rc;
}

void mn_loader_free(mn_loader *l) {
    if (!l) return;
    if (l->thread_pid && !in_fork(l)) {
        pthread_mutex_lock(&l->mutex);
        l->stop = 1;
        pthread_cond_signal(&l->work);
        pthread_mutex_unlock(&l->mutex);
        pthread_join(l->thread, NULL);
    }
    if (!in_fork(l)) { /* in a forked child the thread may seem to wait on them for ever */
        pthread_cond_destroy(&l->ready);
        pthread_cond_destroy(&l->work);
        pthread_mutex_destroy(&l->mutex);
    }
    modnas_ctx *ctx = l->ctx;
    void *const blocks[] = {l->label_map, l->y, l->order, l->index, l};
    mn_free_aligned(ctx, l->x);
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(ctx, blocks[i]);
    mn_ctx_drop(ctx);
}

/* ---- use ------------------------------------------------------------------------------------------------- */

int64_t mn_loader_n_batches(const mn_loader *l) {
    return l->n_batches;
}
int64_t mn_loader_n_samples(const mn_loader *l) {
    return l->n;
}
int32_t mn_loader_batch_size(const mn_loader *l) {
    return l->batch;
}
int32_t mn_loader_n_classes(const mn_loader *l) {
    return l->n_classes;
}
const int32_t *mn_loader_label_map(const mn_loader *l) {
    return l->label_map;
}
const mn_dataset *mn_loader_dataset(const mn_loader *l) {
    return l->set;
}
size_t mn_loader_ahead(int32_t batch, size_t sample_bytes) {
    return N_SLOTS * (size_t)batch * (sample_bytes + sizeof(int32_t));
}
double mn_loader_waited(const mn_loader *l) {
    return l->waited;
}
int64_t mn_loader_waits(const mn_loader *l) {
    return l->waits;
}

static void count_wait(mn_loader *l, double since) {
    l->waited += mn_seconds() - since;
    l->waits++;
}

static void set_order(mn_loader *l) {
    if (!l->shuffle) return;
    memcpy(l->order, l->index, (size_t)l->n * sizeof *l->order);
    mn_rng rng;
    mn_rng_init(&rng, l->seed, l->stream, (uint64_t)l->epoch);
    mn_rng_shuffle(&rng, l->order, l->n);
}

/* Begin an epoch behind its first `taken` batches. */
static int start_at(mn_loader *l, int64_t epoch, int64_t taken) {
    if (epoch < 0 || epoch > INT32_MAX)
        return mn_fail(l->ctx, MODNAS_EINVAL, "%s: epoch %lld", l->set->name, (long long)epoch);
    if (in_fork(l)) return fail_fork(l);
    pthread_mutex_lock(&l->mutex);
    l->claimed = l->n_batches; /* the thread begins nothing more */
    while (l->busy) pthread_cond_wait(&l->ready, &l->mutex);
    l->epoch = epoch;
    set_order(l);
    l->claimed = l->done = l->taken = l->released = taken;
    l->failed = l->told = 0;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mutex);
    if (l->prefetch && !l->thread_pid) start_thread(l);
    return 0;
}

int mn_loader_start(mn_loader *l, int64_t epoch) {
    return start_at(l, epoch, 0);
}

void mn_loader_where(const mn_loader *l, mn_loader_place *out) {
    *out = (mn_loader_place){l->epoch, l->taken};
}

int mn_loader_go(mn_loader *l, const mn_loader_place *p) {
    return start_at(l, p->epoch < 0 ? 0 : p->epoch, p->taken); /* one that was never started begins with epoch 0 */
}

int mn_loader_state(mn_loader *l, mn_state *io) {
    mn_loader_place p = {l->epoch, l->taken};
    MN_TRY(mn_state_i64(io, &p.epoch));
    MN_TRY(mn_state_i64(io, &p.taken));
    if (!io->loading) return 0;
    if (p.epoch < -1 || p.epoch > INT32_MAX || p.taken < 0 || p.taken > l->n_batches)
        return mn_state_fail(io, "batch %lld of epoch %lld", (long long)p.taken, (long long)p.epoch);
    return mn_loader_go(l, &p);
}

/* Give back the batch lent before and wait until the next one is there or will never be. 1: it is there. */
static int await_prepared(mn_loader *l) {
    pthread_mutex_lock(&l->mutex);
    l->released = l->taken;
    pthread_cond_signal(&l->work);
    if (l->done <= l->taken && !l->failed) {
        const double t0 = mn_seconds();
        while (l->done <= l->taken && !l->failed) pthread_cond_wait(&l->ready, &l->mutex);
        count_wait(l, t0);
    }
    const int there = l->done > l->taken;
    pthread_mutex_unlock(&l->mutex);
    return there;
}

static int prepare_now(mn_loader *l) {
    const double t0 = mn_seconds();
    if (l->done > l->taken) return 1; /* it was looked at */
    if (!l->failed) l->failed = fill(l, l->taken, &l->fault) != 0;
    count_wait(l, t0);
    if (!l->failed) l->done = l->taken + 1;
    return !l->failed;
}

static void try_again(mn_loader *l) {
    pthread_mutex_lock(&l->mutex);
    l->claimed = l->done;
    l->failed = l->told = 0;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mutex);
}

static int look_started(mn_loader *l, mn_batch *out) {
    if (l->taken >= l->n_batches) return MODNAS_EDONE;
    if (l->told) try_again(l);
    const int there = l->thread_pid ? await_prepared(l) : prepare_now(l);
    l->told = !there;
    if (!there) return mn_dataset_fail(l->set, l->fault.index, l->fault.code, l->fault.label);
    const int64_t b = l->taken, slot = b % N_SLOTS;
    *out = (mn_batch){
        .n = batch_samples(l, b), .x = l->x + (size_t)slot * l->slot_values, .y = l->y + slot * l->batch, .index = b, .epoch = l->epoch};
    return 0;
}

static int next_started(mn_loader *l, mn_batch *out) {
    const int rc = look_started(l, out);
    l->taken += !rc;
    return rc;
}

/* A loader that was never started begins with epoch 0. */
static int start_if_new(mn_loader *l) {
    if (in_fork(l)) return fail_fork(l);
    return l->epoch < 0 ? mn_loader_start(l, 0) : 0;
}

int mn_loader_next(mn_loader *l, mn_batch *out) {
    MN_TRY(start_if_new(l));
    const int rc = next_started(l, out);
    if (rc != MODNAS_EDONE) return rc;
    return mn_fail(l->ctx, rc, "%s: the %lld batches of epoch %lld are used up", l->set->name, (long long)l->n_batches,
                   (long long)l->epoch);
}

int mn_loader_peek_endless(mn_loader *l, mn_batch *out) {
    MN_TRY(start_if_new(l));
    const int rc = look_started(l, out);
    if (rc != MODNAS_EDONE) return rc;
    MN_TRY(mn_loader_start(l, l->epoch + 1));
    return look_started(l, out);
}

int mn_loader_next_endless(mn_loader *l, mn_batch *out) {
    const int rc = mn_loader_peek_endless(l, out);
    l->taken += !rc;
    return rc;
}
