/* Files of image data sets: what a set is called, where its files lie, and what is read from them. */
#ifndef MN_IMAGE_FILES_H
#define MN_IMAGE_FILES_H

#include "data/image_set.h"

enum { MN_SOURCE_FILES = 6, MN_SOURCE_FOLDERS = 4 }; /* of a list, the NULL at its end included */

/* What is in the files of a part of a set. */
typedef struct mn_images {
    int64_t n;
    int32_t c, h, w;
    uint8_t *pixels;    /* n,C,h,w; NULL: they come from elsewhere */
    mn_image_from from; /* from here */
    int32_t n_classes;  /* 0: as many as the source has */
    int32_t *labels;
    mn_data_file *files; /* n_files */
    int32_t n_files;
    char sha256[65];          /* of the unpacked files, one behind the other */
    const char **class_names; /* read beside the data; one block, n_classes pointers and their texts. NULL: not there */
} mn_images;

typedef struct mn_image_source mn_image_source;
typedef struct mn_image_paths mn_image_paths;

/* A data set: one constant row. */
struct mn_image_source {
    const char *name;
    int32_t n_classes;
    const char *const *class_names; /* NULL: numbers only */
    double mean[3], stddev[3];      /* of the training pixels / 255, by channel */
    int32_t shift, flip;            /* default augmentation */
    /* reads a format; NULL: the set is known, but not read */
    int (*read)(const mn_args *a, const mn_image_paths *paths, mn_images *out);
    int32_t is_folder;                      /* of files in folders of classes (image_folder.h), root is all it needs */
    const char *root;                       /* default folder; NULL: none */
    const char *folders[MN_SOURCE_FOLDERS]; /* under the root, tried in order; "" is the root itself */
    const char *train[MN_SOURCE_FILES], *valid[MN_SOURCE_FILES]; /* as they are called, plain or with .gz */
    const char *names; /* file with the names of the classes, a line each; NULL: none */
    const char *hint;  /* where the files come from, for who has none */
};

/* Formats. MNIST's are two IDX files, images and labels; CIFAR's any number of record files. */
int mn_images_read_idx(const mn_args *a, const mn_image_paths *paths, mn_images *out);
int mn_images_read_cifar10(const mn_args *a, const mn_image_paths *paths, mn_images *out);
int mn_images_read_cifar100(const mn_args *a, const mn_image_paths *paths, mn_images *out);

/* Read what the args root, files and valid say. Files that are not named are sought; relative names are under root
 * where that is given. *out is untouched on an error.
 * @return 0; MODNAS_ECONFIG (a file is missing), MODNAS_EFORMAT, MODNAS_EUNSUPPORTED, MODNAS_EIO, each with file:line
 * of the configuration; MODNAS_ENOMEM */
int mn_images_read(const mn_args *a, const mn_image_source *from, mn_images *out);
void mn_images_free(modnas_ctx *ctx, mn_images *m); /* zeroed is fine */

#endif
