/* Every optimizer with every mixed op that there is: a search, or a refusal before anything is run that names both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"

#define NET                                                                                                            \
    "name: t\nseed: 3\nbackend: ref\n"                                                                                 \
    "model: {type: MobileNetV2, args: {input: [1, 4, 4], n_classes: 4, width_coeff: 0.05,"                             \
    " cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 8, 1, 2]]}}\n"                                                            \
    "train_data: {type: RandData, args: {shape: [1, 4, 4], classes: 4, data_size: 16}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 4, val_batch_size: 4, valid_size: 8}}\n"            \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: SGD}}}\n"                                            \
    "estim: {search: {type: SuperNetEstim, epochs: 3, baseline: false}}\n"

typedef struct names {
    int n;
    char name[32][64];
} names;

/* All of a kind, in the order of the listing. */
static void list(const char *kind, names *out) {
    char *text = NULL;
    ck_assert_int_eq(modnas_list_json(rig.ctx, kind, &text), 0);
    mn_node *all = util_rig_parse(&rig, text);
    modnas_string_free(rig.ctx, text);
    ck_assert_int_le((int)all->n, (int)MN_COUNT(out->name));
    out->n = (int)all->n;
    for (int i = 0; i < out->n; i++)
        snprintf(out->name[i], sizeof out->name[i], "%s", rig_at(all->items[i], "name")->text);
    mn_node_free(rig.ctx, all);
}

/* It runs, and what it found is told. */
static void check_runs(modnas_search *s, const char *pair) {
    char *results = NULL;
    const int rc = modnas_search_run(s, &results);
    ck_assert_msg(rc == 0, "%s: %s", pair, modnas_errmsg(rig.ctx));
    mn_node *t = util_rig_parse(&rig, results);
    ck_assert_msg(rig_at(t, "estim.search.evaluations")->i == 3, "%s", pair);
    ck_assert_msg(rig_at(t, "estim.search.best.arch")->n == 2, "%s", pair);
    mn_node_free(rig.ctx, t);
    modnas_string_free(rig.ctx, results);
}

static void check_refused(const char *optim, const char *mixed) {
    const char *text = modnas_errmsg(rig.ctx);
    ck_assert_msg(strstr(text, optim) && strstr(text, mixed), "%s on %s: %s", optim, mixed, text);
    ck_assert_msg(!util_rig_exists("exp"), "%s on %s", optim, mixed);
}

/* Every optimizer works with one mixed op at least, every mixed op with one optimizer, and not all do with all. */
START_TEST(every_pair) {
    names optims, mixed;
    int with_optim[32] = {0}, with_mixed[32] = {0}, n_refused = 0;
    list("optim", &optims);
    list("mixed_op", &mixed);
    for (int i = 0; i < optims.n; i++)
        for (int k = 0; k < mixed.n; k++) {
            char yaml[2048], pair[160];
            modnas_search *s = NULL;
            snprintf(pair, sizeof pair, "%s on %s", optims.name[i], mixed.name[k]);
            snprintf(yaml, sizeof yaml, NET "mixed_op: {type: %s, candidates: [MB3E1, MB3E3]}\noptim: %s\n",
                     mixed.name[k], optims.name[i]);
            const int rc = util_search_try(yaml, NULL, &s);
            ck_assert_msg(rc == 0 || rc == MODNAS_ECONFIG, "%s: %d", pair, rc);
            if (rc) {
                check_refused(optims.name[i], mixed.name[k]);
                n_refused++;
                continue;
            }
            check_runs(s, pair);
            modnas_search_free(s);
            ck_assert_int_eq(system("rm -r exp"), 0);
            with_optim[i]++;
            with_mixed[k]++;
        }
    for (int i = 0; i < optims.n; i++) ck_assert_msg(with_optim[i], "%s", optims.name[i]);
    for (int k = 0; k < mixed.n; k++) ck_assert_msg(with_mixed[k], "%s", mixed.name[k]);
    ck_assert_int_gt(n_refused, 0);
}
END_TEST

/* The host's own constructor: the first Slot with one mixed op, the last with another. */
static int mix_both(modnas_model *model, const modnas_args *args, void *ud) {
    const char *const *mixed = ud;
    (void)args;
    for (size_t i = 0; i < modnas_model_n_slots(model); i++) {
        char spec[128];
        snprintf(spec, sizeof spec, "{type: %s, candidates: [MB3E1, MB3E3]}",
                 mixed[i + 1 == modnas_model_n_slots(model)]);
        MN_TRY(modnas_slot_mix(modnas_model_slot(model, i), spec));
    }
    return 0;
}

/* One mixed op that does not fit is enough, be it the first or the last: no optimizer works with choices and logits in
 * one model. */
START_TEST(both_in_one) {
    static const char *both[][2] = {{"IndexMixedOp", "BinaryGateMixedOp"}, {"BinaryGateMixedOp", "IndexMixedOp"}};
    const modnas_construct_vt vt = {.size = sizeof vt, .run = mix_both};
    names optims;
    list("optim", &optims);
    util_search_register("construct", "Both", NULL, &vt, both[_i]);
    for (int i = 0; i < optims.n; i++) {
        char yaml[2048];
        modnas_search *s = NULL;
        snprintf(yaml, sizeof yaml, NET "construct: {both: Both}\noptim: %s\n", optims.name[i]);
        ck_assert_msg(util_search_try(yaml, NULL, &s) == MODNAS_ECONFIG, "%s: %s", optims.name[i],
                      s ? "made" : modnas_errmsg(rig.ctx));
        check_refused(optims.name[i], "MixedOp (mixed op ");
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pairs");
    TCase *t = tcase_create("in one model");
    util_add(suite, "pairs", rig_setup, rig_teardown, (const TTest *[]){every_pair, NULL});
    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_loop_test(t, both_in_one, 0, 2);
    suite_add_tcase(suite, t);
    return util_run(suite);
}
