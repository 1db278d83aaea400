/* The report of a run: one HTML file. */
#ifndef MODNAS_REPORT_H
#define MODNAS_REPORT_H

#include "modnas/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of modnas_report. Zero in a field means its default. */
typedef struct modnas_report_opts {
    size_t size;               /* sizeof(modnas_report_opts) as the caller compiled it */
    const char *latency_table; /* table of `modnas profile`, to predict latencies by; default: the configuration's */
} modnas_report_opts;

/** Make a page of what a run left in its folder (exp/NAME): what was found and how sure that is, curves of scores,
 * accuracy and loss, candidates over time, trade-offs, the network and what its layers cost, predicted against measured
 * latency, configuration and versions (docs/report.md).
 *
 * The page needs no network, no scripts and no other file; charts are inline SVG. Texts of the run's files are escaped.
 * What the run did not leave is named in its place. The network is built again from outputs/config.yaml to count, and
 * nothing is run. Nothing is written.
 *
 * @param folder  exp/NAME; outputs/results.json must be there
 * @param opts    NULL: defaults
 * @param html    [out] freed with modnas_string_free
 * @return 0; MODNAS_ENOTFOUND (no results); MODNAS_EFORMAT or MODNAS_ECONFIG with "file:line: ..." where a file is
 *         corrupt; MODNAS_EIO; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_report(modnas_ctx *ctx, const char *folder, const modnas_report_opts *opts, char **html);

#ifdef __cplusplus
}
#endif
#endif
