/* Plug-ins: find, load and check a backend that lives in a shared object of its own. */
#ifndef MN_PLUGIN_H
#define MN_PLUGIN_H

#include "base/base.h"
#include "modnas/sys/backend.h"

/* Load modnas-<name>.so and let it fill *vt. Sought in the context's plugin_dir, then in modnas-plugins/ beside the
 * library (of a program that has the library inside: beside the program and one folder up). MODNAS_ENOBACKEND with the
 * loader's text when there is none or it does not load; MODNAS_EABI when it does not fit. */
int mn_plugin_load(modnas_ctx *ctx, const char *name, const modnas_host *host, modnas_backend_vt *vt, void **handle);
void mn_plugin_unload(void *handle); /* NULL is fine */

#endif
