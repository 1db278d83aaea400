/* The registry: names, specs in their three forms, args with types and defaults, and what is said about wrong ones. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"

static modnas_ctx *ctx;

/* ---- toy components ---- */

typedef struct built {
    const char *name;
    double lr, momentum;
    int64_t n;
    int nesterov, has_schedule;
    char mode[16];
    double beta;
    const void *env;
} built;

static int build_toy(const mn_component *c, const mn_args *a, const void *env, void *out) {
    built *b = out;
    b->name = c->name;
    b->lr = mn_args_real(a, "lr");
    b->momentum = mn_args_real(a, "momentum");
    b->n = mn_args_int(a, "n");
    b->nesterov = mn_args_bool(a, "nesterov");
    b->has_schedule = mn_args_given(a, "schedule");
    strcpy(b->mode, mn_args_str(a, "mode"));
    b->beta = mn_args_node(a, "betas")->items[1]->r;
    b->env = env;
    if (b->momentum < 0) return mn_args_fail(a, "momentum", "%g is below 0", b->momentum);
    if (b->n < 0) return mn_args_fail(a, "n", "%d is below 0", (int)b->n);
    return 0;
}

static int build_nothing(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    (void)a;
    (void)env;
    (void)out;
    return 0;
}

static const mn_arg_def toy_args[] = {
    {"lr", MN_ARG_REAL, NULL, NULL, "learning rate"},
    {"momentum", MN_ARG_REAL, "0.9", NULL, "momentum"},
    {"n", MN_ARG_INT, "3", NULL, "a count"},
    {"nesterov", MN_ARG_BOOL, "false", NULL, "form of momentum"},
    {"mode", MN_ARG_STR, "train", "train|valid|all", "which passes"},
    {"betas", MN_ARG_REALS, "[0.5, 0.999]", NULL, "decays"},
    {"schedule", MN_ARG_SPEC, "null", "lr_scheduler", "schedule"},
    {"losses", MN_ARG_SPECS, "null", "criterion", "losses"},
    {"table", MN_ARG_LIST, "[]", NULL, "rows"},
    {"extra", MN_ARG_MAP, "{}", NULL, "more"},
    {"any", MN_ARG_ANY, "null", NULL, "anything"},
    {0},
};
static const mn_arg_def cosine_args[] = {{"eta_min", MN_ARG_REAL, "0", NULL, "last rate"}, {0}};
static const mn_component rows[] = {
    {"optimizer", "SGD", "gradient descent", toy_args, build_toy, NULL},
    {"optimizer", "Ada-Max_2 x", "folded name", NULL, build_nothing, NULL},
    {"lr_scheduler", "CosineAnnealingLR", "cosine", cosine_args, build_nothing, NULL},
    {"criterion", "CrossEntropyLoss", "cross-entropy", NULL, build_nothing, NULL},
    {"metrics", "ValidateMetrics", "validation", NULL, build_nothing, NULL},
    {"optim", "SGD", "the same name in another kind", NULL, build_nothing, NULL},
};

static void setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
    ck_assert_int_eq(mn_registry_add_all(ctx, rows, MN_COUNT(rows)), 0);
}

static void teardown(void) {
    modnas_ctx_free(ctx);
}

static mn_node *value(const char *yaml) {
    mn_node *docs;
    ck_assert_msg(mn_yaml_read(ctx, yaml, strlen(yaml), "f.yaml", &docs) == 0, "%s", modnas_errmsg(ctx));
    mn_node *v = docs->items[0];
    docs->n = 0;
    mn_node_free(ctx, docs);
    return v;
}

static void expect_check(const char *kind, const char *yaml, int status, const char *message) {
    mn_node *spec = value(yaml);
    const int rc = mn_spec_check(ctx, kind, spec, NULL);
    ck_assert_msg(rc == status, "%s: %d %s", yaml, rc, modnas_errmsg(ctx));
    if (message) ck_assert_str_eq(modnas_errmsg(ctx), message);
    mn_node_free(ctx, spec);
}

/* ---- names ---- */

