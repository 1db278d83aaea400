/* Runs of small configurations in a folder of their own. */
#include "util_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

util_rig rig;

void util_rig_open(util_rig *r) {
    memset(r, 0, sizeof *r);
    r->host.left = -1;
    r->opts.size = sizeof r->opts;
    const modnas_ctx_opts opts = util_host_opts(&r->host);
    ck_assert_int_eq(modnas_ctx_new(&opts, &r->ctx), 0);
    util_folder_new(r->folder);
}

void util_rig_close(util_rig *r) {
    util_folder_free(r->folder);
    modnas_string_free(r->ctx, r->results);
    modnas_ctx_free(r->ctx);
    ck_assert_int_eq(r->host.live, 0);
}

void rig_setup(void) {
    util_rig_open(&rig);
}

void rig_teardown(void) {
    util_rig_close(&rig);
}

static int run(util_rig *r, modnas_config *cfg, const char *yaml, const char *const *overrides) {
    MN_TRY(modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml"));
    for (; overrides && *overrides; overrides++) MN_TRY(modnas_config_override(cfg, *overrides));
    return modnas_run(cfg, &r->opts, &r->started, &r->results);
}

int util_rig_yaml(util_rig *r, const char *yaml, const char *const *overrides) {
    modnas_config *cfg = NULL;
    modnas_string_free(r->ctx, r->results);
    r->results = NULL;
    r->started = 0;
    int rc = modnas_config_new(r->ctx, &cfg);
    if (!rc) rc = run(r, cfg, yaml, overrides);
    snprintf(r->error, sizeof r->error, "%s", rc ? modnas_errmsg(r->ctx) : "");
    modnas_config_free(cfg);
    return rc;
}

void util_rig_refused(util_rig *r, const char *yaml, const char *const *overrides, const char *says) {
    ck_assert_msg(util_rig_yaml(r, yaml, overrides) < 0, "%s", says);
    ck_assert_msg(strstr(r->error, says) != NULL, "'%s' is not in: %s", says, r->error);
}

int util_rig_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

char *util_rig_read(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    struct stat st;
    ck_assert_int_eq(fstat(fileno(f), &st), 0);
    char *text = malloc((size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(fread(text, 1, (size_t)st.st_size, f), (size_t)st.st_size);
    text[st.st_size] = 0;
    fclose(f);
    if (bytes) *bytes = (size_t)st.st_size;
    return text;
}

int util_rig_same(const char *a, const char *b) {
    size_t na, nb;
    char *x = util_rig_read(a, &na), *y = util_rig_read(b, &nb);
    ck_assert_msg(x && y, "%s is not there", x ? b : a);
    const int same = na == nb && memcmp(x, y, na) == 0;
    free(x);
    free(y);
    return same;
}

mn_node *util_rig_parse(util_rig *r, const char *text) {
    mn_node *docs, *tree;
    ck_assert_ptr_nonnull(text);
    ck_assert_msg(mn_yaml_read(r->ctx, text, strlen(text), "text", &docs) == 0, "%s", modnas_errmsg(r->ctx));
    ck_assert_uint_eq(docs->n, 1);
    tree = mn_node_copy(r->ctx, docs->items[0]);
    mn_node_free(r->ctx, docs);
    ck_assert_ptr_nonnull(tree);
    return tree;
}

const mn_node *rig_at(const mn_node *tree, const char *path) {
    const mn_node *n = mn_node_path(tree, path);
    ck_assert_msg(n != NULL, "no %s", path);
    return n;
}

int rig_same_run(const char *a, const char *b) {
    static const char *const names[] = {"outputs/history.tsv", "outputs/arch_search_best.yaml",
                                        "chkpt/model_search_best.safetensors", "chkpt/model_search_last.safetensors"};
    int same = 1;
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        char x[128], y[128];
        snprintf(x, sizeof x, "exp/%s/%s", a, names[i]);
        snprintf(y, sizeof y, "exp/%s/%s", b, names[i]);
        const int none = i > 1 && !util_rig_exists(x) && !util_rig_exists(y); /* a table has no weights */
        same &= none || util_rig_same(x, y);
    }
    return same;
}
