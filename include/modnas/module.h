/* The module tree: what a backbone is made of, and what constructors edit.
 *
 * A module has a name within its parent, children and parameters; names join with '.' to those of checkpoints, as PyTorch
 * has them ("layer1.0.conv1.weight"). Modules are added from the top down while the model is built, by a backbone's, a
 * candidate's, a layer's or a constructor's callback; after that the tree stands and its modules are only recorded
 * (tape.h). All handles are borrowed and live as long as the model; what a Slot held goes when it is filled anew. */
#ifndef MODNAS_MODULE_H
#define MODNAS_MODULE_H

#include "modnas/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct modnas_tape modnas_tape;   /* tape.h */
typedef struct modnas_value modnas_value; /* tape.h */

/** Functions of a backbone, a candidate, a layer or one custom module. Zero in a field means its default. */
typedef struct modnas_module_vt {
    size_t size; /* sizeof(modnas_module_vt) as the caller compiled it */
    /** Add children and parameters to m, which is empty. Default: nothing to add.
     * A backbone also calls modnas_model_set_input(modnas_module_model(m), ...). A candidate asks modnas_module_slot(m, ...)
     * for its channels and stride. */
    int (*build)(modnas_module *m, const modnas_args *args, void *ud);
    /** Record what m computes from src[0..n_src): call modnas_forward on children and modnas_op_... (tape.h), set *dst.
     * Called again for every new recording: it must do the same each time, keep no value, and change nothing.
     * A backbone gets one value (N, C, H, W) and gives (N, classes, 1, 1).
     * Default: the children in order, each on what the one before it gave. */
    int (*forward)(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                   void *ud);
} modnas_module_vt;

/** Add a layer, ready-made (`modnas list layer`) or the host's own, or a Slot.
 *
 * Layers have PyTorch's names and arguments: Conv2d, BatchNorm2d, Linear, ReLU, MaxPool2d, AdaptiveAvgPool2d, Dropout,
 * Sequential, ...; ConvBNAct is a convolution with SAME padding, batch norm and an activation. Slot is the place for a
 * candidate or a mixed op: {chn_in, chn_out, stride, op, kwargs}; op is the operator that the backbone itself has there.
 *
 * @param name  not empty, without '.', new in the parent
 * @param args  YAML map, e.g. "in_channels: 3, out_channels: 16, kernel_size: 3"; braces may be left out; NULL: none
 * @param out   [out] may be NULL; borrowed
 * @return 0; MODNAS_ECONFIG (the module, the argument and the numbers); MODNAS_ENOTFOUND (no such layer, with the nearest
 *         one); MODNAS_EEXIST (the name is taken); MODNAS_EINVAL (also: the model stands already); MODNAS_ENOMEM; what a
 *         host's own layer returns. The parent is then as it was
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_module_add(modnas_module *parent, const char *name, const char *type,
                                                 const char *args, modnas_module **out);

/** Add a module of the host's own that has no registered name, such as a residual block. Its build is called (with args
 * NULL) if it has one; more can be added to *out afterwards.
 *
 * @param vt       copied
 * @param ud       given to vt's functions
 * @param ud_free  called once, when the module goes; NULL: nothing to do. After an error `ud` is still the caller's
 * @param out      [out] may be NULL; borrowed
 * @return as modnas_module_add
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_module_add_custom(modnas_module *parent, const char *name,
                                                        const modnas_module_vt *vt, void *ud, void (*ud_free)(void *ud),
                                                        modnas_module **out);

enum modnas_init {
    MODNAS_INIT_ZEROS = 0,
    MODNAS_INIT_ONES = 1,
    MODNAS_INIT_UNIFORM = 2, /* between -bound and bound */
    MODNAS_INIT_NORMAL = 3   /* mean 0, standard deviation bound */
};

/** Give a module a parameter that is trained and saved; modnas_op_param has its value.
 *
 * @param name    as that of a module; different from the module's children and other parameters
 * @param dims    n_dims sizes: 1 a vector over channels, recorded as (1, C, 1, 1); 2 weights of a linear layer (O, I);
 *                4 weights of a convolution (O, I/groups, KH, KW), or anything else
 * @param init    enum modnas_init
 * @param bound   of UNIFORM and NORMAL
 * @return 0; MODNAS_EINVAL; MODNAS_ESHAPE (sizes below 1 or too many elements); MODNAS_EEXIST; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_module_param(modnas_module *m, const char *name, const int64_t *dims,
                                                   int32_t n_dims, int32_t init, double bound);

/** What a Slot is. */
typedef struct modnas_slot_info {
    size_t size;        /* sizeof(modnas_slot_info) as the caller compiled it; what lies behind is not written */
    const char *name;   /* its number, "0", "1", ... in the order of making */
    const char *kwargs; /* its kwargs as JSON, "{}" if it has none */
    int32_t chn_in, chn_out, stride;
    int32_t filled; /* 1: it holds an operator or a mixed op */
} modnas_slot_info;

/** Look at a Slot: m itself, or the innermost one that m stands in or is being built for, as a candidate is.
 *
 * @param info  [out] size set by the caller; texts are borrowed from the model
 * @return 0; MODNAS_EINVAL (there is none); MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_module_slot(modnas_module *m, modnas_slot_info *info);

/** Borrowed; NULL (or 0) for NULL and where there is none. Since 0.1. */
MODNAS_API modnas_model *modnas_module_model(const modnas_module *m);
MODNAS_API modnas_module *modnas_module_parent(const modnas_module *m);
MODNAS_API const char *modnas_module_name(const modnas_module *m);
MODNAS_API size_t modnas_module_n_children(const modnas_module *m);
MODNAS_API modnas_module *modnas_module_child_at(const modnas_module *m, size_t i);
/** A child, or one further down by a dotted name ("layer1.0.conv1"). Since 0.1. */
MODNAS_API modnas_module *modnas_module_child(const modnas_module *m, const char *name);

#ifdef __cplusplus
}
#endif
#endif
