/* Training, validation and test data are apart: which sample is read when, in every way to name the data, by searches
 * of every kind that reads data in its own way.
 *
 * The host's data notes each sample that is asked for. Nothing is prepared ahead, so what was asked for since the last
 * report of progress is what that report is about. How many samples each part has follows from the configuration by
 * hand; which they are is not looked at, only that none is in two of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/data.h"
#include "util_rig.h"

enum { TRAIN, VALID, TEST, N_SOURCES, N_MOST = 60, N_TEST = 20, SIDE = 4, ASKED_MOST = 4096 };
enum { FOR_WEIGHTS = 1, FOR_ARCH = 2, FOR_SCORES = 4, FOR_STATISTICS = 8 };

typedef struct asked {
    int source, index;
} asked;

static const struct source {
    const char *name;
    int id, n;
} sources[N_SOURCES] = {{"Train", TRAIN, N_MOST}, {"Valid", VALID, 24}, {"Test", TEST, N_TEST}};

static asked asks[ASKED_MOST]; /* since the last report */
static int n_asked;
static int used[N_SOURCES][N_MOST]; /* FOR_* of each sample */
static int n_labels, n_statistics;  /* asked for before the first report; before the scores of an architecture */
static int n_reports, is_poisoned;
static int poison[N_SOURCES][N_MOST]; /* 1: the sample is another one in poisoned runs */

static int sample(int64_t index, float *dst, int32_t *label, void *ud) {
    const struct source *s = ud;
    if (n_asked < ASKED_MOST) asks[n_asked] = (asked){s->id, (int)index};
    n_asked++;
    const int other = is_poisoned && poison[s->id][index] ? 3 : 1;
    for (int i = 0; i < SIDE * SIDE; i++)
        dst[i] = (float)(((int)index * 7 * other + i * 3 + s->id) % 11) * 0.1f * (float)other;
    *label = (int32_t)(index % 4);
    return 0;
}

/* Class 2 is bright, class 0 dark. */
static int bright(int64_t index, float *dst, int32_t *label, void *ud) {
    (void)ud;
    *label = (int32_t)(index % 4);
    for (int i = 0; i < SIDE * SIDE; i++) dst[i] = (*label == 2 ? 1.f : -1.f) + (float)((index * 7 + i * 3) % 5) * 0.1f;
    return 0;
}

static void use(int from, int to, int what) {
    ck_assert_int_le(n_asked, ASKED_MOST);
    ck_assert_int_le(to, n_asked);
    for (int i = from; i < to; i++) used[asks[i].source][asks[i].index] |= what;
}

static int report(const modnas_progress *p, void *ud) {
    const int is_valid = strcmp(p->phase, "valid") == 0;
    int at = 0;
    (void)ud;
    if (!n_reports++) { /* all that estimators look at before they start */
        at = n_labels + n_statistics;
        use(n_labels, at, FOR_STATISTICS);
    }
    if (is_valid && p->step == 0 && strcmp(p->estim, "search") == 0) {
        use(at, at + n_statistics, FOR_STATISTICS);
        at += n_statistics;
    }
    use(at, n_asked, is_valid ? FOR_SCORES : strcmp(p->phase, "arch") == 0 ? FOR_ARCH : FOR_WEIGHTS);
    n_asked = 0;
    return 0;
}

static void forget(void) {
    memset(used, 0, sizeof used);
    n_asked = n_reports = 0;
}

static void setup(void) {
    rig_setup();
    forget();
    is_poisoned = 0;
    memset(poison, 0, sizeof poison);
    rig.opts.progress = report;
    for (int i = 0; i < N_SOURCES; i++) {
        const modnas_data_source s = {.size = sizeof s,
                                      .n = sources[i].n,
                                      .dims = {1, SIDE, SIDE},
                                      .n_classes = 4,
                                      .sample = sample,
                                      .ud = (void *)(uintptr_t)&sources[i]};
        ck_assert_int_eq(modnas_data_register(rig.ctx, sources[i].name, &s), 0);
    }
}

