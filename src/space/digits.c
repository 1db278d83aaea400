/* Architectures as one text, a digit a Slot: "0122" instead of [SKIP, IR3E3, IR5E6, IR5E6]. Spaces of published tables
 * are written so; a model of one says what its digits mean (mn_model.digits), and any list is good for it as well. */
#include <string.h>

#include "space/candidates.h"

static int fail_digits(const mn_model *model, const mn_node *text) {
    const mn_digits *d = model->digits;
    char prefix[288];
    return mn_fail(model->ctx, MODNAS_ECONFIG, "%sarch_desc '%.40s': an architecture of %s is %d digits, each 0 to %d",
                   mn_spec_prefix(text, prefix, sizeof prefix), text->text, model->type, d->n, d->n_ops - 1);
}

static int add_op(modnas_ctx *ctx, mn_node *list, const char *op, const mn_node *from) {
    mn_node *item = mn_node_str(ctx, op);
    int rc = item ? mn_node_add(ctx, list, item) : MODNAS_ENOMEM;
    if (!rc && from->file) rc = mn_node_place(ctx, item, from->file, from->line);
    return rc;
}

int mn_digits_read(const mn_model *model, const mn_node *text, mn_node **out) {
    const mn_digits *d = model->digits;
    if (strlen(text->text) != (size_t)d->n) return fail_digits(model, text);
    for (int32_t i = 0; i < d->n; i++)
        if (text->text[i] < '0' || text->text[i] >= '0' + d->n_ops) return fail_digits(model, text);
    mn_node *list = mn_node_new(model->ctx, MN_SEQ);
    int rc = list ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < model->slots.n && !rc; i++)
        rc = add_op(model->ctx, list, d->ops[text->text[i % (size_t)d->n] - '0'], text);
    if (!rc && text->file) rc = mn_node_place(model->ctx, list, text->file, text->line);
    if (rc)
        mn_node_free(model->ctx, list);
    else
        *out = list;
    return rc;
}

/* The digit of an item, 0 if it has none. */
static char digit_of(const mn_digits *d, const mn_node *item) {
    if (item->kind == MN_SEQ && item->n == 1) item = item->items[0];
    for (int32_t i = 0; i < d->n_ops && item->kind == MN_STR; i++)
        if (strcmp(d->ops[i], item->text) == 0) return (char)('0' + i);
    return 0;
}

int mn_digits_write(const mn_model *model, const mn_node *list, mn_node **out) {
    const mn_digits *d = model->digits;
    char text[MN_DIGITS_MAX + 1] = "";
    *out = NULL;
    if (!d) return 0;
    for (size_t i = 0; i < list->n; i++) {
        const size_t at = i % (size_t)d->n;
        const char digit = digit_of(d, list->items[i]);
        if (!digit || (text[at] && text[at] != digit)) return 0;
        text[at] = digit;
    }
    *out = mn_node_str(model->ctx, text);
    return *out ? 0 : MODNAS_ENOMEM;
}
