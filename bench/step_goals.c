/* The goals of a step: what it is held against, how much is asked for, and whether it was reached. */
#include <string.h>

#include "step.h"

/* What is asked of a measure. side: whom it is compared with; the bound where it is ours. */
enum { TIMES, PART, SHARE, VALUE }; /* their time / ours, ours / theirs, bound / ours, ours as it is */

typedef struct goal {
    int measure, side, what;
    double limit, aim; /* aim: what is hoped for; 0: no more than the limit */
    const char *text;
} goal;

static const goal goals[] = {
    {STEP_WEIGHT, STEP_NCHW, TIMES, 4, 5, "times as fast as the original, as it comes"},
    {STEP_WEIGHT, STEP_CHANNELS_LAST, TIMES, 2.5, 0, "times as fast as the original, channels-last"},
    {STEP_WEIGHT, STEP_OURS, SHARE, 0.63, 0.70, "of the compute bound"},
    {STEP_WEIGHT, STEP_ALONE, PART, 0.75, 0, "of its time on oneDNN's kernels"},
    {STEP_WEIGHT, STEP_ONE_THREAD, TIMES, 1.7, 0, "times as fast as with one thread"},
    {STEP_ARCH, STEP_NCHW, TIMES, 3, 0, "times as fast as the original, as it comes"},
    {STEP_ARCH, STEP_CHANNELS_LAST, TIMES, 2, 0, "times as fast as the original, channels-last"},
    {STEP_ARCH, STEP_OURS, SHARE, 0.60, 0, "of the compute bound"},
    {STEP_ARCH, STEP_ONE_THREAD, TIMES, 1.7, 0, "times as fast as with one thread"},
    {STEP_EVAL, STEP_NCHW, TIMES, 4, 0, "times as fast as the original, as it comes"},
    {STEP_EVAL, STEP_CHANNELS_LAST, TIMES, 2.5, 0, "times as fast as the original, channels-last"},
    {STEP_EVAL, STEP_ONE_THREAD, TIMES, 1.7, 0, "times as fast as with one thread"},
    {STEP_WAIT, STEP_OURS, VALUE, 0.1, 0, "% of the time of weight steps back to back"},
    {STEP_SPOS, STEP_NCHW, TIMES, 4, 5, "times as fast as the original, as it comes"},
    {STEP_SPOS, STEP_CHANNELS_LAST, TIMES, 2.5, 0, "times as fast as the original, channels-last"},
    {STEP_SPOS, STEP_OURS, SHARE, 0.63, 0.70, "of the compute bound"},
    {STEP_SPOS, STEP_ALONE, PART, 0.75, 0, "of its time on oneDNN's kernels"},
    {STEP_DARTS, STEP_NCHW, TIMES, 4, 0, "times as fast as the original, as it comes"},
    {STEP_CELLS, STEP_NCHW, TIMES, 4, 0, "times as fast as the original, as it comes"},
    {STEP_RSS, STEP_NCHW, PART, 0.4, 0, "of the original's, as it comes"},
    {STEP_RSS, STEP_CHANNELS_LAST, PART, 0.4, 0, "of the original's, channels-last"},
    {STEP_START, STEP_NCHW, PART, 0.2, 0, "of the original's, as it comes"},
};

static int is_at_most(const goal *g) {
    return g->what == PART || g->what == VALUE;
}

/* 0: it was not measured */
static int reached(const step_results *r, const step_model *m, const goal *g, spread *s) {
    const step_series *ours = &m->series[g->measure][STEP_OURS], *theirs = &m->series[g->measure][g->side];
    if (!ours->n || !theirs->n) return 0;
    switch (g->what) {
    case TIMES: *s = step_ratios(theirs, ours, 1); break;
    case PART: *s = step_ratios(ours, theirs, 1); break;
    case SHARE: *s = step_ratios(&m->flops[g->measure], ours, r->peak / 1e3); break;
    default: *s = spread_of(ours->x, ours->n);
    }
    return 1;
}

static int keeps(const goal *g, double limit, double x) {
    return is_at_most(g) ? x <= limit : x >= limit;
}

static const char *verdict(const goal *g, double x) {
    if (!keeps(g, g->limit, x)) return "not met";
    return g->aim && keeps(g, g->aim, x) ? "met, and the aim" : "met";
}

/* "at least 4, aim 5" */
static void limit_text(const goal *g, char *text, size_t bytes) {
    const int n = snprintf(text, bytes, "%s %g", is_at_most(g) ? "at most" : "at least", g->limit);
    if (g->aim) snprintf(text + n, bytes - (size_t)n, ", aim %g", g->aim);
}

typedef void (*goal_fn)(const step_model *m, const goal *g, const spread *s, void *ud);

static void each_goal(const step_results *r, goal_fn fn, void *ud) {
    for (int m = 0; m < r->n_models; m++)
        for (size_t i = 0; i < MN_COUNT(goals); i++) {
            spread s;
            if (reached(r, &r->models[m], &goals[i], &s)) fn(&r->models[m], &goals[i], &s, ud);
        }
}

static void print_goal(const step_model *m, const goal *g, const spread *s, void *ud) {
    const step_model **before = ud;
    char limit[64];
    if (*before != m) printf("\n%s: goals\n", m->name);
    *before = m;
    limit_text(g, limit, sizeof limit);
    printf("%-24s %-48s %-20s %8.3f (%.3f-%.3f)  %s\n", step_measures[g->measure].text, g->text, limit, s->median, s->low,
           s->high, verdict(g, s->median));
}

void step_print_goals(const step_results *r) {
    const step_model *before = NULL;
    each_goal(r, print_goal, &before);
}

typedef struct json_goals {
    mn_str *s;
    int n;
} json_goals;

static void json_goal(const step_model *m, const goal *g, const spread *s, void *ud) {
    json_goals *all = ud;
    char limit[64];
    limit_text(g, limit, sizeof limit);
    mn_str_addf(all->s, "%s\n{\"model\":\"%s\",\"measure\":\"%s\",\"text\":\"%s\",\"side\":\"%s\",\"of\":\"%s\",\"limit\":\"%s\","
                "\"verdict\":\"%s\",",
                all->n++ ? "," : "", m->name, step_measures[g->measure].name, step_measures[g->measure].text,
                step_sides[g->side].name, g->text, limit, verdict(g, s->median));
    report_spread(all->s, "reached", s);
    mn_str_add(all->s, "}");
}

void step_json_goals(const step_results *r, mn_str *s) {
    each_goal(r, json_goal, &(json_goals){s, 0});
}
