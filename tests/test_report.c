/* The report: pages of three kinds of search are whole, well-formed, ask nothing of a network and hold the numbers of
 * results.json. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "modnas/report.h"
#include "report/chart.h"
#include "report/html.h"
#include "util_report.h"
#include "util_rig.h"
#include "util_shared.h"

/* ---- searches -------------------------------------------------------------------------------------------- */

/* Of 4 Slots, as the limit allows; 24 evaluations. */
static const char spos[] =
    "backend: ref\nname: t\n" UTIL_SMALL_NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"
    "objective: {maximize: [acc_top1], subject_to: [\"macs <= 200K\"]}\n"
    "optim: {type: EvolutionOptim, args: {pop_size: 6, n_select: 3}}\n"
    "estim: {supernet: {type: RandomSamplingEstim, epochs: 1}, search: {type: SubNetEstim, epochs: 24}}\n"
    "callback: {stats: MixedOpStatsReporter}\n";

/* Several goals, latencies measured: without a seed's promise, on purpose. */
static const char timed[] =
    "backend: ref\nname: t\n" UTIL_SMALL_NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB5E3]}\n"
    "objective: {maximize: [acc_top1], minimize: [params]}\noptim: RandomSearchOptim\n"
    "estim: {search: {type: SubNetEstim, epochs: 8, metrics: [ValidateMetrics, {type: LatencyMetrics, args: {runs: 2}}]}}\n";

static void run_gradient(void) {
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("writer={enabled: true}"));
}

static char path[PATH_MAX]; /* of a table; empty: there is none */

static void find_table(void) {
    char relative[512];
    if (realpath(util_shared_path("nas_bench_201/nb201_cifar10.tsv", relative, sizeof relative), path)) return;
    printf("skipped: no %s\n", relative);
    path[0] = 0;
}

static int run_table(void) {
    char yaml[2 * PATH_MAX + 512];
    if (!path[0]) return 0;
    snprintf(yaml, sizeof yaml,
             "backend: none\nname: t\nseed: 1\nconstruct: {space: {type: TableSpaceConstructor, args: {path: '%s', arch: arch}}}\n"
             "optim: {type: RegularizedEvolutionOptim, args: {pop_size: 20, n_select: 5}}\n"
             "estim: {search: {type: TableEstim, epochs: 100, args: {path: '%s', arch: arch, score: c10_val_12ep, report: "
             "c10_test_full}}}\n",
             path, path);
    RIG_RUNS(yaml, NULL);
    return 1;
}

/* ---- pages ----------------------------------------------------------------------------------------------- */

static void has_number(const char *html, double x) {
    mn_str s = {.ctx = rig.ctx};
    mn_str_add(&s, "<data value=\"");
    mn_str_real(&s, x);
    mn_str_add(&s, "\">");
    util_markup_has(html, s.text);
    mn_str_free(&s);
}

static void check_numbers(const char *html) {
    mn_node *all = util_rig_parse(&rig, rig.results);
    const mn_node *estim = rig_at(all, "estim.search"), *metrics = rig_at(estim, "best.metrics");
    has_number(html, rig_at(estim, "best.score")->r);
    has_number(html, rig_at(estim, "evaluations")->r);
    has_number(html, rig_at(estim, "verdict.p")->r);
    has_number(html, rig_at(estim, "baseline.best.score")->r);
    util_markup_has(html, "<figcaption>Scores of all architectures</figcaption>");
    const mn_node *statistics = mn_node_get(estim, "recalibration");
    for (size_t i = 2; statistics && i < statistics->n; i++) has_number(html, rig_at(statistics->items[i], "acc_top1")->r);
    util_markup_has(html, rig_at(estim, "verdict.text")->text);
    for (size_t i = 0; i < metrics->n; i++) {
        util_markup_has(html, metrics->keys[i]);
        has_number(html, metrics->items[i]->r);
    }
    const mn_node *top = rig_at(estim, "top");
    for (size_t i = 0; top->n > 1 && i < top->n; i++) has_number(html, rig_at(top->items[i], "score")->r);
    mn_node_free(rig.ctx, all);
}

