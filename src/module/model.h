/* A model: a module tree, its parameters, its Slots and its architecture parameters, on one backend.
 *
 *   mn_model_new -> a builder of kind "model" fills root -> constructors edit the tree -> mn_model_commit ->
 * mn_model_forward
 *
 * Slots, architecture parameters and random streams are owned by the model: two models live in one context. */
#ifndef MN_MODEL_H
#define MN_MODEL_H

#include "module/module.h"
#include "registry/registry.h"

struct mn_sections; /* base/sections.h */
struct mn_space;    /* space/space.h */
struct mn_slot;     /* space/slot.h */
struct mn_digits;   /* space/space.h */
struct mn_limits;   /* search/limit.h */
struct mn_costs;    /* search/cost.h */

/* Global settings of candidate operators (config key `ops`), per model. */
typedef struct mn_ops_conf {
    char order[3]; /* permutation of 'b' (bn), 'a' (act), 'w' (weight); 0-terminated early if shorter */
    int32_t bn_affine;
    double bn_eps, bn_momentum;
    int32_t conv_bias;
    int32_t pool_bn; /* 0: no batch norm with pooling */
} mn_ops_conf;

/* The run of modnas_model_forward and what it was planned for; run NULL: never yet. */
typedef struct mn_model_eval {
    mn_run *run;
    mn_value *x, *logits;
    int64_t n;
    uint64_t version;
} mn_model_eval;

struct modnas_model {
    modnas_ctx *ctx;
    int32_t refs; /* its maker, and the architectures of it that hosts hold */
    mn_backend *backend; /* NULL for backend: none */
    int32_t dtype;
    char *type;       /* registered name */
    int32_t input[3]; /* C, H, W */
    int32_t n_classes;
    /* The operator that the backbone itself has at a Slot; NULL: it has none. Set by the model's builder. */
    int (*predefined)(mn_model *model, const struct mn_slot *slot, mn_module **out);
    const struct mn_digits *digits; /* how its architectures are written as one text; NULL: they are not */
    int32_t own_bn; /* 1: the operators of a ResNet that this gives end with batch norm */
    /* The name that others give a tensor in their files (models/torchvision.c), into an empty builder that stays empty
     * for what they do not have; NULL: nobody is known who has this network. Set by the model's builder. */
    int (*foreign_name)(const mn_model *m, const char *name, mn_str *out);
    /* Logits of an auxiliary head on what this run recorded last, in training only; NULL: there is none. Set by the model's
     * builder. The head is no part of forward: only a loss that wants it records it. */
    int (*forward_aux)(mn_model *m, mn_run *run, mn_value **logits);
    /* Names of the kinds of cells that a description of the network lists, one item each (space/nested.h); ends with
     * NULL. NULL: it is described by its Slots. */
    const char *const *cells;
    uint64_t seed;
    mn_ops_conf ops;
    mn_module *root;
    mn_vec slots;                               /* mn_slot * in model order (space/slot.h); owned by their modules */
    struct mn_space *space;                     /* architecture parameters; NULL while there is none */
    void (*space_free)(struct mn_space *space); /* set by the layer that made it */
    mn_vec arch_params; /* mn_module_param: tensors of the space in its order; commit stores them as "arch.<name>" */
    mn_store *weights;  /* roles WEIGHT and STAT; made by commit */
    mn_store *arch;     /* role ARCH; made by commit, NULL when there is none */
    mn_slab *slab;
    size_t memory;      /* limit of all that the context holds, 0: none */
    char *memory_key;   /* file and line that say so */
    size_t slab_limit;  /* what that leaves to the slab; 0: not known yet (space/prepare.h) */
    uint64_t version;   /* changes whenever a recorded graph would: new draw of a sampling op, choice, active set */
    int32_t arch_step;  /* 1: mixed ops record their architecture step */
    int32_t record_all; /* 1: mixed ops record every candidate (counting) */
    int32_t standing;   /* 1: commit was called, the tree is not edited any more */
    int32_t of_host;    /* not 0: the host made it and frees it (src/host/model.c) */
    int32_t busy;       /* > 0: a step of a search is under way */
    int32_t derived;    /* > 0: mixed ops are reduced to one candidate each (search/derive.h) */
    struct mn_limits *limits; /* what it is reduced to obeys them; borrowed; NULL: there are none */
    struct mn_costs *latency; /* of its space, from a table; borrowed; NULL: there is none */
    double bn_momentum;       /* > 0: of all batch norms instead of their own (train/calibrate.c) */
    mn_model_eval eval;
    const struct mn_watch *watch; /* told of what is recorded; borrowed; NULL: nobody is */
    int32_t depth;         /* modules whose forward, and host's builds, that are under way */
    int32_t located;       /* 1: the error's text says where */
    int64_t epoch, epochs; /* of the training phase; 0, 0 before the first */
    int32_t n_by_epoch; /* modules that record differently from epoch to epoch */
    int32_t n_layers;   /* that mn_layer_add made */
    uint64_t draw;      /* step that keys the draws of sampling mixed ops; set by mn_model_set_draw (space/space.h) */
};

