/* Running kernel cases on a backend, and comparing what comes out.
 *
 *   doubles -> plain buffer of the element type -> (reorder) -> argument in the kernel's layout -> run -> the same way
 * back */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_kernel_cases.h"

typedef struct bound_arg {
    modnas_tdesc desc; /* with layout and dtype of the run */
    size_t bytes;
    void *mem;
} bound_arg;

struct kc_bound {
    mn_backend *b;
    kc_case c;
    const mn_plan *plan;
    bound_arg args[KC_MAX_ARGS];
    void *pointers[KC_MAX_ARGS];
    void *scratch;
};

static int64_t count_of(const modnas_tdesc *t) {
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
}

/* ---- between doubles and elements ---- */

static size_t element_bytes(int32_t dtype) {
    return dtype == MODNAS_F64 ? 8 : 4;
}

static void encode(const double *from, int64_t n, int32_t dtype, void *to) {
    for (int64_t i = 0; i < n; i++) {
        if (dtype == MODNAS_F64) ((double *)to)[i] = from[i];
        if (dtype == MODNAS_F32) ((float *)to)[i] = (float)from[i];
        if (dtype == MODNAS_I32) ((int32_t *)to)[i] = (int32_t)from[i];
    }
}

static void decode(const void *from, int64_t n, int32_t dtype, double *to) {
    for (int64_t i = 0; i < n; i++) {
        if (dtype == MODNAS_F64) to[i] = ((const double *)from)[i];
        if (dtype == MODNAS_F32) to[i] = (double)((const float *)from)[i];
        if (dtype == MODNAS_I32) to[i] = ((const int32_t *)from)[i];
    }
}

/* ---- reorder ---- */

static int run_reorder(mn_backend *b, const modnas_tdesc *from, const modnas_tdesc *to, int32_t groups, void *src,
                       void *dst) {
    modnas_kernel k;
    const mn_plan *p;
    void *scratch = NULL, *args[] = {src, dst};
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_REORDER;
    k.dtype = from->dtype;
    k.src = *from;
    k.dst = *to;
    k.u.window.groups = groups;
    MN_TRY(mn_backend_plan(b, &k, &p));
    if (p->scratch > 0) MN_TRY(mn_backend_alloc(b, p->scratch, &scratch));
    const int rc = mn_plan_run(p, args, 2, NULL, 0, scratch);
    mn_backend_free(b, scratch);
    return rc;
}

/* Plain host bytes into an argument. */
static int put(kc_bound *r, int i, const void *plain, size_t plain_bytes) {
    bound_arg *a = &r->args[i];
    modnas_tdesc flat = a->desc;
    void *tmp = NULL;
    if (a->desc.layout == MODNAS_LAYOUT_PLAIN) return mn_backend_upload(r->b, a->mem, plain, plain_bytes);
    flat.layout = MODNAS_LAYOUT_PLAIN;
    MN_TRY(mn_backend_alloc(r->b, plain_bytes, &tmp));
    int rc = mn_backend_upload(r->b, tmp, plain, plain_bytes);
    if (!rc) rc = run_reorder(r->b, &flat, &a->desc, r->c.args[i].groups, tmp, a->mem);
    mn_backend_free(r->b, tmp);
    return rc;
}

static int get(kc_bound *r, int i, void *plain, size_t plain_bytes) {
    bound_arg *a = &r->args[i];
    modnas_tdesc flat = a->desc;
    void *tmp = NULL;
    if (a->desc.layout == MODNAS_LAYOUT_PLAIN) return mn_backend_download(r->b, plain, a->mem, plain_bytes);
    flat.layout = MODNAS_LAYOUT_PLAIN;
    MN_TRY(mn_backend_alloc(r->b, plain_bytes, &tmp));
    int rc = run_reorder(r->b, &a->desc, &flat, r->c.args[i].groups, a->mem, tmp);
    if (!rc) rc = mn_backend_download(r->b, plain, tmp, plain_bytes);
    mn_backend_free(r->b, tmp);
    return rc;
}

/* ---- binding ---- */

static modnas_tdesc *tdesc_of(modnas_kernel *k, int32_t role) {
    modnas_tdesc *all[] = {
        [MODNAS_ROLE_SRC] = &k->src, [MODNAS_ROLE_WEIGHTS] = &k->weights, [MODNAS_ROLE_DST] = &k->dst};
    return all[role];
}

static void set_types(mn_backend *b, modnas_kernel *k, int32_t dtype, int layouts) {
    k->dtype = dtype;
    for (int32_t role = MODNAS_ROLE_SRC; role <= MODNAS_ROLE_DST; role++)
        if (tdesc_of(k, role)->dims[0] > 0) tdesc_of(k, role)->dtype = dtype;
    int32_t wanted[3] = {0};
    for (int32_t role = MODNAS_ROLE_SRC; role <= MODNAS_ROLE_DST && layouts == KC_WANTED; role++)
        if (tdesc_of(k, role)->dims[0] > 0) wanted[role] = mn_backend_want_layout(b, k, role);
    for (int32_t role = MODNAS_ROLE_SRC; role <= MODNAS_ROLE_DST; role++) tdesc_of(k, role)->layout = wanted[role];
}

