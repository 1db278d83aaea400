/* What all benchmarks say alike. */
#include "util_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- order statistics ---------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double at(const double *sorted, size_t n, double share) {
    const double place = share * (double)(n - 1);
    const size_t i = (size_t)place, next = i + 1 < n ? i + 1 : i;
    return sorted[i] + (place - (double)i) * (sorted[next] - sorted[i]);
}

spread spread_of(const double *x, size_t n) {
    double *sorted = malloc(n * sizeof *sorted);
    if (!sorted) return (spread){NAN, NAN, NAN, NAN};
    memcpy(sorted, x, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    const spread s = {sorted[0], at(sorted, n, 0.25), at(sorted, n, 0.5), at(sorted, n, 0.75)};
    free(sorted);
    return s;
}

void report_spread(mn_str *s, const char *name, const spread *x) {
    mn_str_addf(s, "\"%s\":{\"min\":", name);
    mn_str_real(s, x->min);
    mn_str_add(s, ",\"low\":");
    mn_str_real(s, x->low);
    mn_str_add(s, ",\"median\":");
    mn_str_real(s, x->median);
    mn_str_add(s, ",\"high\":");
    mn_str_real(s, x->high);
    mn_str_add(s, "}");
}

/* ---- the machine --------------------------------------------------------------------------------------- */

/* The first line "KEY : VALUE" of a file in /proc; "?" if there is none. */
static void proc_value(const char *path, const char *key, char *value, size_t bytes) {
    char line[512];
    FILE *f = fopen(path, "r");
    snprintf(value, bytes, "?");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) != 0 || !colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(value, bytes, "%s", colon);
        break;
    }
    if (f) fclose(f);
}

typedef struct machine {
    char cpu[128], family[16], model[16], memory[64];
    struct utsname system;
    long cores;
    const char *isa;
} machine;

static machine look(void) {
    static const char *const isas[] = {
        [MN_ISA_PORTABLE] = "portable", [MN_ISA_AVX2] = "AVX2", [MN_ISA_AVX512] = "AVX-512"};
    machine m = {.cores = sysconf(_SC_NPROCESSORS_ONLN), .isa = isas[mn_cpu_isa()]};
    proc_value("/proc/cpuinfo", "model name", m.cpu, sizeof m.cpu);
    proc_value("/proc/cpuinfo", "cpu family", m.family, sizeof m.family);
    proc_value("/proc/cpuinfo", "model\t", m.model, sizeof m.model);
    proc_value("/proc/meminfo", "MemTotal", m.memory, sizeof m.memory);
    uname(&m.system);
    return m;
}

static const char compiler[] =
#if defined(__clang__)
    __VERSION__;
#else
    "gcc " __VERSION__;
#endif

void report_machine(mn_str *s) {
    const machine m = look();
    const struct {
        const char *name, *text;
    } rows[] = {{"cpu", m.cpu},
                {"family", m.family},
                {"model", m.model},
                {"isa", m.isa},
                {"memory", m.memory},
                {"system", m.system.sysname},
                {"release", m.system.release},
                {"compiler", compiler}};
    mn_str_addf(s, "\"machine\":{\"cores\":%ld", m.cores);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        mn_str_addf(s, ",\"%s\":", rows[i].name);
        mn_str_json(s, rows[i].text);
    }
    mn_str_add(s, "}");
}

void report_machine_text(char *text, size_t bytes) {
    const machine m = look();
    snprintf(text, bytes, "%s (family %s, model %s), %ld cores, %s, %s, %s", m.cpu, m.family, m.model, m.cores, m.isa,
             m.memory, compiler);
}

/* ---- files --------------------------------------------------------------------------------------------- */

int report_write(modnas_ctx *ctx, mn_str *s, const char *path) {
    char folder[4096];
    const size_t n = s->n;
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    char *text = mn_str_take(s);
    if (!text) return MODNAS_ENOMEM;
    int rc = 0;
    if (slash) {
        *slash = '\0';
        rc = mn_make_dirs(ctx, folder);
    }
    if (!rc) rc = mn_file_write(ctx, path, text, n);
    mn_free(ctx, text);
    return rc;
}

void report_home(char *path, size_t bytes) {
    const ssize_t n = readlink("/proc/self/exe", path, bytes - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    else
        snprintf(path, bytes, ".");
}

int report_context(modnas_ctx **out) {
    char home[4096], folder[4200];
    report_home(home, sizeof home);
    snprintf(folder, sizeof folder, "%s/../modnas-plugins", home);
    const char *given = getenv("MODNAS_PLUGINS");
    const modnas_ctx_opts opts = {.size = sizeof opts, .plugin_dir = given ? given : folder};
    return modnas_ctx_new(&opts, out);
}
