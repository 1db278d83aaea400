/* Reports of folders that lack something, lie, or are corrupt; event files read by both readers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/events.h"
#include "modnas/report.h"
#include "util_cli.h"
#include "util_events.h"
#include "util_report.h"
#include "util_rig.h"

#define OUTPUTS "exp/t/outputs/"

/* ---- folders that lack something, or lie ------------------------------------------------------------------- */

static void make_folder(const char *results) {
    ck_assert_int_eq(mn_make_dirs(rig.ctx, OUTPUTS), 0);
    if (results) util_write_text(OUTPUTS "results.json", results);
}

static void refused(int status, const char *text) {
    char *html = (char *)1;
    ck_assert_int_eq(modnas_report(rig.ctx, "exp/t", NULL, &html), status);
    ck_assert_msg(strstr(modnas_errmsg(rig.ctx), text) != NULL, "%s", modnas_errmsg(rig.ctx));
    ck_assert_ptr_eq(html, (char *)1);
}

START_TEST(missing) {
    refused(MODNAS_ENOTFOUND, "exp/t/outputs/results.json is not there");
    make_folder("{\"name\":\"t\",\"estim\":{\"search\":{\"evaluations\":0,\"best\":null}}}");
    char *html = util_report_page(NULL);
    util_markup_check(html);
    util_markup_has(html, "The run was interrupted");
    util_markup_has(html, "There is no outputs/config.yaml");
    util_markup_has(html, "There is no outputs/history.tsv");
    modnas_string_free(rig.ctx, html);
}
END_TEST

#define BAD "<script>alert('1')</script>\\\"><b & \\u0007"

/* Names of everything; numbers where texts are wanted, and the other way round. */
START_TEST(hostile) {
    make_folder("{\"name\":\"" BAD "\",\"seed\":\"" BAD "\",\"backend\":\"" BAD "\",\"versions\":{\"" BAD "\":\"" BAD "\"},\"complete\":true,"
                "\"data_sha256\":{\"train\":\"" BAD "\"},\"estim\":{\"" BAD "\":{\"evaluations\":3,\"best\":{\"arch\":[\"" BAD "\",[[]],{\"" BAD
                "\":1}],\"score\":1e308,\"metrics\":{\"" BAD "\":-1e308,\"acc_top1\":\"" BAD "\"}},\"verdict\":{\"text\":\"" BAD
                "\",\"p\":\"" BAD "\"},\"limits\":[{\"limit\":\"" BAD "\"},3,null],\"front\":[1,null,{\"metrics\":7}],\"top\":[1,{\"arch\":\"" BAD
                "\"}],\"collapse\":{\"alarm\":true}},\"../x\":{\"best\":{\"score\":1}},\"n\":7}}");
    util_write_text(OUTPUTS "history.tsv", "index\testim\tarch\tstatus\tscore\t<b>\n0\t../x\t[\"<i>\", 3]\t0\t1e308\t1\n1\t../x\t{\"<p>\": <q>}\t0\t-1e308\t-\n"
                                           "2\t../x\tnull\t0\tnull\t-\n3\t../x\t\"&\"\t0\t1\t-\n");
    util_write_text(OUTPUTS "config.yaml", "model: \"</pre><script>\"\nobjective: {maximize: [\"<x>\"], minimize: [3]}\nestim: {\"../x\": 3}\n");
    char *html = util_report_page(NULL);
    util_markup_check(html);
    util_markup_closed(html);
    modnas_string_free(rig.ctx, html);
}
END_TEST

START_TEST(corrupt) {
    make_folder("{\"name\": \"t\",\n\"estim\": [}");
    refused(MODNAS_ECONFIG, "outputs/results.json:2:");
    make_folder("{\"name\":\"t\"}");
    refused(MODNAS_EFORMAT, "outputs/results.json:1: there is no map 'estim'");
    make_folder("{\"estim\":{}}");
    util_write_text(OUTPUTS "history.tsv", "index\testim\tarch\n");
    refused(MODNAS_EFORMAT, "outputs/history.tsv:1: there is no column 'score'");
    make_folder("{\"estim\":{\"a\":{}}}");
    util_write_text(OUTPUTS "history.tsv", "index\testim\tarch\tscore\n0\ta\t[]\t1\n1\ta\t[]\tmuch\n");
    refused(MODNAS_EFORMAT, "outputs/history.tsv:3: score is 'much', not a number");
    util_write_text(OUTPUTS "history.tsv", "index\testim\tarch\tscore\n0\ta\t[]\n");
    refused(MODNAS_EFORMAT, "outputs/history.tsv:2: 3 fields in a table of 4 columns");
    unlink(OUTPUTS "history.tsv");
    util_write_text(OUTPUTS "config.yaml", "a: [\n");
    refused(MODNAS_ECONFIG, "outputs/config.yaml:");
}
END_TEST

