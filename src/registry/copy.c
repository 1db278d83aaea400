/* A copy of a component's row: one block with the row, its args and all their texts, so that one free undoes it.
 *
 *   | mn_component | args, the last one all zero | texts, one behind the other | */
#include <string.h>

#include "registry/args.h"

static size_t text_bytes(const char *const *texts, size_t n) {
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        if (texts[i]) bytes += strlen(texts[i]) + 1;
    return bytes;
}

/* Copy *text to *at and let it point there. */
static void move_text(const char **text, char **at) {
    if (!*text) return;
    const size_t bytes = strlen(*text) + 1;
    *text = memcpy(*at, *text, bytes);
    *at += bytes;
}

mn_component *mn_component_copy(modnas_ctx *ctx, const mn_component *c) {
    size_t n_args = 0, bytes = text_bytes((const char *const[]){c->kind, c->name, c->text}, 3);
    for (const mn_arg_def *d = c->args; d && d->name; d++, n_args++)
        bytes += text_bytes((const char *const[]){d->name, d->def, d->of, d->text}, 4);
    const size_t args_bytes = (n_args + 1) * sizeof(mn_arg_def);
    char *block = mn_alloc(ctx, sizeof *c + args_bytes + bytes, 1);
    if (!block) return NULL;
    mn_component *copy = memcpy(block, c, sizeof *c);
    mn_arg_def *args = (mn_arg_def *)(copy + 1);
    char *at = block + sizeof *c + args_bytes;
    if (n_args) memcpy(args, c->args, n_args * sizeof *args);
    if (c->args) copy->args = args;
    move_text(&copy->kind, &at);
    move_text(&copy->name, &at);
    move_text(&copy->text, &at);
    for (mn_arg_def *d = args; d->name; d++) {
        move_text(&d->name, &at);
        move_text(&d->def, &at);
        move_text(&d->of, &at);
        move_text(&d->text, &at);
    }
    return copy;
}
