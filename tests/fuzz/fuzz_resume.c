/* Checkpoints of whole searches: all sections of real ones, changed behind their sums, so that it is what the states
 * say that is checked.
 *
 *   search (1 byte)  edit (4 bytes) edit ...      an edit: seed of the draw of what is changed where, to what
 *
 * Searches of every kind are stopped in the middle of their last estimator, once, when the first input comes; what they
 * save there is kept. An input loads one of these, changed, into a search of its own. What is refused says why; what is
 * believed can be gone on with, and what is saved then loads; whatever came before, the right one loads and is saved as
 * it was. */
#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "fuzz.h"
#include "pipeline/chkpt.h"

enum { STOPPED = 77, EDITS_MAX = 8, CALLS_MAX = 6, SECTIONS_MAX = 24, HEAP_MAX = 64 << 20 };

/* ---- the searches -------------------------------------------------------------------------------------- */

#define NET                                                                                                            \
    "backend: ref\nthreads: 1\nname: t\nseed: 3\n"                                                                     \
    "model: {type: MobileNetV2, args: {input: [1, 4, 4], n_classes: 4, width_coeff: 0.05,"                             \
    " cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 8, 1, 2]]}}\n"                                                            \
    "train_data: {type: RandData, args: {shape: [1, 4, 4], classes: 4, data_size: 20}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 6, val_batch_size: 4, valid_size: 8, workers: 0}}\n"
#define TRAINER(optimizer)                                                                                             \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: " optimizer ", lr_scheduler: CosineAnnealingLR}}}\n"
#define SGD        TRAINER("{type: SGD, args: {lr: 0.05, momentum: 0.9}}")
#define MIXED(type) "mixed_op: {type: " type ", candidates: [MB3E1, MB3E3]}\n"
#define SUPERNET   "estim: {search: {type: SuperNetEstim, epochs: 3, arch_update_batch: 2}}\n"
/* What would write files is left out. */
#define CALLBACKS "callback: {estim_export: null, early: EarlyStopping, stats: MixedOpStatsReporter}\n"
#define TABLED(optim)                                                                                                  \
    "backend: none\nthreads: 1\nname: t\nseed: 3\noptim: " optim                                                       \
    "\nconstruct: {space: {type: TableSpaceConstructor, args: {path: %s, arch: arch}}}\n"                              \
    "estim: {search: {type: TableEstim, epochs: 6, arch_update_batch: 3,"                                              \
    " args: {path: %s, arch: arch, score: acc, metrics: [cost]}}}\n" CALLBACKS

static const char *const searches[] = {
    NET SGD MIXED("BinaryGateMixedOp") SUPERNET "optim: BinaryGateOptim\n" CALLBACKS,
    NET SGD MIXED("SoftmaxSumMixedOp") SUPERNET "optim: DARTSOptim\n" CALLBACKS,
    NET TRAINER("AdamW") MIXED("GumbelSumMixedOp") SUPERNET "optim: GumbelAnnealingOptim\n" CALLBACKS,
    NET TRAINER("RMSprop") MIXED("IndexMixedOp") SUPERNET
    "optim: {type: EvolutionOptim, args: {pop_size: 3, n_select: 2, mutation_prob: 0.3}}\n" CALLBACKS,
    NET TRAINER("Adagrad") MIXED("IndexMixedOp") "optim: RandomSearchOptim\n"
    "estim: {warm: {type: RandomSamplingEstim, epochs: 1}, search: {type: SubNetEstim, epochs: 3, arch_update_batch: 2,"
    " args: {num_bn_batch: 1}, metrics: [ValidateMetrics, {type: LatencyMetrics, args: {runs: 1}}]}}\n" CALLBACKS,
    TABLED("{type: NSGA2Optim, args: {pop_size: 4}}") "objective: {maximize: [acc], minimize: [cost]}\n",
    TABLED("{type: RegularizedEvolutionOptim, args: {pop_size: 4, n_select: 2}}"),
    TABLED("{type: REINFORCEOptim, args: {batch_size: 4}}"),
    TABLED("{type: ModelBasedOptim, args: {n_next_pts: 4, n_iter: 8, greedy_e: 0.3}}"),
    TABLED("LocalSearchOptim"),
    TABLED("GridSearchOptim"),
};
enum { N_SEARCHES = MN_COUNT(searches) };

/* Of eighteen architectures; stays open. */
static const char *table(void) {
    static char path[64];
    char text[400] = "arch\tacc\tcost\n";
    size_t n = strlen(text);
    for (int i = 0; i < 18 && !*path; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%c%d%d\t%d\t%d\n", "abc"[i / 6], i / 2 % 3, i % 2, i * 7 % 18,
                              i * 5 % 11);
    if (!*path) fuzz_file(text, n, path);
    return path;
}

/* A wish to stop, after so many calls. */
static int n_calls;

static int on_step(const modnas_progress *p, void *ud) {
    (void)p, (void)ud;
    return ++n_calls >= CALLS_MAX ? STOPPED : 0;
}

static int on_evaluation(modnas_search *s, const modnas_evaluation *v, void *ud) {
    (void)s, (void)v;
    return on_step(NULL, ud);
}

