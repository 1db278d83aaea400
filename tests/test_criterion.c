/* Criteria: loss and gradient of each, built from its spec, for two samples of three classes with labels 2 and 0.
 *
 * Expected values are PyTorch 2.12's (torch.nn.*Loss in float64; where a loss wants numbers it was given
 * torch.nn.functional.one_hot(labels)). */
#include <math.h>
#include <string.h>

#include "config/config.h"
#include "train/train.h"
#include "util_graph.h"
#include "util_host.h"

enum { N = 2, C = 3, SIZE = N * C };

static const double logits[SIZE] = {0.5, -1.25, 2, 3, 0, -0.75};
static const double shares[SIZE] = {0.25, 0.5, 0.875, 0.9375, 0.125, 0.0625};
static const int32_t labels[N] = {2, 0};
static const double teacher[SIZE] = {1, 2, -1, 0.5, 0, 0.25}; /* logits of another network */

static const struct {
    const char *spec;
    const double *x, *numbers; /* numbers NULL: the labels */
    double loss, g[SIZE];
} rows[] = {
    {"CrossEntropyLoss",
     logits,
     NULL,
     0.15168224151917961,
     {0.088410091053722148, 0.015363370163218216, -0.10377346121694037, -0.034149112746168553, 0.023193349972936584,
      0.01095576277323196}},
    {"{type: CrossEntropyLabelSmoothingLoss, args: {eta: 0.2}}",
     logits,
     NULL,
     0.53501557485251294,
     {0.055076757720388815, -0.017969963170115115, -0.037106794550273714, 0.032517553920498099, -0.010139983360396749,
      -0.022377570560101374}},
    {"CrossEntropySoftTargetLoss", /* of labels: the plain one */
     logits,
     NULL,
     0.15168224151917961,
     {0.088410091053722148, 0.015363370163218216, -0.10377346121694037, -0.034149112746168553, 0.023193349972936584,
      0.01095576277323196}},
    {"CrossEntropySoftTargetLoss",
     logits,
     teacher,
     2.4861469309210276,
     {-0.041338139117487419, -0.3373288861859024, 0.37866702530338975, 0.25623641144898257, -0.10394425632229622,
      -0.15229215512668637}},
    {"NLLLoss", logits, NULL, -2.5, {0, 0, -0.5, -0.5, 0, 0}},
    {"MSELoss", logits, NULL, 14.75 / 12, {1.0 / 6, -5.0 / 12, 1.0 / 3, 2.0 / 3, 0, -0.25}},
    {"L1Loss", logits, NULL, 5.5 / 6, {1.0 / 6, -1.0 / 6, 1.0 / 6, 1.0 / 6, 0, -1.0 / 6}},
    {"SmoothL1Loss", logits, NULL, 0.52604166666666663, {1.0 / 12, -1.0 / 6, 1.0 / 6, 1.0 / 6, 0, -0.125}},
    {"{type: SmoothL1Loss, args: {beta: 2}}",
     logits,
     NULL,
     0.30729166666666669,
     {1.0 / 24, -5.0 / 48, 1.0 / 12, 1.0 / 6, 0, -0.0625}},
    {"BCELoss", shares, NULL, 0.22949484675598564, {2.0 / 9, 1.0 / 3, -4.0 / 21, -8.0 / 45, 4.0 / 21, 8.0 / 45}},
    {"BCEWithLogitsLoss",
     logits,
     NULL,
     0.41358993580283987,
     {0.10374322186697577, 0.037116689804218138, -0.019867153670352949, -0.0079043121962611065, 1.0 / 12,
      0.053470216804101169}},
};

static void open_net(gn_net *t) {
    static const gn_case c = {"x", {{N, C, 1, 1}}, NULL, 0, 0};
    gn_open(t, &c, MODNAS_F64, "ref");
    ck_assert_int_eq(mn_register_builtins(t->ctx), 0);
}

static int build(gn_net *t, const char *spec, mn_criterion **out) {
    mn_node *n;
    GN_TRY(mn_yaml_value(t->ctx, spec, "spec", &n));
    const int rc = mn_registry_build(t->ctx, "criterion", n, NULL, NULL, NULL, out);
    mn_node_free(t->ctx, n);
    return rc;
}

