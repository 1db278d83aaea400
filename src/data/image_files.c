/* Files of image data sets.
 *
 *   args root, files, valid --find--> paths --format's reader--> mn_images, with the names of the classes where they
 * lie beside the data
 *
 * A file is sought in each folder of its source's row as it is called, in MNIST's other spelling (-idx3 or .idx3), and
 * with .gz behind. */
#include "data/image_files.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/cifar.h"
#include "data/idx.h"

enum { NAMES_BYTES = 1 << 16 };

typedef struct place {
    char *path;
    const char *called; /* name without folder */
} place;

struct mn_image_paths {
    const mn_image_source *from;
    const char *arg;  /* that named the files, for messages: root or files */
    const char *root; /* NULL: none */
    mn_vec places;    /* place; the paths are owned */
};

static const char *path_of(const mn_image_paths *p, size_t i) {
    return MN_AT(p->places, place, i).path;
}

/* ---- finding --------------------------------------------------------------------------------------------- */

/* Is ROOT/FOLDER/NAME[.gz] there? *path is the caller's; NULL: it is not. */
static int try_path(modnas_ctx *ctx, const char *root, const char *folder, const char *name, int other_spelling, int gz,
                    char **path) {
    mn_str s = {.ctx = ctx};
    *path = NULL;
    const char *idx = strstr(name, "-idx");
    if (other_spelling && !idx) return 0;
    mn_str_addf(&s, "%s/%s%s%s%s", root, folder, *folder ? "/" : "", name, gz ? ".gz" : "");
    if (other_spelling && !s.failed) s.text[s.n - strlen(idx) - (gz ? 3 : 0)] = '.';
    char *text = mn_str_take(&s);
    if (!text) return MODNAS_ENOMEM;
    if (access(text, F_OK) == 0)
        *path = text;
    else
        mn_free(ctx, text);
    return 0;
}

static int find(modnas_ctx *ctx, const char *root, const char *const *folders, const char *name, char **path) {
    *path = NULL;
    for (; *folders && !*path; folders++)
        for (int i = 0; i < 4 && !*path; i++) MN_TRY(try_path(ctx, root, *folders, name, i / 2, i % 2, path));
    return 0;
}

/* "no NAME, plain or .gz, in ROOT, ROOT/FOLDER (hint)" */
static int fail_missing(const mn_args *a, const mn_image_paths *p, const char *name) {
    char where[600];
    size_t n = 0;
    for (int i = 0; p->from->folders[i] && n < sizeof where; i++)
        n += (size_t)snprintf(where + n, sizeof where - n, "%s%s%s%s", i ? ", " : "", p->root,
                              *p->from->folders[i] ? "/" : "", p->from->folders[i]);
    return mn_args_fail(a, "root", "no %s, plain or .gz, in %s%s", name, where, p->from->hint);
}

/* Takes path. */
static int add_path(modnas_ctx *ctx, mn_image_paths *p, char *path, const char *called) {
    const place at = {path, called};
    if (mn_vec_push(ctx, &p->places, &at, 1)) return 0;
    mn_free(ctx, path);
    return MODNAS_ENOMEM;
}

static int find_all(const mn_args *a, mn_image_paths *p) {
    const char *const *names = mn_args_bool(a, "valid") ? p->from->valid : p->from->train;
    if (!p->root)
        return mn_args_fail(a, "root", "%s has no default folder: name the one that holds its files, or the files",
                            p->from->name);
    p->arg = "root";
    for (; *names; names++) {
        char *path;
        MN_TRY(find(a->ctx, p->root, p->from->folders, *names, &path));
        if (!path) return fail_missing(a, p, *names);
        MN_TRY(add_path(a->ctx, p, path, *names));
    }
    return 0;
}

static int list_all(const mn_args *a, mn_image_paths *p, const mn_node *files) {
    const char *root = mn_args_str(a, "root"); /* not the default one */
    p->arg = "files";
    if (!files->n) return mn_args_fail(a, "files", "the list is empty");
    for (size_t i = 0; i < files->n; i++) {
        const mn_node *f = files->items[i];
        if (f->kind != MN_STR) return mn_args_fail(a, "files", "a file is named by a text");
        mn_str s = {.ctx = a->ctx};
        if (root && f->text[0] != '/') mn_str_addf(&s, "%s/", root);
        mn_str_add(&s, f->text);
        char *path = mn_str_take(&s);
        if (!path) return MODNAS_ENOMEM;
        const char *slash = strrchr(path, '/');
        MN_TRY(add_path(a->ctx, p, path, slash ? slash + 1 : path));
    }
    return 0;
}

