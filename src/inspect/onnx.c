/* Looking at ONNX files: what `modnas export` writes, judged by the check that it goes through when it is written. */
#include <inttypes.h>

#include "export/onnx.h"
#include "inspect/inspect.h"

int mn_look_onnx(mn_report *r, mn_source *s) {
    char *bytes;
    size_t n;
    MN_TRY(mn_source_take(s, INT32_MAX, &bytes, &n)); /* protobuf's limit */
    int rc = mn_source_drain(s);
    if (!rc && mn_source_bytes(s) != n)
        rc = mn_fail(r->ctx, MODNAS_EFORMAT, "%s: %" PRIu64 " bytes; an ONNX file has at most 2 GiB", mn_source_name(s), mn_source_bytes(s));
    if (!rc) rc = mn_onnx_look(r->ctx, bytes, n, mn_source_name(s), &r->text);
    mn_free(r->ctx, bytes);
    return rc;
}
