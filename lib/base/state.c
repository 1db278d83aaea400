/* States of components, saved and loaded field by field (state.h). */
#include "base/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "states are little-endian, and so is what writes them");

void mn_state_save_to(mn_state *s, modnas_ctx *ctx, const char *section) {
    *s = (mn_state){.ctx = ctx, .section = section, .out = {.ctx = ctx}};
}

void mn_state_put_to(mn_state *s, modnas_ctx *ctx, const char *section, mn_put_fn put, void *to) {
    *s = (mn_state){.ctx = ctx, .section = section, .put = put, .to = to};
}

void mn_state_load_from(mn_state *s, modnas_ctx *ctx, const char *section, const void *data, size_t n, mn_map *names) {
    *s = (mn_state){.ctx = ctx, .section = section, .loading = 1, .names = names, .in = data, .n = n};
}

void mn_state_free(mn_state *s) {
    if (s->out.ctx) mn_str_free(&s->out);
}

int mn_state_fail(const mn_state *s, const char *fmt, ...) {
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return mn_fail(s->ctx, MODNAS_EFORMAT, "section %s: %s", s->section, text);
}

int mn_state_end(const mn_state *s) {
    if (!s->loading) return s->out.failed ? MODNAS_ENOMEM : 0;
    return s->at == s->n ? 0 : mn_state_fail(s, "%zu bytes are left over", s->n - s->at);
}

int mn_state_bytes(mn_state *s, void *data, size_t n) {
    if (s->put) return n ? s->put(s->to, data, n) : 0;
    if (!s->loading) {
        mn_str_addn(&s->out, data ? data : "", n);
        return s->out.failed ? MODNAS_ENOMEM : 0;
    }
    if (n > s->n - s->at)
        return mn_state_fail(s, "ends after %zu bytes, %zu more are wanted", s->n, n - (s->n - s->at));
    if (n) memcpy(data, s->in + s->at, n);
    s->at += n;
    return 0;
}

const char *mn_state_rest(mn_state *s) {
    const char *rest = s->in + s->at;
    s->at = s->n;
    return rest;
}

int mn_state_i32(mn_state *s, int32_t *x) {
    return mn_state_bytes(s, x, sizeof *x);
}
int mn_state_i64(mn_state *s, int64_t *x) {
    static const int64_t most = (int64_t)1 << 53;
    int64_t got = *x;
    MN_TRY(mn_state_bytes(s, &got, sizeof got));
    if (s->loading && (got < -most || got > most)) return mn_state_fail(s, "%" PRId64 " counts nothing", got);
    *x = got;
    return 0;
}
int mn_state_u64(mn_state *s, uint64_t *x) {
    return mn_state_bytes(s, x, sizeof *x);
}
int mn_state_real(mn_state *s, double *x) {
    return mn_state_bytes(s, x, sizeof *x);
}

int mn_state_range(mn_state *s, int32_t *x, int32_t min, int32_t max) {
    int32_t got = *x;
    MN_TRY(mn_state_i32(s, &got));
    if (s->loading && (got < min || got > max)) return mn_state_fail(s, "%d is not in [%d, %d]", got, min, max);
    *x = got;
    return 0;
}

int mn_state_count(mn_state *s, uint64_t *n, size_t elem_bytes) {
    uint64_t got = *n;
    MN_TRY(mn_state_u64(s, &got));
    if (s->loading && got > (s->n - s->at) / elem_bytes)
        return mn_state_fail(s, "%" PRIu64 " elements of %zu bytes in %zu bytes", got, elem_bytes, s->n - s->at);
    *n = got;
    return 0;
}

int mn_state_same(mn_state *s, int64_t value, const char *what) {
    int64_t got = value;
    MN_TRY(mn_state_i64(s, &got));
    if (got == value) return 0;
    return mn_state_fail(s, "%s: %" PRId64 " there, %" PRId64 " here", what, got, value);
}

/* Length + 1 and the characters; 0 for NULL. Loading: a new text, *text NULL for NULL. */
static int load_text(mn_state *s, char **text) {
    uint64_t n = 0;
    MN_TRY(mn_state_count(s, &n, 1));
    *text = NULL;
    if (!n) return 0;
    if (memchr(s->in + s->at, 0, (size_t)n - 1)) return mn_state_fail(s, "a text has a zero in it");
    char *copy = mn_strndup(s->ctx, s->in + s->at, (size_t)n - 1);
    if (!copy) return MODNAS_ENOMEM;
    s->at += (size_t)n;
    *text = copy;
    return 0;
}

static int save_text(mn_state *s, const char *text) {
    uint64_t n = text ? strlen(text) + 1 : 0;
    MN_TRY(mn_state_u64(s, &n));
    return n ? mn_state_bytes(s, (void *)(uintptr_t)text, (size_t)n) : 0;
}

int mn_state_text(mn_state *s, char **text) {
    char *got;
    if (!s->loading) return save_text(s, *text);
    MN_TRY(load_text(s, &got));
    mn_free(s->ctx, *text);
    *text = got;
    return 0;
}

int mn_state_name(mn_state *s, const char **name) {
    char *got;
    const char *kept;
    if (!s->loading) return save_text(s, *name);
    MN_TRY(load_text(s, &got));
    if (!got) return mn_state_fail(s, "a name is missing");
    const int rc = mn_map_name(s->ctx, s->names, got, &kept);
    mn_free(s->ctx, got);
    if (!rc) *name = kept;
    return rc;
}
