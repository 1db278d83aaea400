/* Inside of exporters: what their files share. The interface is export/export.h. */
#ifndef MN_EXPORT_PARTS_H
#define MN_EXPORT_PARTS_H

#include "export/export.h"

int mn_export_tops_register(modnas_ctx *ctx);
int mn_export_params_register(modnas_ctx *ctx);
int mn_export_file_register(modnas_ctx *ctx);

#endif
