/* Charts (chart.h): coordinates are tenths of a pixel, written without the locale. */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"

enum { MOST_DOTS = 3000, N_MARKS = 6 /* on a line */, FONT = 11 };

static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
static const char *const dashes[] = {"", "7 3", "2 3", "9 3 2 3", "4 4"};

const char *mn_chart_colour(int32_t style) {
    return colours[style % (int32_t)MN_COUNT(colours)];
}

typedef struct frame {
    mn_str *s;
    const mn_chart *c;
    double left, top, width, height;       /* of the plot */
    double low[2], high[2], step[2];       /* x, y */
    double whole_width, whole_height;
} frame;

static void put(mn_str *s, double pixels) {
    const double p = fabs(pixels) < 1e6 ? round(pixels * 10) : 0;
    const long tenths = (long)p;
    mn_str_addf(s, "%s%ld", tenths < 0 ? "-" : "", labs(tenths) / 10);
    if (labs(tenths) % 10) mn_str_addf(s, ".%ld", labs(tenths) % 10);
}

/* name="12.3" for each name of the list, which ends with NULL. */
static void put_all(mn_str *s, const char *const *names, const double *pixels) {
    for (; *names; names++, pixels++) {
        mn_str_addf(s, " %s=\"", *names);
        put(s, *pixels);
        mn_str_add(s, "\"");
    }
}

static void put_line(mn_str *s, double x1, double y1, double x2, double y2, const char *more) {
    static const char *const names[] = {"x1", "y1", "x2", "y2", NULL};
    mn_str_add(s, "<line");
    put_all(s, names, (const double[]){x1, y1, x2, y2});
    mn_str_addf(s, " %s/>", more);
}

/* anchor: start, middle or end. */
static void put_text(mn_str *s, double x, double y, const char *anchor, const char *text) {
    static const char *const names[] = {"x", "y", NULL};
    mn_str_add(s, "<text");
    put_all(s, names, (const double[]){x, y});
    mn_str_addf(s, " font-size=\"%d\" text-anchor=\"%s\">", FONT, anchor);
    mn_html_text(s, text, MN_HTML_TEXT);
    mn_str_add(s, "</text>");
}

static void put_mark(mn_str *s, int32_t style, double x, double y, double r) {
    static const struct {
        int n;
        double at[5][2];
    } shapes[] = {{4, {{-.9, -.9}, {.9, -.9}, {.9, .9}, {-.9, .9}}},
                  {3, {{0, -1.2}, {1.1, .9}, {-1.1, .9}}},
                  {4, {{0, -1.3}, {1.3, 0}, {0, 1.3}, {-1.3, 0}}},
                  {3, {{0, 1.2}, {1.1, -.9}, {-1.1, -.9}}},
                  {5, {{0, -1.2}, {1.14, -.37}, {.7, .97}, {-.7, .97}, {-1.14, -.37}}}};
    static const char *const names[] = {"cx", "cy", "r", NULL};
    const int32_t i = style % ((int32_t)MN_COUNT(shapes) + 1);
    mn_str_add(s, i ? "<path d=\"" : "<circle");
    if (!i) put_all(s, names, (const double[]){x, y, r});
    for (int k = 0; i && k < shapes[i - 1].n; k++) {
        mn_str_add(s, k ? "L" : "M");
        put(s, x + r * shapes[i - 1].at[k][0]);
        mn_str_add(s, " ");
        put(s, y + r * shapes[i - 1].at[k][1]);
    }
    mn_str_addf(s, "%s fill=\"%s\" stroke=\"#fff\" stroke-width=\"0.7\"/>", i ? "Z\"" : "", mn_chart_colour(style));
}

static void put_stroke(mn_str *s, int32_t style) {
    const char *dash = dashes[style % (int32_t)MN_COUNT(dashes)];
    mn_str_addf(s, " fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\"", mn_chart_colour(style));
    if (*dash) mn_str_addf(s, " stroke-dasharray=\"%s\"", dash);
    mn_str_add(s, "/>");
}

static const char guide[] = "stroke=\"#555\" stroke-width=\"1.4\" stroke-dasharray=\"3 3\"";

/* ---- ranges -------------------------------------------------------------------------------------------- */

