/* The components inside the library. */
#ifndef MN_BUILTIN_H
#define MN_BUILTIN_H

#include "base/base.h"

/* Add all of them to the context's registry, once. Every public entry that looks at components calls this first. */
int mn_register_builtins(modnas_ctx *ctx);

#endif
