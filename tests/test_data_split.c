/* The split: which samples train and which validate, by sizes, ratios, seeds and classes; wrong args. */
#include <string.h>

#include "util_counted.h"

/* Add `bit` for each sample of an epoch; every sample comes once. */
static void mark(mn_loader *l, int64_t epoch, int bit, int *who) {
    static seen s;
    const int64_t n = counted_epoch(l, epoch, &s);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_int_eq(who[(int)s.x[2 * i]] & bit, 0);
        who[(int)s.x[2 * i]] |= bit;
    }
}

static void count(const int *who, int what, int by_class[CLASSES], int *total) {
    memset(by_class, 0, CLASSES * sizeof *by_class);
    *total = 0;
    for (int i = 0; i < N; i++) {
        by_class[i % CLASSES] += who[i] == what;
        *total += who[i] == what;
    }
}

START_TEST(split_is_disjoint_and_balanced) {
    static const struct {
        const char *args;
        int n_train, n_valid;
    } rows[] = {{"valid_ratio: 0.2", 800, 200},
                {"valid_size: 55", 945, 55},
                {"valid_size: 10", 990, 10},
                {"train_size: 300, valid_ratio: 0.25", 225, 75},
                {"train_ratio: 0.5", 500, 0},
                {"valid_ratio: 0.29, workers: 0", 710, 290},
                {"valid_size: 100, valid_ratio: 0.9, trn_batch_size: 7, val_batch_size: 3", 900, 100}};
    for (size_t r = 0; r < MN_COUNT(rows); r++) {
        mn_loaders l = counted_build(rows[r].args);
        int who[N] = {0}, later[N] = {0}, by_class[CLASSES], total;
        mark(l.train, 0, 1, who);
        if (l.valid) mark(l.valid, 0, 2, who);
        count(who, 1, by_class, &total);
        ck_assert_int_eq(total, rows[r].n_train);
        count(who, 2, by_class, &total); /* none is 3: in both */
        ck_assert_int_eq(total, rows[r].n_valid);
        for (int c = 0; c < CLASSES; c++) {
            const int more = c < rows[r].n_valid % CLASSES; /* the first classes give what is left over */
            ck_assert_int_eq(by_class[c], rows[r].n_valid / CLASSES + more);
        }
        mark(l.train, 7, 1, later); /* the same in every epoch */
        if (l.valid) mark(l.valid, 7, 2, later);
        ck_assert_int_eq(memcmp(who, later, sizeof who), 0);
        counted_free(&l);
    }
}
END_TEST

/* DefaultDataLoader does not look at classes; still no sample is on both sides. */
START_TEST(split_by_default) {
    const mn_loader_env env = {.train = counted_set, .seed = 5};
    mn_loaders l;
    int who[N] = {0}, by_class[CLASSES], total, uneven = 0;
    ck_assert_int_eq(counted_build_with(&env, "DefaultDataLoader", "valid_ratio: 0.2", &l), 0);
    mark(l.train, 0, 1, who);
    mark(l.valid, 0, 2, who);
    count(who, 1, by_class, &total);
    ck_assert_int_eq(total, 800);
    count(who, 2, by_class, &total);
    ck_assert_int_eq(total, 200);
    for (int c = 0; c < CLASSES; c++) uneven += by_class[c] != 20;
    ck_assert_int_gt(uneven, 0);
    counted_free(&l);
}
END_TEST

/* The split hangs on valid_seed and train_seed, not on the run's seed. */
START_TEST(split_seeds) {
    static const char *const args[] = {"valid_ratio: 0.5", "valid_ratio: 0.5", "valid_ratio: 0.5, valid_seed: 2",
                                       "valid_ratio: 0.5, train_size: 999, train_seed: 2"};
    int who[4][N] = {{0}};
    for (int i = 0; i < 4; i++) {
        const mn_loader_env env = {.train = counted_set, .seed = (uint64_t)i};
        mn_loaders l;
        ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", args[i], &l), 0);
        mark(l.valid, 0, 1, who[i]);
        counted_free(&l);
    }
    ck_assert_int_eq(memcmp(who[0], who[1], sizeof who[0]), 0);
    ck_assert_int_ne(memcmp(who[0], who[2], sizeof who[0]), 0);
    ck_assert_int_ne(memcmp(who[0], who[3], sizeof who[0]), 0);
}
END_TEST

