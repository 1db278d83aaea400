/* The search space: architecture parameters of a model, mixed ops and candidates.
 *
 *   Categorical  choices with an index          Numeric  a number in [low, high]          tensor  logits alpha, trained
 * by gradient
 *
 * Whole numbers of a short range are choices, too. An option for each parameter with choices and for each tensor of
 * logits is an mn_arch, what optimizers ask and tell
 * with. */
#ifndef MN_SPACE_H
#define MN_SPACE_H

#include "base/state.h"
#include "space/slot.h"

enum mn_arch_param_type { MN_CATEGORICAL = 'C', MN_NUMERIC = 'N', MN_TENSOR = 'T' };
enum { MN_WHOLE_MAX = 4096 }; /* numbers of a range that are options */

typedef struct mn_arch_param {
    int32_t type;
    char *name;              /* unique in the space: given, or "c_0", "t_1" (one shared counter, as the original) */
    int32_t n;               /* options: choices, or elements of a TENSOR; 0: a number that has none */
    mn_node *choices;        /* CATEGORICAL, and NUMERIC of up to MN_WHOLE_MAX whole numbers: SEQ of n values */
    int32_t index;           /* of choices: the current one */
    double low, high, value; /* NUMERIC; value: without choices */
    int32_t integer;
    mn_param *tensor; /* TENSOR: role ARCH, (1,n,1,1), initial 1e-3 N(0,1), stored as "arch.<name>"; owned */
} mn_arch_param;

typedef struct mn_space {
    mn_model *model;
    mn_vec params; /* mn_arch_param *, insertion order; owned */
    mn_vec mixed;  /* mn_mixed *, model order once sorted; owned by their modules */
    mn_vec elastic; /* struct mn_elastic * (space/elastic.h), order of making; owned */
    int32_t next_id;
    int32_t unsorted; /* mixed ops came or went since the order was taken */
} mn_space;

/* The model's space: the one it has, or a new one. Freed with the model. */
int mn_space_of(mn_model *model, mn_space **out);
/* choices is taken, also on failure. name NULL: "c_<id>"; a taken name gets _1, _2, ... */
int mn_space_categorical(mn_space *s, const char *name, mn_node *choices, mn_arch_param **out);
int mn_space_numeric(mn_space *s, const char *name, double low, double high, int integer, mn_arch_param **out);
int mn_space_tensor(mn_space *s, const char *name, int32_t n, mn_arch_param **out);
/* Before the commit: what nothing follows any more. Freed. */
void mn_space_remove(mn_space *s, mn_arch_param *p);
mn_arch_param *mn_space_find(const mn_space *s, const char *name);
/* Parameters with choices: how many, and the i-th. */
int32_t mn_space_n_categorical(const mn_space *s);
mn_arch_param *mn_space_categorical_at(const mn_space *s, int32_t i);

/* ---- architectures: an option for every parameter that has options (arch.c) ---------------------------- */

enum {
    MN_ARCH_OPEN = -1, /* not chosen: left to the model */
    MN_ARCH_NONE = -2  /* of edges of nested layers: left out */
};

typedef struct modnas_arch mn_arch;
struct modnas_arch {
    mn_model *model; /* held */
    int32_t n;       /* genes of its space when it was made */
    int32_t index[]; /* a choice; TENSOR: the candidate that runs alone; or MN_ARCH_OPEN */
};

/* The parameters with options, all but numbers without choices, in order; the i-th one, NULL behind the last. s may be
 * NULL. */
int32_t mn_space_n_genes(const mn_space *s);
mn_arch_param *mn_space_gene(const mn_space *s, int32_t i);
/* Name of an option of gene i: a choice's text (its JSON if it is no string), a candidate's name; NULL if there is none. */
const char *mn_space_option(const mn_space *s, int32_t i, int32_t option);