/* ---- the ways to name data ----------------------------------------------------------------------------- */

static const struct form {
    const char *data, *loader, *args;
    int n_train, n_valid, of, n_labels; /* of: the source of the validation samples; with labels of the test set, two
                                           classes are chosen */
} forms[] = {
    {"train_data: Train", "DefaultDataLoader", "valid_size: 16", 44, 16, TRAIN, 0},
    {"train_data: Train", "DefaultDataLoader", "valid_ratio: 0.25", 45, 15, TRAIN, 0},
    {"train_data: Train", "DefaultDataLoader", "train_size: 40, valid_ratio: 0.25", 30, 10, TRAIN, 0},
    {"train_data: Train", "DefaultDataLoader", "train_ratio: 0.5, valid_size: 6, valid_seed: 5", 24, 6, TRAIN, 0},
    {"train_data: Train", "ImageClsDataLoader", "valid_size: 16", 44, 16, TRAIN, N_MOST},
    {"train_data: Train", "ImageClsDataLoader", "classes: [0, 2], valid_ratio: 0.2", 24, 6, TRAIN, N_MOST + N_TEST},
    {"train_data: Train\nvalid_data: Train", "DefaultDataLoader", "valid_size: 20", 40, 20, TRAIN, 0},
    {"data: Train\nvalid_data: {args: {}}", "DefaultDataLoader", "valid_ratio: 0.5", 30, 30, TRAIN, 0},
    {"train_data: Train\nvalid_data: Valid", "DefaultDataLoader", "train_ratio: 1", 60, 24, VALID, 0},
    {"train_data: Train\nvalid_data: [Valid]", "DefaultDataLoader", "valid_size: 10", 60, 10, VALID, 0},
    {"data: {type: Train}\nvalid_data: {type: Valid}", "DefaultDataLoader", "train_size: 30, valid_ratio: 0.5", 30, 12,
     VALID, 0},
};

/* Estimators whose steps, scores and statistics read data; the last one is `search`. */
static const struct search {
    const char *what, *yaml;
    int n_statistics, n_tested, has_arch_steps; /* n_tested: read anew for the network that is tested */
} searches[] = {
    {"ProxylessNAS",
     "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3]}\noptim: BinaryGateOptim\n"
     "estim: {warm: {type: DefaultEstim, epochs: 1, args: {valid_intv: 1}}, search: {type: SuperNetEstim, epochs: 2, "
     "baseline: false, recalibration: false}}\n",
     0, 0, 1},
    {"DARTS of second order",
     "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E1, MB3E3]}\noptim: DARTSOptim\n"
     "estim: {search: {type: SuperNetEstim, epochs: 2, baseline: false, recalibration: false}}\n",
     0, 0, 1},
    {"SPOS",
     "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}\noptim: RandomSearchOptim\n"
     "estim: {train: {type: RandomSamplingEstim, epochs: 2, args: {valid_intv: 1}}, search: {type: SubNetEstim, "
     "epochs: 2, baseline: false, recalibration: false, args: {num_bn_batch: 2}}}\n",
     16, 16, 0},
    {"SPOS that trains what it scores",
     "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}\noptim: RandomSearchOptim\n"
     "estim: {search: {type: SubNetEstim, epochs: 2, subnet_epochs: 1, baseline: false, recalibration: false, args: {num_bn_batch: 2}}}\n",
     16, 0, 0}, /* it is tested with the weights that it was saved with */
};

#define NET                                                                                                            \
    "backend: ref\nname: t\nseed: 3\nthreads: 1\n"                                                                     \
    "model: {type: MobileNetV2, args: {input: [1, 4, 4], n_classes: 4, width_coeff: 0.05,"                             \
    " cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 8, 1, 2]]}}\n"                                                            \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}}\n"

