/* ONNX files, as the check reads them: any bytes get a verdict, and what is right is described. */
#include "export/onnx.h"
#include "fuzz.h"

static void check(modnas_ctx *ctx, const char *bytes, size_t n) {
    mn_str facts = {.ctx = ctx};
    const int rc = mn_onnx_look(ctx, bytes, n, "fuzz.onnx", &facts);
    FUZZ_CHECK(!rc == (facts.n > 0), "status %d with %zu bytes of text", rc, facts.n);
    mn_str_free(&facts);
    FUZZ_CHECK(rc == 0 || rc == MODNAS_EFORMAT, "status %d: %s", rc, modnas_errmsg(ctx));
    fuzz_check_text(ctx, rc);
    if (!rc) fuzz_accept();
}

/* An empty message of two bytes is a node of two hundred, with its place in a list. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(check, data, n, 1 << 16, 400);
}
