/* The table at the end of a run, read from the text of results.json:
 *
 *   fm_found: seed 1, dnnl (oneDNN 3.2.0), 2 threads, 6:51, peak 512 MiB
 *
 *   estimator  evaluations    score    acc_top1        loss
 *   search               4   0.8870      0.8870      0.3104
 *   test images      10000                0.9203      0.2911
 *
 *   search found
 *     MB3E3 MB5E6 NIL MB7E3
 *
 *   architecture  exp/fm_found/outputs/arch_search_best.yaml
 *   ...
 */
#include "summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "progress.h"

enum { TEXT = 256, MAX_METRICS = 8, COLUMN = 12 };

static const char test_label[] = "test images";

/* A file may have long lines. */
static int line_width(void) {
    return isatty(STDOUT_FILENO) ? progress_width(STDOUT_FILENO) : 160;
}

static const char *text_of(const char *value, const char *otherwise, char *buf) {
    const char *text = json_string(value, buf, TEXT);
    return text ? text : otherwise;
}

static void print_head(const char *results) {
    char name[TEXT], backend[TEXT], version[TEXT], time[32];
    const double seconds = json_number(json_get(results, "seconds"), NAN),
                 peak = json_number(json_get(results, "peak_rss_bytes"), NAN);
    text_of(json_get(results, "backend"), "", backend);
    printf("%s: seed %.0f, %s", text_of(json_get(results, "name"), "run", name),
           json_number(json_get(results, "seed"), 0), backend);
    if (json_string(json_get(json_get(results, "versions"), backend), version, TEXT)) printf(" (%s)", version);
    printf(", %.0f threads", json_number(json_get(results, "threads"), 0));
    if (isfinite(seconds)) printf(", %s", progress_time(seconds, time, sizeof time));
    if (isfinite(peak)) printf(", peak %.0f MiB", peak / 1048576);
    printf("\n\n");
}

/* ---- one row an estimator -------------------------------------------------------------------------------- */

typedef struct columns {
    char name[MAX_METRICS][TEXT];
    int n, label; /* metrics, width of the first column */
} columns;

static void add_columns(columns *c, const char *metrics) {
    char key[TEXT];
    const char *at = NULL;
    while (json_next(metrics, &at, key, sizeof key)) {
        int i = 0;
        while (i < c->n && strcmp(c->name[i], key)) i++;
        if (i == c->n && i < MAX_METRICS && strcmp(key, "n") != 0) strcpy(c->name[c->n++], key);
    }
}

static const char *metrics_of(const char *estim) {
    return json_get(json_get(estim, "best"), "metrics");
}

/* Every metric that any row has, in the order met, as many as the width holds. */
static columns find_columns(const char *estims, const char *test) {
    columns c = {.n = 0, .label = sizeof test_label - 1};
    char key[TEXT];
    const char *at = NULL, *estim;
    while ((estim = json_next(estims, &at, key, sizeof key))) {
        add_columns(&c, metrics_of(estim));
        if ((int)strlen(key) > c.label) c.label = (int)strlen(key);
    }
    add_columns(&c, test);
    const int room = (line_width() - c.label - 22) / COLUMN;
    if (c.n > room) c.n = room > 1 ? room : 1;
    return c;
}

static void print_number(const char *value, int width) {
    const double x = json_number(value, NAN);
    if (!isfinite(x))
        printf("%*s", width, "-");
    else if (x >= 10 && x < 1e15 && x == (double)(int64_t)x)
        printf("%*.0f", width, x);
    else
        printf("%*.4f", width, x);
}

/* A column has room for its name. */
static int width_of(const char *name) {
    const int n = (int)strlen(name) + 2;
    return n > COLUMN ? n : COLUMN;
}

static void print_row(const columns *c, const char *label, const char *count, const char *score, const char *metrics) {
    printf("%-*s", c->label, label);
    printf("  %11.0f", json_number(count, 0));
    print_number(score, 9);
    for (int i = 0; i < c->n; i++)
        print_number(json_get(metrics, c->name[i]), width_of(c->name[i]));
    putchar('\n');
}

