/* Reading and writing safetensors. The header is JSON, which is YAML: the configuration's reader parses it, with its
 * own limits; what it says about the data is checked here before a byte of the data is believed. */
#include "module/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "config/node.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, and so is this writer");

struct mn_safetensors {
    modnas_ctx *ctx;
    const char *path; /* borrowed while reading */
    char *bytes;
    size_t n_bytes;
    uint64_t size;    /* of the file */
    const char *data; /* behind the header; NULL: not in memory */
    uint64_t data_size;
    mn_node *docs;
    mn_vec tensors; /* mn_tensor_info */
    mn_map by_name; /* -> index + 1 */
};

/* ---- writing ------------------------------------------------------------------------------------------- */

static void add_metadata(mn_str *s, const char *const *metadata) {
    if (!metadata || !metadata[0]) return;
    mn_str_add(s, "\"__metadata__\":{");
    for (size_t i = 0; metadata[i]; i += 2) {
        mn_str_add(s, i ? "," : "");
        mn_str_json(s, metadata[i]);
        mn_str_add(s, ":");
        mn_str_json(s, metadata[i + 1]);
    }
    mn_str_add(s, "}");
}

static int count_of(modnas_ctx *ctx, const char *where, const mn_tensor_info *t, size_t *count) {
    size_t n = 1;
    for (int32_t i = 0; i < t->rank; i++) {
        if (t->dims[i] < 0 || __builtin_mul_overflow(n, (size_t)t->dims[i], &n) || n > SIZE_MAX / 2 / sizeof(double))
            return mn_fail(ctx, MODNAS_EFORMAT, "%s: tensor %s is too large", where, t->name);
    }
    *count = n;
    return 0;
}

static size_t elem_bytes(const mn_tensor_info *t) {
    return t->elem_bytes ? t->elem_bytes : sizeof(float);
}

static int add_tensor(mn_str *s, const char *path, const mn_tensor_info *t, size_t *at) {
    size_t count = 0, end;
    MN_TRY(count_of(s->ctx, path, t, &count));
    if (__builtin_add_overflow(*at, count * elem_bytes(t), &end))
        return mn_fail(s->ctx, MODNAS_EFORMAT, "%s: tensor %s is too large", path, t->name);
    mn_str_add(s, s->n > 1 ? "," : "");
    mn_str_json(s, t->name);
    mn_str_addf(s, ":{\"dtype\":\"%s\",\"shape\":[", elem_bytes(t) == sizeof(double) ? "F64" : "F32");
    for (int32_t i = 0; i < t->rank; i++) mn_str_addf(s, "%s%lld", i ? "," : "", (long long)t->dims[i]);
    mn_str_addf(s, "],\"data_offsets\":[%zu,%zu]}", *at, end);
    *at = end;
    return 0;
}

static int header_text(mn_str *s, const char *path, const mn_tensor_info *tensors, size_t n,
                       const char *const *metadata, size_t *size) {
    *size = 0;
    mn_str_add(s, "{");
    add_metadata(s, metadata);
    for (size_t i = 0; i < n; i++) MN_TRY(add_tensor(s, path, &tensors[i], size));
    mn_str_add(s, "}");
    while (!s->failed && s->n % 8) mn_str_add(s, " ");
    return s->failed ? mn_fail(s->ctx, MODNAS_ENOMEM, "out of memory for the header of %s", path) : 0;
}

static size_t data_bytes(const mn_tensor_info *t) {
    size_t bytes = elem_bytes(t);
    for (int32_t i = 0; i < t->rank; i++) bytes *= (size_t)t->dims[i];
    return bytes;
}

/* One tensor after another, through a buffer for the largest: weights are not in memory twice. */
static int put_all(const mn_str *header, const mn_safetensors_out *o, void *buffer, mn_put_fn put, void *to) {
    const uint64_t length = header->n;
    MN_TRY(put(to, &length, sizeof length));
    MN_TRY(put(to, header->text, header->n));
    for (size_t i = 0; i < o->n; i++) {
        MN_TRY(o->fill(i, buffer, o->ud));
        MN_TRY(put(to, buffer, data_bytes(&o->tensors[i])));
    }
    return 0;
}

