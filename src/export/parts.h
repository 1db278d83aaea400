/* Inside of exporters: what their files share. The interface is export/export.h. */
#ifndef MN_EXPORT_PARTS_H
#define MN_EXPORT_PARTS_H

#include "export/export.h"

struct mn_nested; /* space/nested.h */
/* A mixed op's k best candidates, what stands in a Slot, a nested layer: k 0 means what is usual, 1 candidate and 2
 * edges a node. Cells: one of each of the model's kinds. */
int mn_export_mixed(const mn_mixed *m, int32_t k, mn_node **out);
int mn_export_slot(const mn_slot *slot, int32_t k, mn_node **out);
int mn_export_nested(const struct mn_nested *n, int32_t k, mn_node **out);
int mn_export_cells(mn_model *model, int32_t k, mn_node **out);

int mn_export_tops_register(modnas_ctx *ctx);
int mn_export_params_register(modnas_ctx *ctx);
int mn_export_elastic_register(modnas_ctx *ctx);
int mn_export_file_register(modnas_ctx *ctx);

#endif
