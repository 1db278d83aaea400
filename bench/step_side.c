/* Starting a side, and talking to it line by line. */
#include "step_side.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

enum { LINE = 4096 };

static int fail(const side *s, const char *what) {
    fprintf(stderr, "%s: %s\n", s->version[0] ? s->version : "a side", what);
    return -1;
}

/* env: NAME=VALUE, ..., NULL */
static void set_all(const char *const *env) {
    for (; *env; env++) {
        char name[64];
        const char *value = strchr(*env, '=') + 1;
        snprintf(name, sizeof name, "%.*s", (int)(value - *env - 1), *env);
        setenv(name, value, 1);
    }
}

static void become(char *const *argv, const char *const *env, const int in[2], const int out[2]) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
    set_all(env);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

/* Pipes are closed on exec, so no later side holds an end of an earlier one's. */
static int spawn(side *s, char *const *argv, const char *const *env) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC)) return fail(s, "no pipe");
    if (pipe2(out, O_CLOEXEC)) {
        close(in[0]);
        close(in[1]);
        return fail(s, "no pipe");
    }
    s->started = mn_seconds();
    s->pid = fork();
    if (s->pid == 0) become(argv, env, in, out);
    close(in[0]);
    close(out[1]);
    s->to = fdopen(in[1], "w");
    s->from = fdopen(out[0], "r");
    return s->pid > 0 && s->to && s->from ? 0 : fail(s, "the process was not started");
}

/* One line of answer, which begins with `word`; *rest is what follows. */
static int hear(side *s, const char *word, char line[LINE], char **rest) {
    const size_t n = strlen(word);
    if (!fgets(line, LINE, s->from)) return fail(s, "it ended; what it said is above");
    if (strncmp(line, word, n) != 0 || line[n] != ' ') return fail(s, "an answer out of turn");
    line[strcspn(line, "\n")] = '\0';
    *rest = line + n + 1;
    return 0;
}

static int read_greeting(side *s, char *text) {
    s->params = strtoll(text, &text, 10);
    for (s->n_ops = 0; *text == (s->n_ops ? ',' : ' ') && s->n_ops < SIDE_MAX_OPS; s->n_ops++)
        s->n_candidates[s->n_ops] = (int32_t)strtol(text + 1, &text, 10);
    snprintf(s->version, sizeof s->version, "%s", *text ? text + 1 : text);
    return s->n_ops ? 0 : fail(s, "it has no mixed ops");
}

int side_start(side *s, char *const *argv, const char *const *env) {
    char line[LINE], *rest;
    *s = (side){.pid = 0};
    if (spawn(s, argv, env) || hear(s, "ready", line, &rest) || read_greeting(s, rest)) {
        side_stop(s);
        return -1;
    }
    return 0;
}

static void put_path(FILE *f, const int32_t *path, int32_t n) {
    for (int32_t i = 0; i < n; i++) fprintf(f, "%c%d", i ? ',' : ' ', path[i]);
}

int side_run(side *s, const char *kind, const side_path *p, side_answer *a) {
    char line[LINE], *rest;
    *a = (side_answer){0, 0, 0};
    fprintf(s->to, "run %s", kind);
    put_path(s->to, p->taken, s->n_ops);
    put_path(s->to, p->other, s->n_ops);
    if (fprintf(s->to, "\n") < 0 || fflush(s->to)) return fail(s, "it takes no requests any more");
    if (hear(s, "ran", line, &rest)) return -1;
    return sscanf(rest, "%lf %lf %lf", &a->ms, &a->loss, &a->flops) >= 2 ? 0 : fail(s, "an answer without numbers");
}

int side_rss(side *s, double *bytes) {
    char line[LINE], *rest;
    if (fprintf(s->to, "rss\n") < 0 || fflush(s->to)) return fail(s, "it takes no requests any more");
    if (hear(s, "rss", line, &rest)) return -1;
    *bytes = strtod(rest, NULL);
    return 0;
}

void side_stop(side *s) {
    if (s->to) fclose(s->to); /* its input ends: it goes */
    if (s->from) fclose(s->from);
    if (s->pid > 0) waitpid(s->pid, NULL, 0);
    *s = (side){.pid = 0};
}
