/* Architecture descriptions: reading one, and building a network from one.
 *
 *   [null, ["MB3E6"], "NIL", ...]     one item a Slot, in model order: a name, a list of one name, a spec, or null for
 * the backbone's own operator (what a search space that keeps its first block exports)
 *   "01221200"                        a digit a Slot, where the model says what they mean (space/digits.c) */
#include <stdio.h>
#include <string.h>

#include "construct/parts.h"
#include "space/candidates.h"
#include "space/nested.h"

/* ---- reading ------------------------------------------------------------------------------------------- */

static int ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

static int is_path(const char *text) {
    return !strchr(text, '\n') && (ends_with(text, ".yaml") || ends_with(text, ".yml") || ends_with(text, ".json"));
}

/* A leading "{...}/" is dropped: published configurations have one for the folder of the run. */
static const char *without_placeholder(const char *path) {
    const char *end = path[0] == '{' ? strstr(path, "}/") : NULL;
    return end ? end + 2 : path;
}

/* "DIR/output/NAME_TAG.yaml" of the original is "DIR/outputs/arch_NAME_TAG.yaml" here; 0 if path is no such name. */
static int our_name(const char *path, char *buf, size_t bytes) {
    const char *at = strstr(path, "output/");
    if (!at || strchr(at + 7, '/')) return 0;
    const int n = snprintf(buf, bytes, "%.*soutputs/arch_%s", (int)(at - path), path, at + 7);
    return n > 0 && (size_t)n < bytes;
}

enum { FILE_MAX = 16 << 20 };

static int read_file(modnas_ctx *ctx, const char *path, const mn_node *given, char **text, size_t *bytes) {
    char other[1024], where[256];
    int rc = mn_file_read(ctx, path, FILE_MAX, text, bytes);
    if (rc == MODNAS_ENOTFOUND && our_name(path, other, sizeof other)) {
        rc = mn_file_read(ctx, other, FILE_MAX, text, bytes);
        if (rc == MODNAS_ENOTFOUND)
            rc = mn_fail(ctx, rc, "%s: arch_desc: neither %s nor %s is there",
                         mn_node_where(given, where, sizeof where), path, other);
    } else if (rc == MODNAS_ENOTFOUND) {
        rc = mn_fail(ctx, rc, "%s: arch_desc: there is no file %s", mn_node_where(given, where, sizeof where), path);
    }
    return rc;
}

/* A description that is one plain scalar is text, never a number: "00000000" names an architecture of a table. */
static int as_text(modnas_ctx *ctx, const mn_node *n, mn_node **out) {
    mn_node *text = mn_node_str(ctx, n->text);
    if (!text) return MODNAS_ENOMEM;
    if (n->file && mn_node_place(ctx, text, n->file, n->line)) {
        mn_node_free(ctx, text);
        return MODNAS_ENOMEM;
    }
    *out = text;
    return 0;
}

int mn_arch_desc_parse(modnas_ctx *ctx, const char *text, size_t bytes, const char *name, mn_node **out) {
    mn_node *docs;
    MN_TRY(mn_yaml_read(ctx, text, bytes, name, &docs));
    mn_node *desc = docs->n == 1 ? docs->items[0] : NULL;
    int rc = 0;
    if (!desc) {
        rc = mn_fail(ctx, MODNAS_ECONFIG, "%s: %zu documents; an architecture is 1", name, docs->n);
    } else if (desc->kind == MN_SEQ || desc->kind == MN_MAP || desc->kind == MN_NULL) {
        docs->items[0] = NULL;
        docs->n = 0;
        *out = desc;
    } else {
        rc = as_text(ctx, desc, out);
    }
    mn_node_free(ctx, docs);
    return rc;
}

static int read_path(modnas_ctx *ctx, const mn_node *given, mn_node **out) {
    const char *path = without_placeholder(given->text);
    char *text = NULL;
    size_t bytes = 0;
    MN_TRY(read_file(ctx, path, given, &text, &bytes));
    const int rc = mn_arch_desc_parse(ctx, text, bytes, path, out);
    mn_free(ctx, text);
    return rc;
}

