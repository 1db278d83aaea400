/* The tree of `describe` and its picture: lines and counts of a network worked out by hand, equal parts folded, and a
 * drawing whose arrows all have two ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/modnas.h"
#include "util_host.h"

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    host = (util_host){.left = -1};
    modnas_ctx_opts opts = util_host_opts(&host);
    ck_assert_int_eq(modnas_ctx_new(&opts, &ctx), 0);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

typedef int (*describe_fn)(modnas_config *cfg, const modnas_describe_opts *opts, char **text);

static int try_it(describe_fn fn, const char *yaml, char **text) {
    modnas_config *cfg;
    ck_assert_int_eq(modnas_config_new(ctx, &cfg), 0);
    int rc = modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml");
    const modnas_describe_opts opts = {.size = sizeof opts, .batch = 1};
    if (!rc) rc = fn(cfg, &opts, text);
    modnas_config_free(cfg);
    return rc;
}

static char *describe(describe_fn fn, const char *yaml) {
    char *text = NULL;
    ck_assert_msg(try_it(fn, yaml, &text) == 0, "%s", modnas_errmsg(ctx));
    return text;
}

/* Blanks in a row as one. */
static char *squeeze(char *text) {
    char *to = text;
    for (const char *c = text; *c; c++)
        if (*c != ' ' || c == text || c[-1] != ' ') *to++ = *c;
    *to = 0;
    return text;
}

static void has(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in:\n%s", part, text);
}

#define NET                                                                                                            \
    "backend: ref\nmodel:\n  type: Sequential\n  args:\n    input: [2, 8, 8]\n    layers:\n"                         \
    "      stem: {type: ConvBNAct, args: {out_channels: 4}}\n"                                                        \
    "      body: {type: Sequential, args: {repeat: 3, layers: [{type: Residual, args: {layers: [{type: Slot, args: "  \
    "{op: NC3}}]}}]}}\n"                                                                                               \
    "      two: {type: Branch, args: {branches: {a: {type: ConvBNAct, args: {out_channels: 2, kernel_size: 1}}, "     \
    "b: Identity}}}\n"                                                                                                 \
    "      down: {type: Slot, args: {chn_out: 8, stride: 2, op: MB3E3}}\n"                                             \
    "      pool: GlobalAvgPool\n      fc: {type: Linear, args: {out_features: 5}}\n"

/* stem 2*4*9 + 8 = 80 params, 64 pixels * 72; a block 4*4*9 + 8 = 152, 64 * 144; a 4*2 + 4 = 12, 64 * 8; down from 6 to
 * 18: 108 + 36, 162 + 36, 144 + 16 = 502, 64 * 108 + 16 * (162 + 144) = 11808; fc 45, 40. */
START_TEST(lines) {
    char *text = squeeze(describe(modnas_describe_text, NET));
    static const char *const parts[] = {
        "\nSequential 5 1,095 44,616\n",
        "\n stem 4x8x8 80 4,608 conv 3x3+bn+act\n",
        "\n body 4x8x8 456 27,648\n",
        "\n 0 .. 2.0.layers.0 4x8x8 152 9,216 each of 3 residual: slot 0, 1, 2: own bn+act, conv 3x3\n",
        "\n two 6x8x8 12 512 branch\n",
        "\n a 2x8x8 12 512 conv 1x1+bn+act\n",
        "\n b 4x8x8 0 0 identity\n",
        "\n down 8x4x4 502 11,808 slot 3, stride 2: own conv 1x1+bn+act, depthwise 3x3+bn+act, conv 1x1+bn\n",
        "\n fc 5 45 40 linear\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) has(text, parts[i]);
    modnas_string_free(ctx, text);
}
END_TEST

/* What was chosen, and what there is to choose; of a supernet all candidates are counted. */
START_TEST(choices) {
    char *text = squeeze(describe(modnas_describe_text, NET "arch_desc: [IDT, IDT, NC3, MB5E1]\n"));
    has(text, " 0 .. 1.0.layers.0 4x8x8 0 0 each of 2 residual: slot 0, 1: IDT\n");
    has(text, " 2.0.layers.0 4x8x8 152 9,216 residual: slot 2: NC3\n");
    has(text, "slot 3, stride 2: MB5E1\n");
    modnas_string_free(ctx, text);
    text = squeeze(describe(modnas_describe_text, NET "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E1, MB3E3]}\n"));
    has(text, "each of 3 residual: slot 0, 1, 2: MB3E1 | MB3E3\n");
    modnas_string_free(ctx, text);
}
END_TEST

/* ---- the picture ---------------------------------------------------------------------------------------- */

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++) n++;
    return n;
}

