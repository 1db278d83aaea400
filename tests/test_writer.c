/* TensorBoard's files: what a run tells, read back by a reader of the tests' own and by the package itself; runs that
 * are interrupted and go on tell everything once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util_events.h"
#include "util_paths.h"
#include "util_resume.h"
#include "util_rig.h"

#define WRITERS "exp/t/writers"

/* ---- the sum ------------------------------------------------------------------------------------------- */

/* RFC 3720, B.4; its CRC lines are in the order of bytes on the wire. */
START_TEST(rfc3720) {
    static const unsigned char command[48] = {1, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0,
                                              0, 0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0};
    unsigned char zeros[32], ones[32], up[32], down[32];
    for (int i = 0; i < 32; i++) zeros[i] = 0, ones[i] = 0xff, up[i] = (unsigned char)i, down[i] = (unsigned char)(31 - i);
    const struct {
        const unsigned char *data;
        size_t n;
        uint32_t crc;
    } rows[] = {{zeros, 32, 0x8a9136aa}, {ones, 32, 0x62a8ab43}, {up, 32, 0x46dd794e}, {down, 32, 0x113fdb5c},
                {command, 48, 0xd9963a56}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_uint_eq(mn_crc32c(rows[i].data, rows[i].n), rows[i].crc);
        ck_assert_uint_eq(util_crc32c(rows[i].data, rows[i].n), rows[i].crc);
    }
}
END_TEST

/* ---- what is told -------------------------------------------------------------------------------------- */

/* 40 to train in 3 batches, 8 to validate in one; warm-up 1 epoch, search 2. */
#define ON "writer={enabled: true}"

START_TEST(off_by_default) {
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert(!util_rig_exists(WRITERS));
}
END_TEST

/* The value in history.tsv: line `line` from 0 on, by the column's name. */
static double history(int line, const char *column) {
    char *text = util_rig_read("exp/t/outputs/history.tsv", NULL), *save = NULL, *save_line;
    ck_assert_ptr_nonnull(text);
    char *head = strtok_r(text, "\n", &save), *row = NULL;
    for (int i = 0; i <= line; i++) row = strtok_r(NULL, "\n", &save);
    ck_assert_ptr_nonnull(row);
    int at = 0, want = -1;
    for (char *c = strtok_r(head, "\t", &save_line); c; c = strtok_r(NULL, "\t", &save_line), at++)
        if (strcmp(c, column) == 0) want = at;
    ck_assert_int_ge(want, 0);
    char *cell = strtok_r(row, "\t", &save_line);
    while (want-- > 0) cell = strtok_r(NULL, "\t", &save_line);
    const double x = atof(cell);
    free(text);
    return x;
}

static void check_steps(const util_events *e, const char *tag, size_t n) {
    ck_assert_uint_eq(util_events_count(e, tag), n);
    for (size_t i = 0; i < n; i++) ck_assert_int_eq(util_events_get(e, tag, i)->step, (int64_t)i);
}

/* A batch of validation is the whole set: the very numbers of history.tsv. The chain counts on. */
START_TEST(trainer_tags) {
    static const char *const fields[] = {"loss", "acc_top1", "acc_top5"};
    util_events e;
    char tag[64];
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(ON));
    util_events_read(WRITERS, &e);
    ck_assert_int_eq(e.n_files, 1);
    ck_assert_int_eq(e.n_starts, 0);
    check_steps(&e, "trainer/train/LR", 9);
    for (size_t i = 0; i < MN_COUNT(fields); i++) {
        snprintf(tag, sizeof tag, "trainer/train/%s", fields[i]);
        check_steps(&e, tag, 9);
        snprintf(tag, sizeof tag, "trainer/valid/%s", fields[i]);
        check_steps(&e, tag, 3);
        for (int k = 0; k < 3; k++)
            ck_assert_float_eq(util_events_get(&e, tag, (size_t)k)->value, (float)history(k, fields[i]));
    }
    /* Cosine over two epochs of the search. */
    ck_assert_float_eq_tol(util_events_get(&e, "trainer/train/LR", 3)->value, 0.05f, 1e-7f);
    ck_assert_float_eq_tol(util_events_get(&e, "trainer/train/LR", 8)->value, 0.025f, 1e-7f);
    ck_assert_ptr_null(util_events_get(&e, "trainer/valid/LR", 0));
    util_events_free(&e);
}
END_TEST

START_TEST(evaluation_tags) {
    util_events e;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(ON));
    util_events_read(WRITERS, &e);
    check_steps(&e, "evaluate/warm/macs", 1);
    check_steps(&e, "evaluate/search/macs", 2);
    for (size_t i = 0; i < 2; i++)
        ck_assert_float_eq(util_events_get(&e, "evaluate/search/macs", i)->value, (float)history(1 + (int)i, "macs"));
    util_events_free(&e);
}
END_TEST

