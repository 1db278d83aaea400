/* A plug-in that misbehaves on request: the Makefile builds it once per name, modnas-fake_<what>.so.
 *
 *   fake_ok       a backend with host memory that runs one kernel (axpby, scaled by a layout-blind plan), nothing else
 *   fake_device   the same, but says that its memory is not the host's; it checks that only upload touches it
 *   fake_parallel says that the caller is inside a parallel region
 *   fake_abi, fake_size, fake_name, fake_hole, fake_refuse, fake_rude, fake_open   wrong in one way each
 *   fake_entry    has no entry point of the right name (the Makefile renames it) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/status.h"
#include "modnas/sys/backend.h"

#ifndef FAKE_NAME
#error FAKE_NAME is the name of the plug-in
#endif

typedef struct fake {
    const modnas_host *host;
    int64_t n_objects;
    int n_live; /* plans and memory */
    int32_t threads;
} fake;

static int is(const char *name) {
    return strcmp(FAKE_NAME, name) == 0;
}

static int fake_open(const modnas_host *host, const modnas_backend_opts *opts, void **state) {
    if (is("fake_open")) return host->fail(host->host, MODNAS_ENOBACKEND, "no device of this kind");
    fake *f = host->alloc(host->host, sizeof *f);
    if (!f) return MODNAS_ENOMEM;
    *f = (fake){.host = host, .threads = opts->threads};
    *state = f;
    return 0;
}

static void fake_close(void *state) {
    fake *f = state;
    const modnas_host *host = f->host;
    char text[64];
    snprintf(text, sizeof text, FAKE_NAME " closed with %d alive", f->n_live);
    host->log(host->host, 2, text);
    host->free(host->host, f);
}

static int fake_alloc(void *state, size_t bytes, void **mem) {
    fake *f = state;
    *mem = f->host->alloc(f->host->host, bytes);
    if (!*mem) return MODNAS_ENOMEM;
    memset(*mem, 0xee, bytes);
    f->n_live++;
    return 0;
}

static void fake_free(void *state, void *mem) {
    fake *f = state;
    f->n_live--;
    f->host->free(f->host->host, mem);
}

static int fake_move(void *state, void *dst, const void *src, size_t bytes) {
    ((fake *)state)->n_objects += is("fake_device"); /* counts the moves */
    memcpy(dst, src, bytes);
    return 0;
}

static int fake_supports(void *state, const modnas_kernel *k) {
    (void)state;
    return k->kind == MODNAS_KERNEL_AXPBY && k->dtype == MODNAS_F32;
}

static int32_t fake_want_layout(void *state, const modnas_kernel *k, int32_t role) {
    (void)state;
    return k->kind == MODNAS_KERNEL_CONV2D ? 100 + role : 0;
}

static size_t fake_layout_bytes(void *state, const modnas_tdesc *t, int32_t groups) {
    (void)state;
    return t->layout ? 0 : (size_t)(t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3] * 4 + groups);
}

static int fake_plan_new(void *state, const modnas_kernel *k, void **plan) {
    fake *f = state;
    modnas_kernel *copy = f->host->alloc(f->host->host, sizeof *copy);
    if (!copy) return MODNAS_ENOMEM;
    *copy = *k;
    *plan = copy;
    f->n_live++;
    f->n_objects++;
    return 0;
}

static size_t fake_plan_scratch(void *state, void *plan) {
    (void)state;
    return (size_t)((modnas_kernel *)plan)->src.dims[3];
}

static int fake_plan_run(void *state, void *plan, void *const *args, int32_t n_args, const double *scalars,
                         int32_t n_scalars, void *scratch) {
    (void)plan;
    (void)scratch;
    fake *f = state;
    if (n_args != 2 || n_scalars != 3)
        return f->host->fail(f->host->host, MODNAS_EINVAL, "axpby: 2 arguments, 3 scalars");
    const float *x = args[0];
    float *y = args[1];
    for (int64_t i = 0; i < (int64_t)scalars[0]; i++) y[i] = (float)(scalars[1] * x[i] + scalars[2] * y[i]);
    return 0;
}

static void fake_plan_free(void *state, void *plan) {
    fake *f = state;
    f->n_live--;
    f->host->free(f->host->host, plan);
}

static int fake_in_parallel(void *state) {
    (void)state;
    return is("fake_parallel");
}

static int64_t fake_n_objects(void *state) {
    return ((fake *)state)->n_objects;
}

int modnas_plugin_entry(const modnas_host *host, modnas_backend_vt *vt);
__attribute__((visibility("default"))) int modnas_plugin_entry(const modnas_host *host, modnas_backend_vt *vt) {
    if (host->abi != MODNAS_PLUGIN_ABI) return MODNAS_EABI;
    if (is("fake_rude")) return 5;
    if (is("fake_refuse")) return host->fail(host->host, MODNAS_EABI, "needs a driver of version 12, here is 11");
    *vt = (modnas_backend_vt){.size = sizeof *vt - 8 * is("fake_size"),
                              .abi = MODNAS_PLUGIN_ABI + 41 * is("fake_abi"),
                              .name = is("fake_name") ? "other" : FAKE_NAME,
                              .version = "fake 1.0",
                              .open = fake_open,
                              .close = fake_close,
                              .alloc = fake_alloc,
                              .free = fake_free,
                              .upload = fake_move,
                              .download = fake_move,
                              .supports = fake_supports,
                              .want_layout = fake_want_layout,
                              .layout_bytes = fake_layout_bytes,
                              .plan_new = fake_plan_new,
                              .plan_scratch = fake_plan_scratch,
                              .plan_run = is("fake_hole") ? NULL : fake_plan_run,
                              .plan_free = fake_plan_free,
                              .in_parallel = fake_in_parallel,
                              .n_objects = fake_n_objects,
                              .flags = is("fake_device") ? MODNAS_BACKEND_DEVICE_MEMORY : 0};
    return 0;
}