static char *check_page(void) {
    static const char *const ids[] = {"found", "curves", "probabilities", "front", "network", "latency", "setup"};
    char *html = util_report_page(NULL), text[64];
    util_markup_check(html);
    util_markup_closed(html);
    check_numbers(html);
    for (size_t i = 0; i < MN_COUNT(ids); i++) {
        snprintf(text, sizeof text, "<section id=\"%s\">", ids[i]);
        util_markup_has(html, text);
        snprintf(text, sizeof text, "href=\"#%s\"", ids[i]);
        util_markup_has(html, text);
    }
    return html;
}

/* ---- what is in them ------------------------------------------------------------------------------------- */

/* Layers are counted one by one here, the whole network by the run. */
START_TEST(gradient) {
    run_gradient();
    char *html = check_page();
    util_markup_has(html, ", as in results.json.");
    util_markup_has(html, "Loss of batches");
    util_markup_has(html, "softmax of the architecture parameters after each epoch");
    util_markup_has(html, "<figcaption>Slot 3</figcaption>");
    util_markup_has(html, "<figcaption>Multiply-adds (number, one image)</figcaption>");
    util_markup_has(html, "optim: BinaryGateOptim");
    util_markup_has(html, "<figcaption>Accuracy by statistics of batch norm (top 1, 0 to 1)</figcaption>");
    modnas_string_free(rig.ctx, html);
}
END_TEST

START_TEST(one_shot) {
    RIG_RUNS(spos, NULL);
    char *html = check_page();
    util_markup_has(html, ", as in results.json.");
    util_markup_has(html, "share of its proposals");
    util_markup_has(html, "macs &lt;= 200K");
    util_markup_has(html, "from those that obey the limits");
    util_markup_has(html, "best at its cost or less");
    util_markup_has(html, "limit: macs &lt;= 200K");
    util_markup_has(html, "no &#39;writer: {enabled: true}&#39;");
    modnas_string_free(rig.ctx, html);
}
END_TEST

/* The picture has what costs something or changes the size; a block's ReLUs and empty places do neither. */
START_TEST(residual) {
    static const char yaml[] =
        "backend: ref\nname: t\nseed: 1\nmodel: {type: CIFAR-ResNet, args: {layers: [1, 1], chn: 4, n_classes: 4}}\n"
        "mixed_op: {type: IndexMixedOp, candidates: [NC3, SC3]}\n"
        "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 24}}\n"
        "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 8, valid_size: 8}}\n"
        "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}}}}\n"
        "optim: RandomSearchOptim\nestim: {search: {type: SubNetEstim, epochs: 3, subnet_epochs: 0}}\n";
    RIG_RUNS(yaml, NULL);
    char *html = check_page();
    util_markup_has(html, ", as in results.json.");
    util_markup_has(html, "<b>layers.1.0.downsample</b>");
    ck_assert_ptr_null(strstr(html, "layers.0.0.relu"));
    ck_assert_ptr_null(strstr(html, "layers.0.0.bn1"));
    modnas_string_free(rig.ctx, html);
}
END_TEST

START_TEST(table) {
    if (!run_table()) return;
    char *html = check_page();
    util_markup_has(html, "the run had no network: it looked its results up");
    util_markup_has(html, "share of its proposals");
    util_markup_has(html, "<figcaption>x5</figcaption>");
    util_markup_has(html, "<figcaption>Evaluations: c10_test_full</figcaption>");
    modnas_string_free(rig.ctx, html);
}
END_TEST

static const char latencies[] = "slot\tcandidate\tlatency_ms\nfixed\t-\t0.5\n"
                                "0\tMB3E1\t0.1\n0\tMB5E3\t0.4\n1\tMB3E1\t0.1\n1\tMB5E3\t0.3\n"
                                "2\tMB3E1\t0.2\n2\tMB5E3\t0.4\n3\tMB3E1\t0.1\n3\tMB5E3\t0.2\n";

