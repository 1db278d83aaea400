/* Records, sums and messages as TensorFlow's record_writer.h, RFC 3720 and protobuf's encoding describe them. */
#include "util_events.h"

#include <check.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_rig.h"

uint32_t util_crc32c(const void *data, size_t n) {
    const unsigned char *p = data;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < 8 * n; i++) {
        const uint32_t bit = p[i / 8] >> i % 8 & 1;
        crc = (crc & 1) ^ bit ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

/* ---- messages ------------------------------------------------------------------------------------------ */

typedef struct field {
    uint32_t number, wire;
    uint64_t value; /* wire 0, 1, 5 */
    const unsigned char *data;
    size_t n; /* wire 2 */
} field;

static uint64_t little(const unsigned char *p, int bytes) {
    uint64_t x = 0;
    for (int i = bytes; i-- > 0;) x = x << 8 | p[i];
    return x;
}

static uint64_t varint(const unsigned char **p, const unsigned char *end) {
    uint64_t x = 0;
    for (int shift = 0;; shift += 7) {
        ck_assert(*p < end && shift < 64);
        x |= (uint64_t)(**p & 127) << shift;
        if (!(*(*p)++ & 128)) return x;
    }
}

/* 0: the message is at its end. */
static int next(const unsigned char **p, const unsigned char *end, field *f) {
    if (*p == end) return 0;
    const uint64_t key = varint(p, end);
    *f = (field){.number = (uint32_t)(key >> 3), .wire = key & 7};
    const int bytes = f->wire == 1 ? 8 : f->wire == 5 ? 4 : 0;
    if (f->wire == 0 || f->wire == 2) f->value = varint(p, end);
    if (f->wire == 2) f->n = (size_t)f->value;
    ck_assert(f->wire <= 2 || f->wire == 5);
    ck_assert((size_t)(end - *p) >= f->n + (size_t)bytes);
    if (bytes) f->value = little(*p, bytes);
    f->data = *p;
    *p += f->n + (size_t)bytes;
    return 1;
}

static void add_value(util_events *e, int64_t step, const field *value) {
    const unsigned char *p = value->data, *end = p + value->n;
    util_scalar s = {.step = step, .value = NAN};
    field f;
    int n = 0;
    while (next(&p, end, &f)) {
        n += (int)f.number;
        if (f.number == 1) {
            ck_assert(f.wire == 2 && f.n < sizeof s.tag);
            memcpy(s.tag, f.data, f.n);
        } else {
            const uint32_t bits = (uint32_t)f.value;
            ck_assert(f.number == 2 && f.wire == 5);
            memcpy(&s.value, &bits, 4);
        }
    }
    ck_assert_int_eq(n, 3); /* one of each */
    e->scalars = realloc(e->scalars, (e->n + 1) * sizeof s);
    ck_assert_ptr_nonnull(e->scalars);
    e->scalars[e->n++] = s;
}

static void read_event(util_events *e, const unsigned char *p, size_t n, int is_first) {
    const unsigned char *end = p + n;
    field f, what = {.number = 0}, value;
    double wall = 0;
    int64_t step = 0;
    while (next(&p, end, &f)) {
        if (f.number == 1 && f.wire == 1) memcpy(&wall, &f.value, 8);
        else if (f.number == 2 && f.wire == 0) step = (int64_t)f.value;
        else what = f;
    }
    ck_assert_msg(wall > 1.6e9 && wall < 1e10, "%f seconds since 1970", wall);
    ck_assert_int_eq(what.wire, 2);
    ck_assert_int_eq(is_first, what.number == 3);
    p = what.data;
    if (what.number == 3) {
        ck_assert(what.n == 13 && memcmp(what.data, "brain.Event:2", 13) == 0);
    } else if (what.number == 7) {
        ck_assert(next(&p, what.data + what.n, &value) && value.number == 1 && value.value == 1);
        e->n_starts++;
        e->start = step;
    } else {
        ck_assert_uint_eq(what.number, 5);
        for (; next(&p, what.data + what.n, &value); add_value(e, step, &value)) ck_assert_uint_eq(value.number, 1);
    }
}

/* ---- files --------------------------------------------------------------------------------------------- */

static uint32_t masked(const unsigned char *data, size_t n) {
    const uint32_t crc = util_crc32c(data, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void read_file(util_events *e, const char *path) {
    size_t n;
    char *text = util_rig_read(path, &n);
    ck_assert_ptr_nonnull(text);
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    for (int i = 0; p < end; i++) {
        ck_assert_msg(end - p >= 16, "%s ends in half a record", path);
        const uint64_t length = little(p, 8);
        ck_assert_uint_eq(little(p + 8, 4), masked(p, 8));
        ck_assert_msg(length <= (uint64_t)(end - p - 16), "%s ends in half a record", path);
        ck_assert_uint_eq(little(p + 12 + length, 4), masked(p + 12, length));
        read_event(e, p + 12, (size_t)length, i == 0);
        p += 16 + length;
    }
    free(text);
}

void util_events_read(const char *folder, util_events *out) {
    char pattern[256];
    glob_t g;
    *out = (util_events){.n_files = 0};
    snprintf(pattern, sizeof pattern, "%s/*tfevents*", folder);
    if (glob(pattern, 0, NULL, &g)) return;
    for (size_t i = 0; i < g.gl_pathc; i++) read_file(out, g.gl_pathv[i]);
    out->n_files = (int)g.gl_pathc;
    globfree(&g);
}

void util_events_free(util_events *e) {
    free(e->scalars);
}

const util_scalar *util_events_get(const util_events *e, const char *tag, size_t i) {
    for (size_t k = 0; k < e->n; k++)
        if (strcmp(e->scalars[k].tag, tag) == 0 && i-- == 0) return &e->scalars[k];
    return NULL;
}

size_t util_events_count(const util_events *e, const char *tag) {
    size_t n = 0;
    while (util_events_get(e, tag, n)) n++;
    return n;
}
