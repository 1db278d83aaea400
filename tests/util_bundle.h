/* Bundles of a small run on files, in the rig's folder, and what a verification says of one. */
#ifndef UTIL_BUNDLE_H
#define UTIL_BUNDLE_H

#include "bundle/bundle.h"
#include "modnas/bundle.h"
#include "util_search.h"

/* 4 Slots; 24 images to train, 8 to validate, 12 to test, of 1x8x8. */
#define BUNDLE_MODEL                                                                                                   \
    "backend: ref\nthreads: 1\nname: t\nseed: 3\n"                                                                     \
    "model: {type: MobileNetV2, args: {input: [1, 8, 8], n_classes: 10, width_coeff: 0.5,"                             \
    " cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]]}}\n"                                                           \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 8, valid_size: 8}}\n"            \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}}\n"
#define BUNDLE_DATA                                                                                                    \
    "train_data: {type: ImageClsData, args: {dataset: mnist, root: data}}\n"                                           \
    "test_data: {type: ImageClsData, args: {dataset: mnist, root: data, valid: true}}\n"

#define BUNDLE "exp/t/bundle"

/* n images of 8x8 with labels in files as MNIST's: 32 and 12. */
void util_bundle_data(const char *folder, uint64_t seed);
/* A bundle of a network that was found elsewhere, trained and tested. */
void util_bundle_found(void);

void util_verify(const char *folder, const char *const *overrides); /* must return; what follows is of the last one */
int32_t util_verify_holds(void);
const mn_node *util_verify_said(void);
const mn_node *util_verify_statement(const char *what); /* NULL: there is none */
const char *util_verify_verdict(const char *what);
const char *util_verify_text(void);
void util_bundle_teardown(void); /* the rig's, too */

#define SAYS(what, is)                                                                                                 \
    ck_assert_msg(strcmp(util_verify_verdict(what), is) == 0, "%s: '%s', not '%s': %s", what, util_verify_verdict(what), is, \
                  util_verify_text())
#define HOLDS(what) SAYS(what, "holds")
#define FAILS(what) SAYS(what, "does not hold")
#define OPEN(what)  SAYS(what, "could not be checked")
#define ALL_HOLD()  ck_assert_msg(util_verify_holds() == 1, "%s", util_verify_text())

#endif
