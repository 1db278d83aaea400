/* IDX files (see idx.h for the format).
 *
 * Nothing that the header claims is believed before it was read: the data comes through a window, what is kept doubles
 * while bytes keep coming, and the stream must end exactly where the header says. Every message names the file, the
 * byte and the numbers that disagree. */
#include <string.h>

#include "data/idx.h"

enum { WINDOW = 1 << 16, TYPE_BYTE = 0x08 };

static const struct {
    uint8_t code;
    const char *name;
} element_types[] = {{TYPE_BYTE, "unsigned byte"}, {0x09, "signed byte"}, {0x0b, "16-bit integer"},
                     {0x0c, "32-bit integer"},     {0x0d, "float"},       {0x0e, "double"}};

static const char *const axis_names[3] = {"count", "height", "width"};

static const char *type_name(uint8_t code) {
    for (size_t i = 0; i < MN_COUNT(element_types); i++)
        if (element_types[i].code == code) return element_types[i].name;
    return NULL;
}

static int check_magic(modnas_ctx *ctx, const char *name, const uint8_t magic[4], size_t got, int32_t want) {
    if (got < 4)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: %zu bytes in all; an IDX file begins with 4 bytes of magic", name,
                       got);
    if (magic[0] || magic[1])
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: byte 0: %02x %02x %02x %02x; an IDX file begins with 00 00", name,
                       magic[0], magic[1], magic[2], magic[3]);
    const char *type = type_name(magic[2]);
    if (!type) return mn_fail(ctx, MODNAS_EFORMAT, "%s: byte 2: 0x%02x is no IDX element type", name, magic[2]);
    if (magic[2] != TYPE_BYTE)
        return mn_fail(ctx, MODNAS_EUNSUPPORTED,
                       "%s: byte 2: elements are of type 0x%02x (%s); only 0x08 (unsigned byte) is read", name,
                       magic[2], type);
    if (want && magic[3] != want)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: byte 3: %d dimensions; %s have %d", name, magic[3],
                       want == MN_IDX_LABELS ? "labels" : "images", want);
    if (magic[3] == 0) return mn_fail(ctx, MODNAS_EFORMAT, "%s: byte 3: 0 dimensions", name);
    if (magic[3] != MN_IDX_LABELS && magic[3] != MN_IDX_IMAGES)
        return mn_fail(ctx, MODNAS_EUNSUPPORTED, "%s: byte 3: %d dimensions; 1 (labels) or 3 (images) are read", name,
                       magic[3]);
    return 0;
}

/* Sizes behind the magic, and their product. */
static int check_dims(modnas_ctx *ctx, size_t got, mn_idx *idx) {
    const char *name = idx->name;
    if (got < idx->header_bytes - 4)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: ends at byte %zu; the header with %d dimensions takes %zu", name,
                       got + 4, idx->n_dims, idx->header_bytes);
    size_t product = 1;
    for (int i = 0; i < idx->n_dims; i++) {
        const uint8_t *b = idx->header + 4 + 4 * i;
        const uint32_t dim = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        if (dim == 0) return mn_fail(ctx, MODNAS_EFORMAT, "%s: byte %d: %s is 0", name, 4 + 4 * i, axis_names[i]);
        if (__builtin_mul_overflow(product, (size_t)dim, &product) || product > PTRDIFF_MAX)
            return mn_fail(ctx, MODNAS_EFORMAT, "%s: byte %d: with %s %u there would be more than %td bytes of data",
                           name, 4 + 4 * i, axis_names[i], dim, (ptrdiff_t)PTRDIFF_MAX);
        idx->dims[i] = dim;
    }
    idx->data_bytes = product;
    return 0;
}

static int read_header(modnas_ctx *ctx, mn_source *s, int32_t want, mn_idx *idx) {
    size_t got;
    MN_TRY(mn_source_read(s, idx->header, 4, &got));
    MN_TRY(check_magic(ctx, idx->name, idx->header, got, want));
    idx->n_dims = idx->header[3];
    idx->header_bytes = 4 + 4 * (size_t)idx->n_dims;
    for (int i = 0; i < 3; i++) idx->dims[i] = 1;
    MN_TRY(mn_source_read(s, idx->header + 4, idx->header_bytes - 4, &got));
    return check_dims(ctx, got, idx);
}

static int fail_short(modnas_ctx *ctx, const mn_idx *idx, size_t n) {
    if (idx->n_dims == MN_IDX_LABELS)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: ends at byte %zu: %zu of %zu labels are there", idx->name,
                       idx->header_bytes + n, n, idx->data_bytes);
    return mn_fail(ctx, MODNAS_EFORMAT,
                   "%s: ends at byte %zu: %zu of the %zu bytes of %lld images of %lld x %lld are there", idx->name,
                   idx->header_bytes + n, n, idx->data_bytes, (long long)idx->dims[0], (long long)idx->dims[1],
                   (long long)idx->dims[2]);
}

