/* Monotonic time, for durations only; never part of a result that is promised to repeat. */
#include <time.h>

#include "base/base.h"

double mn_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