int mn_arch_new(mn_model *model, mn_arch **out); /* as mn_arch_read */
/* What an exporter described (arch_read.c), whole: MODNAS_ECONFIG with file:line for what does not fit or is left out. */
int mn_arch_of_desc(mn_model *model, const mn_node *desc, mn_arch **out);
int mn_arch_copy(const mn_arch *a, mn_arch **out);
void mn_arch_free(mn_arch *a); /* NULL is fine */
/* As the model is set now: choices as they are, logits open unless their mixed op is forced. Applying it later puts that
 * back. */
void mn_arch_read(mn_arch *a);
int mn_arch_derive(mn_arch *a); /* what is open becomes the most probable candidate; limits are kept by mn_derive_arch */
int mn_arch_check(const mn_arch *a, int32_t i, int32_t option); /* MODNAS_EINVAL names the parameter and the option */
/* Set choices, force candidates (open: unforce): all or, with MODNAS_EINVAL, nothing. model->version moves if anything
 * did. */
int mn_arch_apply(const mn_arch *a);
/* Product over distinct architecture parameters of their choices (tensors: elements; whole numbers: how many; real ones
 * do not count) as decimal digits; any size. */
int mn_space_size(const mn_space *s, mn_str *out);

/* ---- architectures as digits (digits.c) --------------------------------------------------------------------- */

enum { MN_DIGITS_MAX = 63 };
typedef struct mn_digits {
    const char *const *ops; /* candidates, by digit */
    int32_t n_ops, n;       /* up to 10; digits of a text, up to MN_DIGITS_MAX: Slot i has digit i mod n */
} mn_digits;

/* A text of a model with digits as the list of names that it stands for, the caller's. */
int mn_digits_read(const mn_model *model, const mn_node *text, mn_node **list);
/* The other way; *text is NULL if the model has no digits, or these items none. */
int mn_digits_write(const mn_model *model, const mn_node *list, mn_node **text);

/* ---- checkpoints (state.c) ----------------------------------------------------------------------------- */

/* Choices, draws and where training is: all of a model that is no tensor. */
int mn_model_state(mn_model *m, mn_state *io);
int mn_arch_state(mn_arch *a, mn_state *io);
/* SHA-256 (hex) of the space and the tensors' names and shapes. */
int mn_space_hash(const mn_model *m, char text[65]);

/* ---- candidates: kind "candidate" ---------------------------------------------------------------------- */

typedef struct mn_candidate_env { /* out of the builder: mn_module ** */
    mn_model *model;
    int32_t chn_in, chn_out, stride;
    const mn_node *kwargs;
    const mn_slot *slot; /* the same, whole */
} mn_candidate_env;
/* A candidate by name; MODNAS_ENOTFOUND with a suggestion; MODNAS_ECONFIG or MODNAS_ESHAPE with the reason when it does
 * not fit. Both name the Slot; builders say the reason alone. spec: Name or spec. */
int mn_candidate_build(mn_model *model, const mn_node *spec, const mn_slot *slot, mn_module **out);

/* ---- mixed ops: kind "mixed_op" ------------------------------------------------------------------------ */

typedef struct mn_mixed mn_mixed;
typedef struct mn_mixed_vt {
    const char *type;
    int32_t param_type; /* MN_TENSOR or MN_CATEGORICAL */
    int32_t samples;    /* 1: what forward records depends on model->draw */
    int32_t uniform;    /* 1: candidates are drawn uniformly, not by softmax(alpha) */
    int32_t sums;       /* 1: every candidate is recorded */
    int (*forward)(mn_mixed *m, mn_run *run, mn_value *src, mn_value **dst);
} mn_mixed_vt;

