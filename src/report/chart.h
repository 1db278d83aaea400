/* Charts as inline SVG: points, lines and bars, axes with round ticks. Series differ in colour (Okabe and Ito's, which
 * the colour-blind tell apart), dashes and marks at once. */
#ifndef MN_CHART_H
#define MN_CHART_H

#include "base/base.h"

enum mn_curve_kind {
    MN_CURVE_LINE,  /* through its points, in order; a point that is not finite is a gap */
    MN_CURVE_DOTS,  /* each point; of very many every k-th */
    MN_CURVE_MARKS, /* large ones, for few points */
    MN_CURVE_LEVEL, /* a dashed line at y = at */
    MN_CURVE_BOUND  /* a dashed line at x = at */
};

typedef struct mn_curve {
    const char *name; /* escaped here; NULL: not in the legend */
    int32_t kind, style; /* style: 0, 1, ... */
    const double *x, *y;
    size_t n;
    double at;
} mn_curve;

typedef struct mn_chart {
    const char *title, *x_label, *y_label; /* labels with units; escaped here */
    const mn_curve *curves;
    size_t n;
    int32_t is_small;   /* one of many */
    int32_t is_share;   /* y from 0 to 1 */
    int32_t is_square;  /* both axes have the same range */
    int32_t no_legend;
} mn_chart;

/* A <figure>; without a finite point a line that says so. */
void mn_chart_add(mn_str *s, const mn_chart *c);
void mn_chart_legend(mn_str *s, const mn_curve *curves, size_t n);
const char *mn_chart_colour(int32_t style); /* #rrggbb */

typedef struct mn_bar {
    const char *name;
    double value; /* 0 or more */
    int32_t style;
} mn_bar;
/* Bars one below the other, each with its value; unit stands behind the title. */
void mn_chart_bars(mn_str *s, const char *title, const char *unit, const mn_bar *bars, size_t n);

/* Ticks at round numbers: *low and *high move out to multiples of the step that is returned (1, 2 or 5 times a power of
 * ten, at most about `most` of them). */
double mn_chart_ticks(double *low, double *high, int32_t most);

#endif
