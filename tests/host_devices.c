/* A host: what check-install.sh compiles against the installed library. */
#include <modnas/modnas.h>
#include <stdio.h>
int main(void) {
    modnas_ctx *ctx = NULL;
    char *text = NULL;
    int rc = modnas_ctx_new(NULL, &ctx);
    if (rc == 0) rc = modnas_devices_text(ctx, &text);
    if (rc == 0) puts(text);
    modnas_string_free(ctx, text);
    modnas_ctx_free(ctx);
    return rc;
}
