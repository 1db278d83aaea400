/* Searches in tables, and what they are compared with. */
#ifndef SEARCH_BENCH_H
#define SEARCH_BENCH_H

#include "search/rank.h"
#include "util_report.h"
#include "util_shared.h"

typedef struct search_table {
    const char *name;
    char path[640];
    const char *key, *score, *cost; /* args of TableEstim; cost NULL: one goal. The less the better */
    int n;                          /* rows */
    double *values, *costs, optimum; /* of the rows; NaN: missing */
} search_table;

int search_table_open(modnas_ctx *ctx, search_table *t, const char *name, const char *folder, const char *file,
                      const char *key, const char *score, const char *cost);
void search_table_close(search_table *t);

/* Best score of a search of `budget` evaluations. */
int search_best(modnas_ctx *ctx, const search_table *t, const char *optim, int seed, int budget, double *best);
/* Volume between what was found and the point (least, the largest cost of the table). */
int search_volume(modnas_ctx *ctx, const search_table *t, const char *optim, int seed, int budget, double least,
                  double *volume);
double search_true_volume(const search_table *t, double least);
/* Rows on the front that was found and on the table's; *n is -1 if they are not the same. */
int search_front(modnas_ctx *ctx, const search_table *t, const char *optim, int seed, int budget, int *n, int *n_true);
/* p of a Kolmogorov-Smirnov test that the n best values are of the best of `budget` rows without replacement. */
double search_law_p(const search_table *t, int budget, const double *best, int n);

/* NAS-Bench-Macro with the parameters of all its networks, from their definition, beside the rows; the path of the file
 * that was written. Fails where the table itself has another number. */
int search_macro_write(modnas_ctx *ctx, const char *data, char *path, size_t bytes);
int64_t search_macro_params(const char *arch);

#endif
