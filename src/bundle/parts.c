/* What a file is made of, for telling where it was changed: tensors of safetensors, keys of a JSON object, keys or items
 * of YAML at the left margin. A rough look is enough: parts only have to be where they were when the manifest was
 * written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/bundle.h"
#include "module/safetensors.h"

static int mark(modnas_ctx *ctx, mn_vec *parts, const char *name, size_t n, size_t at) {
    mn_part p = {.at = at};
    if (n >= sizeof p.name) n = sizeof p.name - 1;
    for (size_t i = 0; i < n; i++) p.name[i] = name[i] > 0x20 && name[i] < 0x7f ? name[i] : '?';
    if (!p.name[0] || strcmp(p.name, "-") == 0) p.name[0] = '?'; /* those that a manifest has for other things */
    return mn_vec_push(ctx, parts, &p, 1) ? 0 : MODNAS_ENOMEM;
}

/* ---- safetensors --------------------------------------------------------------------------------------- */

static int mark_tensors(modnas_ctx *ctx, const mn_safetensors *f, size_t data, mn_vec *parts) {
    MN_TRY(mark(ctx, parts, "(header)", 8, 0));
    for (size_t i = 0; i < mn_safetensors_count(f); i++) {
        const mn_tensor_info *t = mn_safetensors_at(f, i);
        if (t->count) MN_TRY(mark(ctx, parts, t->name, strlen(t->name), data + t->at));
    }
    return 0;
}

static int by_place(const void *a, const void *b) {
    const size_t x = ((const mn_part *)a)->at, y = ((const mn_part *)b)->at;
    return (x > y) - (x < y);
}

/* One that cannot be read has no parts. */
static int find_tensors(modnas_ctx *ctx, const char *bytes, size_t n, mn_vec *parts) {
    mn_safetensors *f;
    if (n < 8 || mn_safetensors_header_bytes(bytes) > n - 8) return 0;
    const size_t data = (size_t)mn_safetensors_header_bytes(bytes) + 8;
    char *head = mn_alloc(ctx, data, 1);
    if (!head) return MODNAS_ENOMEM;
    memcpy(head, bytes, data);
    const int bad = mn_safetensors_parse(ctx, head, data, n, "weights", &f);
    if (bad) return bad == MODNAS_ENOMEM ? bad : 0;
    const int rc = mark_tensors(ctx, f, data, parts);
    mn_safetensors_free(f);
    qsort(parts->data, parts->n, sizeof(mn_part), by_place);
    return rc;
}

/* ---- text ---------------------------------------------------------------------------------------------- */

/* The byte behind a string that begins with a quote at i. */
static size_t string_end(const char *bytes, size_t n, size_t i) {
    for (i++; i < n && bytes[i] != '"'; i++) i += bytes[i] == '\\';
    return i < n ? i + 1 : n;
}

static int find_keys(modnas_ctx *ctx, const char *bytes, size_t n, mn_vec *parts) {
    int depth = 0, is_key = 0;
    for (size_t i = 0; i < n; i++) {
        const char c = bytes[i];
        if (c == '{' || c == '[') is_key = ++depth == 1 && c == '{';
        if (c == '}' || c == ']') depth--;
        if (c == ',') is_key = depth == 1;
        if (c != '"') continue;
        const size_t end = string_end(bytes, n, i), length = end > i + 2 ? end - i - 2 : 0;
        if (depth == 1 && is_key) MN_TRY(mark(ctx, parts, bytes + i + 1, length, i));
        is_key = 0;
        i = end - 1;
    }
    return 0;
}

static int find_lines(modnas_ctx *ctx, const char *bytes, size_t n, mn_vec *parts) {
    size_t n_items = 0, step;
    for (size_t at = 0; at < n; at += step) {
        const char *line = bytes + at, *end = memchr(line, '\n', n - at);
        const size_t length = end ? (size_t)(end - line) : n - at;
        const char *colon = memchr(line, ':', length);
        step = length + 1;
        if (length && *line == '-') {
            char name[32];
            const int k = snprintf(name, sizeof name, "item-%zu", ++n_items);
            MN_TRY(mark(ctx, parts, name, (size_t)k, at));
        } else if (colon && !strchr(" #", *line)) {
            MN_TRY(mark(ctx, parts, line, (size_t)(colon - line), at));
        }
    }
    return 0;
}

/* ---- by name ------------------------------------------------------------------------------------------- */

static const struct {
    const char *end;
    int (*find)(modnas_ctx *ctx, const char *bytes, size_t n, mn_vec *parts);
} kinds[] = {{".safetensors", find_tensors}, {".json", find_keys}, {".yaml", find_lines}};

int mn_parts_find(modnas_ctx *ctx, const char *file, const char *bytes, size_t n, mn_vec *parts) {
    const size_t length = strlen(file);
    mn_vec_init(parts, sizeof(mn_part));
    for (size_t i = 0; i < MN_COUNT(kinds); i++) {
        const size_t k = strlen(kinds[i].end);
        if (length < k || strcmp(file + length - k, kinds[i].end) != 0) continue;
        const int rc = kinds[i].find(ctx, bytes, n, parts);
        if (rc || parts->n < 2) mn_vec_free(ctx, parts);
        if (rc) return rc;
    }
    return 0;
}
