/* Between the files of bench/step: what is measured, on which sides, and what came out. */
#ifndef STEP_H
#define STEP_H

#include "step_side.h"
#include "util_report.h"

enum { STEP_MAX_SIDES = 6, STEP_MAX_MODELS = 3 };
enum {
    STEP_WEIGHT,
    STEP_ARCH,
    STEP_EVAL,
    STEP_WAIT,
    STEP_SPOS,
    STEP_DARTS,
    STEP_CELLS,
    STEP_RSS,
    STEP_START,
    STEP_MAX_MEASURES
};
enum { STEP_OURS, STEP_NCHW, STEP_CHANNELS_LAST, STEP_TUNED, STEP_ALONE, STEP_ONE_THREAD };

/* The supernet "cells" is of the model DARTS, and the only one that it has.
 * supernet: the steps of one are made in one process a side; NULL: taken in another way. batch, paths: of this one, which
 * runs all candidates of each mixed op at once whatever the path; 0: as asked for. */
typedef struct step_measure {
    const char *name, *text, *unit, *supernet;
    int batch, paths;
} step_measure;
extern const step_measure step_measures[STEP_MAX_MEASURES];

typedef struct step_side_kind {
    const char *name, *text, *layout;
    unsigned measures; /* bits: those that it takes part in */
    int part;          /* it runs the first 1/part of the paths */
    int is_original;
} step_side_kind;
extern const step_side_kind step_sides[STEP_MAX_SIDES];

typedef struct step_series { /* repetition by repetition, path by path */
    double *x;
    size_t n, paths; /* paths: of one repetition */
} step_series;

typedef struct step_model {
    const char *name;
    int64_t params;
    int32_t n_ops, n_candidates[SIDE_MAX_OPS];
    step_series series[STEP_MAX_MEASURES][STEP_MAX_SIDES];
    step_series flops[STEP_MAX_MEASURES]; /* of our side's steps, as the series */
} step_model;

typedef struct step_results {
    int reps, n_paths, batch, threads, n_models;
    int has_side[STEP_MAX_SIDES];
    char version[STEP_MAX_SIDES][sizeof((side){0}.version)];
    double peak; /* FLOP/s */
    step_model models[STEP_MAX_MODELS];
} step_results;

/* Append a number; 0, or -1 out of memory. */
int step_add(step_series *s, double x);
/* Spread of a / (b * scale), the same path in the same repetition; all 0 when there is no pair. */
spread step_ratios(const step_series *a, const step_series *b, double scale);

/* step_goals.c: the goals, what was reached, and which are met. */
void step_print_goals(const step_results *r);
void step_json_goals(const step_results *r, mn_str *s);

void step_print(const step_results *r);
int step_write_json(modnas_ctx *ctx, const step_results *r, const char *path);
void step_results_free(step_results *r);

#endif