/* A validation set of its own is used whole, or sampled; the same samples twice are split, or refused (spec, D17). */
START_TEST(split_two_sets) {
    mn_dataset *other = counted_set_new(300);
    mn_loader_env env = {.train = counted_set, .valid = other};
    mn_loaders l;
    ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", "", &l), 0);
    ck_assert_int_eq(mn_loader_n_samples(l.train), N);
    ck_assert_int_eq(mn_loader_n_samples(l.valid), 300);
    ck_assert_ptr_eq(mn_loader_dataset(l.valid), other);
    counted_free(&l);
    ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", "valid_ratio: 0.1", &l), 0);
    ck_assert_int_eq(mn_loader_n_samples(l.train), N);
    ck_assert_int_eq(mn_loader_n_samples(l.valid), 30);
    counted_free(&l);
    other->h = 2; /* another shape */
    ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", "", &l), MODNAS_ESHAPE);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(counted_ctx), "2 x 1 x 1 of 10 classes, validation samples 2 x 2 x 1"));
    mn_dataset_free(other);
    for (int twin = 0; twin < 2; twin++) { /* the same object; another with the same hash */
        other = twin ? counted_set_new(N) : NULL;
        env.valid = twin ? other : counted_set;
        strcpy(counted_set->sha256, "ab");
        if (twin) strcpy(other->sha256, "ab");
        ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", "", &l), MODNAS_ECONFIG);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(counted_ctx), "the same 1000 samples"));
        int who[N] = {0}, by_class[CLASSES], total;
        ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", "valid_ratio: 0.2", &l), 0);
        ck_assert_ptr_eq(mn_loader_dataset(l.valid), env.valid);
        mark(l.train, 0, 1, who);
        mark(l.valid, 0, 2, who);
        count(who, 1, by_class, &total);
        ck_assert_int_eq(total, 800);
        counted_free(&l);
        mn_dataset_free(other);
    }
}
END_TEST

START_TEST(classes) {
    static seen s;
    counted_set->class_names = (const char *const[]){"a", "b", "c", "d", "e", "f", "g", "h", "ij", "k"};
    mn_loaders l = counted_build("classes: [ij, 2, 5], valid_ratio: 0.1"); /* 2 -> 0, 5 -> 1, ij = 8 -> 2 */
    ck_assert_int_eq(mn_loader_n_classes(l.train), 3);
    ck_assert_int_eq(mn_loader_n_samples(l.train), 270);
    ck_assert_int_eq(mn_loader_n_samples(l.valid), 30);
    const int64_t n = counted_epoch(l.train, 0, &s);
    for (int64_t i = 0; i < n; i++)
        ck_assert_int_eq(s.y[i], (int)s.x[2 * i] % 10 == 2 ? 0 : (int)s.x[2 * i] % 10 == 5 ? 1 : 2);
    counted_free(&l);
    l = counted_build("classes: 4");
    ck_assert_int_eq(mn_loader_n_classes(l.train), 4);
    ck_assert_int_eq(mn_loader_n_samples(l.train), 400);
    counted_epoch(l.train, 0, &s);
    for (int i = 0; i < 400; i++) ck_assert(s.y[i] >= 0 && s.y[i] < 4);
    counted_free(&l);
}
END_TEST

START_TEST(wrong_args) {
    static const struct {
        const char *args, *text;
    } rows[] = {{"train_ratio: 0", "0 is not in (0, 1]"},
                {"train_ratio: 1.5", "1.5 is not in (0, 1]"},
                {"valid_ratio: -0.1", "-0.1 is not in [0, 1]"},
                {"valid_ratio: 1", "1000 validation samples of 1000 leave none"},
                {"train_size: 1001", "1001 samples of the 1000"},
                {"train_size: -1", "-1 samples"},
                {"valid_size: 1000", "1000 validation samples of 1000 leave none"},
                {"train_size: 20, valid_size: 19", "of class "},
                {"train_ratio: 0.0001", "no training sample"},
                {"trn_batch_size: 0", "0 is not in [1,"},
                {"val_batch_size: -3", "-3 is not in [1,"},
                {"workers: -1", "-1 is not in [0,"},
                {"parallel_multiplier: 0", "0 is not in [1,"},
                {"collate_fn: f", "collate_fn"},
                {"classes: 11", "11 classes; counted has 10"},
                {"classes: [10]", "class 10; counted has 0 to 9"},
                {"classes: [1, 1]", "listed twice"},
                {"classes: []", "empty"},
                {"classes: [dress]", "no class named 'dress', only numbers"}};
    const mn_loader_env env = {.train = counted_set};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        mn_loaders l;
        ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", rows[i].args, &l), MODNAS_ECONFIG);
        ck_assert_msg(strstr(modnas_errmsg(counted_ctx), rows[i].text) &&
                          strstr(modnas_errmsg(counted_ctx), "test.yaml:1"),
                      "%s: %s", rows[i].args, modnas_errmsg(counted_ctx));
        ck_assert(!l.train && !l.valid);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_split");
    util_add(s, "split", counted_setup, counted_teardown,
             (const TTest *[]){split_is_disjoint_and_balanced, split_by_default, split_seeds, split_two_sets, classes,
                               wrong_args, NULL});
    return util_run(s);
}