static int bind_argument(kc_bound *r, int i, int32_t dtype, const kc_data *in) {
    const kc_arg *a = &r->c.args[i];
    bound_arg *m = &r->args[i];
    if (a->io != KC_IN && a->io != KC_OUT && a->io != KC_INOUT) return 0;
    m->desc = a->desc;
    if (m->desc.dtype == MODNAS_F32) m->desc.dtype = dtype;
    if (a->role >= 0) m->desc.layout = tdesc_of(&r->c.kernel, a->role)->layout;
    m->bytes = mn_backend_layout_bytes(r->b, &m->desc, a->groups);
    MN_TRY(mn_backend_alloc(r->b, m->bytes, &m->mem));
    r->pointers[i] = m->mem;
    const size_t plain_bytes = element_bytes(m->desc.dtype) * (size_t)count_of(&m->desc);
    void *plain = malloc(plain_bytes);
    if (!plain) return MODNAS_ENOMEM;
    encode(in->arg[i], count_of(&m->desc), m->desc.dtype, plain);
    const int rc = put(r, i, plain, plain_bytes);
    free(plain);
    return rc;
}

/* A pooling workspace: of this plan (forward), or made by the forward plan of the same backend (backward). */
static int bind_workspace(kc_bound *r, int i) {
    modnas_kernel k = r->c.kernel;
    const mn_plan *p = r->plan;
    void *y = NULL, *scratch = NULL;
    k.pass = MODNAS_FORWARD;
    k.flags &= ~MODNAS_KF_INFERENCE;
    if (r->c.args[i].io == KC_WORKSPACE_IN) MN_TRY(mn_backend_plan(r->b, &k, &p));
    if (p->workspace == 0) return 0;
    MN_TRY(mn_backend_alloc(r->b, p->workspace, &r->args[i].mem));
    r->pointers[i] = r->args[i].mem;
    if (r->c.args[i].io == KC_WORKSPACE_OUT) return 0;
    int rc = mn_backend_alloc(r->b, mn_backend_layout_bytes(r->b, &k.dst, 0), &y);
    if (!rc && p->scratch > 0) rc = mn_backend_alloc(r->b, p->scratch, &scratch);
    void *args[] = {r->args[kc_find(&r->c, "x")].mem, y, r->args[i].mem};
    if (!rc) rc = mn_plan_run(p, args, 3, NULL, 0, scratch);
    mn_backend_free(r->b, y);
    mn_backend_free(r->b, scratch);
    return rc;
}

