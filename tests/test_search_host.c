/* Optimizers, estimators, metrics, losses and exporters of a host: they steer a search as the library's own do. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"

/* ---- optimizer and estimator --------------------------------------------------------------------------- */

/* Ask, score by the toy's formula, tell, until nothing is left; n at a time. */
static int drive_toy(modnas_search *s, int32_t n, int *n_told) {
    modnas_arch *a[8];
    int32_t got;
    int rc;
    while ((rc = modnas_search_ask(s, n, a, &got)) == 0)
        for (int32_t i = 0; i < got; i++) {
            const modnas_metric m = {"right", util_search_toy(a[i])};
            if (!rc) rc = modnas_search_tell(s, a[i], 0, &m, 1);
            modnas_arch_free(a[i]);
            ++*n_told;
        }
    return rc == MODNAS_EDONE ? 0 : rc;
}

/* From 0000 to 0123, the only point with 4 right digits, whatever the size of the questions. */
START_TEST(local_search_by_pull) {
    double score = 0;
    int n = 0;
    util_search_add_local();
    modnas_search *s = util_search(UTIL_SEARCH_TOY "optim: LocalSearch\n", NULL);
    SEARCH_OK(drive_toy(s, 1 + _i, &n));
    const modnas_arch *best = modnas_search_best(s, &score);
    ck_assert(score == 4);
    ck_assert_int_eq(util_search_code(best), 0 * 64 + 1 * 16 + 2 * 4 + 3);
    ck_assert_int_ge(n, 16);
    ck_assert_int_lt(n, 80);
    modnas_search_free(s);
}
END_TEST

static int toy_run(modnas_search *search, const modnas_args *args, void *ud) {
    return drive_toy(search, (int32_t)modnas_args_int(args, "at_once"), ud);
}

/* The same within a run, by an estimator of the host: same evaluations, same files as any run. */
START_TEST(local_search_by_push) {
    const modnas_estim_vt vt = {sizeof vt, toy_run};
    int pulled = 0, pushed = 0;
    char *results = NULL;
    util_search_add_local();
    util_search_register("estim", "ToyEstim", "at_once: 1", &vt, &pushed);
    modnas_search *s = util_search(UTIL_SEARCH_TOY "optim: LocalSearch\n", NULL);
    SEARCH_OK(drive_toy(s, 3, &pulled));
    modnas_search_free(s);
    s = util_search(UTIL_SEARCH_TOY "optim: LocalSearch\nestim: {search: {type: ToyEstim, args: {at_once: 3}}}\n",
                    NULL);
    SEARCH_OK(modnas_search_run(s, &results));
    ck_assert_int_eq(pushed, pulled);
    mn_node *t = util_rig_parse(&rig, results);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, pushed);
    ck_assert(rig_at(t, "estim.search.best.score")->r == 4);
    mn_node_free(rig.ctx, t);
    char *file = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    ck_assert_ptr_nonnull(file);
    const char *at = file;
    static const char *const want[] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
    for (int i = 0; i < 4; i++) ck_assert_ptr_nonnull(at = strstr(at, want[i]));
    free(file);
    modnas_string_free(rig.ctx, results);
    modnas_search_free(s);
}
END_TEST

/* ---- metrics ------------------------------------------------------------------------------------------- */

typedef struct measured {
    int n, busy;
    double top1; /* of the images in x, by modnas_model_forward */
} measured;

static int count_right(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value,
                       void *ud) {
    measured *m = ud;
    m->n++;
    if (m->busy) { /* nothing that changes the search works from here */
        modnas_arch *a = NULL;
        int32_t n;
        char *text = NULL;
        ck_assert_int_eq(modnas_search_run(search, NULL), MODNAS_EBUSY);
        ck_assert_int_eq(modnas_search_train(search, NULL, 1, NULL), MODNAS_EBUSY);
        ck_assert_int_eq(modnas_search_ask(search, 1, &a, &n), MODNAS_EBUSY);
        ck_assert_int_eq(modnas_search_evaluate(search, NULL, NULL, 0, &n), MODNAS_EBUSY);
        ck_assert_int_eq(modnas_search_export(search, NULL, &text), MODNAS_EBUSY);
        util_search_says("modnas_search_export");
    }
    *value = modnas_args_real(args, "scale") * util_search_toy(arch);
    return 0;
}