int mn_safetensors_put(mn_put_fn put, void *to, void *out) {
    const mn_safetensors_out *o = out;
    mn_str header = {.ctx = o->ctx};
    size_t size, most = 1;
    void *buffer = NULL;
    int rc = header_text(&header, o->path, o->tensors, o->n, o->metadata, &size);
    for (size_t i = 0; i < o->n && !rc; i++)
        if (data_bytes(&o->tensors[i]) > most) most = data_bytes(&o->tensors[i]);
    if (!rc) buffer = mn_alloc(o->ctx, most, 1);
    if (!rc) rc = buffer ? put_all(&header, o, buffer, put, to) : MODNAS_ENOMEM;
    mn_free(o->ctx, buffer);
    mn_str_free(&header);
    return rc;
}

int mn_safetensors_write(modnas_ctx *ctx, const char *path, const mn_tensor_info *tensors, size_t n,
                         const char *const *metadata, mn_tensor_fill_fn fill, void *ud) {
    mn_safetensors_out o = {ctx, path, tensors, n, metadata, fill, ud};
    return mn_file_write_from(ctx, path, mn_safetensors_put, &o);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int parse_header(mn_safetensors *f) {
    if (f->n_bytes < 8)
        return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: %zu bytes, no safetensors file", f->path, f->n_bytes);
    const uint64_t length = mn_safetensors_header_bytes(f->bytes);
    if (length > MN_SAFETENSORS_HEADER_MAX || length > f->n_bytes - 8)
        return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: a header of %llu bytes in a file of %llu", f->path,
                       (unsigned long long)length, (unsigned long long)f->size);
    if (!length || f->bytes[8] != '{')
        return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: the header is no JSON object", f->path);
    f->data = f->n_bytes == f->size ? f->bytes + 8 + length : NULL;
    f->data_size = f->size - 8 - length;
    const int rc = mn_yaml_read(f->ctx, f->bytes + 8, (size_t)length, f->path, &f->docs);
    if (rc == MODNAS_ECONFIG) return mn_fail(f->ctx, MODNAS_EFORMAT, "header of %s", modnas_errmsg(f->ctx));
    if (rc) return rc;
    if (f->docs->n != 1 || f->docs->items[0]->kind != MN_MAP)
        return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: the header is no JSON object", f->path);
    return 0;
}

static int fail_tensor(mn_safetensors *f, const char *name, const char *what) {
    return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: tensor %s: %s", f->path, name, what);
}

static int whole(const mn_node *n, int64_t *out) {
    if (!n || n->kind != MN_INT || n->i < 0) return -1;
    *out = n->i;
    return 0;
}

static int read_tensor(mn_safetensors *f, const char *name, const mn_node *entry) {
    mn_tensor_info t = {.name = name};
    const mn_node *dtype = mn_node_get(entry, "dtype"), *shape = mn_node_get(entry, "shape"),
                  *offsets = mn_node_get(entry, "data_offsets");
    int64_t begin, end;
    if (entry->kind != MN_MAP || entry->n != 3 || !dtype || !shape || !offsets || dtype->kind != MN_STR ||
        shape->kind != MN_SEQ)
        return fail_tensor(f, name, "wanted dtype, shape and data_offsets");
    t.is_int = strcmp(dtype->text, "I64") == 0;
    t.elem_bytes = strcmp(dtype->text, "F32") == 0                ? sizeof(float)
                   : t.is_int || strcmp(dtype->text, "F64") == 0 ? sizeof(double)
                                                                 : 0;
    if (!t.elem_bytes)
        return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: tensor %s is %s, wanted F32 or F64", f->path, name, dtype->text);
    if (shape->n > MN_TENSOR_RANK) return fail_tensor(f, name, "more than 8 dimensions");
    t.rank = (int32_t)shape->n;
    for (size_t i = 0; i < shape->n; i++)
        if (whole(shape->items[i], &t.dims[i])) return fail_tensor(f, name, "a dimension is no whole number");
    MN_TRY(count_of(f->ctx, f->path, &t, &t.count));
    if (offsets->kind != MN_SEQ || offsets->n != 2 || whole(offsets->items[0], &begin) ||
        whole(offsets->items[1], &end) || begin > end)
        return fail_tensor(f, name, "data_offsets is no pair begin <= end");
    if ((uint64_t)end > f->data_size)
        return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: tensor %s ends at byte %lld of %llu", f->path, name, (long long)end,
                       (unsigned long long)f->data_size);
    if ((uint64_t)(end - begin) != t.count * t.elem_bytes)
        return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: tensor %s has %lld bytes, its shape wants %zu", f->path, name,
                       (long long)(end - begin), t.count * t.elem_bytes);
    t.at = (size_t)begin;
    if (f->data) t.data = f->data + begin;
    if (!mn_vec_push(f->ctx, &f->tensors, &t, 1)) return MODNAS_ENOMEM;
    return mn_map_put(f->ctx, &f->by_name, name, (void *)(uintptr_t)f->tensors.n);
}

