/* Slots: placeholders in a backbone that constructors fill with a candidate, a mixed op or an elastic module. */
#ifndef MN_SLOT_H
#define MN_SLOT_H

#include "module/model.h"

typedef struct mn_slot {
    mn_module *module; /* its place in the tree; the entity is its child "ent" */
    char *name;        /* decimal sid by default */
    char *label;       /* of an edge of a cell: "normal_3"; NULL: none */
    int32_t sid;       /* 0, 1, ... in model order of making */
    int32_t chn_in, chn_out, stride;
    mn_node *kwargs;   /* e.g. {expansion: 6}; may be NULL */
    char *kwargs_json; /* the same as text, made when it is asked for; NULL before */
    mn_node *args;     /* of candidates that have such and do not say otherwise, e.g. {use_se: 1}; NULL: none */
    mn_node *own;      /* spec of the candidate that the backbone itself has here; NULL: see model->predefined */
    mn_module *entity; /* NULL while empty */
    mn_module *drop_path; /* of what the entity gives, unless that is an identity; NULL: none */
    int64_t n_forwards; /* how often it was recorded */
    char *op;          /* name of the candidate that is the entity; NULL: none, or a mixed op, or the backbone's own */
} mn_slot;

/* kwargs is taken (also on failure; may be NULL). The new slot is appended to model->slots. */
int mn_slot_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t stride, mn_node *kwargs, mn_module **out);
int mn_slot_type_register(modnas_ctx *ctx); /* layer "Slot" */
mn_slot *mn_slot_of(mn_module *m); /* NULL if m is no slot */
/* Takes entity (also on failure), frees the old one. op: name of the candidate, or NULL. */
int mn_slot_fill(mn_slot *s, mn_module *entity, const char *op);
/* Takes args (NULL: none), of the candidates that come to it from here on. */
void mn_slot_set_args(mn_slot *s, mn_node *args);
/* Drop what the entity gives, whatever it is or will be: see mn_drop_path_new. */
int mn_slot_drop_path(mn_slot *s, double low, double high);
mn_slot *mn_model_slot(const mn_model *model, size_t i);
/* The first Slot without an entity, NULL if all are filled. */
mn_slot *mn_model_empty_slot(const mn_model *model);
int mn_slot_is_nested(const mn_slot *s); /* 1: it is inside of what another Slot was filled with */
int mn_slot_set_label(mn_slot *s, const char *label);
int mn_slot_name(const mn_slot *s, mn_str *out); /* for messages: "slot 3 (24 -> 40 channels, stride 2)" */

#endif
