/* ImageClsData: labelled images for classification, found by the name of a data set.
 *
 * A row of `sources` says what a data set is called, how its files are called and read, and its defaults. Means and
 * standard deviations are those of the training pixels / 255; sources: MNIST, Fashion-MNIST: computed from the files,
 * four digits; CIFAR-10: the constants of DARTS (Liu, Simonyan, Yang 2019, cnn/utils.py), which ModularNAS took over;
 * CIFAR-100: those of pytorch-cifar100 (W. Weng, conf/global_settings.py), computed from the 50,000 training images. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "data/image_folder.h"
#include "data/parts.h"

static const char *const fashion_names[10] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                              "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const cifar10_names[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                              "dog",      "frog",       "horse", "ship", "truck"};

/* Of ImageNet, where they are customary for all photographs. */
#define IMAGE_FOLDERS(called)                                                                                          \
    {                                                                                                                  \
        .name = called, .mean = {0.485, 0.456, 0.406}, .stddev = {0.229, 0.224, 0.225}, .flip = 1, .is_folder = 1,     \
        .read = NULL                                                                                                   \
    }
#define MNIST_FILES(part)                                                                                              \
    { part "-images-idx3-ubyte", part "-labels-idx1-ubyte" }

static const mn_image_source sources[] = {
    {.name = "mnist",
     .n_classes = 10,
     .mean = {0.1307},
     .stddev = {0.3081},
     .shift = 2,
     .read = mn_images_read_idx,
     .folders = {"", "MNIST/raw", "raw"},
     .train = MNIST_FILES("train"),
     .valid = MNIST_FILES("t10k"),
     .hint = ""},
    {.name = "fashionmnist",
     .n_classes = 10,
     .class_names = fashion_names,
     .mean = {0.2860},
     .stddev = {0.3530},
     .shift = 2,
     .flip = 1,
     .read = mn_images_read_idx,
     .root = "/usr/share/datasets/fashion-mnist",
     .folders = {"", "FashionMNIST/raw", "raw"},
     .train = MNIST_FILES("train"),
     .valid = MNIST_FILES("t10k"),
     .hint = " (Debian: package dataset-fashion-mnist)"},
    {.name = "cifar10",
     .n_classes = 10,
     .class_names = cifar10_names,
     .mean = {0.49139968, 0.48215827, 0.44653124},
     .stddev = {0.24703233, 0.24348505, 0.26158768},
     .shift = 4,
     .flip = 1,
     .read = mn_images_read_cifar10,
     .folders = {"", "cifar-10-batches-bin"},
     .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
     .valid = {"test_batch.bin"},
     .names = "batches.meta.txt",
     .hint = " (the binary version, cifar-10-binary.tar.gz)"},
    {.name = "cifar100",
     .n_classes = 100,
     .mean = {0.5070751592371323, 0.48654887331495095, 0.4408917910838468},
     .stddev = {0.2673342858792401, 0.2564384629170883, 0.27615047132568404},
     .shift = 4,
     .flip = 1,
     .read = mn_images_read_cifar100,
     .folders = {"", "cifar-100-binary"},
     .train = {"train.bin"},
     .valid = {"test.bin"},
     .names = "fine_label_names.txt",
     .hint = " (the binary version, cifar-100-binary.tar.gz)"},
    IMAGE_FOLDERS("imagenet"),
    IMAGE_FOLDERS("image"),
};

static const struct {
    const char *name;
    double brightness, contrast, saturation, hue;
} jitters[] = {{"normal", 32. / 255, 0, 0.5, 0}, {"strong", 0.4, 0.4, 0.4, 0.1}};

/* ---- args ------------------------------------------------------------------------------------------------ */

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

static int read_switch(const mn_args *a, const char *arg, const char *key, int32_t *out) {
    const mn_node *n = mn_node_get(mn_args_node(a, arg), key);
    if (!n) return 0;
    if (n->kind != MN_BOOL) return mn_args_fail(a, arg, "%s is neither true nor false", key);
    *out = n->i != 0;
    return 0;
}

static int read_augment(const mn_args *a, const mn_image_source *from, mn_image_opts *o) {
    static const char *const keys[] = {"shift", "flip", "vflip"};
    static const char *const pad[] = {"pad"},
                            *const folder[] = {"size", "resize", "channels", "verify", "crop", "scale", "ratio"};
    o->shift = from->shift;
    o->flip = from->flip;
    MN_TRY(check_keys(a, "augment", keys, MN_COUNT(keys)));
    MN_TRY(from->is_folder ? check_keys(a, "transform_args", folder, MN_COUNT(folder))
                           : check_keys(a, "transform_args", pad, MN_COUNT(pad)));
    MN_TRY(read_pixels(a, "transform_args", "pad", 1024, &o->pad));
    MN_TRY(read_pixels(a, "augment", "shift", (o->h < o->w ? o->h : o->w) - 1, &o->shift));
    MN_TRY(read_switch(a, "augment", "flip", &o->flip));
    MN_TRY(read_switch(a, "augment", "vflip", &o->vflip));
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
        o->saturation = jitters[i].saturation;
        o->hue = jitters[i].hue;
        return 0;
    }
    return mn_args_fail(a, "jitter", "is none of false, true, normal, strong");
}

