/* Images in folders:  ROOT/train/CLASS/NAME.jpg, ROOT/val/CLASS/NAME.png;  or ROOT/CLASS/NAME where there is no train.
 *
 * Classes are numbered by the names of their folders in the order of bytes. Files are decoded when they are asked for, in
 * the loader's thread; before that each was decoded once, so that a damaged one is found before the first step.
 *
 *   training    a part of 8 to 100 % of the area (scale), its sides' ratio from 3/4 to 4/3, in size x size pixels
 *   evaluation  the shorter side in `resize` pixels, then size x size in the middle
 *
 * as torchvision's RandomResizedCrop, Resize and CenterCrop do it. What is drawn is drawn as there, from our generator. */
#include "data/image_folder.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/picture.h"

enum { TRIES = 10 };

typedef struct folder {
    modnas_ctx *ctx;
    char *root; /* with the part */
    mn_vec classes, files; /* char *; of a file "CLASS/NAME" */
    mn_vec labels;         /* int32_t, a file each */
    int32_t size, resize, c, crop;
    double scale[2], ratio[2];
} folder;

static char *file_of(const folder *f, int64_t i) {
    return MN_AT(f->files, char *, i);
}

static int path_of(const folder *f, int64_t i, char path[4096]) {
    return snprintf(path, 4096, "%s/%s", f->root, file_of(f, i)) >= 4096;
}

/* ---- one image ----------------------------------------------------------------------------------------- */

/* torchvision's get_params. part: x, y, w, h. */
static void draw_part(const folder *f, const mn_picture *p, mn_rng *rng, int32_t part[4]) {
    const double area = (double)p->w * p->h, low = log(f->ratio[0]), high = log(f->ratio[1]);
    for (int i = 0; i < TRIES; i++) {
        const double target = area * (f->scale[0] + (f->scale[1] - f->scale[0]) * mn_rng_real(rng));
        const double ratio = exp(low + (high - low) * mn_rng_real(rng));
        const double w = nearbyint(sqrt(target * ratio)), h = nearbyint(sqrt(target / ratio));
        if (w < 1 || h < 1 || w > p->w || h > p->h) continue;
        part[2] = (int32_t)w;
        part[3] = (int32_t)h;
        part[1] = (int32_t)mn_rng_below(rng, (uint64_t)(p->h - part[3] + 1));
        part[0] = (int32_t)mn_rng_below(rng, (uint64_t)(p->w - part[2] + 1));
        return;
    }
    const double is = (double)p->w / p->h;
    part[2] = is > f->ratio[1] ? (int32_t)nearbyint(p->h * f->ratio[1]) : p->w;
    part[3] = is < f->ratio[0] ? (int32_t)nearbyint(p->w / f->ratio[0]) : p->h;
    part[0] = (p->w - part[2]) / 2;
    part[1] = (p->h - part[3]) / 2;
}

/* Resize and CenterCrop. A picture that is narrower than size then gets black around it. */
static int take_middle(const folder *f, const mn_picture *p, uint8_t *dst) {
    const int64_t resize = f->resize;
    const int32_t w = p->w <= p->h ? f->resize : (int32_t)(resize * p->w / p->h),
                  h = p->h < p->w ? f->resize : (int32_t)(resize * p->h / p->w);
    const int32_t left = (int32_t)nearbyint((w - f->size) / 2.0), top = (int32_t)nearbyint((h - f->size) / 2.0);
    const size_t plane = (size_t)w * (size_t)h, out = (size_t)f->size * (size_t)f->size;
    uint8_t *all = w && h && plane <= 4 * (size_t)MN_PICTURE_PIXELS ? malloc((size_t)f->c * plane) : NULL;
    const int rc = all ? mn_picture_resize(p, (int32_t[]){0, 0, p->w, p->h}, f->c, h, w, all) : -1;
    for (int32_t c = 0; !rc && c < f->c; c++)
        for (int32_t y = 0; y < f->size; y++)
            for (int32_t x = 0; x < f->size; x++) {
                const int64_t sy = (int64_t)y + top, sx = (int64_t)x + left;
                const int is_in = sy >= 0 && sy < h && sx >= 0 && sx < w;
                dst[(size_t)c * out + (size_t)y * (size_t)f->size + (size_t)x] =
                    is_in ? all[(size_t)c * plane + (size_t)sy * (size_t)w + (size_t)sx] : 0;
            }
    free(all);
    return rc;
}

