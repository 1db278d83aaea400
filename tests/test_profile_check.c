/* A table of latencies against whole networks, timed here or on another device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_profile.h"

static double field_of(const char *line, int column) {
    for (; column; column--) line = strchr(line, '\t') + 1;
    return atof(line);
}

/* With the times of another device, which are known: predictions are their sums, networks are those of the seed. */
START_TEST(predictions) {
    modnas_profile_opts jobs_only = util_on_8x8, in = util_on_8x8;
    modnas_config *cfg = NULL;
    char *jobs = NULL, *table[3] = {NULL}, *summary[3] = {NULL};
    jobs_only.list_jobs = 1;
    in.measured = "m.tsv";
    in.runs = 3;
    ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &jobs_only, &jobs), 0);
    util_profile_answer(jobs, 0, ""); /* fixed 0.5; candidate k of Slot i 1.5 + 4 i + k */
    SEARCH_OK(modnas_config_new(rig.ctx, &cfg));
    SEARCH_OK(modnas_config_add_text(cfg, UTIL_SEARCH_GATES, strlen(UTIL_SEARCH_GATES), "t.yaml"));
    for (int i = 0; i < 3; i++) {
        if (i == 2) SEARCH_OK(modnas_config_set(cfg, "seed", "4"));
        SEARCH_OK(modnas_profile_check(cfg, &in, 6, &table[i], &summary[i]));
    }
    static const char *const names[] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
    int n = 0, other = 0;
    double residual[5] = {0};
    const char *second = strchr(table[1], '\n'), *third = strchr(table[2], '\n');
    for (const char *line = strchr(table[0], '\n') + 1; *line; line = strchr(line, '\n') + 1, n++) {
        const char *arch = strchr(line, '[');
        double want = 0.5;
        for (int i = 0; i < 4; i++) {
            int k = 0;
            const char *word = arch + 2 + 8 * i;
            while (strncmp(word, names[k], 5) != 0) ck_assert_int_lt(++k, 4);
            want += 1.5 + 4 * i + k;
        }
        ck_assert_int_eq((int)field_of(line, 0), n);
        ck_assert_double_eq(field_of(line, 1), want);
        ck_assert_double_gt(field_of(line, 2), 0);
        ck_assert_double_eq_tol(field_of(line, 4), (want - field_of(line, 2)) / field_of(line, 2), 1e-9 * want / field_of(line, 2));
        const size_t length = strcspn(arch, "\t\n");
        for (int i = 0; i < 5; i++) residual[i] += field_of(line, 6 + i) / 6;
        ck_assert(strncmp(arch, strchr(second, '['), length) == 0); /* the same again */
        other += strncmp(arch, strchr(third, '['), length) != 0;
        second = strchr(strchr(second, '['), '\n');
        third = strchr(strchr(third, '['), '\n');
    }
    ck_assert_int_eq(n, 6);
    ck_assert_int_gt(other, 0);
    ck_assert_int_eq(strncmp(summary[0], "6 networks, seed 3: Spearman ", 29), 0);
    ck_assert_ptr_nonnull(strstr(summary[0], "\nslot\tpredicted_ms\tmeasured_ms\tresidual_ms\nfixed\t0.5\t"));
    const char *part = strstr(summary[0], "\nfixed\t") + 1;
    for (int i = 0; i < 5; i++, part = strchr(part, '\n') + 1) /* of the fixed part and each Slot, means of the lines' ones */
        ck_assert_double_eq_tol(residual[i], field_of(part, 3), 1e-9);
    ck_assert_ptr_nonnull(strstr(table[0], "\tarch\tresidual_ms.fixed\tresidual_ms.0\tresidual_ms.1\tresidual_ms.2\tresidual_ms.3\n"));
    char *none = NULL;
    ck_assert_int_eq(modnas_profile_check(cfg, &in, 0, &none, &none), MODNAS_EINVAL);
    util_search_says("0 networks");
    ck_assert_int_eq(modnas_profile_check(cfg, &jobs_only, 3, &none, &none), MODNAS_EINVAL);
    ck_assert_ptr_null(none);
    for (int i = 0; i < 3; i++) {
        modnas_string_free(rig.ctx, table[i]);
        modnas_string_free(rig.ctx, summary[i]);
    }
    modnas_config_free(cfg);
    modnas_string_free(rig.ctx, jobs);
}
END_TEST

