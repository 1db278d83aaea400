/* Stages as they are written, or those of the authors (Cai et al. 2020): kernels, then depths in two steps, then widths in
 * two steps, resolutions throughout.
 *
 *   stages:
 *     - {kernel: [7, 5, 3]}
 *     - {kernel: [7, 5, 3], depth: [4, 3]}                         a list for all values of the kind,
 *     - {kernel: [7, 5, 3], depth: [[4, 3], [4, 3, 2]], epochs: 5}  or one for each
 *
 * What a stage does not name is as large as can be; resolutions are then all that there are. With use_ratio numbers are
 * shares of the largest size. sequential and spatial are older names of depth and width. */
#include "estim/stages.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *name;
    int32_t kind;
} keys[] = {{"kernel", MN_ELASTIC_KERNEL},    {"depth", MN_ELASTIC_DEPTH},   {"sequential", MN_ELASTIC_DEPTH},
            {"width", MN_ELASTIC_WIDTH},      {"spatial", MN_ELASTIC_WIDTH}, {"resolution", MN_ELASTIC_RESOLUTION},
            {"epochs", MN_N_ELASTIC}};

static int32_t *choices_of(const mn_stages *s, int32_t stage, int32_t i) {
    return s->stage[stage].choice + (size_t)i * (size_t)s->width;
}

static void add_choice(const mn_stages *s, int32_t stage, int32_t i, int32_t choice) {
    int32_t *list = choices_of(s, stage, i), n = s->stage[stage].n[i], at = n;
    const int32_t *size = s->value[i]->size;
    for (int32_t k = 0; k < n; k++)
        if (list[k] == choice) return;
    for (; at > 0 && size[list[at - 1]] > size[choice]; at--) list[at] = list[at - 1];
    list[at] = choice;
    s->stage[stage].n[i]++;
}

/* The `most` largest of a kind's values. */
static void add_largest(const mn_stages *s, int32_t stage, int32_t kind, int32_t most) {
    for (int32_t i = 0; i < s->n_values; i++) {
        const mn_elastic *e = s->value[i];
        if (e->kind != kind) continue;
        for (int32_t k = 0; k < e->n; k++) {
            int32_t larger = 0;
            for (int32_t j = 0; j < e->n; j++) larger += e->size[j] > e->size[k];
            if (larger < most) add_choice(s, stage, i, k);
        }
    }
}

/* ---- stages as they are written ------------------------------------------------------------------------ */

typedef struct reading {
    mn_stages *s;
    const mn_args *a;
    int32_t stage, use_ratio;
} reading;

static int number(const reading *r, const char *key, const mn_node *n, double *out) {
    const double most = r->use_ratio ? 1 : 1e6;
    if ((n->kind == MN_INT || n->kind == MN_REAL) && n->r > 0 && n->r <= most) {
        *out = n->r;
        return 0;
    }
    char what[80];
    return mn_args_fail(r->a, "stages", "stage %d: %s: a number in (0, %g] is wanted, not %s", r->stage, key, most,
                        mn_node_what(n, what, sizeof what));
}

/* A list of sizes for one value; *n_known counts those that it has. */
static int read_sizes(const reading *r, const char *key, const mn_node *list, int32_t i, int32_t *known) {
    const mn_elastic *e = r->s->value[i];
    for (size_t k = 0; k < list->n; k++) {
        double x = 0;
        MN_TRY(number(r, key, list->items[k], &x));
        const int32_t choice = r->use_ratio ? mn_elastic_choice_of_ratio(e, x) : mn_elastic_choice(e, x);
        if (choice < 0) continue;
        known[k] = 1;
        add_choice(r->s, r->stage, i, choice);
    }
    if (r->s->stage[r->stage].n[i]) return 0;
    return mn_args_fail(r->a, "stages", "stage %d: %s has none of these sizes of %s", r->stage, e->where, key);
}

/* For all values of the kind. A size that some of them do not have is left out there. */
static int read_for_all(const reading *r, const char *key, const mn_node *list, int32_t kind) {
    int32_t known[64] = {0};
    if (list->n > MN_COUNT(known)) return mn_args_fail(r->a, "stages", "stage %d: %zu sizes", r->stage, list->n);
    for (int32_t i = 0; i < r->s->n_values; i++)
        if (r->s->value[i]->kind == kind) MN_TRY(read_sizes(r, key, list, i, known));
    for (size_t k = 0; k < list->n; k++)
        if (!known[k])
            return mn_args_fail(r->a, "stages", "stage %d: %g is no %s that the model has", r->stage,
                                list->items[k]->r, key);
    return 0;
}

