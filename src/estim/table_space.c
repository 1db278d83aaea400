/* TableSpaceConstructor: the space of a table of results. There may be a network, but there need not be one. */
#include <stdlib.h>
#include <string.h>

#include "construct/construct.h"
#include "estim/lookup.h"
#include "estim/parts.h"

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of a map in order, as a list of strings. */
static int sorted_choices(modnas_ctx *ctx, const mn_map *choices, mn_node **out) {
    const char **names = mn_alloc(ctx, choices->n, sizeof *names);
    mn_node *list = names ? mn_node_new(ctx, MN_SEQ) : NULL;
    int rc = list ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < choices->n && !rc; i++) names[i] = mn_map_key(choices, i, NULL);
    if (!rc) qsort(names, choices->n, sizeof *names, by_bytes);
    for (size_t i = 0; i < choices->n && !rc; i++) {
        mn_node *choice = mn_node_str(ctx, names[i]);
        rc = choice ? mn_node_add(ctx, list, choice) : MODNAS_ENOMEM;
    }
    mn_free(ctx, names);
    if (rc)
        mn_node_free(ctx, list);
    else
        *out = list;
    return rc;
}

static int add_params(mn_space *space, const mn_lookup *t) {
    for (int32_t i = 0; i < t->n_params; i++) {
        mn_arch_param *param;
        mn_node *choices;
        MN_TRY(sorted_choices(t->ctx, &t->choices[i], &choices));
        MN_TRY(mn_space_categorical(space, t->params[i], choices, &param));
    }
    return 0;
}

static int run(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_space *space;
    mn_lookup t;
    (void)c, (void)out;
    MN_TRY(mn_space_of(model, &space));
    MN_TRY(mn_lookup_read(args, NULL, 0, &t));
    const int rc = add_params(space, &t);
    mn_lookup_free(&t);
    return rc;
}

static const mn_arg_def args[] = {MN_LOOKUP_ARGS, {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_table_space_component = {
    "construct", "TableSpaceConstructor", "the space of a table of results", args, run, NULL};
