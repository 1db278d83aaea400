/* ImageClsData: labelled images for classification, found by the name of a data set.
 *
 * A row of `sources` says what a data set is called, where its files lie, and its defaults. MNIST and Fashion-MNIST are
 * four IDX files, sought as they come unpacked or in gzip, in the folder given or where torchvision keeps them:
 *
 *   ROOT/train-images-idx3-ubyte[.gz]    ROOT/FashionMNIST/raw/train-images-idx3-ubyte[.gz]    (t10k-... when `valid`)
 *
 * Means and standard deviations are those of the training pixels / 255. */
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "data/idx.h"
#include "data/image_set.h"
#include "data/parts.h"

typedef struct source {
    const char *name, *folder; /* torchvision's folder name; NULL: this source is known but not read */
    const char *root;          /* default folder, or NULL */
    int32_t n_classes;
    const char *const *class_names;
    double mean, stddev;
    int32_t shift, flip; /* default augmentation */
} source;

static const char *const fashion_names[10] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                              "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

static const source sources[] = {
    {"mnist", "MNIST", NULL, 10, NULL, 0.1307, 0.3081, 2, 0},
    {"fashionmnist", "FashionMNIST", "/usr/share/datasets/fashion-mnist", 10, fashion_names, 0.2860, 0.3530, 2, 1},
    {"cifar10", NULL, NULL, 10, NULL, 0, 1, 0, 0},
    {"cifar100", NULL, NULL, 100, NULL, 0, 1, 0, 0},
    {"imagenet", NULL, NULL, 1000, NULL, 0, 1, 0, 0},
    {"image", NULL, NULL, 0, NULL, 0, 1, 0, 0},
};

static const struct {
    const char *name;
    double brightness, contrast;
} jitters[] = {{"normal", 32. / 255, 0}, {"strong", 0.4, 0.4}};

/* ---- args -----------------------------------------------------------------------------------------------------------
 */

/* A number of pixels inside a map arg: [0, max]. */
static int read_pixels(const mn_args *a, const char *arg, const char *key, int64_t max, int32_t *out) {
    const mn_node *n = mn_node_get(mn_args_node(a, arg), key);
    if (!n) return 0;
    if (n->kind != MN_INT || n->i < 0 || n->i > max)
        return mn_args_fail(a, arg, "%s is not a whole number of pixels from 0 to %lld", key, (long long)max);
    *out = (int32_t)n->i;
    return 0;
}

static int check_keys(const mn_args *a, const char *arg, const char *const *keys, size_t n_keys) {
    const mn_node *map = mn_args_node(a, arg);
    for (size_t i = 0; map && i < map->n; i++) {
        size_t k = 0;
        while (k < n_keys && strcmp(keys[k], map->keys[i])) k++;
        if (k < n_keys) continue;
        const char *near = mn_suggest(map->keys[i], keys, n_keys);
        return mn_args_fail(a, arg, "unknown key '%s'; did you mean '%s'?", map->keys[i], near ? near : keys[0]);
    }
    return 0;
}

static int read_augment(const mn_args *a, const source *from, const mn_idx *images, mn_image_opts *o) {
    static const char *const keys[] = {"shift", "flip"};
    static const char *const transform_keys[] = {"pad"};
    const int64_t side = images->dims[1] < images->dims[2] ? images->dims[1] : images->dims[2];
    o->shift = from->shift;
    o->flip = from->flip;
    MN_TRY(check_keys(a, "augment", keys, MN_COUNT(keys)));
    MN_TRY(check_keys(a, "transform_args", transform_keys, MN_COUNT(transform_keys)));
    MN_TRY(read_pixels(a, "transform_args", "pad", 1024, &o->pad));
    MN_TRY(read_pixels(a, "augment", "shift", side - 1, &o->shift));
    const mn_node *flip = mn_node_get(mn_args_node(a, "augment"), "flip");
    if (flip && flip->kind != MN_BOOL) return mn_args_fail(a, "augment", "flip is neither true nor false");
    if (flip) o->flip = flip->i != 0;
    const int64_t cutout = mn_args_int(a, "cutout");
    if (cutout < 0 || cutout > INT_MAX)
        return mn_args_fail(a, "cutout", "%lld is no side of a square in pixels", (long long)cutout);
    o->cutout = (int32_t)cutout;
    return 0;
}

static int read_jitter(const mn_args *a, mn_image_opts *o) {
    const mn_node *n = mn_args_node(a, "jitter");
    if (!n || (n->kind == MN_BOOL && !n->i)) return 0;
    const char *name = n->kind == MN_BOOL ? "strong" : n->kind == MN_STR ? n->text : "";
    for (size_t i = 0; i < MN_COUNT(jitters); i++) {
        if (strcmp(jitters[i].name, name)) continue;
        o->brightness = jitters[i].brightness;
        o->contrast = jitters[i].contrast;
        return 0;
    }
    return mn_args_fail(a, "jitter", "is none of false, true, normal, strong");
}