static int read_for_each(const reading *r, const char *key, const mn_node *lists, int32_t kind) {
    size_t at = 0;
    for (int32_t i = 0; i < r->s->n_values; i++) {
        int32_t known[64] = {0};
        if (r->s->value[i]->kind != kind) continue;
        if (at < lists->n && (lists->items[at]->kind != MN_SEQ || lists->items[at]->n > MN_COUNT(known)))
            return mn_args_fail(r->a, "stages", "stage %d: %s is neither numbers nor lists of them", r->stage, key);
        if (at < lists->n) MN_TRY(read_sizes(r, key, lists->items[at], i, known));
        for (size_t k = 0; at < lists->n && k < lists->items[at]->n; k++)
            if (!known[k])
                return mn_args_fail(r->a, "stages", "stage %d: %s: %g is none of %s", r->stage, key,
                                    lists->items[at]->items[k]->r, r->s->value[i]->where);
        at++;
    }
    if (at == lists->n) return 0;
    return mn_args_fail(r->a, "stages", "stage %d: %zu lists of %s, the model has %zu", r->stage, lists->n, key, at);
}

static int read_key(const reading *r, const char *key, const mn_node *value, int32_t *is_read) {
    const char *names[MN_COUNT(keys)];
    size_t k = 0;
    while (k < MN_COUNT(keys) && strcmp(keys[k].name, key) != 0) k++;
    for (size_t i = 0; i < MN_COUNT(keys); i++) names[i] = keys[i].name;
    if (k == MN_COUNT(keys)) {
        const char *near = mn_suggest(key, names, MN_COUNT(names));
        return mn_args_fail(r->a, "stages", "stage %d: unknown key '%.40s'; did you mean '%s'?", r->stage, key,
                            near ? near : names[0]);
    }
    const int32_t kind = keys[k].kind;
    if (kind == MN_N_ELASTIC) {
        if (value->kind != MN_INT || value->i < 1)
            return mn_args_fail(r->a, "stages", "stage %d: epochs is a whole number of at least 1", r->stage);
        r->s->stage[r->stage].epochs = value->i;
        return 0;
    }
    if (is_read[kind]++) return mn_args_fail(r->a, "stages", "stage %d: %s twice", r->stage, key);
    if (value->kind != MN_SEQ || !value->n)
        return mn_args_fail(r->a, "stages", "stage %d: %s is no list of sizes", r->stage, key);
    const int each = value->items[0]->kind == MN_SEQ;
    return (each ? read_for_each : read_for_all)(r, key, value, kind);
}

/* What it does not name. */
static void complete(const mn_stages *s, int32_t stage, const int32_t *is_read) {
    for (int32_t kind = 0; kind < MN_N_ELASTIC; kind++)
        if (!is_read[kind]) add_largest(s, stage, kind, kind == MN_ELASTIC_RESOLUTION ? INT32_MAX : 1);
}

static int read_stage(const reading *r, const mn_node *map) {
    int32_t is_read[MN_N_ELASTIC] = {0};
    if (map->kind != MN_MAP) return mn_args_fail(r->a, "stages", "stage %d is no map of sizes", r->stage);
    for (size_t k = 0; k < map->n; k++) MN_TRY(read_key(r, map->keys[k], map->items[k], is_read));
    complete(r->s, r->stage, is_read);
    return 0;
}

/* ---- the authors' -------------------------------------------------------------------------------------- */

typedef struct step {
    int32_t kind, most; /* from this stage on, `most` sizes of the kind */
} step;

static int32_t plan_steps(const mn_stages *s, step *steps) {
    static const int32_t kinds[] = {MN_ELASTIC_KERNEL, MN_ELASTIC_DEPTH, MN_ELASTIC_WIDTH};
    int32_t n = 0;
    for (size_t k = 0; k < MN_COUNT(kinds); k++) {
        int32_t most = 0;
        for (int32_t i = 0; i < s->n_values; i++)
            if (s->value[i]->kind == kinds[k] && s->value[i]->n > most) most = s->value[i]->n;
        if (kinds[k] != MN_ELASTIC_KERNEL && most > 2) steps[n++] = (step){kinds[k], 2};
        if (most > 1) steps[n++] = (step){kinds[k], INT32_MAX};
    }
    if (!n) steps[n++] = (step){MN_ELASTIC_RESOLUTION, INT32_MAX};
    return n;
}

static void fill_planned(const mn_stages *s, const step *steps, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        int32_t most[MN_N_ELASTIC] = {1, 1, 1, INT32_MAX};
        for (int32_t k = 0; k <= i; k++) most[steps[k].kind] = steps[k].most;
        for (int32_t kind = 0; kind < MN_N_ELASTIC; kind++) add_largest(s, i, kind, most[kind]);
    }
}

/* ---- making -------------------------------------------------------------------------------------------- */