/* net_k = 2 + 3 * its candidates, which are 1.5 + 4 i + k in Slot i: the fit gives these numbers back. */
START_TEST(fitted_to_networks) {
    modnas_profile_opts jobs_only = util_on_8x8, in = util_on_8x8;
    char *jobs = NULL, *table = NULL, more[200];
    int n;
    jobs_only.list_jobs = 1;
    in.measured = "m.tsv";
    ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &jobs_only, &jobs), 0);
    n = snprintf(more, sizeof more, "net\tphone\t%d\n", 2 + 3 * 30);
    for (int k = 1; k < 4; k++)
        n += snprintf(more + n, sizeof more - (size_t)n, "net_%d\tphone\t%d\n", k, 2 + 3 * (30 + 4 * k));
    util_profile_answer(jobs, 2, more);
    ck_assert_msg(util_profile(UTIL_SEARCH_GATES, &in, &table) == 0, "%s", modnas_errmsg(rig.ctx));
    ck_assert_double_eq_tol(util_profile_ms(table, "\nfixed\t-\t"), 2, 1e-6);
    ck_assert_double_eq_tol(util_profile_ms(table, "\n0\tMB3E1\t"), 4.5, 1e-6);
    ck_assert_double_eq_tol(util_profile_ms(table, "\n3\tMB5E1\t"), 3 * (1.5 + 12 + 3), 1e-6);
    modnas_string_free(rig.ctx, table);
    table = NULL;
    util_profile_answer(jobs, 2, "nets\tphone\t1\n");
    ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &in, &table), MODNAS_ECONFIG);
    util_search_says("the space has no job nets");
    modnas_string_free(rig.ctx, jobs);
}
END_TEST

/* Networks that the other device timed whole: every one takes 10 ms there, what is predicted is known. */
START_TEST(whole_elsewhere) {
    modnas_profile_opts jobs_only = util_on_8x8, in = util_on_8x8;
    modnas_config *cfg = NULL;
    char *jobs = NULL, *table = NULL, *summary = NULL, path[64];
    double sum = 0, largest = 0;
    int n = 0;
    jobs_only.list_jobs = 1;
    jobs_only.jobs_dir = "jobs";
    jobs_only.check_nets = 3;
    in.measured = "m.tsv";
    ck_assert_msg(util_profile(UTIL_SEARCH_GATES, &jobs_only, &jobs) == 0, "%s", modnas_errmsg(rig.ctx));
    for (int k = 0; k < 3; k++) {
        snprintf(path, sizeof path, "jobs/check_%d.onnx", k);
        ck_assert(util_rig_exists(path));
    }
    ck_assert(!util_rig_exists("jobs/check_3.onnx"));
    SEARCH_OK(modnas_config_new(rig.ctx, &cfg));
    SEARCH_OK(modnas_config_add_text(cfg, UTIL_SEARCH_GATES, strlen(UTIL_SEARCH_GATES), "t.yaml"));
    util_profile_answer(jobs, 0, "check_0\tphone\t10\ncheck_2\tphone\t10\n");
    ck_assert_int_eq(modnas_profile_check(cfg, &in, 3, &table, &summary), MODNAS_ECONFIG);
    util_search_says("m.tsv: there is no job check_1: of 3 networks, it has 2");
    util_profile_answer(jobs, 0, "check_0\tphone\t10\ncheck_1\tphone\t10\ncheck_2\tphone\t10\ncheck_3\tphone\t99\n");
    SEARCH_OK(modnas_profile_check(cfg, &in, 3, &table, &summary));
    for (const char *line = strchr(table, '\n') + 1; *line; line = strchr(line, '\n') + 1, n++) {
        const double predicted = field_of(line, 1), error = (predicted - 10) / 10;
        ck_assert_double_eq(field_of(line, 2), 10);
        ck_assert_double_eq_tol(field_of(line, 4), error, 1e-12);
        ck_assert_ptr_nonnull(strstr(line, "\t10\t-\t"));
        sum += predicted;
        if (error > largest) largest = error;
    }
    ck_assert_int_eq(n, 3);
    char want[200];
    ck_assert_ptr_nonnull(strstr(summary, "3 networks, seed 3: Spearman undefined, median error "));
    snprintf(want, sizeof want, "largest %.1f %%\nslot\tpredicted_ms\tmeasured_ms\tresidual_ms\nwhole\t", 100 * largest);
    ck_assert_ptr_nonnull(strstr(summary, want));
    ck_assert_double_eq_tol(field_of(strstr(summary, "\nwhole\t") + 1, 1), sum / 3, 1e-12);
    modnas_string_free(rig.ctx, table);
    table = NULL;
    ck_assert_msg(util_profile(UTIL_SEARCH_GATES, &in, &table) == 0, "%s", modnas_errmsg(rig.ctx)); /* passed over */
    modnas_string_free(rig.ctx, table);
    modnas_string_free(rig.ctx, summary);
    modnas_string_free(rig.ctx, jobs);
    modnas_config_free(cfg);
}
END_TEST

int main(void) {
    Suite *s = suite_create("profile_check");
    util_add(s, "checks", rig_setup, rig_teardown, (const TTest *[]){predictions, fitted_to_networks, whole_elsewhere, NULL});
    return util_run(s);
}
