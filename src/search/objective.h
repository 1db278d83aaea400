/* What a search is for: the section `objective`.
 *
 *   maximize, minimize   goals: metrics; of several, an architecture is better that is better in one and worse in none
 *   subject_to           limits: "macs <= 60M"
 *
 * Without a section the goal is the first metric (mn_metrics_score). Limits come before goals (Deb 2000): what obeys
 * them is better than what does not, and of two that do not the one that breaks them less. */
#ifndef MN_OBJECTIVE_H
#define MN_OBJECTIVE_H

#include "base/state.h"
#include "config/node.h"
#include "search/limit.h"
#include "search/metrics.h"

#define MN_MAX_GOALS 8

typedef struct mn_goal {
    const char *name;
    double sign; /* 1: the more the better; -1: the less */
} mn_goal;

typedef struct mn_objective {
    modnas_ctx *ctx;
    mn_node *section; /* owned; texts are its */
    int32_t n_goals;
    mn_goal goals[MN_MAX_GOALS];
    mn_limits *limits; /* owned; NULL: none */
} mn_objective;

/* An outcome, as the objective sees it. */
typedef struct mn_fitness {
    int32_t failed;             /* 1: no values, or some that are not finite */
    int32_t n;                  /* goals */
    double violation;           /* 0: all limits are obeyed; else the sum of what they are exceeded by, as shares of them */
    double value[MN_MAX_GOALS]; /* the more the better */
} mn_fitness;

/* section NULL or null: *out = NULL, which all functions here take. MODNAS_ECONFIG with file:line. */
int mn_objective_new(modnas_ctx *ctx, const mn_node *section, mn_objective **out);
void mn_objective_free(mn_objective *o); /* NULL is fine */
int32_t mn_objective_n_goals(const mn_objective *o);
mn_limits *mn_objective_limits(const mn_objective *o); /* NULL: none */
/* MODNAS_ECONFIG when it names a metric that is none of these, which `who` measures. */
int mn_objective_check(const mn_objective *o, const char *const *names, int32_t n, const char *who);

/* status not 0: it failed, m is not read. MODNAS_EINVAL when m lacks a goal. A limit on what was not measured does not
 * count. */
int mn_objective_judge(const mn_objective *o, int status, const mn_metrics *m, mn_fitness *out);
int mn_fitness_is_feasible(const mn_fitness *f);
/* 1: a is better, -1: b is, 0: neither. Of several goals: domination. */
int mn_fitness_compare(const mn_fitness *a, const mn_fitness *b);
/* The same, and where neither dominates the first goal that differs decides. */
int mn_fitness_order(const mn_fitness *a, const mn_fitness *b);
int mn_fitness_state(mn_fitness *f, mn_state *io);

#endif