struct mn_mixed { /* state of a mixed op's module; its children are the candidates, named as such */
    const mn_mixed_vt *vt;
    mn_module *module;
    mn_arch_param *param;
    int32_t n;                 /* candidates */
    int32_t tag;               /* 1 + its number in model order: mn_run_tag */
    int32_t n_samples;         /* paths of a weight step */
    int32_t *active, n_active; /* candidate set of an architecture step (sample_ops); all by default */
    double temperature;        /* Gumbel */
    int32_t forced;            /* >= 0: run this candidate alone (derived evaluation, prepare); -1: as the type does;
                                  MN_ARCH_NONE: an edge of a nested layer that is left out */
    int32_t choice;            /* >= 0: the candidate that an architecture step chooses (prepare); -1: drawn */
    int32_t last;              /* candidate that was recorded last as the path (the first of several) */
    int32_t order;             /* of the latest sorting */
    int32_t *path;             /* work space of n, below too: forward allocates nothing */
    double *weight;
    float *alpha_f32;
    mn_value **value;
};

typedef struct mn_mixed_env { /* out of the builder: mn_module ** */
    mn_model *model;
    const mn_slot *slot;
    const mn_node *candidates; /* list of names, or map name -> spec */
    mn_arch_param *shared;     /* architecture parameter to share, or NULL: its own */
} mn_mixed_env;

/* Types: SoftmaxSumMixedOp, GumbelSumMixedOp, BinaryGateMixedOp, BinaryGateUniformMixedOp, IndexMixedOp (and older
 * names). spec: file and line of candidates that do not fit come from it. */
int mn_mixed_build(mn_model *model, const mn_node *spec, const mn_mixed_env *env, mn_module **out);
mn_mixed *mn_mixed_of(mn_module *m); /* NULL if m is none */
/* Mixed ops of the model in order; count and i-th. */
int32_t mn_model_n_mixed(const mn_model *model);
mn_mixed *mn_model_mixed(const mn_model *model, int32_t i);
const char *mn_mixed_candidate(const mn_mixed *m, int32_t i);
mn_module *mn_mixed_module(const mn_mixed *m, int32_t i);
/* Key the draws of what is recorded next; model->version moves if anything would be recorded differently. Call before
 * each step. */
void mn_model_set_draw(mn_model *model, uint64_t draw);
/* Architecture steps on or off (arch_step); model->version moves on a change. */
void mn_model_set_arch_step(mn_model *model, int32_t on);
/* candidate -1: as the type does; MN_ARCH_NONE: an edge of a DAGLayer is left out. model->version moves. */
void mn_mixed_force(mn_mixed *m, int32_t candidate);
void mn_mixed_set_temperature(mn_mixed *m, double temperature); /* likewise, if it is another one */
int mn_mixed_probs(const mn_mixed *m, double *p); /* softmax(alpha); one-hot for Index */
int mn_mixed_alpha(const mn_mixed *m, double *alpha);
int mn_mixed_set_alpha(mn_mixed *m, const double *alpha);
int mn_mixed_set_grad(mn_mixed *m, const double *grad); /* of its logits, as if a backward had */
/* sample_ops: n distinct candidates drawn from softmax(alpha) without replacement become the active set (n >=
 * candidates: all). */
int mn_mixed_sample_ops(mn_mixed *m, int32_t n, mn_rng *rng);
void mn_mixed_reset_ops(mn_mixed *m);
/* Indices of the k most probable, descending, ties to the lower index, a forced one ahead of all; k <= n. */
int mn_mixed_top(const mn_mixed *m, int32_t k, int32_t *index);
/* What it comes to alone: the most probable candidate; of an edge of a DAGLayer that this would not keep the zero
 * operator, or MN_ARCH_NONE. */
int mn_mixed_best(const mn_mixed *m, int32_t *option);

/* ---- what the pieces register -------------------------------------------------------------------------- */
int mn_space_register(modnas_ctx *ctx);     /* candidates and mixed ops */
int mn_models_register(modnas_ctx *ctx);    /* src/models */
int mn_construct_register(modnas_ctx *ctx); /* src/construct */
int mn_export_register(modnas_ctx *ctx);    /* src/export */

#endif
