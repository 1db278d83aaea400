/* DefaultHParamSpaceConstructor: a space of hyper-parameters. Each is a list of values, or one range of numbers in a
 * list: [[low, high]]. What they mean is the affair of who reads an architecture. */
#include <math.h>
#include <stdio.h>

#include "construct/parts.h"

static const double largest_whole = 9007199254740992.0; /* 2^53: up to it every whole number is a double */

/* With the place of the parameter, and its name or number. */
static int fail(const mn_args *a, const char *name, const mn_node *v, const char *what) {
    char where[256];
    return mn_fail(a->ctx, MODNAS_ECONFIG, "%s: %s.params.%s: %s",
                   mn_node_where(v->file ? v : a->origin, where, sizeof where), a->component->name, name, what);
}

static int is_number(const mn_node *v) {
    return (v->kind == MN_INT || v->kind == MN_REAL) && isfinite(v->r);
}

static int is_whole(const mn_node *v) {
    return v->kind == MN_INT && fabs(v->r) <= largest_whole;
}

/* Of whole numbers if both ends are such. */
static int add_range(mn_space *space, const mn_args *a, const char *name, const char *called, const mn_node *range) {
    mn_arch_param *p;
    if (range->n != 2 || !is_number(range->items[0]) || !is_number(range->items[1]))
        return fail(a, called, range, "a range is [[low, high]], two numbers");
    const mn_node *low = range->items[0], *high = range->items[1];
    if (low->r > high->r) return fail(a, called, range, "the range ends below its start");
    return mn_space_numeric(space, name, low->r, high->r, is_whole(low) && is_whole(high), &p);
}

/* name NULL: the space makes one. called: what messages say. */
static int add(mn_space *space, const mn_args *a, const char *name, const char *called, const mn_node *v) {
    mn_arch_param *p;
    if (v->kind != MN_SEQ || !v->n) return fail(a, called, v, "a list of values, or [[low, high]], is wanted");
    if (v->n == 1 && v->items[0]->kind == MN_SEQ) return add_range(space, a, name, called, v->items[0]);
    mn_node *choices = mn_node_copy(a->ctx, v);
    return choices ? mn_space_categorical(space, name, choices, &p) : MODNAS_ENOMEM;
}

static int run(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_node *params = mn_args_node(args, "params");
    mn_space *space;
    (void)c, (void)out;
    if (!params || (params->kind != MN_MAP && params->kind != MN_SEQ) || !params->n)
        return mn_args_fail(args, "params", "a map of names to values, or a list of these, is wanted");
    MN_TRY(mn_space_of(((const mn_construct_env *)env)->model, &space));
    for (size_t i = 0; i < params->n; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        const char *name = params->kind == MN_MAP ? params->keys[i] : NULL;
        MN_TRY(add(space, args, name, name ? name : number, params->items[i]));
    }
    return 0;
}

static const mn_arg_def args_of[] = {
    {"params", MN_ARG_ANY, NULL, NULL, "name: [value, ...] or name: [[low, high]]; a list of such lists: without names"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {
    "construct", "DefaultHParamSpaceConstructor", "a space of hyper-parameters: values and ranges", args_of, run, NULL};

int mn_construct_hparam_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