/* ---- formats --------------------------------------------------------------------------------------------- */

/* What a reader said, with the place in the configuration that named the file in front. */
static int at_config(const mn_args *a, const mn_image_paths *p, int rc) {
    if (rc == 0 || rc == MODNAS_ENOMEM) return rc;
    char text[sizeof a->ctx->err];
    memcpy(text, a->ctx->err, sizeof text);
    (void)mn_args_fail(a, p->arg, "%s", text);
    return rc;
}

/* Note file i, of which there is room for all. */
static void note_file(const mn_image_paths *p, size_t i, const char *sha256, int64_t bytes, mn_images *out) {
    mn_data_file *f = &out->files[i];
    snprintf(f->name, sizeof f->name, "%s", MN_AT(p->places, place, i).called);
    const size_t n = strlen(f->name);
    if (n > 3 && strcmp(f->name + n - 3, ".gz") == 0) f->name[n - 3] = 0;
    memcpy(f->sha256, sha256, sizeof f->sha256);
    f->bytes = bytes;
}

/* The labels first: they are few, and what is wrong is known sooner. */
static int read_pair(const mn_args *a, const mn_image_paths *p, mn_idx *images, mn_idx *labels) {
    MN_TRY(mn_idx_read(a->ctx, path_of(p, 1), MN_IDX_LABELS, labels));
    MN_TRY(mn_idx_check_labels(a->ctx, labels, p->from->n_classes));
    MN_TRY(mn_idx_read(a->ctx, path_of(p, 0), MN_IDX_IMAGES, images));
    if (images->dims[0] > INT32_MAX || images->dims[1] > 1 << 14 || images->dims[2] > 1 << 14)
        return mn_fail(a->ctx, MODNAS_EUNSUPPORTED, "%s: %lld images of %lld x %lld; sides go up to 16384",
                       images->name, (long long)images->dims[0], (long long)images->dims[1],
                       (long long)images->dims[2]);
    return mn_idx_check_count(a->ctx, images, labels);
}

/* Takes the images' bytes. */
static int keep_pair(modnas_ctx *ctx, const mn_image_paths *p, mn_idx *images, const mn_idx *labels, mn_images *out) {
    const mn_idx *const idx[2] = {images, labels};
    out->labels = mn_alloc(ctx, labels->data_bytes, sizeof *out->labels);
    if (!out->labels) return MODNAS_ENOMEM;
    for (size_t i = 0; i < labels->data_bytes; i++) out->labels[i] = labels->data[i];
    out->n = images->dims[0];
    out->c = 1;
    out->h = (int32_t)images->dims[1];
    out->w = (int32_t)images->dims[2];
    out->pixels = images->data;
    images->data = NULL;
    for (size_t i = 0; i < 2; i++)
        note_file(p, i, idx[i]->sha256, (int64_t)(idx[i]->header_bytes + idx[i]->data_bytes), out);
    out->files[0].has_images = 1;
    mn_sha256 sha = images->sha;
    mn_sha256_add(&sha, labels->header, labels->header_bytes);
    mn_sha256_add(&sha, labels->data, labels->data_bytes);
    mn_sha256_hex(&sha, out->sha256);
    return 0;
}

int mn_images_read_idx(const mn_args *a, const mn_image_paths *p, mn_images *out) {
    mn_idx images = {0}, labels = {0};
    if (p->places.n != 2)
        return mn_args_fail(a, p->arg, "%zu files; %s has two, images and labels", p->places.n, p->from->name);
    int rc = at_config(a, p, read_pair(a, p, &images, &labels));
    if (!rc) rc = keep_pair(a->ctx, p, &images, &labels, out);
    mn_idx_free(a->ctx, &images);
    mn_idx_free(a->ctx, &labels);
    return rc;
}

static int read_cifar(const mn_args *a, const mn_image_paths *p, int32_t kind, mn_images *out) {
    mn_cifar c = {0};
    int rc = 0;
    for (size_t i = 0; i < p->places.n && !rc; i++) {
        rc = at_config(a, p, mn_cifar_add(a->ctx, path_of(p, i), kind, &c));
        if (rc) break;
        note_file(p, i, c.file_sha256, c.file_bytes, out);
        out->files[i].has_images = 1;
    }
    if (rc) {
        mn_cifar_free(a->ctx, &c);
        return rc;
    }
    uint8_t *fitting = mn_realloc(a->ctx, c.pixels, (size_t)c.n, MN_CIFAR_PIXELS); /* it grew by doubling */
    out->pixels = fitting ? fitting : c.pixels;
    out->labels = c.labels;
    out->n = c.n;
    out->c = 3;
    out->h = out->w = 32;
    mn_sha256_hex(&c.sha, out->sha256);
    return 0;
}

