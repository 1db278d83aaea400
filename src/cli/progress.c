/* The progress line.
 *
 *   search  epoch 3/10  step 120/750  loss 0.8121  acc 71.3 %  lr 0.0243  4:32 left
 *
 * It is redrawn in place at most ten times a second and never wraps: fields are dropped, least useful first, until it
 * fits. Of each epoch one line stays on the screen, and warnings do; the rest of the log is in exp/NAME/logs. Where
 * standard error is no terminal, log lines are printed as they come, and a line of progress when nothing was said for
 * ten seconds. */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FIELDS = 7, FIELD_BYTES = 96 };
enum mode { NOTHING, LINE, LOG };
static const double redraw_s = 0.1, quiet_s = 10.0;

static struct {
    enum mode mode;
    int drawn;     /* 1: the line is on the screen */
    double last_s; /* when something was last shown */
} state;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int progress_width(int fd) {
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    const int given = columns ? atoi(columns) : 0;
    if (given > 0) return given;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

const char *progress_time(double seconds, char *buf, size_t bytes) {
    const long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(buf, bytes, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(buf, bytes, "%ld:%02ld", s / 60, s % 60);
    return buf;
}

void progress_start(int quiet) {
    const char *term = getenv("TERM");
    const int can_redraw = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
    state.mode = quiet ? NOTHING : can_redraw ? LINE : LOG;
    state.drawn = 0;
    state.last_s = now_s();
}

void progress_clear(void) {
    if (!state.drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    state.drawn = 0;
}

void progress_end(void) {
    progress_clear();
    if (state.mode == LINE) fputc('\n', stderr);
}

void progress_log(int32_t level, const char *text, void *ud) {
    (void)ud;
    if (level > (state.mode == NOTHING ? MODNAS_LOG_ERROR : state.mode == LINE ? MODNAS_LOG_WARN : MODNAS_LOG_INFO))
        return;
    progress_clear();
    fprintf(stderr, "%s%s\n",
            level == MODNAS_LOG_ERROR  ? "error: "
            : level == MODNAS_LOG_WARN ? "warning: "
                                       : "",
            text);
    state.last_s = state.mode == LOG ? now_s() : state.last_s;
}

static size_t columns_of(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80; /* UTF-8: bytes that begin a character */
    return n;
}

/* The fields in the order of the line; an empty one is not shown. is_done: of an epoch that is over. */
static void write_fields(const modnas_progress *p, int is_done, char field[FIELDS][FIELD_BYTES]) {
    char time[32];
    const char *phase = strcmp(p->phase, "train") == 0 ? "" : p->phase;
    memset(field, 0, FIELDS * FIELD_BYTES);
    snprintf(field[0], FIELD_BYTES, "%s%s%s", p->estim, *phase ? " " : "", phase);
    snprintf(field[1], FIELD_BYTES, "epoch %lld/%lld", (long long)p->epoch + 1, (long long)p->epochs);
    if (!is_done) snprintf(field[2], FIELD_BYTES, "step %lld/%lld", (long long)p->step + 1, (long long)p->steps);
    if (isfinite(p->loss)) snprintf(field[3], FIELD_BYTES, "loss %.4f", p->loss);
    if (isfinite(p->acc_top1)) snprintf(field[4], FIELD_BYTES, "acc %.1f %%", 100 * p->acc_top1);
    if (isfinite(p->lr)) snprintf(field[5], FIELD_BYTES, "lr %.3g", p->lr);
    if (is_done)
        snprintf(field[6], FIELD_BYTES, "%s", progress_time(p->seconds, time, sizeof time));
    else if (p->seconds_left >= 0)
        snprintf(field[6], FIELD_BYTES, "%s left", progress_time(p->seconds_left, time, sizeof time));
}

/* Join the fields with `gap`, dropping fields until `width` columns hold it (0: no limit). */
static void join(char field[FIELDS][FIELD_BYTES], const char *gap, int width, char *line, size_t bytes) {
    static const int drop_order[] = {5, 2, 4, 6, 3, 0};
    size_t n, columns, drop = 0;
    for (;;) {
        n = columns = 0;
        for (int i = 0; i < FIELDS; i++) {
            if (!field[i][0]) continue;
            const char *before = columns ? gap : "";
            n += (size_t)snprintf(line + n, bytes - n, "%s%s", before, field[i]);
            columns += columns_of(before) + columns_of(field[i]);
        }
        if (width <= 0 || columns <= (size_t)width || drop == sizeof(drop_order) / sizeof(drop_order[0])) break;
        field[drop_order[drop++]][0] = 0;
    }
    if (width > 0 && columns > (size_t)width) line[width] = 0; /* what is left is plain ASCII: the epoch */
}

/* Is this step one to show? Architecture steps come between training steps: showing both would flicker. */
static int is_due(const modnas_progress *p, int is_done) {
    if (state.mode == LINE && strcmp(p->phase, "arch") == 0) return 0;
    const double since = now_s() - state.last_s;
    return state.mode == LINE ? is_done || since >= redraw_s : since >= quiet_s;
}

int progress_step(const modnas_progress *p, void *ud) {
    char field[FIELDS][FIELD_BYTES], line[FIELDS * (FIELD_BYTES + 2)];
    const int is_done = state.mode == LINE && strcmp(p->phase, "train") == 0 && p->step + 1 == p->steps;
    const int width = state.mode == LINE ? progress_width(STDERR_FILENO) - 1 : 0;
    (void)ud;
    if (state.mode == NOTHING || !is_due(p, is_done)) return 0;
    write_fields(p, is_done, field);
    join(field, state.mode == LINE ? "  " : ", ", width, line, sizeof line);
    if (state.mode == LINE)
        fprintf(stderr, "\r%s\033[K%s", line, is_done ? "\n" : "");
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
    state.drawn = state.mode == LINE && !is_done;
    state.last_s = now_s();
    return 0;
}