static int count(const mn_component *c, void *ud) {
    (void)c;
    ++*(int *)ud;
    return 0;
}

static int stop(const mn_component *c, void *ud) {
    *(const mn_component **)ud = c;
    return 42;
}

/* spec 2.1: the key is the name in lower case without '-', '_' and blanks. */
START_TEST(names) {
    ck_assert_ptr_eq(mn_registry_find(ctx, "optimizer", "sgd"), &rows[0]);
    ck_assert_ptr_eq(mn_registry_find(ctx, "optim", "S_G-D"), &rows[5]);
    ck_assert_ptr_eq(mn_registry_find(ctx, "optimizer", "adamax2X"), &rows[1]);
    ck_assert_ptr_eq(mn_registry_find(ctx, "lrscheduler", "cosine annealing lr"), &rows[2]);
    ck_assert_ptr_null(mn_registry_find(ctx, "optimizer", "SGDD"));
    ck_assert_ptr_null(mn_registry_find(ctx, "model", "SGD"));
    static const mn_component twin = {"optimizer", "s-g-d", "", NULL, build_nothing, NULL};
    ck_assert_int_eq(mn_registry_add(ctx, &twin), MODNAS_EEXIST);
    ck_assert_str_eq(modnas_errmsg(ctx), "optimizer 's-g-d' is there already");
    int n = 0;
    ck_assert_int_eq(mn_registry_visit(ctx, NULL, count, &n), 0);
    ck_assert_int_eq(n, (int)MN_COUNT(rows));
    n = 0;
    ck_assert_int_eq(mn_registry_visit(ctx, "optimizer", count, &n), 0);
    ck_assert_int_eq(n, 2);
    const mn_component *first = NULL;
    ck_assert_int_eq(mn_registry_visit(ctx, NULL, stop, &first), 42);
    ck_assert_ptr_eq(first, &rows[0]);
    char huge[400];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    ck_assert_ptr_null(mn_registry_find(ctx, "optimizer", huge));
}
END_TEST

START_TEST(aliases) {
    ck_assert_int_eq(mn_registry_alias(ctx, "optimizer", "GradientDescent", "SGD"), 0);
    ck_assert_ptr_eq(mn_registry_find(ctx, "optimizer", "gradient_descent"), &rows[0]);
    ck_assert_int_eq(mn_registry_alias(ctx, "optimizer", "sgd", "SGD"), MODNAS_EEXIST);
    ck_assert_int_eq(mn_registry_alias(ctx, "optimizer", "x", "nothing"), MODNAS_ENOTFOUND);
    int n = 0;
    ck_assert_int_eq(mn_registry_visit(ctx, "optimizer", count, &n), 0);
    ck_assert_int_eq(n, 2); /* an alias is no component of its own */
}
END_TEST

START_TEST(missing) {
    const mn_component *c = NULL;
    mn_node *spec = value("\n\nSDG\n");
    ck_assert_int_eq(mn_registry_need(ctx, "optimizer", "SDG", spec, &c), MODNAS_ENOTFOUND);
    ck_assert_str_eq(modnas_errmsg(ctx), "f.yaml:3: no optimizer named 'SDG'; did you mean 'SGD'?");
    ck_assert_int_eq(mn_registry_need(ctx, "optimizer", "Xyzzy", NULL, &c), MODNAS_ENOTFOUND);
    ck_assert_str_eq(modnas_errmsg(ctx), "no optimizer named 'Xyzzy'");
    ck_assert_ptr_null(c);
    mn_node_free(ctx, spec);
    modnas_ctx *empty;
    ck_assert_int_eq(modnas_ctx_new(NULL, &empty), 0); /* nothing was ever added to it */
    ck_assert_ptr_null(mn_registry_find(empty, "optimizer", "SGD"));
    ck_assert_int_eq(mn_registry_need(empty, "optimizer", "SGD", NULL, &c), MODNAS_ENOTFOUND);
    ck_assert_int_eq(mn_registry_visit(empty, NULL, count, NULL), 0);
    modnas_ctx_free(empty);
}
END_TEST

