/* Opened backends, and the cache of plans.
 *
 *   mn_backend = one opened backend (vtable + state) with `ref` beside it as fallback
 *   mn_plan    = what a kernel description became: on the backend itself, or on ref
 *
 * Plans are looked up by the bytes of their description, made once, and live as long as the backend (never evicted):
 * after all kernels of a space were seen, a step makes none. */
#ifndef MN_BACKEND_H
#define MN_BACKEND_H

#include "base/base.h"
#include "modnas/sys/backend.h"

typedef struct mn_backend mn_backend;

typedef struct mn_plan {
    const modnas_backend_vt *vt; /* of the backend that runs it */
    void *state, *plan;
    size_t scratch, workspace;
    int fallback; /* 1: runs on ref */
} mn_plan;

/* Open a backend on this context, or hold the one that is open already (one per name, device and thread count).
 * name: "ref", "dnnl", "cudnn" or "auto" (dnnl, else ref with a logged reason); "none" is not one. threads 0: the
 * context's. MODNAS_ENOBACKEND with the loader's text when the plug-in is missing or refused (both abi numbers named).
 */
int mn_backend_open(modnas_ctx *ctx, const char *name, int32_t threads, mn_backend **out);
void mn_backend_close(mn_backend *b); /* NULL is fine */

modnas_ctx *mn_backend_ctx(const mn_backend *b);
const char *mn_backend_name(const mn_backend *b);
const char *mn_backend_version(const mn_backend *b);
int32_t mn_backend_threads(const mn_backend *b);

/* 0; MODNAS_EPARALLEL if the caller is inside a parallel region; MODNAS_EFORK if the process forked since opening.
 * Asked once per public entry that runs kernels. */
int mn_backend_enter(mn_backend *b);

/* A run of many kernels begins. */
void mn_backend_begin(mn_backend *b);

int mn_backend_alloc(mn_backend *b, size_t bytes, void **mem); /* zeroed */
void mn_backend_free(mn_backend *b, void *mem);
int mn_backend_upload(mn_backend *b, void *dst, const void *src, size_t bytes);
int mn_backend_download(mn_backend *b, void *dst, const void *src, size_t bytes);

/* Does the backend itself (not the fallback) run this kernel? */
int mn_backend_supports(mn_backend *b, const modnas_kernel *k);
int32_t mn_backend_want_layout(mn_backend *b, const modnas_kernel *k, int32_t role); /* or a status, negative */
size_t mn_backend_layout_bytes(mn_backend *b, const modnas_tdesc *t, int32_t groups);

/* The plan for a kernel, from the cache or made now: on the backend if it supports k as it stands (layouts included),
 * else on ref if all layouts are plain. MODNAS_EUNSUPPORTED with kernel and shapes otherwise. Borrowed. */
int mn_backend_plan(mn_backend *b, const modnas_kernel *k, const mn_plan **out);
int mn_plan_run(const mn_plan *p, void *const *args, int32_t n_args, const double *scalars, int32_t n_scalars,
                void *scratch);

int64_t mn_backend_n_plans(const mn_backend *b);   /* plans in the cache */
int64_t mn_backend_n_objects(const mn_backend *b); /* vendor objects made so far */

const char *mn_kernel_name(int32_t kind); /* "conv2d"; "?" if unknown */
/* "conv2d forward f32 (src 2x3x8x8 layout 1, weights 4x3x3x3, dst 2x4x6x6)", for messages. */
void mn_kernel_text(const modnas_kernel *k, char *text, size_t bytes);

/* "Every backend that could be opened here": name, version, or the reason why not. For `modnas devices`. */
typedef int (*mn_backend_visit_fn)(const char *name, const char *version, const char *why_not, void *ud);
int mn_backend_visit(modnas_ctx *ctx, mn_backend_visit_fn fn, void *ud);

/* The vtables of the backend inside the library. */
extern const modnas_backend_vt mn_ref_vt;

#endif
