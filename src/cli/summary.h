/* The table at the end of a run. */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include <modnas/modnas.h>

/* Print what results.json says for a person: what was found by each estimator, how good it is, and where the files lie.
 */
void summary_print(modnas_ctx *ctx, modnas_config *cfg, const char *results);

#endif