START_TEST(goals_and_latency) {
    RIG_RUNS(timed, NULL);
    char *html = check_page(), text[64];
    mn_node *all = util_rig_parse(&rig, rig.results);
    snprintf(text, sizeof text, "The %zu architectures of the front", rig_at(all, "estim.search.front")->n);
    mn_node_free(rig.ctx, all);
    util_markup_has(html, text);
    util_markup_has(html, "modnas report --latency-table");
    modnas_string_free(rig.ctx, html);
    util_write_text("t.tsv", latencies);
    html = util_report_page("t.tsv");
    util_markup_check(html);
    util_markup_has(html, "8 networks: rank correlation (Spearman) ");
    util_markup_has(html, "Latency (ms, by the table)");
    modnas_string_free(rig.ctx, html);
}
END_TEST

/* Of 4 networks: errors 10, 50, 20 and 0 %, their median 15; ranks 1 2 3 4 and 1 3 2 4, which is 1 - 6 * 2 / (4 * 15). */
static const char networks[] = "net\tpredicted_ms\tmeasured_ms\tspread_ms\terror\tarch\tresidual_ms.fixed\tresidual_ms.s<0>\n"
                               "0\t1.1\t1\t0.1\t0.1\t[]\t0.25\t-0.15\n1\t3\t2\t0.1\t0.5\t[]\t0.5\t0.5\n"
                               "2\t2.4\t3\t0.1\t-0.2\t[]\t-0.75\t0.15\n3\t4\t4\t0.1\t0\t[]\t-0.5\t0.5\n";

START_TEST(checked_latency) {
    RIG_RUNS(timed, NULL);
    util_write_text("exp/t/outputs/latency_check.tsv", networks);
    char *html = check_page();
    util_markup_has(html, "4 networks: rank correlation (Spearman) 0.8, median error 15 %.");
    util_markup_has(html, "<td>s&lt;0&gt;</td><td><data value=\"0.25\">0.25</data></td><td><data value=\"-0.15\">");
    util_markup_has(html, "<td>fixed</td><td><data value=\"-0.125\">");
    util_markup_has(html, "<figcaption>Residuals by Slot</figcaption>");
    modnas_string_free(rig.ctx, html);
    util_write_text("exp/t/outputs/latency_check.tsv", "net\tpredicted_ms\n0\t1\n");
    html = NULL;
    ck_assert_int_eq(modnas_report(rig.ctx, "exp/t", NULL, &html), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(rig.ctx), "latency_check.tsv:1: "));
    ck_assert_ptr_null(html);
    util_write_text("exp/t/outputs/latency_check.tsv", "net\tpredicted_ms\tmeasured_ms\n0\t1\tone\n");
    ck_assert_int_eq(modnas_report(rig.ctx, "exp/t", NULL, &html), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(rig.ctx), "latency_check.tsv:2: "));
}
END_TEST

/* ---- parts ------------------------------------------------------------------------------------------------- */

START_TEST(numbers) {
    static const struct {
        double x;
        const char *text, *brief;
    } rows[] = {{14834106, "14,834,106", "14.83M"}, {0.8936666666, "0.89367", "0.8937"}, {-1234.5, "-1234.5", "-1234"},
                {0, "0", "0"},                      {999, "999", "999"},                 {1.2e-19, "1.2e-19", "1.2e-19"},
                {12000, "12,000", "12k"},           {3.5e9, "3,500,000,000", "3.5G"},    {NAN, "\xe2\x80\x93", "\xe2\x80\x93"}};
    char text[48];
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_str_eq(mn_html_readable(rows[i].x, text), rows[i].text);
        if (rows[i].x != -1234.5) ck_assert_str_eq(mn_html_short(rows[i].x, 4, text), rows[i].brief);
    }
}
END_TEST

START_TEST(ticks) {
    static const struct {
        double low, high, from, to, step;
    } rows[] = {{0, 9.7, 0, 10, 2}, {0.13, 0.87, 0, 1, 0.2}, {901, 913, 900, 915, 5}, {-3, 14, -5, 15, 5}, {0, 100, 0, 100, 20}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        double low = rows[i].low, high = rows[i].high;
        const double step = mn_chart_ticks(&low, &high, 5);
        ck_assert_double_eq_tol(step, rows[i].step, 1e-12 * fabs(step));
        ck_assert_double_eq_tol(low, rows[i].from, 1e-12);
        ck_assert_double_eq_tol(high, rows[i].to, 1e-12 * fabs(high));
    }
    double low = 3, high = 3; /* one value has room on both sides */
    ck_assert(mn_chart_ticks(&low, &high, 5) > 0 && low < 3 && high > 3);
}
END_TEST

