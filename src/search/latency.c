/* Tables of latencies (see latency.h). */
#include "search/latency.h"

#include <math.h>
#include <string.h>

#include "data/table.h"

enum { MAX_COLUMNS = 3, N_NAMED = 4 /* missing rows that a message names */ };
static const double most_ms = 1e9;
static const struct {
    int n, n_keys;
    const char *name[MAX_COLUMNS]; /* a key, then one or two numbers */
} columns[] = {[MN_LATENCY_PLACES] = {3, 2, {"slot", "candidate", "latency_ms"}},
               [MN_LATENCY_JOBS] = {2, 1, {"job", "latency_ms"}},
               [MN_LATENCY_RECORD] = {3, 1, {"arch", "latency_ms", "latency_spread_ms"}}};
static const char always[] = "-";

/* ---- reading ------------------------------------------------------------------------------------------- */

typedef struct reading {
    mn_latency *t;
    int32_t kind;
    size_t at[MAX_COLUMNS];
    mn_str key;
} reading;

static int find_columns(reading *r, const char *const *names, size_t n) {
    for (int i = 0; i < columns[r->kind].n; i++) {
        const char *name = columns[r->kind].name[i];
        size_t at = 0;
        while (at < n && strcmp(names[at], name) != 0) at++;
        r->at[i] = at;
        if (at < n) continue;
        const char *near = mn_suggest(name, names, n);
        return mn_fail(r->t->ctx, MODNAS_EFORMAT, "%s:1: there is no column '%s'%s%.80s%s", r->t->name, name,
                       near ? "; is '" : "", near ? near : "", near ? "' meant?" : "");
    }
    return 0;
}

static int read_ms(const reading *r, size_t line, const char *const *fields, int column, int64_t *ns) {
    double ms;
    const char *text = fields[r->at[column]];
    if (mn_parse_real(text, &ms) || !(ms >= 0 && ms <= most_ms))
        return mn_fail(r->t->ctx, MODNAS_EFORMAT, "%s:%zu: %s is '%.40s', not a number from 0 to %g", r->t->name, line,
                       columns[r->kind].name[column], text, most_ms);
    *ns = (int64_t)llround(ms * MN_COST_MS);
    return 0;
}

static int make_key(mn_str *key, const char *const *parts, int n) {
    key->n = 0;
    for (int i = 0; i < n; i++) {
        mn_str_add(key, i ? "\t" : "");
        mn_str_add(key, parts[i]);
    }
    return key->failed ? MODNAS_ENOMEM : 0;
}

const mn_latency_row *mn_latency_find(const mn_latency *t, const char *key) {
    const uintptr_t at = (uintptr_t)mn_map_get(&t->places, key);
    return at ? &MN_AT(t->rows, mn_latency_row, at - 1) : NULL;
}

static int note_line(size_t line, const char *const *fields, size_t n, void *ud) {
    reading *r = ud;
    mn_latency *t = r->t;
    mn_latency_row row = {.line = line};
    if (line == 1) return find_columns(r, fields, n);
    const char *parts[MAX_COLUMNS];
    const int n_keys = columns[r->kind].n_keys;
    for (int i = 0; i < n_keys; i++) {
        parts[i] = fields[r->at[i]];
        if (!*parts[i])
            return mn_fail(t->ctx, MODNAS_EFORMAT, "%s:%zu: there is no %s", t->name, line, columns[r->kind].name[i]);
    }
    MN_TRY(read_ms(r, line, fields, n_keys, &row.ns));
    if (n_keys + 1 < columns[r->kind].n) MN_TRY(read_ms(r, line, fields, n_keys + 1, &row.spread_ns));
    MN_TRY(make_key(&r->key, parts, n_keys));
    const mn_latency_row *before = mn_latency_find(t, r->key.text);
    if (before && r->kind == MN_LATENCY_RECORD) return 0; /* two may write at a time: the first one stands */
    if (before)
        return mn_fail(t->ctx, MODNAS_EFORMAT, "%s:%zu: %s %.40s%s%.40s was in line %zu already", t->name, line,
                       columns[r->kind].name[0], parts[0], n_keys > 1 ? ", candidate " : "", n_keys > 1 ? parts[1] : "",
                       before->line);
    return mn_latency_put(t, r->key.text, &row);
}

void mn_latency_init(mn_latency *t, modnas_ctx *ctx) {
    *t = (mn_latency){.ctx = ctx};
    mn_vec_init(&t->rows, sizeof(mn_latency_row));
}

int mn_latency_put(mn_latency *t, const char *key, const mn_latency_row *row) {
    if (!mn_vec_push(t->ctx, &t->rows, row, 1)) return MODNAS_ENOMEM;
    const int rc = mn_map_put(t->ctx, &t->places, key, (void *)(uintptr_t)t->rows.n);
    if (rc) t->rows.n--;
    return rc;
}

int mn_latency_read(modnas_ctx *ctx, mn_source *s, int32_t kind, mn_latency *out) {
    mn_latency t;
    mn_latency_init(&t, ctx);
    t.name = mn_strdup(ctx, mn_source_content(s));
    reading r = {.t = &t, .kind = kind, .key = {.ctx = ctx}};
    int rc = t.name ? mn_table_walk(ctx, s, note_line, &r) : MODNAS_ENOMEM;
    if (!rc && !t.rows.n && kind != MN_LATENCY_RECORD) rc = mn_fail(ctx, MODNAS_EFORMAT, "%s has no rows", t.name);
    mn_str_free(&r.key);
    if (rc)
        mn_latency_free(&t);
    else
        *out = t;
    return rc;
}