/* ---- event files ------------------------------------------------------------------------------------------- */

typedef struct counted {
    const util_events *want;
    size_t n;
} counted;

static int same_event(const mn_event *e, void *ud) {
    counted *c = ud;
    ck_assert_uint_lt(c->n, c->want->n);
    const util_scalar *s = &c->want->scalars[c->n++];
    ck_assert_str_eq(e->tag, s->tag);
    ck_assert_int_eq(e->step, s->step);
    ck_assert(e->value == s->value);
    return 0;
}

static int read_events(const char *bytes, size_t n, counted *c, int *torn) {
    mn_source *s;
    ck_assert_int_eq(mn_source_open_mem(rig.ctx, bytes, n, "in", MN_SOURCE_PLAIN, &s), 0);
    c->n = 0;
    const int rc = mn_events_read(rig.ctx, s, same_event, c, torn);
    mn_source_close(s);
    return rc;
}

/* The tests' own reader says the same; a byte changed anywhere is told, an end that is missing is no error. */
START_TEST(events) {
    util_events want;
    size_t n;
    int torn = -1;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("writer={enabled: true}"));
    util_events_read("exp/t/writers", &want);
    counted c = {&want, 0};
    ck_assert_int_eq(system("cp exp/t/writers/*tfevents* events"), 0);
    char *bytes = util_rig_read("events", &n);
    ck_assert_int_eq(read_events(bytes, n, &c, &torn), 0);
    ck_assert_int_eq(torn, 0);
    ck_assert_uint_eq(c.n, want.n);
    for (size_t i = 0; i < n; i += 7) {
        bytes[i] ^= 0x10;
        ck_assert_int_eq(read_events(bytes, n, &c, &torn), MODNAS_EFORMAT);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(rig.ctx), "in: record "));
        bytes[i] ^= 0x10;
    }
    ck_assert_int_eq(read_events(bytes, n - 1, &c, &torn), 0);
    ck_assert_int_eq(torn, 1);
    ck_assert_uint_lt(c.n, want.n);
    free(bytes);
    util_events_free(&want);
    ck_assert_int_eq(system("f=$(ls exp/t/writers/*); printf x | dd of=$f bs=1 seek=40 conv=notrunc 2>dd.txt"), 0);
    refused(MODNAS_EFORMAT, ".modnas: record 2, at byte 40: its length does not have its sum");
}
END_TEST

/* ---- the command ------------------------------------------------------------------------------------------- */

START_TEST(command) {
    util_cli cli;
    char folder[128];
    util_cli_new(&cli);
    ck_assert_int_eq(util_cli_run(&cli, "report"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "report: no folder given"));
    ck_assert_int_eq(util_cli_run(&cli, "report nowhere"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "nowhere/outputs/results.json is not there"));
    snprintf(folder, sizeof folder, "%s/exp/outputs", cli.folder);
    ck_assert_int_eq(mn_make_dirs(rig.ctx, folder), 0);
    util_cli_text(&cli, "exp/outputs/results.json", "{\"name\": \"x\", \"estim\": {}}");
    ck_assert_int_eq(util_cli_run(&cli, "report exp"), 0);
    ck_assert_ptr_nonnull(strstr(cli.out, "exp/outputs/report.html"));
    ck_assert_int_eq(util_cli_run(&cli, "report exp --quiet --out page.html"), 0);
    ck_assert_str_eq(cli.out, "");
    char *a = util_cli_read(&cli, "exp/outputs/report.html"), *b = util_cli_read(&cli, "page.html");
    ck_assert(a && b);
    ck_assert_str_eq(a, b);
    util_markup_check(a);
    free(a);
    free(b);
    ck_assert_int_eq(util_cli_run(&cli, "report exp --out exp"), 1);
    ck_assert_ptr_nonnull(strstr(cli.err, "modnas: exp: "));
    ck_assert_int_eq(util_cli_run(&cli, "report exp --backend ref"), 2);
    util_cli_free(&cli);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {missing, hostile, corrupt, events, command, NULL};
    Suite *s = suite_create("report files");
    util_add(s, "report files", rig_setup, rig_teardown, tests);
    return util_run(s);
}
