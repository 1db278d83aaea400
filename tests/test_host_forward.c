/* Forwards of hosts that go wrong: each gives its status and a text that names the place, nothing is left behind, and
 * the context goes on. */
#include <stdlib.h>
#include <string.h>

#include "util_hosted.h"

#define FORWARD(name)                                                                                                  \
    static int name(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,  \
                    void *ud)
#define USED (void)m, (void)tape, (void)src, (void)n_src, (void)dst, (void)ud

static int through(modnas_module *m, modnas_tape *tape, const char *names, modnas_value *v, modnas_value **dst) {
    for (; *names; names++) {
        const char name[2] = {*names, 0};
        MN_TRY(modnas_forward(modnas_module_child(m, name), tape, v, &v));
    }
    *dst = v;
    return 0;
}

FORWARD(right) {
    USED;
    return through(m, tape, "csp", src[0], dst);
}

FORWARD(no_value) {
    modnas_value *v;
    USED;
    return through(m, tape, "csp", src[0], &v);
}

static modnas_value *kept;

FORWARD(keeps) {
    USED;
    MN_TRY(through(m, tape, "csp", src[0], dst));
    kept = *dst;
    return 0;
}

FORWARD(gives_kept) {
    USED;
    *dst = kept;
    return 0;
}

FORWARD(uses_kept) {
    USED;
    return through(m, tape, "csp", kept, dst);
}

FORWARD(gives_nonsense) {
    USED;
    *dst = (modnas_value *)((char *)src[0] + 1);
    return 0;
}

FORWARD(wrong_shape) {
    USED;
    return through(m, tape, "cs", src[0], dst);
}

FORWARD(takes_images_together) {
    USED;
    MN_TRY(through(m, tape, "csp", src[0], dst));
    return modnas_op_reshape(tape, *dst, (int64_t[]){1, 8, 1, 1}, dst);
}

FORWARD(leaves_slot_out) {
    USED;
    return through(m, tape, "cp", src[0], dst);
}

FORWARD(leaves_layer_out) {
    USED;
    return through(m, tape, "sp", src[0], dst);
}

FORWARD(wrong_channels) {
    USED;
    MN_TRY(through(m, tape, "c", src[0], dst));
    return through(m, tape, "csp", *dst, dst);
}

FORWARD(calls_itself) {
    USED;
    return modnas_forward(m, tape, src[0], dst);
}

FORWARD(null_module) {
    USED;
    return modnas_forward(modnas_module_child(m, "x"), tape, src[0], dst);
}

FORWARD(adds_late) {
    USED;
    return modnas_module_add(m, "late", "ReLU", NULL, NULL);
}

FORWARD(fills_late) {
    USED;
    return modnas_slot_fill(modnas_module_child(m, "s"), "NIL");
}

static modnas_module *stranger;

FORWARD(foreign_module) {
    USED;
    return modnas_forward(stranger, tape, src[0], dst);
}

FORWARD(foreign_param) {
    USED;
    return modnas_op_param(tape, stranger, "weight", dst);
}

FORWARD(evaluates) {
    float x[3 * 8 * 8] = {0}, logits[4];
    USED;
    return modnas_model_forward(modnas_module_model(m), x, 1, logits);
}

FORWARD(too_many_sources) {
    USED;
    modnas_value *two[2] = {src[0], src[0]};
    return modnas_forward_n(modnas_module_child(m, "c"), tape, two, 2, dst);
}

