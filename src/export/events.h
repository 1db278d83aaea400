/* Records of TensorBoard's event files, put behind a text one after another. */
#ifndef MN_EVENTS_H
#define MN_EVENTS_H

#include "base/base.h"

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

#endif
