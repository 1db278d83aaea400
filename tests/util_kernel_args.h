/* Between the files of the kernel case table: groups of cases, and how values of an argument are drawn. */
#ifndef UTIL_KERNEL_ARGS_H
#define UTIL_KERNEL_ARGS_H

#include "util_kernel_cases.h"

enum kc_fill {
    KC_FILL_NOTHING = 0,
    KC_FILL_UNIT, /* uniform in (-1, 1) */
    KC_FILL_BN,   /* mean and spread differ from channel to channel */
    KC_FILL_ACT, /* uniform in (-5, 8), away from the corners of the kernel's activation; of log and pow in (0.25, 4.25)
                  */
    KC_FILL_APART,    /* in (-1, 1), neighbours at least 6e-5 apart: no ties, and none within a finite difference */
    KC_FILL_POSITIVE, /* uniform in (0.5, 1.5) */
    KC_FILL_GAMMA, /* the same with every fourth one negative; times 4 before a relu6 or hard-swish, so that it clips */
    KC_FILL_LABEL, /* 0 .. C-1 */
    KC_FILL_PROB,  /* rows that sum up to 1; of a loss: uniform in (0.02, 0.98) */
    KC_FILL_DIVISOR, /* as KC_FILL_UNIT; of a division in (-1.5, -1) or (1, 1.5) */
    KC_FILL_LOSS     /* as KC_FILL_ACT; of bce as its targets */
};

/* The rows of one kernel kind. */
typedef struct kc_group {
    int32_t kind, n_rows;
    /* Bit set of passes (1 << modnas_pass) that exist for the row. */
    int32_t (*passes)(int row);
    /* Fill in name (of the row alone), bench, kernel (kind, dtype and pass are set already) and scalars. */
    void (*build)(int row, kc_case *c);
} kc_group;

enum { KC_F = 1 << MODNAS_FORWARD, KC_D = 1 << MODNAS_BACKWARD_DATA, KC_W = 1 << MODNAS_BACKWARD_WEIGHTS };

extern const kc_group kc_window_groups[], kc_plain_groups[], kc_flat_groups[];
extern const int kc_n_window_groups, kc_n_plain_groups, kc_n_flat_groups;

void kc_set_dims(modnas_tdesc *t, const int64_t dims[4]);

#endif
