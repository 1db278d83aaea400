/* PNG and JPEG files: what is accepted has all its pixels, which can be brought to another size; what is refused has a
 * reason. */
#include <string.h>

#include "data/picture.h"
#include "fuzz.h"

enum { SIDE = 5 };

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    char why[MN_PICTURE_WHY] = "";
    uint8_t dst[3 * SIDE * SIDE];
    mn_picture p = {0, 0, NULL};
    (void)ctx;
    if (mn_picture_decode(bytes, n, &p, why)) {
        FUZZ_CHECK(!p.rgb && why[0] && strlen(why) < sizeof why, "no reason");
        return;
    }
    fuzz_accept();
    FUZZ_CHECK(p.w > 0 && p.h > 0 && p.rgb && (int64_t)p.w * p.h <= MN_PICTURE_PIXELS, "%d x %d", p.w, p.h);
    unsigned sum = 0;
    for (size_t i = 0; i < 3 * (size_t)p.w * (size_t)p.h; i++) sum += p.rgb[i];
    const int32_t all[4] = {0, 0, p.w, p.h};
    if ((int64_t)p.w * p.h <= 1 << 16)
        FUZZ_CHECK(mn_picture_resize(&p, all, 1 + 2 * (sum & 1), SIDE, SIDE, dst) == 0, "no memory");
    mn_picture_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 1 << 20, 64);
}
