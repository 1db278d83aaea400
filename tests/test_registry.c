/* The registry: names, aliases, and specs in their three forms. */
#include <string.h>

#include "util_toys.h"

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
    ck_assert_ptr_eq(mn_registry_find(toy_ctx, "optimizer", "sgd"), &toys[0]);
    ck_assert_ptr_eq(mn_registry_find(toy_ctx, "optim", "S_G-D"), &toys[5]);
    ck_assert_ptr_eq(mn_registry_find(toy_ctx, "optimizer", "adamax2X"), &toys[1]);
    ck_assert_ptr_eq(mn_registry_find(toy_ctx, "lrscheduler", "cosine annealing lr"), &toys[2]);
    ck_assert_ptr_null(mn_registry_find(toy_ctx, "optimizer", "SGDD"));
    ck_assert_ptr_null(mn_registry_find(toy_ctx, "model", "SGD"));
    static const mn_component twin = {"optimizer", "s-g-d", "", NULL, toy_build_nothing, NULL};
    ck_assert_int_eq(mn_registry_add(toy_ctx, &twin), MODNAS_EEXIST);
    ck_assert_str_eq(modnas_errmsg(toy_ctx), "optimizer 's-g-d' is there already");
    int n = 0;
    ck_assert_int_eq(mn_registry_visit(toy_ctx, NULL, count, &n), 0);
    ck_assert_int_eq(n, (int)TOY_COUNT);
    n = 0;
    ck_assert_int_eq(mn_registry_visit(toy_ctx, "optimizer", count, &n), 0);
    ck_assert_int_eq(n, 2);
    const mn_component *first = NULL;
    ck_assert_int_eq(mn_registry_visit(toy_ctx, NULL, stop, &first), 42);
    ck_assert_ptr_eq(first, &toys[0]);
    char huge[400];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    ck_assert_ptr_null(mn_registry_find(toy_ctx, "optimizer", huge));
}
END_TEST

START_TEST(aliases) {
    ck_assert_int_eq(mn_registry_alias(toy_ctx, "optimizer", "GradientDescent", "SGD"), 0);
    ck_assert_ptr_eq(mn_registry_find(toy_ctx, "optimizer", "gradient_descent"), &toys[0]);
    ck_assert_int_eq(mn_registry_alias(toy_ctx, "optimizer", "sgd", "SGD"), MODNAS_EEXIST);
    ck_assert_int_eq(mn_registry_alias(toy_ctx, "optimizer", "x", "nothing"), MODNAS_ENOTFOUND);
    int n = 0;
    ck_assert_int_eq(mn_registry_visit(toy_ctx, "optimizer", count, &n), 0);
    ck_assert_int_eq(n, 2); /* an alias is no component of its own */
}
END_TEST

START_TEST(missing) {
    const mn_component *c = NULL;
    mn_node *spec = toy_value("\n\nSDG\n");
    ck_assert_int_eq(mn_registry_need(toy_ctx, "optimizer", "SDG", spec, &c), MODNAS_ENOTFOUND);
    ck_assert_str_eq(modnas_errmsg(toy_ctx), "f.yaml:3: no optimizer named 'SDG'; did you mean 'SGD'?");
    ck_assert_int_eq(mn_registry_need(toy_ctx, "optimizer", "Xyzzy", NULL, &c), MODNAS_ENOTFOUND);
    ck_assert_str_eq(modnas_errmsg(toy_ctx), "no optimizer named 'Xyzzy'");
    ck_assert_ptr_null(c);
    mn_node_free(toy_ctx, spec);
    modnas_ctx *empty;
    ck_assert_int_eq(modnas_ctx_new(NULL, &empty), 0); /* nothing was ever added to it */
    ck_assert_ptr_null(mn_registry_find(empty, "optimizer", "SGD"));
    ck_assert_int_eq(mn_registry_need(empty, "optimizer", "SGD", NULL, &c), MODNAS_ENOTFOUND);
    ck_assert_int_eq(mn_registry_visit(empty, NULL, count, NULL), 0);
    modnas_ctx_free(empty);
}
END_TEST

START_TEST(three_forms) {
    static const char *const forms[] = {"{type: SGD, args: {lr: 1}}", "[SGD, {lr: 1}]", "type: SGD\nargs:\n  lr: 1\n"};
    for (size_t i = 0; i < MN_COUNT(forms); i++) {
        const char *type;
        const mn_node *args;
        mn_node *spec = toy_value(forms[i]);
        ck_assert_int_eq(mn_spec_parse(toy_ctx, spec, NULL, &type, &args), 0);
        ck_assert_str_eq(type, "SGD");
        ck_assert_int_eq(mn_node_get(args, "lr")->i, 1);
        mn_node_free(toy_ctx, spec);
        toy_expect_check("optimizer", forms[i], 0, NULL);
    }
    toy_expect_check("lr_scheduler", "CosineAnnealingLR", 0, NULL);
    toy_expect_check("lr_scheduler", "[CosineAnnealingLR]", 0, NULL);
    toy_expect_check("lr_scheduler", "{type: CosineAnnealingLR, args: {}}", 0, NULL);
}
END_TEST

