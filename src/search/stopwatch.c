/* Timing forward passes (see stopwatch.h). */
#include "search/stopwatch.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { N_ROUNDS = 5, N_WARM = 3 };

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

mn_timing mn_timing_of(double *times, int32_t n) {
    qsort(times, (size_t)n, sizeof *times, by_size);
    const double median = n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
    return (mn_timing){median, times[(int64_t)n * 3 / 4] - times[n / 4]};
}

void mn_pin_here(mn_pin *p) {
    cpu_set_t before, one;
    _Static_assert(sizeof before <= sizeof p->before, "room for a set of CPUs");
    const int cpu = sched_getcpu();
    p->held = 0;
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof before, &before) != 0) return;
    memcpy(p->before, &before, sizeof before);
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    p->held = sched_setaffinity(0, sizeof one, &one) == 0;
}

void mn_unpin(const mn_pin *p) {
    cpu_set_t before;
    memcpy(&before, p->before, sizeof before);
    if (p->held) (void)sched_setaffinity(0, sizeof before, &before);
}

static int warm_up(mn_run *const *runs, int32_t n_runs) {
    for (int32_t k = 0; k < N_WARM * n_runs; k++) MN_TRY(mn_run_forward(runs[k % n_runs], 0));
    return 0;
}

static int time_round(mn_run *run, int32_t first, int32_t end, int32_t n_tags, double *seconds) {
    MN_TRY(mn_canceled(mn_run_ctx(run)));
    MN_TRY(mn_run_forward(run, 0));
    for (int32_t t = first; t < end; t++) MN_TRY(mn_run_forward_timed(run, seconds + (size_t)t * (size_t)n_tags));
    return 0;
}

int mn_time_runs(mn_run *const *runs, int32_t n_runs, int32_t n_times, int32_t n_tags, double *seconds) {
    mn_pin pin;
    int rc = warm_up(runs, n_runs);
    mn_pin_here(&pin);
    for (int32_t r = 0; r < N_ROUNDS && !rc; r++) {
        const int32_t first = (int32_t)((int64_t)n_times * r / N_ROUNDS), end = (int32_t)((int64_t)n_times * (r + 1) / N_ROUNDS);
        for (int32_t i = 0; i < n_runs && !rc; i++)
            rc = time_round(runs[i], first, end, n_tags, seconds + (size_t)i * (size_t)n_times * (size_t)n_tags);
    }
    mn_unpin(&pin);
    return rc;
}