/* SuperNetEstim with one step an epoch trains, measures and tells every proposal: an optimizer and a metric of the host
 * find the metric's optimum in a run of the library's estimator. */
START_TEST(metric_and_optimizer_steer_a_run) {
    const modnas_metrics_vt vt = {sizeof vt, count_right};
    measured m = {.busy = 1};
    double score = 0;
    char *results = NULL;
    util_search_add_local();
    util_search_register("metrics", "RightDigits", "scale: 1.0", &vt, &m);
    modnas_search *s =
        util_search("backend: ref\nname: t\n" UTIL_SMALL_NET_OF(
                        "trn_batch_size: 40, val_batch_size: 8, valid_size: 8") "mixed_op: {type: IndexMixedOp, "
                                                                                "candidates: [MB3E1, MB3E3, MB5E3, "
                                                                                "MB5E1]}\noptim: LocalSearch\n"
                                                                                "estim: {search: {type: SuperNetEstim, "
                                                                                "epochs: 48, metrics: [{type: "
                                                                                "RightDigits, args: {scale: 0.25}},"
                                                                                " ValidateMetrics]}}\n",
                    NULL);
    SEARCH_OK(modnas_search_run(s, &results));
    const modnas_arch *best = modnas_search_best(s, &score);
    ck_assert(score == 1);
    ck_assert_int_eq(util_search_code(best), 27);
    ck_assert_int_eq(m.n, 48);
    mn_node *t = util_rig_parse(&rig, results);
    ck_assert(rig_at(t, "estim.search.best.metrics.RightDigits")->r == 1);
    rig_at(t, "estim.search.best.metrics.acc_top1");
    mn_node_free(rig.ctx, t);
    modnas_string_free(rig.ctx, results);
    modnas_search_free(s);
}
END_TEST

/* One image per class of RandData is as good as any: the logits of modnas_model_forward inside a metric are those of
 * the network that is measured, derived or asked for. */
static int first_logit(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value,
                       void *ud) {
    modnas_model *m = modnas_search_model(search);
    float x[3 * 224 * 224], logits[4];
    (void)arch, (void)args, (void)ud;
    int32_t chw[3];
    MN_TRY(modnas_model_input(m, chw));
    ck_assert_int_le(chw[0] * chw[1] * chw[2], (int)MN_COUNT(x));
    for (int i = 0; i < chw[0] * chw[1] * chw[2]; i++) x[i] = (float)(i % 7);
    MN_TRY(modnas_model_forward(m, x, 1, logits));
    *value = logits[0];
    return 0;
}

