/* Forms of values in a configuration: what schema.c's table refers to. */
#ifndef MN_CONFIG_FORMS_H
#define MN_CONFIG_FORMS_H

#include "registry/args.h"

/* What is being checked. */
typedef struct mn_check {
    modnas_ctx *ctx;
    const mn_node *root;
    int part; /* types and args that have to be given may be missing */
} mn_check;

/* A key and its form. def.name: the key; def.type, def.of: as in args of components. form NULL: def says all. */
typedef struct mn_key_def {
    mn_arg_def def;
    int (*form)(const mn_check *c, const mn_arg_def *def, const mn_node *v);
} mn_key_def;

typedef int (*mn_form)(const mn_check *c, const mn_arg_def *def, const mn_node *v);

/* MODNAS_ECONFIG "place: key: ..." */
int mn_form_fail(const mn_check *c, const char *key, const mn_node *v, const char *fmt, ...) MN_PRINTF(4, 5);
/* A map with only the keys of `fields` (ends with a NULL name); owner: its path, for messages. */
int mn_form_fields(const mn_check *c, const char *owner, const mn_node *v, const mn_key_def *fields);
/* The same where an empty map means that all defaults stand. */
int mn_form_settings(const mn_check *c, const char *owner, const mn_node *v, const mn_key_def *fields);
/* A non-empty map; its kind is named in the message otherwise. */
int mn_form_map(const mn_check *c, const char *owner, const mn_node *v, const char *of_what);

int mn_form_name(const mn_check *c, const mn_arg_def *def, const mn_node *v); /* a name of a file or folder */
int mn_form_device_ids(const mn_check *c, const mn_arg_def *def, const mn_node *v);
int mn_form_device(const mn_check *c, const mn_arg_def *def, const mn_node *v);
int mn_form_ops(const mn_check *c, const mn_arg_def *def, const mn_node *v);
/* bn_act_weight or a list of such words as 'b', 'a', 'w', 0 behind them; -1 and nothing written: it is no order. */
int mn_ops_order_read(const mn_node *v, char order[3]);
int mn_form_import(const mn_check *c, const mn_arg_def *def, const mn_node *v);
int mn_form_expman(const mn_check *c, const mn_arg_def *def, const mn_node *v);
int mn_form_writer(const mn_check *c, const mn_arg_def *def, const mn_node *v);
int mn_form_objective(const mn_check *c, const mn_arg_def *def, const mn_node *v);
int mn_form_memory(const mn_check *c, const mn_arg_def *def, const mn_node *v); /* bytes, or text with a unit */
int mn_form_threads(const mn_check *c, const mn_arg_def *def, const mn_node *v);
int mn_form_seed(const mn_check *c, const mn_arg_def *def, const mn_node *v);
int mn_form_hp_space(const mn_check *c, const mn_arg_def *def, const mn_node *v);

int mn_form_spec(const mn_check *c, const mn_arg_def *def, const mn_node *v); /* a spec of the kind def->of */
int mn_form_mixed_op(const mn_check *c, const mn_arg_def *def,
                     const mn_node *v);                                       /* with candidates beside type and args */
int mn_form_data(const mn_check *c, const mn_arg_def *def, const mn_node *v); /* data itself: shared by the others */
int mn_form_data_part(const mn_check *c, const mn_arg_def *def,
                      const mn_node *v); /* train_data and so on, merged over data */
int mn_form_specs(const mn_check *c, const mn_arg_def *def,
                  const mn_node *v); /* map name -> spec of the kind def->of */
int mn_form_construct(const mn_check *c, const mn_arg_def *def,
                      const mn_node *v);                                      /* some names have a type of their own */
/* Type of the constructor that is there by this name without being written ("init", "model", ...); NULL: none is. */
const char *mn_implicit_constructor(const char *name);
int mn_form_init(const mn_check *c, const mn_arg_def *def, const mn_node *v); /* a part of its implicit constructor */
int mn_form_export(const mn_check *c, const mn_arg_def *def, const mn_node *v); /* also null, and empty */
/* The i-th of the callbacks that are always there (estim_export: EstimResultsExporter), whose entry may leave out the
 * type; 0 behind the last. */
int mn_default_callback(int i, const char **name, const char **type);
int mn_form_callback(const mn_check *c, const mn_arg_def *def,
                     const mn_node *v); /* entries may be null or false; or a list */
int mn_form_estim(const mn_check *c, const mn_arg_def *def, const mn_node *v); /* the chain of estimators */

#endif