static int load(const void *from, int64_t index, int augment, mn_rng *rng, uint8_t *dst) {
    const folder *f = from;
    char why[MN_PICTURE_WHY], path[4096];
    mn_picture p;
    int32_t part[4];
    if (path_of(f, index, path) || mn_picture_read(path, &p, NULL, NULL, why)) return 1;
    if (augment && f->crop) draw_part(f, &p, rng, part);
    const int rc = augment && f->crop ? mn_picture_resize(&p, part, f->c, f->size, f->size, dst)
                                      : take_middle(f, &p, dst);
    mn_picture_free(&p);
    return rc;
}

static int explain(const void *from, int64_t index) {
    const folder *f = from;
    char why[MN_PICTURE_WHY] = "not read a moment ago", path[4096];
    mn_picture p = {0, 0, NULL};
    if (path_of(f, index, path)) return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: a path too long", file_of(f, index));
    (void)mn_picture_read(path, &p, NULL, NULL, why);
    mn_picture_free(&p);
    return mn_fail(f->ctx, MODNAS_EFORMAT, "%s: %s", path, why);
}

static void free_texts(modnas_ctx *ctx, mn_vec *v) {
    for (size_t i = 0; i < v->n; i++) mn_free(ctx, MN_AT(*v, char *, i));
    mn_vec_free(ctx, v);
}

static void free_folder(modnas_ctx *ctx, void *from) {
    folder *f = from;
    free_texts(ctx, &f->classes);
    free_texts(ctx, &f->files);
    mn_vec_free(ctx, &f->labels);
    mn_free(ctx, f->root);
    mn_free(ctx, f);
}