/* mean or stddev: one number a channel, or the data set's. */
static int read_stats(const mn_args *a, const char *arg, double def, double min, int32_t c, double *out) {
    const mn_node *list = mn_args_node(a, arg);
    if (list && list->n != (size_t)c)
        return mn_args_fail(a, arg, "%zu numbers for images of %d channel%s", list->n, c, c == 1 ? "" : "s");
    for (int32_t i = 0; i < c; i++) {
        out[i] = list ? list->items[i]->r : def;
        if (!isfinite(out[i]) || !(out[i] > min)) return mn_args_fail(a, arg, "%g is out of range", out[i]);
    }
    return 0;
}

static int read_opts(const mn_args *a, const source *from, const mn_idx *images, mn_image_opts *o) {
    *o = (mn_image_opts){.n = images->dims[0], .c = 1};
    if (images->dims[0] > INT32_MAX || images->dims[1] > 1 << 14 || images->dims[2] > 1 << 14)
        return mn_fail(a->ctx, MODNAS_EUNSUPPORTED, "%s: %lld images of %lld x %lld; sides go up to 16384",
                       images->name, (long long)images->dims[0], (long long)images->dims[1],
                       (long long)images->dims[2]);
    o->h = (int32_t)images->dims[1];
    o->w = (int32_t)images->dims[2];
    MN_TRY(read_augment(a, from, images, o));
    MN_TRY(read_jitter(a, o));
    MN_TRY(read_stats(a, "mean", from->mean, -HUGE_VAL, o->c, o->mean));
    return read_stats(a, "stddev", from->stddev, 0, o->c, o->stddev);
}

/* ---- files ----------------------------------------------------------------------------------------------------------
 */

/* Find ROOT/[FOLDER/raw/|raw/]PART-WHAT[.gz]; *path is the caller's. Not found: *path NULL. */
static int find_file(modnas_ctx *ctx, const char *root, const char *folder, const char *part, const char *what,
                     char **path) {
    static const char *const separators[] = {"-", "."}; /* both spellings are about */
    static const char *const suffixes[] = {"", ".gz"};
    *path = NULL;
    for (int i = 0; i < 12; i++) { /* 3 folders, 2 separators, 2 suffixes */
        mn_str s = {.ctx = ctx};
        mn_str_addf(&s, "%s/", root);
        if (i / 4 == 1) mn_str_addf(&s, "%s/raw/", folder);
        if (i / 4 == 2) mn_str_add(&s, "raw/");
        mn_str_addf(&s, "%s%s%s%s", part, separators[i / 2 % 2], what, suffixes[i % 2]);
        char *name = mn_str_take(&s);
        if (!name) return MODNAS_ENOMEM;
        if (access(name, F_OK) == 0) {
            *path = name;
            return 0;
        }
        mn_free(ctx, name);
    }
    return 0;
}

/* What a reader said, with the place in the configuration that named the file in front. */
static int at_config(const mn_args *a, int rc) {
    if (rc == 0 || rc == MODNAS_ENOMEM) return rc;
    char text[sizeof a->ctx->err];
    memcpy(text, a->ctx->err, sizeof text);
    (void)mn_args_fail(a, "root", "%s", text);
    return rc;
}

static int read_file(const mn_args *a, const source *from, const char *part, int32_t want, mn_idx *out) {
    const char *what = want == MN_IDX_IMAGES ? "images-idx3-ubyte" : "labels-idx1-ubyte";
    const char *root = mn_args_given(a, "root") ? mn_args_str(a, "root") : from->root;
    if (!root)
        return mn_args_fail(a, "root", "%s has no default folder: name the one that holds its files", from->name);
    char *path;
    MN_TRY(find_file(a->ctx, root, from->folder, part, what, &path));
    if (!path)
        return mn_args_fail(a, "root", "no %s-%s, plain or .gz, in %s, %s/%s/raw or %s/raw%s", part, what, root, root,
                            from->folder, root, from->root ? " (Debian: package dataset-fashion-mnist)" : "");
    const int rc = at_config(a, mn_idx_read(a->ctx, path, want, out));
    mn_free(a->ctx, path);
    return rc;
}

