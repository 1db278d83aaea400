/* Names of tensors in files of PyTorch's torchvision, for the networks that it has too.
 *
 *   mobilenet_v2   features.0 is the stem, features.1 ... one block each, then conv_last; classifier.1 is fc
 *
 * A block's parts are numbered here as they stand in a row, and there by groups of convolution, batch norm and
 * activation: `wide` for a block with an expansion, `narrow` for one without. */
#include <stdlib.h>
#include <string.h>

#include "models/models.h"
#include "space/slot.h"

static const char *const wide[] = {"0.0", "0.1", NULL, "1.0", "1.1", NULL, "2", "3"};
static const char *const narrow[] = {"0.0", "0.1", NULL, "1", "2"};

typedef struct part {
    const char *ours, *theirs; /* what names begin with */
} part;

static const part ends[] = {{"conv_first.", "features.0."}, {"fc.", "classifier.1."}};

static const char *after(const char *text, const char *begin) {
    const size_t n = strlen(begin);
    return strncmp(text, begin, n) == 0 ? text + n : NULL;
}

/* "NUMBER.rest" of a block's operator. */
static void name_in_block(const mn_slot *slot, size_t block, const char *part_name, mn_str *out) {
    const size_t n = slot->entity->children.n;
    const char *const *names = n == MN_COUNT(wide) ? wide : n == MN_COUNT(narrow) ? narrow : NULL;
    char *rest;
    const unsigned long i = strtoul(part_name, &rest, 10);
    if (names && i < n && names[i] && *rest == '.') mn_str_addf(out, "features.%zu.conv.%s%s", block + 1, names[i], rest);
}

static int name_block(const mn_model *m, const char *name, mn_str *out) {
    for (size_t i = 0; i < m->slots.n && !out->n; i++) {
        const mn_slot *slot = mn_model_slot(m, i);
        mn_str path = {.ctx = m->ctx};
        int rc = mn_module_path(slot->module, &path);
        mn_str_add(&path, ".ent.");
        const char *rest = path.failed ? NULL : after(name, path.text);
        if (!rc && rest && slot->entity) name_in_block(slot, i, rest, out);
        if (path.failed) rc = MODNAS_ENOMEM;
        mn_str_free(&path);
        MN_TRY(rc);
    }
    return 0;
}

int mn_torchvision_mobilenetv2(const mn_model *m, const char *name, mn_str *out) {
    const char *rest = after(name, "conv_last.");
    if (rest) mn_str_addf(out, "features.%zu.%s", m->slots.n + 1, rest);
    for (size_t i = 0; i < MN_COUNT(ends); i++)
        if ((rest = after(name, ends[i].ours))) mn_str_addf(out, "%s%s", ends[i].theirs, rest);
    if (!out->n) MN_TRY(name_block(m, name, out));
    return out->failed ? MODNAS_ENOMEM : 0;
}
