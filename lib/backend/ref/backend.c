/* The vtable of the reference backend: host memory, plain layouts, no options. A plan is a copy of the description and
 * its row. This file's content is compiled once, beside the f32 kernels; it picks the rows by the kernel's dtype. */
#include "backend/ref/ref.h"

#if MN_REAL_IS_F32
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"

typedef struct ref_state {
    modnas_host host;
} ref_state;

typedef struct ref_plan {
    modnas_kernel k;
    const mn_ref_row *row;
} ref_plan;

static int ref_open(const modnas_host *host, const modnas_backend_opts *opts, void **state) {
    (void)opts;
    ref_state *s = host->alloc(host->host, sizeof *s);
    if (!s) return host->fail(host->host, MODNAS_ENOMEM, "ref: out of memory");
    s->host = *host;
    *state = s;
    return 0;
}

static void ref_close(void *state) {
    ref_state *s = state;
    if (s) s->host.free(s->host.host, s);
}

static int ref_alloc(void *state, size_t bytes, void **mem) {
    ref_state *s = state;
    void *p = s->host.alloc_zeroed(s->host.host, bytes > 0 ? bytes : 1);
    char text[96];
    if (p) {
        *mem = p;
        return 0;
    }
    snprintf(text, sizeof text, "ref: out of memory, %zu bytes asked for", bytes);
    return s->host.fail(s->host.host, MODNAS_ENOMEM, text);
}

static void ref_free(void *state, void *mem) {
    ref_state *s = state;
    if (mem) s->host.free(s->host.host, mem);
}

static int ref_copy(void *state, void *dst, const void *src, size_t bytes) {
    (void)state;
    if (bytes > 0) memmove(dst, src, bytes);
    return 0;
}

static const mn_ref_row *find_row(const modnas_kernel *k) {
    if (k->dtype != MODNAS_F32 && k->dtype != MODNAS_F64) return NULL;
    const mn_ref_row *rows = k->dtype == MODNAS_F32 ? mn_ref_f32_rows : mn_ref_f64_rows;
    const int n_rows = k->dtype == MODNAS_F32 ? mn_ref_f32_n_rows : mn_ref_f64_n_rows;
    for (int i = 0; i < n_rows; i++)
        if (rows[i].kind == k->kind && rows[i].pass == k->pass) return rows + i;
    return NULL;
}

static int ref_supports(void *state, const modnas_kernel *k) {
    (void)state;
    const int32_t plain = MODNAS_LAYOUT_PLAIN;
    if (k->src.layout != plain || k->weights.layout != plain || k->dst.layout != plain) return 0;
    if (k->src.dims[0] > 0 && k->src.dtype != k->dtype) return 0;
    const mn_ref_row *row = find_row(k);
    return row != NULL && row->fits(k);
}

static int32_t ref_want_layout(void *state, const modnas_kernel *k, int32_t role) {
    (void)state, (void)k, (void)role;
    return MODNAS_LAYOUT_PLAIN;
}

static size_t ref_layout_bytes(void *state, const modnas_tdesc *t, int32_t groups) {
    static const size_t element[] = {[MODNAS_F32] = 4, [MODNAS_F64] = 8, [MODNAS_I32] = 4, [MODNAS_U8] = 1};
    (void)state, (void)groups;
    if (t->layout != MODNAS_LAYOUT_PLAIN || t->dtype < 0 || t->dtype > MODNAS_U8) return 0;
    return (size_t)mn_ref_f32_count(t) * element[t->dtype];
}

static int ref_plan_new(void *state, const modnas_kernel *k, void **plan) {
    ref_state *s = state;
    if (!ref_supports(state, k)) return s->host.fail(s->host.host, MODNAS_EUNSUPPORTED, "ref: kernel is not supported");
    ref_plan *p = s->host.alloc(s->host.host, sizeof *p);
    if (!p) return s->host.fail(s->host.host, MODNAS_ENOMEM, "ref: out of memory");
    *p = (ref_plan){.k = *k, .row = find_row(k)};
    *plan = p;
    return 0;
}

static size_t ref_plan_scratch(void *state, void *plan) {
    const ref_plan *p = plan;
    (void)state;
    return p->row->scratch ? p->row->scratch(&p->k) : 0;
}

static size_t ref_plan_workspace(void *state, void *plan) {
    const ref_plan *p = plan;
    (void)state;
    return p->row->workspace ? p->row->workspace(&p->k) : 0;
}

static int refuse(const ref_state *s, const ref_plan *p, const char *what, int got, int want) {
    char text[160];
    snprintf(text, sizeof text, "%s pass %d: %s: %d given, %d wanted", mn_kernel_name(p->k.kind), (int)p->k.pass, what,
             got, want);
    return s->host.fail(s->host.host, MODNAS_EINVAL, text);
}

/* weighted_sum: p, n_src sources and y, none of them NULL; the other kinds: what their row says. */
static uint64_t required_args(const ref_plan *p) {
    if (p->k.kind != MODNAS_KERNEL_WEIGHTED_SUM) return p->row->required;
    return (UINT64_C(1) << (p->k.n_src + 1) << 1) - 1;
}

static int ref_plan_run(void *state, void *plan, void *const *args, int32_t n_args, const double *scalars,
                        int32_t n_scalars, void *scratch) {
    const ref_state *s = state;
    const ref_plan *p = plan;
    const int32_t least = p->row->n_args + (p->k.kind == MODNAS_KERNEL_WEIGHTED_SUM ? p->k.n_src : 0);
    void *all_args[MN_REF_MAX_ARGS] = {0};
    double all_scalars[MN_REF_MAX_SCALARS] = {0};
    if (n_args < least || n_args > MN_REF_MAX_ARGS) return refuse(s, p, "arguments", n_args, least);
    if (n_scalars < p->row->n_scalars || n_scalars > MN_REF_MAX_SCALARS)
        return refuse(s, p, "scalars", n_scalars, p->row->n_scalars);
    for (int32_t i = 0; i < n_args; i++) all_args[i] = args[i];
    for (int32_t i = 0; i < n_scalars; i++) all_scalars[i] = scalars[i];
    const uint64_t required = required_args(p);
    for (int32_t i = 0; i < least; i++)
        if ((required >> i & 1) && !all_args[i]) return refuse(s, p, "an argument is NULL, number", i, i);
    if (!scratch && ref_plan_scratch(state, plan) > 0) return refuse(s, p, "scratch is NULL, bytes", 0, 1);
    const mn_ref_call call = {
        .k = &p->k, .host = &s->host, .args = all_args, .scalars = all_scalars, .scratch = scratch};
    return p->row->run(&call);
}

static void ref_plan_free(void *state, void *plan) {
    ref_free(state, plan);
}

const modnas_backend_vt mn_ref_vt = {.size = sizeof(modnas_backend_vt),
                                     .abi = MODNAS_PLUGIN_ABI,
                                     .name = "ref",
                                     .version = "plain C, f32 and f64",
                                     .open = ref_open,
                                     .close = ref_close,
                                     .alloc = ref_alloc,
                                     .free = ref_free,
                                     .upload = ref_copy,
                                     .download = ref_copy,
                                     .supports = ref_supports,
                                     .want_layout = ref_want_layout,
                                     .layout_bytes = ref_layout_bytes,
                                     .plan_new = ref_plan_new,
                                     .plan_scratch = ref_plan_scratch,
                                     .plan_workspace = ref_plan_workspace,
                                     .plan_run = ref_plan_run,
                                     .plan_free = ref_plan_free,
                                     .flags = MODNAS_BACKEND_ZEROED_MEMORY};
#endif
