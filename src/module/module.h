/* The module tree: the structure that architecture search edits.
 *
 * A module has a type (vtable), a name, children, parameters, and a forward that only records (graph/graph.h). Parents
 * own their children, modules own their parameters. Names join with '.' to the parameter names of checkpoints, as
 * PyTorch would name them
 * ("conv_first.0.weight"; a Slot's entity is its child "ent"). */
#ifndef MN_MODULE_H
#define MN_MODULE_H

#include "graph/graph.h"

typedef struct modnas_model mn_model; /* public tags: a handle of include/modnas is the object itself */
typedef struct modnas_module mn_module;

typedef struct mn_module_vt {
    const char *type;
    int (*forward)(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src,
                   mn_value **dst); /* NULL: children in order */
    void (*destroy)(mn_module *m);  /* what `state` holds beyond its block; NULL: nothing */
} mn_module_vt;

/* A size that may be less than what a module was made with; asked for whenever the module records or is counted. */
typedef struct mn_extent mn_extent;
struct mn_extent {
    int32_t (*now)(const mn_extent *e);
};

/* How much of a module is active (elastic networks); NULL: all of it. Borrowed. */
typedef struct mn_active {
    const mn_extent *in, *out; /* of a layer: its first channels */
    const mn_extent *kernel;   /* of a convolution: the middle of its window */
    const mn_extent *there;    /* 0: the module hands on what it is given */
    const mn_extent *side;     /* what it is given is an image that is brought to this height and width first */
} mn_active;

struct modnas_module {
    const mn_module_vt *vt;
    mn_model *model;
    mn_module *parent;
    char *name;      /* within its parent */
    char *where;     /* file:line of the layer it was made from; NULL: of none */
    mn_vec children; /* mn_module * */
    mn_vec params;   /* mn_module_param */
    void *state;     /* owned block of the type */
    mn_active active;
    int32_t side; /* not 0: what it is given is brought to this height and width, whatever `active` says */
};

typedef struct mn_module_param {
    char *name; /* "weight", "bias", "running_mean", ... */
    mn_param *param;
} mn_module_param;

/* state_bytes of zeroed state. Freed with its parent, or by mn_module_free while it has none. */
int mn_module_new(mn_model *model, const mn_module_vt *vt, size_t state_bytes, mn_module **out);
void mn_module_free(mn_module *m); /* NULL is fine; children and parameters too */
/* MODNAS_EINVAL (empty, or with a '.'), MODNAS_EEXIST (a child or a parameter has it). */
int mn_module_check_name(const mn_module *parent, const char *name);
/* Takes the child, also on failure. */
int mn_module_add(mn_module *parent, const char *name, mn_module *child);
int mn_module_append(mn_module *parent, mn_module *child); /* named by its number: "0", "1", ... */
mn_module *mn_module_child(const mn_module *m, const char *name);
/* Out of its parent: the caller's, who frees it or adds it elsewhere. */
void mn_module_take(mn_module *m);
/* Put `next` (taken, also on failure) where `old` is; frees old. */
int mn_module_replace(mn_module *old, mn_module *next);
enum { MN_MAX_ELEMENTS = 1 << 30 }; /* of a parameter: MODNAS_ESHAPE beyond */
int mn_module_param_new(mn_module *m, const char *name, int32_t role, int32_t rank, const int64_t dims[4], int32_t init,
                        double bound, mn_param **out);
mn_param *mn_module_find_param(const mn_module *m, const char *name); /* NULL when absent */
/* Depth first, parents before children; stops at a non-zero return and returns it. */
int mn_module_walk(mn_module *m, int (*fn)(mn_module *m, void *ud), void *ud);
int mn_module_path(const mn_module *m, mn_str *out); /* dotted name from the root */

/* What goes wrong inside has the innermost module's path before its text. MODNAS_EINVAL when modules call each other in a
 * circle. */
int mn_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst);
/* What a NULL forward does: the children in order. */
int mn_forward_children(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst);
int mn_forward1(mn_module *m, mn_run *run, mn_value *src, mn_value **dst);

#endif
