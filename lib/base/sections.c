/* Files of named sections: writing, and reading what may be damaged (sections.h). */
#include "base/sections.h"

#include <inttypes.h>
#include <string.h>

static const char zeros[8];

static uint64_t padded(uint64_t n) {
    return (n + 7) / 8 * 8;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

void mn_sections_init(mn_sections *f, modnas_ctx *ctx) {
    *f = (mn_sections){.ctx = ctx};
    mn_vec_init(&f->list, sizeof(mn_section));
}

void mn_sections_free(mn_sections *f) {
    if (!f->ctx) return;
    for (size_t i = 0; i < f->list.n; i++) {
        mn_section *s = &MN_AT(f->list, mn_section, i);
        mn_free(f->ctx, s->name);
        if (!f->file) mn_free(f->ctx, s->data);
    }
    mn_vec_free(f->ctx, &f->list);
    mn_free(f->ctx, f->file);
    f->file = NULL;
}

static int push(mn_sections *f, char *name, int32_t needed, char *data, size_t n) {
    const mn_section s = {.name = name, .needed = needed, .data = data, .n = n};
    if (name && mn_vec_push(f->ctx, &f->list, &s, 1)) return 0;
    mn_free(f->ctx, name);
    return MODNAS_ENOMEM;
}

int mn_sections_add(mn_sections *f, const char *name, int32_t needed, char *data, size_t n) {
    if (strlen(name) > MN_SECTION_NAME_MAX) {
        mn_free(f->ctx, data);
        return mn_fail(f->ctx, MODNAS_EUNSUPPORTED, "a section's name of %zu bytes, %d is the most", strlen(name),
                       MN_SECTION_NAME_MAX);
    }
    const int rc = data || !n ? push(f, mn_strdup(f->ctx, name), needed, data, n) : MODNAS_ENOMEM;
    if (rc) mn_free(f->ctx, data);
    return rc;
}

int mn_sections_add_from(mn_sections *f, const char *name, int32_t needed, mn_emit_fn emit, void *ud) {
    MN_TRY(mn_sections_add(f, name, needed, NULL, 0));
    mn_section *s = &MN_AT(f->list, mn_section, f->list.n - 1);
    s->emit = emit;
    s->ud = ud;
    return 0;
}

const mn_section *mn_sections_find(const mn_sections *f, const char *name) {
    for (size_t i = 0; i < f->list.n; i++)
        if (strcmp(MN_AT(f->list, mn_section, i).name, name) == 0) return &MN_AT(f->list, mn_section, i);
    return NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void put32(char *at, uint32_t x) {
    memcpy(at, &x, sizeof x);
}
static void put64(char *at, uint64_t x) {
    memcpy(at, &x, sizeof x);
}

static int put_count(void *to, const void *data, size_t n) {
    (void)data;
    *(uint64_t *)to += n;
    return 0;
}

static int put_sum(void *to, const void *data, size_t n) {
    mn_sha256_add(to, data, n);
    return 0;
}

/* What a section is the sum of, behind its name. */
static int put_content(const mn_section *s, uint64_t n, mn_put_fn put, void *to) {
    const size_t name = strlen(s->name);
    MN_TRY(put(to, s->name, name));
    MN_TRY(put(to, zeros, padded(name) - name));
    MN_TRY(s->emit ? s->emit(put, to, s->ud) : put(to, s->n ? s->data : zeros, s->n));
    return put(to, zeros, padded(n) - n);
}

/* The head of a section, and the bytes that all of it takes. */
static int make_head(const mn_section *s, char head[MN_SECTION_HEAD], uint64_t *content, uint64_t *bytes) {
    const size_t name = strlen(s->name);
    char sum[MN_SECTION_SUM + 1];
    mn_sha256 sha;
    *content = s->n;
    if (s->emit) MN_TRY(s->emit(put_count, content, s->ud));
    put32(head + MN_SECTION_SUM, (uint32_t)name);
    put32(head + MN_SECTION_SUM + 4, s->needed != 0);
    put64(head + MN_SECTION_SUM + 8, *content);
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, head + MN_SECTION_SUM, MN_SECTION_HEAD - MN_SECTION_SUM);
    MN_TRY(put_content(s, *content, put_sum, &sha));
    mn_sha256_hex(&sha, sum);
    memcpy(head, sum, MN_SECTION_SUM);
    *bytes += MN_SECTION_HEAD + padded(name) + padded(*content);
    return 0;
}

typedef struct section_head {
    char bytes[MN_SECTION_HEAD];
    uint64_t content;
} section_head;

typedef struct whole {
    const mn_sections *file;
    const section_head *heads;
    char head[MN_SECTIONS_HEAD];
} whole;

static int emit_all(mn_put_fn put, void *to, void *ud) {
    const whole *w = ud;
    MN_TRY(put(to, w->head, sizeof w->head));
    for (size_t i = 0; i < w->file->list.n; i++) {
        MN_TRY(put(to, w->heads[i].bytes, MN_SECTION_HEAD));
        MN_TRY(put_content(&MN_AT(w->file->list, mn_section, i), w->heads[i].content, put, to));
    }
    return 0;
}

int mn_sections_write(const mn_sections *f, const char *path) {
    const size_t n = f->list.n;
    section_head *heads = mn_alloc(f->ctx, n ? n : 1, sizeof *heads);
    whole w = {f, heads, MN_SECTIONS_MAGIC};
    int rc = heads ? 0 : MODNAS_ENOMEM;
    uint64_t bytes = sizeof w.head;
    for (size_t i = 0; i < n && !rc; i++)
        rc = make_head(&MN_AT(f->list, mn_section, i), heads[i].bytes, &heads[i].content, &bytes);
    if (!rc) {
        put32(w.head + 8, MN_SECTIONS_VERSION);
        put32(w.head + 12, (uint32_t)n);
        put64(w.head + 16, bytes);
        rc = mn_file_write_from(f->ctx, path, emit_all, &w);
    }
    mn_free(f->ctx, heads);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static uint32_t get32(const char *at) {
    uint32_t x;
    memcpy(&x, at, sizeof x);
    return x;
}
static uint64_t get64(const char *at) {
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

int mn_sections_is(const void *bytes, size_t n) {
    return n >= strlen(MN_SECTIONS_MAGIC) && memcmp(bytes, MN_SECTIONS_MAGIC, strlen(MN_SECTIONS_MAGIC)) == 0;
}

int mn_sections_head(modnas_ctx *ctx, const void *head, uint64_t *file_bytes, uint32_t *n_sections, const char *name) {
    const char *at = head;
    if (!mn_sections_is(head, MN_SECTIONS_HEAD)) return mn_fail(ctx, MODNAS_EFORMAT, "%s: no checkpoint", name);
    if (get32(at + 8) != MN_SECTIONS_VERSION)
        return mn_fail(ctx, MODNAS_EUNSUPPORTED, "%s: a checkpoint of version %u, this library reads %d", name,
                       get32(at + 8), MN_SECTIONS_VERSION);
    *n_sections = get32(at + 12);
    *file_bytes = get64(at + 16);
    return 0;
}

int mn_section_head(modnas_ctx *ctx, const void *head, uint64_t left, uint32_t number, const char *name,
                    mn_section_sizes *out) {
    const char *at = (const char *)head + MN_SECTION_SUM;
    const mn_section_sizes s = {.name = get32(at),
                                .needed = get32(at + 4),
                                .content = get64(at + 8),
                                .padded_name = padded(get32(at)),
                                .padded_content = padded(get64(at + 8))};
    if (s.name < 1 || s.name > MN_SECTION_NAME_MAX || s.needed > 1)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: section %u: a name of %u bytes", name, number + 1, s.name);
    if (s.padded_content < s.content || left < MN_SECTION_HEAD + s.padded_name ||
        left - MN_SECTION_HEAD - s.padded_name < s.padded_content)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: section %u: %" PRIu64 " bytes of it, %" PRIu64 " are left", name,
                       number + 1, s.content, left);
    *out = s;
    return 0;
}

int mn_section_check(modnas_ctx *ctx, const void *head, mn_sha256 *sha, const char *section, const char *name) {
    char sum[MN_SECTION_SUM + 1];
    mn_sha256_hex(sha, sum);
    if (memcmp(sum, head, MN_SECTION_SUM) == 0) return 0;
    return mn_fail(ctx, MODNAS_EFORMAT, "%s: section %.80s: its SHA-256 is %.12s..., not what the file says", name,
                   section, sum);
}

/* The section at *at, of which `left` bytes are there. */
static int take(mn_sections *f, char *at, uint64_t left, uint32_t number, const char *name, uint64_t *used) {
    mn_section_sizes s;
    mn_sha256 sha;
    if (left < MN_SECTION_HEAD)
        return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: section %u: %" PRIu64 " bytes are left", name, number + 1, left);
    MN_TRY(mn_section_head(f->ctx, at, left, number, name, &s));
    *used = MN_SECTION_HEAD + s.padded_name + s.padded_content;
    char *own = mn_strndup(f->ctx, at + MN_SECTION_HEAD, s.name);
    if (!own) return MODNAS_ENOMEM;
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, at + MN_SECTION_SUM, (size_t)*used - MN_SECTION_SUM);
    int rc = mn_section_check(f->ctx, at, &sha, own, name);
    if (!rc && mn_sections_find(f, own))
        rc = mn_fail(f->ctx, MODNAS_EFORMAT, "%s: section %s is there twice", name, own);
    if (!rc) return push(f, own, (int32_t)s.needed, at + MN_SECTION_HEAD + s.padded_name, (size_t)s.content);
    mn_free(f->ctx, own);
    return rc;
}

static int parse(mn_sections *f, size_t n, const char *name) {
    uint64_t bytes, at = MN_SECTIONS_HEAD, used = 0;
    uint32_t n_sections;
    if (n < MN_SECTIONS_HEAD) return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: %zu bytes, no checkpoint", name, n);
    MN_TRY(mn_sections_head(f->ctx, f->file, &bytes, &n_sections, name));
    if (bytes != n) return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: %zu bytes of a checkpoint of %" PRIu64, name, n, bytes);
    for (uint32_t i = 0; i < n_sections; i++, at += used) MN_TRY(take(f, f->file + at, n - at, i, name, &used));
    if (at == n) return 0;
    return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: %" PRIu64 " bytes behind the last section", name, n - at);
}

int mn_sections_parse(modnas_ctx *ctx, char *bytes, size_t n, const char *name, mn_sections *out) {
    mn_sections f;
    mn_sections_init(&f, ctx);
    f.file = bytes;
    const int rc = parse(&f, n, name);
    if (rc)
        mn_sections_free(&f);
    else
        *out = f;
    return rc;
}

int mn_sections_read(modnas_ctx *ctx, const char *path, mn_sections *out) {
    char *bytes;
    size_t n;
    MN_TRY(mn_file_read(ctx, path, SIZE_MAX / 4, &bytes, &n));
    return mn_sections_parse(ctx, bytes, n, path, out);
}
