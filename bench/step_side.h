/* One side of the comparison: a process with one supernet that makes steps on request (step_serve.c, peer/serve.py). */
#ifndef STEP_SIDE_H
#define STEP_SIDE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { SIDE_MAX_OPS = 128 };

typedef struct side {
    pid_t pid; /* 0: not started */
    FILE *to, *from;
    double started; /* mn_seconds() before the process was made */
    int64_t params;
    int32_t n_ops, n_candidates[SIDE_MAX_OPS];
    char version[256];
} side;

typedef struct side_path {
    int32_t taken[SIDE_MAX_OPS], other[SIDE_MAX_OPS];
} side_path;

typedef struct side_answer {
    double ms, loss, flops; /* flops 0: this side does not count */
} side_answer;

/* Start `argv` (ends with NULL) with `env` ("NAME=VALUE", ..., NULL) set, and wait until it is ready. All functions: 0, or
 * -1 and a line on standard error. */
int side_start(side *s, char *const *argv, const char *const *env);
int side_run(side *s, const char *kind, const side_path *p, side_answer *a);
int side_rss(side *s, double *bytes);
void side_stop(side *s); /* not started: nothing happens */

#endif