static int by_begin(const void *a, const void *b) {
    const mn_tensor_info *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count); /* an empty tensor before the one that starts where it is */
}

/* Tensors laid end to end must make up all of the data: neither gaps nor overlaps, nothing cut off or left over. */
static int check_cover(mn_safetensors *f) {
    const size_t n = f->tensors.n;
    mn_tensor_info *sorted = mn_alloc(f->ctx, n ? n : 1, sizeof *sorted);
    if (!sorted) return MODNAS_ENOMEM;
    if (n) memcpy(sorted, f->tensors.data, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_begin);
    size_t at = 0;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (sorted[i].at != at)
            rc = mn_fail(f->ctx, MODNAS_EFORMAT, "%s: tensor %s begins at byte %zu, wanted %zu", f->path,
                         sorted[i].name, sorted[i].at, at);
        at = sorted[i].at + sorted[i].count * sorted[i].elem_bytes;
    }
    mn_free(f->ctx, sorted);
    if (!rc && at != f->data_size)
        rc = mn_fail(f->ctx, MODNAS_EFORMAT, "%s: %llu bytes of data, the tensors have %zu", f->path,
                     (unsigned long long)f->data_size, at);
    return rc;
}

static int check_metadata(mn_safetensors *f, const mn_node *m) {
    int ok = m->kind == MN_MAP;
    for (size_t i = 0; ok && i < m->n; i++) ok = m->items[i]->kind == MN_STR;
    return ok ? 0 : mn_fail(f->ctx, MODNAS_EFORMAT, "%s: __metadata__ is no map of strings", f->path);
}

static int read_tensors(mn_safetensors *f) {
    const mn_node *header = f->docs->items[0];
    for (size_t i = 0; i < header->n; i++) {
        if (strcmp(header->keys[i], "__metadata__") == 0)
            MN_TRY(check_metadata(f, header->items[i]));
        else
            MN_TRY(read_tensor(f, header->keys[i], header->items[i]));
    }
    return check_cover(f);
}

uint64_t mn_safetensors_header_bytes(const void *bytes) {
    uint64_t length;
    memcpy(&length, bytes, 8);
    return length;
}

int mn_safetensors_parse(modnas_ctx *ctx, char *bytes, size_t n, uint64_t file_bytes, const char *name,
                         mn_safetensors **out) {
    mn_safetensors *f = mn_alloc(ctx, 1, sizeof *f);
    if (!f) {
        mn_free(ctx, bytes);
        return MODNAS_ENOMEM;
    }
    *f = (mn_safetensors){.ctx = ctx, .path = name, .bytes = bytes, .n_bytes = n, .size = file_bytes};
    mn_vec_init(&f->tensors, sizeof(mn_tensor_info));
    int rc = parse_header(f);
    if (!rc) rc = read_tensors(f);
    f->path = NULL;
    if (rc)
        mn_safetensors_free(f);
    else
        *out = f;
    return rc;
}

int mn_safetensors_read(modnas_ctx *ctx, const char *path, mn_safetensors **out) {
    char *bytes;
    size_t n;
    MN_TRY(mn_file_read(ctx, path, SIZE_MAX / 4, &bytes, &n));
    return mn_safetensors_parse(ctx, bytes, n, n, path, out);
}

void mn_safetensors_free(mn_safetensors *f) {
    if (!f) return;
    mn_map_free(f->ctx, &f->by_name);
    mn_vec_free(f->ctx, &f->tensors);
    mn_node_free(f->ctx, f->docs);
    mn_free(f->ctx, f->bytes);
    mn_free(f->ctx, f);
}

size_t mn_safetensors_count(const mn_safetensors *f) {
    return f->tensors.n;
}

const mn_tensor_info *mn_safetensors_at(const mn_safetensors *f, size_t i) {
    return &MN_AT(f->tensors, mn_tensor_info, i);
}

const mn_tensor_info *mn_safetensors_find(const mn_safetensors *f, const char *name) {
    const size_t i = (uintptr_t)mn_map_get(&f->by_name, name);
    return i ? mn_safetensors_at(f, i - 1) : NULL;
}

const char *mn_safetensors_metadata(const mn_safetensors *f, const char *key) {
    const mn_node *m = mn_node_get(f->docs->items[0], "__metadata__");
    const mn_node *v = m ? mn_node_get(m, key) : NULL;
    return v ? v->text : NULL;
}