double mn_chart_ticks(double *low, double *high, int32_t most) {
    static const double steps[] = {1, 2, 5, 10};
    const double size = fmax(fabs(*low), fabs(*high));
    if (*high - *low <= 1e-9 * size || size < 1e-280) { /* one value: room around it */
        const double room = size < 1e-280 ? 1 : size * 0.05;
        *low -= room;
        *high += room;
    }
    const double rough = (*high - *low) / most, unit = pow(10, floor(log10(rough)));
    double step = 10 * unit;
    for (size_t i = MN_COUNT(steps); i-- > 0;)
        if (steps[i] * unit >= rough * (1 - 1e-9)) step = steps[i] * unit;
    *low = floor(*low / step + 1e-9) * step;
    *high = ceil(*high / step - 1e-9) * step;
    return step;
}

static void widen(frame *f, int axis, double v) {
    if (!isfinite(v) || fabs(v) > 1e300) return;
    if (!(v >= f->low[axis])) f->low[axis] = v;
    if (!(v <= f->high[axis])) f->high[axis] = v;
}

static int is_point(const mn_curve *v, size_t i) {
    return isfinite(v->x[i]) && isfinite(v->y[i]) && fabs(v->x[i]) < 1e300 && fabs(v->y[i]) < 1e300;
}

/* 0: there is no point. */
static int find_ranges(frame *f) {
    const mn_chart *c = f->c;
    for (int a = 0; a < 2; a++) f->low[a] = f->high[a] = NAN;
    for (size_t i = 0; i < c->n; i++) {
        const mn_curve *v = &c->curves[i];
        if (v->kind == MN_CURVE_LEVEL) widen(f, 1, v->at);
        if (v->kind == MN_CURVE_BOUND) widen(f, 0, v->at);
        if (v->kind >= MN_CURVE_LEVEL) continue;
        for (size_t k = 0; k < v->n; k++) {
            if (!is_point(v, k)) continue;
            widen(f, 0, v->x[k]);
            widen(f, 1, v->y[k]);
        }
    }
    if (isnan(f->low[0]) || isnan(f->low[1])) return 0;
    if (c->is_share) f->low[1] = 0, f->high[1] = 1;
    for (int a = 0; a < 2 && c->is_square; a++) {
        widen(f, a, f->low[1 - a]);
        widen(f, a, f->high[1 - a]);
    }
    for (int a = 0; a < 2; a++) f->step[a] = mn_chart_ticks(&f->low[a], &f->high[a], c->is_small ? 3 : 5);
    if (strstr(c->y_label, "(0 to 1)")) f->low[1] = fmax(f->low[1], 0), f->high[1] = fmin(f->high[1], 1);
    return 1;
}

static double x_of(const frame *f, double x) {
    return f->left + (x - f->low[0]) / (f->high[0] - f->low[0]) * f->width;
}

static double y_of(const frame *f, double y) {
    return f->top + f->height - (y - f->low[1]) / (f->high[1] - f->low[1]) * f->height;
}

/* ---- axes ---------------------------------------------------------------------------------------------- */

static int n_ticks(const frame *f, int axis) {
    return (int)round((f->high[axis] - f->low[axis]) / f->step[axis]) + 1;
}

/* A multiple of the step, with the digits that it has. */
static const char *tick(const frame *f, int axis, int i, double *at, char text[48]) {
    const double step = f->step[axis], n = round(f->low[axis] / step) + i;
    *at = n * step;
    const int digits = n == 0 ? 1 : 1 + (int)(floor(log10(fabs(*at)) + 1e-9) - floor(log10(step) + 1e-9));
    return mn_html_short(*at, digits, text);
}

static void find_plot(frame *f) {
    const mn_chart *c = f->c;
    double at;
    char text[48];
    size_t longest = 0;
    for (int i = 0; i < n_ticks(f, 1); i++) {
        const size_t n = strlen(tick(f, 1, i, &at, text));
        if (n > longest) longest = n;
    }
    f->whole_width = c->is_small ? 260 : 360;
    f->whole_height = c->is_small ? 165 : 240;
    f->left = 12 + 6.4 * (double)longest;
    f->top = 22;
    f->width = f->whole_width - f->left - 24;
    f->height = f->whole_height - f->top - 36;
}

