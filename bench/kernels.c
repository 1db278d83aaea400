/* How long the kernels of the case table take, beside `ref`, oneDNN itself and what the machine could do.
 *
 *   kernels [-a] [-c] [-r] [-t THREADS] [-n RUNS] [-j FILE] [TEXT]
 *     -a   all cases; otherwise only the large shapes of real networks
 *     -c   cold: the caches are swept before every run, as the rest of a training step does
 *     -r   also ref (one run of it: it is slow)
 *     -t   logical threads, default 2          -n   timed runs, default 15
 *     -j   also write the table as JSON
 *     TEXT only cases whose name has it
 *
 * A line a case: median and minimum in ms after two runs that are not counted; the rate of the minimum; the same of
 * oneDNN asked directly (kernels_direct.c), run in turns with ours; and the share of the bound. The bound is the longer
 * of two times: the multiply-adds at the FMA rate, and all arguments at the rate of memory, both measured before the
 * table (util_peaks.c), the latter for working sets of the kernel's size (cold: for one that no cache holds). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels_block.h"
#include "kernels_cost.h"
#include "kernels_direct.h"
#include "util_peaks.h"
#include "util_report.h"

enum { RUNS_MAX = 1000, WARM_UP = 2, SWEEP_BYTES = 128 << 20, SET_MIN = 18 /* 256 KiB */, SET_MAX = 28 };

typedef struct options {
    int all, cold, with_ref, threads, runs;
    const char *json, *text;
} options;

static int parse(int argc, char **argv, options *o) {
    *o = (options){.threads = 2, .runs = 15, .text = ""};
    const struct {
        const char *name;
        int *on, *number;
        const char **text;
    } rows[] = {{"-a", &o->all, NULL, NULL},     {"-c", &o->cold, NULL, NULL}, {"-r", &o->with_ref, NULL, NULL},
                {"-t", NULL, &o->threads, NULL}, {"-n", NULL, &o->runs, NULL}, {"-j", NULL, NULL, &o->json}};
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < MN_COUNT(rows) && strcmp(rows[k].name, argv[i]) != 0) k++;
        if (k == MN_COUNT(rows) && argv[i][0] != '-')
            o->text = argv[i];
        else if (k == MN_COUNT(rows) || (!rows[k].on && i + 1 == argc))
            return -1;
        else if (rows[k].on)
            *rows[k].on = 1;
        else if (rows[k].number)
            *rows[k].number = atoi(argv[++i]);
        else
            *rows[k].text = argv[++i];
    }
    return o->threads >= 1 && o->runs >= 1 && o->runs <= RUNS_MAX ? 0 : -1;
}

/* ---- what the machine can do --------------------------------------------------------------------------- */

typedef struct peaks {
    double flops, bandwidth[SET_MAX + 1]; /* by the binary logarithm of the working set */
} peaks;

/* In rounds: a moment in which the machine was busy with something else does not count. */
static void measure_peaks(const options *o, peaks *p) {
    for (int round = 0; round < 3; round++) {
        p->flops = fmax(p->flops, peaks_flops(o->threads));
        for (int i = o->cold ? SET_MAX : SET_MIN; i <= SET_MAX; i++)
            p->bandwidth[i] = fmax(p->bandwidth[i], peaks_bandwidth(o->threads, (size_t)1 << i));
    }
}

/* Seconds that no kernel of this cost can beat. */
static double bound_of(const options *o, const peaks *p, double flops, const cost_traffic *t) {
    int size = o->cold ? SET_MAX : SET_MIN;
    while (size < SET_MAX && (double)((size_t)2 << size) <= t->set) size++;
    return fmax(flops / p->flops, t->moved / p->bandwidth[size]);
}

/* ---- one case ------------------------------------------------------------------------------------------ */

typedef struct line {
    const kc_case *c; /* NULL: a block */
    char name[120], shape[128];
    double flops, bytes, bound;
    spread ours, direct; /* seconds */
    double ref;
    int has_direct, has_ref, fallback;
} line;

/* Change every line of a buffer larger than the caches, each core its share; one by one, as a large memset goes past
 * them. The kernels' threads are awake afterwards, as they are within a step. */
static void sweep(int threads) {
    static char *buffer;
    if (!buffer && !(buffer = calloc(1, SWEEP_BYTES))) return;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < SWEEP_BYTES; i += 64) buffer[i]++;
}

static int time_ours(kc_bound *b, const options *o, double *seconds) {
    if (o->cold) sweep(o->threads);
    const double begin = mn_seconds();
    const int rc = kc_bound_run(b);
    *seconds = mn_seconds() - begin;
    return rc;
}

static int time_direct(direct *d, const options *o, double *seconds) {
    if (o->cold) sweep(o->threads);
    const double begin = mn_seconds();
    const int rc = direct_run(d);
    *seconds = mn_seconds() - begin;
    return rc;
}

