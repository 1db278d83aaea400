/* Kernels as text. */
#include <check.h>
#include <string.h>

#include "backend/backend.h"
#include "util_host.h"

START_TEST(kernel_names) { /* numbers as pinned in kernel.h */
    ck_assert_str_eq(mn_kernel_name(1), "conv2d");
    ck_assert_str_eq(mn_kernel_name(21), "reduce");
    static const int32_t unknown[] = {0, -1, 1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < MN_COUNT(unknown); i++) ck_assert_str_eq(mn_kernel_name(unknown[i]), "?");
}
END_TEST

START_TEST(kernel_texts) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_CONV2D;
    k.pass = MODNAS_BACKWARD_WEIGHTS;
    k.src = (modnas_tdesc){{2, 3, 8, 8}, 1, MODNAS_F32};
    k.weights = (modnas_tdesc){{4, 3, 3, 3}, 0, MODNAS_F32};
    k.dst = (modnas_tdesc){{2, 4, 6, 6}, 0, MODNAS_F32};
    char text[200];
    mn_kernel_text(&k, text, sizeof text);
    ck_assert_str_eq(text, "conv2d backward_weights f32 (src 2x3x8x8 layout 1, weights 4x3x3x3, dst 2x4x6x6)");
    memset(&k, 0xff, sizeof k);
    k.src.dims[0] = k.dst.dims[3] = INT64_MIN;
    mn_kernel_text(&k, text, 40); /* cut, whatever is in it */
    ck_assert_uint_eq(strlen(text), 39);
}
END_TEST

int main(void) {
    Suite *s = suite_create("describe");
    util_add(s, "describe", NULL, NULL, (const TTest *[]){kernel_names, kernel_texts, NULL});
    return util_run(s);
}
