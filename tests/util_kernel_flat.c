/* Rows of the kernel case table: copy, losses, and the kernels on flat ranges. */
#include <stdio.h>
#include <string.h>

#include "util_kernel_args.h"

static int32_t forward_only(int row) {
    (void)row;
    return KC_F;
}

static int32_t both_passes(int row) {
    (void)row;
    return KC_F | KC_D;
}

enum { BENCH_BATCH = 64 }; /* where a row has no field of its own: this batch marks the shapes of real networks */

/* ---- copy ---- */

typedef struct copy_row {
    const char *name;
    int64_t src[4], dst[4];
    modnas_box box;
} copy_row;

#define STEP1                                                                                                          \
    { 1, 1, 1, 1 }

static const copy_row copy_rows[] = {
    {"concat_c17_at_24", {2, 17, 5, 3}, {2, 41, 5, 3}, {{2, 17, 5, 3}, {0}, STEP1, {0, 24, 0, 0}, STEP1}},
    {"concat_c24_at_17", {2, 24, 5, 3}, {2, 41, 5, 3}, {{2, 24, 5, 3}, {0}, STEP1, {0, 17, 0, 0}, STEP1}},
    {"concat_c16_at_16", {2, 16, 4, 4}, {2, 32, 4, 4}, {{2, 16, 4, 4}, {0}, STEP1, {0, 16, 0, 0}, STEP1}},
    {"slice_c_3_20", {2, 24, 4, 4}, {2, 17, 4, 4}, {{2, 17, 4, 4}, {0, 3, 0, 0}, STEP1, {0}, STEP1}},
    {"slice_n", {5, 17, 3, 3}, {2, 17, 3, 3}, {{2, 17, 3, 3}, {2, 0, 0, 0}, STEP1, {0}, STEP1}},
    {"crop", {2, 3, 9, 8}, {2, 3, 5, 6}, {{2, 3, 5, 6}, {0, 0, 2, 1}, STEP1, {0}, STEP1}},
    {"pad", {2, 17, 4, 5}, {2, 17, 7, 9}, {{2, 17, 4, 5}, {0}, STEP1, {0, 0, 1, 3}, STEP1}},
    {"subsample", {2, 24, 8, 8}, {2, 24, 4, 4}, {{2, 24, 4, 4}, {0}, {1, 1, 2, 2}, {0}, STEP1}},
    {"subsample_back", {2, 24, 4, 4}, {2, 24, 8, 8}, {{2, 24, 4, 4}, {0}, STEP1, {0, 0, 1, 1}, {1, 1, 2, 2}}},
    {"every_third_channel", {2, 17, 3, 3}, {2, 6, 3, 3}, {{2, 6, 3, 3}, {0}, {1, 3, 1, 1}, {0}, STEP1}},
    {"all_axes", {3, 17, 5, 7}, {2, 9, 4, 8}, {{2, 5, 3, 3}, {1, 2, 0, 1}, {1, 3, 2, 2}, {0, 4, 1, 2}, STEP1}},
    {"backwards", {1, 3, 2, 7}, {1, 3, 2, 3}, {{1, 3, 2, 3}, {0, 2, 0, 5}, {1, -1, 1, -2}, {0}, STEP1}},
    {"concat_c24_h32", {64, 24, 32, 32}, {64, 48, 32, 32}, {{64, 24, 32, 32}, {0}, STEP1, {0, 24, 0, 0}, STEP1}},
    {"concat_c20_h32", {64, 20, 32, 32}, {64, 40, 32, 32}, {{64, 20, 32, 32}, {0}, STEP1, {0, 20, 0, 0}, STEP1}},
    {"slice_c24_h32", {64, 48, 32, 32}, {64, 24, 32, 32}, {{64, 24, 32, 32}, {0, 24, 0, 0}, STEP1, {0}, STEP1}},
    {"slice_c20_h32", {64, 40, 32, 32}, {64, 20, 32, 32}, {{64, 20, 32, 32}, {0, 20, 0, 0}, STEP1, {0}, STEP1}},
};
static void copy_build(int row, kc_case *c) {
    snprintf(c->name, sizeof c->name, "%s", copy_rows[row].name);
    c->bench = copy_rows[row].src[0] == BENCH_BATCH;
    kc_set_dims(&c->kernel.src, copy_rows[row].src);
    kc_set_dims(&c->kernel.dst, copy_rows[row].dst);
    c->kernel.u.box = copy_rows[row].box;
}

/* ---- losses ---- */

typedef struct xent_row {
    const char *name;
    int64_t n, c;
    int32_t flags;
    double eta;
} xent_row;