static int list_values(mn_stages *s, const mn_args *a, mn_model *m) {
    for (int32_t kind = 0; kind < MN_N_ELASTIC; kind++) s->n_values += mn_model_n_elastic(m, kind);
    if (!s->n_values) return mn_args_fail(a, "stages", "model %s has no elastic sizes", m->type);
    s->value = mn_alloc(s->ctx, (size_t)s->n_values, sizeof(mn_elastic *));
    if (!s->value) return MODNAS_ENOMEM;
    int32_t n = 0;
    for (int32_t kind = 0; kind < MN_N_ELASTIC; kind++)
        for (int32_t i = 0; i < mn_model_n_elastic(m, kind); i++) s->value[n++] = mn_model_elastic(m, kind, i);
    for (int32_t i = 0; i < n; i++)
        if (s->value[i]->n > s->width) s->width = s->value[i]->n;
    return 0;
}

static int make_stages(mn_stages *s, int32_t n, int64_t epochs) {
    s->stage = mn_alloc(s->ctx, (size_t)n, sizeof *s->stage);
    if (!s->stage) return MODNAS_ENOMEM;
    for (s->n = 0; s->n < n; s->n++) {
        mn_stage_def *d = &s->stage[s->n];
        d->epochs = epochs;
        d->n = mn_alloc(s->ctx, (size_t)s->n_values, sizeof *d->n);
        d->choice = d->n ? mn_alloc(s->ctx, (size_t)s->n_values, (size_t)s->width * sizeof *d->choice) : NULL;
        if (!d->choice) {
            s->n++;
            return MODNAS_ENOMEM;
        }
    }
    return 0;
}

int mn_stages_read(mn_stages *s, const mn_args *a, mn_model *model, int64_t epochs) {
    const mn_node *given = mn_args_node(a, "stages");
    step steps[2 * MN_N_ELASTIC];
    s->ctx = a->ctx;
    MN_TRY(list_values(s, a, model));
    if (given && (!given->n || given->n > 1000)) return mn_args_fail(a, "stages", "there are %zu", given->n);
    const int32_t n = given ? (int32_t)given->n : plan_steps(s, steps);
    MN_TRY(make_stages(s, n, epochs));
    reading r = {s, a, 0, mn_args_bool(a, "use_ratio")};
    for (; given && r.stage < n; r.stage++) MN_TRY(read_stage(&r, given->items[r.stage]));
    if (!given) fill_planned(s, steps, n);
    for (int32_t i = 1; i < n; i++) s->stage[i].first = s->stage[i - 1].first + s->stage[i - 1].epochs;
    return 0;
}

void mn_stages_free(mn_stages *s) {
    for (int32_t i = 0; i < s->n; i++) {
        mn_free(s->ctx, s->stage[i].n);
        mn_free(s->ctx, s->stage[i].choice);
    }
    mn_free(s->ctx, s->stage);
    mn_free(s->ctx, s->value);
}

int64_t mn_stages_epochs(const mn_stages *s) {
    return s->stage[s->n - 1].first + s->stage[s->n - 1].epochs;
}

int32_t mn_stages_at(const mn_stages *s, int64_t epoch) {
    int32_t i = 0;
    while (i + 1 < s->n && s->stage[i + 1].first <= epoch) i++;
    return i;
}

/* ---- choosing ------------------------------------------------------------------------------------------ */

void mn_stage_draw(const mn_stages *s, int32_t stage, int32_t kind, mn_rng *rng, mn_arch *arch) {
    for (int32_t i = 0; i < s->n_values; i++) {
        const mn_elastic *e = s->value[i];
        const int32_t n = s->stage[stage].n[i];
        if (e->kind == kind)
            arch->index[mn_elastic_gene(e)] = choices_of(s, stage, i)[mn_rng_below(rng, (uint64_t)n)];
    }
}

void mn_stage_set(const mn_stages *s, int32_t stage, int32_t kind, int32_t k, mn_arch *arch) {
    for (int32_t i = 0; i < s->n_values; i++) {
        const mn_elastic *e = s->value[i];
        const int32_t n = s->stage[stage].n[i];
        const int32_t at = k == MN_STAGE_SMALLEST ? 0 : k == MN_STAGE_LARGEST || k >= n ? n - 1 : k;
        if (e->kind == kind) arch->index[mn_elastic_gene(e)] = choices_of(s, stage, i)[at];
    }
}

int32_t mn_stage_most(const mn_stages *s, int32_t stage, int32_t kind) {
    int32_t most = 0;
    for (int32_t i = 0; i < s->n_values; i++)
        if (s->value[i]->kind == kind && s->stage[stage].n[i] > most) most = s->stage[stage].n[i];
    return most;
}