int kc_bind(mn_backend *b, const kc_case *c, int32_t dtype, int layouts, const kc_data *in, kc_bound **out) {
    kc_bound *r = calloc(1, sizeof *r);
    if (!r) return MODNAS_ENOMEM;
    r->b = b;
    r->c = *c;
    set_types(b, &r->c.kernel, dtype, layouts);
    int rc = mn_backend_plan(b, &r->c.kernel, &r->plan);
    for (int i = 0; i < c->n_args && !rc; i++) rc = bind_argument(r, i, dtype, in);
    for (int i = 0; i < c->n_args && !rc; i++)
        if (c->args[i].io == KC_WORKSPACE_IN || c->args[i].io == KC_WORKSPACE_OUT) rc = bind_workspace(r, i);
    if (!rc && r->plan->scratch > 0) rc = mn_backend_alloc(b, r->plan->scratch, &r->scratch);
    if (rc) {
        kc_bound_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void kc_bound_free(kc_bound *r) {
    if (!r) return;
    for (int i = 0; i < r->c.n_args; i++) mn_backend_free(r->b, r->args[i].mem);
    mn_backend_free(r->b, r->scratch);
    free(r);
}

int kc_bound_fallback(const kc_bound *r) {
    return r->plan->fallback;
}

int kc_bound_run(kc_bound *r) {
    return mn_plan_run(r->plan, r->pointers, r->c.n_args, r->c.scalars, r->c.n_scalars, r->scratch);
}

int kc_bound_fetch(kc_bound *r, kc_data *out) {
    for (int i = 0; i < r->c.n_args; i++) {
        const bound_arg *a = &r->args[i];
        if (r->c.args[i].io != KC_OUT && r->c.args[i].io != KC_INOUT) continue;
        const size_t bytes = element_bytes(a->desc.dtype) * (size_t)out->n_elems[i];
        void *plain = malloc(bytes);
        if (!plain) return MODNAS_ENOMEM;
        const int rc = get(r, i, plain, bytes);
        if (!rc) decode(plain, out->n_elems[i], a->desc.dtype, out->arg[i]);
        free(plain);
        if (rc) return rc;
    }
    return 0;
}

static int64_t n_nonzero(const void *mem, int64_t n, int32_t dtype) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += dtype == MODNAS_F64 ? ((const double *)mem)[i] != 0 : ((const float *)mem)[i] != 0;
    return count;
}

/* A layout only moves elements: what is not 0 in the buffer and not among the plain elements lies in the padding. */
int64_t kc_bound_dirty_padding(kc_bound *r) {
    int64_t dirty = 0;
    for (int i = 0; i < r->c.n_args; i++) {
        const bound_arg *a = &r->args[i];
        const int out = r->c.args[i].io == KC_OUT || r->c.args[i].io == KC_INOUT;
        if (!out || a->desc.layout == MODNAS_LAYOUT_PLAIN) continue;
        const size_t element = element_bytes(a->desc.dtype), plain_bytes = element * (size_t)count_of(&a->desc);
        void *raw = malloc(a->bytes), *plain = malloc(plain_bytes);
        const int failed =
            !raw || !plain || mn_backend_download(r->b, raw, a->mem, a->bytes) || get(r, i, plain, plain_bytes);
        if (!failed) dirty += n_nonzero(raw, (int64_t)(a->bytes / element), a->desc.dtype);
        if (!failed) dirty -= n_nonzero(plain, count_of(&a->desc), a->desc.dtype);
        free(raw);
        free(plain);
        if (failed) return -1;
    }
    return dirty;
}

int kc_run(mn_backend *b, const kc_case *c, int32_t dtype, int layouts, const kc_data *in, kc_data **out) {
    kc_bound *r = NULL;
    kc_data *d = NULL;
    int rc = kc_bind(b, c, dtype, layouts, in, &r);
    if (!rc) rc = kc_bound_run(r);
    if (!rc) rc = (d = kc_copy(in)) ? kc_bound_fetch(r, d) : MODNAS_ENOMEM;
    kc_bound_free(r);
    if (rc) {
        kc_data_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

/* ---- comparing ---- */

/* Terms of the sums behind one element of an output. */
static double n_terms(const kc_case *c, const char *name) {
    const modnas_kernel *k = &c->kernel;
    const int64_t *w = k->weights.dims, pixels = k->dst.dims[0] * k->dst.dims[2] * k->dst.dims[3];
    const int per_channel = strcmp(name, "g_w") == 0 || strcmp(name, "g_bias") == 0;
    switch (k->kind) {
    case MODNAS_KERNEL_CONV2D:
    case MODNAS_KERNEL_LINEAR:
        if (per_channel) return (double)pixels;
        if (k->pass == MODNAS_FORWARD) return (double)(w[1] * w[2] * w[3]);
        return (double)(w[0] * w[2] * w[3]) / (k->u.window.groups > 1 ? k->u.window.groups : 1);
    case MODNAS_KERNEL_BATCH_NORM:
        return (double)pixels;
    case MODNAS_KERNEL_POOL2D:
        return (double)k->u.window.kernel[0] * k->u.window.kernel[1];
    case MODNAS_KERNEL_WEIGHTED_SUM:
        return k->n_src;
    case MODNAS_KERNEL_SOFTMAX:
    case MODNAS_KERNEL_SOFTMAX_XENT:
        return (double)(k->src.dims[0] * k->src.dims[1]);
    case MODNAS_KERNEL_DOT:
        return (double)count_of(&k->src);
    case MODNAS_KERNEL_SUMSQ:
        return c->scalars[0];
    case MODNAS_KERNEL_REDUCE:
        return (double)count_of(&k->src) / (double)count_of(&k->dst);
    default:
        return 1;
    }
}

double kc_tolerance(const kc_case *c, int arg, double scale) {
    return 1e-6 * sqrt(n_terms(c, c->args[arg].name)) * (scale > 1 ? scale : 1);
}

static int compare_argument(const kc_case *c, int arg, const kc_data *got, const kc_data *want, char *text, size_t n) {
    double scale = 0;
    for (int64_t i = 0; i < want->n_elems[arg]; i++) scale = fmax(scale, fabs(want->arg[arg][i]));
    const double allowed = kc_tolerance(c, arg, scale);
    for (int64_t i = 0; i < want->n_elems[arg]; i++) {
        const double off = fabs(got->arg[arg][i] - want->arg[arg][i]);
        if (off <= allowed) continue;
        snprintf(text, n, "%s: %s[%lld]: %.9g, want %.9g, off by %.3g, allowed %.3g", c->name, c->args[arg].name,
                 (long long)i, got->arg[arg][i], want->arg[arg][i], off, allowed);
        return -1;
    }
    return 0;
}

int kc_compare(const kc_case *c, const kc_data *got, const kc_data *want, char *text, size_t n) {
    for (int i = 0; i < c->n_args; i++)
        if (c->args[i].io == KC_OUT || c->args[i].io == KC_INOUT)
            if (compare_argument(c, i, got, want, text, n) != 0) return -1;
    return 0;
}
