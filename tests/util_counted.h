/* A data set that says what it was asked, and loaders over it. */
#ifndef UTIL_COUNTED_H
#define UTIL_COUNTED_H

#include "data/data.h"
#include "util_host.h"

enum { N = 1000, CLASSES = 10 };

/* One test's context and set of N samples; set up and torn down by the fixture. */
extern util_host host;
extern modnas_ctx *ctx;
extern mn_dataset *set;
extern int counted_delay_us; /* how long a sample takes; 0 at first */
void counted_setup(void);
void counted_teardown(void); /* nothing may be left allocated */

/* n samples of two values: x[0] is the sample's index, x[1] a random number when augmented and 0 otherwise. Sample i is
 * of class i mod CLASSES. */
mn_dataset *make_set(int64_t n);

/* Loaders by component name and args in YAML; `build` over `set` as ImageClsDataLoader, which must succeed. */
int build_with(const mn_loader_env *env, const char *type, const char *args, mn_loaders *out);
mn_loaders build(const char *args);
void free_loaders(mn_loaders *l);

/* Everything of one epoch in the order it came; returns the number of samples. */
typedef struct seen {
    float x[2 * N];
    int32_t y[N];
} seen;
int64_t run_epoch(mn_loader *l, int64_t epoch, seen *s);

#endif
