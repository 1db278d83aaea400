/* oneDNN's functions that allocate, as this backend calls them: `onednn.primitive_create(...)`, and so on.
 *
 * oneDNN is C++ inside and lets std::bad_alloc out through its C interface, which ends a C program. Through this table
 * it comes back as dnnl_out_of_memory. Functions that only look or destroy are called directly. */
#ifndef MN_ONEDNN_H
#define MN_ONEDNN_H

#include <dnnl.h>

#define MN_ONEDNN_MAP(X)                                                                                               \
    X(engine_create)                                                                                                   \
    X(stream_create)                                                                                                   \
    X(memory_create)                                                                                                   \
    X(memory_desc_clone)                                                                                               \
    X(memory_desc_create_with_tag)                                                                                     \
    X(post_ops_create)                                                                                                 \
    X(post_ops_append_binary)                                                                                          \
    X(post_ops_append_eltwise)                                                                                         \
    X(primitive_attr_create)                                                                                           \
    X(primitive_attr_set_post_ops)                                                                                     \
    X(primitive_attr_set_scratchpad_mode)                                                                              \
    X(convolution_forward_primitive_desc_create)                                                                       \
    X(convolution_backward_data_primitive_desc_create)                                                                 \
    X(convolution_backward_weights_primitive_desc_create)                                                              \
    X(eltwise_forward_primitive_desc_create)                                                                           \
    X(eltwise_backward_primitive_desc_create)                                                                          \
    X(reorder_primitive_desc_create)                                                                                   \
    X(primitive_create)                                                                                                \
    X(primitive_execute)                                                                                               \
    X(sgemm)

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mn_onednn {
#define MN_ONEDNN_FIELD(name) __typeof__(dnnl_##name) *name;
    MN_ONEDNN_MAP(MN_ONEDNN_FIELD)
#undef MN_ONEDNN_FIELD
} mn_onednn;

extern const mn_onednn onednn;

#ifdef __cplusplus
}
#endif
#endif
