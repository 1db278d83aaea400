/* Tables of latencies: how long each candidate takes at each Slot, and what is always there.
 *
 *   slot    candidate    latency_ms    ...    tab-separated, further columns are not read (docs/formats.md)
 *   0       MB3E3        0.412
 *   fixed   -            1.27          candidate "-": a part that every architecture has, under any name
 *
 * Of a model's space they are additive costs (search/cost.h), in nanoseconds. */
#ifndef MN_LATENCY_H
#define MN_LATENCY_H

#include "data/source.h"
#include "search/cost.h"

enum mn_latency_kind {
    MN_LATENCY_PLACES, /* as above */
    MN_LATENCY_JOBS,   /* columns job and latency_ms: what another device measured (pipeline/profile.c) */
    MN_LATENCY_RECORD  /* arch, latency_ms and latency_spread_ms: what was measured here (metrics/latency.c) */
};

typedef struct mn_latency_row {
    int64_t ns, spread_ns; /* spread_ns: of a record, else 0 */
    size_t line;
} mn_latency_row;

typedef struct mn_latency {
    modnas_ctx *ctx;
    char *name;    /* of the file, for messages */
    mn_map places; /* "slot\tcandidate", a job, or an arch -> 1 + number of the row */
    mn_vec rows;   /* mn_latency_row, in the same order */
} mn_latency;

/* MODNAS_EFORMAT "file:line: what", MODNAS_EIO, MODNAS_ENOMEM. */
int mn_latency_read(modnas_ctx *ctx, mn_source *s, int32_t kind, mn_latency *out);
void mn_latency_init(mn_latency *t, modnas_ctx *ctx);                     /* no rows */
int mn_latency_put(mn_latency *t, const char *key, const mn_latency_row *row); /* a key that is not there yet */
void mn_latency_free(mn_latency *t);                                      /* zeroed is fine */
const mn_latency_row *mn_latency_find(const mn_latency *t, const char *key); /* NULL: there is none */

/* The costs of a model's space. A Slot that is filled with one candidate counts among what is always there.
 * MODNAS_ECONFIG: candidates without a row (the first ones are named), rows of Slots that the model does not have, or
 * choices that are no mixed op's at a Slot. */
int mn_latency_costs(const mn_latency *t, mn_model *model, mn_costs *out);
/* Both of a file, whose unpacked bytes have the hash. */
int mn_latency_load(mn_model *model, const char *path, mn_costs *out, char sha256[65]);

#endif