static const char *yaml_of(const struct form *f, const struct search *s, const char *more) {
    static char text[4096];
    snprintf(text, sizeof text,
             NET "%s\n%sdata_loader: {type: %s, args: {trn_batch_size: 8, val_batch_size: 8, %s}}\n%s", s->yaml, more,
             f->loader, f->args, f->data);
    n_labels = f->n_labels;
    n_statistics = s->n_statistics;
    return text;
}

/* Samples of a source that are used for one of `any`, and for nothing in `not`. */
static int count(int source, int any, int not ) {
    int n = 0;
    for (int i = 0; i < N_MOST; i++) n += (used[source][i] & any) && !(used[source][i] & not );
    return n;
}

/* Every sample is of one part: what trains gives statistics, too, and never scores; architecture steps read both; the
 * test set is read once, in order, after all that. */
START_TEST(apart) {
    const struct form *f = &forms[_i / (int)MN_COUNT(searches)];
    const struct search *s = &searches[_i % (int)MN_COUNT(searches)];
    const char *yaml = yaml_of(f, s, "test_data: Test\n");
    RIG_RUNS(yaml, NULL);
    const int before = s->n_tested;
    use(0, before, FOR_STATISTICS);
    const int step = f->n_labels > N_MOST ? 2 : 1; /* labels 0 and 2 are those of even samples */
    ck_assert_msg(n_asked == before + N_TEST / step, "%s, %s: %d samples after the last step", s->what, f->args,
                  n_asked);
    for (int i = 0; i < N_TEST / step; i++)
        ck_assert(asks[before + i].source == TEST && asks[before + i].index == i * step);
    ck_assert_int_eq(count(TEST, ~0, 0), 0);
    const int n_train = count(TRAIN, FOR_WEIGHTS | FOR_ARCH, FOR_SCORES), n_scored = count(f->of, FOR_SCORES, 0);
    ck_assert_msg(n_train == f->n_train, "%s, %s: %d train", s->what, f->args, n_train);
    ck_assert_msg(n_scored == f->n_valid, "%s, %s: %d validate", s->what, f->args, n_scored);
    ck_assert_int_eq(count(f->of, FOR_SCORES, FOR_WEIGHTS | FOR_STATISTICS), f->n_valid);
    ck_assert_int_eq(count(TRAIN, ~0, 0) + count(VALID, ~0, 0), f->n_train + f->n_valid); /* there are no others */
    ck_assert_int_eq(count(TRAIN, FOR_STATISTICS, 0), s->n_statistics);
    ck_assert_int_eq(count(f->of, FOR_ARCH, FOR_WEIGHTS) > 0, s->has_arch_steps);
}
END_TEST

/* With all validation and test samples exchanged weights and statistics are, bit for bit, the same. */
START_TEST(weights_know_nothing_of_them) {
    static const int of_form[] = {0, 4, 8};
    static const char *const estims[] = {"warm", "train"};
    const struct form *f = &forms[of_form[_i / 2]];
    const struct search *s = &searches[_i % 2 * 2];
    char path[2][96];
    RIG_RUNS(yaml_of(f, s, "test_data: Test\n"), NULL);
    for (int source = 0; source < N_SOURCES; source++)
        for (int i = 0; i < N_MOST; i++)
            poison[source][i] = source == TEST || (used[source][i] & FOR_SCORES && !(used[source][i] & FOR_WEIGHTS));
    is_poisoned = 1;
    forget();
    RIG_RUNS(yaml_of(f, s, "test_data: Test\n"), RIG_OVER("name=other"));
    for (int k = 0; k < 2; k++)
        snprintf(path[k], sizeof path[k], "exp/%s/chkpt/model_%s_last.safetensors", k ? "other" : "t", estims[_i % 2]);
    ck_assert_msg(util_rig_same(path[0], path[1]), "%s differs", path[1]);
    ck_assert(!util_rig_same("exp/t/outputs/history.tsv", "exp/other/outputs/history.tsv")); /* the scores do not */
}
END_TEST

/* With two classes chosen, a network of two outputs that learnt to tell them by brightness tells those of the test set,
 * whose labels there are 0 and 2. */
