/* Records of TensorBoard's event files: put behind a text one after another, and read. */
#ifndef MN_EVENTS_H
#define MN_EVENTS_H

#include "data/source.h"

/* By name, with the rest of the name behind it: "arch/0/" and "MB3E3". */
typedef struct mn_scalar {
    const char *prefix, *name;
    double value;
} mn_scalar;

/* time: seconds since 1970. MODNAS_ENOMEM leaves whole records. */
int mn_event_version(mn_str *out, double time); /* the first one of a file */
/* A run goes on: what a reader has of this step and later ones is not so. */
int mn_event_start(mn_str *out, double time, int64_t step);
int mn_event_scalars(mn_str *out, double time, int64_t step, const mn_scalar *scalars, size_t n);

/* What is read: a scalar, or (tag NULL) the beginning of a run that goes on, as mn_event_start writes it. */
typedef struct mn_event {
    int64_t step;
    const char *tag; /* during the call only */
    double value;
} mn_event;

/* Call fn for each of a file, in order; a status that is not 0 ends that and is returned. Other events are passed over.
 * torn: 1 where the file ends in half a record, as that of a run that was killed may.
 * @return 0; MODNAS_EFORMAT with the record and its offset, MODNAS_EIO, MODNAS_ENOMEM */
typedef int (*mn_event_fn)(const mn_event *event, void *ud);
int mn_events_read(modnas_ctx *ctx, mn_source *s, mn_event_fn fn, void *ud, int *torn);

#endif
