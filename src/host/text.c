/* Texts from and to hosts. A text of one line has no line numbers in messages: they would all be 1. */
#include <string.h>

#include "host/host.h"

static void forget_lines(mn_node *n) {
    n->line = 0;
    for (size_t i = 0; i < n->n; i++) forget_lines(n->items[i]);
}

int mn_host_value(modnas_ctx *ctx, const char *text, const char *what, mn_node **out) {
    mn_node *n;
    MN_TRY(mn_yaml_value(ctx, text, what, &n));
    if (!strchr(text, '\n')) forget_lines(n);
    *out = n;
    return 0;
}

/* "a: 1, b: 2" as "{a: 1, b: 2}"; with braces, or as lines of a block, it stays. */
static int read_map(modnas_ctx *ctx, const char *text, const char *what, mn_node **out) {
    const char *first = text + strspn(text, " \t\n");
    if (*first == '{' || *first == '[' || strchr(text, '\n')) return mn_host_value(ctx, text, what, out);
    mn_str braced = {.ctx = ctx};
    mn_str_addf(&braced, "{%s}", first);
    const int rc = braced.failed ? MODNAS_ENOMEM : mn_host_value(ctx, braced.text, what, out);
    mn_str_free(&braced);
    return rc;
}

int mn_host_map(modnas_ctx *ctx, const char *text, const char *what, mn_node **out) {
    mn_node *n;
    char is[80];
    MN_TRY(read_map(ctx, text ? text : "{}", what, &n));
    if (n->kind == MN_MAP) {
        *out = n;
        return 0;
    }
    const int rc =
        mn_fail(ctx, MODNAS_ECONFIG, "%s: a map of arguments is wanted, not %s", what, mn_node_what(n, is, sizeof is));
    mn_node_free(ctx, n);
    return rc;
}

int mn_host_take(mn_str *s, int rc, char **out) {
    char *text = rc ? NULL : mn_str_take(s);
    if (text)
        *out = text;
    else
        mn_str_free(s);
    return rc ? rc : text ? 0 : MODNAS_ENOMEM;
}