/* After each epoch the probabilities of each of four Slots add up to 1; alike before the search, not after it. */
START_TEST(probabilities) {
    static const char *const names[] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
    util_events e;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(ON, "optim={type: BinaryGateOptim, args: {a_optim: {type: Adam, args: {lr: 0.1}}}}"));
    util_events_read(WRITERS, &e);
    for (int slot = 0; slot < 4; slot++)
        for (size_t epoch = 0; epoch < 3; epoch++) {
            double sum = 0, most = 0;
            for (size_t i = 0; i < MN_COUNT(names); i++) {
                char tag[64];
                snprintf(tag, sizeof tag, "arch/%d/%s", slot, names[i]);
                const util_scalar *s = util_events_get(&e, tag, epoch);
                ck_assert_msg(s != NULL, "%s of epoch %zu is missing", tag, epoch);
                ck_assert_int_eq(s->step, 3 * (int64_t)epoch + 2);
                sum += s->value;
                most = s->value > most ? s->value : most;
            }
            ck_assert_double_eq_tol(sum, 1, 1e-6);
            if (epoch == 0) ck_assert_double_eq_tol(most, 0.25, 0.001); /* alphas begin within a thousandth or so */
            if (epoch == 2) ck_assert_double_gt(most, 0.252);
        }
    util_events_free(&e);
}
END_TEST

/* Another run of the same name: the files of the one before go. */
START_TEST(begun_anew) {
    util_events e;
    for (int i = 0; i < 2; i++) RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(ON));
    util_events_read(WRITERS, &e);
    ck_assert_int_eq(e.n_files, 1);
    ck_assert_uint_eq(util_events_count(&e, "trainer/train/loss"), 9);
    util_events_free(&e);
}
END_TEST

/* ---- going on ------------------------------------------------------------------------------------------ */

/* Each scalar of `whole` once in `e`, with the same bits; and none besides. */
static void check_same(const util_events *whole, const util_events *e, int at) {
    ck_assert_msg(whole->n == e->n, "%zu scalars of %zu after a stop at call %d", e->n, whole->n, at);
    for (size_t i = 0; i < e->n; i++)
        ck_assert_msg(memcmp(&whole->scalars[i], &e->scalars[i], sizeof e->scalars[i]) == 0,
                      "%s: %g at %lld and %g at %lld after a stop at call %d", e->scalars[i].tag, whole->scalars[i].value,
                      (long long)whole->scalars[i].step, e->scalars[i].value, (long long)e->scalars[i].step, at);
}

static const char *const never[] = {ON, "backend=ref", "threads=1", "expman.chkpt_intv_seconds=0", NULL};
static const char *const often[] = {ON, "backend=ref", "threads=1", "expman.chkpt_intv_steps=2", NULL};

/* Stopped anywhere, also within an evaluation. */
START_TEST(stopped) {
    const util_resume *r = &util_resumes[_i];
    util_events whole, e;
    int n;
    ck_assert_msg(util_resume_run(r->yaml, often, 0, 0, &n) == 0, "%s", rig.error);
    util_events_read(WRITERS, &whole);
    for (int at = 1; at < n; at += 7) {
        ck_assert_int_eq(util_resume_run(r->yaml, often, at, 0, NULL), MODNAS_ECANCELED);
        ck_assert_msg(util_resume_run(r->yaml, often, 0, 1, NULL) == 0, "%s", rig.error);
        util_events_read(WRITERS, &e);
        check_same(&whole, &e, at);
        util_events_free(&e);
    }
    util_events_free(&whole);
}
END_TEST

/* A process that is gone in the middle of a record, long after its checkpoint: what came after that is cut off, and a
 * TensorBoard that is looking is told so. */
START_TEST(killed) {
    const util_resume *r = &util_resumes[0];
    util_events whole, e;
    int n;
    ck_assert_msg(util_resume_run(r->yaml, never, 0, 0, &n) == 0, "%s", rig.error);
    util_events_read(WRITERS, &whole);
    for (int at = 4; at < n; at += 7) {
        ck_assert_int_eq(util_resume_run(r->yaml, at % 2 ? often : never, at, 0, NULL), MODNAS_ECANCELED);
        /* as if it had not lived to make the last one */
        ck_assert_int_eq(system("rm $(ls exp/t/chkpt/state_*.chkpt | tail -n 1);"
                                "printf '\\30\\0\\0\\0\\0\\0\\0\\0torn' >>$(ls " WRITERS "/*)"),
                         0);
        ck_assert_msg(util_resume_run(r->yaml, never, 0, 1, NULL) == 0, "%s", rig.error);
        util_events_read(WRITERS, &e);
        check_same(&whole, &e, at);
        ck_assert_int_eq(e.n_files, 2);
        ck_assert_int_eq(e.n_starts, 1);
        util_events_free(&e);
    }
    util_events_free(&whole);
}
END_TEST

