/* Runs of small configurations in a folder of their own. */
#ifndef UTIL_RIG_H
#define UTIL_RIG_H

#include "config/node.h"
#include "modnas/run.h"
#include "util_small.h"

/* util_small's network: warm-up, then a search; three evaluations in all. */
#define UTIL_RIG_CONFIG                                                                                                \
    "backend: ref\nname: t\n" UTIL_SMALL_NET UTIL_SMALL_GATES "optim: BinaryGateOptim\n"                               \
    "estim: {warm: {type: DefaultEstim, epochs: 1}, search: {type: SuperNetEstim, epochs: 2}}\n"

typedef struct util_rig {
    util_host host;
    modnas_ctx *ctx;
    modnas_run_opts opts; /* given to the run */
    int32_t started;      /* of the last run */
    char *results;        /* likewise; NULL when it failed */
    char folder[64], error[1024];
} util_rig;

/* One test's rig, opened and closed by the fixture. */
extern util_rig rig;
void rig_setup(void);
void rig_teardown(void);
#define RIG_RUNS(...) ck_assert_msg(util_rig_yaml(&rig, __VA_ARGS__) == 0, "%s", rig.error) /* it must succeed */
#define RIG_OVER(...) ((const char *const[]){__VA_ARGS__, NULL})

void util_rig_open(util_rig *r);  /* makes a folder and goes there */
void util_rig_close(util_rig *r); /* removes it; nothing may be left allocated */
/* Run YAML with overrides ("a.b=v", the list ends with NULL; may be NULL). */
int util_rig_yaml(util_rig *r, const char *yaml, const char *const *overrides);
/* Fails the test unless it is refused, with `says` in the message. */
void util_rig_refused(util_rig *r, const char *yaml, const char *const *overrides, const char *says);
/* Contents of a file in the folder, to be freed with free(); NULL if there is none. */
char *util_rig_read(const char *path, size_t *bytes);
int util_rig_exists(const char *path);
int util_rig_same(const char *a, const char *b); /* both there, and the same bytes */
/* Are history, architecture and weights (where there are any) of estimator `search` the same bytes in exp/A and exp/B? */
int rig_same_run(const char *a, const char *b);
/* The text as a tree (JSON is YAML), which the caller frees. */
mn_node *util_rig_parse(util_rig *r, const char *text);
const mn_node *rig_at(const mn_node *tree, const char *path); /* which must be there */

#endif
