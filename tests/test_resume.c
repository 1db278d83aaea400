/* Runs that are interrupted and go on: the same bytes as the run that was not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modnas/search.h"
#include "util_resume.h"
#include "util_rig.h"

/* ---- stopping at every step ---------------------------------------------------------------------------- */

static void run_whole(const char *yaml, const char *const *over, int resume, int *n) {
    ck_assert_msg(util_resume_run(yaml, over, 0, resume, n) == 0, "%s", rig.error);
}

static void check_same(const char *what, int at) {
    ck_assert_msg(rig_same_run("whole", "t"), "%s differs after a stop at call %d", what, at);
}

static const char *const variants[][2] = {{"backend=ref", "threads=2"},
                                          {"backend=ref", "threads=3"},
                                          {"backend=ref", "precision=f64"},
                                          {"backend=dnnl", "threads=3"}};
enum { N_VARIANTS = MN_COUNT(variants) };

/* Canceled at any call (every so-manieth in the slower variants and builds) and resumed, a run ends with the bytes of the one that
 * was not; it makes only the calls that were left, and those of an evaluation or of a baseline that was
 * broken off. */
START_TEST(every_step) {
    const util_resume *r = &util_resumes[_i / N_VARIANTS];
    const char *const *v = variants[_i % N_VARIANTS];
    const char *const over[] = {v[0], v[1], NULL}, *const whole[] = {v[0], v[1], "name=whole", NULL};
    int n_calls, first, rest;
    if (strcmp(v[0], "backend=dnnl") == 0 && !getenv("MODNAS_PLUGINS")) return;
    run_whole(r->yaml, whole, 0, &n_calls);
    ck_assert_int_gt(n_calls, 10);
    for (int at = 1 + _i % 3; at < n_calls; at += (_i % N_VARIANTS ? 4 : 1) * UTIL_FEWER) {
        ck_assert_int_eq(util_resume_run(r->yaml, over, at, 0, &first), MODNAS_ECANCELED);
        ck_assert_int_eq(first, at);
        run_whole(r->yaml, over, 1, &rest);
        ck_assert_msg(first + rest >= n_calls && first + rest <= n_calls + 24, "%d and %d calls of %d", first, rest,
                      n_calls);
        check_same(r->name, at);
    }
}
END_TEST

/* Stopped again and again, six calls at a time. */
START_TEST(many_stops) {
    const util_resume *r = &util_resumes[_i];
    const char *const over[] = {"backend=ref", "estim.search.baseline=false", NULL};
    const char *const whole[] = {"backend=ref", "estim.search.baseline=false", "name=whole", NULL};
    int rc = MODNAS_ECANCELED, n_stops = 0;
    run_whole(r->yaml, whole, 0, NULL);
    for (int resume = 0; rc; resume = 1, n_stops++) {
        rc = util_resume_run(r->yaml, over, 6, resume, NULL);
        ck_assert_msg(!rc || rc == MODNAS_ECANCELED, "%s", rig.error);
    }
    ck_assert_int_gt(n_stops, 2);
    check_same(r->name, n_stops);
}
END_TEST

/* ---- which checkpoint ---------------------------------------------------------------------------------- */

static const char *const often[] = {"backend=ref", "expman.chkpt_intv_steps=1", NULL};

static int n_files(void) {
    FILE *f = popen("ls exp/t/chkpt/state_*.chkpt 2>/dev/null | wc -l", "r");
    int n = -1;
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

/* Number of a checkpoint: 0 the newest, 1 the one before. */
static void newest(int which, char path[128]) {
    char command[128];
    snprintf(command, sizeof command, "ls -r exp/t/chkpt/state_*.chkpt | sed -n %dp", which + 1);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(path, 128, f));
    path[strcspn(path, "\n")] = 0;
    pclose(f);
}

static void sh(const char *format, const char *path) {
    char command[512];
    snprintf(command, sizeof command, format, path);
    ck_assert_int_eq(system(command), 0);
}

/* The newest two stay; a torn one is passed over with its name, with both torn the run begins; a later run that is not
 * to go on forgets them. */
