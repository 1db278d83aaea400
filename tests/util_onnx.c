#include "util_onnx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util_paths.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(m->ctx))

/* ---- Python -------------------------------------------------------------------------------------------- */

/* One line a job: number, elements of the result, then the input's sizes. */
static const char script[] =
    "import sys, numpy, onnx, onnxruntime\n"
    "options = onnxruntime.SessionOptions()\n"
    "options.intra_op_num_threads = options.inter_op_num_threads = 1\n"
    "options.log_severity_level = 3\n"
    "for line in open('jobs.txt'):\n"
    "    i, count, *dims = (int(x) for x in line.split())\n"
    "    onnx.checker.check_model(f'{i}.onnx', full_check=True)\n"
    "    s = onnxruntime.InferenceSession(f'{i}.onnx', options, providers=['CPUExecutionProvider'])\n"
    "    kind = 'uint8' if s.get_inputs()[0].type == 'tensor(uint8)' else 'float32'\n"
    "    x = numpy.fromfile(f'{i}.x', kind).reshape(dims)\n"
    "    y = s.run(['logits'], {'input': x})[0]\n"
    "    want = numpy.fromfile(f'{i}.y', 'float32')\n"
    "    assert y.dtype == numpy.float32 and y.size == count == want.size, (i, y.shape)\n"
    "    print(i, float(numpy.abs(y.ravel().astype('float64') - want).max()), float(numpy.abs(want).max()))\n";

void util_onnx_open(util_onnx *u) {
    char line[600];
    *u = (util_onnx){.n = 0};
    util_path_python("MODNAS_ONNX", "deps/onnx", u->python, sizeof u->python);
    snprintf(line, sizeof line, "'%s' -c 'import onnx, onnxruntime' 2>/dev/null", u->python);
    u->found = system(line) == 0;
    ck_assert_ptr_nonnull(u->jobs = fopen("jobs.txt", "w"));
    util_write_text("run.py", script);
}

double util_onnx_compare(util_onnx *u) {
    char line[600];
    int i, n = 0;
    double difference, most, worst = 0;
    ck_assert_int_eq(fclose(u->jobs), 0);
    if (!u->found) {
        printf("onnx: skipped, '%s' has no onnx and onnxruntime: tools/onnx.sh installs them\n", u->python);
        return 0;
    }
    snprintf(line, sizeof line, "'%s' run.py 2>err", u->python);
    FILE *f = popen(line, "r");
    ck_assert_ptr_nonnull(f);
    for (; fscanf(f, "%d %lf %lf", &i, &difference, &most) == 3; n++) {
        ck_assert_int_eq(i, n);
        ck_assert_msg(difference <= 1e-4, "file %d: a difference of %g in values up to %g", i, difference, most);
        worst = fmax(worst, difference);
    }
    const int status = pclose(f);
    ck_assert_msg(status == 0 && n == u->n, "status %d after file %d of %d: %s", status, n, u->n,
                  system("tail -n 5 err >&2") ? "" : "see above");
    return worst;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static void write_file(int i, const char *ending, const void *data, size_t bytes) {
    char name[40];
    snprintf(name, sizeof name, "%d.%s", i, ending);
    FILE *f = fopen(name, "wb");
    ck_assert(f && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0);
}

/* Pixels for the file, and what the network is fed with for them. */
static void make_images(const mn_model *m, const modnas_onnx_opts *o, int64_t n, uint64_t seed, void *pixels, float *fed) {
    const int64_t c = m->input[0], plane = (int64_t)m->input[1] * m->input[2];
    mn_rng rng;
    mn_rng_init(&rng, seed, mn_stream("pixels"), 0);
    for (int64_t i = 0; i < n * c * plane; i++) {
        const int64_t image = i / (c * plane), channel = i / plane % c, at = i % plane;
        const int64_t to = o->channels_last ? (image * plane + at) * c + channel : i;
        const double byte = (double)mn_rng_below(&rng, 256);
        double x = o->bytes ? byte : o->mean ? mn_rng_real(&rng) : 2 * mn_rng_real(&rng) - 1;
        if (o->bytes)
            ((uint8_t *)pixels)[to] = (uint8_t)x;
        else
            ((float *)pixels)[to] = (float)x;
        if (o->bytes) x /= 255;
        fed[i] = (float)(o->mean ? (x - o->mean[channel]) / o->stddev[channel] : x);
    }
}

void util_onnx_add(util_onnx *u, mn_model *m, const modnas_onnx_opts *opts, int64_t n) {
    const modnas_onnx_opts none = {.size = sizeof none}, *o = opts ? opts : &none;
    const int64_t c = m->input[0], h = m->input[1], w = m->input[2];
    const size_t count = (size_t)(n * c * h * w), most = 1 << 20;
    float *fed = malloc(count * sizeof *fed), *y = calloc(most, sizeof *y);
    void *pixels = malloc(count * sizeof(float));
    char name[40];
    mn_run *run;
    mn_value *x, *logits;
    ck_assert(fed && y && pixels);
    snprintf(name, sizeof name, "%d.onnx", u->n);
    OK(modnas_model_export_onnx(m, opts, name));
    make_images(m, o, n, (uint64_t)u->n, pixels, fed);
    OK(modnas_model_forward(m, fed, n, y));
    OK(mn_run_new(m->backend, m->dtype, m->slab, &run)); /* once more, for the size of the result */
    OK(mn_model_record(m, run, m->input, (int32_t)n, &x, &logits));
    const size_t n_y = (size_t)(logits->dims[0] * logits->dims[1] * logits->dims[2] * logits->dims[3]);
    ck_assert_uint_le(n_y, most);
    mn_run_free(run);
    write_file(u->n, "x", pixels, count * (o->bytes ? 1 : sizeof(float)));
    write_file(u->n, "y", y, n_y * sizeof *y);
    if (o->channels_last)
        fprintf(u->jobs, "%d %zu %d %d %d %d\n", u->n, n_y, (int)n, (int)h, (int)w, (int)c);
    else
        fprintf(u->jobs, "%d %zu %d %d %d %d\n", u->n, n_y, (int)n, (int)c, (int)h, (int)w);
    u->n++;
    free(fed);
    free(y);
    free(pixels);
}

/* ---- weights ------------------------------------------------------------------------------------------- */

static int ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* Vectors beside statistics are batch norm's; other weights stay as they were initialised. */
void util_onnx_fill(mn_model *m, uint64_t seed) {
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        mn_param *p = mn_store_param(m->weights, i);
        const int is_var = ends_with(p->name, "running_var"), is_mean = ends_with(p->name, "running_mean");
        if (p->rank != 1) continue;
        const size_t n = (size_t)mn_param_numel(p);
        double *x = malloc(n * sizeof *x);
        mn_rng rng;
        mn_rng_init(&rng, seed, mn_stream(p->name), 0);
        for (size_t k = 0; k < n; k++) {
            const double u = mn_rng_real(&rng);
            x[k] = is_var ? 0.05 + 0.3 * u : is_mean || ends_with(p->name, "bias") ? 0.4 * u - 0.2 : 0.5 + u;
        }
        OK(mn_param_set(p, x));
        free(x);
    }
}
