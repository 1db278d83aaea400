/* Args of components: types, defaults, what the framework gives, and what is said about wrong ones. */
#include <stdio.h>
#include <string.h>

#include "util_toys.h"

START_TEST(arg_types) {
    static const struct {
        const char *args, *message; /* NULL: fine */
    } cases[] = {
        {"lr: 1", NULL},
        {"lr: 1.5", NULL},
        {"lr: 1e-3", NULL},
        {"lr: banana", "f.yaml:3: SGD.lr: a number is wanted, not the string 'banana'"},
        {"lr: '1'", "f.yaml:3: SGD.lr: a number is wanted, not the string '1'"},
        {"lr: yes", "f.yaml:3: SGD.lr: a number is wanted, not the string 'yes'"},
        {"lr: true", "f.yaml:3: SGD.lr: a number is wanted, not true"},
        {"lr:", "f.yaml:3: SGD.lr: a number is wanted, not an empty value"},
        {"lr: null", "f.yaml:3: SGD.lr: a number is wanted, not null"},
        {"lr: [1]", "f.yaml:3: SGD.lr: a number is wanted, not a list"},
        {"{lr: 1, n: 3.0}", NULL},
        {"{lr: 1, n: 1e2}", NULL},
        {"{lr: 1, n: 3.5}", "f.yaml:3: SGD.n: an integer is wanted, not the number 3.5"},
        {"{lr: 1, n: '3'}", "f.yaml:3: SGD.n: an integer is wanted, not the string '3'"},
        {"{lr: 1, nesterov: 1}", "f.yaml:3: SGD.nesterov: true or false is wanted, not the number 1"},
        {"{lr: 1, nesterov: True}", NULL},
        {"{lr: 1, mode: trian}", "f.yaml:3: SGD.mode: 'trian' is none of train, valid, all; did you mean 'train'?"},
        {"{lr: 1, mode: 3}", "f.yaml:3: SGD.mode: a string is wanted, not the number 3"},
        {"{lr: 1, betas: [0, 1]}", NULL},
        {"{lr: 1, betas: [0, x]}", "f.yaml:3: SGD.betas: a list of numbers is wanted, not a list"},
        {"{lr: 1, betas: 0.5}", "f.yaml:3: SGD.betas: a list of numbers is wanted, not the number 0.5"},
        {"{lr: 1, table: {a: 1}}", "f.yaml:3: SGD.table: a list is wanted, not a map"},
        {"{lr: 1, extra: []}", "f.yaml:3: SGD.extra: a map is wanted, not an empty list"},
        {"{lr: 1, any: {a: [b]}}", NULL},
        {"{lr: 1, schedule: null}", NULL},
        {"{lr: 1, schedule: CosineAnnealingLR}", NULL},
        {"{lr: 1, schedule: CosinAnnealingLR}",
         "f.yaml:3: no lr_scheduler named 'CosinAnnealingLR'; did you mean 'CosineAnnealingLR'?"},
        {"{lr: 1, schedule: {type: CosineAnnealingLR, args: {eta_max: 1}}}",
         "f.yaml:3: CosineAnnealingLR has no arg 'eta_max'; did you mean 'eta_min'?"},
        {"{lr: 1, losses: [CrossEntropyLoss, {type: CrossEntropyLoss, mode: valid}]}", NULL},
        {"{lr: 1, losses: {a: CrossEntropyLos}}",
         "f.yaml:3: no criterion named 'CrossEntropyLos'; did you mean 'CrossEntropyLoss'?"},
        {"{lr: 1, losses: 4}",
         "f.yaml:3: SGD.losses: a component, a list or a map of them is wanted, not the number 4"},
        {"{lrr: 1}", "f.yaml:3: SGD has no arg 'lrr'; did you mean 'lr'?"},
        {"{lr: 1, qqqqqq: 1}", "f.yaml:3: SGD has no arg 'qqqqqq'"},
        {"{momentum: 1}", "f.yaml:1: SGD needs the arg 'lr' (learning rate)"},
    };
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        char yaml[300];
        snprintf(yaml, sizeof yaml, "type: SGD\nargs:\n  %s\n", cases[i].args);
        const int unknown = cases[i].message && strstr(cases[i].message, " named '");
        const int status = !cases[i].message ? 0 : unknown ? MODNAS_ENOTFOUND : MODNAS_ECONFIG;
        toy_expect_check("optimizer", yaml, status, cases[i].message);
    }
}
END_TEST