static void print_rows(const char *estims, const char *test) {
    char key[TEXT];
    const char *at = NULL, *estim;
    const columns c = find_columns(estims, test);
    printf("%-*s  evaluations    score", c.label, "estimator");
    for (int i = 0; i < c.n; i++) printf("%*s", width_of(c.name[i]), c.name[i]);
    putchar('\n');
    while ((estim = json_next(estims, &at, key, sizeof key)))
        print_row(&c, key, json_get(estim, "evaluations"), json_get(json_get(estim, "best"), "score"),
                  metrics_of(estim));
    if (test) print_row(&c, test_label, json_get(test, "n"), NULL, test);
    putchar('\n');
}

/* ---- architectures --------------------------------------------------------------------------------------- */

typedef struct wrap {
    int width, column;
} wrap;

static void print_word(wrap *w, const char *word, size_t n) {
    if (w->column > 2 && w->column + 1 + (int)n > w->width) {
        fputs("\n ", stdout);
        w->column = 1;
    }
    printf(" %.*s", (int)n, word);
    w->column += 1 + (int)n;
}

/* A list with one choice a Slot reads best as words; whatever else an exporter writes is shown as it is. */
static void print_arch(const char *arch) {
    wrap w = {line_width(), 1};
    char key[TEXT], word[TEXT];
    const char *at = NULL, *item, *inner;
    putchar(' ');
    if (*arch != '[') print_word(&w, arch, json_length(arch));
    while (*arch == '[' && (item = json_next(arch, &at, key, sizeof key))) {
        inner = NULL;
        const char *only = *item == '[' ? json_next(item, &inner, key, sizeof key) : item;
        if (only != item && json_next(item, &inner, key, sizeof key)) only = NULL; /* more than one: the whole list */
        if (json_string(only, word, sizeof word))
            print_word(&w, word, strlen(word));
        else
            print_word(&w, item, json_length(item));
    }
    putchar('\n');
}

static void print_archs(const char *estims) {
    char key[TEXT];
    const char *at = NULL, *estim;
    while ((estim = json_next(estims, &at, key, sizeof key))) {
        const char *arch = json_get(json_get(estim, "best"), "arch");
        if (!arch || strncmp(arch, "null", 4) == 0 || strncmp(arch, "[]", 2) == 0 || strncmp(arch, "{}", 2) == 0)
            continue;
        printf("%s found\n", key);
        print_arch(arch);
        putchar('\n');
    }
}

/* ---- files ----------------------------------------------------------------------------------------------- */

/* One line for a file, if it exists: FOLDER/ with the three parts of its name. */
static int print_file(const char *what, const char *folder, const char *before, const char *estim, const char *after) {
    char path[4 * TEXT];
    const int n = snprintf(path, sizeof path, "%s/%s%s%s", folder, before, estim, after);
    if (n < 0 || (size_t)n >= sizeof path || access(path, F_OK) != 0) return 0;
    printf("%-13s %s\n", what, path);
    return 1;
}

static void print_files(const char *results, const char *config) {
    char root[TEXT], name[TEXT], folder[2 * TEXT + 2], key[TEXT];
    const char *at = NULL, *estims = json_get(results, "estim");
    const char *base = text_of(json_get(json_get(config, "expman"), "root_dir"), "exp", root);
    snprintf(folder, sizeof folder, "%s/%s", base, text_of(json_get(results, "name"), "", name));
    while (json_next(estims, &at, key, sizeof key)) {
        print_file("architecture", folder, "outputs/arch_", key, "_best.yaml");
        if (!print_file("weights", folder, "chkpt/model_", key, "_best.safetensors"))
            print_file("weights", folder, "chkpt/model_", key, "_last.safetensors");
    }
    print_file("history", folder, "outputs/history.tsv", "", "");
    print_file("results", folder, "outputs/results.json", "", "");
}

void summary_print(modnas_ctx *ctx, modnas_config *cfg, const char *results) {
    char *config = NULL;
    if (!results) return;
    const char *estims = json_get(results, "estim");
    print_head(results);
    print_rows(estims, json_get(results, "test"));
    print_archs(estims);
    if (modnas_config_json(cfg, &config) == 0) print_files(results, config);
    modnas_string_free(ctx, config);
    fflush(stdout);
}
