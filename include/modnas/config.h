/* Configurations: YAML files, flags and overrides merged into one checked tree. */
#ifndef MODNAS_CONFIG_H
#define MODNAS_CONFIG_H

#include "modnas/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct modnas_config modnas_config;

/** Make an empty configuration.
 *
 * @param ctx  held until the configuration is freed
 * @param out  [out] freed by the caller with modnas_config_free
 * @return 0; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_new(modnas_ctx *ctx, modnas_config **out);

/** Release. NULL is fine. Since 0.1. */
MODNAS_API void modnas_config_free(modnas_config *cfg);

/** Add a YAML file; later files win over earlier ones (maps merge, lists concatenate, scalars replace).
 * Inside one file a later document's top-level key replaces the earlier document's.
 *
 * @return 0; MODNAS_ENOTFOUND or MODNAS_EIO (path and reason); MODNAS_ECONFIG ("file:line: ..."); MODNAS_ENOMEM; the
 * configuration is then as it was Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_add_file(modnas_config *cfg, const char *path);

/** Add YAML text; `name` stands for the file in messages. Otherwise as modnas_config_add_file. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_add_text(modnas_config *cfg, const char *text, size_t bytes,
                                                      const char *name);

/** Set a top-level or dotted key as a flag does: wins over files and the routine's section, loses against overrides.
 *
 * @param value  YAML text of the value
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_set(modnas_config *cfg, const char *key, const char *value);

/** Override: "a.b.c=value", split at the first '=', value is YAML; replaces whatever is there, lists included; numbers
 * in the path index lists. A path may begin with the name of the selected routine, or with "routine". Later overrides
 * win.
 *
 * @return 0; MODNAS_ECONFIG (no '=', empty path, value is no YAML); MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_override(modnas_config *cfg, const char *assignment);

/** Merge and check everything: unknown keys (with a suggestion), types, component names and their args, in all
 * sections.
 *
 * @return 0; MODNAS_ECONFIG or MODNAS_ENOTFOUND with "file:line: ..."; MODNAS_EUNSUPPORTED (routines pipeline, hptune);
 *         MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_check(modnas_config *cfg);

/** The merged configuration as one line of JSON (checked first). The section of the selected routine is merged into the
 * top level and gone, as are the keys `routine`, `override` and `defaults`; other sections are there as they are.
 *
 * @param text  [out] freed by the caller with modnas_string_free
 * @return as modnas_config_check
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_json(modnas_config *cfg, char **text);

/** The documents of one YAML file as they are: one line of JSON each, in their order, nothing merged over anything and
 * no key checked. Types of the YAML 1.2 core schema; anchors and merge keys are resolved; tags that are not known are
 * dropped. What JSON cannot say (.nan, .inf) and a plain scalar whose type hangs on an unknown tag are refused.
 *
 * @param text  [out] lines, "" for a file without a document; freed by the caller with modnas_string_free
 * @return 0; MODNAS_ENOTFOUND or MODNAS_EIO (path and reason); MODNAS_ECONFIG ("file:line: ..."); MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_raw_file(modnas_ctx *ctx, const char *path, char **text);

/** The same of YAML text in memory; `name` stands for the file in messages. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_config_raw_text(modnas_ctx *ctx, const char *yaml, size_t bytes, const char *name,
                                                      char **text);

#ifdef __cplusplus
}
#endif
#endif
