/* What bench/step found, as a table for a person and as JSON. Both walk over the same rows: model, measure, side. */
#include <stdlib.h>
#include <string.h>

#include "step.h"

int step_add(step_series *s, double x) {
    double *grown = realloc(s->x, (s->n + 1) * sizeof *grown);
    if (!grown) return -1;
    s->x = grown;
    s->x[s->n++] = x;
    return 0;
}

void step_results_free(step_results *r) {
    for (int m = 0; m < r->n_models; m++)
        for (int i = 0; i < STEP_MAX_MEASURES; i++) {
            free(r->models[m].flops[i].x);
            for (int k = 0; k < STEP_MAX_SIDES; k++) free(r->models[m].series[i][k].x);
        }
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

typedef struct row {
    const step_model *model;
    const step_measure *measure;
    const step_side_kind *side;
    const step_series *values;
    spread value;
    spread ratio; /* to ours, by pairs; of another side */
    spread bound,
        share; /* milliseconds that the arithmetic takes at the measured peak, and their share; of our steps */
    int has_ratio, has_bound;
} row;

spread step_ratios(const step_series *a, const step_series *b, double scale) {
    step_series quotients = {NULL, 0, 0};
    spread s = {0, 0, 0, 0};
    int rc = 0;
    const size_t paths = a->paths < b->paths ? a->paths : b->paths;
    for (size_t i = 0; paths && i / paths * a->paths < a->n && i / paths * b->paths < b->n && !rc; i++) {
        const size_t rep = i / paths, path = i % paths;
        rc = step_add(&quotients, a->x[rep * a->paths + path] / (b->x[rep * b->paths + path] * scale));
    }
    if (quotients.n) s = spread_of(quotients.x, quotients.n);
    free(quotients.x);
    return s;
}

static row row_of(const step_results *r, const step_model *m, int measure, int k) {
    const step_series *values = &m->series[measure][k], *ours = &m->series[measure][STEP_OURS], *flops = &m->flops[measure];
    row x = {m, &step_measures[measure], &step_sides[k], values, .value = spread_of(values->x, values->n)};
    x.has_ratio = k > 0 && ours->n;
    x.has_bound = k == STEP_OURS && measure != STEP_WAIT && flops->n && r->peak > 0;
    if (x.has_ratio) x.ratio = step_ratios(values, ours, 1);
    if (x.has_bound) {
        x.bound = spread_of(flops->x, flops->n);
        double *const parts[] = {&x.bound.min, &x.bound.low, &x.bound.median, &x.bound.high};
        for (size_t i = 0; i < MN_COUNT(parts); i++) *parts[i] *= 1e3 / r->peak;
        x.share = step_ratios(flops, values, r->peak / 1e3);
    }
    return x;
}

typedef void (*row_fn)(const row *x, void *ud);

static void each_row(const step_results *r, row_fn fn, void *ud) {
    for (int m = 0; m < r->n_models; m++)
        for (int i = 0; i < STEP_MAX_MEASURES; i++)
            for (int k = 0; k < STEP_MAX_SIDES; k++) {
                if (!r->models[m].series[i][k].n) continue;
                const row x = row_of(r, &r->models[m], i, k);
                fn(&x, ud);
            }
}

/* ---- for a person -------------------------------------------------------------------------------------- */

static void print_row(const row *x, void *ud) {
    const step_model **before = ud;
    if (*before != x->model) {
        printf("\n%s: %lld parameters\n", x->model->name, (long long)x->model->params);
        printf("%-24s %-24s %10s %21s %10s   %s\n", "", "", "median", "quartiles", "min", "");
        *before = x->model;
    }
    char what[64];
    snprintf(what, sizeof what, "%s, %s", x->measure->text, x->measure->unit);
    const spread *v = &x->value;
    printf("%-24s %-24s %10.2f %10.2f-%-10.2f %10.2f", what, x->side->text, v->median, v->low, v->high, v->min);
    if (x->has_ratio) printf("   ratio %5.2f (%.2f-%.2f)", x->ratio.median, x->ratio.low, x->ratio.high);
    if (x->has_bound) printf("   bound %7.2f, reached %2.0f %%", x->bound.median, 100 * x->share.median);
    printf("\n");
}

void step_print(const step_results *r) {
    const step_model *before = NULL;
    char machine[512];
    report_machine_text(machine, sizeof machine);
    printf("%s\n", machine);
    for (int i = 0; i < STEP_MAX_SIDES; i++)
        if (r->has_side[i]) printf("%s: %s\n", step_sides[i].text, r->version[i]);
    printf("batch %d, %d threads, %d paths x %d; f32 multiply-adds %.1f GFLOP/s\n", r->batch, r->threads, r->n_paths,
           r->reps, r->peak / 1e9);
    each_row(r, print_row, &before);
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static void json_text(mn_str *s, const char *name, const char *text) {
    mn_str_addf(s, "\"%s\":", name);
    mn_str_json(s, text);
    mn_str_add(s, ",");
}

typedef struct json_rows {
    mn_str *s;
    int n;
} json_rows;

static void json_row(const row *x, void *ud) {
    json_rows *rows = ud;
    mn_str *s = rows->s;
    mn_str_add(s, rows->n++ ? ",\n{" : "\n{");
    json_text(s, "model", x->model->name);
    json_text(s, "measure", x->measure->name);
    json_text(s, "text", x->measure->text);
    json_text(s, "unit", x->measure->unit);
    json_text(s, "side", x->side->name);
    json_text(s, "side_text", x->side->text);
    report_spread(s, "value", &x->value);
    const struct {
        const char *name;
        const spread *x;
        int there;
    } more[] = {
        {"ratio", &x->ratio, x->has_ratio}, {"bound", &x->bound, x->has_bound}, {"share", &x->share, x->has_bound}};
    for (size_t i = 0; i < MN_COUNT(more); i++) {
        if (!more[i].there) continue;
        mn_str_add(s, ",");
        report_spread(s, more[i].name, more[i].x);
    }
    mn_str_addf(s, ",\"paths\":%zu,\"values\":[", x->values->paths);
    for (size_t i = 0; i < x->values->n; i++) {
        if (i) mn_str_add(s, ",");
        mn_str_real(s, x->values->x[i]);
    }
    mn_str_add(s, "]}");
}

int step_write_json(modnas_ctx *ctx, const step_results *r, const char *path) {
    mn_str s = {.ctx = ctx};
    mn_str_add(&s, "{\"program\":\"step\",");
    report_machine(&s);
    mn_str_add(&s, ",\"versions\":{");
    for (int i = 0; i < STEP_MAX_SIDES; i++) {
        if (!r->has_side[i]) continue;
        mn_str_addf(&s, "%s\"%s\":", i ? "," : "", step_sides[i].name);
        mn_str_json(&s, r->version[i]);
    }
    mn_str_addf(&s, "},\"batch\":%d,\"threads\":%d,\"paths\":%d,\"reps\":%d,\"peak_flops\":", r->batch, r->threads,
                r->n_paths, r->reps);
    mn_str_real(&s, r->peak);
    mn_str_add(&s, ",\"rows\":[");
    each_row(r, json_row, &(json_rows){&s, 0});
    mn_str_add(&s, "\n],\"goals\":[");
    step_json_goals(r, &s);
    mn_str_add(&s, "\n]}\n");
    return report_write(ctx, &s, path);
}