START_TEST(newest_good_one) {
    const char *yaml = util_resumes[0].yaml;
    const char *const whole[] = {"backend=ref", "name=whole", NULL};
    char path[128], other[128];
    int rest;
    run_whole(yaml, whole, 0, NULL);
    ck_assert_int_eq(util_resume_run(yaml, often, 12, 0, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(n_files(), 2);
    newest(0, path);
    sh("truncate -s 1000 %s", path);
    rig.host.log[0] = 0;
    run_whole(yaml, often, 1, NULL);
    ck_assert_ptr_nonnull(strstr(rig.host.log, path));
    ck_assert_ptr_nonnull(strstr(rig.host.log, "1000 bytes of a checkpoint"));
    check_same("one torn", 0);
    ck_assert_int_eq(n_files(), 2);
    newest(0, path);
    newest(1, other);
    sh("truncate -s 0 %s", path);
    sh("printf x | dd of=%s bs=1 seek=500 conv=notrunc status=none", other);
    run_whole(yaml, often, 1, &rest);
    ck_assert_int_gt(rest, 20); /* all of it */
    check_same("both torn", 0);
    ck_assert_int_eq(util_resume_run(yaml, often, 1, 0, NULL), MODNAS_ECANCELED);
    ck_assert_int_le(n_files(), 2);
    newest(0, path);
    ck_assert_ptr_nonnull(strstr(path, "state_00000"));
}
END_TEST

/* History and half-written files as a kill leaves them: lines that came after the checkpoint are gone. */
START_TEST(what_a_kill_leaves) {
    const char *yaml = util_resumes[2].yaml;
    const char *const whole[] = {"backend=ref", "name=whole", NULL};
    run_whole(yaml, whole, 0, NULL);
    ck_assert_int_eq(util_resume_run(yaml, often, 18, 0, NULL), MODNAS_ECANCELED);
    sh("printf '99\\tsearch\\tnull\\t0\\t9\\n1' >> %s", "exp/t/outputs/history.tsv");
    sh("touch %s", "exp/t/chkpt/state_000099.chkpt.tmp-123-0");
    run_whole(yaml, often, 1, NULL);
    check_same("history", 0);
    ck_assert(!util_rig_exists("exp/t/chkpt/state_000099.chkpt.tmp-123-0"));
    run_whole(yaml, often, 1, NULL); /* a run that is over: nothing is made again */
    check_same("a run that is over", 0);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------------------ */

/* Another search: refused with both values, and nothing changed. */
START_TEST(refused) {
    static const struct {
        const char *over, *words[3];
    } rows[] = {{"threads=3", {"threads", "2 there", "3 here"}},
                {"seed=4", {"seed", "3 there", "4 here"}},
                {"mixed_op.candidates=[MB3E1, MB5E1]", {"space", "there", "here"}},
                {"mixed_op.candidates=[MB3E1, MB3E3, MB5E1]", {"space_size is", "\"4\" there", "\"9\" here"}},
                {"estim.search.epochs=9", {"estim.search.epochs", "3 there", "9 here"}},
                {"trainer.default.args.optimizer.args.lr=0.1", {"optimizer.args.lr", "0.05 there", "0.1 here"}},
                {"data_loader.args.trn_batch_size=4", {"trn_batch_size", "8 there", "4 here"}},
                {"optim={type: BinaryGateOptim, args: {n_samples: 1}}", {"optim", "there", "n_samples"}}};
    const char *yaml = util_resumes[0].yaml;
    ck_assert_int_eq(util_resume_run(yaml, often, 9, 0, NULL), MODNAS_ECANCELED);
    sh("cp -r %s exp/before", "exp/t");
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const char *const over[] = {"backend=ref", rows[i].over, NULL};
        ck_assert_msg(util_resume_run(yaml, over, 0, 1, NULL) == MODNAS_ECONFIG, "%s", rows[i].over);
        ck_assert_int_eq(rig.started, 0);
        for (int k = 0; k < 3; k++)
            ck_assert_msg(strstr(rig.error, rows[i].words[k]), "'%s' has no %s", rig.error, rows[i].words[k]);
    }
    sh("diff -r exp/before/chkpt %s/chkpt && diff -r exp/before/outputs exp/t/outputs", "exp/t");
    const char *const free_to[] = {"backend=ref", "expman.chkpt_intv=1", "logging={a: b}", NULL};
    run_whole(yaml, free_to, 1, NULL);
}
END_TEST

/* Of another version: refused with both numbers, and nothing changed; a run that began instead would remove it. */
START_TEST(another_version) {
    const char *yaml = util_resumes[0].yaml;
    const char *const whole[] = {"backend=ref", "name=whole", NULL};
    char path[128];
    run_whole(yaml, whole, 0, NULL);
    ck_assert_int_eq(util_resume_run(yaml, often, 9, 0, NULL), MODNAS_ECANCELED);
    newest(0, path);
    sh("printf '\\001' | dd of=%s bs=1 seek=8 conv=notrunc status=none", path);
    sh("cp -r %s exp/before", "exp/t");
    ck_assert_int_eq(util_resume_run(yaml, often, 0, 1, NULL), MODNAS_EUNSUPPORTED);
    ck_assert_int_eq(rig.started, 0);
    ck_assert_ptr_nonnull(strstr(rig.error, path));
    ck_assert_ptr_nonnull(strstr(rig.error, "a checkpoint of version 1, this library reads 2"));
    sh("diff -r exp/before/chkpt %s/chkpt && diff -r exp/before/outputs exp/t/outputs", "exp/t");
    sh("printf '\\002' | dd of=%s bs=1 seek=8 conv=notrunc status=none", path);
    run_whole(yaml, often, 1, NULL);
    check_same("put right again", 0);
}
END_TEST

/* What sha256sum says of a file. */
static void hash_of(const char *path, char hash[65]) {
    char command[128];
    snprintf(command, sizeof command, "sha256sum %s", path);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%64s", hash), 1);
    pclose(f);
}

/* One number of a table changed: refused with both hashes, nothing written; with the table as it was the run goes on,
 * and its results say which one it was. */
START_TEST(other_tables) {
    static const struct {
        const char *search, *over, *file, *change, *fact, *key;
    } rows[] = {{"evolution", "estim.search.epochs=6", "t.tsv", "sed -i '3s/\t7\t/\t8\t/' %s", "table_sha256.search",
                 "estim.search.table_sha256"},
                {"a gradient method", "objective={latency_table: l.tsv, maximize: [acc_top1]}", "l.tsv",
                 "sed -i '3s/2$/3/' %s", "latency_table_sha256", "data_sha256.latency_table"}};
    const util_resume *r = util_resumes;
    const char *const over[] = {"backend=ref", "expman.chkpt_intv_steps=1", rows[_i].over, NULL};
    const char *const whole[] = {"backend=ref", "name=whole", rows[_i].over, NULL};
    char was[65], is[65], says[256];
    while (strcmp(r->name, rows[_i].search) != 0) r++;
    sh("printf 'slot\tcandidate\tlatency_ms\n0\tMB3E1\t1\n0\tMB3E3\t2\n1\tMB3E1\t1\n1\tMB3E3\t2\n' > %s", "l.tsv");
    run_whole(r->yaml, whole, 0, NULL);
    ck_assert_int_eq(util_resume_run(r->yaml, over, 9, 0, NULL), MODNAS_ECANCELED);
    sh("cp -r %s exp/before", "exp/t");
    sh("cp %s kept.tsv", rows[_i].file);
    hash_of("kept.tsv", was);
    sh(rows[_i].change, rows[_i].file);
    hash_of(rows[_i].file, is);
    ck_assert_str_ne(was, is);
    ck_assert_int_eq(util_resume_run(r->yaml, over, 0, 1, NULL), MODNAS_ECONFIG);
    snprintf(says, sizeof says, "it is of another search: %s is \"%s\" there and \"%s\" here", rows[_i].fact, was, is);
    ck_assert_msg(strstr(rig.error, says) != NULL, "'%s' is not in: %s", says, rig.error);
    sh("diff -r exp/before/chkpt %s/chkpt && diff -r exp/before/outputs exp/t/outputs", "exp/t");
    sh("cp kept.tsv %s", rows[_i].file);
    run_whole(r->yaml, over, 1, NULL);
    check_same("a table that was put back", 9);
    mn_node *results = util_rig_parse(&rig, rig.results);
    ck_assert_str_eq(rig_at(results, rows[_i].key)->text, was);
    mn_node_free(rig.ctx, results);
}
END_TEST

/* ---- weights ------------------------------------------------------------------------------------------- */

/* A checkpoint is a file of weights, too: -p and an estimator's chkpt take it. */
START_TEST(as_weights) {
    const char *yaml = util_resumes[0].yaml;
    char path[128], over[160];
    run_whole(yaml, often, 0, NULL);
    newest(0, path);
    sh("cp %s w.chkpt", path);
    run_whole(yaml, RIG_OVER("backend=ref", "name=whole", "chkpt=exp/t/chkpt/model_search_last.safetensors"), 0, NULL);
    snprintf(over, sizeof over, "chkpt=%s", "w.chkpt");
    run_whole(yaml, RIG_OVER("backend=ref", over), 0, NULL);
    check_same("weights", 0);
}
END_TEST

/* ---- memory -------------------------------------------------------------------------------------------- */

/* Memory runs out anywhere in a run that goes on: it says so, and the next one goes on all the same. */
START_TEST(out_of_memory) {
    const char *yaml = util_resumes[2].yaml;
    const char *const whole[] = {"backend=ref", "name=whole", NULL};
    int n = 0, rc = MODNAS_ENOMEM;
    run_whole(yaml, whole, 0, NULL);
    ck_assert_int_eq(util_resume_run(yaml, often, 14, 0, NULL), MODNAS_ECANCELED);
    for (int64_t left = 0; rc; left += 1 + left / 32, n++) {
        rig.host.left = left;
        rc = util_resume_run(yaml, often, 0, 1, NULL);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d after %lld: %s", rc, (long long)left, rig.error);
    }
    ck_assert_int_gt(n, 50);
    check_same("out of memory", n);
}
END_TEST

int main(void) {
    Suite *s = suite_create("resume");
    TCase *t = tcase_create("every step");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, util_resume_setup, rig_teardown);
    tcase_add_loop_test(t, every_step, 0, (int)util_n_resumes * N_VARIANTS);
    tcase_add_loop_test(t, many_stops, 0, (int)util_n_resumes);
    tcase_add_loop_test(t, other_tables, 0, 2);
    suite_add_tcase(s, t);
    util_add(s, "files", util_resume_setup, rig_teardown,
             (const TTest *[]){newest_good_one, what_a_kill_leaves, refused, another_version, as_weights, out_of_memory, NULL});
    return util_run(s);
}