static int read_text(modnas_ctx *ctx, const mn_node *given, mn_node **out) {
    char where[256];
    mn_node *value;
    MN_TRY(mn_yaml_value(ctx, given->text, mn_node_where(given, where, sizeof where), &value));
    if (value->kind == MN_SEQ || value->kind == MN_MAP) {
        *out = value;
        return 0;
    }
    mn_node_free(ctx, value);
    return as_text(ctx, given, out);
}

int mn_arch_desc_load(modnas_ctx *ctx, const mn_node *given, mn_node **out) {
    char where[256];
    if (given->kind == MN_NULL)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: arch_desc is empty", mn_node_where(given, where, sizeof where));
    if (given->kind == MN_STR && is_path(given->text)) return read_path(ctx, given, out);
    if (given->kind == MN_STR) return read_text(ctx, given, out);
    if (given->kind != MN_SEQ && given->kind != MN_MAP) return as_text(ctx, given, out);
    *out = mn_node_copy(ctx, given);
    return *out ? 0 : MODNAS_ENOMEM;
}

/* ---- building ------------------------------------------------------------------------------------------ */

typedef struct building {
    const mn_node *args;
    size_t at;
    int32_t fix_first, keep;
} building;

static int fail_item(const mn_slot *slot, const mn_node *item, const char *what) {
    modnas_ctx *ctx = slot->module->model->ctx;
    mn_str name = {.ctx = ctx};
    char prefix[288], is[128];
    int rc = mn_slot_name(slot, &name);
    if (!rc)
        rc = mn_fail(ctx, MODNAS_ECONFIG, "%s%s: %s, %s", mn_spec_prefix(item, prefix, sizeof prefix), name.text,
                     mn_node_what(item, is, sizeof is), what);
    mn_str_free(&name);
    return rc;
}

int mn_fill_item(mn_slot *slot, const mn_node *item) {
    mn_nested *nested = slot->entity ? mn_nested_of(slot->entity) : NULL;
    if (nested) return mn_fill_nested(nested, item);
    if (item->kind == MN_SEQ && item->n == 1) item = item->items[0];
    if (item->kind == MN_NULL) return mn_fill_predefined(slot);
    if (item->kind == MN_SEQ) return fail_item(slot, item, "wanted the name of one operator");
    if (item->kind != MN_STR && item->kind != MN_MAP) return fail_item(slot, item, "wanted the name of an operator");
    return mn_fill_candidate(slot, item);
}

/* Slots with an item: those that are empty, and those that hold a nested layer whose edges are, in their place. */
static int has_item(const mn_slot *s) {
    int32_t edge;
    if (s->entity) return mn_nested_of(s->entity) && mn_nested_is_open(mn_nested_of(s->entity)) && !mn_slot_is_nested(s);
    return !mn_slot_is_nested(s) || !mn_nested_around(s, &edge);
}

static int list_slots(mn_model *model, mn_vec *list) {
    for (size_t i = 0; i < model->slots.n; i++) {
        mn_slot *s = mn_model_slot(model, i);
        if (has_item(s) && !mn_vec_push(model->ctx, list, &s, 1)) return MODNAS_ENOMEM;
    }
    return 0;
}

static int fill_next(mn_slot *slot, const mn_node *item, void *ud) {
    building *b = ud;
    if (b->fix_first && b->at++ == 0 && !slot->entity) return mn_fill_predefined(slot); /* whatever the item says, as the original does */
    MN_TRY(mn_slot_give_args(slot, b->args, b->keep));
    return mn_fill_item(slot, item);
}

static int check_desc(mn_model *model, const mn_node *desc, size_t n) {
    char where[256], is[128];
    mn_node_where(desc, where, sizeof where);
    if (desc->kind != MN_SEQ)
        return mn_fail(model->ctx, MODNAS_ECONFIG,
                       "%s: arch_desc is %s, wanted a list with one item for each of the %zu Slots", where,
                       mn_node_what(desc, is, sizeof is), n);
    if (desc->n == n) return 0;
    return mn_fail(model->ctx, MODNAS_ECONFIG, "%s: arch_desc has %zu items, the model has %zu empty Slots%s", where,
                   desc->n, n, n < model->slots.n ? " (others are filled by another constructor)" : "");
}

