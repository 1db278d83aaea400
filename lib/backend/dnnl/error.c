/* Error texts: one line that names the kernel, its shapes and, where oneDNN refused, oneDNN's own status. */
#include "backend/dnnl/dnnl_backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 640 };

int mn_dnnl_fail(mn_dnnl *s, int status, const char *format, ...) {
    char text[TEXT_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return s->host.fail(s->host.host, status, text);
}

static const char *kind_name(int32_t kind) {
    static const char *const names[] = {
#define KIND_NAME(name, number, text) [number] = text,
        MODNAS_KERNEL_MAP(KIND_NAME)
#undef KIND_NAME
    };
    const size_t n = sizeof names / sizeof names[0];
    return kind >= 0 && (size_t)kind < n && names[kind] ? names[kind] : "?";
}

static const char *pass_name(int32_t pass) {
    static const char *const names[] = {"forward", "backward-data", "backward-weights"};
    return pass >= 0 && pass < 3 ? names[pass] : "?";
}

/* Append " src 64x24x32x32@1" (the layout id follows the @); nothing for a tensor that the kernel does not have. */
static size_t add_tensor(char *text, size_t bytes, size_t at, const char *name, const modnas_tdesc *t) {
    if (t->dims[0] == 0 || at >= bytes) return at;
    const int n = snprintf(text + at, bytes - at, " %s %lldx%lldx%lldx%lld@%d", name, (long long)t->dims[0],
                           (long long)t->dims[1], (long long)t->dims[2], (long long)t->dims[3], t->layout);
    return n > 0 ? at + (size_t)n : at;
}

void mn_dnnl_describe(const modnas_kernel *k, char *text, size_t bytes) {
    int n = snprintf(text, bytes, "%s %s:", kind_name(k->kind), pass_name(k->pass));
    size_t at = n > 0 ? (size_t)n : 0;
    at = add_tensor(text, bytes, at, "src", &k->src);
    at = add_tensor(text, bytes, at, "weights", &k->weights);
    at = add_tensor(text, bytes, at, "dst", &k->dst);
    if (k->kind != MODNAS_KERNEL_CONV2D && k->kind != MODNAS_KERNEL_POOL2D) return;
    if (at >= bytes) return;
    const modnas_window *w = &k->u.window;
    snprintf(text + at, bytes - at, " kernel %dx%d stride %dx%d pad %d,%d,%d,%d dilation %dx%d groups %d", w->kernel[0],
             w->kernel[1], w->stride[0], w->stride[1], w->pad[0], w->pad[1], w->pad[2], w->pad[3], w->dilation[0],
             w->dilation[1], w->groups);
}

static const char *status_name(dnnl_status_t status) {
    switch (status) {
    case dnnl_success:
        return "success";
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "unimplemented";
    case dnnl_runtime_error:
        return "runtime error";
    default:
        return "other";
    }
}

int mn_dnnl_refused(mn_dnnl *s, dnnl_status_t status, const char *what, const modnas_kernel *k) {
    char text[TEXT_BYTES / 2];
    mn_dnnl_describe(k, text, sizeof text);
    const int code = status == dnnl_out_of_memory       ? MODNAS_ENOMEM
                     : status == dnnl_invalid_arguments ? MODNAS_ESHAPE
                                                        : MODNAS_EUNSUPPORTED;
    return mn_dnnl_fail(s, code, "oneDNN status %d (%s) for %s of %s", (int)status, status_name(status), what, text);
}