static int check_end(modnas_ctx *ctx, mn_source *s, mn_idx *idx) {
    uint8_t more[64];
    size_t got;
    mn_sha256 sha = mn_source_sha256(s);
    MN_TRY(mn_source_read(s, more, sizeof more, &got));
    if (got)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: %s%zu bytes follow byte %zu, where the header says that the data ends",
                       idx->name, got == sizeof more ? "at least " : "", got, idx->header_bytes + idx->data_bytes);
    idx->sha = sha;
    mn_sha256_hex(&sha, idx->sha256);
    return 0;
}

/* The data through a window, then the end. */
static int walk_data(modnas_ctx *ctx, mn_source *s, mn_idx *idx, mn_idx_fn fn, void *ud) {
    const size_t cap = idx->data_bytes < WINDOW ? idx->data_bytes : WINDOW;
    uint8_t *window = mn_alloc(ctx, cap, 1);
    if (!window) return MODNAS_ENOMEM;
    int rc = 0;
    for (size_t n = 0; n < idx->data_bytes && !rc;) {
        const size_t want = idx->data_bytes - n < cap ? idx->data_bytes - n : cap;
        size_t got = 0;
        rc = mn_source_read(s, window, want, &got);
        n += got;
        if (!rc && got < want) rc = fail_short(ctx, idx, n);
        if (!rc) rc = fn(idx, window, got, ud);
    }
    mn_free(ctx, window);
    return rc ? rc : check_end(ctx, s, idx);
}

int mn_idx_walk(modnas_ctx *ctx, mn_source *s, int32_t want, mn_idx_fn fn, void *ud, mn_idx *out) {
    mn_idx idx = {.name = mn_strdup(ctx, mn_source_content(s))};
    int rc = idx.name ? 0 : MODNAS_ENOMEM;
    if (!rc) rc = read_header(ctx, s, want, &idx);
    if (!rc) rc = walk_data(ctx, s, &idx, fn, ud);
    if (rc)
        mn_idx_free(ctx, &idx);
    else
        *out = idx;
    return rc;
}

/* ---- keeping ------------------------------------------------------------------------------------------- */

typedef struct kept {
    modnas_ctx *ctx;
    uint8_t *data;
    size_t n, cap;
} kept;

static int keep(const mn_idx *idx, const uint8_t *elements, size_t n, void *ud) {
    kept *k = ud;
    if (n > k->cap - k->n) {
        size_t cap = n > k->cap ? k->n + n : 2 * k->cap;
        if (cap > idx->data_bytes) cap = idx->data_bytes;
        uint8_t *grown = mn_realloc(k->ctx, k->data, cap, 1);
        if (!grown) return MODNAS_ENOMEM;
        k->data = grown;
        k->cap = cap;
    }
    memcpy(k->data + k->n, elements, n);
    k->n += n;
    return 0;
}

/* Closes s. */
static int parse(modnas_ctx *ctx, mn_source *s, int32_t want, mn_idx *out) {
    kept k = {.ctx = ctx};
    const int rc = mn_idx_walk(ctx, s, want, keep, &k, out);
    mn_source_close(s);
    if (rc)
        mn_free(ctx, k.data);
    else
        out->data = k.data;
    return rc;
}

int mn_idx_parse(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, int32_t want, mn_idx *out) {
    mn_source *s;
    MN_TRY(mn_source_open_mem(ctx, bytes, n, name, MN_SOURCE_AUTO, &s));
    return parse(ctx, s, want, out);
}

int mn_idx_read(modnas_ctx *ctx, const char *path, int32_t want, mn_idx *out) {
    mn_source *s;
    MN_TRY(mn_source_open(ctx, path, MN_SOURCE_AUTO, &s));
    return parse(ctx, s, want, out);
}

void mn_idx_free(modnas_ctx *ctx, mn_idx *idx) {
    mn_free(ctx, idx->name);
    mn_free(ctx, idx->data);
    *idx = (mn_idx){0};
}

int mn_idx_check_count(modnas_ctx *ctx, const mn_idx *images, const mn_idx *labels) {
    if (images->dims[0] == labels->dims[0]) return 0;
    return mn_fail(ctx, MODNAS_EFORMAT, "%s holds %lld images, %s %lld labels", images->name,
                   (long long)images->dims[0], labels->name, (long long)labels->dims[0]);
}

int mn_idx_check_labels(modnas_ctx *ctx, const mn_idx *labels, int32_t n_classes) {
    for (size_t i = 0; i < labels->data_bytes; i++)
        if (labels->data[i] >= n_classes)
            return mn_fail(ctx, MODNAS_EFORMAT,
                           "%s: byte %zu: label %d of sample %zu is not below the number of classes, %d", labels->name,
                           labels->header_bytes + i, labels->data[i], i, n_classes);
    return 0;
}
