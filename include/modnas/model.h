/* Models: a module tree with its Slots, weights and architecture parameters, on one backend.
 *
 * Inside callbacks a model is borrowed. modnas_model_new makes one of the host's own from a configuration, to look at,
 * to load weights into and to evaluate; search.h trains and searches. */
#ifndef MODNAS_MODEL_H
#define MODNAS_MODEL_H

#include "modnas/config.h"
#include "modnas/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- building one -------------------------------------------------------------------------------------------------- */

/** Size of one image: what counts and memory are for. A backbone's build must say it.
 *
 * @return 0; MODNAS_ESHAPE (a size below 1 or above 65536); MODNAS_EINVAL (also: the model stands already)
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_set_input(modnas_model *model, int32_t channels, int32_t height, int32_t width);
/** Outputs of the classifier. If a backbone's build does not say it, it is what its forward gives. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_set_classes(modnas_model *model, int32_t n);

/** Functions of a constructor: it edits a model, or sets its weights. */
typedef struct modnas_construct_vt {
    size_t size; /* sizeof(modnas_construct_vt) as the caller compiled it */
    int (*run)(modnas_model *model, const modnas_args *args, void *ud);
    int32_t after_commit; /* 0: run in the configuration's order while the tree can be edited; 1: once it stands and its
                             weights are in memory (modnas_model_set) */
    int32_t reserved;     /* 0 */
} modnas_construct_vt;

/** Slots in the order of making, also those inside of what others were filled with. Since 0.1. */
MODNAS_API size_t modnas_model_n_slots(const modnas_model *model);
MODNAS_API modnas_module *modnas_model_slot(const modnas_model *model, size_t i); /* NULL past the end */

/** Fill a Slot, whatever it held, with a candidate.
 *
 * @param slot  a Slot: modnas_model_slot, or what modnas_module_add made of type Slot
 * @param spec  YAML spec of a candidate; NULL: the backbone's own operator
 * @return 0; MODNAS_ENOTFOUND; MODNAS_ECONFIG (it does not fit: which Slot and why); MODNAS_EINVAL (no Slot, or the model
 *         stands already); MODNAS_ENOMEM. The Slot is then as it was
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_slot_fill(modnas_module *slot, const char *spec);
/** Fill a Slot with a mixed op.
 *
 * @param spec  YAML as of the key mixed_op, e.g. "{type: BinaryGateMixedOp, candidates: [MB3E3, MB5E6]}"
 * @return as modnas_slot_fill
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_slot_mix(modnas_module *slot, const char *spec);

/* ---- a model of the host's own --------------------------------------------------------------------------------------- */

/** Build the model that a configuration describes, with its weights in memory; nothing is written.
 *
 * @param cfg  checked first; model, mixed_op, arch_desc, construct, chkpt, backend, threads, seed, ops are read
 * @param out  [out] freed by the caller with modnas_model_free
 * @return 0; MODNAS_ECONFIG, MODNAS_ENOTFOUND, ... with "file:line: ..."; MODNAS_ENOBACKEND; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_new(modnas_config *cfg, modnas_model **out);
/** Release. NULL is fine, and so is a borrowed model: it stays. Inside of a forward of the model it goes when that has
 * returned. Since 0.1. */
MODNAS_API void modnas_model_free(modnas_model *model);

/** Borrowed; NULL while the model has no modules. Since 0.1. */
MODNAS_API modnas_module *modnas_model_root(const modnas_model *model);
/** Channels, height and width of one image; zeros before they are known. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_input(const modnas_model *model, int32_t chw[3]);
MODNAS_API int32_t modnas_model_n_classes(const modnas_model *model);
/** Trainable weights and biases; running statistics and architecture parameters do not count; all candidates of a
 * supernet do. Since 0.1. */
MODNAS_API int64_t modnas_model_n_params(const modnas_model *model);
/** Multiply-adds of convolutions and linear layers for one image, of all candidates of a supernet.
 *
 * @param macs  [out]
 * @return 0; MODNAS_EINVAL (not built to its end, or without a backend); what a forward returns
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_macs(modnas_model *model, int64_t *macs);

/** Evaluate: every mixed op stands for its most probable candidate, batch norm uses its running statistics.
 *
 * @param x       n images (C, H, W) of modnas_model_input's size, one behind the other
 * @param n       1 to 65536; a network without mixed ops is planned once for each n that is new
 * @param logits  [out] n rows of modnas_model_n_classes
 * @return 0; MODNAS_EINVAL; MODNAS_EBUSY (a search trains the model now); MODNAS_ENOMEM; what a forward returns
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_forward(modnas_model *model, const float *x, int64_t n, float *logits);

/** Weights, running statistics and architecture parameters as safetensors (docs/formats.md).
 *
 * @param partial  1: tensors that only one side has are left alone, at least one must be on both
 * @return 0; MODNAS_ENOTFOUND, MODNAS_EFORMAT, MODNAS_ESHAPE (which tensor); MODNAS_EIO; MODNAS_EINVAL; MODNAS_ENOMEM.
 *         Nothing changed then
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_save(modnas_model *model, const char *path);
MODNAS_API MODNAS_MUST_USE int modnas_model_load(modnas_model *model, const char *path, int32_t partial);

/** A tensor of a model: a weight, a running statistic, or logits of a mixed op ("arch.<name>"). */
typedef struct modnas_tensor_info {
    size_t size;      /* sizeof(modnas_tensor_info) as the caller compiled it; what lies behind is not written */
    const char *name; /* dotted, as in checkpoints; borrowed from the model */
    int64_t dims[4];  /* n_dims of them, as in checkpoints */
    int64_t count;    /* their product */
    int32_t n_dims;
    int32_t trained; /* 1: a weight or a bias; 0: a running statistic or logits */
} modnas_tensor_info;

/** Tensors of a model whose weights are in memory; 0 before. Since 0.1. */
MODNAS_API size_t modnas_model_n_tensors(const modnas_model *model);
/** @param info  [out] size set by the caller
 * @return 0; MODNAS_EINVAL (there is no tensor i)
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_tensor(const modnas_model *model, size_t i, modnas_tensor_info *info);
/** Copy a tensor out or in, in plain order (O, I, H, W).
 *
 * @param count  elements of data: as many as the tensor has
 * @return 0; MODNAS_ENOTFOUND (no such tensor); MODNAS_ESHAPE (another count); MODNAS_EINVAL; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_get(modnas_model *model, const char *name, float *data, size_t count);
MODNAS_API MODNAS_MUST_USE int modnas_model_set(modnas_model *model, const char *name, const float *data, size_t count);

#ifdef __cplusplus
}
#endif
#endif