/* Told of each module whose forward records, before and after it; what it gave is dst. */
typedef struct mn_watch {
    void (*enter)(mn_module *m, mn_run *run, void *ud);
    void (*leave)(mn_module *m, mn_run *run, const mn_value *dst, void *ud);
    void *ud;
} mn_watch;

/* env of kind "model" (out: none; the builder sets model->root, input, n_classes). */
typedef struct mn_model_env {
    mn_model *model;
} mn_model_env;

/* The model holds the backend on its own: the caller still closes the one it opened. backend NULL: nothing can be run.
 */
int mn_model_new(modnas_ctx *ctx, mn_backend *backend, int32_t dtype, uint64_t seed, mn_model **out);
mn_model *mn_model_hold(mn_model *m); /* returns m; given back with mn_model_free */
void mn_model_free(mn_model *m); /* NULL is fine; runs of the model are freed before. It goes with its last holder */
/* Name, lay out and initialise all parameters of the tree as it is now, and make the slab. After this the tree is not
 * edited. Without a backend nothing is laid out. */
int mn_model_commit(mn_model *m);
int mn_model_committed(const mn_model *m);
int mn_model_forward(mn_model *m, mn_run *run, mn_value *x, mn_value **logits);

/* A training phase has come to epoch `epoch` of `epochs`; version moves if any module records differently then. */
void mn_model_set_epoch(mn_model *m, int64_t epoch, int64_t epochs);
double mn_model_progress(const mn_model *m); /* epoch / epochs, from 0 on */

/* Trainable weights and biases (BN gamma and beta included; running statistics and architecture parameters not). Before
 * or after commit. */
int64_t mn_model_n_params(const mn_model *m);
/* Multiply-adds of convolutions and linear layers for one input of the model's size, all candidates of a supernet. The
 * model is committed; nothing is planned. input NULL: the model's own. */
int mn_model_macs(mn_model *m, const int32_t input[3], int64_t *macs);
/* The same of what a forward records as the mixed ops are set now: one path of a supernet. */
int mn_model_recorded_macs(mn_model *m, const int32_t input[3], int64_t *macs);
/* Record a forward pass of n images in evaluation mode, and no more. */
int mn_model_record(mn_model *m, mn_run *run, const int32_t input[3], int32_t n, mn_value **x, mn_value **logits);
/* Sizes of an image as given, 0: the model's own. MODNAS_EINVAL: some are given and some not, or negative; MODNAS_ESHAPE:
 * other channels than the model's. */
int mn_model_choose_input(const mn_model *m, const int32_t given[3], int32_t out[3]);

/* What a checkpoint holds, of a committed model: weights and statistics first, then architecture parameters. */
size_t mn_model_n_tensors(const mn_model *m);
mn_param *mn_model_tensor(const mn_model *m, size_t i);
/* The p->rank sizes that its tensor has there. */
void mn_param_shape(const mn_param *p, int64_t dims[4]);
/* An mn_emit_fn: the same as the bytes of a file, each tensor of the model's own type: the section of a resumable
 * checkpoint that load_section reads. */
#define MN_MODEL_SECTION "model"
int mn_model_put(mn_put_fn put, void *to, void *model);
int mn_model_load_section(mn_model *m, const struct mn_sections *f, const char *path, int partial);
/* What a file is to have: a name with the shape of a parameter, and where its numbers go; NULL: nowhere, it only has to
 * be there. */
typedef struct mn_target {
    const char *name;
    int32_t rank;
    int64_t dims[4];
    mn_param *param;
    const struct mn_cut *cut; /* param is a part of it (module/cut.h); NULL: all of it */
} mn_target;
mn_target mn_target_of(mn_param *p, const char *name);
/* As mn_model_load, for a list of one's own. */
int mn_targets_load(modnas_ctx *ctx, const mn_target *targets, size_t n, const char *path, int partial);
/* Weights, statistics and architecture parameters in safetensors (F32, plain OIHW, names of the tree; `__metadata__`
 * from the pairs given, NULL-terminated key, value, ...; NULL: none). load: every tensor of the model must be there
 * with its shape, and no other; with `partial` tensors that only one side has are left alone, but at least one must be
 * on both. A resumable checkpoint will do, too. Nothing changes on an error. */
int mn_model_save(mn_model *m, const char *path, const char *const *metadata);
int mn_model_load(mn_model *m, const char *path, int partial);

#endif
