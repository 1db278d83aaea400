/* Inside of constructors of elastic networks: what is asked for (elastic_args.c), and what it makes of a model (elastic.c). */
#ifndef MN_CONSTRUCT_ELASTIC_H
#define MN_CONSTRUCT_ELASTIC_H

#include "construct/parts.h"
#include "space/elastic.h"

enum { MN_MAX_CHOICES = 64 };

/* What an entry of the configuration asks for. */
typedef struct mn_wish {
    const mn_args *args;
    const char *arg; /* for messages: "expansion_range" */
    int32_t choices[MN_MAX_CHOICES], n;
    double ratios[MN_MAX_CHOICES]; /* of the whole width, instead of choices */
    int32_t by_ratio;
    int32_t is_given; /* 0: of the default those that are possible */
    int32_t rank, fix_first;
} mn_wish;

/* A value for each stage, or for each block, with a parameter of its own. */
int mn_elastic_depths(mn_model *model, const mn_wish *w);
int mn_elastic_widths(mn_model *model, const mn_wish *w);
int mn_elastic_kernels(mn_model *model, const mn_wish *w);
/* One value: the size of the images. */
int mn_elastic_resolution(mn_model *model, const mn_wish *w);

#endif
