/* What the candidates of a space take: the table of latencies that `objective.latency_table` reads. */
#ifndef MODNAS_PROFILE_H
#define MODNAS_PROFILE_H

#include "modnas/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of modnas_profile. Zero in a field means its default. */
typedef struct modnas_profile_opts {
    size_t size;          /* sizeof(modnas_profile_opts) as the caller compiled it */
    int32_t input[3];     /* channels, height, width of one image; default: the model's own */
    int32_t batch;        /* images of a pass; default: 1 */
    int32_t runs;         /* passes that each number is the median of; default: 50 */
    int32_t list_jobs;    /* 1: nothing is measured; the jobs are listed for another device */
    const char *measured; /* file with what that device measured, instead of measuring here; default: NULL */
    const char *jobs_dir; /* with list_jobs: a folder that gets each job as JOB.onnx, and whole networks; default: NULL */
    int32_t check_nets;   /* with jobs_dir: so many random networks more, check_0.onnx and on, at most 10000; default: 0 */
    int32_t reserved;     /* 0 */
} modnas_profile_opts;

/** Build the model of a configuration and make the table of what each candidate takes at each Slot, and of the parts
 * that are always there: lines of fields with tabs between them, the first one names the columns.
 *
 * Measured here on the configuration's backend and threads: networks of the space run one forward pass after another,
 * warmed up, the calling thread held on one CPU meanwhile; each number is the median of `runs`, "spread_ms" is what
 * lies between their quartiles. With list_jobs the text is the list of jobs instead, one a line: "job" (its name), the
 * places where it stands, and its ops as JSON; jobs_dir gets an ONNX file of every candidate's job alone, and whole
 * networks, the k-th with candidate k everywhere: net.onnx of the first ones, net_1.onnx, ... A device's answer is a table
 * with the columns "job" and "latency_ms"; instead of the fixed part, which is no network, it may have these networks: the
 * fixed part and one factor of all candidates are fitted to them by least squares (factor 1 with "net" alone).
 * Jobs "check_0" and on are for modnas_profile_check; here they are passed over.
 *
 * @param cfg   checked first
 * @param opts  NULL: defaults
 * @param text  [out] freed with modnas_string_free
 * @return 0; MODNAS_ECONFIG (a space without mixed ops at its Slots, `backend: none`, measurements that lack a job),
 * MODNAS_EFORMAT with "file:line: ...", MODNAS_ENOTFOUND, MODNAS_EIO; MODNAS_EINVAL, MODNAS_ESHAPE (options);
 * MODNAS_ECANCELED; MODNAS_ENOMEM. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_profile(modnas_config *cfg, const modnas_profile_opts *opts, char **text);

/** Hold such a table against whole networks: make it as modnas_profile does, draw networks of the space at random by the
 * configuration's seed, time each here, and compare with the sums of its rows. Where `measured` has the jobs "check_0" and
 * on, which are the same networks (`check_nets`), their times stand for the device's, and nothing is timed here.
 *
 * @param cfg      checked first
 * @param opts     NULL: defaults; list_jobs is refused, check_nets is n_nets
 * @param n_nets   networks, 1 to 10000
 * @param table    [out] a line a network: net, predicted_ms, measured_ms, spread_ms, error ((predicted - measured) /
 *                 measured), arch (JSON: a candidate for each mixed op), residual_ms.SLOT of each Slot and of "fixed"
 *                 (predicted - measured of that part); freed with modnas_string_free.
 *                 Of another device's spread_ms is "-", and there are no residuals
 * @param summary  [out] a line with Spearman's rank correlation, median and largest absolute error; then a table with the
 *                 means over the networks by Slot: slot, predicted_ms, measured_ms, residual_ms; freed likewise. Another
 *                 device's whole networks say nothing by Slot: one row, "whole"
 * @return as modnas_profile. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_profile_check(modnas_config *cfg, const modnas_profile_opts *opts, int32_t n_nets,
                                                    char **table, char **summary);

#ifdef __cplusplus
}
#endif
#endif
