/* The network of a run, built again from its configuration: what its layers are and what they cost. Nothing is run. */
#ifndef MN_NET_H
#define MN_NET_H

#include "modnas/config.h"
#include "report/experiment.h"
#include "search/cost.h"

typedef struct mn_layer {
    char *name;    /* of its module; owned */
    char *op;      /* what was chosen at a Slot, else the module's type; owned */
    char *slot;    /* name of the Slot, owned; NULL: it is none */
    int32_t choice; /* which candidate, from 0; -1: there is no choice */
    int32_t gene;  /* of the space; -1 */
    int64_t dims[3], params, macs; /* of what it gives: C, H, W */
    double ms;     /* of the table of latencies; NaN */
} mn_layer;

typedef struct mn_net {
    modnas_ctx *ctx;
    modnas_config *cfg;
    mn_model *model;
    mn_arch *arch;     /* the options that are drawn */
    int32_t input[3];  /* C, H, W of an image */
    mn_vec layers;     /* mn_layer, in the order of the forward */
    int64_t params, macs;
} mn_net;

/* MODNAS_EUNSUPPORTED: there is no configuration, or no network in it; what else keeps it from being built (a host's
 * component, a file that is gone) has its own status. */
int mn_net_open(const mn_experiment *e, mn_net *out);
void mn_net_close(mn_net *n); /* zeroed is fine */
/* Options of an architecture description into a; MODNAS_ECONFIG where it lacks one or names none of the candidates. */
int mn_net_options(const mn_net *n, const mn_node *desc, mn_arch *a);
/* Its layers for images of the size `input` (a list; NULL: the model's own), with the options of desc. */
int mn_net_layers(mn_net *n, const mn_node *desc, const mn_node *input);
/* Times of the layers by a table; *fixed, *sum: what is always there, and all together. */
int mn_net_time(mn_net *n, const char *table, double *fixed, double *sum);

#endif
