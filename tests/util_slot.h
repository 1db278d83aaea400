/* A small network around one Slot, for tests of candidates. */
#ifndef UTIL_SLOT_H
#define UTIL_SLOT_H

#include "util_model.h"

/* A model without modules on a backend, with a space. */
mn_model *slot_empty_model(const char *backend, int32_t dtype);
/* The key `ops` of a configuration as YAML; before candidates are made. */
void slot_set_ops(mn_model *m, const char *ops);
/* stem (1x1 convolution 2 -> chn_in), slot, global pool, linear layer to 3 classes; images 2 x size x (size + 1). */
mn_slot *slot_model(mn_model *m, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t size);
/* Put a candidate in; what mn_candidate_build or mn_slot_fill returns. op: Name or spec as YAML. */
int slot_fill(mn_slot *slot, const char *op);

#endif
