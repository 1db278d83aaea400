/* Operators of the graph that add, multiply and move elements, and those of mixed ops. What each is checked for is in
 * util_graph.h. */
#include <check.h>

#include "util_graph.h"

static int add(gn_net *t, mn_value **v, mn_value **y) {
    return mn_add(t->run, v[0], v[1], y);
}

static int add_self(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_add(t->run, v[0], v[0], y));
    return mn_add(t->run, *y, v[0], y);
}

static int mul(gn_net *t, mn_value **v, mn_value **y) {
    return mn_binary(t->run, MODNAS_BINARY_MUL, v[0], v[1], y);
}

static int sub(gn_net *t, mn_value **v, mn_value **y) {
    return mn_binary(t->run, MODNAS_BINARY_SUB, v[0], v[1], y);
}

static int quotient(gn_net *t, mn_value **v, mn_value **y) { /* of a number near 2 */
    mn_value *b;
    MN_TRY(mn_activation(t->run, v[1], MODNAS_ACT_LINEAR, 0.3, 2, &b));
    return mn_binary(t->run, MODNAS_BINARY_DIV, v[0], b, y);
}

static int reduce_sum(gn_net *t, mn_value **v, mn_value **y) {
    return mn_reduce(t->run, MODNAS_REDUCE_SUM, v[0], (int64_t[]){2, 1, 5, 1}, y);
}
static int reduce_mean(gn_net *t, mn_value **v, mn_value **y) {
    return mn_reduce(t->run, MODNAS_REDUCE_MEAN, v[0], (int64_t[]){1, 4, 1, 6}, y);
}

static int split(gn_net *t, mn_value **v, mn_value **y) {
    mn_value *part[3];
    MN_TRY(mn_split(t->run, v[0], 1, (int32_t[]){1, 2, 1}, 3, part));
    MN_TRY(mn_activation(t->run, part[0], MODNAS_ACT_TANH, 0, 0, &part[0]));
    return mn_concat(t->run, (mn_value *[]){part[2], part[0], part[1], part[2]}, 4, 1, y);
}

static int backwards(gn_net *t, mn_value **v, mn_value **y) {
    return mn_slice(t->run, v[0], (int32_t[]){1, 0, 4, 5}, (int32_t[]){-1, 1, -1, -2}, (int32_t[]){2, 4, 5, 3}, y);
}

static int border_of(gn_net *t, mn_value *x, int32_t border, mn_value **y) {
    return mn_pad_border(t->run, x, (int32_t[]){0, 1, 3, 2}, (int32_t[]){0, 0, 2, 5}, border, y);
}
static int reflect(gn_net *t, mn_value **v, mn_value **y) {
    return border_of(t, v[0], MN_BORDER_REFLECT, y);
}
static int edge(gn_net *t, mn_value **v, mn_value **y) {
    return border_of(t, v[0], MN_BORDER_EDGE, y);
}
static int wrap(gn_net *t, mn_value **v, mn_value **y) {
    return border_of(t, v[0], MN_BORDER_WRAP, y);
}

static int concat(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_concat(t->run, (mn_value *[]){v[0], v[1], v[0]}, 3, 1, y));
    return mn_concat(t->run, (mn_value *[]){*y, *y}, 2, 3, y);
}

static int slice(gn_net *t, mn_value **v, mn_value **y) {
    return mn_slice(t->run, v[0], (int32_t[]){0, 1, 1, 0}, (int32_t[]){1, 1, 2, 3}, (int32_t[]){2, 2, 2, 2}, y);
}

static int pad(gn_net *t, mn_value **v, mn_value **y) {
    return mn_pad(t->run, v[0], (int32_t[]){0, 1, 2, 0}, (int32_t[]){0, 0, 1, 3}, 0.5, y);
}

static int zero_add(gn_net *t, mn_value **v, mn_value **y) {
    mn_value *z;
    MN_TRY(mn_zero(t->run, v[0]->dims, &z));
    MN_TRY(mn_add(t->run, z, v[0], y));
    ck_assert_ptr_eq(*y, v[0]);
    return mn_concat(t->run, (mn_value *[]){z, *y}, 2, 2, y);
}

/* Behind a convolution, whose layout may be blocked. */
static int reshape(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_conv2d(t->run, v[0], v[1], NULL, NULL, y));
    const int64_t *d = (*y)->dims, n = d[1] * d[2] * d[3];
    MN_TRY(mn_reshape(t->run, *y, (int64_t[]){d[0], n, 1, 1}, y));
    return mn_reshape(t->run, *y, (int64_t[]){1, 4, 2 * n / 4, 1}, y);
}

static int shuffle(gn_net *t, mn_value **v, mn_value **y) {
    return mn_shuffle(t->run, v[0], 3, y);
}

static int resize(gn_net *t, mn_value **v, mn_value **y) {
    return mn_resize(t->run, v[0], 3, 8, y);
}

static int weighted_sum(gn_net *t, mn_value **v, mn_value **y) {
    mn_value *p, *z;
    MN_TRY(mn_softmax(t->run, v[0], 0, &p));
    MN_TRY(mn_zero(t->run, v[1]->dims, &z));
    return mn_weighted_sum(t->run, p, (mn_value *[]){z, v[1], v[2]}, 3, y);
}

static int pick(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_pick(t->run, v[0], (int32_t[]){4, 1, 2}, 3, y));
    return mn_softmax(t->run, *y, 0, y);
}

#define X4                                                                                                             \
    { 2, 4, 5, 6 }
static const gn_case cases[] = {
    {"add", {X4, X4}, add, 0, 0},
    {"add, thrice the same", {X4}, add_self, 0, 0},
    {"mul, broadcast", {X4, {1, 4, 1, 6}}, mul, 0, 0},
    {"sub, broadcast", {{2, 4, 1, 6}, {1, 4, 5, 1}}, sub, 0, 0},
    {"div, broadcast", {X4, {1, 4, 1, 6}}, quotient, 0, 0},
    {"reduce, sum", {X4}, reduce_sum, 0, 0},
    {"reduce, mean", {X4}, reduce_mean, 0, 0},
    {"split", {X4}, split, 0, 0},
    {"slice, backwards", {X4}, backwards, 0, 0},
    {"pad, reflect", {X4}, reflect, 0, 0},
    {"pad, edge", {X4}, edge, 0, 0},
    {"pad, wrap", {X4}, wrap, 0, 0},
    {"concat", {X4, {2, 3, 5, 6}}, concat, 0, 0},
    {"slice", {{2, 4, 5, 6}}, slice, 0, 0},
    {"pad", {X4}, pad, 0, 0},
    {"zero", {X4}, zero_add, 0, 0},
    {"reshape", {X4, {6, 4, 3, 3}}, reshape, 0, 0},
    {"shuffle", {{2, 6, 3, 2}}, shuffle, 0, 0},
    {"resize", {X4}, resize, 0, 0},
    {"weighted_sum", {{1, 3, 1, 1}, X4, X4}, weighted_sum, 0, 0},
    {"pick", {{1, 5, 1, 1}}, pick, 0, 0},
};

int main(void) {
    return gn_run_cases("graph_algebra", cases, (int)MN_COUNT(cases));
}