START_TEST(classes_of_the_test_set) {
    static const struct form f = {
        "train_data: Bright\ntest_data: Dark", "ImageClsDataLoader", "classes: [0, 2], valid_size: 8", 0, 0, 0, 0};
    static const struct search s = {"", "estim: {search: {type: DefaultEstim, epochs: 12}}\nexport: null\n", 0, 0, 0};
    rig.opts.progress = NULL;
    for (int i = 0; i < 2; i++) {
        const modnas_data_source d = {
            .size = sizeof d, .n = i ? 20 : 60, .dims = {1, SIDE, SIDE}, .n_classes = 4, .sample = bright};
        ck_assert_int_eq(modnas_data_register(rig.ctx, i ? "Dark" : "Bright", &d), 0);
    }
    RIG_RUNS(yaml_of(&f, &s, ""), RIG_OVER("model.args.n_classes=2"));
    mn_node *r = util_rig_parse(&rig, rig.results);
    ck_assert(rig_at(r, "estim.search.best.metrics.acc_top1")->r == 1);
    ck_assert(rig_at(r, "test.acc_top1")->r == 1);
    ck_assert_int_eq(rig_at(r, "test.n")->i, 10);
    mn_node_free(rig.ctx, r);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------------------ */

#define RAND "RandData, args: {shape: [1, 4, 4], classes: 4, data_size: "

/* What cannot be kept apart: refused before anything is written. */
START_TEST(refused) {
    static const struct {
        const char *data, *says;
    } rows[] = {
        {"train_data: Train\ntest_data: Train", "test_data reads the same samples of Train as train_data"},
        {"train_data: Train\nvalid_data: Valid\ntest_data: Valid",
         "test_data reads the same samples of Valid as valid_data"},
        {"data: Train\ntest_data: {args: {}}", "test_data reads the same samples of Train as train_data"},
        {"train_data: Train\nvalid_data: Train", "training and validation data are the same 60 samples"},
        {"data: Train\nvalid_data: {args: {}}", "training and validation data are the same 60 samples"},
        {"train_data: {type: " RAND "40}}\nvalid_data: Valid\ntest_data: {type: " RAND "40}}",
         "test_data reads the same samples of rand as train_data"},
        {"train_data: {type: " RAND "40}}\nvalid_data: Valid\ntest_data: {type: " RAND "50}}",
         "test_data reads the same samples of rand as train_data"},
        {"train_data: {type: " RAND "40}}\nvalid_data: {type: " RAND "40}}",
         "training and validation data are the same 40 samples"},
        {"train_data: {type: " RAND "40}}\nvalid_data: {type: " RAND "20}}",
         "training and validation data both read rand"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const struct form f = {.data = rows[i].data, .loader = "DefaultDataLoader", .args = "train_ratio: 1"};
        ck_assert_msg(util_rig_yaml(&rig, yaml_of(&f, &searches[0], ""), NULL) == MODNAS_ECONFIG, "%s", rows[i].data);
        ck_assert_msg(strstr(rig.error, rows[i].says) != NULL, "'%s' is not in: %s", rows[i].says, rig.error);
        ck_assert(!rig.started && !n_asked);
    }
    /* made-up data that is the same is split like any, other data is other */
    const struct form fine = {.data = "train_data: {type: " RAND "40}}\nvalid_data: {type: " RAND
                                      "40}}\ntest_data: {type: " RAND "40, seed: 7}}",
                              .loader = "DefaultDataLoader",
                              .args = "valid_size: 8"};
    rig.opts.progress = NULL;
    RIG_RUNS(yaml_of(&fine, &searches[0], ""), NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_apart");
    util_add_loop(s, "read", setup, rig_teardown, apart, MN_COUNT(forms) * MN_COUNT(searches));
    util_add_loop(s, "weights", setup, rig_teardown, weights_know_nothing_of_them, 6);
    util_add(s, "refused", setup, rig_teardown, (const TTest *const[]){refused, classes_of_the_test_set, NULL});
    return util_run(s);
}
