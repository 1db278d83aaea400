/* Profiles from the inside: profile.c makes one, profile_check.c holds it against whole networks. */
#ifndef MN_PROFILE_H
#define MN_PROFILE_H

#include "config/config.h"
#include "modnas/profile.h"
#include "search/stopwatch.h"
#include "space/space.h"

enum { MN_JOB_BYTES = 13 };

typedef struct mn_profile_row {
    const char *slot, *candidate;
    mn_str ops; /* JSON */
    char job[MN_JOB_BYTES];
    mn_timing timing; /* in ms */
} mn_profile_row;

typedef struct mn_profile {
    modnas_ctx *ctx;
    const mn_node *config;
    modnas_profile_opts opts;
    mn_model *model;
    int32_t n_mixed, n_nets, n_rows;
    int32_t *first; /* by mixed op: row of its first candidate; row 0 is the fixed part */
    mn_profile_row *rows;
    mn_run **nets;
    float *images;   /* zeros */
    double *seconds; /* see mn_time_runs */
    double *whole;   /* ms, by random network (opts.check_nets), where another device timed them */
} mn_profile;

/* Build and measure, or take what was measured elsewhere; zeroed before, and freed after, whatever comes of it. */
int mn_profile_open(modnas_config *cfg, const modnas_profile_opts *opts, mn_profile *p);
void mn_profile_free(mn_profile *p);
/* A forward pass of what the mixed ops are forced to, recorded; what is to be described of it comes before the plan. */
int mn_profile_record(mn_profile *p, mn_run **run, mn_value **x, mn_value **logits);
int mn_profile_plan(mn_profile *p, mn_run *run, mn_value *x, mn_value *logits);
enum { MN_PROFILE_MAX_NETS = 10000 };

/* The mixed ops are forced to the k-th random network of the space, by the model's seed; choice: by mixed op, or NULL. */
int mn_profile_draw(mn_profile *p, int32_t k, int32_t *choice);
#define MN_PROFILE_NET   "net"    /* jobs: the network of all first candidates; with _1, _2 ...: of candidate 1, 2 everywhere */
#define MN_PROFILE_CHECK "check_" /* jobs: this and k, the k-th random network */
void mn_profile_net_job(int32_t k, char *job, size_t size);
int mn_profile_is_nothing(const mn_profile_row *r); /* an identity: no job */
/* What another device measured (opts.measured), by job. */
int mn_profile_import(mn_profile *p);
/* ONNX files of all jobs, and of those networks, into opts.jobs_dir. */
int mn_profile_write_jobs(mn_profile *p);
mn_timing mn_profile_timing(double *seconds, int32_t n); /* in ms, whole nanoseconds; sorts them */

#endif
