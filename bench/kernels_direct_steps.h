/* What a direct call to oneDNN is made of: descriptors, primitives one after the other, memory for their arguments. */
#ifndef KERNELS_DIRECT_STEPS_H
#define KERNELS_DIRECT_STEPS_H

#include <dnnl.h>

#include "kernels_direct.h"

enum { MAX_STEPS = 3, MAX_ARGS = 24, MAX_DESCS = 16 };

typedef struct step {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[MAX_ARGS];
    int n_args;
} step;

struct direct {
    int threads, n_steps, n_descs, n_memories;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    step steps[MAX_STEPS];
    dnnl_memory_desc_t descs[MAX_DESCS];
    dnnl_memory_t memories[MAX_STEPS * MAX_ARGS];
};

#define TRY(e)                                                                                                         \
    do {                                                                                                               \
        const dnnl_status_t status_ = (e);                                                                             \
        if (status_ != dnnl_success) return status_;                                                                   \
    } while (0)

/* Descriptors are kept until direct_free. NULL when one could not be made: oneDNN then refuses it itself. */
const_dnnl_memory_desc_t direct_desc(direct *d, int n, const int64_t *dims, dnnl_format_tag_t tag);
/* Images in channel blocks of the vector length; without pixels, plain. */
const_dnnl_memory_desc_t direct_images(direct *d, const modnas_tdesc *t);
const_dnnl_memory_desc_t direct_any(direct *d, int n, const int64_t *dims);
/* A box of a tensor, as a part of its memory; NULL where oneDNN cannot name it: borders inside a channel block. */
const_dnnl_memory_desc_t direct_box(direct *d, const_dnnl_memory_desc_t whole, const int32_t *count,
                                    const int32_t *start);

/* The memory of an argument of the first step. */
dnnl_memory_t direct_first_memory(const direct *d, int arg);
dnnl_status_t direct_new_memory(direct *d, const_dnnl_memory_desc_t md, dnnl_memory_t *out);

/* Append a primitive, with memory for all that it asks for; takes pd. */
dnnl_status_t direct_add(direct *d, dnnl_primitive_desc_t pd);
/* Append a reorder from x, described by `from`, to y. */
dnnl_status_t direct_add_reorder(direct *d, const_dnnl_memory_desc_t from, dnnl_memory_t x, const_dnnl_memory_desc_t to,
                                 dnnl_memory_t y);

#endif
