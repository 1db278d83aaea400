/* Names of tensors in files of PyTorch's torchvision, for the networks that it has too.
 *
 *   mobilenet_v2         features.0 is the stem, features.1 ... one block each, then the last convolution; classifier.1
 *   mobilenet_v3_large   the same, classifier.0 and classifier.3
 *   resnet*              layer1.0.conv1 is part 0 of layers.0.0.conv1, bn1 its part 1
 *
 * A block's parts are numbered here as they stand in a row, and there by groups of convolution, batch norm and
 * activation: features.3.conv.1.0 is the convolution of the second group. Squeeze and excitation is a group of its own.
 * The last group has no activation: in mobilenet_v2 its parts stand beside the groups. */
#include <stdlib.h>
#include <string.h>

#include "models/models.h"

typedef struct part {
    const char *ours, *theirs; /* what names begin with; theirs NULL: number of the feature behind the blocks */
} part;

typedef struct scheme {
    const char *block; /* what a block's operator is called */
    int32_t flat_end;  /* parts of its last group stand beside the groups */
    part parts[4];
} scheme;

static const scheme v2 = {
    "conv", 1, {{"conv_first.", "features.0."}, {"conv_last.", NULL}, {"fc.", "classifier.1."}, {NULL, NULL}}};
static const scheme v3 = {
    "block", 0, {{"features.0.", "features.0."}, {"conv.", NULL}, {"classifier.", "classifier."}, {NULL, NULL}}};

static const char *after(const char *text, const char *begin) {
    const size_t n = strlen(begin);
    return strncmp(text, begin, n) == 0 ? text + n : NULL;
}

static int is_type(const mn_module *m, const char *type) {
    return strcmp(m->vt->type, type) == 0;
}

/* Where child i is: the number of its group and its own in it; is_last: no group is behind it. */
static void find_group(const mn_module *entity, size_t i, size_t *group, size_t *at, int *is_last) {
    *group = *at = 0;
    *is_last = 1;
    for (size_t k = 0; k < entity->children.n; k++) {
        const mn_module *m = MN_AT(entity->children, mn_module *, k);
        const int ends = is_type(m, "activation") || is_type(m, MN_SQUEEZE_EXCITE);
        if (k >= i) {
            *is_last &= !ends;
            continue;
        }
        *at = ends ? 0 : *at + 1;
        *group += (size_t)ends;
    }
}

/* "NUMBER.rest" of a block's operator. */
static void name_in_block(const scheme *s, const mn_slot *slot, size_t block, const char *name, mn_str *out) {
    char *rest;
    const unsigned long i = strtoul(name, &rest, 10);
    size_t group, at;
    int is_last;
    if (rest == name || *rest != '.' || i >= slot->entity->children.n) return;
    find_group(slot->entity, i, &group, &at, &is_last);
    mn_str_addf(out, "features.%zu.%s.", block + 1, s->block);
    if (is_type(MN_AT(slot->entity->children, mn_module *, i), MN_SQUEEZE_EXCITE)) {
        const char *first = after(rest, ".net.1"), *second = after(rest, ".net.3");
        mn_str_addf(out, "%zu.%s%s", group, first ? "fc1" : "fc2", first ? first : second ? second : rest);
    } else if (is_last && s->flat_end) {
        mn_str_addf(out, "%zu%s", group + at, rest);
    } else {
        mn_str_addf(out, "%zu.%zu%s", group, at, rest);
    }
}

static int name_block(const scheme *s, const mn_model *m, const char *name, mn_str *out) {
    for (size_t i = 0; i < m->slots.n && !out->n; i++) {
        const mn_slot *slot = mn_model_slot(m, i);
        mn_str path = {.ctx = m->ctx};
        int rc = mn_module_path(slot->module, &path);
        mn_str_add(&path, ".ent.");
        const char *rest = path.failed ? NULL : after(name, path.text);
        if (!rc && rest && slot->entity) name_in_block(s, slot, i, rest, out);
        if (path.failed) rc = MODNAS_ENOMEM;
        mn_str_free(&path);
        MN_TRY(rc);
    }
    return 0;
}

static int translate(const scheme *s, const mn_model *m, const char *name, mn_str *out) {
    for (const part *p = s->parts; p->ours; p++) {
        const char *rest = after(name, p->ours);
        if (rest && p->theirs) mn_str_addf(out, "%s%s", p->theirs, rest);
        if (rest && !p->theirs) mn_str_addf(out, "features.%zu.%s", m->slots.n + 1, rest);
    }
    if (!out->n) MN_TRY(name_block(s, m, name, out));
    return out->failed ? MODNAS_ENOMEM : 0;
}

int mn_torchvision_mobilenetv2(const mn_model *m, const char *name, mn_str *out) {
    return translate(&v2, m, name, out);
}

int mn_torchvision_mobilenetv3(const mn_model *m, const char *name, mn_str *out) {
    return translate(&v3, m, name, out);
}

/* ---- resnet ---------------------------------------------------------------------------------------------- */

/* Of what stands in a block, or beside the stages: "conv1.0.rest" (in a Slot "conv1.ent.0.rest") is conv1.rest there,
 * "conv1.1.rest" bn1.rest. */
static void name_conv(const char *name, mn_str *out) {
    const char *at = after(name, "conv"), *rest, *const kinds[] = {"conv", "bn"};
    char *dot;
    if (!at) return;
    const unsigned long number = strtoul(at, &dot, 10);
    if (*dot != '.') return;
    at = (rest = after(dot, ".ent.")) ? rest : dot + 1;
    for (size_t i = 0; i < MN_COUNT(kinds); i++) {
        const char begin[] = {(char)('0' + i), '.', 0};
        if ((rest = after(at, begin))) mn_str_addf(out, "%s%lu.%s", kinds[i], number, rest);
    }
}

/* "STAGE.BLOCK.part" */
static void name_residual(const char *name, mn_str *out) {
    char *dot, *end = NULL;
    const unsigned long stage = strtoul(name, &dot, 10), block = *dot == '.' ? strtoul(dot + 1, &end, 10) : 0;
    if (!end || *end != '.') return;
    mn_str name_there = {.ctx = out->ctx};
    const char *rest = after(end + 1, "downsample.0.");
    if (rest)
        mn_str_addf(&name_there, "downsample.%s", rest);
    else if (after(end + 1, "bn"))
        mn_str_add(&name_there, end + 1);
    else
        name_conv(end + 1, &name_there);
    if (name_there.n) mn_str_addf(out, "layer%lu.%lu.%s", stage + 1, block, name_there.text);
    out->failed |= name_there.failed;
    mn_str_free(&name_there);
}

int mn_torchvision_resnet(const mn_model *m, const char *name, mn_str *out) {
    const char *rest = after(name, "layers.");
    (void)m;
    if (rest)
        name_residual(rest, out);
    else if (after(name, "fc."))
        mn_str_add(out, name);
    else
        name_conv(name, out);
    return out->failed ? MODNAS_ENOMEM : 0;
}
