/* The index of the kernel case table: groups of rows (util_kernel_window.c, util_kernel_plain.c, util_kernel_flat.c), a
 * case for each pass that a row has. */
#include <stdio.h>
#include <string.h>

#include "util_kernel_args.h"

/* Group i of all; NULL behind the last. */
static const kc_group *group_at(int i) {
    const kc_group *const lists[] = {kc_window_groups, kc_plain_groups, kc_flat_groups};
    const int sizes[] = {kc_n_window_groups, kc_n_plain_groups, kc_n_flat_groups};
    for (size_t l = 0; l < MN_COUNT(lists); i -= sizes[l++])
        if (i < sizes[l]) return &lists[l][i];
    return NULL;
}

static const char *const pass_names[] = {"fwd", "bwd_data", "bwd_weights"};
enum { N_PASSES = MN_COUNT(pass_names) };

static void build(const kc_group *g, int row, int pass, kc_case *c) {
    char row_name[80];
    memset(c, 0, sizeof *c);
    c->kernel.kind = g->kind;
    c->kernel.pass = pass;
    g->build(row, c);
    snprintf(row_name, sizeof row_name, "%.79s", c->name);
    snprintf(c->name, sizeof c->name, "%s/%s/%.79s", mn_kernel_name(g->kind), pass_names[pass], row_name);
    kc_set_args(c);
}

/* Walk over all cases; stop at case `index` and build it if out is not NULL. Returns the number of cases passed by. */
static int walk(int index, kc_case *out) {
    int n = 0;
    for (int i = 0; group_at(i); i++) {
        const kc_group *g = group_at(i);
        for (int row = 0; row < g->n_rows; row++) {
            for (int pass = 0; pass < N_PASSES; pass++) {
                if (!(g->passes(row) >> pass & 1)) continue;
                if (n == index && out) build(g, row, pass, out);
                if (n++ == index) return n;
            }
        }
    }
    return n;
}

int kc_count(void) {
    return walk(-1, NULL);
}

void kc_get(int index, kc_case *out) {
    walk(index, out);
}

/* The scalars that a forward pass needs beside those of its backward pass. */
static void forward_scalars(kc_case *c) {
    if (c->kernel.kind == MODNAS_KERNEL_BATCH_NORM) {
        c->n_scalars = 2;
        c->scalars[0] = 1e-5;
        c->scalars[1] = 0.1;
    }
    if (c->kernel.kind == MODNAS_KERNEL_DROPOUT) {
        c->n_scalars = 3;
        c->scalars[0] = 0.3;
        c->scalars[1] = 12345;
        c->scalars[2] = 7;
    }
}

void kc_forward_of(const kc_case *backward, kc_case *out) {
    *out = *backward;
    out->kernel.pass = MODNAS_FORWARD;
    if (out->kernel.kind == MODNAS_KERNEL_BATCH_NORM) out->kernel.flags &= ~MODNAS_KF_UPDATE_STATS;
    forward_scalars(out);
    kc_set_args(out);
}

void kc_set_dims(modnas_tdesc *t, const int64_t dims[4]) {
    memcpy(t->dims, dims, sizeof t->dims);
    t->layout = MODNAS_LAYOUT_PLAIN;
    t->dtype = MODNAS_F32;
}
