/* One table of kernels for tests and benchmarks.
 *
 *   kc_get       a case: kernel description (f32, plain layouts), its argument list, its scalars
 *   kc_fill      seeded values for the arguments, as doubles that are exact in f32
 *   kc_bind      plan and device buffers on a backend, in plain layouts or in those the backend asks for
 *   kc_compare   outputs against outputs, at a tolerance that follows from the length of the sums
 *
 * Values: inputs of activations keep 1/64 away from the corners -3, 0, 3, 6 and from alpha and beta of clip. What a
 * backward kernel takes from its forward (y, saved_mean, saved_rstd, prob, mask) is computed by `ref` in f64 and then
 * rounded, so that every backend gets the same bytes; a pooling workspace is opaque and comes from the same backend's
 * forward plan. The source of truth for all of it is the comment at the end of include/modnas/sys/kernel.h. */
#ifndef UTIL_KERNEL_CASES_H
#define UTIL_KERNEL_CASES_H

#include "backend/backend.h"

#define KC_MAX_ARGS    40
#define KC_MAX_SCALARS 8

enum kc_io { KC_NONE = 0 /* NULL is passed */, KC_IN, KC_OUT, KC_INOUT, KC_WORKSPACE_OUT, KC_WORKSPACE_IN };

typedef struct kc_arg {
    const char *name; /* as in kernel.h: "x", "w", "g_x", ... */
    int32_t io;       /* enum kc_io */
    int32_t role; /* enum modnas_role: the argument has the layout of kernel.src, .weights or .dst; -1: always plain */
    int32_t groups; /* of convolution and linear weights, else 0: as layout_bytes and reorder want it */
    int32_t fill;   /* how values are drawn, see util_kernel_fill.c */
    modnas_tdesc
        desc; /* dims; dtype F32 for real ones (the case's dtype when bound), I32 for labels, F64 for sumsq's out */
} kc_arg;

typedef struct kc_case {
    char name[120]; /* "conv2d/bwd_data/dw_k5_s2" */
    int32_t bench;  /* 1: a large shape of a real network, for bench/kernels and not for the tests */
    modnas_kernel kernel;
    int32_t n_args, n_scalars;
    kc_arg args[KC_MAX_ARGS];
    double scalars[KC_MAX_SCALARS];
} kc_case;

/* Values of all arguments, plain order. arg[i] is NULL for KC_NONE and workspaces. */
typedef struct kc_data {
    int32_t n_args;
    double *arg[KC_MAX_ARGS];
    int64_t n_elems[KC_MAX_ARGS];
} kc_data;

/* ---- the table (util_kernel_cases.c) ---- */
int kc_count(void);
void kc_get(int index, kc_case *out);
/* The forward case that belongs to a backward one: same geometry, act, flags and scalars. */
void kc_forward_of(const kc_case *backward, kc_case *out);
/* Fill in the argument list of a case whose kernel is set (util_kernel_args.c). */
void kc_set_args(kc_case *c);
/* Index of the argument of this name, -1 if the case has none or passes NULL. */
int kc_find(const kc_case *c, const char *name);

/* ---- values (util_kernel_fill.c) ---- */
/* dtype MODNAS_F32: every value is rounded to float; MODNAS_F64: dependent inputs keep full precision (gradient
 * checks). `ref` is the opened ref backend. NULL when something failed (text in the context). */
kc_data *kc_fill(mn_backend *ref, const kc_case *c, int32_t dtype, uint64_t seed);
kc_data *kc_copy(const kc_data *d);
void kc_data_free(kc_data *d);

/* ---- running (util_kernel_run.c) ---- */
enum kc_layouts { KC_PLAIN = 0, KC_WANTED = 1 };

typedef struct kc_bound kc_bound;

/* Plan the case on a backend and upload `in` (reordered by the backend's own REORDER kernel where a layout is not
 * plain). 0; MODNAS_EUNSUPPORTED if neither the backend nor the fall-back takes it. kc_bound_fallback: 1 if ref runs
 * it. */
int kc_bind(mn_backend *b, const kc_case *c, int32_t dtype, int layouts, const kc_data *in, kc_bound **out);
int kc_bound_run(kc_bound *r);
/* Bring outputs back to plain order; inputs in `out` stay. */
int kc_bound_fetch(kc_bound *r, kc_data *out);
int kc_bound_fallback(const kc_bound *r);
/* Number of elements behind the logical channels of outputs (padding of blocked layouts) that are not 0. */
int64_t kc_bound_dirty_padding(kc_bound *r); /* -1: could not be read */
void kc_bound_free(kc_bound *r);

/* bind, run, fetch: *out is a copy of `in` with the outputs replaced. */
int kc_run(mn_backend *b, const kc_case *c, int32_t dtype, int layouts, const kc_data *in, kc_data **out);

/* ---- comparing (util_kernel_run.c) ---- */
/* Allowed |got - want| of one output whose largest |want| is `scale`: 1e-6 * sqrt(K) * max(1, scale), K = terms of the
 * sums behind an element (rounding errors of K terms add up like a random walk; f32 has 6e-8 a step). */
double kc_tolerance(const kc_case *c, int arg, double scale);
/* 0 when all outputs agree; else -1 and a line "g_x[17]: 0.5, want 0.25, off by 0.25, allowed 1e-6". */
int kc_compare(const kc_case *c, const kc_data *got, const kc_data *want, char *text, size_t n);

#endif