START_TEST(bad_specs) {
    toy_expect_check(
        "optimizer", "7", MODNAS_ECONFIG,
        "f.yaml:1: optimizer: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not the number 7");
    toy_expect_check(
        "optimizer", "{}", MODNAS_ECONFIG,
        "f.yaml:1: optimizer: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not an empty map");
    toy_expect_check("optimizer", "[SGD, {}, 1]", MODNAS_ECONFIG,
                     "f.yaml:1: optimizer: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not a list");
    toy_expect_check("optimizer", "{type: 3}", MODNAS_ECONFIG,
                     "f.yaml:1: optimizer: a name is wanted, not the number 3");
    toy_expect_check("optimizer", "{args: {lr: 1}}", MODNAS_ECONFIG, "f.yaml:1: this optimizer has no type");
    toy_expect_check("optimizer", "type: SGD\nargs: 5\n", MODNAS_ECONFIG,
                     "f.yaml:2: args: a map is wanted, not the number 5");
    toy_expect_check("optimizer", "type: SGD\nargs:\n", MODNAS_ECONFIG,
                     "f.yaml:2: args: a map is wanted, not an empty value");
    toy_expect_check("optimizer", "type: SGD\nagrs: {lr: 1}\n", MODNAS_ECONFIG,
                     "f.yaml:2: unknown key 'agrs' of this optimizer; did you mean 'args'?");
    toy_expect_check("optimizer", "type: SDG\nargs: {lr: 1}\n", MODNAS_ENOTFOUND,
                     "f.yaml:1: no optimizer named 'SDG'; did you mean 'SGD'?");
}
END_TEST

/* spec 1.5: criteria also have `mode`, metrics base, weight, alpha, beta. */
START_TEST(keys_of_kinds) {
    toy_expect_check("criterion", "{type: CrossEntropyLoss, mode: train}", 0, NULL);
    toy_expect_check("criterion", "type: CrossEntropyLoss\nmode: trian\n", MODNAS_ECONFIG,
                     "f.yaml:2: criterion.mode: 'trian' is none of all, train, valid, eval; did you mean 'train'?");
    toy_expect_check("metrics", "{type: ValidateMetrics, base: 1, weight: 0.5, alpha: 1, beta: 2}", 0, NULL);
    toy_expect_check("optimizer", "{type: SGD, mode: train}", MODNAS_ECONFIG,
                     "f.yaml:1: unknown key 'mode' of this optimizer");
    static const char *const extra[] = {"candidates", NULL};
    mn_node *spec = toy_value("{type: SGD, args: {lr: 1}, candidates: [a]}");
    ck_assert_int_eq(mn_spec_check(toy_ctx, "optimizer", spec, extra), 0);
    ck_assert_int_eq(mn_spec_check(toy_ctx, "optimizer", spec, NULL), MODNAS_ECONFIG);
    mn_node_free(toy_ctx, spec);
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
        mn_node *spec = toy_value(cases[i].spec);
        const int rc = mn_spec_check_part(toy_ctx, "optimizer", spec, NULL, cases[i].type);
        ck_assert_msg(rc == (cases[i].message ? MODNAS_ECONFIG : 0), "%s: %s", cases[i].spec, modnas_errmsg(toy_ctx));
        if (cases[i].message) ck_assert_str_eq(modnas_errmsg(toy_ctx), cases[i].message);
        mn_node_free(toy_ctx, spec);
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
        mn_node *base = toy_value(cases[i].base), *over = toy_value(cases[i].over), *all;
        mn_str s = {.ctx = toy_ctx};
        ck_assert_int_eq(mn_spec_merge(toy_ctx, base, over, &all), 0);
        mn_node_json(&s, all);
        ck_assert_str_eq(s.text, cases[i].json);
        mn_str_free(&s);
        mn_node_free(toy_ctx, all);
        mn_node_free(toy_ctx, base);
        mn_node_free(toy_ctx, over);
    }
}
END_TEST