int mn_images_read_cifar10(const mn_args *a, const mn_image_paths *p, mn_images *out) {
    return read_cifar(a, p, MN_CIFAR_10, out);
}

int mn_images_read_cifar100(const mn_args *a, const mn_image_paths *p, mn_images *out) {
    return read_cifar(a, p, MN_CIFAR_100, out);
}

/* ---- names of classes ------------------------------------------------------------------------------------ */

/* The lines of a text that are not empty: how many, and into names unless NULL. Line ends become 0. */
static size_t cut_lines(char *text, const char **names) {
    size_t n = 0;
    for (char *line = text; *line;) {
        const size_t bytes = strcspn(line, "\r\n");
        char *next = line + bytes + (line[bytes] != 0);
        if (names) line[bytes] = 0;
        if (bytes && names) names[n] = line;
        n += bytes > 0;
        line = next;
    }
    return n;
}

static int parse_names(modnas_ctx *ctx, const mn_image_source *from, const char *path, char *text, mn_images *out) {
    const size_t n = cut_lines(text, NULL), head = n * sizeof(char *);
    if (n != (size_t)from->n_classes)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: %zu names of classes; %s has %d", path, n, from->name,
                       from->n_classes);
    char *block = mn_alloc(ctx, head + strlen(text) + 1, 1);
    if (!block) return MODNAS_ENOMEM;
    strcpy(block + head, text);
    out->class_names = (const char **)block;
    cut_lines(block + head, out->class_names);
    return 0;
}

/* The folder that a file is in; owned by the caller. */
static char *folder_of(modnas_ctx *ctx, const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? mn_strndup(ctx, path, (size_t)(slash - path)) : mn_strdup(ctx, ".");
}

static int read_names(const mn_args *a, const mn_image_paths *p, mn_images *out) {
    static const char *const here[] = {"", NULL};
    char *path = NULL, *text = NULL, *folder = p->from->names ? folder_of(a->ctx, path_of(p, 0)) : NULL;
    if (!p->from->names) return 0;
    int rc = folder ? find(a->ctx, folder, here, p->from->names, &path) : MODNAS_ENOMEM;
    if (!rc && path) rc = mn_file_read(a->ctx, path, NAMES_BYTES, &text, NULL);
    if (!rc && path) rc = parse_names(a->ctx, p->from, path, text, out);
    mn_free(a->ctx, text);
    mn_free(a->ctx, path);
    mn_free(a->ctx, folder);
    return at_config(a, p, rc);
}

/* ---- the whole ------------------------------------------------------------------------------------------- */

/* The same samples twice would come to lie on both sides of a split. */
static int check_twice(const mn_args *a, const mn_image_paths *p, const mn_images *m) {
    for (int32_t i = 0; i < m->n_files; i++)
        for (int32_t k = 0; k < i; k++)
            if (!strcmp(m->files[i].sha256, m->files[k].sha256))
                return mn_args_fail(a, p->arg, "%s and %s hold the same bytes", m->files[k].name, m->files[i].name);
    return 0;
}

static int read_paths(const mn_args *a, mn_image_paths *p, mn_images *out) {
    const mn_node *files = mn_args_node(a, "files");
    MN_TRY(files ? list_all(a, p, files) : find_all(a, p));
    out->files = mn_alloc(a->ctx, p->places.n, sizeof *out->files);
    if (!out->files) return MODNAS_ENOMEM;
    out->n_files = (int32_t)p->places.n;
    MN_TRY(p->from->read(a, p, out));
    MN_TRY(check_twice(a, p, out));
    return read_names(a, p, out);
}

int mn_images_read(const mn_args *a, const mn_image_source *from, mn_images *out) {
    mn_image_paths p = {.from = from, .root = mn_args_given(a, "root") ? mn_args_str(a, "root") : from->root};
    mn_images m = {0};
    mn_vec_init(&p.places, sizeof(place));
    const int rc = read_paths(a, &p, &m);
    for (size_t i = 0; i < p.places.n; i++) mn_free(a->ctx, MN_AT(p.places, place, i).path);
    mn_vec_free(a->ctx, &p.places);
    if (rc)
        mn_images_free(a->ctx, &m);
    else
        *out = m;
    return rc;
}

void mn_images_free(modnas_ctx *ctx, mn_images *m) {
    mn_free(ctx, m->pixels);
    if (m->from.destroy) m->from.destroy(ctx, m->from.from);
    mn_free(ctx, m->labels);
    mn_free(ctx, m->files);
    mn_free(ctx, m->class_names);
    *m = (mn_images){0};
}
