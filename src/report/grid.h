/* A table of text that is held: rows and columns by number, columns by name. */
#ifndef MN_GRID_H
#define MN_GRID_H

#include "base/base.h"

typedef struct mn_grid {
    modnas_ctx *ctx;
    char *file;       /* for messages; NULL: nothing was read */
    size_t n, n_columns; /* rows without the names */
    mn_vec at;        /* size_t: where each cell begins in the text, names first */
    mn_str text;
} mn_grid;

/* MODNAS_ENOTFOUND, MODNAS_EFORMAT with file:line, MODNAS_EIO, MODNAS_ENOMEM; *out is then zeroed. */
int mn_grid_read(modnas_ctx *ctx, const char *path, mn_grid *out);
void mn_grid_free(mn_grid *g); /* zeroed is fine */

int32_t mn_grid_column(const mn_grid *g, const char *name); /* -1: there is none */
int mn_grid_need(const mn_grid *g, const char *name, int32_t *column); /* MODNAS_EFORMAT: there is none */
const char *mn_grid_name(const mn_grid *g, int32_t column);
const char *mn_grid_cell(const mn_grid *g, size_t row, int32_t column);
/* "-", "null" and a column -1: NaN. MODNAS_EFORMAT: it is no number. */
int mn_grid_real(const mn_grid *g, size_t row, int32_t column, double *out);

#endif
