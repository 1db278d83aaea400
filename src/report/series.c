/* Points of curves, from history and event files. */
#include <math.h>
#include <string.h>

#include "report/sections.h"

void mn_dots_init(mn_dots *p) {
    mn_vec_init(&p->x, sizeof(double));
    mn_vec_init(&p->y, sizeof(double));
}

void mn_dots_free(modnas_ctx *ctx, mn_dots *p) {
    mn_vec_free(ctx, &p->x);
    mn_vec_free(ctx, &p->y);
}

int mn_dots_add(modnas_ctx *ctx, mn_dots *p, double x, double y) {
    if (!mn_vec_push(ctx, &p->x, &x, 1)) return MODNAS_ENOMEM;
    if (mn_vec_push(ctx, &p->y, &y, 1)) return 0;
    p->x.n--;
    return MODNAS_ENOMEM;
}

mn_curve mn_dots_curve(const mn_dots *p, const char *name, int32_t kind, int32_t style) {
    return (mn_curve){.name = name, .kind = kind, .style = style, .x = p->x.data, .y = p->y.data, .n = p->x.n};
}

int mn_history_is_of(const mn_experiment *e, size_t row, const char *estim) {
    return !estim || strcmp(mn_grid_cell(&e->history, row, e->col_estim), estim) == 0;
}

int mn_history_dots(const mn_experiment *e, const char *estim, int32_t column, mn_dots *out) {
    for (size_t i = 0; i < e->history.n; i++) {
        double y;
        if (!mn_history_is_of(e, i, estim)) continue;
        MN_TRY(mn_grid_real(&e->history, i, column, &y));
        MN_TRY(mn_dots_add(e->ctx, out, (double)i, y));
    }
    return 0;
}

int mn_dots_thin(modnas_ctx *ctx, const mn_dots *p, size_t most, mn_dots *out, size_t *each) {
    const size_t n = p->x.n, k = n / most + (n % most != 0);
    *each = k ? k : 1;
    for (size_t i = 0; i < n; i += *each) {
        double x = 0, y = 0;
        size_t m = 0;
        for (; m < *each && i + m < n; m++) {
            x += MN_AT(p->x, double, i + m);
            y += MN_AT(p->y, double, i + m);
        }
        MN_TRY(mn_dots_add(ctx, out, x / (double)m, y / (double)m));
    }
    return 0;
}

static const struct {
    const char *name, *label;
    int is_cost;
} metrics[] = {{"acc_top1", "accuracy, top 1 (0 to 1)", 0},
               {"acc_top5", "accuracy, top 5 (0 to 1)", 0},
               {"loss", "loss", 1},
               {"params", "parameters (number)", 1},
               {"macs", "multiply-adds (number, one image)", 1},
               {"latency_ms", "latency (ms)", 1},
               {"latency_spread_ms", "spread of latency (ms)", 1},
               {"arena_bytes", "inference memory (bytes)", 1}};

const char *mn_metric_label(const char *name) {
    for (size_t i = 0; i < MN_COUNT(metrics); i++)
        if (strcmp(metrics[i].name, name) == 0) return metrics[i].label;
    return name;
}

int mn_metric_is_cost(const char *name) {
    for (size_t i = 0; i < MN_COUNT(metrics); i++)
        if (strcmp(metrics[i].name, name) == 0) return metrics[i].is_cost;
    return 0;
}