static int build(const char *yaml, const char *more_yaml, toy_built *b) {
    mn_node *spec = toy_value(yaml), *more = more_yaml ? toy_value(more_yaml) : NULL;
    const int rc = mn_registry_build(toy_ctx, "optimizer", spec, NULL, more, &toys, b);
    mn_node_free(toy_ctx, spec);
    mn_node_free(toy_ctx, more);
    return rc;
}

START_TEST(building) {
    toy_built b;
    ck_assert_int_eq(build("{type: sgd, args: {lr: 1, n: 4.0, schedule: CosineAnnealingLR}}", NULL, &b), 0);
    ck_assert_str_eq(b.name, "SGD");
    ck_assert(b.lr == 1.0 && b.momentum == 0.9 && b.beta == 0.999 && b.n == 4 && !b.nesterov && b.has_schedule);
    ck_assert_str_eq(b.mode, "train");
    ck_assert_ptr_eq(b.env, &toys);
    ck_assert_int_eq(build("{type: SGD, args: {lr: 1}}", NULL, &b), 0);
    ck_assert_int_eq(b.has_schedule, 0);
}
END_TEST

/* spec 1.5: the spec's own args win over those from the framework. */
START_TEST(args_from_the_framework) {
    toy_built b;
    ck_assert_int_eq(build("SGD", "{lr: 0.5, momentum: 0.1, unknown: 1}", &b), 0);
    ck_assert(b.lr == 0.5 && b.momentum == 0.1);
    ck_assert_int_eq(build("{type: SGD, args: {momentum: 0.7}}", "{lr: 0.5, momentum: 0.1}", &b), 0);
    ck_assert(b.lr == 0.5 && b.momentum == 0.7);
    ck_assert_int_eq(build("SGD", NULL, &b), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(toy_ctx), "f.yaml:1: SGD needs the arg 'lr' (learning rate)");
}
END_TEST

START_TEST(errors_of_builders) {
    toy_built b;
    ck_assert_int_eq(build("type: SGD\nargs:\n  lr: 1\n  momentum: -1\n", NULL, &b), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(toy_ctx), "f.yaml:4: SGD.momentum: -1 is below 0");
    ck_assert_int_eq(build("\ntype: SGD\nargs: {lr: 1, n: -2}\n", NULL, &b), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(toy_ctx), "f.yaml:3: SGD.n: -2 is below 0");
    ck_assert_int_eq(build("\n\nSGD\n", "{lr: 1, momentum: -3}", &b), MODNAS_ECONFIG);
    ck_assert_int_eq(build("Nothing", NULL, &b), MODNAS_ENOTFOUND);
}
END_TEST

/* Every allocation fails once: MODNAS_ENOMEM, nothing kept. */
START_TEST(out_of_memory) {
    int n = 0;
    for (int rc = MODNAS_ENOMEM; rc; n++) {
        util_host host = {.left = -1};
        const modnas_ctx_opts opts = util_host_opts(&host);
        modnas_ctx *c;
        mn_node *spec;
        toy_built b;
        ck_assert_int_eq(modnas_ctx_new(&opts, &c), 0);
        ck_assert_int_eq(mn_yaml_value(c, "{type: SGD, args: {lr: 1, losses: [CrossEntropyLoss]}}", "t", &spec), 0);
        host.left = n;
        rc = mn_registry_add_all(c, toys, TOY_COUNT);
        if (!rc) rc = mn_registry_build(c, "optimizer", spec, NULL, NULL, NULL, &b);
        host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        mn_node_free(c, spec);
        modnas_ctx_free(c);
        ck_assert_int_eq(host.live, 0);
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {arg_types,          building,      args_from_the_framework,
                                  errors_of_builders, out_of_memory, NULL};
    Suite *s = suite_create("registry_args");
    util_add(s, "registry_args", toy_setup, toy_teardown, tests);
    return util_run(s);
}