/* Of two starts after the same checkpoint the first one's file goes; what a user has put there stays. */
START_TEST(starts) {
    const util_resume *r = &util_resumes[0];
    util_events e;
    ck_assert_int_eq(util_resume_run(r->yaml, never, 6, 0, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(system("cp -r exp/t/chkpt kept; echo mine >" WRITERS "/note.modnas"), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(util_resume_run(r->yaml, never, 0, 1, NULL) == 0, "%s", rig.error);
        ck_assert_int_eq(system("rm -r exp/t/chkpt; cp -r kept exp/t/chkpt"), 0);
        util_events_read(WRITERS, &e);
        ck_assert_int_eq(e.n_files, 2);
        ck_assert_int_eq(e.start, 2); /* two architecture steps before each of two weight steps */
        util_events_free(&e);
    }
    ck_assert(util_rig_exists(WRITERS "/note.modnas"));
}
END_TEST

/* The same bytes with it and without. */
START_TEST(nothing_else_moves) {
    const char *const off[] = {"name=off", "backend=ref", "threads=1", NULL};
    ck_assert_msg(util_resume_run(util_resumes[_i].yaml, never, 0, 0, NULL) == 0, "%s", rig.error);
    ck_assert_msg(util_resume_run(util_resumes[_i].yaml, off, 0, 0, NULL) == 0, "%s", rig.error);
    ck_assert(rig_same_run("t", "off"));
}
END_TEST

START_TEST(no_folder) {
    ck_assert_int_eq(system("mkdir -p exp/t; echo >" WRITERS), 0);
    ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, RIG_OVER(ON)), MODNAS_EIO);
    ck_assert_msg(strstr(rig.error, WRITERS) != NULL, "%s", rig.error);
}
END_TEST

/* ---- the package itself -------------------------------------------------------------------------------- */

static const char script[] =
    "import sys\n"
    "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
    "e = EventAccumulator('" WRITERS "', size_guidance={'scalars': 0})\n"
    "e.Reload()\n"
    "for tag in sorted(e.Tags()['scalars']):\n"
    "    for s in e.Scalars(tag): print(tag, s.step, float(s.value).hex(), sep='\\t')\n";

static int by_tag(const void *a, const void *b) {
    const util_scalar *x = a, *y = b;
    const int order = strcmp(x->tag, y->tag);
    return order ? order : (x->step > y->step) - (x->step < y->step);
}

static void compare(FILE *f, util_events *e) {
    char tag[96];
    long long step;
    float value;
    size_t n = 0;
    qsort(e->scalars, e->n, sizeof *e->scalars, by_tag);
    for (; fscanf(f, "%95[^\t]\t%lld\t%a\n", tag, &step, &value) == 3; n++) {
        ck_assert_uint_lt(n, e->n);
        ck_assert_str_eq(tag, e->scalars[n].tag);
        ck_assert_int_eq(step, e->scalars[n].step);
        ck_assert_float_eq(value, e->scalars[n].value);
    }
    ck_assert_uint_eq(n, e->n);
}

/* It has what our own reader has, of a run that was stopped and went on. */
START_TEST(tensorboard) {
    char python[512], line[1100];
    util_events e;
    util_path_python("MODNAS_TENSORBOARD", "deps/tensorboard", python, sizeof python);
    snprintf(line, sizeof line, "'%s' -c 'import tensorboard' 2>/dev/null", python);
    if (system(line)) {
        printf("tensorboard: skipped, '%s' has no tensorboard: tools/tensorboard.sh installs it\n", python);
        return;
    }
    ck_assert_int_eq(util_resume_run(util_resumes[0].yaml, never, 6, 0, NULL), MODNAS_ECANCELED);
    ck_assert_msg(util_resume_run(util_resumes[0].yaml, never, 0, 1, NULL) == 0, "%s", rig.error);
    util_events_read(WRITERS, &e);
    FILE *f = fopen("read.py", "w");
    ck_assert(f && fputs(script, f) >= 0 && fclose(f) == 0);
    snprintf(line, sizeof line, "'%s' read.py 2>err", python);
    ck_assert_ptr_nonnull(f = popen(line, "r"));
    compare(f, &e);
    ck_assert_int_eq(pclose(f), 0);
    util_events_free(&e);
}
END_TEST

int main(void) {
    Suite *s = suite_create("writer");
    util_add(s, "crc32c", NULL, NULL, (const TTest *[]){rfc3720, NULL});
    util_add(s, "tags", rig_setup, rig_teardown,
             (const TTest *[]){off_by_default, trainer_tags, evaluation_tags, probabilities, begun_anew, no_folder, NULL});
    util_add_loop(s, "stopped", util_resume_setup, rig_teardown, stopped, util_n_resumes);
    util_add_loop(s, "nothing else moves", util_resume_setup, rig_teardown, nothing_else_moves, util_n_resumes);
    util_add(s, "going on", rig_setup, rig_teardown, (const TTest *[]){killed, starts, NULL});
    util_add(s, "tensorboard", rig_setup, rig_teardown, (const TTest *[]){tensorboard, NULL});
    return util_run(s);
}
