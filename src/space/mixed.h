/* Inside of mixed ops: what the types in mixed_types.c share. The interface is space/space.h. */
#ifndef MN_MIXED_H
#define MN_MIXED_H

#include "space/space.h"

extern const mn_mixed_vt mn_softmax_sum, mn_gumbel_sum, mn_binary_gate, mn_binary_gate_uniform, mn_index;

int mn_mixed_register(modnas_ctx *ctx);
/* Record candidate i on src. */
int mn_mixed_record(mn_mixed *m, mn_run *run, int32_t i, mn_value *src, mn_value **dst);
/* Draw k distinct ones of n by weight, one after another; weights of drawn ones become 0. out in the order drawn. */
void mn_draw_distinct(mn_rng *rng, double *weight, int32_t n, int32_t k, int32_t *out);
/* softmax(alpha restricted to index[0 .. n)), or 1 each for a uniform type. MODNAS_ENUMERIC when alpha is not finite.
 */
int mn_mixed_weights(const mn_mixed *m, const int32_t *index, int32_t n, double *weight);

#endif
