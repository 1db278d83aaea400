/* DropPathConstructor: what the Slots give is dropped by sample, with a probability that rises from epoch to epoch. */
#include "construct/parts.h"

static int is_probability(const mn_node *v) {
    return v && (v->kind == MN_INT || v->kind == MN_REAL) && v->r >= 0 && v->r < 1;
}

int mn_drop_prob_read(const mn_args *args, double p[2]) {
    const mn_node *v = mn_args_node(args, "drop_prob");
    const int pair = v && v->kind == MN_SEQ && v->n == 2;
    const mn_node *first = pair ? v->items[0] : v, *last = pair ? v->items[1] : v;
    if (!is_probability(first) || !is_probability(last))
        return mn_args_fail(args, "drop_prob", "a number in [0, 1), or [first, last] of such, is wanted");
    p[0] = pair ? first->r : 0;
    p[1] = last->r;
    return 0;
}

static int run_drop_path(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    double p[2] = {0, 0};
    (void)c, (void)out;
    MN_TRY(mn_drop_prob_read(args, p));
    for (size_t i = 0; i < model->slots.n; i++) MN_TRY(mn_slot_drop_path(mn_model_slot(model, i), p[0], p[1]));
    return 0;
}

static const mn_arg_def args_of[] = {MN_DROP_PROB_ARG, {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {
    "construct", "DropPathConstructor", "what Slots give is dropped by sample in training, all but identities",
    args_of,     run_drop_path,         &(const mn_construct_row){.when = MN_WHEN_FILLED}};

int mn_construct_drop_path_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