/* ---- specs ---- */

START_TEST(three_forms) {
    static const char *const forms[] = {"{type: SGD, args: {lr: 1}}", "[SGD, {lr: 1}]", "type: SGD\nargs:\n  lr: 1\n"};
    for (size_t i = 0; i < MN_COUNT(forms); i++) {
        const char *type;
        const mn_node *args;
        mn_node *spec = value(forms[i]);
        ck_assert_int_eq(mn_spec_parse(ctx, spec, NULL, &type, &args), 0);
        ck_assert_str_eq(type, "SGD");
        ck_assert_int_eq(mn_node_get(args, "lr")->i, 1);
        mn_node_free(ctx, spec);
        expect_check("optimizer", forms[i], 0, NULL);
    }
    expect_check("lr_scheduler", "CosineAnnealingLR", 0, NULL);
    expect_check("lr_scheduler", "[CosineAnnealingLR]", 0, NULL);
    expect_check("lr_scheduler", "{type: CosineAnnealingLR, args: {}}", 0, NULL);
}
END_TEST

START_TEST(bad_specs) {
    expect_check("optimizer", "7", MODNAS_ECONFIG,
                 "f.yaml:1: optimizer: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not the number 7");
    expect_check("optimizer", "{}", MODNAS_ECONFIG,
                 "f.yaml:1: optimizer: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not an empty map");
    expect_check("optimizer", "[SGD, {}, 1]", MODNAS_ECONFIG,
                 "f.yaml:1: optimizer: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not a list");
    expect_check("optimizer", "{type: 3}", MODNAS_ECONFIG, "f.yaml:1: optimizer: a name is wanted, not the number 3");
    expect_check("optimizer", "{args: {lr: 1}}", MODNAS_ECONFIG, "f.yaml:1: this optimizer has no type");
    expect_check("optimizer", "type: SGD\nargs: 5\n", MODNAS_ECONFIG,
                 "f.yaml:2: args: a map is wanted, not the number 5");
    expect_check("optimizer", "type: SGD\nargs:\n", MODNAS_ECONFIG,
                 "f.yaml:2: args: a map is wanted, not an empty value");
    expect_check("optimizer", "type: SGD\nagrs: {lr: 1}\n", MODNAS_ECONFIG,
                 "f.yaml:2: unknown key 'agrs' of this optimizer; did you mean 'args'?");
    expect_check("optimizer", "type: SDG\nargs: {lr: 1}\n", MODNAS_ENOTFOUND,
                 "f.yaml:1: no optimizer named 'SDG'; did you mean 'SGD'?");
}
END_TEST

/* spec 1.5: criteria also have `mode`, metrics base, weight, alpha, beta. */
START_TEST(keys_of_kinds) {
    expect_check("criterion", "{type: CrossEntropyLoss, mode: train}", 0, NULL);
    expect_check("criterion", "type: CrossEntropyLoss\nmode: trian\n", MODNAS_ECONFIG,
                 "f.yaml:2: criterion.mode: 'trian' is none of all, train, valid, eval; did you mean 'train'?");
    expect_check("metrics", "{type: ValidateMetrics, base: 1, weight: 0.5, alpha: 1, beta: 2}", 0, NULL);
    expect_check("optimizer", "{type: SGD, mode: train}", MODNAS_ECONFIG,
                 "f.yaml:1: unknown key 'mode' of this optimizer");
    static const char *const extra[] = {"candidates", NULL};
    mn_node *spec = value("{type: SGD, args: {lr: 1}, candidates: [a]}");
    ck_assert_int_eq(mn_spec_check(ctx, "optimizer", spec, extra), 0);
    ck_assert_int_eq(mn_spec_check(ctx, "optimizer", spec, NULL), MODNAS_ECONFIG);
    mn_node_free(ctx, spec);
}
END_TEST

