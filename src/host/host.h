/* The C interface by which a host describes its own components (include/modnas/registry.h, module.h, model.h, tape.h), and
 * search.h. Public handles are the objects themselves; this folder checks what comes in, makes components of tables of
 * callbacks, and passes the callbacks' codes on. It stands above everything but the program.
 *
 *   modnas_component -> mn_host, the data of a registered row -> the row's builder is the kind's (kinds.c) */
#ifndef MN_HOST_H
#define MN_HOST_H

#include "construct/construct.h"
#include "modnas/model.h"
#include "modnas/search.h"
#include "modnas/tape.h"
#include "search/search.h"

typedef struct mn_host mn_host;

/* A kind that is open to hosts. */
typedef struct mn_host_kind {
    const char *kind;
    /* To register: NULL, 0 where a host has none of its own. */
    const char *vt_name; /* "modnas_module_vt" */
    size_t vt_bytes;
    int (*init)(modnas_ctx *ctx, mn_host *h); /* look at h->vt: MODNAS_EINVAL when it lacks what it needs. NULL: nothing */
    mn_build_fn build;                        /* c->data is the component's mn_host */
    /* To build into a place whose fields are checked for NULL here; NULL: from a configuration only. */
    int (*put)(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place);
} mn_host_kind;

struct mn_host { /* data of a row */
    mn_construct_row construct; /* comes first: what rows of kind construct have */
    const mn_host_kind *kind;
    const char *name; /* of its row, once it is one; before that the caller's */
    void *vt;         /* full copy */
    void *ud;
    void (*ud_free)(void *ud);
    mn_module_vt module_vt; /* kinds whose builders make modules; likewise below */
    mn_optim_vt optim_vt;
    mn_estim_vt estim_vt;
};

extern const mn_host_kind mn_host_model, mn_host_candidate, mn_host_layer, mn_host_construct, mn_host_mixed_op,
    mn_host_optim, mn_host_estim, mn_host_metrics, mn_host_criterion, mn_host_export;
/* NULL: not open to hosts. */
const mn_host_kind *mn_host_kind_find(const char *kind);
/* A table with only one of save and load. */
int mn_host_fail_pair(modnas_ctx *ctx, const mn_host *h);
/* "model, candidate, ..." of those that can be registered, or (put) built. */
void mn_host_kinds_text(mn_str *s, int put);

/* ---- text.c: YAML that a host gives as text. `what` is told in messages ("module 'stem'") ---------------------------- */

/* A map, whose braces may be left out; NULL: an empty one. Owned by the caller. */
int mn_host_map(modnas_ctx *ctx, const char *text, const char *what, mn_node **out);
/* Any value, not empty. */
int mn_host_value(modnas_ctx *ctx, const char *text, const char *what, mn_node **out);
/* Take a finished text, or free it when rc is not 0. */
int mn_host_take(mn_str *s, int rc, char **out);

/* ---- module.c --------------------------------------------------------------------------------------------------------- */

/* MODNAS_EINVAL when the model stands already, so that its tree is not edited any more. */
int mn_host_may_edit(const mn_model *model);
/* Before a callback that may build more: model->depth is one more then, and the caller takes it back. MODNAS_EINVAL when
 * builds call each other in a circle. */
int mn_host_enter(mn_model *model, const char *name);
int mn_host_put_candidate(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place); /* slots.c */
int mn_host_put_part(modnas_ctx *ctx, const char *kind, const mn_node *spec, const modnas_place *place); /* search.c */

#endif
