/* Backends: plug-ins that run kernels. Extension tier: looser promise than the stable headers.
 *
 * A plug-in is a shared object with one entry point, modnas_plugin_entry. It imports nothing from libmodnas: what it needs
 * of the host comes in a table. Plans belong to one open backend; they are immutable and run one at a time. */
#ifndef MODNAS_SYS_BACKEND_H
#define MODNAS_SYS_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "modnas/sys/kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever this header or kernel.h changes meaning; plug-in and library must agree exactly. */
#define MODNAS_PLUGIN_ABI 1

/* What the library gives a plug-in. fail() sets the context's error text and returns `status`. */
typedef struct modnas_host {
    size_t size;
    uint64_t abi;
    void *host;
    void *(*alloc)(void *host, size_t bytes); /* 64-byte aligned, not zeroed; NULL when out of memory */
    void (*free)(void *host, void *mem);
    void *(*alloc_zeroed)(void *host, size_t bytes); /* as alloc; large blocks take memory only where they are used */
    int (*fail)(void *host, int status, const char *text);
    void (*log)(void *host, int32_t level, const char *text);
} modnas_host;

typedef struct modnas_backend_opts {
    size_t size;
    int32_t threads; /* logical count: work is split into this many static parts, whatever the machine has */
    int32_t device;  /* index of the device */
} modnas_backend_opts;

enum modnas_role { MODNAS_ROLE_SRC = 0, MODNAS_ROLE_WEIGHTS = 1, MODNAS_ROLE_DST = 2 };

enum modnas_backend_flags {
    MODNAS_BACKEND_DEVICE_MEMORY = 1 << 0, /* memory is not the host's: no kernel can fall back to `ref` */
    MODNAS_BACKEND_ZEROED_MEMORY = 1 << 1  /* what alloc gives is zeroed: the library need not do it */
};

/* Pointers marked (o) may be NULL. All int results are status codes unless said. */
typedef struct modnas_backend_vt {
    size_t size;      /* sizeof as the plug-in compiled it */
    uint64_t abi;     /* MODNAS_PLUGIN_ABI */
    const char *name; /* "ref", "dnnl", "cudnn" */
    const char *version; /* of what it runs on, e.g. "oneDNN 3.2.0, avx512_core" */

    int (*open)(const modnas_host *host, const modnas_backend_opts *opts, void **state);
    void (*close)(void *state);

    /* Memory of the device, 64-byte aligned. */
    int (*alloc)(void *state, size_t bytes, void **mem);
    void (*free)(void *state, void *mem);
    int (*upload)(void *state, void *dst, const void *src, size_t bytes);
    int (*download)(void *state, void *dst, const void *src, size_t bytes);

    /* 1 if this kernel (with the layouts in it) can be planned, else 0. The library then falls back to `ref` with plain
     * layouts where memory is the host's. Negative: a status, why it cannot be told. */
    int (*supports)(void *state, const modnas_kernel *k);
    /* The layout this backend would like for an argument of the kernel (layouts inside k are ignored): a layout id. For
     * weights this is where they rest; it must depend on the geometry only, not on batch or image size. A negative status
     * (MODNAS_ENOMEM) when it cannot be told. */
    int32_t (*want_layout)(void *state, const modnas_kernel *k, int32_t role);
    /* Bytes a tensor takes in a layout, padding included; 0 for an unknown layout. groups: of weights, else 0. */
    size_t (*layout_bytes)(void *state, const modnas_tdesc *t, int32_t groups);

    int (*plan_new)(void *state, const modnas_kernel *k, void **plan);
    size_t (*plan_scratch)(void *state, void *plan);   /* (o) bytes needed during a run, given as `scratch` */
    size_t (*plan_workspace)(void *state, void *plan); /* (o) bytes that forward leaves for backward (pool2d) */
    int (*plan_run)(void *state, void *plan, void *const *args, int32_t n_args, const double *scalars, int32_t n_scalars,
                    void *scratch);
    void (*plan_free)(void *state, void *plan);

    int (*sync)(void *state);        /* (o) already synchronous */
    void (*begin)(void *state);      /* (o) a run of many kernels begins: whatever is worth doing once */
    int (*in_parallel)(void *state); /* (o) 1 if the caller is inside a parallel region of this backend's runtime */
    int64_t (*n_objects)(void *state); /* (o) vendor objects (primitives, descriptors) made so far; tests watch it */

    uint64_t flags; /* of enum modnas_backend_flags */
} modnas_backend_vt;

/** The entry point of a plug-in: fill in *vt. vt->size holds what the library knows when called.
 * @return 0, or MODNAS_EABI if host->abi or sizes do not match */
typedef int (*modnas_plugin_entry_fn)(const modnas_host *host, modnas_backend_vt *vt);

#ifdef __cplusplus
}
#endif
#endif
