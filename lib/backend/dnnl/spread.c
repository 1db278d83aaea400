/* One CPU a worker.
 *
 * When workers wake after a pause, the system may put two of them on one CPU while another is idle, and leaves them there
 * for ten milliseconds and more: a short pass then takes twice its time (docs/design/0007-spread.md has figures). So at
 * the beginning of a run each worker says where it is, and one that finds a lower worker on its CPU moves to a CPU that
 * the team does not use: the thread's set of CPUs is made narrow, which moves it at once, and then put back. Nothing is
 * pinned; the system may move threads as before. The caller's own thread is worker 0 and never moves. */
#include <omp.h>
#include <sched.h>

#include "backend/dnnl/parallel.h"

enum { MAX_WORKERS = 256 };

/* May the calling thread run on `cpus` only, from now on? Moves it at once. */
static void move_to(const cpu_set_t *cpus, const cpu_set_t *before) {
    if (sched_setaffinity(0, sizeof *cpus, cpus) == 0) (void)sched_setaffinity(0, sizeof *before, before);
}

static void leave_shared(const int *cpu, int worker, int workers) {
    cpu_set_t before, free;
    int shared = 0;
    for (int i = 0; i < worker; i++) shared |= cpu[i] == cpu[worker];
    if (!shared || sched_getaffinity(0, sizeof before, &before) != 0) return;
    free = before;
    for (int i = 0; i < workers; i++)
        if (cpu[i] >= 0) CPU_CLR((size_t)cpu[i], &free);
    if (CPU_COUNT(&free) > 0) move_to(&free, &before);
}

void mn_dnnl_spread(const mn_dnnl *s) {
    int cpu[MAX_WORKERS];
    if (s->threads < 2) return;
#pragma omp parallel num_threads(s->threads)
    {
        const int worker = omp_get_thread_num();
        cpu[worker] = sched_getcpu();
#pragma omp barrier
        leave_shared(cpu, worker, omp_get_num_threads());
    }
}
