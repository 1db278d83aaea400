/* Which oneDNN primitive a convolution becomes.
 *
 * Activations are taken as they rest (blocked, or plain for an image), weights with the layout left open: oneDNN picks
 * the one its kernel wants and conv.c reorders from and to where they rest. For some shapes (grouped convolutions whose
 * groups are no multiple of the block) oneDNN has only its scalar reference on blocked activations; then the
 * activations are left open too.
 *
 * Weights rest as the training-forward primitive wants them. That is asked once a geometry, at a nominal batch and
 * image size, so that the answer does not depend on what is run first. */
#include "backend/dnnl/conv.h"

#include <string.h>

#include "backend/dnnl/depthwise.h"

enum { IMAGE_CHANNELS_MAX = 3, NOMINAL_BATCH = 16, NOMINAL_SIZE = 16 };

/* Descriptors of the operands, and the window as oneDNN wants it. */
typedef struct operands {
    dnnl_memory_desc_t src, weights, bias, dst; /* bias may be NULL */
    dnnl_dims_t strides, dilates, pad_begin, pad_end;
} operands;

int mn_dnnl_conv_is_image(const modnas_kernel *k) {
    return k->u.window.groups <= 1 && k->src.dims[1] <= IMAGE_CHANNELS_MAX;
}

static void operands_free(operands *o) {
    if (o->src) dnnl_memory_desc_destroy(o->src);
    if (o->weights) dnnl_memory_desc_destroy(o->weights);
    if (o->bias) dnnl_memory_desc_destroy(o->bias);
    if (o->dst) dnnl_memory_desc_destroy(o->dst);
}

static dnnl_status_t operands_init(mn_dnnl *s, const modnas_kernel *k, int open_activations, operands *o) {
    const modnas_window *w = &k->u.window;
    memset(o, 0, sizeof *o);
    for (int i = 0; i < 2; i++) {
        o->strides[i] = w->stride[i];
        o->dilates[i] = w->dilation[i] - 1; /* oneDNN counts the holes */
        o->pad_begin[i] = w->pad[i];
        o->pad_end[i] = w->pad[2 + i];
    }
    dnnl_status_t status =
        open_activations ? mn_dnnl_md_any(s, &k->src, &o->src) : mn_dnnl_md_activation(s, &k->src, &o->src);
    if (status == dnnl_success)
        status = open_activations ? mn_dnnl_md_any(s, &k->dst, &o->dst) : mn_dnnl_md_activation(s, &k->dst, &o->dst);
    if (status == dnnl_success) status = mn_dnnl_md_weights_any(s, &k->weights, w->groups, &o->weights);
    const int has_bias = (k->flags & MODNAS_KF_BIAS) && !(k->flags & MODNAS_KF_FOLD_BN);
    if (status == dnnl_success && has_bias) status = mn_dnnl_md_vector(s, k->dst.dims[1], &o->bias);
    return status;
}

static dnnl_status_t forward_desc(mn_dnnl *s, const operands *o, int inference, const_dnnl_primitive_attr_t attr,
                                  dnnl_primitive_desc_t *desc) {
    return onednn.convolution_forward_primitive_desc_create(
        desc, s->engine, inference ? dnnl_forward_inference : dnnl_forward_training, dnnl_convolution_direct, o->src,
        o->weights, o->bias, o->dst, o->strides, o->dilates, o->pad_begin, o->pad_end, attr);
}

static dnnl_status_t backward_desc(mn_dnnl *s, const operands *o, int32_t pass, const_dnnl_primitive_attr_t attr,
                                   dnnl_primitive_desc_t *desc) {
    dnnl_primitive_desc_t hint;
    dnnl_status_t status = forward_desc(s, o, 0, attr, &hint);
    if (status != dnnl_success) return status;
    s->n_objects++;
    if (pass == MODNAS_BACKWARD_DATA)
        status = onednn.convolution_backward_data_primitive_desc_create(desc, s->engine, dnnl_convolution_direct, o->src,
                                                                      o->weights, o->dst, o->strides, o->dilates,
                                                                      o->pad_begin, o->pad_end, hint, attr);
    else
        status = onednn.convolution_backward_weights_primitive_desc_create(
            desc, s->engine, dnnl_convolution_direct, o->src, o->weights, o->bias, o->dst, o->strides, o->dilates,
            o->pad_begin, o->pad_end, hint, attr);
    dnnl_primitive_desc_destroy(hint);
    return status;
}

