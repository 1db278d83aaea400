/* Inside of exporters: what their files share. The interface is export/export.h. */
#ifndef MN_EXPORT_PARTS_H
#define MN_EXPORT_PARTS_H

#include "export/export.h"

/* state_bytes of zeroed state, freed with the exporter after its destroy. */
int mn_exporter_new(modnas_ctx *ctx, size_t state_bytes, int (*run)(mn_exporter *e, mn_model *model, mn_node **desc),
                    mn_exporter **out);

int mn_export_tops_register(modnas_ctx *ctx);
int mn_export_params_register(modnas_ctx *ctx);
int mn_export_file_register(modnas_ctx *ctx);

#endif
