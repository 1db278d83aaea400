/* Inverted residual blocks: one kernel of ours against oneDNN's primitives in sequence. */
#ifndef KERNELS_BLOCK_H
#define KERNELS_BLOCK_H

#include "backend/backend.h"

typedef struct block block;

int block_count(void);
/* Block i on a backend, all three passes planned; *out NULL if the backend has no such kernel. */
int block_new(mn_backend *b, int i, block **out);
void block_free(block *k);

enum { BLOCK_FORWARD, BLOCK_BACKWARD, BLOCK_INFERENCE, BLOCK_PASSES };
/* "bottleneck/fwd/c24_e144_o24_k3_h32" and its shape; arithmetic, taps in the image; bytes of what goes in and out at least. */
void block_name(const block *k, int pass, char *text, size_t bytes);
void block_shape(const block *k, char *text, size_t bytes);
double block_flops(const block *k, int pass);
double block_bytes(const block *k, int pass);
/* Once; backward uses up what a forward saved, so one comes before it (block_ready), which is not to be timed. */
int block_ready(block *k, int pass);
int block_run(block *k, int pass);
/* oneDNN's: has_direct 0: it has no such primitives. */
int block_has_direct(const block *k, int pass);
int block_run_direct(block *k, int pass);

#endif
