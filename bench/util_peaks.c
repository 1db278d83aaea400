/* Peaks of the machine: fused multiply-adds from registers to registers, and bytes to and from a working set.
 *
 *   n threads:  gate -> work -> gate        the first thread reads the clock at both gates; the fastest try counts
 *
 * The loops exist for each instruction set, the widest that the CPU has is taken. */
#include "util_peaks.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/base.h"

enum { MAX_THREADS = 256, N_TRIES = 10, FLOATS_STEP = 64 };

/* Asked once a measurement: under a hypervisor each cpuid takes microseconds. */
static const peaks_isa *widest(void) {
    static const peaks_isa *const all[] = {
        [MN_ISA_PORTABLE] = &peaks_portable, [MN_ISA_AVX2] = &peaks_avx2, [MN_ISA_AVX512] = &peaks_avx512};
    return all[mn_cpu_isa()];
}

/* ---- all threads at once ------------------------------------------------------------------------------- */

typedef struct team {
    pthread_barrier_t gate;
    void (*work)(int thread, void *ud);
    void *ud;
    double seconds;
} team;

typedef struct member {
    team *team;
    int number;
    pthread_t id;
} member;

static void *run_member(void *ud) {
    const member *m = ud;
    team *t = m->team;
    for (int i = 0; i < N_TRIES; i++) {
        pthread_barrier_wait(&t->gate);
        const double start = mn_seconds();
        t->work(m->number, t->ud);
        pthread_barrier_wait(&t->gate);
        const double seconds = mn_seconds() - start;
        if (m->number == 0 && (i == 0 || seconds < t->seconds)) t->seconds = seconds;
    }
    return NULL;
}

/* Seconds of the fastest try. */
static double fastest(int threads, void (*work)(int, void *), void *ud) {
    team t = {.work = work, .ud = ud};
    member m[MAX_THREADS];
    if (threads > MAX_THREADS || pthread_barrier_init(&t.gate, NULL, (unsigned)threads)) return 0;
    for (int i = 0; i < threads; i++) m[i] = (member){.team = &t, .number = i};
    for (int i = 1; i < threads; i++)
        if (pthread_create(&m[i].id, NULL, run_member, &m[i])) abort(); /* the others would wait for it for ever */
    run_member(&m[0]);
    for (int i = 1; i < threads; i++) pthread_join(m[i].id, NULL);
    pthread_barrier_destroy(&t.gate);
    return t.seconds;
}

static volatile float sink; /* results that nobody wants are not computed */

/* ---- arithmetic ---------------------------------------------------------------------------------------- */

enum { ROUNDS = 1000000 };

typedef struct sums {
    const peaks_isa *isa;
    double flops; /* of a round */
} sums;

static void multiply(int thread, void *ud) {
    sums *s = ud;
    double flops;
    const float x = s->isa->multiply(ROUNDS, &flops);
    if (thread == 0) {
        sink = x;
        s->flops = flops;
    }
}

double peaks_flops(int threads) {
    sums s = {widest(), 0};
    const double seconds = fastest(threads, multiply, &s);
    return seconds > 0 ? threads * s.flops * ROUNDS / seconds : 0;
}

/* ---- memory -------------------------------------------------------------------------------------------- */

enum { READ, COPY, COPY_PAST, N_WAYS };

typedef struct block {
    const peaks_isa *isa;
    float *mem;
    size_t n; /* floats a thread */
    int way, passes;
} block;

static void move(int thread, void *ud) {
    const block *b = ud;
    float *mine = b->mem + (size_t)thread * b->n, *half = mine + b->n / 2;
    for (int i = 0; i < b->passes; i++) {
        if (b->way == READ)
            sink = b->isa->read(mine, b->n);
        else
            b->isa->copy(half, mine, b->n / 2, b->way == COPY_PAST);
    }
}

double peaks_bandwidth(int threads, size_t bytes) {
    const size_t step = 2 * FLOATS_STEP; /* halves are aligned, too */
    block b = {.isa = widest(), .n = (bytes / sizeof(float) / (size_t)threads / step + 1) * step};
    const size_t total = b.n * (size_t)threads * sizeof(float);
    double best = 0;
    b.passes = (int)(((size_t)64 << 20) / total) + 1;
    b.mem = aligned_alloc(64, total);
    if (!b.mem) return 0;
    for (size_t i = 0; i < total / sizeof(float); i++) b.mem[i] = 1;
    for (b.way = 0; b.way < N_WAYS; b.way++) {
        const double seconds = fastest(threads, move, &b);
        const double rate = seconds > 0 ? (double)total * b.passes / seconds : 0;
        if (rate > best) best = rate;
    }
    free(b.mem);
    return best;
}
