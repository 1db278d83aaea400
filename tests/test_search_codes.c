/* What callbacks of a search return and what they may call: every one of them fails at its n-th call, in a run and in
 * pulled steps; the code comes back, nothing is left behind, and the search goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"

/* ---- a search all of whose parts are the host's -------------------------------------------------------- */

enum { SAMPLE, CREATE, ASK, TELL, RUN, MEASURE, LOSS, EXPORT, PROGRESS, EVALUATED, EPOCH_DONE, N_CALLBACKS };
static const char *const names[N_CALLBACKS] = {"sample", "create", "ask",      "tell",      "run",       "measure",
                                               "loss",   "export", "progress", "evaluated", "epoch_done"};

static struct {
    int count[N_CALLBACKS];
    int which, at, code; /* the at-th call (from 1) of callback `which` answers `code`; at 0: none */
    int n_states;        /* optimizers alive */
} trap;

static int step(int which) {
    return ++trap.count[which] == trap.at && which == trap.which ? trap.code : 0;
}

static int sample(int64_t index, float *dst, int32_t *label, void *ud) {
    (void)ud;
    for (int i = 0; i < 3 * 8 * 8; i++) dst[i] = (float)((index * 7 + i) % 11) / 11;
    *label = (int32_t)(index % 4);
    return step(SAMPLE);
}

static int create(modnas_model *model, const modnas_args *args, void **state, void *ud) {
    (void)model, (void)args, (void)ud;
    const int rc = step(CREATE);
    if (rc) return rc;
    *state = &trap;
    trap.n_states++;
    return 0;
}

static int ask(void *state, modnas_arch *const *archs, int32_t n, int32_t *n_out, void *ud) {
    (void)ud;
    ck_assert_ptr_eq(state, &trap);
    for (int32_t i = 0; i < n; i++) MN_TRY(modnas_arch_set(archs[i], 0, trap.count[ASK] % 4));
    *n_out = n;
    return step(ASK);
}

static int tell(void *state, const modnas_arch *arch, int32_t status, const modnas_metric *m, int32_t n, void *ud) {
    (void)state, (void)arch, (void)status, (void)m, (void)n, (void)ud;
    return step(TELL);
}

static void destroy(void *state, void *ud) {
    (void)state, (void)ud;
    trap.n_states--;
}

static int measure(modnas_search *s, const modnas_arch *arch, const modnas_args *args, double *value, void *ud) {
    (void)s, (void)arch, (void)args, (void)ud;
    *value = trap.count[MEASURE];
    return step(MEASURE);
}

static int loss(modnas_tape *tape, modnas_value *logits, modnas_value *target, const modnas_args *args,
                modnas_value **out, void *ud) {
    (void)args, (void)ud;
    MN_TRY(modnas_op_loss(tape, "CrossEntropyLoss", logits, target, 0, out));
    return step(LOSS);
}

static int describe(modnas_model *model, const modnas_arch *arch, const modnas_args *args, const char **yaml,
                    void *ud) {
    (void)model, (void)arch, (void)args, (void)ud;
    *yaml = "[x]";
    return step(EXPORT);
}

static int progress(const modnas_progress *p, void *ud) {
    (void)p, (void)ud;
    return step(PROGRESS);
}

static int evaluated(modnas_search *s, const modnas_evaluation *e, void *ud) {
    (void)s, (void)e, (void)ud;
    return step(EVALUATED);
}

static int epoch_done(modnas_search *s, const modnas_progress *p, void *ud) {
    (void)s, (void)ud;
    ck_assert_str_eq(p->phase, "epoch");
    return step(EPOCH_DONE);
}

/* Ask, train, evaluate, tell, export, two rounds of it. */
static int pull(modnas_search *s) {
    int rc = 0;
    for (int round = 0; round < 2 && !rc; round++) {
        modnas_arch *a = NULL;
        modnas_metric m[16];
        char *yaml = NULL;
        int32_t n = 0;
        rc = modnas_search_ask(s, 1, &a, &n);
        if (!rc) rc = modnas_search_train(s, a, 2, NULL);
        if (!rc) rc = modnas_search_evaluate(s, a, m, 16, &n);
        if (!rc) rc = modnas_search_tell(s, a, 0, m, n);
        if (!rc) rc = modnas_search_export(s, a, &yaml);
        modnas_string_free(rig.ctx, yaml);
        modnas_arch_free(a);
    }
    return rc;
}

static int estim_run(modnas_search *s, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    const int rc = step(RUN);
    return rc ? rc : pull(s);
}

static void add_parts(void) {
    const modnas_optim_vt optim = {sizeof optim, create, ask, tell, destroy, NULL, NULL};
    const modnas_estim_vt estim = {sizeof estim, estim_run, NULL, NULL};
    const modnas_metrics_vt metrics = {sizeof metrics, measure};
    const modnas_criterion_vt criterion = {sizeof criterion, loss};
    const modnas_export_vt export_vt = {sizeof export_vt, describe};
    const modnas_data_source data = {.size = sizeof data, .n = 24, .dims = {3, 8, 8}, .n_classes = 4, .sample = sample};
    util_search_register("optim", "Trap", NULL, &optim, NULL);
    util_search_register("estim", "Trap", NULL, &estim, NULL);
    util_search_register("metrics", "Trap", NULL, &metrics, NULL);
    util_search_register("criterion", "Trap", NULL, &criterion, NULL);
    util_search_register("export", "Trap", NULL, &export_vt, NULL);
    SEARCH_OK(modnas_data_register(rig.ctx, "Trap", &data));
    memset(&trap, 0, sizeof trap);
}

