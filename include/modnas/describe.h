/* What a configuration builds, without data and without training: counts, Slots, the size of the space, memory. */
#ifndef MODNAS_DESCRIBE_H
#define MODNAS_DESCRIBE_H

#include "modnas/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of modnas_describe. Zero in a field means its default. */
typedef struct modnas_describe_opts {
    size_t size;      /* sizeof(modnas_describe_opts) as the caller compiled it */
    int32_t input[3]; /* channels, height, width of one image; default: the model's own */
    int32_t batch;    /* images of a step; default: the configuration's trn_batch_size, else 64 */
} modnas_describe_opts;

/** Build the model of a configuration and describe it as one JSON object:
 *
 * "model"               name of the model
 * "backend"             name and version of what would run it
 * "input", "batch"      [channels, height, width] and images of a step that the counts are for
 * "n_classes"           outputs of the classifier
 * "params"              weights and biases that are trained, those of batch norm included; all candidates of a supernet
 * "macs"                multiply-adds of convolutions and linear layers for one image; all candidates of a supernet
 * "mixed_ops"           how many Slots hold a mixed operator
 * "slots"               [{"name", "chn_in", "chn_out", "stride", "candidates": [names]}]; no candidates: the model's
 *                       own operator
 * "space_size"          number of architectures as decimal digits in a string: product over distinct architecture
 *                       parameters
 * "memory"              bytes of {"saved" (activations kept for the backward), "transients", "workspace" (of the kernel
 *                       that wants most), "weights", "gradients", "optimizer" (of all trainers), "arch" (parameters,
 *                       gradients and optimizer), "batches" (that loaders prepare ahead), "library" (modules, recorded
 *                       steps, plans)}
 * "planned_peak_bytes"  their sum: what steps need, a data set aside; for a supernet of sampled paths a bound over all
 *                       paths; with `memory` in the configuration what they take under that limit
 *
 * Opens no data and makes no step. Weights are not kept afterwards.
 * @param cfg   checked first
 * @param opts  NULL: defaults
 * @param json  [out] freed with modnas_string_free
 * @return 0; MODNAS_ECONFIG (a limit of memory that is too small, too) or MODNAS_ENOTFOUND with "file:line: ..."; MODNAS_EINVAL (a negative size); MODNAS_ESHAPE
 * (an input that the model does not take); MODNAS_ENOBACKEND; MODNAS_ENOMEM Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_describe(modnas_config *cfg, const modnas_describe_opts *opts, char **json);

/** The same as text for a person: the counts, then the network as a tree, with what each part gives and costs, equal
 * parts folded. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_describe_text(modnas_config *cfg, const modnas_describe_opts *opts, char **text);

/** The network as a picture in the language of Graphviz (`dot -Tsvg`): operators, Slots with their candidates, and how
 * values go between them, equal parts drawn once. Errors as modnas_describe; MODNAS_EINVAL also where there is a space
 * without a network. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_describe_dot(modnas_config *cfg, const modnas_describe_opts *opts, char **dot);

#ifdef __cplusplus
}
#endif
#endif
