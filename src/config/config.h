/* Configurations: files, flags and overrides merged into one checked tree.
 *
 * Order, later wins: files in the order added < the routine's section < flags < overrides (`override:` of a file counts
 * as an override given before the caller's). The public part is include/modnas/config.h. */
#ifndef MN_CONFIG_H
#define MN_CONFIG_H

#include "config/node.h"
#include "modnas/config.h"

modnas_ctx *mn_config_ctx(const modnas_config *cfg);
/* The merged and checked tree with the built-in defaults of spec 1.4 filled in; borrowed until the configuration
 * changes. Every key, type, component name and arg was checked, also of sections that are not selected. */
int mn_config_tree(modnas_config *cfg, const mn_node **out);

/* Leaf structs filled by libcyaml from the normaliser's canonical scalars. */
typedef struct mn_estim_conf {
    char *type;
    int64_t epochs, subnet_epochs; /* -1: not given */
    int64_t arch_update_epoch_start, arch_update_epoch_intv, arch_update_intv, arch_update_batch;
} mn_estim_conf;
int mn_estim_conf_load(modnas_ctx *ctx, const mn_node *estim, mn_estim_conf **out);
void mn_estim_conf_free(modnas_ctx *ctx, mn_estim_conf *c);

/* "60M", "2GiB", "5 ms", "1e6": a number with K, M, G (powers of 1000), KiB, MiB, GiB (of 1024) or ms. 0, or -1 if it
 * is none. */
int mn_quantity(const char *text, double *out);

#endif
