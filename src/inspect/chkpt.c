/* Looking at checkpoints. Weights: the header is read and judged, the tensors' bytes are only counted. A resumable one
 * (base/sections.h): each section's bytes are hashed as they go by, what it is of is shown. */
#include <inttypes.h>
#include <string.h>

#include "base/sections.h"
#include "config/node.h"
#include "inspect/inspect.h"
#include "module/safetensors.h"

/* The length, then as much of the header as there is, unless the length is nonsense. */
static int read_head(modnas_ctx *ctx, mn_source *s, char **head, size_t *n) {
    uint8_t length[8];
    size_t got;
    mn_str all = {.ctx = ctx};
    char *rest = NULL;
    MN_TRY(mn_source_read(s, length, sizeof length, n));
    mn_str_addn(&all, (const char *)length, *n);
    const uint64_t want = *n == sizeof length ? mn_safetensors_header_bytes(length) : 0;
    if (want && want <= MN_SAFETENSORS_HEADER_MAX) {
        const int rc = mn_source_take(s, (size_t)want, &rest, &got);
        if (rc) {
            mn_str_free(&all);
            return rc;
        }
        mn_str_addn(&all, rest, got);
        mn_free(ctx, rest);
        *n += got;
    }
    *head = mn_str_take(&all);
    return *head ? 0 : MODNAS_ENOMEM;
}

static void describe(mn_str *s, const mn_safetensors *f) {
    static const char *const keys[] = {"format", "library", "backend", "model", "estim", "tag", "arch", "input", "n_classes", "class_names",
                                       "preprocessing", "calibration"};
    const size_t n = mn_safetensors_count(f);
    uint64_t n_values = 0;
    for (size_t i = 0; i < n; i++) n_values += mn_safetensors_at(f, i)->count;
    mn_str_addf(s, "  %zu tensor%s, %llu values\n", n, n == 1 ? "" : "s", (unsigned long long)n_values);
    for (size_t i = 0; i < MN_COUNT(keys); i++) {
        const char *value = mn_safetensors_metadata(f, keys[i]);
        if (value) mn_str_addf(s, "  %s: %s\n", keys[i], value);
    }
    for (size_t i = 0; i < n; i++) {
        const mn_tensor_info *t = mn_safetensors_at(f, i);
        mn_str_addf(s, "  %s (", t->name);
        for (int32_t k = 0; k < t->rank; k++) mn_str_addf(s, "%s%lld", k ? ", " : "", (long long)t->dims[k]);
        mn_str_add(s, ")\n");
    }
}

static int look_weights(mn_report *r, mn_source *s) {
    char *head;
    size_t n;
    mn_safetensors *f = NULL;
    MN_TRY(read_head(r->ctx, s, &head, &n));
    int rc = mn_source_drain(s);
    if (rc)
        mn_free(r->ctx, head);
    else
        rc = mn_safetensors_parse(r->ctx, head, n, mn_source_bytes(s), mn_source_name(s), &f);
    if (!rc) describe(&r->text, f);
    mn_safetensors_free(f);
    return rc;
}

/* ---- resumable ------------------------------------------------------------------------------------------- */

enum { META_MAX = 1 << 20 };

typedef struct walk { /* through the sections of a file */
    mn_report *r;
    mn_source *s;
    uint64_t left; /* bytes that the file says are to come */
} walk;

/* Exactly n bytes. */
static int take(walk *w, void *dst, size_t n) {
    size_t got;
    MN_TRY(mn_source_read(w->s, dst, n, &got));
    w->left -= got < w->left ? got : w->left;
    if (got == n) return 0;
    return mn_fail(w->r->ctx, MODNAS_EFORMAT, "%s: it ends after %" PRIu64 " bytes", mn_source_name(w->s),
                   mn_source_bytes(w->s));
}