/* The locale's comma is nowhere: the same bytes. */
START_TEST(locale) {
    RIG_RUNS(spos, NULL);
    char *before = util_report_page(NULL);
    if (!util_comma_locale()) {
        printf("skipped: no locale with a comma\n");
    } else {
        char *after = util_report_page(NULL);
        ck_assert_str_eq(before, after);
        modnas_string_free(rig.ctx, after);
    }
    modnas_string_free(rig.ctx, before);
}
END_TEST

/* Allocations that fail from the n-th on: MODNAS_ENOMEM and nothing left, or the page. */
START_TEST(no_memory) {
    RIG_RUNS(spos, NULL);
    char *want = util_report_page(NULL);
    int n_failed = 0;
    for (int64_t left = 0, rc = 1; rc; left += left / 2 + 1) {
        char *html = NULL;
        rig.host.left = left;
        rc = modnas_report(rig.ctx, "exp/t", NULL, &html);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%" PRId64 " allocations: %d", left, (int)rc);
        ck_assert(rc ? html == NULL : strcmp(html, want) == 0);
        modnas_string_free(rig.ctx, html);
        n_failed += rc != 0;
    }
    ck_assert_int_gt(n_failed, 15);
    modnas_string_free(rig.ctx, want);
}
END_TEST

/* ---- outside readers --------------------------------------------------------------------------------------- */

/* Its status, 124: it took too long; -1: there is no such program. */
static int command(const char *program, const char *words) {
    char line[512];
    snprintf(line, sizeof line, "command -v %s >which.txt 2>&1", program);
    if (system(line) != 0) return -1;
    snprintf(line, sizeof line, "timeout 40 %s %s", program, words);
    const int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static const char parse_py[] = "import sys, xml.etree.ElementTree as e\n"
                               "r = e.fromstring(open('page.html', encoding='utf-8').read().split('>', 1)[1])\n"
                               "assert r.tag == 'html' and len(list(r.iter('section'))) == 7 and len(list(r.iter('svg'))) > 5\n";

START_TEST(outside) {
    static const char *const browsers[] = {"chromium", "chromium-browser", "google-chrome"};
    run_gradient();
    char *html = util_report_page(NULL);
    util_write_text("page.html", html);
    util_write_text("parse.py", parse_py);
    modnas_string_free(rig.ctx, html);
    const int python = command("python3", "parse.py");
    if (python < 0) printf("skipped: no python3\n");
    ck_assert_int_le(python, 0);
    int status = -1;
    for (size_t i = 0; i < MN_COUNT(browsers) && status < 0; i++)
        status = command(browsers[i],
                         "--headless --no-sandbox --disable-gpu --user-data-dir=profile --dump-dom \"file://$PWD/page.html\" >dom.html 2>err.txt");
    if (status < 0 || status == 124) {
        printf("skipped: no chromium, or one that takes too long\n");
        return;
    }
    ck_assert_int_eq(status, 0);
    char *dom = util_rig_read("dom.html", NULL);
    util_markup_has(dom, "id=\"setup\"");
    util_markup_has(dom, "Search report: t");
    free(dom);
}
END_TEST

int main(void) {
    const TTest *const pages[] = {gradient, one_shot, residual, table, goals_and_latency, checked_latency, NULL};
    const TTest *const others[] = {locale, no_memory, outside, NULL};
    const TTest *const parts[] = {numbers, ticks, NULL};
    Suite *s = suite_create("report");
    find_table();
    util_add(s, "pages", rig_setup, rig_teardown, pages);
    util_add(s, "others", rig_setup, rig_teardown, others);
    util_add(s, "parts", NULL, NULL, parts);
    return util_run(s);
}
