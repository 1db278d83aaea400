#include "util_bundle.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FOUND BUNDLE_MODEL BUNDLE_DATA "arch_desc: found.yaml\nestim: {train: {type: DefaultEstim, epochs: 2}}\n"

static void put_be(FILE *f, uint32_t x) {
    for (int i = 24; i >= 0; i -= 8) fputc((int)(x >> i & 255), f);
}

/* n images of 8x8 with labels, of a generator (Park and Miller). */
static void write_idx(const char *folder, const char *part, uint32_t n, uint64_t x) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", folder, part);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    put_be(f, 0x803), put_be(f, n), put_be(f, 8), put_be(f, 8);
    for (uint32_t i = 0; i < n * 64; i++) fputc((int)((x = x * 16807 % 2147483647) >> 8 & 255), f);
    ck_assert_int_eq(fclose(f), 0);
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", folder, part);
    ck_assert_ptr_nonnull(f = fopen(path, "wb"));
    put_be(f, 0x801), put_be(f, n);
    for (uint32_t i = 0; i < n; i++) fputc((int)(i % 10), f);
    ck_assert_int_eq(fclose(f), 0);
}

void util_bundle_data(const char *folder, uint64_t seed) {
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    write_idx(folder, "train", 32, seed);
    write_idx(folder, "t10k", 12, seed + 1);
}


/* A bundle of a network that was found elsewhere, trained and tested. */
void util_bundle_found(void) {
    util_bundle_data("data", 7);
    util_write_text("found.yaml", "- MB3E1\n- [MB3E3]\n- MB5E1\n- MB3E1\n");
    RIG_RUNS(FOUND, NULL);
    SEARCH_OK(modnas_bundle(rig.ctx, "exp/t", NULL));
}

/* ---- what a verification says -------------------------------------------------------------------------- */

static mn_node *said;
static int32_t holds;

/* Into `said` and `holds`. */
void util_verify(const char *folder, const char *const *overrides) {
    const modnas_verify_opts opts = {.size = sizeof opts, .overrides = overrides};
    char *json = NULL;
    mn_node_free(rig.ctx, said);
    said = NULL;
    ck_assert_msg(modnas_verify_json(rig.ctx, folder, &opts, &json, &holds) == 0, "%s", modnas_errmsg(rig.ctx));
    said = util_rig_parse(&rig, json);
    ck_assert_int_eq(rig_at(said, "holds")->i, holds);
    modnas_string_free(rig.ctx, json);
}

const mn_node *util_verify_statement(const char *what) {
    const mn_node *all = rig_at(said, "statements");
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(rig_at(all->items[i], "what")->text, what) == 0) return all->items[i];
    return NULL;
}

const char *util_verify_verdict(const char *what) {
    const mn_node *s = util_verify_statement(what);
    return s ? rig_at(s, "verdict")->text : "nothing was said";
}

const char *util_verify_text(void) {
    static char text[1 << 16];
    mn_str s = {.ctx = rig.ctx};
    mn_node_json(&s, said);
    snprintf(text, sizeof text, "%s", s.text);
    mn_str_free(&s);
    return text;
}


void util_bundle_teardown(void) {
    mn_node_free(rig.ctx, said);
    said = NULL;
    rig_teardown();
}

int32_t util_verify_holds(void) {
    return holds;
}

const mn_node *util_verify_said(void) {
    return said;
}