static int measure(mn_backend *dnnl, const options *o, const kc_data *in, line *l) {
    static double ours[RUNS_MAX], theirs[RUNS_MAX];
    kc_bound *bound = NULL;
    MN_TRY(kc_bind(dnnl, l->c, MODNAS_F32, KC_WANTED, in, &bound));
    direct *d = direct_new(&l->c->kernel, o->threads);
    int rc = 0;
    for (int i = -WARM_UP; i < o->runs && !rc; i++) {
        rc = time_ours(bound, o, &ours[i < 0 ? 0 : i]);
        if (d && !rc && time_direct(d, o, &theirs[i < 0 ? 0 : i]))
            rc = mn_fail(mn_backend_ctx(dnnl), MODNAS_EUNSUPPORTED, "%s: oneDNN's own primitive does not run",
                         l->c->name);
    }
    l->ours = spread_of(ours, (size_t)o->runs);
    l->has_direct = d != NULL;
    if (d) l->direct = spread_of(theirs, (size_t)o->runs);
    l->fallback = kc_bound_fallback(bound);
    direct_free(d);
    kc_bound_free(bound);
    return rc;
}

static int measure_ref(mn_backend *ref, const options *o, const kc_data *in, line *l) {
    kc_bound *bound = NULL;
    MN_TRY(kc_bind(ref, l->c, MODNAS_F32, KC_PLAIN, in, &bound));
    const int rc = time_ours(bound, o, &l->ref);
    kc_bound_free(bound);
    l->has_ref = 1;
    return rc;
}

/* ---- output -------------------------------------------------------------------------------------------- */

static void print_head(const options *o, const peaks *p, const char *version) {
    char machine[512];
    report_machine_text(machine, sizeof machine);
    printf("%s\n%s, %d threads, caches %s; f32 multiply-adds %.1f GFLOP/s; memory, GB/s by working set:", machine,
           version, o->threads, o->cold ? "swept" : "warm", p->flops / 1e9);
    for (int i = SET_MIN; i <= SET_MAX; i += 2)
        if (p->bandwidth[i] > 0) printf(" %d KiB %.0f", 1 << (i - 10), p->bandwidth[i] / 1e9);
    printf("\n%-42s %-34s %9s %9s %8s %7s %6s   %9s %6s %9s\n", "kernel", "shape", "ms median", "min", "GFLOP/s",
           "GB/s", "bound", "oneDNN ms", "times", "ref ms");
}

/* "oneDNN ms" is its minimum, "times" its minimum over ours. */
static void print_line(const line *l) {
    printf("%-42s %-34s %9.3f %9.3f", l->name, l->shape, l->ours.median * 1e3, l->ours.min * 1e3);
    if (l->flops > 0)
        printf(" %8.1f", l->flops / l->ours.min / 1e9);
    else
        printf(" %8s", "");
    printf(" %7.1f %4.0f %%", l->bytes / l->ours.min / 1e9, 100 * l->bound / l->ours.min);
    if (l->has_direct)
        printf("   %9.3f %6.2f", l->direct.min * 1e3, l->direct.min / l->ours.min);
    else
        printf("   %9s %6s", "", "");
    if (l->has_ref) printf(" %9.2f", l->ref * 1e3);
    printf("%s\n", l->fallback ? "  (runs on ref)" : "");
    fflush(stdout);
}

static void json_line(mn_str *s, const line *l, int first) {
    mn_str_addf(s, "%s\n{\"kernel\":\"%s\",\"shape\":\"%s\",\"fallback\":%d,\"flops\":%.0f,\"bytes\":%.0f,\"bound\":",
                first ? "" : ",", l->name, l->shape, l->fallback, l->flops, l->bytes);
    mn_str_real(s, l->bound);
    mn_str_add(s, ",");
    report_spread(s, "value", &l->ours);
    if (l->has_direct) {
        mn_str_add(s, ",");
        report_spread(s, "onednn", &l->direct);
    }
    if (l->has_ref) {
        mn_str_add(s, ",\"ref\":");
        mn_str_real(s, l->ref);
    }
    mn_str_add(s, "}");
}

static void json_head(mn_str *s, const options *o, const peaks *p, const char *version) {
    mn_str_add(s, "{\"program\":\"kernels\",");
    report_machine(s);
    mn_str_add(s, ",\"versions\":{\"modnas\":");
    mn_str_json(s, version);
    mn_str_addf(s, "},\"threads\":%d,\"runs\":%d,\"cold\":%d,\"peak_flops\":%.0f,\"bandwidth\":{", o->threads, o->runs,
                o->cold, p->flops);
    for (int i = SET_MIN, n = 0; i <= SET_MAX; i++)
        if (p->bandwidth[i] > 0) mn_str_addf(s, "%s\"%d\":%.0f", n++ ? "," : "", 1 << i, p->bandwidth[i]);
    mn_str_add(s, "},\"rows\":[");
}

/* ---- the program --------------------------------------------------------------------------------------- */

typedef struct bench {
    options o;
    modnas_ctx *ctx;
    mn_backend *ref, *dnnl;
    peaks p;
    mn_str json;
    int n_lines;
} bench;

