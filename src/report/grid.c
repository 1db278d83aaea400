/* Tables that are held (grid.h). */
#include "report/grid.h"

#include <math.h>
#include <string.h>

#include "data/table.h"

enum { MOST_ROWS = 1 << 21 };

static int add_row(size_t line, const char *const *fields, size_t n, void *ud) {
    mn_grid *g = ud;
    g->n_columns = n;
    g->n = line - 1;
    if (line > MOST_ROWS)
        return mn_fail(g->ctx, MODNAS_EUNSUPPORTED, "%s:%zu: a table of more than %d lines", g->file, line, MOST_ROWS);
    for (size_t i = 0; i < n; i++) {
        const size_t at = g->text.n;
        mn_str_addn(&g->text, fields[i], strlen(fields[i]) + 1);
        if (!mn_vec_push(g->ctx, &g->at, &at, 1)) return MODNAS_ENOMEM;
    }
    return g->text.failed ? MODNAS_ENOMEM : 0;
}

int mn_grid_read(modnas_ctx *ctx, const char *path, mn_grid *out) {
    mn_source *s;
    mn_grid g = {.ctx = ctx, .text = {.ctx = ctx}};
    *out = (mn_grid){0};
    MN_TRY(mn_source_open(ctx, path, MN_SOURCE_PLAIN, &s));
    mn_vec_init(&g.at, sizeof(size_t));
    g.file = mn_strdup(ctx, path);
    const int rc = g.file ? mn_table_walk(ctx, s, add_row, &g) : MODNAS_ENOMEM;
    mn_source_close(s);
    if (rc)
        mn_grid_free(&g);
    else
        *out = g;
    return rc;
}

void mn_grid_free(mn_grid *g) {
    if (!g->ctx) return;
    mn_free(g->ctx, g->file);
    mn_vec_free(g->ctx, &g->at);
    mn_str_free(&g->text);
    *g = (mn_grid){0};
}

const char *mn_grid_name(const mn_grid *g, int32_t column) {
    return g->text.text + MN_AT(g->at, size_t, (size_t)column);
}

const char *mn_grid_cell(const mn_grid *g, size_t row, int32_t column) {
    return g->text.text + MN_AT(g->at, size_t, (row + 1) * g->n_columns + (size_t)column);
}

int32_t mn_grid_column(const mn_grid *g, const char *name) {
    for (size_t i = 0; i < g->n_columns; i++)
        if (strcmp(mn_grid_name(g, (int32_t)i), name) == 0) return (int32_t)i;
    return -1;
}

int mn_grid_need(const mn_grid *g, const char *name, int32_t *column) {
    *column = mn_grid_column(g, name);
    return *column >= 0 ? 0 : mn_fail(g->ctx, MODNAS_EFORMAT, "%s:1: there is no column '%s'", g->file, name);
}

int mn_grid_real(const mn_grid *g, size_t row, int32_t column, double *out) {
    const char *text = column < 0 ? "-" : mn_grid_cell(g, row, column);
    *out = NAN;
    if (strcmp(text, "-") == 0 || strcmp(text, "null") == 0) return 0;
    if (mn_parse_real(text, out) == 0) return 0;
    return mn_fail(g->ctx, MODNAS_EFORMAT, "%s:%zu: %.40s is '%.40s', not a number", g->file, row + 2,
                   mn_grid_name(g, column), text);
}