static int note(const char *name, const mn_node *spec, void *ud) {
    const char *type;
    const mn_node *args;
    ck_assert_int_eq(mn_spec_parse(toy_ctx, spec, NULL, &type, &args), 0);
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
        mn_node *specs = toy_value(cases[i].specs);
        mn_str s = {.ctx = toy_ctx};
        mn_str_add(&s, "");
        ck_assert_int_eq(mn_specs_visit(specs, note, &s), 0);
        ck_assert_str_eq(s.text, cases[i].visited);
        mn_str_free(&s);
        mn_node_free(toy_ctx, specs);
    }
}
END_TEST

/* ---- components made at run time ---- */

static void note_free(modnas_ctx *c, void *data) {
    (void)c;
    ((char *)data)[-1]++; /* how often */
}

/* The row is a copy: what it was made from may go. It is freed with the context, its data once. */
START_TEST(owned) {
    static char a[16], b[16];
    char kind[] = "optimizer", name[] = "My_Own", arg_name[] = "rate", def[] = "0.5", text[] = "by hand";
    mn_arg_def args[] = {{arg_name, MN_ARG_REAL, def, NULL, text}, {0}};
    const mn_component row = {kind, name, text, args, toy_build_nothing, a + 1};
    const mn_component bare = {"optimizer", "Bare", NULL, NULL, toy_build_nothing, b + 1};
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    modnas_ctx *mine = toy_ctx;
    util_host host = {.left = -1};
    const modnas_ctx_opts opts = util_host_opts(&host);
    ck_assert_int_eq(modnas_ctx_new(&opts, &toy_ctx), 0);
    ck_assert_int_eq(mn_registry_add_owned(toy_ctx, &row, note_free), 0);
    ck_assert_int_eq(mn_registry_add_owned(toy_ctx, &row, note_free), MODNAS_EEXIST); /* and its data is not taken */
    ck_assert_int_eq(mn_registry_add_owned(toy_ctx, &bare, NULL), 0);
    memset(kind, 'z', sizeof kind - 1);
    memset(name, 'z', sizeof name - 1);
    memset(arg_name, 'z', sizeof arg_name - 1);
    memset(def, 'z', sizeof def - 1);
    memset(text, 'z', sizeof text - 1);
    args[0].name = NULL;
    const mn_component *c = mn_registry_find(toy_ctx, "optimizer", "myown");
    ck_assert_ptr_nonnull(c);
    ck_assert_str_eq(c->kind, "optimizer");
    ck_assert_str_eq(c->name, "My_Own");
    ck_assert_str_eq(c->text, "by hand");
    ck_assert_str_eq(c->args[0].def, "0.5");
    ck_assert_ptr_null(c->args[0].of);
    ck_assert_ptr_null(c->args[1].name);
    ck_assert_ptr_eq(c->data, a + 1);
    ck_assert_ptr_null(mn_registry_find(toy_ctx, "optimizer", "bare")->args);
    toy_expect_check("optimizer", "{type: My_Own, args: {rat: 1}}", MODNAS_ECONFIG,
                     "f.yaml:1: My_Own has no arg 'rat'; did you mean 'rate'?");
    toy_expect_check("optimizer", "{type: MyOwn, args: {rate: 1}}", 0, NULL);
    ck_assert_int_eq(a[0], 0);
    modnas_ctx_free(toy_ctx);
    toy_ctx = mine;
    ck_assert_int_eq(a[0], 1);
    ck_assert_int_eq(b[0], 0);
    ck_assert_int_eq(host.live, 0);
}
END_TEST

/* Every allocation fails in turn: nothing is registered, the data stays the caller's, nothing leaks. */
START_TEST(owned_out_of_memory) {
    static const mn_arg_def args[] = {{"rate", MN_ARG_REAL, "0.5", NULL, "text"}, {0}};
    static char a[16];
    const mn_component row = {"optimizer", "Own", "text", args, toy_build_nothing, a + 1};
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        util_host host = {.left = -1};
        const modnas_ctx_opts opts = util_host_opts(&host);
        modnas_ctx *c;
        memset(a, 0, sizeof a);
        ck_assert_int_eq(modnas_ctx_new(&opts, &c), 0);
        host.left = tries;
        rc = mn_registry_add_owned(c, &row, note_free);
        host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        ck_assert_int_eq(mn_registry_find(c, "optimizer", "Own") != NULL, rc == 0);
        modnas_ctx_free(c);
        ck_assert_int_eq(a[0], rc == 0);
        ck_assert_int_eq(host.live, 0);
    }
    ck_assert_int_gt(tries, 4);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {names, aliases,      missing,       three_forms, bad_specs,           keys_of_kinds,
                                  parts, merged_specs, visited_specs, owned,       owned_out_of_memory, NULL};
    Suite *s = suite_create("registry");
    util_add(s, "registry", toy_setup, toy_teardown, tests);
    return util_run(s);
}