static const xent_row xent_rows[] = {
    {"c10", 5, 10, 0, 0},
    {"c10_smooth", 5, 10, 0, 0.1},
    {"c17_b1", 1, 17, 0, 0},
    {"c3_soft", 6, 3, MODNAS_KF_SOFT_TARGET, 0},
    {"c1000", 4, 1000, 0, 0.1},
    {"log_c10", 5, 10, MODNAS_KF_LOG, 0},
    {"log_c17_b1_soft", 1, 17, MODNAS_KF_LOG | MODNAS_KF_SOFT_TARGET, 0},
    {"c10_b64", 64, 10, 0, 0},
};
static void xent_build(int row, kc_case *c) {
    const xent_row *r = &xent_rows[row];
    snprintf(c->name, sizeof c->name, "%s", r->name);
    c->bench = r->n == BENCH_BATCH;
    kc_set_dims(&c->kernel.src, (const int64_t[]){r->n, r->c, 1, 1});
    kc_set_dims(&c->kernel.dst, (const int64_t[]){1, 1, 1, 1});
    c->kernel.flags = r->flags;
    c->n_scalars = 1;
    c->scalars[0] = r->eta;
}

typedef struct loss_row {
    const char *name;
    int32_t algo, flags;
    int64_t dims[4];
    double beta;
} loss_row;

enum { SOFT = MODNAS_KF_SOFT_TARGET };

static const loss_row loss_rows[] = {
    {"mse_c10", MODNAS_LOSS_MSE, 0, {5, 10, 1, 1}, 0},
    {"mse_c17_hw", MODNAS_LOSS_MSE, SOFT, {2, 17, 3, 5}, 0},
    {"mse_30k", MODNAS_LOSS_MSE, SOFT, {3, 10, 32, 31}, 0},
    {"l1_c17_b1", MODNAS_LOSS_L1, 0, {1, 17, 1, 1}, 0},
    {"l1_c3_hw", MODNAS_LOSS_L1, SOFT, {2, 3, 7, 7}, 0},
    {"smooth_l1_c24", MODNAS_LOSS_SMOOTH_L1, SOFT, {3, 24, 1, 1}, 1},
    {"smooth_l1_c10_beta3", MODNAS_LOSS_SMOOTH_L1, 0, {4, 10, 1, 1}, 3},
    {"smooth_l1_beta0", MODNAS_LOSS_SMOOTH_L1, 0, {4, 10, 1, 1}, 0},
    {"bce_c10", MODNAS_LOSS_BCE, 0, {5, 10, 1, 1}, 0},
    {"bce_c17_hw", MODNAS_LOSS_BCE, SOFT, {2, 17, 2, 3}, 0},
    {"bce_logits_c10_b1", MODNAS_LOSS_BCE_LOGITS, 0, {1, 10, 1, 1}, 0},
    {"bce_logits_c17", MODNAS_LOSS_BCE_LOGITS, SOFT, {6, 17, 1, 1}, 0},
    {"mse_c10_b64", MODNAS_LOSS_MSE, 0, {64, 10, 1, 1}, 0},
};
static void loss_build(int row, kc_case *c) {
    const loss_row *r = &loss_rows[row];
    const int soft = r->flags & SOFT;
    snprintf(c->name, sizeof c->name, "%s", r->name);
    c->bench = r->dims[0] == BENCH_BATCH;
    kc_set_dims(&c->kernel.src, r->dims);
    kc_set_dims(&c->kernel.weights, (const int64_t[]){r->dims[0], soft ? r->dims[1] : 1, r->dims[2], r->dims[3]});
    kc_set_dims(&c->kernel.dst, (const int64_t[]){1, 1, 1, 1});
    c->kernel.algo = r->algo;
    c->kernel.flags = r->flags;
    c->n_scalars = 1;
    c->scalars[0] = r->beta;
}

/* ---- flat ranges ---- */

typedef struct flat_row {
    const char *name;
    int32_t flags, n_scalars, bench;
    double scalars[8];
} flat_row;

static void flat_build(const flat_row *r, kc_case *c) {
    snprintf(c->name, sizeof c->name, "%s", r->name);
    c->bench = r->bench;
    c->kernel.flags = r->flags;
    c->n_scalars = r->n_scalars;
    memcpy(c->scalars, r->scalars, sizeof c->scalars);
}

static const flat_row fill_rows[] = {
    {"n1", 0, 2, 0, {1, -0.5}}, {"n1003", 0, 2, 0, {1003, 0.25}}, {"n2m", 0, 2, 1, {2000000, 0}}};
static const flat_row axpby_rows[] = {
    {"n1003", 0, 3, 0, {1003, 0.5, -0.25}}, {"n17_copy", 0, 3, 0, {17, 1, 0}},     {"n17_decay", 0, 3, 0, {17, 0, 0.5}},
    {"n17_add", 0, 3, 0, {17, 1, 1}},       {"n2m_add", 0, 3, 1, {2000000, 1, 1}},
};
static const flat_row sumsq_rows[] = {
    {"n1003", 0, 2, 0, {1003, 0}}, {"n17_keep", 0, 2, 0, {17, 1}}, {"n2m", 0, 2, 1, {2000000, 0}}};