/* The list is made before: edges that are left out take their Slots with them. */
int mn_each_item(mn_model *model, const mn_node *desc, int (*fn)(mn_slot *slot, const mn_node *item, void *ud), void *ud) {
    mn_vec list;
    mn_vec_init(&list, sizeof(mn_slot *));
    int rc = list_slots(model, &list);
    if (!rc) rc = check_desc(model, desc, list.n);
    for (size_t i = 0; i < list.n && !rc; i++) rc = fn(MN_AT(list, mn_slot *, i), desc->items[i], ud);
    mn_vec_free(model->ctx, &list);
    return rc;
}

#define DESC_ARGS                                                                                                      \
    {"arch_desc", MN_ARG_ANY, NULL, NULL, "a list, a path that ends in .yaml, .yml or .json, or YAML text"},           \
        {"parse_args", MN_ARG_MAP, "null", NULL, "accepted and not used"},                                             \
        {"construct_fn", MN_ARG_STR, "build_from_arch_desc", NULL, "accepted and not used"},                           \
        {"fn_args", MN_ARG_MAP, "null", NULL, "args of all operators that have them, unless they say otherwise"},      \
        {"traversal_args", MN_ARG_MAP, "null", NULL, "accepted and not used"}, {                                       \
        "desc_args", MN_ARG_MAP, "null", NULL, "accepted and not used"                                                 \
    }
#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }

static const mn_arg_def desc_args[] = {DESC_ARGS, END};
#define FIX_FIRST                                                                                                      \
    { "fix_first", MN_ARG_BOOL, "true", NULL, "the first Slot keeps the backbone's own operator; its item is not read" }
static const mn_arg_def mbv2_args[] = {DESC_ARGS, FIX_FIRST, END};
static const mn_arg_def mbv3_args[] = {
    DESC_ARGS, FIX_FIRST,
    {"keep_config", MN_ARG_BOOL, "true", NULL, "operators get use_se and use_hs of the block that they stand for"},
    END};

int mn_arch_items(mn_model *model, const mn_node *given, mn_node **out) {
    mn_node *desc;
    MN_TRY(mn_arch_desc_load(model->ctx, given, &desc));
    if (desc->kind != MN_STR || !model->digits) {
        *out = desc;
        return 0;
    }
    const int rc = mn_digits_read(model, desc, out);
    mn_node_free(model->ctx, desc);
    return rc;
}

static int run_arch_desc(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_node *desc;
    (void)out;
    if (!model->root) return mn_args_fail(args, "arch_desc", "the configuration has no model to build it in");
    MN_TRY(mn_check_candidate_args(args, "fn_args", NULL));
    MN_TRY(mn_arch_items(model, mn_args_node(args, "arch_desc"), &desc));
    building b = {.args = mn_args_node(args, "fn_args"),
                  .fix_first = c->args != desc_args && mn_args_bool(args, "fix_first"),
                  .keep = c->args == mbv3_args && mn_args_bool(args, "keep_config")};
    const int rc =
        mn_cells_describe(model, desc) ? mn_fill_cells(model, desc) : mn_each_item(model, desc, fill_next, &b);
    mn_node_free(model->ctx, desc);
    return rc;
}

static const mn_component rows[] = {
    {"construct", "DefaultSlotArchDescConstructor", "one item of an architecture for each empty Slot", desc_args,
     run_arch_desc, NULL},
    {"construct", "MobileNetV2ArchDescConstructor", "the same, the first block kept", mbv2_args, run_arch_desc, NULL},
    {"construct", "MobileNetV3ArchDescConstructor",
     "the same, the first block kept, squeeze-excite and hard-swish as the block has them", mbv3_args, run_arch_desc, NULL},
};

int mn_construct_arch_desc_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
