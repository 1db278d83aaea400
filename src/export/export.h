/* Exporters: a model's current best architecture as a tree. Kind "export"; the builder's out: mn_exporter **. */
#ifndef MN_EXPORT_H
#define MN_EXPORT_H

#include "space/space.h"

typedef struct mn_exporter mn_exporter;
struct mn_exporter {
    modnas_ctx *ctx;
    int (*run)(mn_exporter *e, mn_model *model, mn_node **desc); /* desc is the caller's */
    void (*destroy)(mn_exporter *e);
    void *state;
};
/* state_bytes of zeroed state, freed with the exporter after its destroy. */
int mn_exporter_new(modnas_ctx *ctx, size_t state_bytes, int (*run)(mn_exporter *e, mn_model *model, mn_node **desc),
                    mn_exporter **out);
void mn_exporter_free(mn_exporter *e); /* NULL is fine */
/* The exporters of the configuration's `export` section (absent: DefaultSlotTraversalExporter; null: *out = NULL). */
int mn_exporters_build(modnas_ctx *ctx, const mn_node *config, mn_exporter **out);
/* Replace a file: JSON if it ends in .json, else YAML. */
int mn_desc_write(modnas_ctx *ctx, const mn_node *desc, const char *path);

#endif
