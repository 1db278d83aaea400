/* TensorBoard's event files, read by a reader of the tests' own. */
#ifndef UTIL_EVENTS_H
#define UTIL_EVENTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct util_scalar {
    char tag[96];
    int64_t step;
    float value;
} util_scalar;

typedef struct util_events {
    util_scalar *scalars; /* in the order of the files and within them */
    size_t n;
    int n_files, n_starts; /* files; session logs with START */
    int64_t start;         /* step of the last one of these */
} util_events;

/* Sum of a record, bit by bit from the definition. */
uint32_t util_crc32c(const void *data, size_t n);
/* All files of a folder, in the order of their names. Every sum and every field must be right, every file whole. */
void util_events_read(const char *folder, util_events *out);
void util_events_free(util_events *e);
/* The i-th scalar of a tag, or NULL. */
const util_scalar *util_events_get(const util_events *e, const char *tag, size_t i);
size_t util_events_count(const util_events *e, const char *tag);

#endif