/* ---- names --------------------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int is_image(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < MN_COUNT(endings); i++)
        if (strcasecmp(dot, endings[i]) == 0) return 1;
    return 0;
}

static int is_folder(const char *path) {
    DIR *d = opendir(path);
    if (d) closedir(d);
    return d != NULL;
}

/* Names in a folder that are wanted, "before" in front, sorted behind those that there are. */
static int list(modnas_ctx *ctx, const char *path, const char *before, int (*wanted)(const char *name), mn_vec *out) {
    const size_t first = out->n;
    DIR *d = opendir(path);
    if (!d) return mn_fail(ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
    int rc = 0;
    for (const struct dirent *e; !rc && (e = readdir(d));) {
        if (e->d_name[0] == '.' || (wanted && !wanted(e->d_name))) continue;
        mn_str s = {.ctx = ctx};
        mn_str_addf(&s, "%s%s", before, e->d_name);
        char *name = mn_str_take(&s);
        if (name && mn_vec_push(ctx, out, &name, 1)) continue;
        mn_free(ctx, name);
        rc = MODNAS_ENOMEM;
    }
    closedir(d);
    if (out->n > first) qsort((char **)out->data + first, out->n - first, sizeof(char *), by_bytes);
    return rc;
}

static int add_class(const mn_args *a, folder *f, const char *name) {
    char path[4096], before[300];
    const size_t first = f->files.n;
    const int32_t label = (int32_t)f->classes.n;
    if (snprintf(path, sizeof path, "%s/%s", f->root, name) >= (int)sizeof path || strlen(name) > 250)
        return mn_args_fail(a, "root", "%s/%s: a path too long", f->root, name);
    if (!is_folder(path)) return 0;
    snprintf(before, sizeof before, "%s/", name);
    MN_TRY(list(a->ctx, path, before, is_image, &f->files));
    if (f->files.n == first) return mn_args_fail(a, "root", "%s: no .png, .jpg or .jpeg is there", path);
    char *copy = mn_strdup(a->ctx, name);
    if (!copy || !mn_vec_push(a->ctx, &f->classes, &copy, 1)) {
        mn_free(a->ctx, copy);
        return MODNAS_ENOMEM;
    }
    for (size_t i = first; i < f->files.n; i++)
        if (!mn_vec_push(a->ctx, &f->labels, &label, 1)) return MODNAS_ENOMEM;
    return 0;
}

static int add_classes(const mn_args *a, folder *f) {
    mn_vec names;
    mn_vec_init(&names, sizeof(char *));
    int rc = list(a->ctx, f->root, "", NULL, &names);
    for (size_t i = 0; i < names.n && !rc; i++) rc = add_class(a, f, MN_AT(names, char *, i));
    free_texts(a->ctx, &names);
    if (rc == MODNAS_EIO) return mn_args_fail(a, "root", "%s", modnas_errmsg(a->ctx));
    if (rc || f->files.n) return rc;
    return mn_args_fail(a, "root", "%s: no folders of classes are there", f->root);
}

/* The folder of the part: the first one that is there, training images also in the root itself. */
static int find_part(const mn_args *a, folder *f) {
    static const char *const parts[2][4] = {{"/train", ""}, {"/val", "/valid", "/validation", "/test"}};
    const int valid = mn_args_bool(a, "valid");
    const char *root = mn_args_str(a, "root");
    if (!root) return mn_args_fail(a, "root", "%s has no default folder: name the one that holds its classes",
                                   mn_args_str(a, "dataset"));
    for (int i = 0; i < 4 && parts[valid][i]; i++) {
        mn_str s = {.ctx = a->ctx};
        mn_str_addf(&s, "%s%s", root, parts[valid][i]);
        mn_free(a->ctx, f->root);
        f->root = mn_str_take(&s);
        if (!f->root) return MODNAS_ENOMEM;
        if (is_folder(f->root)) return 0;
    }
    return mn_args_fail(a, "root", valid ? "%s has no folder val, valid, validation or test" : "%s is no folder", root);
}

/* ---- transform_args ------------------------------------------------------------------------------------ */

static int read_whole(const mn_args *a, const char *key, int64_t low, int64_t high, int32_t *out) {
    const mn_node *n = mn_node_get(mn_args_node(a, "transform_args"), key);
    if (!n) return 0;
    if (n->kind != MN_INT || n->i < low || n->i > high)
        return mn_args_fail(a, "transform_args", "%s is no whole number from %lld to %lld", key, (long long)low,
                            (long long)high);
    *out = (int32_t)n->i;
    return 0;
}

static int read_pair(const mn_args *a, const char *key, double most, double out[2]) {
    const mn_node *n = mn_node_get(mn_args_node(a, "transform_args"), key);
    if (!n) return 0;
    const int is_pair = n->kind == MN_SEQ && n->n == 2;
    for (int i = 0; i < 2 && is_pair; i++) out[i] = n->items[i]->r;
    if (is_pair && out[0] > 0 && out[0] <= out[1] && out[1] <= most) return 0;
    return mn_args_fail(a, "transform_args", "%s is no [low, high] with 0 < low <= high <= %g", key, most);
}

static int read_transform(const mn_args *a, folder *f, int32_t *verify) {
    f->size = 224;
    f->c = 3;
    *verify = f->crop = 1;
    const double scale[2] = {0.08, 1}, ratio[2] = {3. / 4, 4. / 3};
    memcpy(f->scale, scale, sizeof scale);
    memcpy(f->ratio, ratio, sizeof ratio);
    MN_TRY(read_whole(a, "size", 1, 4096, &f->size));
    f->resize = (int32_t)nearbyint(f->size * 256. / 224);
    MN_TRY(read_whole(a, "resize", 1, 4096, &f->resize));
    MN_TRY(read_whole(a, "channels", 1, 3, &f->c));
    if (f->c == 2) return mn_args_fail(a, "transform_args", "channels is 1 or 3");
    MN_TRY(read_whole(a, "verify", 0, 1, verify));
    MN_TRY(read_whole(a, "crop", 0, 1, &f->crop));
    MN_TRY(read_pair(a, "scale", 1, f->scale));
    return read_pair(a, "ratio", 1000, f->ratio);
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

/* Names and bytes, one file behind the other. Without verify names alone, and nothing is decoded. */
static int look_at_files(const mn_args *a, const folder *f, int verify, mn_data_file *out) {
    char why[MN_PICTURE_WHY], path[4096], *bytes;
    mn_sha256 sha;
    mn_sha256_init(&sha);
    for (int64_t i = 0; i < (int64_t)f->files.n; i++) {
        mn_picture p;
        size_t n;
        mn_sha256_add(&sha, file_of(f, i), strlen(file_of(f, i)) + 1);
        MN_TRY(mn_canceled(a->ctx));
        if (!verify) continue;
        if (path_of(f, i, path)) return mn_args_fail(a, "root", "%s: a path too long", file_of(f, i));
        if (mn_picture_read(path, &p, &bytes, &n, why)) {
            (void)mn_args_fail(a, "root", "%s: %s", path, why);
            return MODNAS_EFORMAT;
        }
        mn_sha256_add(&sha, bytes, n);
        out->bytes += (int64_t)n;
        free(bytes);
        mn_picture_free(&p);
    }
    mn_sha256_hex(&sha, out->sha256);
    return 0;
}

/* One block: pointers, then what they point to. */
static const char **class_names(const folder *f) {
    size_t bytes = 0;
    for (size_t i = 0; i < f->classes.n; i++) bytes += strlen(MN_AT(f->classes, char *, i)) + 1;
    const char **names = mn_alloc(f->ctx, f->classes.n * sizeof(char *) + bytes, 1);
    char *at = names ? (char *)(names + f->classes.n) : NULL;
    for (size_t i = 0; names && i < f->classes.n; i++) {
        const size_t n = strlen(MN_AT(f->classes, char *, i)) + 1;
        memcpy(at, MN_AT(f->classes, char *, i), n);
        names[i] = at;
        at += n;
    }
    return names;
}

static int fill(const mn_args *a, folder *f, mn_images *out) {
    int32_t verify;
    MN_TRY(read_transform(a, f, &verify));
    MN_TRY(find_part(a, f));
    MN_TRY(add_classes(a, f));
    out->files = mn_alloc(a->ctx, 1, sizeof *out->files);
    out->class_names = class_names(f);
    out->labels = mn_alloc(a->ctx, f->labels.n, sizeof *out->labels);
    if (!out->files || !out->class_names || !out->labels) return MODNAS_ENOMEM;
    memcpy(out->labels, f->labels.data, f->labels.n * sizeof *out->labels);
    MN_TRY(look_at_files(a, f, verify, out->files));
    const char *slash = strrchr(f->root, '/');
    snprintf(out->files->name, sizeof out->files->name, "%.60s", slash ? slash + 1 : f->root);
    out->files->has_images = 1;
    memcpy(out->sha256, out->files->sha256, sizeof out->sha256);
    out->n_files = 1;
    out->n_classes = (int32_t)f->classes.n;
    out->n = (int64_t)f->files.n;
    out->c = f->c;
    out->h = out->w = f->size;
    return 0;
}

int mn_image_folder_read(const mn_args *a, const mn_image_source *from, mn_images *out) {
    mn_images m = {0};
    (void)from;
    folder *f = mn_alloc(a->ctx, 1, sizeof *f);
    if (!f) return MODNAS_ENOMEM;
    f->ctx = a->ctx;
    mn_vec_init(&f->classes, sizeof(char *));
    mn_vec_init(&f->files, sizeof(char *));
    mn_vec_init(&f->labels, sizeof(int32_t));
    m.from = (mn_image_from){load, explain, free_folder, f};
    const int rc = fill(a, f, &m);
    if (rc)
        mn_images_free(a->ctx, &m);
    else
        *out = m;
    return rc;
}
