/* Losses and exporters of a host, their tables, and parts that are put into a search that is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"

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

/* ---- putting parts into a search ----------------------------------------------------------------------- */

static int put(modnas_search *s, const char *kind, const char *spec, const char *name) {
    const modnas_place place = {.size = sizeof place, .search = s, .name = name};
    return modnas_registry_build(rig.ctx, kind, spec, &place);
}

/* One more than the first choice. */
static int latency(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value, void *ud) {
    (void)search, (void)args, (void)ud;
    *value = 1 + modnas_arch_get(arch, 0);
    return 0;
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
    Suite *suite = suite_create("search_parts");
    util_add(suite, "making", rig_setup, rig_teardown,
             (const TTest *[]){losses_of_hosts, losses_are_checked, exporters_of_hosts, exported_text_is_checked,
                               tables_are_checked, NULL});
    util_add(suite, "putting", rig_setup, rig_teardown, (const TTest *[]){parts_make_a_whole, parts_are_checked, NULL});
    return util_run(suite);
}
