/* Spaces without a network that others made up: choices that mean nothing, to try optimizers on, and that of
 * NAS-Bench-101. What an architecture is worth is the affair of who reads it. */
#include <stdio.h>

#include "construct/parts.h"

enum { MAX_CHOICES = 4096, MAX_NODES = 32 };

/* A choice of the numbers from 0 on, or of the given texts. name NULL: the space makes one. */
static int add_choice(mn_space *space, const char *name, int32_t n, const char *const *texts) {
    modnas_ctx *ctx = space->model->ctx;
    mn_arch_param *p;
    mn_node *choices = mn_node_new(ctx, MN_SEQ);
    int rc = choices ? 0 : MODNAS_ENOMEM;
    for (int32_t i = 0; i < n && !rc; i++)
        rc = mn_node_add(ctx, choices, texts ? mn_node_str(ctx, texts[i]) : mn_node_int(ctx, i));
    if (!rc) return mn_space_categorical(space, name, choices, &p);
    mn_node_free(ctx, choices);
    return rc;
}

static int read_count(const mn_args *a, const char *name, int64_t least, int64_t most, int32_t *out) {
    const int64_t n = mn_args_int(a, name);
    if (n < least || n > most)
        return mn_args_fail(a, name, "%lld is not between %lld and %lld", (long long)n, (long long)least,
                            (long long)most);
    *out = (int32_t)n;
    return 0;
}

static int run_fake(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_space *space;
    int32_t n = 0, dim = 0;
    (void)c, (void)out;
    MN_TRY(read_count(args, "n_params", 1, MAX_CHOICES, &n));
    MN_TRY(read_count(args, "dim", 1, MAX_CHOICES, &dim));
    MN_TRY(mn_space_of(((const mn_construct_env *)env)->model, &space));
    for (int32_t i = 0; i < n; i++) MN_TRY(add_choice(space, NULL, dim, NULL));
    return 0;
}

/* The upper triangle of a graph's matrix, row by row, and an operator for each node between the first and the last. */
static int run_nasbench(const mn_component *c, const mn_args *args, const void *env, void *out) {
    static const char *const ops[] = {"conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3"};
    mn_space *space;
    int32_t n = 0;
    char name[32];
    (void)c, (void)out;
    MN_TRY(read_count(args, "n_nodes", 2, MAX_NODES, &n));
    MN_TRY(mn_space_of(((const mn_construct_env *)env)->model, &space));
    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = i + 1; j < n; j++) {
            snprintf(name, sizeof name, "edge_%d_%d", i, j);
            MN_TRY(add_choice(space, name, 2, NULL));
        }
    }
    for (int32_t i = 1; i < n - 1; i++) {
        snprintf(name, sizeof name, "op_%d", i);
        MN_TRY(add_choice(space, name, (int32_t)MN_COUNT(ops), ops));
    }
    return 0;
}

static const mn_arg_def fake_args[] = {{"n_params", MN_ARG_INT, "32", NULL, "how many choices"},
                                       {"dim", MN_ARG_INT, "2", NULL, "options of each, the numbers from 0 on"},
                                       {NULL, 0, NULL, NULL, NULL}};
static const mn_arg_def nasbench_args[] = {
    {"n_nodes", MN_ARG_INT, "7", NULL, "of the graph, the first and the last among them"}, {NULL, 0, NULL, NULL, NULL}};

static const mn_component rows[] = {
    {"construct", "FakeDataSpaceConstructor", "a space of choices that mean nothing", fake_args, run_fake, NULL},
    {"construct", "NASBenchSpaceConstructor", "the space of NAS-Bench-101: edges of a graph and operators of its nodes",
     nasbench_args, run_nasbench, NULL},
};

int mn_construct_spaces_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