static void add_axes(frame *f) {
    mn_str *s = f->s;
    char text[48];
    double at;
    const double right = f->left + f->width, bottom = f->top + f->height;
    for (int i = 0; i < n_ticks(f, 1); i++) {
        const char *label = tick(f, 1, i, &at, text);
        put_line(s, f->left, y_of(f, at), right, y_of(f, at), "stroke=\"#dcdcdc\"");
        put_text(s, f->left - 5, y_of(f, at) + 4, "end", label);
    }
    for (int i = 0; i < n_ticks(f, 0); i++) {
        const char *label = tick(f, 0, i, &at, text);
        put_line(s, x_of(f, at), bottom, x_of(f, at), bottom + 4, "stroke=\"#1a1a1a\"");
        put_text(s, x_of(f, at), bottom + 16, "middle", label);
    }
    put_line(s, f->left, bottom, right, bottom, "stroke=\"#1a1a1a\"");
    put_line(s, f->left, f->top, f->left, bottom, "stroke=\"#1a1a1a\"");
    put_text(s, 2, 11, "start", f->c->y_label);
    put_text(s, right, f->whole_height - 3, "end", f->c->x_label);
}

/* ---- curves -------------------------------------------------------------------------------------------- */

static void add_line(const frame *f, const mn_curve *v) {
    int begun = 0;
    size_t n = 0;
    mn_str_add(f->s, "<path d=\"");
    for (size_t i = 0; i < v->n; i++) {
        if (!is_point(v, i)) {
            begun = 0;
            continue;
        }
        mn_str_add(f->s, begun ? "L" : "M");
        put(f->s, x_of(f, v->x[i]));
        mn_str_add(f->s, " ");
        put(f->s, y_of(f, v->y[i]));
        begun = 1;
        n++;
    }
    mn_str_add(f->s, n ? "\"" : "M0 0\"");
    put_stroke(f->s, v->style);
    const size_t every = v->n / N_MARKS + 1;
    for (size_t i = ((size_t)v->style * every / 7) % every; i < v->n; i += every)
        if (is_point(v, i)) put_mark(f->s, v->style, x_of(f, v->x[i]), y_of(f, v->y[i]), 3.2);
}

/* Round ends of strokes without length: the least that a point can be written with. */
static void add_dots(const frame *f, const mn_curve *v) {
    const size_t every = v->n / MOST_DOTS + 1;
    mn_str_add(f->s, "<path d=\"M0 0");
    for (size_t i = 0; i < v->n; i += every) {
        if (!is_point(v, i)) continue;
        mn_str_add(f->s, "M");
        put(f->s, x_of(f, v->x[i]));
        mn_str_add(f->s, " ");
        put(f->s, y_of(f, v->y[i]));
        mn_str_add(f->s, "h0");
    }
    mn_str_addf(f->s, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-linecap=\"round\" stroke-opacity=\"0.6\"/>",
                mn_chart_colour(v->style), f->c->is_small ? "3" : "4");
}

static void add_curve(const frame *f, const mn_curve *v) {
    if (v->kind == MN_CURVE_LINE) add_line(f, v);
    if (v->kind == MN_CURVE_DOTS) add_dots(f, v);
    for (size_t i = 0; v->kind == MN_CURVE_MARKS && i < v->n; i++)
        if (is_point(v, i)) put_mark(f->s, v->style, x_of(f, v->x[i]), y_of(f, v->y[i]), 4.6);
    if (v->kind == MN_CURVE_LEVEL && isfinite(v->at))
        put_line(f->s, f->left, y_of(f, v->at), f->left + f->width, y_of(f, v->at), guide);
    if (v->kind == MN_CURVE_BOUND && isfinite(v->at))
        put_line(f->s, x_of(f, v->at), f->top, x_of(f, v->at), f->top + f->height, guide);
}

static void add_key(mn_str *s, const mn_curve *v) {
    mn_str_add(s, "<li><svg viewBox=\"0 0 30 12\" aria-hidden=\"true\">");
    if (v->kind == MN_CURVE_LINE) {
        mn_str_add(s, "<path d=\"M0 6L30 6\"");
        put_stroke(s, v->style);
    }
    if (v->kind >= MN_CURVE_LEVEL) put_line(s, 0, 6, 30, 6, guide);
    if (v->kind == MN_CURVE_DOTS)
        mn_str_addf(s, "<circle cx=\"15\" cy=\"6\" r=\"3\" fill=\"%s\"/>", mn_chart_colour(v->style));
    if (v->kind == MN_CURVE_LINE || v->kind == MN_CURVE_MARKS) put_mark(s, v->style, 15, 6, 4);
    mn_str_add(s, "</svg><span>");
    mn_html_text(s, v->name, MN_HTML_TEXT);
    mn_str_add(s, "</span></li>");
}