/* Hash n bytes; the first of them, at most `room`, to keep. */
static int hash(walk *w, mn_sha256 *sha, uint64_t n, char *keep, uint64_t room) {
    char window[4096];
    for (uint64_t at = 0; at < n;) {
        const size_t part = n - at < sizeof window ? (size_t)(n - at) : sizeof window;
        MN_TRY(take(w, window, part));
        mn_sha256_add(sha, window, part);
        if (at < room) memcpy(keep + at, window, room - at < part ? (size_t)(room - at) : part);
        at += part;
    }
    return 0;
}

static int describe_meta(mn_report *r, const char *text, size_t n, const char *name) {
    mn_node *docs;
    const int rc = mn_yaml_read(r->ctx, text, n, "meta", &docs);
    if (rc == MODNAS_ECONFIG)
        return mn_fail(r->ctx, MODNAS_EFORMAT, "%s: section meta: %s", name, modnas_errmsg(r->ctx));
    if (rc) return rc;
    const mn_node *map = docs->n ? docs->items[0] : NULL;
    for (size_t i = 0; map && map->kind == MN_MAP && i < map->n; i++) {
        mn_str_addf(&r->text, "  %s: ", map->keys[i]);
        if (map->items[i]->kind == MN_STR)
            mn_str_add(&r->text, map->items[i]->text);
        else
            mn_node_json(&r->text, map->items[i]);
        mn_str_add(&r->text, "\n");
    }
    mn_node_free(r->ctx, docs);
    return 0;
}

static int look_section(walk *w, uint32_t number) {
    char head[MN_SECTION_HEAD], section[MN_SECTION_NAME_MAX + 8] = "", *meta = NULL;
    const char *name = mn_source_name(w->s);
    mn_section_sizes size;
    mn_sha256 sha;
    const uint64_t left = w->left;
    MN_TRY(take(w, head, sizeof head));
    MN_TRY(mn_section_head(w->r->ctx, head, left, number, name, &size));
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, head + MN_SECTION_SUM, MN_SECTION_HEAD - MN_SECTION_SUM);
    MN_TRY(hash(w, &sha, size.padded_name, section, size.name));
    const int is_meta = strcmp(section, "meta") == 0 && size.content <= META_MAX;
    if (is_meta && !(meta = mn_alloc(w->r->ctx, (size_t)size.content + 1, 1))) return MODNAS_ENOMEM;
    int rc = hash(w, &sha, size.padded_content, meta, is_meta ? size.content : 0);
    if (!rc) rc = mn_section_check(w->r->ctx, head, &sha, section, name);
    if (!rc && is_meta) rc = describe_meta(w->r, meta, (size_t)size.content, name);
    if (!rc) mn_str_addf(&w->r->text, "  section %s, %" PRIu64 " bytes\n", section, size.content);
    mn_free(w->r->ctx, meta);
    return rc;
}

static int look_sections(mn_report *r, mn_source *s) {
    walk w = {r, s, MN_SECTIONS_HEAD};
    char head[MN_SECTIONS_HEAD];
    uint64_t bytes;
    uint32_t n;
    MN_TRY(take(&w, head, sizeof head));
    MN_TRY(mn_sections_head(r->ctx, head, &bytes, &n, mn_source_name(s)));
    w.left = bytes > sizeof head ? bytes - sizeof head : 0;
    mn_str_addf(&r->text, "  resumable checkpoint, %u section%s\n", n, n == 1 ? "" : "s");
    for (uint32_t i = 0; i < n; i++) MN_TRY(look_section(&w, i));
    MN_TRY(mn_source_drain(s));
    if (w.left || mn_source_bytes(s) != bytes)
        return mn_fail(r->ctx, MODNAS_EFORMAT,
                       "%s: %" PRIu64 " bytes of a checkpoint of %" PRIu64 ", whose sections end at %" PRIu64,
                       mn_source_name(s), mn_source_bytes(s), bytes, bytes - w.left);
    return 0;
}

int mn_look_chkpt(mn_report *r, mn_source *s) {
    const uint8_t *head;
    size_t n;
    MN_TRY(mn_source_head(s, MN_SECTIONS_HEAD, &head, &n));
    return mn_sections_is(head, n) ? look_sections(r, s) : look_weights(r, s);
}
