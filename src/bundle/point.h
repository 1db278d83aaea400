/* The point of a space that a description is of. */
#ifndef MN_POINT_H
#define MN_POINT_H

#include "export/export.h"

/* How the exporter describes what the model is reduced to as it stands; NULL without an exporter. The caller's. */
int mn_point_describe(mn_model *model, mn_exporter *exporter, mn_node **desc);
/* Set the choices of a model so that the exporter describes it as `desc`; what follows from weights (logits) stays. Any
 * exporter will do whose description has a place for each choice: one choice after the other takes the option with
 * which the fewest places differ. Whether none does is the caller's to see. */
int mn_point_set(mn_model *model, mn_exporter *exporter, const mn_node *desc);

#endif
