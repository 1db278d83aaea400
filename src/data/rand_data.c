/* RandData: made-up samples, for tests and benchmarks without files.
 *
 * Sample i is drawn from (seed, i), so a larger set begins with the samples of a smaller one. Values are drawn once and
 * kept: reading a sample is a copy, and a benchmark measures the step and not the random numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/data.h"
#include "data/parts.h"

enum { MAX_SIDE = 1 << 14 };
static const int64_t max_values = 1 << 28; /* of the whole set: 1 GiB */

/* What one entry of data_spec says: [shape, type, [low, high]]. */
typedef struct entry {
    int64_t dims[3];
    int32_t rank, whole; /* whole numbers */
    int32_t has_range;
    double lo, hi;
} entry;

static int sample(const mn_dataset *d, int64_t index, int augment, mn_rng *rng, float *dst, int32_t *label) {
    (void)augment, (void)rng;
    const size_t n = (size_t)d->c * (size_t)d->h * (size_t)d->w;
    memcpy(dst, (const float *)d->state + (size_t)index * n, n * sizeof *dst);
    *label = d->labels[index];
    return 0;
}

static void destroy(mn_dataset *d) {
    mn_free_aligned(d->ctx, d->state);
}

static const mn_dataset_vt rand_vt = {.sample = sample, .destroy = destroy};

static int is_none(const mn_node *n) {
    return !n || n->kind == MN_NULL || (n->kind == MN_STR && (!strcmp(n->text, "nil") || !strcmp(n->text, "None")));
}

/* A list of one to three sides, or one number. */
static int read_shape(const mn_args *a, const char *arg, const mn_node *n, entry *e) {
    const size_t rank = n->kind == MN_SEQ ? n->n : 1;
    if (rank < 1 || rank > 3) return mn_args_fail(a, arg, "a shape of %zu sides; 1 to 3 are possible", rank);
    e->rank = (int32_t)rank;
    for (size_t i = 0; i < 3; i++) e->dims[i] = 1;
    for (size_t i = 0; i < rank; i++) {
        const mn_node *side = n->kind == MN_SEQ ? n->items[i] : n;
        if (side->kind != MN_INT || side->i < 1 || side->i > MAX_SIDE)
            return mn_args_fail(a, arg, "side %zu of the shape is not a whole number from 1 to %d", i, MAX_SIDE);
        e->dims[i] = side->i;
    }
    return 0;
}

static int read_range(const mn_args *a, const mn_node *n, entry *e) {
    e->has_range = !is_none(n);
    if (!e->has_range) return 0;
    for (size_t i = 0; i < 2; i++)
        if (n->kind != MN_SEQ || n->n != 2 || (n->items[i]->kind != MN_INT && n->items[i]->kind != MN_REAL))
            return mn_args_fail(a, "data_spec", "a range is [low, high] or null");
    e->lo = n->items[0]->r;
    e->hi = n->items[1]->r;
    if (!isfinite(e->lo) || !isfinite(e->hi) || !(e->lo < e->hi))
        return mn_args_fail(a, "data_spec", "the range [%g, %g] is empty", e->lo, e->hi);
    return 0;
}

static int read_entry(const mn_args *a, const mn_node *n, entry *e) {
    if (n->kind != MN_SEQ || n->n != 3) return mn_args_fail(a, "data_spec", "an entry is [shape, type, range]");
    const char *type = n->items[1]->kind == MN_STR ? n->items[1]->text : "";
    e->whole = !strcmp(type, "int");
    if (!e->whole && strcmp(type, "float")) return mn_args_fail(a, "data_spec", "the type of an entry is float or int");
    if (!is_none(n->items[0])) MN_TRY(read_shape(a, "data_spec", n->items[0], e));
    return read_range(a, n->items[2], e);
}

/* data_spec, else shape and classes: x gets the values, y the labels. */
static int read_spec(const mn_args *a, entry *x, entry *y) {
    *x = *y = (entry){0};
    const mn_node *spec = mn_args_node(a, "data_spec");
    if (!spec) {
        y->whole = y->has_range = 1;
        y->hi = (double)mn_args_int(a, "classes");
        if (y->hi < 1 || y->hi > INT32_MAX) return mn_args_fail(a, "classes", "%.0f is no number of classes", y->hi);
        return read_shape(a, "shape", mn_args_node(a, "shape"), x);
    }
    if (spec->n != 2) return mn_args_fail(a, "data_spec", "%zu entries; there are two, values and labels", spec->n);
    MN_TRY(read_entry(a, spec->items[0], x));
    MN_TRY(read_entry(a, spec->items[1], y));
    if (x->rank == 0) return mn_args_fail(a, "data_spec", "the first entry (values) has no shape");
    if (y->rank || !y->whole || !y->has_range || y->lo != 0 || y->hi != floor(y->hi) || y->hi > INT32_MAX)
        return mn_args_fail(a, "data_spec", "the second entry (labels) is [null, int, [0, number of classes]]");
    return 0;
}