START_TEST(parts) {
    static const struct {
        const char *spec, *type, *message; /* message NULL: fine */
    } cases[] = {
        {"{args: {momentum: 0}}", "SGD", NULL}, /* lr is missing, but this is a part */
        {"{args: {momentum: 0}}", NULL, NULL},  /* nothing is known to check against */
        {"{type: SGD}", NULL, NULL},
        {"{args: {momentun: 0}}", "SGD", "f.yaml:1: SGD has no arg 'momentun'; did you mean 'momentum'?"},
        {"{args: {schedule: {args: {eta_min: x}}}}", "SGD", NULL},
        {"{args: {schedule: {type: CosineAnnealingLR, args: {eta_min: x}}}}", "SGD",
         "f.yaml:1: CosineAnnealingLR.eta_min: a number is wanted, not the string 'x'"},
    };
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_node *spec = value(cases[i].spec);
        const int rc = mn_spec_check_part(ctx, "optimizer", spec, NULL, cases[i].type);
        ck_assert_msg(rc == (cases[i].message ? MODNAS_ECONFIG : 0), "%s: %s", cases[i].spec, modnas_errmsg(ctx));
        if (cases[i].message) ck_assert_str_eq(modnas_errmsg(ctx), cases[i].message);
        mn_node_free(ctx, spec);
    }
}
END_TEST

START_TEST(merged_specs) {
    static const struct {
        const char *base, *over, *json;
    } cases[] = {
        {"SGD", "{args: {lr: 1}}", "{\"type\":\"SGD\",\"args\":{\"lr\":1}}"},
        {"[SGD, {lr: 1, n: 2}]", "{args: {lr: 3}}", "{\"type\":\"SGD\",\"args\":{\"lr\":3,\"n\":2}}"},
        {"{type: SGD, args: {lr: 1}}", "Adam", "{\"type\":\"Adam\",\"args\":{\"lr\":1}}"},
    };
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_node *base = value(cases[i].base), *over = value(cases[i].over), *all;
        mn_str s = {.ctx = ctx};
        ck_assert_int_eq(mn_spec_merge(ctx, base, over, &all), 0);
        mn_node_json(&s, all);
        ck_assert_str_eq(s.text, cases[i].json);
        mn_str_free(&s);
        mn_node_free(ctx, all);
        mn_node_free(ctx, base);
        mn_node_free(ctx, over);
    }
}
END_TEST

static int note(const char *name, const mn_node *spec, void *ud) {
    const char *type;
    const mn_node *args;
    ck_assert_int_eq(mn_spec_parse(ctx, spec, NULL, &type, &args), 0);
    mn_str_addf(ud, "%s=%s ", name ? name : "-", type);
    return 0;
}

START_TEST(visited_specs) {
    static const struct {
        const char *specs, *visited;
    } cases[] = {
        {"A", "-=A "},
        {"{type: A, args: {x: 1}}", "-=A "},
        {"[A, {x: 1}]", "-=A "},
        {"[A, B]", "-=A -=B "},
        {"[A, {type: B}]", "-=A -=B "},
        {"{p: A, q: {type: B}}", "p=A q=B "},
        {"[[A, {x: 1}], B]", "-=A -=B "},
        {"null", ""},
        {"{type: {type: A}, args: B}", "type=A args=B "},
    };
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_node *specs = value(cases[i].specs);
        mn_str s = {.ctx = ctx};
        mn_str_add(&s, "");
        ck_assert_int_eq(mn_specs_visit(specs, note, &s), 0);
        ck_assert_str_eq(s.text, cases[i].visited);
        mn_str_free(&s);
        mn_node_free(ctx, specs);
    }
}
END_TEST

/* ---- args ---- */

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
        expect_check("optimizer", yaml, status, cases[i].message);
    }
}
END_TEST

static int build(const char *yaml, const char *more_yaml, built *b) {
    mn_node *spec = value(yaml), *more = more_yaml ? value(more_yaml) : NULL;
    const int rc = mn_registry_build(ctx, "optimizer", spec, NULL, more, &rows, b);
    mn_node_free(ctx, spec);
    mn_node_free(ctx, more);
    return rc;
}