START_TEST(metrics_run_the_model) {
    const modnas_metrics_vt vt = {sizeof vt, first_logit};
    modnas_metric m[16];
    modnas_arch *a;
    int32_t n;
    double value[3];
    util_search_register("metrics", "FirstLogit", NULL, &vt, NULL);
    modnas_search *s =
        util_search(UTIL_SEARCH_INDEX "estim: {e: {type: DefaultEstim, epochs: 1, metrics: FirstLogit}}\n", NULL);
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    for (int k = 0; k < 3; k++) {
        SEARCH_OK(modnas_arch_set(a, 3, k % 2));
        SEARCH_OK(modnas_search_evaluate(s, a, m, 16, &n));
        value[k] = util_search_metric(m, n, "FirstLogit");
    }
    ck_assert(value[0] == value[2]);
    ck_assert(value[0] != value[1]);
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

/* Named latency_ms: less is better. */
static int latency(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value, void *ud) {
    (void)search, (void)args, (void)ud;
    *value = 1 + modnas_arch_get(arch, 0);
    return 0;
}

START_TEST(a_name_gives_the_direction) {
    const modnas_metrics_vt vt = {sizeof vt, latency};
    modnas_metric m[16];
    modnas_arch *a;
    double score;
    int32_t n;
    util_search_register("metrics", "latency_ms", NULL, &vt, NULL);
    modnas_search *s =
        util_search(UTIL_SEARCH_INDEX "estim: {e: {type: DefaultEstim, epochs: 1, metrics: latency_ms}}\n", NULL);
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    for (int k = 3; k >= 0; k--) {
        SEARCH_OK(modnas_arch_set(a, 0, k));
        SEARCH_OK(modnas_search_evaluate(s, a, m, 16, &n));
        SEARCH_OK(modnas_search_tell(s, a, 0, m, n));
    }
    ck_assert_int_eq(modnas_arch_get(modnas_search_best(s, &score), 0), 0);
    ck_assert(score == -1);
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

/* ---- losses and exporters ------------------------------------------------------------------------------ */

static int scaled(modnas_tape *tape, modnas_value *logits, modnas_value *target, const modnas_args *args,
                  modnas_value **loss, void *ud) {
    (void)ud;
    MN_TRY(modnas_op_loss(tape, "CrossEntropyLoss", logits, target, 0, loss));
    return modnas_op_affine(tape, *loss, modnas_args_real(args, "by"), 0, loss);
}

#define SGD(lr) "trainer.default.args.optimizer={type: SGD, args: {lr: " lr ", momentum: 0.9}}"

static void train_with(const char *criterion, const char *lr, char hash[65], double *loss) {
    modnas_config *cfg;
    modnas_search *s = NULL;
    char over[256];
    SEARCH_OK(modnas_config_new(rig.ctx, &cfg));
    SEARCH_OK(modnas_config_add_text(cfg, UTIL_SEARCH_INDEX, sizeof UTIL_SEARCH_INDEX - 1, "t.yaml"));
    SEARCH_OK(modnas_config_override(cfg, lr));
    SEARCH_OK(modnas_config_override(cfg, "trainer.default.args.w_grad_clip=0"));
    snprintf(over, sizeof over, "trainer.default.args.criterion=%s", criterion);
    SEARCH_OK(modnas_config_override(cfg, over));
    SEARCH_OK(modnas_search_new(cfg, NULL, &s));
    SEARCH_OK(modnas_search_train(s, NULL, 5, loss));
    util_search_hash(s, hash);
    modnas_search_free(s);
    modnas_config_free(cfg);
}

/* Twice the loss at half the rate: powers of two are exact, so the weights are the same bytes; the loss is twice. */
START_TEST(losses_of_hosts) {
    const modnas_criterion_vt vt = {sizeof vt, scaled};
    char own[65], theirs[65], other[65];
    double a, b, c;
    util_search_register("criterion", "Scaled", "by: 1.0", &vt, NULL);
    train_with("CrossEntropyLoss", SGD("0.05"), own, &a);
    train_with("{type: Scaled, args: {by: 2}}", SGD("0.025"), theirs, &b);
    train_with("{type: Scaled, args: {by: 2}}", SGD("0.05"), other, &c);
    ck_assert_str_eq(theirs, own);
    ck_assert(b == 2 * a);
    ck_assert_str_ne(other, own);
}
END_TEST

static int wide(modnas_tape *tape, modnas_value *logits, modnas_value *target, const modnas_args *args,
                modnas_value **loss, void *ud) {
    (void)tape, (void)target, (void)args;
    if (*(int *)ud) *loss = logits;
    return 0;
}

START_TEST(losses_are_checked) {
    const modnas_criterion_vt vt = {sizeof vt, wide};
    modnas_search *s = NULL;
    int give = 0;
    util_search_register("criterion", "Wide", NULL, &vt, &give);
    const char *const yaml =
        UTIL_SEARCH_INDEX "estim: {e: {type: DefaultEstim, epochs: 1, criterion: {type: Wide, mode: train}}}\n";
    for (; give < 2; give++) {
        s = util_search(yaml, NULL); /* the trainer's own loss until the estimator begins */
        ck_assert_int_eq(modnas_search_train(s, NULL, 1, NULL), give ? MODNAS_ESHAPE : MODNAS_EINVAL);
        util_search_says(give ? "16 x 4 x 1 x 1" : "Wide");
        modnas_search_free(s);
    }
}
END_TEST

static int digits(modnas_model *model, const modnas_arch *arch, const modnas_args *args, const char **yaml, void *ud) {
    char *text = ud;
    (void)model;
    char *at = text + sprintf(text, "%s: ", modnas_args_str(args, "key"));
    for (int32_t i = 0; i < modnas_arch_n(arch); i++) at += sprintf(at, "x%d", modnas_arch_get(arch, i));
    *yaml = *(const char *)ud == '?' ? NULL : text;
    return 0;
}

/* What an exporter of the host says is in the files of a run, in callbacks and in modnas_search_export. */
START_TEST(exporters_of_hosts) {
    const modnas_export_vt vt = {sizeof vt, digits};
    char buffer[128], *yaml = NULL;
    modnas_arch *a;
    util_search_register("export", "Digits", "key: path", &vt, buffer);
    modnas_search *s = util_search(UTIL_SEARCH_INDEX "export: {x: {type: Digits, args: {key: found}}}\n"
                                                     "estim: {search: {type: SuperNetEstim, epochs: 1}}\n",
                                   NULL);
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    SEARCH_OK(modnas_arch_set(a, 2, 3));
    SEARCH_OK(modnas_search_export(s, a, &yaml));
    ck_assert_str_eq(yaml, "found: x0x0x3x0\n");
    modnas_string_free(rig.ctx, yaml);
    SEARCH_OK(modnas_search_run(s, NULL));
    char *file = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL), want[64];
    const modnas_arch *best = modnas_search_best(s, NULL);
    snprintf(want, sizeof want, "found: x%dx%dx%dx%d\n", modnas_arch_get(best, 0), modnas_arch_get(best, 1),
             modnas_arch_get(best, 2), modnas_arch_get(best, 3));
    ck_assert_str_eq(file, want);
    free(file);
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

/* Text that is no YAML, or none at all, is refused with the component's name. */
static int bad_text(modnas_model *model, const modnas_arch *arch, const modnas_args *args, const char **yaml,
                    void *ud) {
    (void)model, (void)arch, (void)args;
    *yaml = ud;
    return 0;
}

START_TEST(exported_text_is_checked) {
    const modnas_export_vt vt = {sizeof vt, bad_text};
    static char broken[] = "a: [1";
    char *yaml = NULL;
    util_search_register("export", "NoText", NULL, &vt, NULL);
    util_search_register("export", "BadText", NULL, &vt, broken);
    modnas_search *s = util_search(UTIL_SEARCH_TOY "export: {x: NoText}\n", NULL);
    ck_assert_int_eq(modnas_search_export(s, NULL, &yaml), MODNAS_EINVAL);
    util_search_says("NoText");
    modnas_search_free(s);
    s = util_search(UTIL_SEARCH_TOY "export: {x: BadText}\n", NULL);
    ck_assert_int_eq(modnas_search_export(s, NULL, &yaml), MODNAS_ECONFIG);
    util_search_says("BadText");
    ck_assert_ptr_null(yaml);
    modnas_search_free(s);
}
END_TEST

/* ---- tables -------------------------------------------------------------------------------------------- */

/* A table without its function, of another size, or of a kind that is not open. */
START_TEST(tables_are_checked) {
    const struct {
        const char *kind;
        size_t table[8];
    } rows[] = {{"optim", {sizeof(modnas_optim_vt)}},
                {"estim", {sizeof(modnas_estim_vt)}},
                {"metrics", {sizeof(modnas_metrics_vt)}},
                {"criterion", {sizeof(modnas_criterion_vt)}},
                {"export", {sizeof(modnas_export_vt)}}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const modnas_component c = {.size = sizeof c, .kind = rows[i].kind, .name = "Empty", .vt = rows[i].table};
        ck_assert_int_eq(modnas_registry_register(rig.ctx, &c), MODNAS_EINVAL);
        util_search_says("Empty");
        util_search_says("is NULL");
        static const size_t none[1] = {0};
        const modnas_component d = {.size = sizeof d, .kind = rows[i].kind, .name = "NoSize", .vt = none};
        ck_assert_int_eq(modnas_registry_register(rig.ctx, &d), MODNAS_EINVAL);
    }
}
END_TEST

/* A model with nothing to choose has nothing to propose. */
START_TEST(optimizers_need_a_space) {
    modnas_search *s = NULL;
    util_search_add_local();
    ck_assert_int_eq(util_search_try("backend: ref\n" UTIL_SMALL_NET "optim: LocalSearch\n", NULL, &s), MODNAS_ECONFIG);
    util_search_says("LocalSearch");
    ck_assert_ptr_null(s);
}
END_TEST

/* ---- putting parts into a search ----------------------------------------------------------------------- */

static int put(modnas_search *s, const char *kind, const char *spec, const char *name) {
    const modnas_place place = {.size = sizeof place, .search = s, .name = name};
    return modnas_registry_build(rig.ctx, kind, spec, &place);
}

/* A search that is made part by part is the one of a whole configuration. */
START_TEST(parts_make_a_whole) {
    const modnas_export_vt export_vt = {sizeof export_vt, digits};
    const modnas_metrics_vt metrics_vt = {sizeof metrics_vt, latency};
    char buffer[128], whole[65], made[65], *yaml = NULL;
    modnas_metric m[16];
    int32_t n;
    util_search_register("export", "Digits", "key: path", &export_vt, buffer);
    util_search_register("metrics", "latency_ms", NULL, &metrics_vt, NULL);
    modnas_search *s = util_search(UTIL_SEARCH_INDEX "estim: {search: {type: SuperNetEstim, epochs: 2}}\n", NULL);
    SEARCH_OK(modnas_search_run(s, NULL));
    util_search_hash(s, whole);
    ck_assert_int_eq(system("mv exp before"), 0);
    modnas_search_free(s);

    s = util_search("backend: ref\nname: t\n" UTIL_SMALL_NET
                    "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n",
                    NULL);
    ck_assert_int_eq(modnas_search_run(s, NULL), MODNAS_ECONFIG);
    ck_assert_int_eq(put(s, "estim", "{type: SuperNetEstim, epochs: 2}", "search"), MODNAS_ECONFIG); /* no optim */
    SEARCH_OK(put(s, "optim", "{type: RandomSearchOptim, args: {seed: 5}}", NULL));
    SEARCH_OK(put(s, "optim", "RandomSearchOptim", NULL));
    SEARCH_OK(put(s, "estim", "{type: SuperNetEstim, epochs: 2}", "search"));
    SEARCH_OK(modnas_search_run(s, NULL));
    util_search_hash(s, made);
    ck_assert_str_eq(made, whole);
    ck_assert(util_rig_same("exp/t/outputs/history.tsv", "before/t/outputs/history.tsv"));
    SEARCH_OK(put(s, "metrics", "latency_ms", NULL));
    SEARCH_OK(modnas_search_evaluate(s, NULL, m, 16, &n));
    util_search_metric(m, n, "latency_ms");
    SEARCH_OK(put(s, "export", "{type: Digits, args: {key: k}}", NULL));
    SEARCH_OK(modnas_search_export(s, NULL, &yaml));
    ck_assert_int_eq(strncmp(yaml, "k: x", 4), 0);
    modnas_string_free(rig.ctx, yaml);
    modnas_search_free(s);
}
END_TEST

/* The loss that is put in is that of the next step; what is wrong leaves the search as it was. */
START_TEST(parts_are_checked) {
    const modnas_criterion_vt vt = {sizeof vt, scaled};
    double a, b;
    util_search_register("criterion", "Scaled", "by: 1.0", &vt, NULL);
    modnas_search *s = util_search(UTIL_SEARCH_INDEX "estim: {e: {type: DefaultEstim, epochs: 1}}\n", NULL);
    SEARCH_OK(modnas_search_train(s, NULL, 0, NULL));
    SEARCH_OK(put(s, "criterion", "{type: Scaled, args: {by: 2}}", NULL));
    SEARCH_OK(modnas_search_train(s, NULL, 1, &a));
    modnas_search_free(s);
    s = util_search(UTIL_SEARCH_INDEX "estim: {e: {type: DefaultEstim, epochs: 1}}\n", NULL);
    SEARCH_OK(modnas_search_train(s, NULL, 1, &b));
    ck_assert(a == 2 * b);
    static const struct {
        const char *kind, *spec, *name;
        int status;
    } rows[] = {{"optim", "RandomSerchOptim", NULL, MODNAS_ENOTFOUND},
                {"optim", "{type: RandomSearchOptim, args: {sed: 1}}", NULL, MODNAS_ECONFIG},
                {"optim", "BinaryGateOptim", NULL, MODNAS_ECONFIG},
                {"estim", "{type: DefaultEstim, epochs: 1}", NULL, MODNAS_EINVAL},
                {"estim", "{type: DefaultEstim, epochs: 1}", "e", MODNAS_EEXIST},
                {"estim", "{type: DefaultEstim, epochs: 1}", "a/b", MODNAS_ECONFIG},
                {"estim", "{type: DefaultEstim}", "f", MODNAS_ECONFIG},
                {"estim", "{type: DefaultEstim, epoch: 1}", "f", MODNAS_ECONFIG},
                {"metrics", "Nothing", NULL, MODNAS_ENOTFOUND},
                {"export", "Nothing", NULL, MODNAS_ENOTFOUND},
                {"trainer", "ImageClsTrainer", NULL, MODNAS_EUNSUPPORTED}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const int rc = put(s, rows[i].kind, rows[i].spec, rows[i].name);
        ck_assert_msg(rc == rows[i].status, "%s %s: %d, %s", rows[i].kind, rows[i].spec, rc, modnas_errmsg(rig.ctx));
        ck_assert_int_eq(put(NULL, rows[i].kind, rows[i].spec, rows[i].name),
                         rows[i].status == MODNAS_EUNSUPPORTED ? MODNAS_EUNSUPPORTED : MODNAS_EINVAL);
    }
    SEARCH_OK(modnas_search_run(s, NULL));
    char *config = util_rig_read("exp/t/outputs/config.yaml", NULL);
    ck_assert_ptr_null(strstr(config, "f:\n"));
    free(config);
    modnas_search_free(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search_host");
    util_add_loop(suite, "local", rig_setup, rig_teardown, local_search_by_pull, 7);
    util_add(suite, "driving", rig_setup, rig_teardown,
             (const TTest *[]){local_search_by_push, metric_and_optimizer_steer_a_run, metrics_run_the_model,
                               a_name_gives_the_direction, NULL});
    util_add(suite, "making", rig_setup, rig_teardown,
             (const TTest *[]){losses_of_hosts, losses_are_checked, exporters_of_hosts, exported_text_is_checked,
                               tables_are_checked, optimizers_need_a_space, parts_make_a_whole, parts_are_checked,
                               NULL});
    return util_run(suite);
}
