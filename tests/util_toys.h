/* A registry of toy components in a context of its own for each test. */
#ifndef UTIL_TOYS_H
#define UTIL_TOYS_H

#include "registry/registry.h"
#include "util_host.h"

enum { TOY_COUNT = 6 };

/* What the toy optimizer SGD notes when it is built. */
typedef struct toy_built {
    const char *name;
    double lr, momentum;
    int64_t n;
    int nesterov, has_schedule;
    char mode[16];
    double beta;
    const void *env;
} toy_built;

int toy_build_nothing(const mn_component *c, const mn_args *a, const void *env, void *out);
extern const mn_component toys[TOY_COUNT];

extern modnas_ctx *toy_ctx; /* made by toy_setup with all toys in it */
void toy_setup(void);
void toy_teardown(void);
/* YAML as if read from f.yaml; the caller frees it. */
mn_node *toy_value(const char *yaml);
/* mn_spec_check of a text gives this status and, unless NULL, this message. */
void toy_expect_check(const char *kind, const char *yaml, int status, const char *message);

#endif
