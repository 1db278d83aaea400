/* A registry of toy components in a context of its own for each test. */
#include "util_toys.h"

#include <string.h>

modnas_ctx *toy_ctx;

static int build_toy(const mn_component *c, const mn_args *a, const void *env, void *out) {
    toy_built *b = out;
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

int toy_build_nothing(const mn_component *c, const mn_args *a, const void *env, void *out) {
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
    {"table", MN_ARG_LIST, "[]", NULL, "toys"},
    {"extra", MN_ARG_MAP, "{}", NULL, "more"},
    {"any", MN_ARG_ANY, "null", NULL, "anything"},
    {0},
};
static const mn_arg_def cosine_args[] = {{"eta_min", MN_ARG_REAL, "0", NULL, "last rate"}, {0}};
const mn_component toys[TOY_COUNT] = {
    {"optimizer", "SGD", "gradient descent", toy_args, build_toy, NULL},
    {"optimizer", "Ada-Max_2 x", "folded name", NULL, toy_build_nothing, NULL},
    {"lr_scheduler", "CosineAnnealingLR", "cosine", cosine_args, toy_build_nothing, NULL},
    {"criterion", "CrossEntropyLoss", "cross-entropy", NULL, toy_build_nothing, NULL},
    {"metrics", "ValidateMetrics", "validation", NULL, toy_build_nothing, NULL},
    {"optim", "SGD", "the same name in another kind", NULL, toy_build_nothing, NULL},
};

void toy_setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &toy_ctx), 0);
    ck_assert_int_eq(mn_registry_add_all(toy_ctx, toys, TOY_COUNT), 0);
}

void toy_teardown(void) {
    modnas_ctx_free(toy_ctx);
}

mn_node *toy_value(const char *yaml) {
    mn_node *docs;
    ck_assert_msg(mn_yaml_read(toy_ctx, yaml, strlen(yaml), "f.yaml", &docs) == 0, "%s", modnas_errmsg(toy_ctx));
    mn_node *v = docs->items[0];
    docs->n = 0;
    mn_node_free(toy_ctx, docs);
    return v;
}

void toy_expect_check(const char *kind, const char *yaml, int status, const char *message) {
    mn_node *spec = toy_value(yaml);
    const int rc = mn_spec_check(toy_ctx, kind, spec, NULL);
    ck_assert_msg(rc == status, "%s: %d %s", yaml, rc, modnas_errmsg(toy_ctx));
    if (message) ck_assert_str_eq(modnas_errmsg(toy_ctx), message);
    mn_node_free(toy_ctx, spec);
}