static modnas_search *search_new(modnas_ctx *ctx, size_t which, int stops) {
    const modnas_search_opts opts = {
        .size = sizeof opts, .progress = stops ? on_step : NULL, .evaluated = stops ? on_evaluation : NULL};
    char yaml[2048];
    modnas_config *cfg;
    modnas_search *s;
    snprintf(yaml, sizeof yaml, searches[which], table(), table());
    int rc = modnas_config_new(ctx, &cfg);
    if (!rc) rc = modnas_config_add_text(cfg, yaml, strlen(yaml), "fuzz_resume.c");
    if (!rc) rc = modnas_search_new(cfg, &opts, &s);
    FUZZ_CHECK(rc == 0, "search %zu: %s", which, modnas_errmsg(ctx));
    modnas_config_free(cfg);
    s->is_open = 1; /* callbacks are called; none of them writes */
    return s;
}

/* Run what is left of it, as run.c does, without files. */
static int drive(modnas_search *s) {
    for (; s->at < (int32_t)s->stages.n; s->at++) {
        s->current = MN_AT(s->stages, mn_stage, s->at).estim;
        if (!s->is_over) MN_TRY(s->current->vt->run(s->current));
        s->is_over = s->under_way = 0;
    }
    return 0;
}

/* ---- what they save ------------------------------------------------------------------------------------ */

typedef struct part {
    char name[64], *data; /* data: for as long as the program runs */
    int32_t needed;
    size_t n;
} part;

typedef struct state {
    part parts[SECTIONS_MAX];
    size_t n;
} state;

static state saved[N_SEARCHES], *saving;

static int put_text(void *to, const void *data, size_t n) {
    mn_str *s = to;
    mn_str_addn(s, data, n);
    return s->failed ? MODNAS_ENOMEM : 0;
}

/* A section's content, which the caller frees. */
static mn_str content_of(modnas_ctx *ctx, const mn_section *s) {
    mn_str text = {.ctx = ctx};
    const int rc = s->emit ? s->emit(put_text, &text, s->ud) : put_text(&text, s->data, s->n);
    FUZZ_CHECK(rc == 0, "%s: %s", s->name, modnas_errmsg(ctx));
    return text;
}

/* Seconds are those that passed. */
static void hide_seconds(const char *name, char *data, size_t n) {
    const size_t at = strcmp(name, "search") == 0 ? 16 : strncmp(name, "estim.", 6) == 0 ? 48 : n;
    if (at + 8 <= n) memset(data + at, 0, 8);
}

static void save(modnas_search *s, int under_way, state *to) {
    mn_sections f;
    FUZZ_CHECK(mn_pipeline_pack(s, under_way, &f) == 0, "%s", modnas_errmsg(s->ctx));
    FUZZ_CHECK(f.list.n <= SECTIONS_MAX, "%zu sections", f.list.n);
    for (to->n = 0; to->n < f.list.n; to->n++) {
        const mn_section *from = &MN_AT(f.list, mn_section, to->n);
        mn_str text = content_of(s->ctx, from);
        part *p = &to->parts[to->n];
        *p = (part){.data = malloc(text.n + 1), .needed = from->needed, .n = text.n};
        snprintf(p->name, sizeof p->name, "%s", from->name);
        FUZZ_CHECK(p->data, "no memory");
        memcpy(p->data, text.text, text.n);
        hide_seconds(p->name, p->data, p->n);
        mn_str_free(&text);
    }
    mn_sections_free(&f);
}

/* Saved in the middle of the last estimator, after a few steps and evaluations. */
static int on_checkpoint(mn_estim *e, int is_epoch, void *ud) {
    modnas_search *s = ud;
    (void)e, (void)is_epoch;
    if (s->at + 1 < (int32_t)s->stages.n || ++n_calls < CALLS_MAX) return 0;
    save(s, 1, saving);
    return STOPPED;
}

static void free_state(state *s) {
    while (s->n) free(s->parts[--s->n].data);
}

static void save_all(void) {
    const modnas_ctx_opts opts = {.size = sizeof opts, .threads = 1};
    modnas_ctx *ctx = NULL;
    FUZZ_CHECK(modnas_ctx_new(&opts, &ctx) == 0, "no context");
    for (size_t i = 0; i < N_SEARCHES; i++) {
        modnas_search *s = search_new(ctx, i, 0);
        n_calls = 0;
        saving = &saved[i];
        for (size_t k = 0; k < s->stages.n; k++) MN_AT(s->stages, mn_stage, k).estim->observer.checkpoint = on_checkpoint;
        const int rc = drive(s);
        FUZZ_CHECK(rc == STOPPED && saving->n, "search %zu: %d after %d calls: %s", i, rc, n_calls, modnas_errmsg(ctx));
        modnas_search_free(s);
    }
    modnas_ctx_free(ctx);
}

/* ---- what is made of them ------------------------------------------------------------------------------ */

typedef struct place { /* of an edit */
    mn_section *s;
    size_t at; /* <= s->n */
    uint8_t number;
} place;

