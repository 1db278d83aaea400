/* Hosts' backbones for tests, made through the public interface alone, in a context of their own. */
#ifndef UTIL_HOSTED_H
#define UTIL_HOSTED_H

#include "modnas/modnas.h"
#include "util_host.h"

extern util_host hosted_host;
extern modnas_ctx *hosted_ctx;

void hosted_setup(void);
void hosted_teardown(void); /* nothing may be left allocated */

/* The context has the plug-ins of MODNAS_PLUGINS. */
modnas_config *hosted_config(const char *yaml);
/* A model that must be right. */
modnas_model *hosted_model(const char *yaml);
/* modnas_describe: the status; *json (may be NULL) is freed with modnas_string_free. */
int hosted_describe(const char *yaml, char **json);
/* The number behind a key of flat JSON; -1 if it is not there. */
double hosted_number(const char *json, const char *key);
/* Fails the test unless the last error's text holds `text`. */
void hosted_expect_text(const char *text);

/* Register a component without arguments. */
int hosted_register(modnas_ctx *ctx, const char *kind, const char *name, const char *args, const void *vt, void *ud);

/* A model that must be taken; HOSTED_NET(name) is its configuration. */
void hosted_register_net(modnas_ctx *ctx, const char *name, const modnas_module_vt *vt, void *ud);
#define HOSTED_NET(name) "backend: ref\nmodel: " name "\n"
/* The build of a small net: image 3x8x8, 4 classes; children conv "c" (3 -> 4), Slot "s" (IDT), pooling "p". */
int hosted_small_build(modnas_module *m, const modnas_args *args, void *ud);

/* "HostMobileNetV2" {n_classes: 10, small: false}: what CIFAR_MobileNetV2 is, with the same names; small: what
 * HOSTED_SMALL is. */
int hosted_add_mobilenet(modnas_ctx *ctx);
#define HOSTED_SMALL                                                                                                   \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]], n_classes: 4, "              \
    "width_coeff: 0.5, input: [3, 8, 8]}}\n"
#define HOSTED_SMALL_COPY "model: {type: HostMobileNetV2, args: {n_classes: 4, small: true}}\n"

/* "HostResNet": residual blocks, branches that are joined, a parameter of its own, one Slot (16 -> 16, MB3E1). Counted
 * by hand: */
int hosted_add_resnet(modnas_ctx *ctx);
enum { HOSTED_RESNET_PARAMS = 7469, HOSTED_RESNET_MACS = 719952, HOSTED_RESNET_CLASSES = 5 };

#endif
