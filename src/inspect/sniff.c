/* What type a file is, from its first bytes and its name: marks that leave no doubt first, then names, then the look of
 * text. A guess costs nothing when it is wrong: the type's reader judges the file. */
#include <string.h>

#include "data/idx.h"
#include "base/sections.h"
#include "inspect/inspect.h"

static int ends_with(const char *text, size_t n, const char *end) {
    const size_t k = strlen(end);
    return n >= k && memcmp(text + n - k, end, k) == 0;
}

/* ---- marks --------------------------------------------------------------------------------------------- */

static int is_gzip(const uint8_t *head, size_t n) {
    return n >= 2 && head[0] == 0x1f && head[1] == 0x8b;
}

/* 00 00, then an element type, all of which are small numbers. */
static int is_idx(const uint8_t *head, size_t n) {
    return n >= 3 && head[0] == 0 && head[1] == 0 && head[2] && head[2] < 0x10;
}

/* The length of a header below 4 GiB, then its brace. */
static int is_safetensors(const uint8_t *head, size_t n) {
    return n >= 9 && head[8] == '{' && !(head[4] | head[5] | head[6] | head[7]);
}

/* Field 1, a small number, then field 2, the producer's name: how those who write ONNX begin. */
static int is_onnx(const uint8_t *head, size_t n) {
    return n >= 3 && head[0] == 0x08 && head[1] && head[1] <= 0x10 && head[2] == 0x12;
}

/* RFC 1950: method 8, a window of at most 32 KiB, a check that makes both bytes a multiple of 31. */
static int is_zlib(const uint8_t *head, size_t n) {
    return n >= 2 && (head[0] & 15) == 8 && head[0] >> 4 <= 7 && (head[0] << 8 | head[1]) % 31 == 0;
}

/* What is inside is named where it is known, the packing otherwise. */
static const char *sniff_gzip(modnas_ctx *ctx, const uint8_t *head, size_t n, const char *name) {
    uint8_t inside[MN_IDX_HEADER];
    size_t got = 0;
    mn_source *s = NULL;
    int idx = 0;
    if (mn_source_open_mem(ctx, head, n, name, MN_SOURCE_GZIP, &s) == 0 && mn_source_read(s, inside, 4, &got) == 0)
        idx = is_idx(inside, got);
    mn_source_close(s);
    return idx ? "idx" : ends_with(name, strlen(name), ".bin.gz") ? "cifar10" : "gzip";
}

/* ---- names --------------------------------------------------------------------------------------------- */

static const struct {
    const char *end, *type;
} names[] = {{".bin", "cifar10"}, {".gz", "gzip"},   {".zlib", "zlib"}, {".deflate", "deflate"},  {".yaml", "yaml"},
             {".yml", "yaml"},    {".json", "yaml"}, {".tsv", "table"}, {".safetensors", "chkpt"}, {".chkpt", "chkpt"},
             {".onnx", "onnx"}};

static const char *sniff_name(const char *name) {
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    if (strncmp(base, "arch_", 5) == 0 && ends_with(base, strlen(base), ".yaml")) return "arch"; /* as a run names it */
    for (size_t i = 0; i < MN_COUNT(names); i++)
        if (ends_with(name, strlen(name), names[i].end)) return names[i].type;
    return NULL;
}

/* ---- text ---------------------------------------------------------------------------------------------- */

/* UTF-8 without control characters; the last character may be cut. */
static int is_text(const char *head, size_t n) {
    for (size_t i = 0; i < n;) {
        const size_t step = mn_utf8_length(head + i, n - i);
        const unsigned char c = (unsigned char)head[i];
        if (!step) return n - i < 4 && c >= 0xc2;
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) return 0;
        i += step;
    }
    return n > 0;
}

/* The first line that says something begins a list or a map. */
static int looks_like_yaml(const char *line, const char *end) {
    size_t n = 0;
    for (; line < end; line += n + (line + n < end)) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        n = (size_t)((stop ? stop : end) - line);
        if (n && *line != '#' && *line != '%') break;
    }
    if (line >= end || !n) return 0;
    return strchr("[{", *line) || (n >= 2 && memcmp(line, "- ", 2) == 0) || ends_with(line, n, ":") ||
           (n >= 3 && memcmp(line, "---", 3) == 0) || memmem(line, n, ": ", 2);
}

static const char *sniff_text(const char *head, size_t n) {
    if (!is_text(head, n)) return NULL;
    const char *stop = memchr(head, '\n', n);
    if (memchr(head, '\t', stop ? (size_t)(stop - head) : n)) return "table";
    return looks_like_yaml(head, head + n) ? "yaml" : NULL;
}

const char *mn_sniff(modnas_ctx *ctx, const uint8_t *head, size_t n, const char *name) {
    const char *by_name = sniff_name(name), *by_text;
    if (is_gzip(head, n)) return sniff_gzip(ctx, head, n, name);
    if (mn_sections_is(head, n) || is_safetensors(head, n)) return "chkpt";
    if (by_name) return by_name;
    if (is_idx(head, n)) return "idx";
    if (is_onnx(head, n)) return "onnx";
    by_text = sniff_text((const char *)head, n);
    if (by_text) return by_text;
    return is_zlib(head, n) ? "zlib" : NULL;
}