static void put(const place *p, const void *bytes, size_t n) {
    const size_t left = p->s->n - p->at;
    if (left) memcpy(p->s->data + p->at, bytes, left < n ? left : n);
}

static void cut(const place *p) {
    p->s->n = p->at;
}

static void put_byte(const place *p) {
    put(p, &p->number, 1);
}

static void put_count(const place *p) {
    static const uint64_t numbers[] = {0,         1,          2,         3,         4,          7,          100,
                                       255,       1u << 31,   INT32_MAX, UINT32_MAX, 1ull << 32, 1ull << 53, (1ull << 53) + 1,
                                       INT64_MAX, UINT64_MAX};
    const size_t n = p->number & 0x80 ? 8 : 4;
    put(p, &numbers[p->number % MN_COUNT(numbers)], n);
}

static void put_real(const place *p) {
    const double numbers[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, -0.5, 0, 1e-320, 2, -1e9};
    put(p, &numbers[p->number % MN_COUNT(numbers)], sizeof numbers[0]);
}

/* One more, one less, and so on. */
static void move(const place *p) {
    uint32_t x = 0;
    if (p->s->n - p->at < sizeof x) return;
    memcpy(&x, p->s->data + p->at, sizeof x);
    x += (uint32_t)(int8_t)p->number;
    put(p, &x, sizeof x);
}

/* What stands a little further on. */
static void copy(const place *p) {
    const size_t from = p->at + p->number;
    char bytes[8];
    if (from + sizeof bytes > p->s->n) return;
    memcpy(bytes, p->s->data + from, sizeof bytes);
    put(p, bytes, sizeof bytes);
}

static void apply(const mn_sections *f, uint32_t edit) {
    static void (*const changes[])(const place *) = {put_count, put_count, put_real, move, put_byte, copy, cut};
    mn_rng rng;
    mn_rng_init(&rng, edit, mn_stream("fuzz_resume"), 0);
    mn_section *s = &MN_AT(f->list, mn_section, mn_rng_below(&rng, f->list.n));
    const size_t change = (size_t)mn_rng_below(&rng, MN_COUNT(changes)), at = (size_t)mn_rng_below(&rng, s->n + 1);
    const size_t to = (size_t)1 << mn_rng_below(&rng, 4);
    changes[change](&(place){s, at / to * to, (uint8_t)mn_rng_u32(&rng)});
}

static mn_sections copy_of(modnas_ctx *ctx, const state *from) {
    mn_sections f;
    mn_sections_init(&f, ctx);
    for (size_t i = 0; i < from->n; i++) {
        const part *p = &from->parts[i];
        char *data = mn_alloc(ctx, p->n + 1, 1);
        FUZZ_CHECK(data, "no memory");
        memcpy(data, p->data, p->n);
        FUZZ_CHECK(mn_sections_add(&f, p->name, p->needed, data, p->n) == 0, "%s", modnas_errmsg(ctx));
    }
    return f;
}

/* ---- the input ----------------------------------------------------------------------------------------- */

static int load(modnas_search *s, const state *from, const char *edits, size_t n) {
    mn_sections f = copy_of(s->ctx, from);
    uint32_t edit;
    for (size_t i = 0; i < EDITS_MAX && n >= sizeof edit; i++, edits += sizeof edit, n -= sizeof edit) {
        memcpy(&edit, edits, sizeof edit);
        apply(&f, edit);
    }
    const int rc = mn_pipeline_unpack(s, &f, "in.chkpt");
    fuzz_check_text(s->ctx, rc);
    mn_sections_free(&f);
    return rc;
}

/* Whatever it believed: a few steps, and what is saved then loads again. */
static void go_on(modnas_search *s) {
    state now;
    n_calls = 0;
    const int rc = drive(s);
    fuzz_check_text(s->ctx, rc < 0 ? rc : 0);
    save(s, rc == STOPPED && s->current->resumable, &now);
    FUZZ_CHECK(load(s, &now, NULL, 0) == 0, "after %d: %s", rc, modnas_errmsg(s->ctx));
    free_state(&now);
}

static void check_good(modnas_search *s, const state *good) {
    state now;
    FUZZ_CHECK(load(s, good, NULL, 0) == 0, "%s", modnas_errmsg(s->ctx));
    save(s, 1, &now);
    FUZZ_CHECK(now.n == good->n, "%zu sections of %zu", now.n, good->n);
    for (size_t i = 0; i < now.n; i++) {
        const part *a = &now.parts[i], *b = &good->parts[i];
        FUZZ_CHECK(strcmp(a->name, b->name) == 0 && a->n == b->n && memcmp(a->data, b->data, a->n) == 0,
                   "section %s is not what it was", b->name);
    }
    free_state(&now);
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    if (!saved[0].n) save_all();
    const size_t which = n ? (uint8_t)bytes[0] % N_SEARCHES : 0;
    modnas_search *s = search_new(ctx, which, 1);
    const int rc = load(s, &saved[which], bytes + (n != 0), n - (n != 0));
    if (!rc) fuzz_accept();
    if (!rc) go_on(s);
    check_good(s, &saved[which]);
    modnas_search_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, HEAP_MAX, 0);
}