static void put_line(bench *b, const line *l) {
    print_line(l);
    json_line(&b->json, l, b->n_lines++ == 0);
}

static int run_case(bench *b, const kc_case *c) {
    line l = {.c = c, .flops = cost_flops(&c->kernel)};
    snprintf(l.name, sizeof l.name, "%s", c->name);
    kc_data *in = kc_fill(b->ref, c, MODNAS_F32, 1);
    if (!in) return MODNAS_ENOMEM;
    const cost_traffic traffic = cost_bytes(c, in);
    l.bytes = traffic.moved;
    l.bound = bound_of(&b->o, &b->p, l.flops, &traffic);
    cost_shape(c, l.shape, sizeof l.shape);
    int rc = measure(b->dnnl, &b->o, in, &l);
    if (!rc && b->o.with_ref) rc = measure_ref(b->ref, &b->o, in, &l);
    kc_data_free(in);
    if (!rc) put_line(b, &l);
    return rc;
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

static int time_block(const bench *b, block *k, int pass, int (*fn)(block *k, int pass), double *seconds) {
    if (b->o.cold) sweep(b->o.threads);
    const double begin = mn_seconds();
    const int rc = fn(k, pass);
    *seconds = mn_seconds() - begin;
    return rc;
}

static int measure_block(const bench *b, block *k, int pass, line *l) {
    static double ours[RUNS_MAX], theirs[RUNS_MAX];
    l->has_direct = block_has_direct(k, pass);
    for (int i = -WARM_UP; i < b->o.runs; i++) {
        MN_TRY(block_ready(k, pass));
        MN_TRY(time_block(b, k, pass, block_run, &ours[i < 0 ? 0 : i]));
        if (l->has_direct && time_block(b, k, pass, block_run_direct, &theirs[i < 0 ? 0 : i]))
            return mn_fail(b->ctx, MODNAS_EUNSUPPORTED, "%s: oneDNN's own primitives do not run", l->name);
    }
    l->ours = spread_of(ours, (size_t)b->o.runs);
    if (l->has_direct) l->direct = spread_of(theirs, (size_t)b->o.runs);
    return 0;
}

static int run_block(bench *b, block *k) {
    for (int pass = 0; pass < BLOCK_PASSES; pass++) {
        line l = {.flops = block_flops(k, pass), .bytes = block_bytes(k, pass)};
        block_name(k, pass, l.name, sizeof l.name);
        if (!strstr(l.name, b->o.text)) continue;
        block_shape(k, l.shape, sizeof l.shape);
        l.bound = bound_of(&b->o, &b->p, l.flops, &(cost_traffic){.set = l.bytes, .moved = l.bytes});
        MN_TRY(measure_block(b, k, pass, &l));
        put_line(b, &l);
    }
    return 0;
}

static int run_blocks(bench *b) {
    for (int i = 0; i < block_count(); i++) {
        block *k;
        MN_TRY(block_new(b->dnnl, i, &k));
        if (!k) continue; /* no such kernel on this backend */
        const int rc = run_block(b, k);
        block_free(k);
        if (rc) return rc;
    }
    return 0;
}

static int run_cases(bench *b) {
    for (int i = 0; i < kc_count(); i++) {
        kc_case c;
        kc_get(i, &c);
        if ((c.bench || b->o.all) && strstr(c.name, b->o.text)) MN_TRY(run_case(b, &c));
    }
    return 0;
}

static int run(bench *b) {
    MN_TRY(report_context(&b->ctx));
    MN_TRY(mn_backend_open(b->ctx, "ref", 1, &b->ref));
    MN_TRY(mn_backend_open(b->ctx, "dnnl", b->o.threads, &b->dnnl));
    b->json.ctx = b->ctx;
    measure_peaks(&b->o, &b->p);
    print_head(&b->o, &b->p, mn_backend_version(b->dnnl));
    json_head(&b->json, &b->o, &b->p, mn_backend_version(b->dnnl));
    MN_TRY(run_cases(b));
    MN_TRY(run_blocks(b));
    mn_str_add(&b->json, "\n]}\n");
    return b->o.json ? report_write(b->ctx, &b->json, b->o.json) : 0;
}

/* As the program modnas does, and before libgomp is there to read it: waiting threads give the core away soon. */
static void wait_briefly(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    setenv("GOMP_SPINCOUNT", "5000", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv) {
    static bench b;
    wait_briefly(argv);
    if (parse(argc, argv, &b.o)) {
        fprintf(stderr, "usage: %s [-a] [-c] [-r] [-t THREADS] [-n RUNS] [-j FILE] [TEXT]\n", argv[0]);
        return 2;
    }
    const int rc = run(&b);
    if (rc) fprintf(stderr, "%s\n", b.ctx ? modnas_errmsg(b.ctx) : "no context");
    if (b.ctx) mn_str_free(&b.json);
    mn_backend_close(b.dnnl);
    mn_backend_close(b.ref);
    modnas_ctx_free(b.ctx);
    return rc != 0;
}