/* Both ends of every arrow are boxes that are there; braces match. */
static int check_arrows(const char *dot) {
    char line[1024], from[32], to[32], box[40];
    int n = 0;
    for (const char *at = dot; *at; at = strchr(at, '\n') + 1) {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        if (sscanf(line, "%31[a-z0-9_] -> %31[a-z0-9_];", from, to) != 2) continue;
        const char *const ends[] = {from, to};
        for (int i = 0; i < 2; i++) {
            snprintf(box, sizeof box, "\n%s [", ends[i]);
            ck_assert_msg(count(dot, box) == 1, "%d boxes %s in:\n%s", count(dot, box), ends[i], dot);
        }
        n++;
    }
    ck_assert_int_eq(count(dot, "{\n"), count(dot, "}\n"));
    return n;
}

/* Boxes: stem, the Slot and the sum of one of the equal blocks, a, the concatenation, down, pool, fc. The blocks' frames
 * and those of body and two. Arrows: into stem, Slot and sum from the stem, Slot to sum, sum to a and to concat, a to
 * concat, and down, pool, fc. */
START_TEST(picture) {
    char *dot = describe(modnas_describe_dot, NET);
    ck_assert_int_eq(check_arrows(dot), 10);
    ck_assert_int_eq(count(dot, "\nn"), 8 + 9 + 1); /* boxes, arrows that do not begin at the image, "node" */
    has(dot, "label=\"Sequential\\ngives 5; params 1.09k; macs 44.6k\"");
    has(dot, "label=\"3 x 0 .. 2.0\"");
    has(dot, "slot 0, 1, 2: own bn+act, conv 3x3");
    has(dot, "label=\"+\"");
    has(dot, "label=\"concat\"");
    modnas_string_free(ctx, dot);
}
END_TEST

/* Graphviz takes it, also with names that need quoting. */
START_TEST(graphviz_takes_it) {
    if (system("dot -V >/dev/null 2>&1") != 0) {
        printf("graphviz_takes_it: skipped, no program dot\n");
        return;
    }
    static const char *const nets[] = {
        NET,
        "backend: ref\nmodel: {type: CIFAR_MobileNetV2, args: {n_classes: 10}}\n"
        "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}\n",
        "backend: ref\nmodel:\n  type: Sequential\n  args:\n    layers:\n"
        "      'a \"q\\': GlobalAvgPool\n      '-> {': {type: Linear, args: {out_features: 2}}\n"};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char *dot = describe(modnas_describe_dot, nets[i]);
        check_arrows(dot);
        FILE *p = popen("dot -Tsvg >/dev/null", "w");
        ck_assert_ptr_nonnull(p);
        fputs(dot, p);
        ck_assert_msg(pclose(p) == 0, "%s", dot);
        modnas_string_free(ctx, dot);
    }
}
END_TEST

START_TEST(nothing_to_draw) {
    char *dot = NULL;
    ck_assert_int_eq(try_it(modnas_describe_dot, "backend: none\nconstruct: {hp: {type: DefaultHParamSpaceConstructor, args: "
                                                 "{params: {a: [1, 2]}}}}\n", &dot), MODNAS_EINVAL);
    has(modnas_errmsg(ctx), "nothing to draw");
    ck_assert_ptr_null(dot);
    ck_assert_int_eq(try_it(modnas_describe_dot, "model: NoSuchNet\n", &dot), MODNAS_ENOTFOUND);
    ck_assert_ptr_null(dot);
}
END_TEST

int main(void) {
    Suite *s = suite_create("describe_tree");
    util_add(s, "tree", setup, teardown,
             (const TTest *[]){lines, choices, picture, graphviz_takes_it, nothing_to_draw, NULL});
    return util_run(s);
}
