/* A small network with made-up images, from YAML: backend, model, mixed ops, loaders and trainer, without a run around
 * them. */
#ifndef UTIL_SMALL_H
#define UTIL_SMALL_H

#include "construct/construct.h"
#include "search/search.h"
#include "util_host.h"

typedef struct util_small {
    util_host host;
    modnas_ctx *ctx;
    mn_node *docs;
    const mn_node *conf;
    mn_dataset *set;
    mn_loaders loaders;
    mn_model *model;
    mn_trainer *trainer;
} util_small;

/* Sections used: train_data, data_loader, trainer.default, and all that a model is made of. Must succeed. */
void util_small_open(util_small *s, const char *yaml);
/* The same in two steps: a context with the components, then all that is in it. */
void util_small_ctx(util_small *s);
void util_small_make(util_small *s, const char *yaml);
void util_small_close(util_small *s); /* nothing may be left allocated */

/* A spec of a kind from YAML text. */
int util_build(modnas_ctx *ctx, const char *kind, const char *spec, const void *env, void *out);

/* An estimator `search` from YAML text, over what is open; *node is its section, freed after it. Must succeed. */
mn_estim *util_small_estim(util_small *s, const char *conf, mn_optim *optim, mn_observer observer, mn_node **node);

/* SHA-256 of all parameters of a store, plain, in order. */
void util_hash_store(const mn_store *store, char text[65]);

/* MobileNetV2 of 4 searched blocks on 3x8x8 images of 4 classes; 48 made-up samples, batches as given; the mixed op
 * follows. */
#define UTIL_SMALL_MODEL                                                                                               \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]], n_classes: 4,"               \
    " width_coeff: 0.5}}\n"
#define UTIL_SMALL_NET_OF(loader) UTIL_SMALL_NET_WITH(UTIL_SMALL_MODEL, loader)
#define UTIL_SMALL_NET_WITH(model, loader)                                                                             \
    "threads: 2\n"                                                                                                     \
    "seed: 3\n" model                                                                                                  \
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 48}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {" loader "}}\n"                                                     \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9,"         \
    " weight_decay: 0.001}}, lr_scheduler: CosineAnnealingLR, w_grad_clip: 5.0}}}\n"
/* 40 to train in batches of 16, 16 and 8; 8 to validate in one batch. */
#define UTIL_SMALL_LOADER "trn_batch_size: 16, val_batch_size: 8, valid_size: 8"
#define UTIL_SMALL_NET    UTIL_SMALL_NET_OF(UTIL_SMALL_LOADER)

#define UTIL_SMALL_GATES "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"

#endif
