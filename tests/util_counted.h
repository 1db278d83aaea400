/* A data set that says what it was asked, and loaders over it. */
#ifndef UTIL_COUNTED_H
#define UTIL_COUNTED_H

#include "data/data.h"
#include "util_host.h"

enum { N = 1000, CLASSES = 10 };

/* One test's context and set of N samples; set up and torn down by the fixture. */
extern util_host counted_host;
extern modnas_ctx *counted_ctx;
extern mn_dataset *counted_set;
extern int counted_delay_us;  /* how long a sample takes; 0 at first */
extern struct counted_fault { /* what one sample does instead: answers code, or has a label; index -1 at first: none
                                 does */
    int64_t index;
    int code;
    int32_t label;
} counted_fault;
void counted_setup(void);
void counted_teardown(void); /* nothing may be left allocated */

/* n samples of two values: x[0] is the sample's index, x[1] a random number when augmented and 0 otherwise. Sample i is
 * of class i mod CLASSES. */
mn_dataset *counted_set_new(int64_t n);

/* Loaders by component name and args in YAML; `counted_build` over counted_set as ImageClsDataLoader, which must
 * succeed. */
int counted_build_with(const mn_loader_env *env, const char *type, const char *args, mn_loaders *out);
mn_loaders counted_build(const char *args);
void counted_free(mn_loaders *l);

/* Everything of one epoch in the order it came; returns the number of samples. */
typedef struct seen {
    float x[2 * N];
    int32_t y[N];
} seen;
int64_t counted_epoch(mn_loader *l, int64_t epoch, seen *s);

#endif
