/* The components of this folder, one constant row each; mn_data_register adds them. */
#ifndef MN_DATA_PARTS_H
#define MN_DATA_PARTS_H

#include "registry/registry.h"

extern const mn_component mn_image_cls_data, mn_rand_data;                  /* kind "data" */
extern const mn_component mn_default_data_loader, mn_image_cls_data_loader; /* kind "data_loader" */

#endif