void mn_chart_legend(mn_str *s, const mn_curve *curves, size_t n) {
    mn_str_add(s, "<ul class=\"legend\">");
    for (size_t i = 0; i < n; i++)
        if (curves[i].name) add_key(s, &curves[i]);
    mn_str_add(s, "</ul>");
}

static void begin_figure(mn_str *s, const char *title, double width, double height) {
    mn_str_add(s, "<figure><figcaption>");
    mn_html_text(s, title, MN_HTML_TEXT);
    mn_str_add(s, "</figcaption><svg viewBox=\"0 0 ");
    put(s, width);
    mn_str_add(s, " ");
    put(s, height);
    mn_str_add(s, "\" role=\"img\" aria-label=\"");
    mn_html_text(s, title, MN_HTML_TEXT);
    mn_str_add(s, "\">");
}

void mn_chart_add(mn_str *s, const mn_chart *c) {
    frame f = {.s = s, .c = c};
    int n_named = 0;
    if (!find_ranges(&f)) {
        mn_html_say(s, "p class=\"missing\"", "%s: there is no finite number to draw.", c->title);
        return;
    }
    find_plot(&f);
    begin_figure(s, c->title, f.whole_width, f.whole_height);
    add_axes(&f);
    for (size_t i = 0; i < c->n; i++) {
        add_curve(&f, &c->curves[i]);
        n_named += c->curves[i].name != NULL;
    }
    mn_str_add(s, "</svg>");
    if (n_named && !c->no_legend) mn_chart_legend(s, c->curves, c->n);
    mn_str_add(s, "</figure>\n");
}

/* ---- bars ---------------------------------------------------------------------------------------------- */

/* At most `most` characters, the rest as dots. */
static void short_name(const char *name, size_t most, char buf[128]) {
    size_t at = 0, chars = 0;
    const size_t n = strnlen(name, 96);
    while (at < n && chars < most) {
        const size_t k = mn_utf8_length(name + at, n - at);
        at += k ? k : 1;
        chars++;
    }
    snprintf(buf, 128, "%.*s%s", (int)at, name, name[at] ? "\xe2\x80\xa6" : "");
}

void mn_chart_bars(mn_str *s, const char *title, const char *unit, const mn_bar *bars, size_t n) {
    enum { WIDTH = 360, NAME = 128, VALUE = 58, ROW = 18 };
    static const char *const names[] = {"x", "y", "width", "height", NULL};
    char text[128], value[48];
    double most = 0;
    mn_str whole = {.ctx = s->ctx};
    for (size_t i = 0; i < n; i++) most = isfinite(bars[i].value) && bars[i].value > most ? bars[i].value : most;
    mn_str_addf(&whole, "%s (%s)", title, unit);
    begin_figure(s, whole.text ? whole.text : title, WIDTH, (double)(n * ROW + 8));
    s->failed |= whole.failed;
    mn_str_free(&whole);
    for (size_t i = 0; i < n; i++) {
        const double y = (double)(i * ROW + 4), share = most > 0 && isfinite(bars[i].value) ? bars[i].value / most : 0;
        short_name(bars[i].name, 19, text);
        mn_str_add(s, "<g><title>");
        mn_html_text(s, bars[i].name, MN_HTML_TEXT);
        mn_str_add(s, "</title>");
        put_text(s, NAME - 6, y + 12, "end", text);
        mn_str_add(s, "<rect");
        put_all(s, names, (const double[]){NAME, y + 2, share * (WIDTH - NAME - VALUE), ROW - 4});
        mn_str_addf(s, " fill=\"%s\"/>", mn_chart_colour(bars[i].style));
        put_text(s, NAME + share * (WIDTH - NAME - VALUE) + 5, y + 12, "start", mn_html_short(bars[i].value, 4, value));
        mn_str_add(s, "</g>");
    }
    put_line(s, NAME, 0, NAME, (double)(n * ROW + 8), "stroke=\"#1a1a1a\"");
    mn_str_add(s, "</svg></figure>\n");
}
