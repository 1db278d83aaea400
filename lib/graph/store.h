/* Parameters in flat arenas.
 *
 *   one weight arena   [ w0 | w1 | ... ]      every parameter is a view: (offset, count), 64-byte aligned, resting in the layout
 *   one gradient arena [ g0 | g1 | ... ]      that the backend wants for its training forward
 *
 * An optimizer, clipping, an average or a checkpoint is one loop over ranges of these. A gradient is *active* when a run wrote it
 * since the last mn_store_zero_grad: only active ranges are read by anyone, so zeroing costs nothing and unsampled candidates cost
 * nothing. What leaves the process is plain (OIHW): mn_param_get and mn_param_set convert. */
#ifndef MN_STORE_H
#define MN_STORE_H

#include "backend/backend.h"
#include "base/state.h"

typedef struct mn_store mn_store;
typedef struct mn_param mn_param;

enum mn_role { MN_ROLE_WEIGHT = 1, MN_ROLE_ARCH = 2, MN_ROLE_STAT = 4 /* running statistics: saved, never trained */ };

enum mn_init_kind {
    MN_INIT_ZEROS,
    MN_INIT_ONES,
    MN_INIT_UNIFORM, /* +- bound */
    MN_INIT_NORMAL,  /* standard deviation bound */
    MN_INIT_UNIT,    /* 0 to 1 */
    MN_INIT_CONSTANT, /* bound */
    MN_INIT_IDENTITY /* of a square matrix */
};

struct mn_param {
    modnas_ctx *ctx;
    char *name;        /* full dotted name, set when the store takes it */
    int64_t dims[4];
    int32_t rank;      /* of the exported tensor: 4 convolution, 2 linear (O, I), 1 vector (dims 1,C,1,1) */
    int32_t role;
    int32_t init;
    double bound;
    int32_t groups;    /* of a convolution's weights; 0 for vectors and linear */
    int32_t layout;
    modnas_kernel use; /* kernel it is the weights of (kind 0: none): decides the layout */
    mn_store *store;   /* NULL until added */
    size_t offset, count; /* elements in the arenas, padding included */
    uint64_t stamp;    /* gradient is active when equal to the store's */
    uint64_t recording; /* the recording that used it last, and its value there */
    struct modnas_value *value;
};

/* A parameter before it is in a store. Owned by the caller (a module), who frees it after the store. */
int mn_param_new(modnas_ctx *ctx, int32_t role, int32_t rank, const int64_t dims[4], int32_t init, double bound, mn_param **out);
void mn_param_free(mn_param *p);
int64_t mn_param_numel(const mn_param *p); /* logical elements */

/* dtype MODNAS_F32 or MODNAS_F64. The store holds the backend. */
int mn_store_new(mn_backend *b, int32_t dtype, mn_store **out);
void mn_store_free(mn_store *s);
int mn_store_add(mn_store *s, mn_param *p, const char *name); /* before commit; the name is copied; borrowed pointer kept */
/* Lay out and allocate both arenas, and initialise every parameter: draws keyed by (seed, its name). */
int mn_store_commit(mn_store *s, uint64_t seed);

mn_backend *mn_store_backend(const mn_store *s);
int32_t mn_store_dtype(const mn_store *s);
size_t mn_store_n_params(const mn_store *s);
mn_param *mn_store_param(const mn_store *s, size_t i);
size_t mn_store_count(const mn_store *s);   /* elements of an arena, padding included */
void *mn_store_weights(const mn_store *s);  /* device memory */
void *mn_store_grads(const mn_store *s);
/* What runs use as weights from now on, an arena laid out as the one before, which is returned: the caller puts it back. */
void *mn_store_swap(mn_store *s, void *weights);

/* Plain copies in and out, n = mn_param_numel elements of float or double whatever the store's dtype. */
int mn_param_get(const mn_param *p, double *plain);
int mn_param_set(mn_param *p, const double *plain);
int mn_param_get_f32(const mn_param *p, float *plain);
int mn_param_set_f32(mn_param *p, const float *plain);
/* Elements of the store's own type, from and to an arena that is laid out as its weights (NULL: the weights). */
int mn_param_copy_out(const mn_param *p, void *arena, void *plain);
int mn_param_copy_in(const mn_param *p, void *arena, const void *plain);
size_t mn_store_elem_bytes(const mn_store *s);
/* All of an arena that is laid out as the weights, plain. */
int mn_store_state(mn_store *s, void *arena, mn_state *io);
int mn_param_get_grad(const mn_param *p, double *plain); /* zeros when inactive */

/* All weights as they rest, mn_store_bytes bytes of host memory, out and back: bit for bit. */
size_t mn_store_bytes(const mn_store *s);
int mn_store_save(const mn_store *s, void *host);
int mn_store_restore(mn_store *s, const void *host);
/* Initial values once more, of another seed. */
int mn_store_initialise(mn_store *s, uint64_t seed);

void mn_store_zero_grad(mn_store *s); /* O(1): no gradient is active afterwards */
int mn_param_active(const mn_param *p);
void mn_param_touch(mn_param *p); /* its gradient was written: it is active now */

typedef struct mn_range {
    size_t offset, count;
} mn_range;
/* The active ranges, ascending, neighbours joined; the array is the store's own, valid until the next call. */
int mn_store_active(mn_store *s, const mn_range **ranges, size_t *n);

#endif