/* scalars: n, lr, momentum, dampening, weight_decay, first, g_scale */
static const flat_row sgd_rows[] = {
    {"plain", 0, 7, 0, {1003, 0.1, 0, 0, 0, 0, 1}},
    {"decay_scaled", 0, 7, 0, {17, 0.1, 0, 0, 3e-4, 0, 0.5}},
    {"momentum_first", MODNAS_KF_MOMENTUM, 7, 0, {17, 0.05, 0.9, 0, 3e-4, 1, 1}},
    {"momentum_dampening", MODNAS_KF_MOMENTUM, 7, 0, {1003, 0.05, 0.9, 0.5, 3e-4, 0, 1}},
    {"nesterov", MODNAS_KF_MOMENTUM | MODNAS_KF_NESTEROV, 7, 0, {1003, 0.05, 0.9, 0, 4e-5, 0, 0.25}},
    {"nesterov_first", MODNAS_KF_MOMENTUM | MODNAS_KF_NESTEROV, 7, 0, {17, 0.05, 0.9, 0, 4e-5, 1, 1}},
    {"momentum_2m", MODNAS_KF_MOMENTUM, 7, 1, {2000000, 0.05, 0.9, 0, 3e-4, 0, 1}},
};
/* scalars: n, lr, beta1, beta2, eps, weight_decay, t, g_scale */
static const flat_row adam_rows[] = {
    {"t1", 0, 8, 0, {17, 3e-3, 0.9, 0.999, 1e-8, 0, 1, 1}},
    {"t7_decay", 0, 8, 0, {1003, 3e-3, 0.5, 0.999, 1e-8, 1e-3, 7, 1}},
    {"decoupled", MODNAS_KF_DECOUPLED, 8, 0, {1003, 3e-3, 0.9, 0.99, 1e-8, 1e-2, 3, 0.5}},
    {"t7_2m", 0, 8, 1, {2000000, 3e-3, 0.9, 0.999, 1e-8, 1e-3, 7, 1}},
};
/* scalars: n, lr, alpha, eps, weight_decay, momentum, g_scale */
static const flat_row rmsprop_rows[] = {
    {"plain", 0, 7, 0, {1003, 1e-2, 0.99, 1e-8, 0, 0, 1}},
    {"momentum_decay", MODNAS_KF_MOMENTUM, 7, 0, {17, 1e-2, 0.9, 1e-8, 1e-3, 0.9, 0.5}},
    {"centered", MODNAS_KF_CENTERED, 7, 0, {1003, 1e-2, 0.9, 1e-3, 0, 0, 1}},
    {"centered_momentum", MODNAS_KF_CENTERED | MODNAS_KF_MOMENTUM, 7, 0, {17, 1e-2, 0.9, 1e-3, 1e-3, 0.9, 0.5}},
    {"momentum_2m", MODNAS_KF_MOMENTUM, 7, 1, {2000000, 1e-2, 0.9, 1e-8, 1e-3, 0.9, 1}},
};
/* scalars: n, lr, eps, weight_decay, g_scale */
static const flat_row adagrad_rows[] = {
    {"plain", 0, 5, 0, {1003, 1e-2, 1e-10, 0, 1}},
    {"decay", 0, 5, 0, {17, 1e-2, 1e-3, 1e-3, 0.5}},
    {"2m", 0, 5, 1, {2000000, 1e-2, 1e-10, 1e-3, 1}},
};
static void fill_build(int row, kc_case *c) {
    flat_build(&fill_rows[row], c);
}
static void axpby_build(int row, kc_case *c) {
    flat_build(&axpby_rows[row], c);
}
static void sumsq_build(int row, kc_case *c) {
    flat_build(&sumsq_rows[row], c);
}
static void sgd_build(int row, kc_case *c) {
    flat_build(&sgd_rows[row], c);
}
static void adam_build(int row, kc_case *c) {
    flat_build(&adam_rows[row], c);
}
static void rmsprop_build(int row, kc_case *c) {
    flat_build(&rmsprop_rows[row], c);
}
static void adagrad_build(int row, kc_case *c) {
    flat_build(&adagrad_rows[row], c);
}

const kc_group kc_flat_groups[] = {
    {MODNAS_KERNEL_COPY, MN_COUNT(copy_rows), forward_only, copy_build},
    {MODNAS_KERNEL_SOFTMAX_XENT, MN_COUNT(xent_rows), both_passes, xent_build},
    {MODNAS_KERNEL_LOSS, MN_COUNT(loss_rows), both_passes, loss_build},
    {MODNAS_KERNEL_FILL, MN_COUNT(fill_rows), forward_only, fill_build},
    {MODNAS_KERNEL_AXPBY, MN_COUNT(axpby_rows), forward_only, axpby_build},
    {MODNAS_KERNEL_SUMSQ, MN_COUNT(sumsq_rows), forward_only, sumsq_build},
    {MODNAS_KERNEL_SGD, MN_COUNT(sgd_rows), forward_only, sgd_build},
    {MODNAS_KERNEL_ADAM, MN_COUNT(adam_rows), forward_only, adam_build},
    {MODNAS_KERNEL_RMSPROP, MN_COUNT(rmsprop_rows), forward_only, rmsprop_build},
    {MODNAS_KERNEL_ADAGRAD, MN_COUNT(adagrad_rows), forward_only, adagrad_build},
};
const int kc_n_flat_groups = MN_COUNT(kc_flat_groups);
