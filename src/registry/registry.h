/* The registry: one table in the context, key (kind, name without case, '-', '_' and spaces, as the original folds
 * them).
 *
 * A component declares what it is in one constant row: kind, name, one line of text, its args with defaults, and how to
 * build it. `modnas list`, the checks of a configuration and the defaults all read that row; nothing is said twice. */
#ifndef MN_REGISTRY_H
#define MN_REGISTRY_H

#include "base/base.h"
#include "config/node.h"

/* Kinds in use: model, candidate, layer_def, mixed_op, construct, export, optim, estim, trainer, optimizer, lr_scheduler,
 * criterion, metrics, data, data_loader, callback. */

enum mn_arg_type {
    MN_ARG_ANY,
    MN_ARG_BOOL,
    MN_ARG_INT,
    MN_ARG_REAL, /* an integer is fine */
    MN_ARG_STR,
    MN_ARG_LIST,
    MN_ARG_MAP,
    MN_ARG_REALS, /* list of numbers */
    MN_ARG_SPEC,  /* a component spec of the kind `of`: Name, {type, args} or [Name, {args}] */
    MN_ARG_SPECS  /* one spec, a list of specs, or a map name -> spec, of the kind `of` */
};

typedef struct mn_arg_def {
    const char *name;
    int32_t type;
    const char *def;  /* default as YAML text, "null" for none (null is then accepted); NULL: the arg is required */
    const char *of;   /* SPEC, SPECS: the kind; STR: allowed values separated by '|', or NULL for any */
    const char *text; /* one line with units */
} mn_arg_def;

typedef struct modnas_args {
    modnas_ctx *ctx;
    const struct modnas_builder *component;
    const mn_node *map;    /* checked, defaults filled in */
    const mn_node *origin; /* the spec it came from, for messages; may be NULL */
} mn_args;

typedef struct modnas_builder mn_component;

/* Build one. env: what its kind gives its members (each kind's header says), out: what the kind's header says. */
typedef int (*mn_build_fn)(const mn_component *c, const mn_args *args, const void *env, void *out);

struct modnas_builder {
    const char *kind, *name, *text;
    const mn_arg_def *args; /* ends with a row whose name is NULL; NULL: no args */
    mn_build_fn build;
    const void *data; /* the component's own constant, e.g. a block table; or what mn_registry_add_owned was given */
};

/* `c` is borrowed and must outlive the context (a constant). MODNAS_EEXIST when the folded name is taken. */
int mn_registry_add(modnas_ctx *ctx, const mn_component *c);
int mn_registry_add_all(modnas_ctx *ctx, const mn_component *rows, size_t n);
/* As mn_registry_add, of a component that is made at run time: row, args and texts are copied and live as long as the
 * context. After success `data` is the component's: data_free (may be NULL) gets it when the context goes, the last one
 * added first. */
int mn_registry_add_owned(modnas_ctx *ctx, const mn_component *c, void (*data_free)(modnas_ctx *ctx, void *data));
/* Another name of a component (README spellings, legacy names). */
int mn_registry_alias(modnas_ctx *ctx, const char *kind, const char *alias, const char *name);
/* Add the library's own components, unless the context has a registry already (then it has them, or a test made one of
 * its own). Every public entry that looks at components calls this first. Defined in src/pipeline/builtin.c, the one
 * place that knows all folders: a call upwards by name, so that nothing here includes what is above. */
int mn_register_builtins(modnas_ctx *ctx);
/* Is a component of `kind` one of what `asked` names: the same, or arch_space, which is backbones, candidates and mixed
 * ops together, as ModularNAS has them in one place. asked NULL: any. */
int mn_kind_holds(const char *asked, const char *kind);
/* NULL when absent. mn_registry_need: MODNAS_ENOTFOUND "where: no optim named 'X'; did you mean 'Y'?". */
const mn_component *mn_registry_find(modnas_ctx *ctx, const char *kind, const char *name);
int mn_registry_need(modnas_ctx *ctx, const char *kind, const char *name, const mn_node *where,
                     const mn_component **out);
/* Every component in the order added; kind NULL: all. Stops at a non-zero return and returns it. */
int mn_registry_visit(modnas_ctx *ctx, const char *kind, int (*fn)(const mn_component *c, void *ud), void *ud);

/* Its args as a JSON array of {"name","type","of","default","required","text"}. */
int mn_component_args_json(mn_str *s, const mn_component *c);
const char *mn_arg_type_name(int32_t type); /* "int", "spec", ... */

/* ---- specs and args ---------------------------------------------------------------------------------------------- */

/* The parts of a spec in any of its three forms. *args is borrowed (NULL if none). Keys beside type and args are
 * refused unless listed in `extra` (ends with NULL; may be NULL). MODNAS_ECONFIG with file:line. */
int mn_spec_parse(modnas_ctx *ctx, const mn_node *spec, const char *const *extra, const char **type,
                  const mn_node **args);
/* Check a spec of a kind wholly: name, every arg's key, type and nested specs; builds nothing. The keys that a kind's
 * specs have beside type and args (criterion: mode; metrics: base, weight, alpha, beta) are known and need no `extra`.
 */
int mn_spec_check(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra);
/* As mn_spec_check, but of a part of a spec: it may leave out its type (`type` then says what is known, or NULL) and
 * args that have to be given. */
int mn_spec_check_part(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra,
                       const char *type);
/* A spec of any form as a map; what it leaves out stays out. Owned by the caller. */
int mn_spec_to_map(modnas_ctx *ctx, const mn_node *spec, mn_node **out);
/* One spec merged over another as maps are, each in any of its forms; owned by the caller. */
int mn_spec_merge(modnas_ctx *ctx, const mn_node *base, const mn_node *over, mn_node **out);
/* Visit what a checked MN_ARG_SPECS holds: one spec, a list or a map of them; null: none. name: its key, NULL in a
 * list. Stops at a non-zero return and returns it. */
int mn_specs_visit(const mn_node *specs, int (*fn)(const char *name, const mn_node *spec, void *ud), void *ud);
/* Check + defaults + build. `more` (may be NULL): args from the framework that the spec's own win over; those that the
 * component does not declare are left out. The args live until the builder returns. */
int mn_registry_build(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra,
                      const mn_node *more, const void *env, void *out);

/* Getters: the arg was checked, so these cannot fail (an undeclared name is a programming error: assert). */
int64_t mn_args_int(const mn_args *a, const char *name);
double mn_args_real(const mn_args *a, const char *name);
int mn_args_bool(const mn_args *a, const char *name);
const char *mn_args_str(const mn_args *a, const char *name);     /* NULL when null */
const mn_node *mn_args_node(const mn_args *a, const char *name); /* NULL when null */
int mn_args_given(const mn_args *a, const char *name);           /* not null */
/* MODNAS_ECONFIG with "file:line: Component.arg: " in front: for values that the type alone does not rule out. */
int mn_args_fail(const mn_args *a, const char *name, const char *fmt, ...) MN_PRINTF(3, 4);
/* Args that are taken for old configurations, and say nothing here, have this as their text: each one that is given is
 * warned of. */
#define MN_UNUSED_ARG "taken for old configurations, and not used"
void mn_args_warn_unused(const mn_args *a);

#endif