/* mean or stddev: one number a channel, or the data set's. */
static int read_stats(const mn_args *a, const char *arg, const double *def, double min, int32_t c, double *out) {
    const mn_node *list = mn_args_node(a, arg);
    if (list && list->n != (size_t)c)
        return mn_args_fail(a, arg, "%zu numbers for images of %d channel%s", list->n, c, c == 1 ? "" : "s");
    for (int32_t i = 0; i < c; i++) {
        out[i] = list ? list->items[i]->r : def[i];
        if (!isfinite(out[i]) || !(out[i] > min)) return mn_args_fail(a, arg, "%g is out of range", out[i]);
    }
    return 0;
}

static int read_opts(const mn_args *a, const mn_image_source *from, const mn_images *m, mn_image_opts *o) {
    *o = (mn_image_opts){.n = m->n, .c = m->c, .h = m->h, .w = m->w};
    MN_TRY(read_augment(a, from, o));
    MN_TRY(read_jitter(a, o));
    MN_TRY(read_stats(a, "mean", from->mean, -HUGE_VAL, o->c, o->mean));
    return read_stats(a, "stddev", from->stddev, 0, o->c, o->stddev);
}

/* ---- the set --------------------------------------------------------------------------------------------- */

/* Takes what is in m when it succeeds. */
static int make_set(const mn_args *a, const mn_image_source *from, mn_images *m, mn_dataset **out) {
    mn_image_opts opts;
    MN_TRY(read_opts(a, from, m, &opts));
    MN_TRY(m->pixels ? mn_image_set_new(a->ctx, from->name, &opts, m->pixels, m->labels, out)
                     : mn_image_set_of(a->ctx, from->name, &opts, &m->from, m->labels, out));
    mn_dataset *d = *out;
    d->n_classes = m->n_classes ? m->n_classes : from->n_classes;
    d->class_names = m->class_names ? m->class_names : from->class_names;
    d->names_block = m->class_names;
    d->train_split = !mn_args_bool(a, "valid");
    d->files = m->files;
    d->n_files = m->n_files;
    memcpy(d->sha256, m->sha256, sizeof d->sha256);
    *m = (mn_images){0};
    return 0;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c, (void)env;
    const char *name = mn_args_str(a, "dataset");
    const mn_image_source *from = sources;
    while (strcmp(from->name, name)) from++; /* the registry let only names of the table through */
    if (!mn_args_bool(a, "to_tensor"))
        return mn_args_fail(a, "to_tensor", "samples are always arrays of numbers; false is not supported");
    mn_images m = {0};
    if (from->is_folder && mn_args_given(a, "files"))
        return mn_args_fail(a, "files", "%s is read from folders of classes: give root", name);
    MN_TRY((from->is_folder ? mn_image_folder_read : mn_images_read)(a, from, &m));
    const int rc = make_set(a, from, &m, out);
    mn_images_free(a->ctx, &m);
    return rc;
}

static const mn_arg_def args[] = {
    {"dataset", MN_ARG_STR, NULL, "mnist|fashionmnist|cifar10|cifar100|imagenet|image",
     "name of the data set; imagenet, image: PNG and JPEG files in folders of classes"},
    {"root", MN_ARG_STR, "null", NULL,
     "folder of the files, or of the data set's own folder; image: ROOT/train/CLASS/FILE and ROOT/val, or ROOT/CLASS; fashionmnist: where Debian's dataset-fashion-mnist puts "
     "them"},
    {"files", MN_ARG_LIST, "null", NULL,
     "files to read instead, plain or gzip, under root unless that is null: [images, labels]; cifar: record files"},
    {"valid", MN_ARG_BOOL, "false", NULL, "read the files of the test part instead of the training part"},
    {"mean", MN_ARG_REALS, "null", NULL, "mean of pixels / 255, one number a channel; null: the data set's"},
    {"stddev", MN_ARG_REALS, "null", NULL,
     "standard deviation of pixels / 255, one number a channel; null: the data set's"},
    {"cutout", MN_ARG_INT, "0", NULL,
     "training: side in pixels of a square set to 0 at a random place (an odd side is one less)"},
    {"jitter", MN_ARG_ANY, "false", NULL,
     "training: random brightness, contrast and, of colour images, saturation and hue: false, normal, strong (or "
     "true)"},
    {"transform_args", MN_ARG_MAP, "null", NULL, "{pad: P}: P pixels of black around every image. image: {size: 224, resize: size 256 / 224, scale: [0.08, 1],"
     " ratio: [0.75, 1.3333], channels: 3 or 1, crop: 1 (0: the middle in training, too), verify: 1 (0: files are not"
     " looked at beforehand)}"},
    {"augment", MN_ARG_MAP, "null", NULL,
     "training: {shift: pixels, flip: bool, vflip: bool}: moved by up to shift each way, mirrored left-right, "
     "top-bottom; "
     "default {shift: 2, flip: true, vflip: false}, cifar shift 4, mnist without flip"},
    {"to_tensor", MN_ARG_BOOL, "true", NULL, "only true"},
    {0},
};

const mn_component mn_image_cls_data = {.kind = "data",
                                        .name = "ImageClsData",
                                        .text = "labelled images by the name of their data set",
                                        .args = args,
                                        .build = build};
