/* Elastic networks: sizes of a network that parameters of its space set, all sizes sharing the weights of the largest
 * (Cai et al., Once-for-All, 2020).
 *
 *   kernel      the middle of a depthwise window, through a matrix for each step down        one a Slot
 *   depth       the first blocks of a stage; what lies behind hands on what it is given     one a stage
 *   width       the first channels of a block's inside                                      one a Slot
 *   resolution  the size that images are brought to                                         one a model
 *
 * An elastic value is a parameter with choices like any other: optimizers, architectures (mn_arch), limits, costs and
 * descriptions know it as such, and setting one is mn_arch_apply. Layers read it when they record (mn_active of
 * module/module.h). What follows is for those who treat a kind as a whole, as progressive shrinking does.
 * docs/design/0009-elastic.md has the rest. */
#ifndef MN_ELASTIC_H
#define MN_ELASTIC_H

#include "space/space.h"

/* In the order in which they are shrunk. */
enum mn_elastic_kind { MN_ELASTIC_KERNEL, MN_ELASTIC_DEPTH, MN_ELASTIC_WIDTH, MN_ELASTIC_RESOLUTION, MN_N_ELASTIC };
extern const char *const mn_elastic_kinds[MN_N_ELASTIC]; /* "kernel", "depth", "width", "resolution" */

typedef struct mn_elastic {
    mn_extent extent; /* what layers read: its size now; all of it while model->record_all */
    int32_t kind;
    mn_model *model;
    mn_arch_param *param; /* its choices are whole numbers: a window, blocks, an expansion, pixels */
    int32_t n;            /* choices */
    int32_t *size;        /* by choice: a window, blocks, channels, pixels */
    int32_t largest;      /* the choice with the largest size; what it begins with */
    int32_t full;         /* size that the network was made with: at least the largest */
    int32_t rank;         /* of width: enum mn_elastic_rank */
    char *where;          /* "slot 3 (24 -> 24 channels, stride 1)", "stage 2": for messages */
    mn_slot *slot;        /* of kernel and width; else NULL */
    struct mn_elastic_part *parts; /* further extents that hang on it; owned */
} mn_elastic;

/* Those of a kind, in model order: how many, and the i-th (NULL behind the last). */
int32_t mn_model_n_elastic(const mn_model *m, int32_t kind);
mn_elastic *mn_model_elastic(const mn_model *m, int32_t kind, int32_t i);
/* Number of its parameter among the genes of the space: arch->index[gene] is the choice of an architecture. */
int32_t mn_elastic_gene(const mn_elastic *e);
int32_t mn_elastic_now(const mn_elastic *e); /* size that it is set to */
/* The choice of a value ("sequential: [4, 2]"); -1: it is none. */
int32_t mn_elastic_choice(const mn_elastic *e, double value);
/* The choice whose size is nearest to a ratio of the largest, the larger of two; ratio in (0, 1]. */
int32_t mn_elastic_choice_of_ratio(const mn_elastic *e, double ratio);

/* How channels of an elastic width are ranked. */
enum mn_elastic_rank {
    MN_RANK_NONE,
    MN_RANK_L1_FAN_IN,  /* sum of |weights| that the projection reads a channel with */
    MN_RANK_L1_FAN_OUT, /* sum of |weights| that make a channel */
    MN_RANK_BN          /* |gamma| of the last batch norm over them */
};
/* Put the channels of every elastic width in the order of their rank, largest first, ties as they were: weights,
 * statistics, and each of n arenas that are laid out as the weights (momentum). The whole network computes what it did.
 * All or, on an error, nothing of an elastic value; the model is committed. rank -1: as the constructor was told. A value
 * that was made with MN_RANK_NONE keeps its order. */
int mn_elastic_sort(mn_model *m, int32_t rank, void *const *arenas, int32_t n);

/* ---- making: before the commit (construct/elastic.c) ---------------------------------------------------- */

typedef struct mn_elastic_desc {
    int32_t kind, rank, full;
    const char *name; /* of its parameter; a taken one gets _1, _2, ... */
    const char *where;
    mn_slot *slot;
    const int32_t *choices, *size; /* n whole numbers, size: of each; copied */
    int32_t n;
} mn_elastic_desc;
/* MODNAS_ECONFIG names `where`: no choices, one twice, a size that is not in 1 .. full. */
int mn_elastic_new(mn_model *m, const mn_elastic_desc *d, mn_elastic **out);
void mn_elastic_free(mn_elastic *e); /* NULL is fine; the space does it */
/* All of them, and their parameters: nothing is elastic any more, no module reads one. */
void mn_elastic_remove_all(mn_model *m);
int mn_model_is_elastic(const mn_model *m);
/* Whether a block that is the `position`-th of a depth is there. NULL: out of memory. */
const mn_extent *mn_elastic_block(mn_elastic *e, int32_t position);
/* What squeeze-and-excitation leaves of its channels: make_divisible(width / 4, 8), `full` of it all. Likewise. */
const mn_extent *mn_elastic_squeeze(mn_elastic *e, int32_t full);

#endif
