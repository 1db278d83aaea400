/* A configuration of its own for each test, and the words for what is expected of it. */
#ifndef UTIL_CONFIG_H
#define UTIL_CONFIG_H

#include "config/config.h"
#include "util_host.h"

#define CONFIG_MODEL "model: {type: CIFAR_MobileNetV2, args: {n_classes: 10}}\n"

/* Made by config_setup: all built-in components, and a callback named ToyCallback (threshold: int). config_teardown
 * frees them; nothing may be left allocated. */
extern util_host config_host;
extern modnas_ctx *config_ctx;
extern modnas_config *config_cfg;
void config_setup(void);
void config_teardown(void);

/* Add a text under the name c.yaml. */
int config_add(const char *text);
void config_must_add(const char *text);
const mn_node *config_tree(void);
/* The value at a path of the merged tree, as JSON. */
void config_expect_at(const char *path, const char *json);
void config_expect_fail(int status, const char *message);
/* One text that is wrong, or right, in a configuration of its own. */
void config_expect_bad(const char *text, int status, const char *message);
void config_expect_good(const char *text);

#endif
