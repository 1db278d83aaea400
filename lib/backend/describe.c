/* Kernels as text, for error messages and traces. */
#include <inttypes.h>
#include <stdio.h>

#include "backend/backend.h"

const char *mn_kernel_name(int32_t kind) {
    static const char *const names[] = {
#define KERNEL_NAME(name, number, text) [number] = text,
        MODNAS_KERNEL_MAP(KERNEL_NAME)
#undef KERNEL_NAME
    };
    const char *name = kind >= 0 && (size_t)kind < MN_COUNT(names) ? names[kind] : NULL;
    return name ? name : "?";
}

static const char *pick(const char *const *names, size_t n, int32_t i) {
    return i >= 0 && (size_t)i < n ? names[i] : "?";
}

static void tensor_text(const char *role, const modnas_tdesc *t, char text[160]) {
    const int n = snprintf(text, 160, "%s %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64, role, t->dims[0], t->dims[1],
                           t->dims[2], t->dims[3]);
    if (t->layout) snprintf(text + n, 160 - (size_t)n, " layout %d", (int)t->layout);
}

void mn_kernel_text(const modnas_kernel *k, char *text, size_t bytes) {
    static const char *const passes[] = {"forward", "backward_data", "backward_weights"};
    static const char *const dtypes[] = {"f32", "f64", "i32", "u8"};
    char src[160], weights[160], dst[160];
    tensor_text("src", &k->src, src);
    tensor_text("weights", &k->weights, weights);
    tensor_text("dst", &k->dst, dst);
    snprintf(text, bytes, "%s %s %s (%s, %s, %s)", mn_kernel_name(k->kind), pick(passes, MN_COUNT(passes), k->pass),
             pick(dtypes, MN_COUNT(dtypes), k->dtype), src, weights, dst);
}