START_TEST(building) {
    built b;
    ck_assert_int_eq(build("{type: sgd, args: {lr: 1, n: 4.0, schedule: CosineAnnealingLR}}", NULL, &b), 0);
    ck_assert_str_eq(b.name, "SGD");
    ck_assert(b.lr == 1.0 && b.momentum == 0.9 && b.beta == 0.999 && b.n == 4 && !b.nesterov && b.has_schedule);
    ck_assert_str_eq(b.mode, "train");
    ck_assert_ptr_eq(b.env, &rows);
    ck_assert_int_eq(build("{type: SGD, args: {lr: 1}}", NULL, &b), 0);
    ck_assert_int_eq(b.has_schedule, 0);
}
END_TEST

/* spec 1.5: the spec's own args win over those from the framework. */
START_TEST(args_from_the_framework) {
    built b;
    ck_assert_int_eq(build("SGD", "{lr: 0.5, momentum: 0.1, unknown: 1}", &b), 0);
    ck_assert(b.lr == 0.5 && b.momentum == 0.1);
    ck_assert_int_eq(build("{type: SGD, args: {momentum: 0.7}}", "{lr: 0.5, momentum: 0.1}", &b), 0);
    ck_assert(b.lr == 0.5 && b.momentum == 0.7);
    ck_assert_int_eq(build("SGD", NULL, &b), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "f.yaml:1: SGD needs the arg 'lr' (learning rate)");
}
END_TEST

START_TEST(errors_of_builders) {
    built b;
    ck_assert_int_eq(build("type: SGD\nargs:\n  lr: 1\n  momentum: -1\n", NULL, &b), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "f.yaml:4: SGD.momentum: -1 is below 0");
    ck_assert_int_eq(build("\ntype: SGD\nargs: {lr: 1, n: -2}\n", NULL, &b), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "f.yaml:3: SGD.n: -2 is below 0");
    ck_assert_int_eq(build("\n\nSGD\n", "{lr: 1, momentum: -3}", &b), MODNAS_ECONFIG);
    ck_assert_int_eq(build("Nothing", NULL, &b), MODNAS_ENOTFOUND);
}
END_TEST

/* ---- memory ---- */

static int64_t allocs_left;

static void *failing_alloc(void *ptr, size_t bytes, void *ud) {
    (void)ud;
    if (!bytes) {
        free(ptr);
        return NULL;
    }
    if (allocs_left == 0) return NULL;
    allocs_left--;
    return realloc(ptr, bytes);
}

START_TEST(out_of_memory) {
    const modnas_ctx_opts opts = {.size = sizeof opts, .alloc_fn = failing_alloc};
    int n = 0;
    for (int rc = MODNAS_ENOMEM; rc; n++) {
        modnas_ctx *c;
        mn_node *spec;
        built b;
        allocs_left = -1;
        ck_assert_int_eq(modnas_ctx_new(&opts, &c), 0);
        ck_assert_int_eq(mn_yaml_value(c, "{type: SGD, args: {lr: 1, losses: [CrossEntropyLoss]}}", "t", &spec), 0);
        allocs_left = n;
        rc = mn_registry_add_all(c, rows, MN_COUNT(rows));
        if (!rc) rc = mn_registry_build(c, "optimizer", spec, NULL, NULL, NULL, &b);
        allocs_left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        mn_node_free(c, spec);
        modnas_ctx_free(c);
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

int main(void) {
    Suite *s = suite_create("registry");
    TCase *t = tcase_create("registry");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names);
    tcase_add_test(t, aliases);
    tcase_add_test(t, missing);
    tcase_add_test(t, three_forms);
    tcase_add_test(t, bad_specs);
    tcase_add_test(t, keys_of_kinds);
    tcase_add_test(t, parts);
    tcase_add_test(t, merged_specs);
    tcase_add_test(t, visited_specs);
    tcase_add_test(t, arg_types);
    tcase_add_test(t, building);
    tcase_add_test(t, args_from_the_framework);
    tcase_add_test(t, errors_of_builders);
    tcase_add_test(t, out_of_memory);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