static dnnl_status_t try_desc(mn_dnnl *s, const modnas_kernel *k, int open_activations,
                              const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *desc) {
    operands o;
    dnnl_status_t status = operands_init(s, k, open_activations, &o);
    if (status == dnnl_success)
        status = k->pass == MODNAS_FORWARD ? forward_desc(s, &o, k->flags & MODNAS_KF_INFERENCE, attr, desc)
                                           : backward_desc(s, &o, k->pass, attr, desc);
    if (status == dnnl_success) s->n_objects++;
    operands_free(&o);
    return status;
}

/* oneDNN names its scalar fallback "ref:any" or the like. */
static int is_reference(const_dnnl_primitive_desc_t desc) {
    const char *name = NULL;
    return dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
           strstr(name, "ref") != NULL;
}

dnnl_status_t mn_dnnl_conv_desc(mn_dnnl *s, const modnas_kernel *k, const_dnnl_primitive_attr_t attr,
                                dnnl_primitive_desc_t *desc) {
    dnnl_primitive_desc_t resting, open;
    const dnnl_status_t status = try_desc(s, k, 0, attr, &resting);
    if (status == dnnl_success && !is_reference(resting)) {
        *desc = resting;
        return dnnl_success;
    }
    if (status == dnnl_out_of_memory) return status; /* what is left to try would be another computation */
    const dnnl_status_t opened = try_desc(s, k, 1, attr, &open);
    if (opened == dnnl_success || opened == dnnl_out_of_memory) { /* and so would be the one before */
        if (status == dnnl_success) dnnl_primitive_desc_destroy(resting);
        if (opened == dnnl_success) *desc = open;
        return opened;
    }
    if (status == dnnl_success) *desc = resting;
    return status;
}

/* The forward convolution of the same geometry at the nominal batch and image size. */
static modnas_kernel nominal(const modnas_kernel *k) {
    modnas_kernel n;
    memset(&n, 0, sizeof n);
    n.kind = MODNAS_KERNEL_CONV2D;
    n.u.window = k->u.window;
    n.weights = k->weights;
    n.src.layout = mn_dnnl_conv_is_image(k) ? MODNAS_LAYOUT_PLAIN : MODNAS_LAYOUT_BLOCKED;
    n.dst.layout = MODNAS_LAYOUT_BLOCKED;
    n.src.dims[0] = n.dst.dims[0] = NOMINAL_BATCH;
    n.src.dims[1] = k->src.dims[1];
    n.dst.dims[1] = k->dst.dims[1];
    modnas_window *w = &n.u.window;
    for (int i = 0; i < 2; i++) {
        const int32_t reach = w->dilation[i] * (w->kernel[i] - 1);
        w->pad[i] = w->pad[2 + i] = reach / 2;
        n.src.dims[2 + i] = (NOMINAL_SIZE - 1) * w->stride[i] + 1 + reach - 2 * (reach / 2);
        n.dst.dims[2 + i] = NOMINAL_SIZE;
    }
    return n;
}

static dnnl_status_t weights_wanted(mn_dnnl *s, const modnas_kernel *k, const mn_dnnl_geometry *g, int32_t *layout) {
    dnnl_status_t status;
    if (mn_dnnl_depthwise_is(s, k)) {
        dnnl_memory_desc_t md;
        status = mn_dnnl_md_weights_depthwise(s, &k->weights, g->groups, &md);
        if (status != dnnl_success) return status;
        status = mn_dnnl_layout_remember(s, g, &k->weights, md, layout);
        dnnl_memory_desc_destroy(md);
        return status;
    }
    const modnas_kernel n = nominal(k);
    dnnl_primitive_desc_t desc;
    status = mn_dnnl_conv_desc(s, &n, NULL, &desc);
    if (status != dnnl_success) return status;
    const const_dnnl_memory_desc_t md = dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    status = mn_dnnl_layout_remember(s, g, &k->weights, md, layout);
    dnnl_primitive_desc_destroy(desc);
    return status;
}

int32_t mn_dnnl_conv_weights_layout(mn_dnnl *s, const modnas_kernel *k) {
    const modnas_window *w = &k->u.window;
    const mn_dnnl_geometry g = {.out = k->weights.dims[0],
                                .in = k->weights.dims[1],
                                .kernel = {w->kernel[0], w->kernel[1]},
                                .stride = {w->stride[0], w->stride[1]},
                                .dilation = {w->dilation[0], w->dilation[1]},
                                .groups = w->groups};
    int32_t layout = mn_dnnl_layout_find(s, &g);
    if (layout >= 0) return layout;
    const dnnl_status_t status = weights_wanted(s, k, &g, &layout);
    if (status == dnnl_success) return layout;
    if (status == dnnl_out_of_memory) return mn_dnnl_refused(s, status, "the layout", k);
    return MODNAS_LAYOUT_PLAIN; /* the plan will say why */
}
