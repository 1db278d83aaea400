/* Image sets of PNG and JPEG files in folders, one for each class. */
#ifndef MN_IMAGE_FOLDER_H
#define MN_IMAGE_FOLDER_H

#include "data/image_files.h"

/* Read what root, valid and transform_args say: the names of all files, and with `verify` each file once. Fills in all of
 * *out but its pixels, which out->from reads when they are asked for. Errors as mn_images_read. */
int mn_image_folder_read(const mn_args *a, const mn_image_source *from, mn_images *out);

#endif
