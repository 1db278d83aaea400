/* How long the kernels of the case table take: dnnl, and ref beside it.
 *
 *   kernels [-a] [-c] [-r] [-t THREADS] [-n RUNS] [-m] [TEXT]
 *     -a   all cases; otherwise only the large shapes of real networks
 *     -c   cold: the caches are swept before every run, as the rest of a training step does
 *     -r   also ref (one run of it: it is slow)
 *     -t   logical threads, default 2          -n   timed runs, default 15
 *     -m   medians only, as tab-separated "name ms", to be compared by a script
 *     TEXT only cases whose name has it
 *
 * One line a case: median and minimum in ms after two runs that are not counted, and the rate of the minimum: GFLOP/s
 * of convolutions and linear layers (taps in the padding counted), else GB/s of all arguments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_kernel_cases.h"

enum { RUNS_MAX = 1000, WARM_UP = 2, SWEEP_BYTES = 128 << 20 };

typedef struct options {
    int all, cold, with_ref, threads, runs, medians;
    const char *text;
} options;

static int parse(int argc, char **argv, options *o) {
    *o = (options){.threads = 2, .runs = 15, .text = ""};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (strcmp(a, "-a") == 0)
            o->all = 1;
        else if (strcmp(a, "-c") == 0)
            o->cold = 1;
        else if (strcmp(a, "-r") == 0)
            o->with_ref = 1;
        else if (strcmp(a, "-m") == 0)
            o->medians = 1;
        else if (strcmp(a, "-t") == 0 && i + 1 < argc)
            o->threads = atoi(argv[++i]);
        else if (strcmp(a, "-n") == 0 && i + 1 < argc)
            o->runs = atoi(argv[++i]);
        else if (a[0] == '-')
            return -1;
        else
            o->text = a;
    }
    return o->threads >= 1 && o->runs >= 1 && o->runs <= RUNS_MAX ? 0 : -1;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct timing {
    double median, min; /* seconds */
    int fallback;
} timing;

/* Write a buffer larger than the caches. */
static void sweep(void) {
    static char *buffer;
    static volatile char sink;
    if (!buffer && !(buffer = malloc(SWEEP_BYTES))) return;
    memset(buffer, sink, SWEEP_BYTES);
    sink = buffer[SWEEP_BYTES / 2];
}

static int measure(mn_backend *b, const kc_case *c, const kc_data *in, const options *o, int warm_up, int runs,
                   timing *out) {
    static double t[RUNS_MAX];
    kc_bound *bound = NULL;
    int rc = kc_bind(b, c, MODNAS_F32, KC_WANTED, in, &bound);
    if (rc) return rc;
    for (int i = 0; i < warm_up && !rc; i++) rc = kc_bound_run(bound);
    for (int i = 0; i < runs && !rc; i++) {
        if (o->cold) sweep();
        const double begin = mn_seconds();
        rc = kc_bound_run(bound);
        t[i] = mn_seconds() - begin;
    }
    qsort(t, (size_t)runs, sizeof t[0], by_value);
    *out = (timing){t[runs / 2], t[0], kc_bound_fallback(bound)};
    kc_bound_free(bound);
    return rc;
}

/* Multiply-adds of the forward operation; every pass has as many. */
static double n_flops(const modnas_kernel *k) {
    const int64_t *w = k->weights.dims, *y = k->dst.dims;
    if (k->kind == MODNAS_KERNEL_CONV2D)
        return 2.0 * (double)(y[0] * y[1] * y[2] * y[3]) * (double)(w[1] * w[2] * w[3]);
    if (k->kind == MODNAS_KERNEL_LINEAR) return 2.0 * (double)(y[0] * y[1]) * (double)w[1];
    return 0;
}

static double n_bytes(const kc_case *c, const kc_data *in) {
    double n = 0;
    for (int i = 0; i < c->n_args; i++) n += (c->args[i].io == KC_INOUT ? 8.0 : 4.0) * (double)in->n_elems[i];
    return n;
}

static void print_line(const options *o, const kc_case *c, const kc_data *in, const timing *t, const timing *slow) {
    const double flops = n_flops(&c->kernel);
    if (o->medians) {
        printf("%s\t%.4f\n", c->name, t->median * 1e3);
        return;
    }
    printf("%-44s %9.3f %9.3f  %7.1f %s", c->name, t->median * 1e3, t->min * 1e3,
           (flops ? flops : n_bytes(c, in)) / t->min / 1e9, flops ? "GFLOP/s" : "GB/s   ");
    if (slow) printf("  ref %10.3f", slow->min * 1e3);
    printf("%s\n", t->fallback ? "  (runs on ref)" : "");
}

static int bench(mn_backend *ref, mn_backend *dnnl, const options *o, const kc_case *c) {
    timing t, slow;
    kc_data *in = kc_fill(ref, c, MODNAS_F32, 1);
    if (!in) return MODNAS_ENOMEM;
    int rc = measure(dnnl, c, in, o, WARM_UP, o->runs, &t);
    if (!rc && o->with_ref) rc = measure(ref, c, in, o, 0, 1, &slow);
    if (!rc) print_line(o, c, in, &t, o->with_ref ? &slow : NULL);
    kc_data_free(in);
    return rc;
}

int main(int argc, char **argv) {
    options o;
    modnas_ctx *ctx = NULL;
    mn_backend *ref = NULL, *dnnl = NULL;
    if (parse(argc, argv, &o)) {
        fprintf(stderr, "usage: %s [-a] [-c] [-r] [-m] [-t THREADS] [-n RUNS] [TEXT]\n", argv[0]);
        return 2;
    }
    int rc = modnas_ctx_new(NULL, &ctx);
    if (!rc) rc = mn_backend_open(ctx, "ref", 1, &ref);
    if (!rc) rc = mn_backend_open(ctx, "dnnl", o.threads, &dnnl);
    if (!rc && !o.medians) printf("%s, %d threads; ms: median, minimum\n", mn_backend_version(dnnl), o.threads);
    for (int i = 0; i < kc_count() && !rc; i++) {
        kc_case c;
        kc_get(i, &c);
        if ((c.bench || o.all) && strstr(c.name, o.text)) rc = bench(ref, dnnl, &o, &c);
    }
    if (rc) fprintf(stderr, "%s\n", ctx ? modnas_errmsg(ctx) : "no context");
    mn_backend_close(dnnl);
    mn_backend_close(ref);
    modnas_ctx_free(ctx);
    return rc != 0;
}
