/* Components of the host's own, beside the library's: backbones, candidates, layers, constructors, and what search.h adds.
 *
 * A component has a kind, a name, a line of text, arguments with defaults, and a table of functions (vt). Once registered
 * it is used by name like the library's own: in YAML, in modnas_module_add, in modnas_registry_build; `modnas list` shows
 * it, and a configuration's args are checked against what it declares.
 *
 * What is open to hosts, by kind:
 *
 *   kind                  vt                    made by
 *   model (arch_space)    modnas_module_vt      `model: Name`: a backbone
 *   candidate             modnas_module_vt      `candidates: [Name, ...]`: what a mixed op chooses from
 *   layer                 modnas_module_vt      modnas_module_add(parent, name, "Name", args, NULL)
 *   construct             modnas_construct_vt   `construct: {x: Name}`
 *   optim                 modnas_optim_vt       `optim: Name`; this one and those below: search.h
 *   estim                 modnas_estim_vt       `estim: {x: {type: Name}}`
 *   metrics               modnas_metrics_vt     `metrics: Name` of an estimator
 *   criterion             modnas_criterion_vt   `criterion: Name` of a trainer or an estimator
 *   export                modnas_export_vt      `export: {x: Name}`
 *
 * arch_space is the place of backbones, candidates and mixed ops together, as ModularNAS has it: what is registered there
 * is a backbone, what is looked up there is any of the three.
 *
 * Callbacks run on the thread of the call that they serve. They must not throw or longjmp. They return 0 to go on; a
 * positive number ends the outermost call, which returns it unchanged. A status that a function of this library just gave
 * may be passed on as it is; any other negative number becomes MODNAS_ECALLBACK with the number in the text. */
#ifndef MODNAS_REGISTRY_H
#define MODNAS_REGISTRY_H

#include "modnas/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct modnas_args modnas_args;       /* checked arguments of a component that is being made */
typedef struct modnas_builder modnas_builder; /* a registered component */
typedef struct modnas_model modnas_model;     /* model.h */
typedef struct modnas_module modnas_module;   /* module.h */
typedef struct modnas_search modnas_search;   /* search.h */

/** A component to register. Everything is copied but `ud`. */
typedef struct modnas_component {
    size_t size;             /* sizeof(modnas_component) as the caller compiled it */
    const char *kind, *name; /* names are told apart without case, '-', '_' and blanks */
    const char *text;        /* one line for lists; NULL: none */
    const char *args;        /* YAML map of arguments with their defaults, e.g. "width: 16, scale: 1.0"; braces may be left
                                out. The type is that of the default; null takes anything and means "not given".
                                NULL: no arguments */
    const void *vt;          /* the table of functions of the kind; its first field is its size */
    void *ud;                /* given to all of them */
    void (*ud_free)(void *ud); /* called once, when the context goes; NULL: nothing to do */
} modnas_component;

/** Register a component.
 *
 * @param c  read during the call. After an error `ud` is still the caller's
 * @return 0; MODNAS_EEXIST (kind and name); MODNAS_EUNSUPPORTED (the kind is not open to hosts: the text names those that
 *         are); MODNAS_EINVAL (a NULL kind, name or vt, a vt without what its kind needs, args that are no map); MODNAS_ENOMEM
 * Since 0.1. Source: modnas.registry.register of ModularNAS. */
MODNAS_API MODNAS_MUST_USE int modnas_registry_register(modnas_ctx *ctx, const modnas_component *c);

/** Find a component, the library's own or a host's.
 *
 * @param out  [out] borrowed; lives as long as the context
 * @return 0; MODNAS_ENOTFOUND with the nearest name; MODNAS_EINVAL; MODNAS_ENOMEM
 * Since 0.1. Source: modnas.registry.get_builder of ModularNAS. */
MODNAS_API MODNAS_MUST_USE int modnas_registry_get_builder(modnas_ctx *ctx, const char *kind, const char *name,
                                                           const modnas_builder **out);
/** What was registered, as text that lives as long as the context; NULL for NULL. Since 0.1. */
MODNAS_API const char *modnas_builder_kind(const modnas_builder *b);
MODNAS_API const char *modnas_builder_name(const modnas_builder *b);
MODNAS_API const char *modnas_builder_text(const modnas_builder *b);
/** The arguments as a JSON array of {"name","type","default","required","text"}, as modnas_list_json has them.
 *
 * @param json  [out] freed with modnas_string_free
 * @return 0; MODNAS_EINVAL; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_builder_args_json(modnas_ctx *ctx, const modnas_builder *b, char **json);

/** Where a component that is built belongs. Which fields are read depends on its kind. */
typedef struct modnas_place {
    size_t size;           /* sizeof(modnas_place) as the caller compiled it */
    modnas_model *model;   /* model: becomes its network. construct: is run on it */
    modnas_module *module; /* layer: the parent. candidate, mixed_op: the Slot that is filled */
    const char *name;      /* layer: its name in the parent. estim: its name */
    modnas_search *search; /* optim, export: takes the place of the one before. metrics, criterion: one more for the
                              estimator that is pulled. estim: runs behind the others */
} modnas_place;

/** Make a component from a spec and put it into its place: the one function behind modnas_module_add, modnas_slot_fill
 * and modnas_slot_mix, and the way to call a constructor, or a backbone, from one of the host's own.
 *
 * @param spec   YAML: Name, {type: Name, args: {...}} or [Name, {...}]; of a mixed op with `candidates` beside type
 * @param place  fields that the kind reads
 * @return 0; MODNAS_ECONFIG (which arg is wrong, and how); MODNAS_ENOTFOUND; MODNAS_EINVAL (a field of place is missing);
 *         MODNAS_EBUSY (the search is in a callback); MODNAS_EEXIST (an estimator's name);
 *         MODNAS_EUNSUPPORTED (the kind is made from a configuration only); what the component's builder returns
 * Since 0.1. Source: modnas.registry.build of ModularNAS. */
MODNAS_API MODNAS_MUST_USE int modnas_registry_build(modnas_ctx *ctx, const char *kind, const char *spec,
                                                     const modnas_place *place);

/* ---- arguments, inside a component's builder ---------------------------------------------------------------------- */

/** The value of an argument. Args were checked against the declared ones, so what is declared is there with its type.
 * A name that is not declared, or of another type, gives 0 or NULL, with a warning in the log. Texts are borrowed until
 * the builder returns; modnas_args_str gives NULL for null. Since 0.1. */
MODNAS_API int64_t modnas_args_int(const modnas_args *args, const char *name);
MODNAS_API double modnas_args_real(const modnas_args *args, const char *name); /* an integer is fine */
MODNAS_API int32_t modnas_args_bool(const modnas_args *args, const char *name);
MODNAS_API const char *modnas_args_str(const modnas_args *args, const char *name);
/** 1 if the argument is declared and not null. Since 0.1. */
MODNAS_API int32_t modnas_args_given(const modnas_args *args, const char *name);
/** An argument, or all of them (name NULL), as one line of JSON: for lists and maps.
 *
 * @param json  [out] freed with modnas_string_free
 * @return 0; MODNAS_ENOTFOUND (not declared); MODNAS_EINVAL; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_args_json(const modnas_args *args, const char *name, char **json);
/** Refuse a value that the type alone does not rule out: sets the text "file:line: Component.name: text".
 *
 * @return MODNAS_ECONFIG, for the builder to return
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_args_fail(const modnas_args *args, const char *name, const char *text);

#ifdef __cplusplus
}
#endif
#endif