static const struct {
    const char *name;
    int (*forward)(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                   void *ud);
    int status;
    const char *text;
} forwards[] = {
    {"gives nothing", no_value, MODNAS_EINVAL, "the forward of Bad gave no value"},
    {"gives a value of another tape", gives_kept, MODNAS_EINVAL, "the forward of Bad gave a value of another tape"},
    {"uses a value of another tape", uses_kept, MODNAS_EINVAL, "modnas_forward: a value is of another tape"},
    {"gives what is no value", gives_nonsense, MODNAS_EINVAL, "a value of another tape"},
    {"gives a wrong shape", wrong_shape, MODNAS_ESHAPE,
     "model Bad gives 2x4x8x8 for 2 images of 3x8x8; 2x4x1x1 is wanted"},
    {"takes images together", takes_images_together, MODNAS_ESHAPE, "gives 1x8x1x1 for 2 images"},
    {"leaves a Slot out", leaves_slot_out, MODNAS_EINVAL,
     "module 's': slot 0 (4 -> 4 channels, stride 1) is never used: the forward of Bad leaves it out"},
    {"gives a layer the wrong channels", wrong_channels, MODNAS_ESHAPE,
     "module 'c': conv2d: src has 4 channels, weights want 3"},
    {"calls itself", calls_itself, MODNAS_EINVAL, "a forward calls itself"},
    {"records a NULL module", null_module, MODNAS_EINVAL, "modnas_forward: the module is NULL"},
    {"adds a module", adds_late, MODNAS_EINVAL, "the model stands"},
    {"fills a Slot", fills_late, MODNAS_EINVAL, "the model stands"},
    {"records a module of another model", foreign_module, MODNAS_EINVAL, "'c' is of another model than the tape"},
    {"reads a parameter of another model", foreign_param, MODNAS_EINVAL, "'c' is of another model than the tape"},
    {"evaluates the model it records", evaluates, MODNAS_EBUSY, "in use"},
    {"gives a layer two sources", too_many_sources, MODNAS_EINVAL, "module 'c': conv2d takes 1 value, 2 given"},
};

/* Ends with a model that is right, so the context went on. */
START_TEST(wrong_forward) {
    const modnas_module_vt good = {.size = sizeof good, .build = hosted_small_build, .forward = right},
                           other = {.size = sizeof other, .build = hosted_small_build, .forward = keeps},
                           bad = {.size = sizeof bad, .build = hosted_small_build, .forward = forwards[_i].forward};
    hosted_register_net(hosted_ctx, "Good", &good, NULL);
    hosted_register_net(hosted_ctx, "Other", &other, NULL);
    hosted_register_net(hosted_ctx, "Bad", &bad, NULL);
    modnas_model *m = hosted_model(HOSTED_NET("Other"));
    stranger = modnas_module_child(modnas_model_root(m), "c");
    const int rc = hosted_describe(HOSTED_NET("Bad"), NULL);
    ck_assert_msg(rc == forwards[_i].status, "%s: %d, %s", forwards[_i].name, rc, modnas_errmsg(hosted_ctx));
    hosted_expect_text(forwards[_i].text);
    modnas_model_free(m);
    ck_assert_int_eq(hosted_describe(HOSTED_NET("Good"), NULL), 0);
}
END_TEST

/* A layer that is never used is worth a line in the log. */
START_TEST(unused_is_logged) {
    const modnas_module_vt all = {.size = sizeof all, .build = hosted_small_build}, /* children in order */
        some = {.size = sizeof some, .build = hosted_small_build, .forward = leaves_layer_out};
    hosted_register_net(hosted_ctx, "All", &all, NULL);
    hosted_register_net(hosted_ctx, "Some", &some, NULL);
    ck_assert_int_eq(hosted_describe(HOSTED_NET("All"), NULL), 0);
    ck_assert_ptr_null(strstr(hosted_host.log, "leaves"));
    ck_assert_int_eq(hosted_describe(HOSTED_NET("Some"), NULL), 0);
    ck_assert_ptr_nonnull(strstr(hosted_host.log, "the forward of Some leaves 2 of its weights out: c.weight, ..."));
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_forward");
    TCase *c = tcase_create("wrong");
    tcase_add_checked_fixture(c, hosted_setup, hosted_teardown);
    tcase_add_loop_test(c, wrong_forward, 0, (int)MN_COUNT(forwards));
    suite_add_tcase(s, c);
    util_add(s, "unused", hosted_setup, hosted_teardown, (const TTest *const[]){unused_is_logged, NULL});
    return util_run(s);
}
