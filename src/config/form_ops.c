/* The form of `ops`: what candidates made of batch norm, activation and weight have in common.
 *
 *   ops: {ops_order: bn_act_weight, bn: {affine: true, eps: 1e-5, momentum: 0.1}, conv: {bias: false}, act: {inplace:
 * false}} */
#include <string.h>

#include "config/forms.h"

/* ---- ops_order ---- */

/* One word at the end of the order; -1: it is none of the three, or there already. */
static int add_word(char order[3], const char *word, size_t n) {
    static const char *const words[] = {"bn", "act", "weight"};
    for (size_t i = 0; i < MN_COUNT(words); i++) {
        if (strlen(words[i]) != n || strncmp(word, words[i], n) != 0) continue;
        if (memchr(order, words[i][0], 3)) return -1;
        order[strnlen(order, 3)] = words[i][0];
        return 0;
    }
    return -1;
}

int mn_ops_order_read(const mn_node *v, char out[3]) {
    char order[3] = {0, 0, 0};
    int bad = v->kind != MN_SEQ && v->kind != MN_STR;
    for (size_t i = 0; v->kind == MN_SEQ && i < v->n; i++) {
        const mn_node *word = v->items[i];
        bad |= word->kind != MN_STR || add_word(order, word->text, strlen(word->text));
    }
    for (const char *at = v->kind == MN_STR ? v->text : NULL; at && !bad;) {
        const size_t n = strcspn(at, "_");
        bad |= add_word(order, at, n);
        at = at[n] ? at + n + 1 : NULL;
    }
    if (bad || !order[0]) return -1;
    memcpy(out, order, sizeof order);
    return 0;
}

static int ops_order(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    char what[80], order[3];
    if (mn_ops_order_read(v, order) == 0) return 0;
    return mn_form_fail(c, def->name, v, "bn, act and weight in some order are wanted, such as bn_act_weight, not %s",
                        mn_node_what(v, what, sizeof what));
}

/* ---- bn ---- */

static int positive(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    if (v->r > 0) return 0;
    return mn_form_fail(c, def->name, v, "a number above 0 is wanted, not %g", v->r);
}

static int share(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    if (v->r > 0 && v->r <= 1) return 0;
    return mn_form_fail(c, def->name, v, "a number above 0 and up to 1 is wanted, not %g", v->r);
}

static int always(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    return v->i ? 0 : mn_form_fail(c, def->name, v, "batch norm without running statistics is not there");
}

/* ---- the whole ---- */

int mn_form_ops(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    static const mn_key_def bn[] = {
        {{"affine", MN_ARG_BOOL, "true", NULL, "scale and shift are trained"}, NULL},
        {{"eps", MN_ARG_REAL, "1e-5", NULL, "added to the variance"}, positive},
        {{"momentum", MN_ARG_REAL, "0.1", NULL, "share of a batch in the running statistics"}, share},
        {{"track_running_stats", MN_ARG_BOOL, "true", NULL, "accepted"}, always},
        {{0}, NULL},
    };
    static const mn_key_def conv[] = {{{"bias", MN_ARG_BOOL, "false", NULL, "of every convolution"}, NULL},
                                      {{0}, NULL}};
    static const mn_key_def act[] = {{{"inplace", MN_ARG_BOOL, "false", NULL, "accepted"}, NULL}, {{0}, NULL}};
    static const mn_key_def fields[] = {
        {{"ops_order", MN_ARG_ANY, "bn_act_weight", NULL, "order within an operator"}, ops_order},
        {{"bn", MN_ARG_MAP, "null", NULL, "batch norm"}, NULL},
        {{"conv", MN_ARG_MAP, "null", NULL, "convolution"}, NULL},
        {{"act", MN_ARG_MAP, "null", NULL, "activation"}, NULL},
        {{"affine", MN_ARG_BOOL, "true", NULL, "without effect, as in the original"}, NULL},
        {{0}, NULL},
    };
    static const struct {
        const char *key, *owner;
        const mn_key_def *fields;
    } inner[] = {{"bn", "ops.bn", bn}, {"conv", "ops.conv", conv}, {"act", "ops.act", act}};
    MN_TRY(mn_form_settings(c, def->name, v, fields));
    for (size_t i = 0; i < MN_COUNT(inner); i++) {
        const mn_node *m = mn_node_get(v, inner[i].key);
        if (m && m->kind == MN_MAP) MN_TRY(mn_form_settings(c, inner[i].owner, m, inner[i].fields));
    }
    return 0;
}
