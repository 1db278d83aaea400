/* A table of results in memory: candidates by name, numbers by column.
 *
 *   arch: COLUMN        each character of the column is the choice of one parameter, x0, x1, ...
 *   params: [c1, c2]    each column holds the choices of one parameter of its name
 *
 * Choices are text, in the order of their bytes. "-", "nan" and nothing stand for a number that is missing. */
#ifndef MN_LOOKUP_H
#define MN_LOOKUP_H

#include "config/node.h"
#include "registry/registry.h"

typedef struct mn_lookup {
    modnas_ctx *ctx;
    int32_t n_params, n_values;
    char **params;      /* names of the parameters */
    mn_map *choices;    /* by parameter: the choices that there are, in the order of the table */
    mn_map rows;        /* by key: 1 + number of the row */
    mn_vec values;      /* double, n_values a row; NaN: missing */
    const char *joiner; /* between the choices of a key */
    char sha256[65];    /* of the unpacked file */
} mn_lookup;

/* Read the table of a component's args path, arch and params, and of its columns `values` (n of them) the numbers.
 * MODNAS_ECONFIG with both places, MODNAS_ENOMEM. */
int mn_lookup_read(const mn_args *a, const char *const *values, int32_t n, mn_lookup *out);
void mn_lookup_free(mn_lookup *t); /* zeroed is fine */
/* The numbers of a candidate; NULL: there is no such row. */
const double *mn_lookup_find(const mn_lookup *t, const char *key);

#define MN_LOOKUP_ARGS                                                                                                 \
    {"path", MN_ARG_STR, NULL, NULL, "the table: lines of fields with tabs between them, names in the first one"},     \
        {"arch", MN_ARG_STR, "null", NULL, "column whose characters are choices, of parameters x0, x1, ..."}, {        \
        "params", MN_ARG_LIST, "null", NULL, "instead: columns that are one parameter each"                            \
    }

#endif
