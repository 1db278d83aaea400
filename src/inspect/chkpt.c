/* Looking at checkpoints: the header is read and judged, the tensors' bytes are only counted. */
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
    static const char *const keys[] = {"format", "model", "estim", "tag"};
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

int mn_look_chkpt(mn_report *r, mn_source *s) {
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
