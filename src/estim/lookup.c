/* Reading tables of results (see lookup.h). */
#include "estim/lookup.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "data/table.h"

typedef struct reading {
    const mn_args *args;
    mn_lookup *t;
    const char *const *values; /* names of the columns with numbers */
    const char *path;
    const mn_node *columns; /* params; NULL: arch */
    size_t *at, *value_at;  /* columns of the choices (arch: one) and of the numbers */
    mn_str key, choice;
} reading;

/* ---- columns ------------------------------------------------------------------------------------------- */

static int find_column(const reading *r, const char *name, const char *const *names, size_t n, size_t *out) {
    for (size_t i = 0; i < n; i++) {
        *out = i;
        if (strcmp(names[i], name) == 0) return 0;
    }
    const char *near = mn_suggest(name, names, n);
    return mn_args_fail(r->args, "path", "%s has no column '%.80s'%s%s%s", r->path, name,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int find_columns(reading *r, const char *const *names, size_t n) {
    mn_lookup *t = r->t;
    if (!r->columns) MN_TRY(find_column(r, mn_args_str(r->args, "arch"), names, n, &r->at[0]));
    for (size_t i = 0; r->columns && i < r->columns->n; i++) MN_TRY(find_column(r, t->params[i], names, n, &r->at[i]));
    for (int32_t i = 0; i < t->n_values; i++) MN_TRY(find_column(r, r->values[i], names, n, &r->value_at[i]));
    return 0;
}

/* ---- candidates ---------------------------------------------------------------------------------------- */

static int make_params(reading *r, int32_t n) {
    mn_lookup *t = r->t;
    t->params = mn_alloc(t->ctx, (size_t)n, sizeof *t->params);
    t->choices = mn_alloc(t->ctx, (size_t)n, sizeof *t->choices);
    if (!t->params || !t->choices) return MODNAS_ENOMEM;
    t->n_params = n;
    for (int32_t i = 0; i < n; i++) {
        mn_str name = {.ctx = t->ctx};
        if (r->columns)
            mn_str_add(&name, r->columns->items[i]->text);
        else
            mn_str_addf(&name, "x%d", i);
        t->params[i] = mn_str_take(&name);
        if (!t->params[i]) return MODNAS_ENOMEM;
    }
    return 0;
}

static int note_choice(mn_lookup *t, int32_t param, const char *choice) {
    mn_map *m = &t->choices[param];
    return mn_map_get(m, choice) ? 0 : mn_map_put(t->ctx, m, choice, t);
}

static size_t n_characters(const char *text) {
    const size_t bytes = strlen(text);
    size_t n = 0;
    for (size_t i = 0; i < bytes; n++) i += mn_utf8_length(text + i, bytes - i);
    return n;
}

/* The first row says how many parameters there are. */
static int note_characters(reading *r, size_t line, const char *text) {
    const size_t bytes = strlen(text), n = n_characters(text);
    mn_lookup *t = r->t;
    if (!t->params && n && n < 1 << 20) MN_TRY(make_params(r, (int32_t)n));
    if (n != (size_t)t->n_params || !n)
        return mn_args_fail(r->args, "path", "%s:%zu: '%.40s' has %zu characters, the first row has %d", r->path, line,
                            text, n, t->n_params);
    for (size_t i = 0, k = 0; i < bytes; k++) {
        const size_t step = mn_utf8_length(text + i, bytes - i);
        r->choice.n = 0;
        mn_str_addn(&r->choice, text + i, step);
        if (r->choice.failed) return MODNAS_ENOMEM;
        MN_TRY(note_choice(t, (int32_t)k, r->choice.text));
        i += step;
    }
    mn_str_add(&r->key, text);
    return 0;
}

static int note_candidate(reading *r, size_t line, const char *const *fields) {
    mn_lookup *t = r->t;
    r->key.n = 0;
    if (!r->columns) MN_TRY(note_characters(r, line, fields[r->at[0]]));
    for (int32_t i = 0; r->columns && i < t->n_params; i++) {
        MN_TRY(note_choice(t, i, fields[r->at[i]]));
        mn_str_add(&r->key, i ? t->joiner : "");
        mn_str_add(&r->key, fields[r->at[i]]);
    }
    if (r->key.failed) return MODNAS_ENOMEM;
    if (mn_map_get(&t->rows, r->key.text))
        return mn_args_fail(r->args, "path", "%s:%zu: '%.80s' is there twice", r->path, line, r->key.text);
    return mn_map_put(t->ctx, &t->rows, r->key.text, (void *)(uintptr_t)(t->rows.n + 1));
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static int is_missing(const char *field) {
    return !*field || strcmp(field, "-") == 0 || strcasecmp(field, "nan") == 0;
}

static int note_values(reading *r, size_t line, const char *const *fields) {
    mn_lookup *t = r->t;
    double *row = t->n_values ? mn_vec_push(t->ctx, &t->values, NULL, (size_t)t->n_values) : NULL;
    if (t->n_values && !row) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < t->n_values; i++) {
        const char *field = fields[r->value_at[i]];
        row[i] = NAN;
        if (!is_missing(field) && mn_parse_real(field, &row[i]))
            return mn_args_fail(r->args, "path", "%s:%zu: column %s: '%.40s' is no number", r->path, line, r->values[i],
                                field);
    }
    return 0;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static int note_line(size_t line, const char *const *fields, size_t n, void *ud) {
    reading *r = ud;
    if (line == 1) return find_columns(r, fields, n);
    MN_TRY(note_candidate(r, line, fields));
    return note_values(r, line, fields);
}

/* What names candidates: arch, or params of which each is the name of a column. */
static int read_columns(reading *r) {
    const mn_node *params = mn_args_node(r->args, "params");
    r->columns = params;
    if (mn_args_given(r->args, "arch") == (params != NULL))
        return mn_args_fail(r->args, "arch", "one of arch and params is wanted");
    if (!params) return 0;
    for (size_t i = 0; i < params->n; i++) {
        if (params->items[i]->kind != MN_STR) return mn_args_fail(r->args, "params", "names of columns are wanted");
        for (size_t k = 0; k < i; k++)
            if (strcmp(params->items[i]->text, params->items[k]->text) == 0)
                return mn_args_fail(r->args, "params", "'%.80s' is there twice", params->items[i]->text);
    }
    if (!params->n) return mn_args_fail(r->args, "params", "the list is empty");
    return make_params(r, (int32_t)params->n);
}

static int walk(reading *r) {
    mn_source *s;
    int rc = mn_source_open(r->t->ctx, r->path, MN_SOURCE_AUTO, &s);
    if (!rc) {
        rc = mn_table_walk(r->t->ctx, s, note_line, r);
        mn_sha256 sha = mn_source_sha256(s);
        mn_sha256_hex(&sha, r->t->sha256);
        mn_source_close(s);
    }
    if (rc == MODNAS_ENOTFOUND || rc == MODNAS_EFORMAT || rc == MODNAS_EIO)
        return mn_args_fail(r->args, "path", "%s", modnas_errmsg(r->t->ctx));
    if (!rc && !r->t->rows.n) return mn_args_fail(r->args, "path", "%s has no rows", r->path);
    return rc;
}

static int read(reading *r) {
    modnas_ctx *ctx = r->t->ctx;
    MN_TRY(read_columns(r));
    r->at = mn_alloc(ctx, r->columns ? r->columns->n : 1, sizeof *r->at);
    r->value_at = mn_alloc(ctx, (size_t)r->t->n_values + 1, sizeof *r->value_at);
    return r->at && r->value_at ? walk(r) : MODNAS_ENOMEM;
}

int mn_lookup_read(const mn_args *a, const char *const *values, int32_t n, mn_lookup *out) {
    modnas_ctx *ctx = a->ctx;
    *out = (mn_lookup){.ctx = ctx, .n_values = n};
    mn_vec_init(&out->values, sizeof(double));
    reading r = {.args = a,
                 .t = out,
                 .values = values,
                 .path = mn_args_str(a, "path"),
                 .key = {.ctx = ctx},
                 .choice = {.ctx = ctx}};
    out->joiner = mn_args_given(a, "arch") ? "" : "\t";
    const int rc = read(&r);
    mn_free(ctx, r.at);
    mn_free(ctx, r.value_at);
    mn_str_free(&r.key);
    mn_str_free(&r.choice);
    if (rc) mn_lookup_free(out);
    return rc;
}

void mn_lookup_free(mn_lookup *t) {
    if (!t->ctx) return;
    for (int32_t i = 0; i < t->n_params; i++) {
        mn_free(t->ctx, t->params[i]);
        mn_map_free(t->ctx, &t->choices[i]);
    }
    mn_free(t->ctx, t->params);
    mn_free(t->ctx, t->choices);
    mn_map_free(t->ctx, &t->rows);
    mn_vec_free(t->ctx, &t->values);
    *t = (mn_lookup){.ctx = NULL};
}

const double *mn_lookup_find(const mn_lookup *t, const char *key) {
    const uintptr_t row = (uintptr_t)mn_map_get(&t->rows, key);
    return row ? (const double *)t->values.data + (row - 1) * (size_t)t->n_values : NULL;
}
