/* CIFAR binary files (see cifar.h for the format).
 *
 * A file has no header: that it is what its name says shows in its size, a whole number of records, and in its labels.
 * The size says more (a CIFAR-100 file read as CIFAR-10 has wrong labels because it has other records), so a wrong
 * label is only reported once the end was seen. Records go through a window of some 60 KiB; what is kept grows as they
 * come. */
#include <string.h>

#include "data/cifar.h"

enum { WINDOW_RECORDS = 20, FIRST_CAP = 64 };

static const struct {
    const char *name;
    int32_t n_classes[2]; /* of each label byte */
} kinds[] = {[MN_CIFAR_10] = {"CIFAR-10", {10}}, [MN_CIFAR_100] = {"CIFAR-100", {20, 100}}};

static size_t record_bytes(int32_t kind) {
    return (size_t)kind + MN_CIFAR_PIXELS;
}

/* ---- walking ------------------------------------------------------------------------------------------- */

typedef struct walk {
    modnas_ctx *ctx;
    mn_source *s;
    int32_t kind;
    int64_t n;       /* records seen */
    int64_t n_right; /* those before the first with a wrong label */
    int32_t bad, bad_byte;
} walk;

/* Look at the labels of n records; those before a wrong one are counted in n_right. */
static void check_labels(walk *w, const uint8_t *records, size_t n) {
    for (size_t i = 0; i < n && w->n_right == w->n + (int64_t)i; i++) {
        const uint8_t *label = records + i * record_bytes(w->kind);
        int32_t k = 0;
        while (k < w->kind && label[k] < kinds[w->kind].n_classes[k]) k++;
        if (k == w->kind) {
            w->n_right++;
        } else {
            w->bad = label[k];
            w->bad_byte = k;
        }
    }
}

static int fail_size(const walk *w, size_t rest) {
    const unsigned long long total = mn_source_bytes(w->s);
    const size_t record = record_bytes(w->kind), other = record_bytes(MN_CIFAR_10 + MN_CIFAR_100 - w->kind);
    const char *name = mn_source_content(w->s);
    if (!total)
        return mn_fail(w->ctx, MODNAS_EFORMAT, "%s: 0 bytes; a %s file is records of %zu bytes", name,
                       kinds[w->kind].name, record);
    const int fits = total % other == 0;
    return mn_fail(w->ctx, MODNAS_EFORMAT, "%s: %llu bytes: %lld %s records of %zu bytes and %zu bytes more%s%s", name,
                   total, (long long)w->n, kinds[w->kind].name, record, rest, fits ? "; it may be " : "",
                   fits ? kinds[MN_CIFAR_10 + MN_CIFAR_100 - w->kind].name : "");
}

static int check_end(const walk *w, size_t rest) {
    if (rest || !w->n) return fail_size(w, rest);
    if (w->n_right == w->n) return 0;
    return mn_fail(w->ctx, MODNAS_EFORMAT, "%s: byte %lld: %slabel %d of record %lld is not below %d",
                   mn_source_content(w->s), (long long)w->n_right * (long long)record_bytes(w->kind) + w->bad_byte,
                   w->kind == MN_CIFAR_10 ? ""
                   : w->bad_byte          ? "fine "
                                          : "coarse ",
                   w->bad, (long long)w->n_right, kinds[w->kind].n_classes[w->bad_byte]);
}

static int walk_records(walk *w, uint8_t *window, mn_cifar_fn fn, void *ud) {
    const size_t record = record_bytes(w->kind), bytes = WINDOW_RECORDS * record;
    size_t got = bytes;
    while (got == bytes) {
        MN_TRY(mn_source_read(w->s, window, bytes, &got));
        const size_t n = got / record;
        check_labels(w, window, n);
        if (n && w->n_right == w->n + (int64_t)n) MN_TRY(fn(window, n, ud));
        w->n += (int64_t)n;
    }
    return check_end(w, got % record);
}

int mn_cifar_walk(modnas_ctx *ctx, mn_source *s, int32_t kind, mn_cifar_fn fn, void *ud) {
    walk w = {.ctx = ctx, .s = s, .kind = kind};
    uint8_t *window = mn_alloc(ctx, WINDOW_RECORDS, record_bytes(kind));
    if (!window) return MODNAS_ENOMEM;
    const int rc = walk_records(&w, window, fn, ud);
    mn_free(ctx, window);
    return rc;
}

/* ---- keeping ------------------------------------------------------------------------------------------- */

typedef struct adding {
    modnas_ctx *ctx;
    mn_cifar *c;
    int32_t kind;
    int64_t n; /* with the new ones, which count only when the whole file was right */
    int hash;  /* other files came before this one */
    mn_sha256 sha;
} adding;

static int reserve(adding *a, int64_t n) {
    mn_cifar *c = a->c;
    if (n <= c->cap) return 0;
    const int64_t cap = n < FIRST_CAP ? FIRST_CAP : n < 2 * c->cap ? 2 * c->cap : n;
    uint8_t *pixels = mn_realloc(a->ctx, c->pixels, (size_t)cap, MN_CIFAR_PIXELS);
    if (!pixels) return MODNAS_ENOMEM;
    c->pixels = pixels;
    int32_t *labels = mn_realloc(a->ctx, c->labels, (size_t)cap, sizeof *labels);
    if (!labels) return MODNAS_ENOMEM;
    c->labels = labels;
    c->cap = cap;
    return 0;
}

static int keep(const uint8_t *records, size_t n, void *ud) {
    adding *a = ud;
    MN_TRY(reserve(a, a->n + (int64_t)n));
    for (size_t i = 0; i < n; i++, a->n++) {
        const uint8_t *record = records + i * record_bytes(a->kind);
        a->c->labels[a->n] = record[a->kind - 1];
        memcpy(a->c->pixels + a->n * MN_CIFAR_PIXELS, record + a->kind, MN_CIFAR_PIXELS);
    }
    if (a->hash) mn_sha256_add(&a->sha, records, n * record_bytes(a->kind));
    return 0;
}

/* Closes s. */
static int add(modnas_ctx *ctx, mn_source *s, int32_t kind, mn_cifar *c) {
    adding a = {ctx, c, kind, c->n, c->n != 0, c->sha};
    const int rc = mn_cifar_walk(ctx, s, kind, keep, &a);
    if (!rc) {
        mn_sha256 sha = mn_source_sha256(s);
        c->n = a.n;
        c->sha = a.hash ? a.sha : sha;
        c->file_bytes = (int64_t)mn_source_bytes(s);
        mn_sha256_hex(&sha, c->file_sha256);
    }
    mn_source_close(s);
    return rc;
}

int mn_cifar_add(modnas_ctx *ctx, const char *path, int32_t kind, mn_cifar *c) {
    mn_source *s;
    MN_TRY(mn_source_open(ctx, path, MN_SOURCE_AUTO, &s));
    return add(ctx, s, kind, c);
}

int mn_cifar_add_mem(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, int32_t kind, mn_cifar *c) {
    mn_source *s;
    MN_TRY(mn_source_open_mem(ctx, bytes, n, name, MN_SOURCE_AUTO, &s));
    return add(ctx, s, kind, c);
}

void mn_cifar_free(modnas_ctx *ctx, mn_cifar *c) {
    mn_free(ctx, c->pixels);
    mn_free(ctx, c->labels);
    *c = (mn_cifar){0};
}
