/* What there is: components and backends, as JSON and as text, and that docs/ has all components. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_rig.h"

/* ---- listing ----------------------------------------------------------------------------------------- */

static int has_component(const mn_node *list, const char *kind, const char *name) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(rig_at(list->items[i], "kind")->text, kind) == 0 &&
            strcmp(rig_at(list->items[i], "name")->text, name) == 0)
            return 1;
    return 0;
}

START_TEST(list) {
    static const char *const want[][2] = {{"optim", "BinaryGateOptim"},
                                          {"optim", "RandomSearchOptim"},
                                          {"estim", "DefaultEstim"},
                                          {"estim", "SuperNetEstim"},
                                          {"trainer", "ImageClsTrainer"},
                                          {"optimizer", "SGD"},
                                          {"optimizer", "Adam"},
                                          {"optimizer", "AdamW"},
                                          {"optimizer", "RMSprop"},
                                          {"optimizer", "Adagrad"},
                                          {"lr_scheduler", "CosineAnnealingLR"},
                                          {"lr_scheduler", "StepLR"},
                                          {"lr_scheduler", "LinearLR"},
                                          {"lr_scheduler", "LambdaLR"},
                                          {"lr_scheduler", "MultiStepLR"},
                                          {"lr_scheduler", "ExponentialLR"},
                                          {"lr_scheduler", "ConstantLR"},
                                          {"criterion", "CrossEntropyLoss"},
                                          {"criterion", "CrossEntropyLabelSmoothingLoss"},
                                          {"metrics", "ValidateMetrics"},
                                          {"model", "CIFAR_MobileNetV2"},
                                          {"mixed_op", "BinaryGateMixedOp"},
                                          {"data", "ImageClsData"},
                                          {"data_loader", "ImageClsDataLoader"},
                                          {"export", "DefaultSlotTraversalExporter"}};
    char *text = NULL;
    ck_assert_int_eq(modnas_list_json(rig.ctx, NULL, &text), 0);
    mn_node *all = util_rig_parse(&rig, text);
    modnas_string_free(rig.ctx, text);
    for (size_t i = 0; i < MN_COUNT(want); i++)
        ck_assert_msg(has_component(all, want[i][0], want[i][1]), "%s", want[i][1]);
    for (size_t i = 0; i < all->n; i++) {
        ck_assert_int_gt(strlen(rig_at(all->items[i], "text")->text), 5);
        const mn_node *args = rig_at(all->items[i], "args");
        for (size_t k = 0; k < args->n; k++) {
            ck_assert_ptr_nonnull(mn_node_get(args->items[k], "default"));
            ck_assert_int_gt(strlen(rig_at(args->items[k], "text")->text), 2);
        }
    }
    mn_node_free(rig.ctx, all);
    ck_assert_int_eq(modnas_list_json(rig.ctx, "optim", &text), 0);
    all = util_rig_parse(&rig, text);
    modnas_string_free(rig.ctx, text);
    for (size_t i = 0; i < all->n; i++) ck_assert_str_eq(rig_at(all->items[i], "kind")->text, "optim");
    mn_node_free(rig.ctx, all);
    text = NULL;
    ck_assert_int_eq(modnas_list_json(rig.ctx, "optin", &text), MODNAS_ENOTFOUND);
    ck_assert_ptr_null(text);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(rig.ctx), "'optim'"));
    ck_assert_int_eq(modnas_list_text(rig.ctx, "optim", &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "n_samples: int = 2"));
    modnas_string_free(rig.ctx, text);
    ck_assert_int_eq(modnas_list_text(rig.ctx, NULL, NULL), MODNAS_EINVAL);
}
END_TEST