void mn_latency_free(mn_latency *t) {
    if (!t->ctx) return;
    mn_free(t->ctx, t->name);
    mn_map_free(t->ctx, &t->places);
    mn_vec_free(t->ctx, &t->rows);
    memset(t, 0, sizeof *t);
}

/* ---- costs of a space ---------------------------------------------------------------------------------- */

typedef struct filling {
    const mn_latency *t;
    mn_model *model;
    mn_costs *costs;
    mn_str key, missing;
    int32_t n_missing;
} filling;

static int add_row(filling *f, const mn_slot *slot, const char *candidate, int64_t *to) {
    MN_TRY(make_key(&f->key, (const char *[]){slot->name, candidate}, 2));
    const mn_latency_row *row = mn_latency_find(f->t, f->key.text);
    if (row) *to += row->ns;
    if (!row && f->n_missing++ < N_NAMED)
        mn_str_addf(&f->missing, "%sslot %s, candidate %s", f->missing.n ? "; " : "", slot->name, candidate);
    return f->missing.failed ? MODNAS_ENOMEM : 0;
}

static int32_t gene_of(const mn_space *space, const mn_arch_param *p) {
    int32_t i = 0;
    while (mn_space_gene(space, i) != p) i++;
    return i;
}

/* What Slots are filled with; *n_mixed: of them with mixed ops. */
static int add_slots(filling *f, int32_t *n_mixed) {
    mn_costs *c = f->costs;
    for (size_t i = 0; i < f->model->slots.n; i++) {
        const mn_slot *slot = mn_model_slot(f->model, i);
        const mn_mixed *m = slot->entity ? mn_mixed_of(slot->entity) : NULL;
        if (!m && slot->op) MN_TRY(add_row(f, slot, slot->op, &c->fixed));
        if (!m) continue;
        int64_t *of = c->of + c->first[gene_of(f->model->space, m->param)];
        for (int32_t k = 0; k < m->n; k++) MN_TRY(add_row(f, slot, mn_mixed_candidate(m, k), &of[k]));
        ++*n_mixed;
    }
    return 0;
}

static int is_slot(const mn_model *model, const char *name, size_t n) {
    for (size_t i = 0; i < model->slots.n; i++) {
        const char *known = mn_model_slot(model, i)->name;
        if (strncmp(known, name, n) == 0 && !known[n]) return 1;
    }
    return 0;
}

static int add_fixed(const filling *f) {
    for (size_t i = 0; i < f->t->rows.n; i++) {
        const char *place = mn_map_key(&f->t->places, i, NULL);
        const size_t n = strcspn(place, "\t");
        const mn_latency_row *row = &MN_AT(f->t->rows, mn_latency_row, i);
        if (strcmp(place + n + 1, always) == 0)
            f->costs->fixed += row->ns;
        else if (!is_slot(f->model, place, n))
            return mn_fail(f->t->ctx, MODNAS_ECONFIG, "%s:%zu: the model has no slot '%.*s'", f->t->name, row->line,
                           n < 40 ? (int)n : 40, place);
    }
    return 0;
}

/* Every choice of the space is a mixed op's, and every mixed op stands at a Slot. */
static int check_choices(const filling *f, int32_t n_mixed) {
    const mn_model *m = f->model;
    for (int32_t i = 0; i < f->costs->n; i++) {
        const mn_arch_param *p = mn_space_gene(m->space, i);
        int found = 0;
        for (int32_t k = 0; k < mn_model_n_mixed(m) && !found; k++) found = mn_model_mixed(m, k)->param == p;
        if (!found)
            return mn_fail(m->ctx, MODNAS_ECONFIG, "%s: parameter %s chooses among no candidates of a slot", f->t->name,
                           p->name);
    }
    if (n_mixed == mn_model_n_mixed(m)) return 0;
    return mn_fail(m->ctx, MODNAS_ECONFIG, "%s: %d of %d mixed ops stand at no slot", f->t->name,
                   mn_model_n_mixed(m) - n_mixed, mn_model_n_mixed(m));
}

static int fill(filling *f) {
    int32_t n_mixed = 0;
    MN_TRY(add_slots(f, &n_mixed));
    MN_TRY(check_choices(f, n_mixed));
    MN_TRY(add_fixed(f));
    if (!f->n_missing) return 0;
    if (f->n_missing > N_NAMED) mn_str_addf(&f->missing, "; and %d more", f->n_missing - N_NAMED);
    if (f->missing.failed) return MODNAS_ENOMEM;
    return mn_fail(f->t->ctx, MODNAS_ECONFIG, "%s: there is no row of %s", f->t->name, f->missing.text);
}

int mn_latency_costs(const mn_latency *t, mn_model *model, mn_costs *out) {
    mn_costs c;
    MN_TRY(mn_costs_new(model, &c));
    filling f = {.t = t, .model = model, .costs = &c, .key = {.ctx = t->ctx}, .missing = {.ctx = t->ctx}};
    const int rc = fill(&f);
    mn_str_free(&f.key);
    mn_str_free(&f.missing);
    if (rc)
        mn_costs_free(&c);
    else
        *out = c;
    return rc;
}

int mn_latency_load(mn_model *model, const char *path, mn_costs *out, char sha256[65]) {
    mn_source *s;
    mn_latency t = {.ctx = NULL};
    MN_TRY(mn_source_open(model->ctx, path, MN_SOURCE_AUTO, &s));
    int rc = mn_latency_read(model->ctx, s, MN_LATENCY_PLACES, &t);
    mn_sha256 sha = mn_source_sha256(s);
    mn_source_close(s);
    if (!rc) rc = mn_latency_costs(&t, model, out);
    if (!rc) mn_sha256_hex(&sha, sha256);
    mn_latency_free(&t);
    return rc;
}
