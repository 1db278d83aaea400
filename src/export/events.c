/* Event files: TFRecords that hold an Event each (event.proto).
 *
 *   8 bytes   length of the event, little-endian
 *   4         masked CRC-32C of these 8
 *   length    the event
 *   4         masked CRC-32C of the event
 *
 * Packing into memory that is there asks protobuf-c for none. */
#include "export/events.h"

#include "export/event.pb-c.h"

enum { MOST_SCALARS = 32 }; /* of one event */

static void little_endian(uint8_t *to, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++) to[i] = (uint8_t)(x >> 8 * i);
}

/* A sum over data that holds sums would tell little: sums that are stored are turned and moved. */
static uint32_t masked(const void *data, size_t n) {
    const uint32_t crc = mn_crc32c(data, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static int put(mn_str *out, const Mn__Event *event) {
    const size_t n = mn__event__get_packed_size(event), before = out->n;
    uint8_t *record = mn_alloc(out->ctx, n + 16, 1);
    if (!record) return MODNAS_ENOMEM;
    little_endian(record, n, 8);
    little_endian(record + 8, masked(record, 8), 4);
    mn__event__pack(event, record + 12);
    little_endian(record + 12 + n, masked(record + 12, n), 4);
    mn_str_addn(out, (const char *)record, n + 16);
    mn_free(out->ctx, record);
    return out->n == before + n + 16 ? 0 : MODNAS_ENOMEM;
}

static Mn__Event event_of(double time, int64_t step, Mn__Event__WhatCase what) {
    Mn__Event e = MN__EVENT__INIT;
    e.wall_time = time;
    e.step = step;
    e.what_case = what;
    return e;
}

int mn_event_version(mn_str *out, double time) {
    Mn__Event e = event_of(time, 0, MN__EVENT__WHAT_FILE_VERSION);
    e.file_version = "brain.Event:2";
    return put(out, &e);
}

int mn_event_start(mn_str *out, double time, int64_t step) {
    Mn__SessionLog log = MN__SESSION_LOG__INIT;
    Mn__Event e = event_of(time, step, MN__EVENT__WHAT_SESSION_LOG);
    log.status = MN__SESSION_LOG__STATUS__START;
    e.session_log = &log;
    return put(out, &e);
}

/* At most MOST_SCALARS. */
static int put_scalars(mn_str *out, double time, int64_t step, const mn_scalar *scalars, size_t n) {
    Mn__Summary__Value value[MOST_SCALARS], *list[MOST_SCALARS];
    Mn__Summary summary = MN__SUMMARY__INIT;
    Mn__Event e = event_of(time, step, MN__EVENT__WHAT_SUMMARY);
    mn_str tag[MOST_SCALARS];
    int failed = 0;
    for (size_t i = 0; i < n; i++) {
        tag[i] = (mn_str){.ctx = out->ctx};
        mn_str_addf(&tag[i], "%s%s", scalars[i].prefix, scalars[i].name);
        failed |= tag[i].failed;
        value[i] = (Mn__Summary__Value)MN__SUMMARY__VALUE__INIT;
        value[i].tag = tag[i].text;
        value[i].value_case = MN__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
        value[i].simple_value = (float)scalars[i].value;
        list[i] = &value[i];
    }
    summary.n_value = n;
    summary.value = list;
    e.summary = &summary;
    const int rc = failed ? MODNAS_ENOMEM : put(out, &e);
    for (size_t i = 0; i < n; i++) mn_str_free(&tag[i]);
    return rc;
}

int mn_event_scalars(mn_str *out, double time, int64_t step, const mn_scalar *scalars, size_t n) {
    for (size_t i = 0; i < n; i += MOST_SCALARS)
        MN_TRY(put_scalars(out, time, step, scalars + i, n - i < MOST_SCALARS ? n - i : MOST_SCALARS));
    return 0;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

enum { HEAD = 12, TAIL = 4, RECORD_MAX = 16 << 20 };

typedef struct reading {
    modnas_ctx *ctx;
    mn_source *s;
    mn_event_fn fn;
    void *ud;
    uint64_t n, at; /* records before this one; its offset */
    int no_memory;
} reading;

static uint64_t from_little(const uint8_t *p, int bytes) {
    uint64_t x = 0;
    for (int i = bytes; i-- > 0;) x = x << 8 | p[i];
    return x;
}

static int fail_record(const reading *r, const char *what) {
    return mn_fail(r->ctx, MODNAS_EFORMAT, "%s: record %llu, at byte %llu: %s", mn_source_name(r->s),
                   (unsigned long long)r->n + 1, (unsigned long long)r->at, what);
}

static void *take(void *ud, size_t n) {
    reading *r = ud;
    void *p = mn_alloc(r->ctx, n, 1);
    r->no_memory |= !p;
    return p;
}

static void give(void *ud, void *p) {
    mn_free(((reading *)ud)->ctx, p);
}

static int tell_summary(const reading *r, int64_t step, const Mn__Summary *summary) {
    for (size_t i = 0; summary && i < summary->n_value; i++) {
        const Mn__Summary__Value *v = summary->value[i];
        if (v->value_case != MN__SUMMARY__VALUE__VALUE_SIMPLE_VALUE || !v->tag) continue;
        const mn_event event = {step, v->tag, v->simple_value};
        MN_TRY(r->fn(&event, r->ud));
    }
    return 0;
}

static int tell(const reading *r, const Mn__Event *e) {
    const mn_event start = {e->step, NULL, 0};
    if (e->what_case == MN__EVENT__WHAT_SUMMARY) return tell_summary(r, e->step, e->summary);
    if (e->what_case != MN__EVENT__WHAT_SESSION_LOG || !e->session_log) return 0;
    return e->session_log->status == MN__SESSION_LOG__STATUS__START ? r->fn(&start, r->ud) : 0;
}

static int read_record(reading *r, const uint8_t *bytes, size_t n) {
    ProtobufCAllocator memory = {take, give, r};
    if (masked(bytes, n) != from_little(bytes + n, TAIL)) return fail_record(r, "its bytes do not have its sum");
    Mn__Event *e = mn__event__unpack(&memory, n, bytes);
    if (!e) return r->no_memory ? MODNAS_ENOMEM : fail_record(r, "it is no event");
    const int rc = tell(r, e);
    mn__event__free_unpacked(e, &memory);
    return rc;
}

/* more: 0 at the end of the file, or of what is whole of it. */
static int next_record(reading *r, int *more, int *torn) {
    uint8_t head[HEAD];
    char *bytes = NULL;
    size_t got;
    r->at = mn_source_bytes(r->s);
    MN_TRY(mn_source_read(r->s, head, HEAD, &got));
    *more = got == HEAD;
    *torn = got && got < HEAD;
    if (!*more) return 0;
    const uint64_t n = from_little(head, 8);
    if (masked(head, 8) != from_little(head + 8, TAIL)) return fail_record(r, "its length does not have its sum");
    if (n > RECORD_MAX) return fail_record(r, "it is longer than 16 MiB");
    MN_TRY(mn_source_take(r->s, (size_t)n + TAIL, &bytes, &got));
    *more = got == n + TAIL;
    *torn = !*more;
    const int rc = *more ? read_record(r, (const uint8_t *)bytes, (size_t)n) : 0;
    mn_free(r->ctx, bytes);
    return rc;
}

int mn_events_read(modnas_ctx *ctx, mn_source *s, mn_event_fn fn, void *ud, int *torn) {
    reading r = {.ctx = ctx, .s = s, .fn = fn, .ud = ud};
    int rc = 0, is_torn = 0;
    for (int more = 1; more && !rc; r.n++) rc = next_record(&r, &more, &is_torn);
    if (!rc) *torn = is_torn;
    return rc;
}