/* The set's hash is that of `cat images labels`, the files' own are listed under the usual names. */
static int note_files(modnas_ctx *ctx, const char *part, const mn_idx *images, const mn_idx *labels, mn_dataset *d) {
    const mn_idx *const idx[2] = {images, labels};
    mn_data_file *f = d->files = mn_alloc(ctx, 2, sizeof *f);
    if (!f) return MODNAS_ENOMEM;
    d->n_files = 2;
    for (int i = 0; i < 2; i++) {
        strcpy(f[i].name, part);
        strcat(f[i].name, i == 0 ? "-images-idx3-ubyte" : "-labels-idx1-ubyte");
        memcpy(f[i].sha256, idx[i]->sha256, sizeof f[i].sha256);
        f[i].bytes = (int64_t)(idx[i]->header_bytes + idx[i]->data_bytes);
    }
    mn_sha256 sha = images->sha;
    mn_sha256_add(&sha, labels->header, labels->header_bytes);
    mn_sha256_add(&sha, labels->data, labels->data_bytes);
    mn_sha256_hex(&sha, d->sha256);
    return 0;
}

/* Takes the images' bytes when it succeeds. */
static int make_set(const mn_args *a, const source *from, mn_idx *images, const mn_idx *labels, mn_dataset **out) {
    mn_image_opts opts;
    MN_TRY(read_opts(a, from, images, &opts));
    int32_t *y = mn_alloc(a->ctx, labels->data_bytes, sizeof *y);
    if (!y) return MODNAS_ENOMEM;
    for (size_t i = 0; i < labels->data_bytes; i++) y[i] = labels->data[i];
    const int rc = mn_image_set_new(a->ctx, from->name, &opts, images->data, y, out);
    if (rc)
        mn_free(a->ctx, y);
    else
        images->data = NULL;
    return rc;
}

static int load(const mn_args *a, const source *from, mn_dataset **out) {
    const int valid = mn_args_bool(a, "valid");
    const char *part = valid ? "t10k" : "train";
    mn_idx images = {0}, labels = {0};
    mn_dataset *d = NULL;
    int rc = read_file(a, from, part, MN_IDX_LABELS, &labels); /* the small file first: what is wrong is known sooner */
    if (!rc) rc = at_config(a, mn_idx_check_labels(a->ctx, &labels, from->n_classes));
    if (!rc) rc = read_file(a, from, part, MN_IDX_IMAGES, &images);
    if (!rc) rc = at_config(a, mn_idx_check_count(a->ctx, &images, &labels));
    if (!rc) rc = make_set(a, from, &images, &labels, &d);
    if (!rc) rc = note_files(a->ctx, part, &images, &labels, d);
    if (rc) goto done;
    d->n_classes = from->n_classes;
    d->class_names = from->class_names;
    d->train_split = !valid;
    *out = d;
    d = NULL;
done:
    mn_dataset_free(d);
    mn_idx_free(a->ctx, &images);
    mn_idx_free(a->ctx, &labels);
    return rc;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c, (void)env;
    const char *name = mn_args_str(a, "dataset");
    const source *from = sources;
    while (strcmp(from->name, name)) from++; /* the registry let only names of the table through */
    if (!mn_args_bool(a, "to_tensor"))
        return mn_args_fail(a, "to_tensor", "samples are always arrays of numbers; false is not supported");
    if (from->folder) return load(a, from, out);
    (void)mn_args_fail(a, "dataset", "'%s' is not read by this version; fashionmnist and mnist are", name);
    return MODNAS_EUNSUPPORTED;
}

static const mn_arg_def args[] = {
    {"dataset", MN_ARG_STR, NULL, "mnist|fashionmnist|cifar10|cifar100|imagenet|image",
     "name of the data set (read now: fashionmnist, mnist)"},
    {"root", MN_ARG_STR, "null", NULL,
     "folder of the files; fashionmnist: where Debian's dataset-fashion-mnist puts them"},
    {"valid", MN_ARG_BOOL, "false", NULL, "read the files of the test part instead of the training part"},
    {"mean", MN_ARG_REALS, "null", NULL, "mean of pixels / 255, one number a channel; null: the data set's"},
    {"stddev", MN_ARG_REALS, "null", NULL,
     "standard deviation of pixels / 255, one number a channel; null: the data set's"},
    {"cutout", MN_ARG_INT, "0", NULL,
     "training: side in pixels of a square set to 0 at a random place (an odd side is one less)"},
    {"jitter", MN_ARG_ANY, "false", NULL, "training: random brightness and contrast: false, true, normal, strong"},
    {"transform_args", MN_ARG_MAP, "null", NULL, "{pad: P}: P pixels of black around every image"},
    {"augment", MN_ARG_MAP, "null", NULL,
     "training: {shift: pixels, flip: bool}; default {shift: 2, flip: true}, mnist without flip"},
    {"to_tensor", MN_ARG_BOOL, "true", NULL, "only true"},
    {0},
};

const mn_component mn_image_cls_data = {.kind = "data",
                                        .name = "ImageClsData",
                                        .text = "labelled images by the name of their data set",
                                        .args = args,
                                        .build = build};
