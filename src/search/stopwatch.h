/* How long a planned forward pass takes: warmed up, the calling thread held on its CPU, the median of several. */
#ifndef MN_STOPWATCH_H
#define MN_STOPWATCH_H

#include "graph/graph.h"

typedef struct mn_timing {
    double median, spread; /* spread: between the quartiles */
} mn_timing;
/* Of n >= 1 times, which are sorted. */
mn_timing mn_timing_of(double *times, int32_t n);

/* Hold the calling thread on the CPU that it is on, until mn_unpin, which gives it back the CPUs that it had. Threads
 * that it makes meanwhile would stay there too: run what is timed once before. A system that refuses is no error. */
typedef struct mn_pin {
    uint64_t before[16]; /* bits of CPUs */
    int32_t held;
} mn_pin;
void mn_pin_here(mn_pin *p);
void mn_unpin(const mn_pin *p);

/* Forward passes of runs that take turns in `rounds`, so that what happens meanwhile on the machine falls on all alike:
 * seconds[(i n_times + t) n_tags + tag], time t of run i. One pass of each round is left out. All zeroed before. */
int mn_time_runs(mn_run *const *runs, int32_t n_runs, int32_t n_times, int32_t n_tags, double *seconds);

#endif
