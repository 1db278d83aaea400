/* A bundle's files against its manifest. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle/bundle.h"

/* ---- folders ------------------------------------------------------------------------------------------- */

char *mn_bundle_path(modnas_ctx *ctx, const char *folder, const char *file) {
    mn_str s = {.ctx = ctx};
    mn_str_addf(&s, "%s/%s", folder, file);
    return mn_str_take(&s);
}

int mn_bundle_is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_names(modnas_ctx *ctx, DIR *dir, mn_vec *names) {
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *copy = mn_strdup(ctx, entry->d_name);
        if (copy && mn_vec_push(ctx, names, &copy, 1)) continue;
        mn_free(ctx, copy);
        return MODNAS_ENOMEM;
    }
    return 0;
}

int mn_bundle_names(modnas_ctx *ctx, const char *folder, mn_vec *names) {
    DIR *dir = opendir(folder);
    mn_vec_init(names, sizeof(char *));
    if (!dir)
        return mn_fail(ctx, errno == ENOENT || errno == ENOTDIR ? MODNAS_ENOTFOUND : MODNAS_EIO, "%s: %s", folder,
                       strerror(errno));
    const int rc = add_names(ctx, dir, names);
    closedir(dir);
    if (rc) mn_bundle_free_names(ctx, names);
    if (names->n) qsort(names->data, names->n, sizeof(char *), by_name);
    return rc;
}

void mn_bundle_free_names(modnas_ctx *ctx, mn_vec *names) {
    for (size_t i = 0; i < names->n; i++) mn_free(ctx, MN_AT(*names, char *, i));
    mn_vec_free(ctx, names);
}

/* ---- one file ------------------------------------------------------------------------------------------ */

static void hash_of(const char *bytes, size_t n, char text[65]) {
    mn_sha256 sha;
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, bytes, n);
    mn_sha256_hex(&sha, text);
}

/* 1: the file has another content where the row says. */
static int differs(const mn_manifest_row *r, const char *bytes, size_t n) {
    char hash[65];
    if (r->at > n || r->bytes > n - r->at) return 1;
    hash_of(bytes + r->at, (size_t)r->bytes, hash);
    return strcmp(hash, r->sha256) != 0;
}

/* "in conv_first.0.weight, bytes 1200 to 2351, and 2 parts more" */
static void add_place(mn_str *s, const mn_manifest_row *row, const mn_manifest_row *end, const char *bytes, size_t n) {
    size_t others = 0;
    for (const mn_manifest_row *r = row + 1; r < end && r->part; r++) {
        if (!differs(r, bytes, n)) continue;
        if (!others++)
            mn_str_addf(s, "in %s, bytes %" PRIu64 " to %" PRIu64, r->part, r->at, r->at + r->bytes - (r->bytes > 0));
    }
    if (others > 1) mn_str_addf(s, ", and %zu part%s more", others - 1, others == 2 ? "" : "s");
}

static void add_content(mn_str *s, uint64_t bytes, const char *hash) {
    mn_str_addf(s, "\"%" PRIu64 " bytes, SHA-256 %s\"", bytes, hash);
}

static int compare(const mn_manifest_row *row, const mn_manifest_row *end, const char *bytes, size_t n,
                   mn_findings *f) {
    mn_str stated = {.ctx = f->ctx}, found = {.ctx = f->ctx}, why = {.ctx = f->ctx};
    char hash[65];
    hash_of(bytes, n, hash);
    const int same = n == row->bytes && strcmp(hash, row->sha256) == 0;
    add_content(&stated, row->bytes, row->sha256);
    add_content(&found, n, hash);
    if (!same) add_place(&why, row, end, bytes, n);
    const int rc = why.failed ? MODNAS_ENOMEM
                              : mn_findings_take(f, same ? MN_HOLDS : MN_HOLDS_NOT, row->file, &stated, &found, why.text);
    mn_str_free(&stated);
    mn_str_free(&found);
    mn_str_free(&why);
    return rc;
}

static int check_file(const mn_manifest *m, const mn_manifest_row *row, const char *folder, mn_findings *f) {
    const mn_manifest_row *end = (const mn_manifest_row *)m->rows.data + m->rows.n;
    char *path = mn_bundle_path(m->ctx, folder, row->file), *bytes = NULL;
    size_t n = 0;
    if (!path) return MODNAS_ENOMEM;
    int rc = 0;
    if (!mn_bundle_is_file(path)) {
        rc = mn_findings_add(f, MN_HOLDS_NOT, row->file, NULL, NULL, "there is no such file in the folder");
    } else {
        rc = mn_file_read(m->ctx, path, SIZE_MAX / 4, &bytes, &n);
        rc = rc ? mn_findings_fail(f, MN_HOLDS_NOT, row->file, rc) : compare(row, end, bytes, n, f);
    }
    mn_free(m->ctx, bytes);
    mn_free(m->ctx, path);
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------------- */

static int check_others(const mn_manifest *m, const char *folder, mn_findings *f) {
    mn_vec names;
    MN_TRY(mn_bundle_names(m->ctx, folder, &names));
    int rc = 0;
    for (size_t i = 0; i < names.n && !rc; i++) {
        const char *name = MN_AT(names, char *, i);
        if (strcmp(name, MN_MANIFEST) == 0 || mn_manifest_find(m, name)) continue;
        rc = mn_findings_add(f, MN_HOLDS_NOT, name, NULL, NULL, "the manifest has no such file");
    }
    mn_bundle_free_names(m->ctx, &names);
    return rc;
}

int mn_bundle_check(const mn_manifest *m, const char *folder, mn_findings *f) {
    for (size_t i = 0; i < m->rows.n; i++) {
        const mn_manifest_row *r = &MN_AT(m->rows, mn_manifest_row, i);
        if (!r->part) MN_TRY(check_file(m, r, folder, f));
    }
    return check_others(m, folder, f);
}