static const char config[] =
    "backend: ref\nname: t\nthreads: 1\nseed: 3\n"
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 1, 2]], n_classes: 4, width_coeff: 0.5}}\n"
    "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\ntrain_data: {type: Trap}\n"
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 8, valid_size: 8}}\n"
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}, criterion: Trap}}}\n"
    "export: {x: Trap}\noptim: Trap\n"
    "estim: {own: {type: Trap, metrics: [Trap, ValidateMetrics]},"
    " search: {type: SuperNetEstim, epochs: 2, metrics: [Trap, ValidateMetrics]}}\n";

static const modnas_search_opts callbacks = {
    .size = sizeof callbacks, .progress = progress, .evaluated = evaluated, .epoch_done = epoch_done};

static int new_and(int (*go)(modnas_search *s), modnas_search **out) {
    *out = NULL;
    MN_TRY(util_search_try(config, &callbacks, out));
    return go(*out);
}

static int run(modnas_search *s) {
    return modnas_search_run(s, NULL);
}

/* How often each callback is called when nothing fails. */
static void count_calls(int (*go)(modnas_search *s), int count[N_CALLBACKS]) {
    modnas_search *s;
    memset(&trap, 0, sizeof trap);
    const int rc = new_and(go, &s);
    ck_assert_msg(rc == 0, "%d: %s", rc, modnas_errmsg(rig.ctx));
    memcpy(count, trap.count, sizeof trap.count);
    modnas_search_free(s);
    ck_assert_int_eq(trap.n_states, 0);
}

/* The text names the callback, or the component. */
static void check_code(int rc, int code, int which) {
    char returned[32];
    snprintf(returned, sizeof returned, "returned %d", code);
    ck_assert_msg(rc == (code > 0 ? code : MODNAS_ECALLBACK), "%s, call %d: %d, %s", names[which], trap.at, rc,
                  modnas_errmsg(rig.ctx));
    util_search_says(returned);
}

/* ---- codes --------------------------------------------------------------------------------------------- */

/* One callback of the list, at its first, second, middle and last call. */
static void fail_in_turn(int which, int (*go)(modnas_search *s)) {
    static const int codes[] = {7, -7, MODNAS_EIO};
    int count[N_CALLBACKS];
    count_calls(go, count);
    const int at[] = {1, 2, count[which] / 2, count[which]};
    for (size_t k = 0; k < MN_COUNT(at); k++)
        for (size_t c = 0; c < MN_COUNT(codes) && at[k] > 0 && at[k] <= count[which]; c++) {
            modnas_search *s;
            memset(&trap, 0, sizeof trap);
            trap.which = which;
            trap.at = at[k];
            trap.code = codes[c];
            check_code(new_and(go, &s), codes[c], which);
            trap.at = 0;
            if (s) ck_assert_msg(pull(s) == 0, "%s: %s", names[which], modnas_errmsg(rig.ctx)); /* it goes on */
            ck_assert(s || which == CREATE || trap.count[PROGRESS] == 0);
            modnas_search_free(s);
            ck_assert_int_eq(trap.n_states, 0);
        }
}

START_TEST(codes_in_a_run) {
    add_parts();
    fail_in_turn(_i, run);
}
END_TEST

START_TEST(codes_in_pulled_steps) {
    add_parts();
    fail_in_turn(_i, pull);
}
END_TEST

/* Every callback is called in a run, and a stop saves what there is. */
START_TEST(a_stop_is_saved) {
    int count[N_CALLBACKS];
    modnas_search *s;
    add_parts();
    count_calls(run, count);
    for (int i = 0; i < N_CALLBACKS; i++) ck_assert_msg(count[i] > 0, "%s was never called", names[i]);
    ck_assert_int_eq(system("rm -rf exp"), 0);
    memset(&trap, 0, sizeof trap);
    trap.which = EPOCH_DONE;
    trap.at = 1;
    trap.code = 3;
    ck_assert_int_eq(new_and(run, &s), 3);
    ck_assert(util_rig_exists("exp/t/chkpt/model_search_last.safetensors"));
    ck_assert(util_rig_exists("exp/t/outputs/results.json"));
    modnas_search_free(s);
}
END_TEST

/* Memory runs out anywhere in making, pulling and running: it is said so, nothing is left, and the search goes on. */
START_TEST(out_of_memory) {
    int rc = MODNAS_ENOMEM, n = 0;
    add_parts();
    for (int64_t left = 0; rc; left += 1 + left / 16, n++) {
        modnas_search *s;
        memset(&trap, 0, sizeof trap);
        rig.host.left = left;
        rc = new_and(_i ? run : pull, &s);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d after %lld: %s", rc, (long long)left, modnas_errmsg(rig.ctx));
        if (s) SEARCH_OK(pull(s));
        modnas_search_free(s);
        ck_assert_int_eq(trap.n_states, 0);
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search_codes");
    util_add_loop(suite, "run", rig_setup, rig_teardown, codes_in_a_run, N_CALLBACKS);
    util_add_loop(suite, "pulled", rig_setup, rig_teardown, codes_in_pulled_steps, N_CALLBACKS);
    util_add_loop(suite, "memory", rig_setup, rig_teardown, out_of_memory, 2);
    util_add(suite, "stop", rig_setup, rig_teardown, (const TTest *[]){a_stop_is_saved, NULL});
    return util_run(suite);
}
