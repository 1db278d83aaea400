/* The vector runner as a program: `cases FOLDER BACKEND` beside this test. Folders are written here; the expected
 * values are relu's and a sum's, calculated by hand. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util_paths.h"

static char program[PATH_MAX], folder[64];

static void setup(void) {
    util_path_beside(1, "/cases", program, sizeof program);
    snprintf(folder, sizeof folder, "/tmp/modnas-cases-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *name, const void *data, size_t bytes) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

/* Run the program on a folder; its status, and what it printed in text. */
static int run_on(const char *cases, const char *backend, char *text, size_t n) {
    char command[2 * PATH_MAX + 128];
    snprintf(command, sizeof command, "'%s' '%s' %s 2>&1", program, cases, backend);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    text[fread(text, 1, n - 1, p)] = 0;
    const int status = pclose(p);
    ck_assert_int_ne(WIFEXITED(status), 0);
    return WEXITSTATUS(status);
}

static int run(const char *backend, char *text, size_t n) {
    return run_on(folder, backend, text, n);
}

/* What PyTorch computes for operators that other folders of cases do not have (tests/vectors/torch_ops.py). */
START_TEST(operators_are_as_pytorch) {
    static char text[1 << 16], cases[PATH_MAX + 64];
    snprintf(cases, sizeof cases, "%s", program);
    for (int up = 0; up < 4; up++) *strrchr(cases, '/') = 0; /* build/VARIANT/tests/cases */
    strcat(cases, "/tests/vectors/torch_ops");
    const int status = run_on(cases, _i ? "dnnl" : "ref", text, sizeof text);
    const char *fault = strstr(text, "FAIL") ? strstr(text, "FAIL") : strstr(text, "skip");
    ck_assert_msg(status == 0, "%d: %.500s", status, fault ? fault : text);
    ck_assert_msg(strstr(text, " 0 failed, 0 skipped\n") != NULL, "%.500s", fault ? fault : text);
}
END_TEST

#define RELU "case mine/relu\nop Relu ai.onnx 14\nattr -\nin x f32 1 3 0 12\nout y f32 1 3 12 12\nend\n"
#define SUM                                                                                                            \
    "case mine/sum\nop Sum ai.onnx 13\nattr -\nin a f32 1 3 0 12\nin b f32 1 3 12 12\nout y f32 1 3 24 12\nend\n"
#define UNKNOWN "case mine/foo\nop Foo ai.onnx 1\nattr k=v\nin x f32 1 3 0 12\nout y f32 1 3 12 12\nend\n"

static const float values[] = {-1, 0.5f, 2 /* x */, 0, 0.5f, 2 /* relu(x) */, -1, 1, 4 /* their sum */};

START_TEST(counts_what_passed_and_what_was_skipped) {
    char text[2000];
    write_file("cases.txt", RELU SUM UNKNOWN, strlen(RELU SUM UNKNOWN));
    write_file("cases.bin", values, sizeof values);
    ck_assert_int_eq(run("ref", text, sizeof text), 0);
    ck_assert_msg(strstr(text, "ok mine/relu") && strstr(text, "ok mine/sum") && strstr(text, "skip mine/foo"), "%s",
                  text);
    ck_assert_msg(strstr(text, "2 passed, 0 failed, 1 skipped\n") != NULL, "%s", text);
}
END_TEST

START_TEST(a_wrong_value_fails) {
    char text[2000];
    float wrong[9];
    memcpy(wrong, values, sizeof wrong);
    wrong[8] = 5;
    write_file("cases.txt", RELU SUM, strlen(RELU SUM));
    write_file("cases.bin", wrong, sizeof wrong);
    ck_assert_int_eq(run("ref", text, sizeof text), 1);
    ck_assert_msg(strstr(text, "FAIL mine/sum y[2] is 4, expected 5: off by 1") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "1 passed, 1 failed, 0 skipped\n") != NULL, "%s", text);
}
END_TEST

/* What is not compared is not met: the case expects an output that the operator does not have. */
START_TEST(an_output_without_comparison_fails) {
    char text[2000];
    const char *const two = "case mine/two\nop Relu ai.onnx 14\nattr -\nin x f32 1 3 0 12\nout y f32 1 3 12 12\n"
                            "out z f32 1 3 12 12\nend\n";
    write_file("cases.txt", two, strlen(two));
    write_file("cases.bin", values, sizeof values);
    ck_assert_int_eq(run("ref", text, sizeof text), 1);
    ck_assert_msg(strstr(text, "1 of 2 outputs were compared") != NULL, "%s", text);
}
END_TEST

static const struct {
    const char *text, *message;
} unreadable[] = {
    {"case a/b\nop Relu ai.onnx 1\nin x f32 1 3 0 12\n", "cases.txt:4: the file ends inside case"},
    {"case a/b\nop Relu ai.onnx 1\nin x f32 1 3 28 12\nend\n", "cases.txt:3: values lie outside cases.bin"},
    {"case a/b\nop Relu ai.onnx 1\nin x f32 1 3 9223372036854775807 12\nend\n", "cases.txt:3: offset is not a number"},
    {"case a/b\nop Relu ai.onnx 1\nin x f32 1 4 0 12\nend\n", "cases.txt:3: bytes do not fit shape and type"},
    {"case a/b\nop Relu ai.onnx 1\nin x f32 2 3 0 12\nend\n", "cases.txt:3: shape is shorter than the rank"},
    {"case a/b\nop Relu ai.onnx 1\nin x f16 1 3 0 6\nend\n", "cases.txt:3: unknown type"},
    {"case a/b\nop Relu ai.onnx 1\nin x f32 2 1099511627776,1099511627776 0 12\nend\n",
     "cases.txt:3: too many elements"},
    {"in x f32 1 3 0 12\n", "cases.txt:1: outside of a case"},
    {"case a/b\nend\n", "cases.txt:2: no operator in case"},
};

START_TEST(bad_text_is_named_by_line) {
    char text[2000];
    write_file("cases.txt", unreadable[_i].text, strlen(unreadable[_i].text));
    write_file("cases.bin", values, sizeof values);
    ck_assert_int_eq(run("ref", text, sizeof text), 2);
    ck_assert_msg(strstr(text, unreadable[_i].message) != NULL, "%s", text);
}
END_TEST

START_TEST(missing_files_and_backends) {
    char text[2000];
    ck_assert_int_eq(run("ref", text, sizeof text), 2);
    ck_assert_msg(strstr(text, "cases.txt") != NULL, "%s", text);
    write_file("cases.txt", RELU, strlen(RELU));
    ck_assert_int_eq(run("ref", text, sizeof text), 2);
    ck_assert_msg(strstr(text, "cases.bin") != NULL, "%s", text);
    write_file("cases.bin", values, sizeof values);
    ck_assert_int_eq(run("nonesuch", text, sizeof text), 2);
    ck_assert_msg(strstr(text, "nonesuch") != NULL, "%s", text);
}
END_TEST

int main(void) {
    Suite *s = suite_create("cases");
    TCase *t = tcase_create("runner");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, operators_are_as_pytorch, 0, 2);
    tcase_add_test(t, counts_what_passed_and_what_was_skipped);
    tcase_add_test(t, a_wrong_value_fails);
    tcase_add_test(t, an_output_without_comparison_fails);
    tcase_add_loop_test(t, bad_text_is_named_by_line, 0, sizeof unreadable / sizeof unreadable[0]);
    tcase_add_test(t, missing_files_and_backends);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
