/* What a direct call to oneDNN is made of: see kernels_direct_steps.h. Values do not matter: all floats are around one
 * half. */
#include "kernels_direct_steps.h"

#include <string.h>

#include "base/base.h"

/* ---- descriptors --------------------------------------------------------------------------------------- */

const_dnnl_memory_desc_t direct_desc(direct *d, int n, const int64_t *dims, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t *out = &d->descs[d->n_descs];
    dnnl_dims_t all = {0};
    if (d->n_descs == MAX_DESCS) return NULL;
    for (int i = 0; i < n; i++) all[i] = dims[i];
    if (dnnl_memory_desc_create_with_tag(out, n, all, dnnl_f32, tag) != dnnl_success) return NULL;
    return d->descs[d->n_descs++];
}

const_dnnl_memory_desc_t direct_images(direct *d, const modnas_tdesc *t) {
    const dnnl_format_tag_t blocked = mn_cpu_isa() == MN_ISA_AVX512 ? dnnl_nChw16c : dnnl_nChw8c;
    return direct_desc(d, 4, t->dims, t->dims[2] * t->dims[3] > 1 && t->dims[1] > 1 ? blocked : dnnl_nchw);
}

const_dnnl_memory_desc_t direct_any(direct *d, int n, const int64_t *dims) {
    return direct_desc(d, n, dims, dnnl_format_tag_any);
}

const_dnnl_memory_desc_t direct_box(direct *d, const_dnnl_memory_desc_t whole, const int32_t *count,
                                    const int32_t *start) {
    dnnl_memory_desc_t *out = &d->descs[d->n_descs];
    dnnl_dims_t dims = {0}, offsets = {0};
    for (int i = 0; i < 4; i++) {
        dims[i] = count[i];
        offsets[i] = start[i];
    }
    if (d->n_descs == MAX_DESCS || dnnl_memory_desc_create_submemory(out, whole, dims, offsets) != dnnl_success)
        return NULL;
    return d->descs[d->n_descs++];
}

/* ---- steps --------------------------------------------------------------------------------------------- */

dnnl_memory_t direct_first_memory(const direct *d, int arg) {
    for (int i = 0; i < d->steps[0].n_args; i++)
        if (d->steps[0].args[i].arg == arg) return d->steps[0].args[i].memory;
    return NULL;
}

/* Where a later step of a chain finds what it works on. */
static dnnl_memory_t shared_memory(const direct *d, int arg) {
    if (d->n_steps == 0) return NULL;
    if (arg == DNNL_ARG_SRC || arg == DNNL_ARG_DST) return direct_first_memory(d, DNNL_ARG_DST);
    if (arg == DNNL_ARG_DIFF_SRC || arg == DNNL_ARG_DIFF_DST) return direct_first_memory(d, DNNL_ARG_DIFF_SRC);
    return NULL;
}

dnnl_status_t direct_new_memory(direct *d, const_dnnl_memory_desc_t md, dnnl_memory_t *out) {
    dnnl_data_type_t type;
    void *bytes;
    const size_t n = dnnl_memory_desc_get_size(md);
    TRY(dnnl_memory_create(out, md, d->engine, DNNL_MEMORY_ALLOCATE));
    d->memories[d->n_memories++] = *out;
    TRY(dnnl_memory_get_data_handle(*out, &bytes));
    TRY(dnnl_memory_desc_query(md, dnnl_query_data_type, &type));
    if (type != dnnl_f32) memset(bytes, 0, n);
    for (size_t i = 0; type == dnnl_f32 && i < n / sizeof(float); i++)
        ((float *)bytes)[i] = 0.5f + 0.01f * (float)(i % 7);
    return dnnl_success;
}

/* Batch norm's backward names its shift among the arguments, and refuses to run when it is given. */
static int is_taken(const_dnnl_primitive_desc_t pd, int arg) {
    dnnl_prop_kind_t direction = dnnl_prop_kind_undef;
    return arg != DNNL_ARG_SHIFT ||
           dnnl_primitive_desc_query(pd, dnnl_query_prop_kind, 0, &direction) != dnnl_success ||
           direction != dnnl_backward;
}

static dnnl_status_t give_argument(direct *d, const_dnnl_primitive_desc_t pd, step *s, int arg) {
    const_dnnl_memory_desc_t md = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg);
    if (!md || dnnl_memory_desc_get_size(md) == 0 || !is_taken(pd, arg)) return dnnl_success;
    dnnl_memory_t memory = shared_memory(d, arg);
    if (!memory) TRY(direct_new_memory(d, md, &memory));
    s->args[s->n_args++] = (dnnl_exec_arg_t){arg, memory};
    return dnnl_success;
}

dnnl_status_t direct_add(direct *d, dnnl_primitive_desc_t pd) {
    static const int args[] = {DNNL_ARG_SRC,      DNNL_ARG_SRC_1,      DNNL_ARG_WEIGHTS,      DNNL_ARG_BIAS,
                               DNNL_ARG_DST,      DNNL_ARG_DIFF_SRC,   DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS,
                               DNNL_ARG_DIFF_DST, DNNL_ARG_MEAN,       DNNL_ARG_VARIANCE,     DNNL_ARG_SCALE,
                               DNNL_ARG_SHIFT,    DNNL_ARG_DIFF_SCALE, DNNL_ARG_DIFF_SHIFT,   DNNL_ARG_WORKSPACE};
    enum { SOURCES = MAX_ARGS - MN_COUNT(args) };
    step *s = &d->steps[d->n_steps];
    dnnl_status_t status = dnnl_primitive_create(&s->primitive, pd);
    for (size_t i = 0; i < MN_COUNT(args) && status == dnnl_success; i++) status = give_argument(d, pd, s, args[i]);
    for (int i = 0; i < SOURCES && status == dnnl_success; i++)
        status = give_argument(d, pd, s, DNNL_ARG_MULTIPLE_SRC + i);
    dnnl_primitive_desc_destroy(pd);
    d->n_steps++;
    return status;
}

dnnl_status_t direct_add_reorder(direct *d, const_dnnl_memory_desc_t from, dnnl_memory_t x, const_dnnl_memory_desc_t to,
                                 dnnl_memory_t y) {
    dnnl_primitive_desc_t pd;
    step *s = &d->steps[d->n_steps];
    TRY(dnnl_reorder_primitive_desc_create(&pd, from, d->engine, to, d->engine, NULL));
    const dnnl_status_t status = dnnl_primitive_create(&s->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    TRY(status);
    s->args[s->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, x};
    s->args[s->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_DST, y};
    d->n_steps++;
    return dnnl_success;
}
