/* Tables of latencies.
 *
 * A table that was read and is written again reads the same; where it fits a space, the costs of an architecture are
 * the sum of its rows. */
#include <inttypes.h>

#include "construct/construct.h"
#include "fuzz.h"
#include "search/latency.h"

/* 3 Slots, 0 to 2 */
static const char network[] = "{backend: none, model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, "
                              "16, 2, 2]], n_classes: 3, input: [2, 6, 6], width_coeff: 0}}, "
                              "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB5E3]}}";

static int read(modnas_ctx *ctx, const char *bytes, size_t n, int32_t kind, mn_latency *t) {
    mn_source *s;
    FUZZ_CHECK(mn_source_open_mem(ctx, bytes, n, "in.tsv", MN_SOURCE_PLAIN, &s) == 0, "%s", modnas_errmsg(ctx));
    fuzz_fill(t, sizeof *t);
    const int rc = mn_latency_read(ctx, s, kind, t);
    fuzz_check_text(ctx, rc);
    if (rc) fuzz_check_untouched(t, sizeof *t);
    mn_source_close(s);
    return rc;
}

static const mn_latency_row *row_of(const mn_latency *t, size_t i) {
    return &MN_AT(t->rows, mn_latency_row, i);
}

/* The columns that are read alone. */
static void check_again(modnas_ctx *ctx, int32_t kind, const mn_latency *t) {
    mn_str text = {.ctx = ctx};
    mn_latency again;
    mn_str_add(&text, kind == MN_LATENCY_JOBS ? "job\tlatency_ms\n" : "slot\tcandidate\tlatency_ms\n");
    for (size_t i = 0; i < t->rows.n; i++) {
        mn_str_add(&text, mn_map_key(&t->places, i, NULL));
        mn_str_addf(&text, "\t%" PRId64 "e-6\n", row_of(t, i)->ns);
    }
    FUZZ_CHECK(read(ctx, text.text, text.n, kind, &again) == 0, "%s", modnas_errmsg(ctx));
    FUZZ_CHECK(again.rows.n == t->rows.n && again.places.n == t->places.n, "%zu rows of %zu", again.rows.n, t->rows.n);
    for (size_t i = 0; i < t->rows.n; i++) {
        const int64_t a = row_of(t, i)->ns, b = row_of(&again, i)->ns;
        FUZZ_CHECK(a >= 0 && a <= 1000000000000000, "row %zu takes %" PRId64 " ns", i, a);
        FUZZ_CHECK(a == b, "row %zu takes %" PRId64 " ns, not %" PRId64, i, b, a);
        FUZZ_CHECK(strcmp(mn_map_key(&again.places, i, NULL), mn_map_key(&t->places, i, NULL)) == 0, "row %zu", i);
        FUZZ_CHECK(i == 0 || row_of(t, i)->line > row_of(t, i - 1)->line, "line %zu", row_of(t, i)->line);
    }
    mn_latency_free(&again);
    mn_str_free(&text);
}

static int64_t sum_of(const mn_latency *t, const int32_t *index) {
    static const char *const candidates[] = {"MB3E1", "MB5E3"};
    int64_t sum = 0;
    for (size_t i = 0; i < t->rows.n; i++) {
        const char *place = mn_map_key(&t->places, i, NULL), *candidate = strchr(place, '\t') + 1;
        const int is_slot = candidate == place + 2 && place[0] >= '0' && place[0] <= '2';
        if (strcmp(candidate, "-") == 0 || (is_slot && strcmp(candidate, candidates[index[place[0] - '0']]) == 0))
            sum += row_of(t, i)->ns;
    }
    return sum;
}

static void check_costs(modnas_ctx *ctx, const mn_latency *t) {
    mn_node *config;
    mn_model *m;
    mn_costs c;
    FUZZ_CHECK(mn_yaml_value(ctx, network, "fuzz_latency.c", &config) == 0, "%s", modnas_errmsg(ctx));
    FUZZ_CHECK(mn_construct_model(ctx, config, MODNAS_F32, 0, &m) == 0, "%s", modnas_errmsg(ctx));
    fuzz_fill(&c, sizeof c);
    const int rc = mn_latency_costs(t, m, &c);
    fuzz_check_text(ctx, rc);
    if (rc) fuzz_check_untouched(&c, sizeof c);
    for (int code = 0; code < 8 && !rc; code++) {
        const int32_t index[3] = {code & 1, code >> 1 & 1, code >> 2};
        FUZZ_CHECK(mn_costs_of(&c, index) == sum_of(t, index), "architecture %d takes %" PRId64 " ns", code,
                   mn_costs_of(&c, index));
    }
    if (!rc) mn_costs_free(&c);
    mn_model_free(m);
    mn_node_free(ctx, config);
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    mn_latency t;
    if (read(ctx, bytes, n, MN_LATENCY_RECORD, &t) == 0) {
        fuzz_accept();
        mn_latency_free(&t);
    }
    if (read(ctx, bytes, n, MN_LATENCY_JOBS, &t) == 0) {
        fuzz_accept();
        check_again(ctx, MN_LATENCY_JOBS, &t);
        mn_latency_free(&t);
    }
    if (read(ctx, bytes, n, MN_LATENCY_PLACES, &t)) return;
    fuzz_accept();
    check_again(ctx, MN_LATENCY_PLACES, &t);
    FUZZ_CHECK(mn_register_builtins(ctx) == 0, "%s", modnas_errmsg(ctx));
    check_costs(ctx, &t);
    mn_latency_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 1 << 20, 1024);
}
