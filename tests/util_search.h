/* Small searches through the public handle, in the rig's context and folder. */
#ifndef UTIL_SEARCH_H
#define UTIL_SEARCH_H

#include "modnas/data.h"
#include "modnas/search.h"
#include "util_rig.h"

/* 4 Slots of 4 candidates on util_small's network: 3 weight steps an epoch, 8 samples to validate. */
#define UTIL_SEARCH_INDEX                                                                                              \
    "backend: ref\nname: t\n" UTIL_SMALL_NET                                                                           \
    "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\noptim: RandomSearchOptim\n"
#define UTIL_SEARCH_GATES "backend: ref\nname: t\n" UTIL_SMALL_NET UTIL_SMALL_GATES "optim: BinaryGateOptim\n"
/* No data, no kernels: only a space, of 256 architectures, to search. */
#define UTIL_SEARCH_TOY                                                                                                \
    "backend: none\nname: t\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]],"     \
    " n_classes: 4, width_coeff: 0.5}}\n"                                                                              \
    "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"

#define SEARCH_OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, modnas_errmsg(rig.ctx))

/* modnas_search_new of YAML; opts may be NULL. */
int util_search_try(const char *yaml, const modnas_search_opts *opts, modnas_search **out);
modnas_search *util_search(const char *yaml, const modnas_search_opts *opts); /* must succeed */
/* SHA-256 of all tensors of its model: weights, statistics, architecture parameters. */
void util_search_hash(const modnas_search *s, char text[65]);
void util_search_hash_trained(const modnas_search *s, char text[65]); /* of the weights alone */
/* Value of a metric that must be there. */
double util_search_metric(const modnas_metric *m, int32_t n, const char *name);
/* Its options as digits of a number in base 4. */
int util_search_code(const modnas_arch *a);
/* Register a component of the host, which must be taken. */
void util_search_register(const char *kind, const char *name, const char *args, const void *vt, void *ud);
/* Fails the test unless the last error's text holds `text`. */
void util_search_says(const char *text);

/* The toy's objective: how many digits are those of 0123, best 4. */
double util_search_toy(const modnas_arch *a);

/* "LocalSearch": an optimizer on any space. From option 0 everywhere it tries other options one parameter after the
 * other, and keeps what was better; nothing is left after a round without a gain. */
void util_search_add_local(void);

#endif