START_TEST(devices) {
    char *text = NULL;
    ck_assert_int_eq(modnas_devices_json(rig.ctx, &text), 0);
    mn_node *all = util_rig_parse(&rig, text);
    modnas_string_free(rig.ctx, text);
    ck_assert_uint_ge(all->n, 2);
    ck_assert_str_eq(rig_at(all, "0.name")->text, "ref");
    for (size_t i = 0; i < all->n; i++) {
        const mn_node *d = all->items[i];
        const int available = (int)rig_at(d, "available")->i;
        ck_assert_int_eq(rig_at(d, "version")->kind, available ? MN_STR : MN_NULL);
        ck_assert_int_eq(rig_at(d, "why")->kind, available ? MN_NULL : MN_STR);
    }
    ck_assert_int_eq(rig_at(all, "0.available")->i, 1);
    mn_node_free(rig.ctx, all);
    ck_assert_int_eq(modnas_devices_text(rig.ctx, &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "ref "));
    modnas_string_free(rig.ctx, text);
}
END_TEST

/* ---- documentation ----------------------------------------------------------------------------------- */

static int is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* Is the name a word of a heading or of a table's row? */
static int is_in(const char *text, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = strstr(text, name); at; at = strstr(at + 1, name)) {
        const char *line = at;
        while (line > text && line[-1] != '\n') line--;
        if ((*line == '#' || *line == '|') && !is_word(at[-1]) && !is_word(at[n])) return 1;
    }
    return 0;
}

/* Names of candidates stand for families: MB3E6 is in the row of MB<k>E<e>. */
static void family(const char *name, char out[64]) {
    size_t n = strncmp(name, "M3B", 3) == 0 ? 2 : 0; /* the 3 of MobileNetV3 */
    const char *digits[] = {"<k>", "<e>"};
    memcpy(out, name, n);
    name += n;
    for (int i = 0; *name && n < 56; name++) {
        if (!isdigit((unsigned char)*name)) out[n++] = *name;
        if (!isdigit((unsigned char)*name) || isdigit((unsigned char)name[1])) continue;
        n += (size_t)sprintf(out + n, "%s", digits[i++ % 2]);
    }
    out[n] = 0;
}

static char *read_docs(void) {
    char *all = calloc(1, 1 << 20), path[512];
    size_t n = 0;
    DIR *d = opendir("docs");
    ck_assert_ptr_nonnull(all);
    ck_assert_msg(d != NULL, "no folder docs: tests run in the folder of the sources");
    for (struct dirent *e; (e = readdir(d));) {
        if (!strstr(e->d_name, ".md")) continue;
        snprintf(path, sizeof path, "docs/%s", e->d_name);
        char *text = util_rig_read(path, NULL);
        ck_assert_ptr_nonnull(text);
        ck_assert_uint_lt(n + strlen(text) + 2, 1 << 20);
        n += (size_t)sprintf(all + n, "%s\n", text);
        free(text);
    }
    closedir(d);
    return all;
}

START_TEST(documented) {
    char *docs = read_docs(), *json = NULL;
    rig_setup();
    ck_assert_int_eq(modnas_list_json(rig.ctx, NULL, &json), 0);
    mn_node *all = util_rig_parse(&rig, json);
    modnas_string_free(rig.ctx, json);
    ck_assert_uint_gt(all->n, 150);
    for (size_t i = 0; i < all->n; i++) {
        const char *name = rig_at(all->items[i], "name")->text, *kind = rig_at(all->items[i], "kind")->text;
        char as[64];
        family(name, as);
        ck_assert_msg(is_in(docs, name) || (strcmp(kind, "candidate") == 0 && is_in(docs, as)),
                      "%s %s is in no heading and no table of docs/*.md", kind, name);
    }
    ck_assert(!is_in(docs, "NoSuchOptim"));
    mn_node_free(rig.ctx, all);
    free(docs);
    rig_teardown();
}
END_TEST

int main(void) {
    Suite *s = suite_create("list");
    util_add(s, "listing", rig_setup, rig_teardown, (const TTest *[]){list, devices, NULL});
    util_add(s, "documentation", NULL, NULL, (const TTest *[]){documented, NULL});
    return util_run(s);
}
