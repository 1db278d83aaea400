/* The parts of a report, in their order. Each says what it lacks where the run left nothing for it; a status is
 * MODNAS_ENOMEM, or a file that is corrupt. */
#ifndef MN_REPORT_SECTIONS_H
#define MN_REPORT_SECTIONS_H

#include "report/chart.h"
#include "report/experiment.h"
#include "report/html.h"

int mn_report_found(mn_str *s, const mn_experiment *e);   /* found.c: the best, the verdict */
/* Of one estimator, inside of it: verdict.c, recalibration.c. */
void mn_report_verdict(mn_str *s, const mn_experiment *e, const mn_node *estim);
void mn_report_recalibration(mn_str *s, const mn_node *estim);
int mn_report_curves(mn_str *s, const mn_experiment *e);  /* curves.c: scores, accuracy, loss */
int mn_report_probs(mn_str *s, const mn_experiment *e);   /* probs.c: candidates over time */
int mn_report_front(mn_str *s, const mn_experiment *e);   /* front.c: trade-offs */
int mn_report_network(mn_str *s, const mn_experiment *e); /* network.c: the network, cost per layer */
int mn_report_latency(mn_str *s, const mn_experiment *e); /* latency.c: predicted against measured */
/* check.c: the same of networks at random, if MN_CHECK_FILE is there. */
#define MN_CHECK_FILE "outputs/latency_check.tsv"
int mn_report_check(mn_str *s, const mn_experiment *e, int *there);
/* Predicted over measured times (ms), at least one: a chart, and how well they go together. */
int mn_report_timings(mn_str *s, modnas_ctx *ctx, const char *title, const mn_dots *p);
int mn_report_setup(mn_str *s, const mn_experiment *e);   /* setup.c: configuration, versions */

/* ---- what they share (series.c) ------------------------------------------------------------------------ */

void mn_dots_init(mn_dots *p);
void mn_dots_free(modnas_ctx *ctx, mn_dots *p);
int mn_dots_add(modnas_ctx *ctx, mn_dots *p, double x, double y);
mn_curve mn_dots_curve(const mn_dots *p, const char *name, int32_t kind, int32_t style);
/* A column of history.tsv over the evaluation's number: of one estimator, or (NULL) of all. */
int mn_history_dots(const mn_experiment *e, const char *estim, int32_t column, mn_dots *out);
int mn_history_is_of(const mn_experiment *e, size_t row, const char *estim);
/* At most `most` points: means of as many points in a row each. *each: how many. */
int mn_dots_thin(modnas_ctx *ctx, const mn_dots *p, size_t most, mn_dots *out, size_t *each);
/* "accuracy, top 1 (0 to 1)": what a metric is called on an axis, with its unit; its own name where none is known. */
const char *mn_metric_label(const char *name);
int mn_metric_is_cost(const char *name); /* the less the better */

#endif