static int record(gn_net *t, const mn_criterion *c, const double *numbers, mn_value **loss) {
    const mn_run_opts o = {.train = 1, .grads = MN_ROLE_WEIGHT};
    mn_value *x, *target;
    MN_TRY(mn_run_begin(t->run, &o));
    MN_TRY(mn_use_param(t->run, t->p[0], &x));
    if (numbers) MN_TRY(mn_const(t->run, x->dims, numbers, &target));
    if (!numbers) MN_TRY(mn_input(t->run, (int64_t[]){N, 1, 1, 1}, MODNAS_I32, &target));
    if (!numbers) mn_run_bind(t->run, target, labels);
    MN_TRY(c->loss(c, t->run, x, target, loss));
    MN_TRY(mn_run_keep(t->run, *loss));
    return mn_run_plan(t->run, *loss);
}

/* 1e-12: a few roundings of numbers below 3, the figures have 17 digits. */
START_TEST(as_pytorch) {
    gn_net net, *t = &net;
    mn_criterion *c;
    mn_value *loss;
    double value, g[SIZE];
    open_net(t);
    GN_TRY(build(t, rows[_i].spec, &c));
    GN_TRY(mn_param_set(t->p[0], rows[_i].x));
    GN_TRY(record(t, c, rows[_i].numbers, &loss));
    GN_TRY(mn_run_forward(t->run, 0));
    GN_TRY(mn_run_backward(t->run));
    GN_TRY(mn_run_read(t->run, loss, &value));
    GN_TRY(mn_param_get_grad(t->p[0], g));
    ck_assert_msg(fabs(value - rows[_i].loss) <= 1e-12, "%s: %.17g", rows[_i].spec, value);
    for (int i = 0; i < SIZE; i++)
        ck_assert_msg(fabs(g[i] - rows[_i].g[i]) <= 1e-12, "%s: gradient %d is %.17g", rows[_i].spec, i, g[i]);
    mn_criterion_free(c);
    gn_close(t);
}
END_TEST

/* With softmax: false the numbers are taken as they are: rows 0 1 0 and 1 0 0 are labels 1 and 0. */
START_TEST(soft_targets_as_they_are) {
    static const double onehot[SIZE] = {0, 1, 0, 1, 0, 0};
    gn_net net, *t = &net;
    mn_criterion *c;
    mn_value *loss;
    double value, want = 0;
    open_net(t);
    GN_TRY(build(t, "{type: CrossEntropySoftTargetLoss, args: {softmax: false}}", &c));
    GN_TRY(mn_param_set(t->p[0], logits));
    GN_TRY(record(t, c, onehot, &loss));
    GN_TRY(mn_run_forward(t->run, 0));
    GN_TRY(mn_run_read(t->run, loss, &value));
    for (int n = 0; n < N; n++) {
        double sum = 0;
        for (int i = 0; i < C; i++) sum += exp(logits[n * C + i]);
        want += (log(sum) - logits[n * C + 1 - n]) / N;
    }
    ck_assert_double_eq_tol(value, want, 1e-12);
    mn_criterion_free(c);
    gn_close(t);
}
END_TEST

START_TEST(refused) {
    gn_net net, *t = &net;
    mn_criterion *c = NULL;
    mn_value *loss;
    open_net(t);
    ck_assert_int_eq(build(t, "{type: SmoothL1Loss, args: {beta: -1}}", &c), MODNAS_ECONFIG);
    ck_assert_msg(strstr(modnas_errmsg(t->ctx), "SmoothL1Loss.beta: -1 is outside 0..") != NULL, "%s",
                  modnas_errmsg(t->ctx));
    ck_assert_int_eq(build(t, "{type: CrossEntropyLabelSmoothingLoss, args: {eta: 1.5}}", &c), MODNAS_ECONFIG);
    ck_assert_ptr_null(c);
    GN_TRY(build(t, "BCELoss", &c)); /* logits are no probabilities */
    GN_TRY(mn_param_set(t->p[0], logits));
    GN_TRY(record(t, c, NULL, &loss));
    ck_assert_int_eq(mn_run_forward(t->run, 0), MODNAS_EINVAL);
    ck_assert_msg(strstr(modnas_errmsg(t->ctx), "bce wants probabilities, element 1 is -1.25") != NULL, "%s",
                  modnas_errmsg(t->ctx));
    mn_criterion_free(c);
    gn_close(t);
}
END_TEST

int main(void) {
    Suite *s = suite_create("criterion");
    util_add_loop(s, "torch", NULL, NULL, as_pytorch, MN_COUNT(rows));
    util_add(s, "rest", NULL, NULL, (const TTest *const[]){soft_targets_as_they_are, refused, NULL});
    return util_run(s);
}