static void draw(mn_rng *rng, const entry *e, float *values, int64_t n) {
    enum { MOST = 256 };
    double v[MOST];
    for (int64_t at = 0; at < n; at += MOST) {
        const int64_t m = n - at < MOST ? n - at : MOST;
        (e->has_range ? mn_rng_reals : mn_rng_normals)(rng, v, m);
        for (int64_t i = 0; i < m; i++) {
            if (e->has_range) v[i] = e->lo + (e->hi - e->lo) * v[i];
            values[at + i] = (float)(e->whole ? trunc(v[i]) : v[i]); /* as a conversion to an integer type does */
        }
    }
}

static void fill(mn_dataset *d, const entry *x, const entry *y, uint64_t seed) {
    const int64_t n = (int64_t)d->c * d->h * d->w;
    const uint64_t stream = mn_stream("data.rand");
    float *values = d->state;
    for (int64_t i = 0; i < d->n; i++) {
        mn_rng rng;
        mn_rng_init(&rng, seed, stream, (uint64_t)i);
        d->labels[i] = (int32_t)mn_rng_below(&rng, (uint64_t)y->hi);
        draw(&rng, x, values + i * n, n);
    }
}

/* Made-up samples count as one file with the hash of what their values are drawn from: sets that share samples are known
 * to, as those of real files are. */
static int name_source(mn_dataset *d, const entry *x, int64_t seed) {
    char text[256];
    mn_sha256 sha;
    const int n = snprintf(text, sizeof text, "%d %d %d %d %d %.17g %.17g %lld", d->c, d->h, d->w, x->whole, x->has_range,
                           x->lo, x->hi, (long long)seed);
    d->files = mn_alloc(d->ctx, 1, sizeof *d->files);
    if (!d->files) return MODNAS_ENOMEM;
    d->n_files = 1;
    d->files[0] = (mn_data_file){.name = "rand", .has_images = 1};
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, text, (size_t)n);
    mn_sha256_hex(&sha, d->files[0].sha256);
    return 0;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c, (void)env;
    entry x, y;
    MN_TRY(read_spec(a, &x, &y));
    const int64_t n = mn_args_int(a, "data_size"), seed = mn_args_int(a, "seed");
    const int64_t values = x.dims[0] * x.dims[1] * x.dims[2];
    if (n < 1 || n > max_values / values)
        return mn_args_fail(a, "data_size", "%lld samples of %lld values; 1 to %lld are possible", (long long)n,
                            (long long)values, (long long)(max_values / values));
    mn_dataset *d = mn_dataset_new(a->ctx, "rand", &rand_vt);
    if (!d) return MODNAS_ENOMEM;
    d->n = n;
    d->c = (int32_t)x.dims[0];
    d->h = (int32_t)x.dims[1];
    d->w = (int32_t)x.dims[2];
    d->n_classes = (int32_t)y.hi;
    d->train_split = 1;
    d->labels = mn_alloc(a->ctx, (size_t)n, sizeof *d->labels);
    if (d->labels) d->state = mn_alloc_aligned(a->ctx, (size_t)(n * values) * sizeof(float));
    if (!d->labels || !d->state || name_source(d, &x, seed)) {
        mn_dataset_free(d);
        return MODNAS_ENOMEM;
    }
    fill(d, &x, &y, (uint64_t)seed);
    *(mn_dataset **)out = d;
    return 0;
}

static const mn_arg_def args[] = {
    {"data_spec", MN_ARG_LIST, "null", NULL,
     "[[shape, float or int, [low, high]], [null, int, [0, classes]]]; range null: normal"},
    {"data_size", MN_ARG_INT, "128", NULL, "number of samples"},
    {"shape", MN_ARG_LIST, "[3, 32, 32]", NULL,
     "without data_spec: channels, height, width of normally distributed values"},
    {"classes", MN_ARG_INT, "10", NULL, "without data_spec: number of classes of the random labels"},
    {"seed", MN_ARG_INT, "0", NULL, "seed of the values and labels"},
    {0},
};

const mn_component mn_rand_data = {
    .kind = "data", .name = "RandData", .text = "random values and labels, made up", .args = args, .build = build};
