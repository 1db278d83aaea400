/* Bundles: what a run states, in one folder with all that it takes to measure it again. */
#ifndef MODNAS_BUNDLE_H
#define MODNAS_BUNDLE_H

#include "modnas/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of modnas_bundle. Zero in a field means its default. */
typedef struct modnas_bundle_opts {
    size_t size;       /* sizeof(modnas_bundle_opts) as the caller compiled it */
    const char *estim; /* whose network; default: the last estimator's */
    const char *out;   /* folder of the bundle; default: exp_dir/bundle */
} modnas_bundle_opts;

/** Make a bundle of what a run wrote: results.json, config.yaml, the architecture and the weights of one estimator (the
 * best, and those at its end), the files that config.yaml names beside data (`arch_desc`, `objective.latency_table`,
 * looked for where the configuration says, from the current folder) and ONNX files in exp_dir/outputs/. manifest.tsv,
 * written last, has size and SHA-256 of every file in the folder; files that were there before are in it, too.
 *
 * @param exp_dir  the folder of a run, exp/NAME
 * @param opts     NULL: defaults
 * @return 0; MODNAS_ENOTFOUND (no such run, estimator, weights or file); MODNAS_EFORMAT, MODNAS_ECONFIG, MODNAS_EIO;
 * MODNAS_ENOMEM. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_bundle(modnas_ctx *ctx, const char *exp_dir, const modnas_bundle_opts *opts);

/** Options of modnas_verify_json and modnas_verify_text. Zero in a field means its default. */
typedef struct modnas_verify_opts {
    size_t size;                  /* sizeof(modnas_verify_opts) as the caller compiled it */
    const char *const *overrides; /* "a.b.c=value" over the bundle's configuration, as where the data are; ends with NULL */
} modnas_verify_opts;

/** Check what a bundle states, and measure it again:
 *
 * - each file has the size and the SHA-256 of the manifest, and there is no other one; where it has not, the tensor or
 *   the key that differs is told
 * - configuration and architecture build a network with the parameters and multiply-adds stated, and the weights fit it
 * - the data have the SHA-256 stated
 * - its architecture, its metrics on the set that the estimator validates on, its score, and those on the test set.
 *   Numbers have to be the same on the same backend, version, instruction set and number of threads; elsewhere an
 *   accuracy or loss x may be off by 0.002 (1 + |x|) and one image. What was timed is not looked at, nor is what only
 *   another search would show (history, baseline, verdict, recalibration)
 *
 * One JSON object: {"bundle", "holds": bool, "exact": bool, "statements": [{"what", "verdict", "stated", "found",
 * "why"}]}. "verdict" is "holds", "does not hold" or "could not be checked" ("why" says for what reason, as data that are
 * missing); "stated" and "found" are as the files have them, or null. "exact": whether numbers had to be the same; null if
 * none was measured.
 * @param opts   NULL: defaults
 * @param json   [out] freed with modnas_string_free
 * @param holds  [out] may be NULL; 1 if all statements hold, else 0
 * @return 0, also when they do not; MODNAS_ENOTFOUND (no folder, or no manifest in it); MODNAS_EIO; MODNAS_ECONFIG
 * (overrides); MODNAS_ECANCELED; MODNAS_ENOMEM. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_verify_json(modnas_ctx *ctx, const char *bundle, const modnas_verify_opts *opts,
                                                  char **json, int32_t *holds);

/** The same as text for a person. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_verify_text(modnas_ctx *ctx, const char *bundle, const modnas_verify_opts *opts,
                                                  char **text, int32_t *holds);

#ifdef __cplusplus
}
#endif
#endif
