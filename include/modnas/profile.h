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
    const char *jobs_dir; /* with list_jobs: a folder that gets each job as JOB.onnx, and a whole network; default: NULL */
} modnas_profile_opts;

/** Build the model of a configuration and make the table of what each candidate takes at each Slot, and of the parts
 * that are always there: lines of fields with tabs between them, the first one names the columns.
 *
 * Measured here on the configuration's backend and threads: networks of the space run one forward pass after another,
 * warmed up, the calling thread held on one CPU meanwhile; each number is the median of `runs`, "spread_ms" is what
 * lies between their quartiles. With list_jobs the text is the list of jobs instead, one a line: "job" (its name), the
 * places where it stands, and its ops as JSON; jobs_dir gets an ONNX file of every candidate's job alone, and net.onnx, the
 * network of all first candidates. A device's answer is a table with the columns "job" and "latency_ms"; instead of the
 * fixed part, which is no network, it may have the job "net": what that takes less its candidates is the fixed part.
 *
 * @param cfg   checked first
 * @param opts  NULL: defaults
 * @param text  [out] freed with modnas_string_free
 * @return 0; MODNAS_ECONFIG (a space without mixed ops at its Slots, `backend: none`, measurements that lack a job),
 * MODNAS_EFORMAT with "file:line: ...", MODNAS_ENOTFOUND, MODNAS_EIO; MODNAS_EINVAL, MODNAS_ESHAPE (options);
 * MODNAS_ECANCELED; MODNAS_ENOMEM. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_profile(modnas_config *cfg, const modnas_profile_opts *opts, char **text);

/** Hold such a table against whole networks: make it as modnas_profile does, draw networks of the space at random by the
 * configuration's seed, time each here, and compare with the sums of its rows.
 *
 * @param cfg      checked first
 * @param opts     NULL: defaults; list_jobs is refused
 * @param n_nets   networks, 1 to 10000
 * @param table    [out] a line a network: net, predicted_ms, measured_ms, spread_ms, error ((predicted - measured) /
 *                 measured), arch (JSON: a candidate for each mixed op); freed with modnas_string_free
 * @param summary  [out] a line with Spearman's rank correlation, median and largest absolute error; then a table with the
 *                 means over the networks by Slot: slot, predicted_ms, measured_ms, residual_ms; freed likewise
 * @return as modnas_profile. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_profile_check(modnas_config *cfg, const modnas_profile_opts *opts, int32_t n_nets,
                                                    char **table, char **summary);

#ifdef __cplusplus
}
#endif
#endif
