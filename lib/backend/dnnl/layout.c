/* Layout ids and the memory descriptors they stand for: see layout.h.
 *
 * Descriptors of weights are kept in a table that only grows; an id is 16 + its place. Which id a geometry wants is
 * kept beside it, so that asking again for a known convolution costs a short search and no oneDNN call. */
#include "backend/dnnl/layout.h"

#include <string.h>

struct mn_dnnl_want {
    mn_dnnl_geometry geometry;
    int32_t layout;
};

static dnnl_status_t counted(mn_dnnl *s, dnnl_status_t status) {
    if (status == dnnl_success) s->n_objects++;
    return status;
}

static dnnl_status_t md_tag(mn_dnnl *s, int n, const dnnl_dims_t dims, dnnl_format_tag_t tag, dnnl_memory_desc_t *md) {
    return counted(s, onednn.memory_desc_create_with_tag(md, n, dims, dnnl_f32, tag));
}

static void dims_of(const modnas_tdesc *t, dnnl_dims_t dims) {
    memset(dims, 0, sizeof(dnnl_dims_t));
    for (int i = 0; i < 4; i++) dims[i] = t->dims[i];
}

static dnnl_format_tag_t blocked_tag(const mn_dnnl *s) {
    return s->simd->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
}

dnnl_status_t mn_dnnl_md_activation(mn_dnnl *s, const modnas_tdesc *t, dnnl_memory_desc_t *md) {
    dnnl_dims_t dims;
    dims_of(t, dims);
    return md_tag(s, 4, dims, t->layout == MODNAS_LAYOUT_BLOCKED ? blocked_tag(s) : dnnl_nchw, md);
}

dnnl_status_t mn_dnnl_md_any(mn_dnnl *s, const modnas_tdesc *t, dnnl_memory_desc_t *md) {
    dnnl_dims_t dims;
    dims_of(t, dims);
    return md_tag(s, 4, dims, dnnl_format_tag_any, md);
}

dnnl_status_t mn_dnnl_md_vector(mn_dnnl *s, int64_t n, dnnl_memory_desc_t *md) {
    const dnnl_dims_t dims = {n};
    return md_tag(s, 1, dims, dnnl_x, md);
}

dnnl_status_t mn_dnnl_md_channels(mn_dnnl *s, int64_t channels, dnnl_memory_desc_t *md) {
    const dnnl_dims_t dims = {1, channels, 1, 1};
    return md_tag(s, 4, dims, dnnl_nchw, md);
}

/* Grouped weights have the group as a dim of its own. */
static dnnl_status_t md_filter(mn_dnnl *s, const modnas_tdesc *t, int32_t groups, dnnl_format_tag_t dense,
                               dnnl_format_tag_t grouped, dnnl_memory_desc_t *md) {
    dnnl_dims_t dims;
    dims_of(t, dims);
    if (groups <= 1) return md_tag(s, 4, dims, dense, md);
    const dnnl_dims_t split = {groups, dims[0] / groups, dims[1], dims[2], dims[3]};
    return md_tag(s, 5, split, grouped, md);
}

dnnl_status_t mn_dnnl_md_weights(mn_dnnl *s, const modnas_tdesc *t, int32_t groups, dnnl_memory_desc_t *md) {
    if (t->layout < MN_DNNL_LAYOUT_WEIGHTS) return md_filter(s, t, groups, dnnl_oihw, dnnl_goihw, md);
    return counted(s, onednn.memory_desc_clone(md, s->layouts.md[t->layout - MN_DNNL_LAYOUT_WEIGHTS]));
}

dnnl_status_t mn_dnnl_md_weights_any(mn_dnnl *s, const modnas_tdesc *t, int32_t groups, dnnl_memory_desc_t *md) {
    return md_filter(s, t, groups, dnnl_format_tag_any, dnnl_format_tag_any, md);
}

dnnl_status_t mn_dnnl_md_weights_depthwise(mn_dnnl *s, const modnas_tdesc *t, int32_t groups, dnnl_memory_desc_t *md) {
    return md_filter(s, t, groups, dnnl_oihw, s->simd->block == 16 ? dnnl_Goihw16g : dnnl_Goihw8g, md);
}

dnnl_status_t mn_dnnl_md_weights_tiled(mn_dnnl *s, const modnas_tdesc *t, dnnl_memory_desc_t *md) {
    return md_filter(s, t, 1, s->simd->block == 16 ? dnnl_OIhw16i16o : dnnl_OIhw8i8o, dnnl_format_tag_undef, md);
}

/* ---- the table ---- */

int32_t mn_dnnl_layout_find(const mn_dnnl *s, const mn_dnnl_geometry *g) {
    const mn_dnnl_layouts *l = &s->layouts;
    for (int32_t i = 0; i < l->n_wants; i++)
        if (memcmp(&l->wants[i].geometry, g, sizeof *g) == 0) return l->wants[i].layout;
    return -1;
}

/* One more element of an array that grows by doubling at powers of two; NULL when out of memory. */
static void *grown(mn_dnnl *s, void *array, int32_t n, size_t elem) {
    if ((n & (n - 1)) != 0) return array; /* room up to the next power of two */
    void *larger = mn_dnnl_alloc(s, (size_t)(n ? 2 * n : 1) * elem);
    if (!larger) return NULL;
    if (n) memcpy(larger, array, (size_t)n * elem);
    if (array) s->host.free(s->host.host, array);
    return larger;
}

static dnnl_status_t intern(mn_dnnl *s, const_dnnl_memory_desc_t md, int32_t *layout) {
    mn_dnnl_layouts *l = &s->layouts;
    int32_t i = 0;
    while (i < l->n_md && !dnnl_memory_desc_equal(l->md[i], md)) i++;
    if (i == l->n_md) {
        dnnl_memory_desc_t *larger = grown(s, l->md, l->n_md, sizeof *l->md);
        if (!larger) return dnnl_out_of_memory;
        l->md = larger;
        const dnnl_status_t status = counted(s, onednn.memory_desc_clone(&l->md[i], md));
        if (status != dnnl_success) return status;
        l->n_md++;
    }
    *layout = MN_DNNL_LAYOUT_WEIGHTS + i;
    return dnnl_success;
}

dnnl_status_t mn_dnnl_layout_remember(mn_dnnl *s, const mn_dnnl_geometry *g, const modnas_tdesc *t,
                                      const_dnnl_memory_desc_t md, int32_t *layout) {
    mn_dnnl_layouts *l = &s->layouts;
    struct mn_dnnl_want *larger = grown(s, l->wants, l->n_wants, sizeof *l->wants);
    if (!larger) return dnnl_out_of_memory;
    l->wants = larger;
    dnnl_memory_desc_t plain;
    const modnas_tdesc dense = {{t->dims[0], t->dims[1], t->dims[2], t->dims[3]}, MODNAS_LAYOUT_PLAIN, MODNAS_F32};
    dnnl_status_t status = mn_dnnl_md_weights(s, &dense, g->groups, &plain);
    if (status != dnnl_success) return status;
    *layout = MODNAS_LAYOUT_PLAIN;
    if (!dnnl_memory_desc_equal(plain, md)) status = intern(s, md, layout);
    dnnl_memory_desc_destroy(plain);
    if (status == dnnl_success) l->wants[l->n_wants++] = (struct mn_dnnl_want){*g, *layout};
    return status;
}

void mn_dnnl_layouts_free(mn_dnnl *s) {
    mn_dnnl_layouts *l = &s->layouts;
    for (int32_t i = 0; i < l->n_md; i++) dnnl_memory_desc_destroy(l->md[i]);
    if (l->md) s->host.free(s->host.host, l->md);
    if (l->wants) s->host.free(s->host.host, l->wants);
}

/* ---- questions about tensors ---- */

int mn_dnnl_layout_is_weights(const mn_dnnl *s, const modnas_tdesc *t, int32_t groups) {
    if (t->dtype != MODNAS_F32) return 0;
    if (t->layout == MODNAS_LAYOUT_PLAIN) return 1;
    if (t->layout < MN_DNNL_LAYOUT_WEIGHTS || t->layout >= MN_DNNL_LAYOUT_WEIGHTS + s->layouts.n_md) return 0;
    const_dnnl_memory_desc_t md = s->layouts.md[t->layout - MN_DNNL_LAYOUT_WEIGHTS];
    int n = 0;
    dnnl_dims_t *dims = NULL;
    if (dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &n) != dnnl_success) return 0;
    if (dnnl_memory_desc_query(md, dnnl_query_dims, &dims) != dnnl_success) return 0;
    const int64_t *last = &(*dims)[n - 4]; /* the group, if it is a dim of its own, comes first */
    const int64_t out = n == 5 ? (*dims)[0] * last[0] : last[0];
    return n == (groups > 1 ? 5 : 4) && out == t->dims[0] && memcmp(last + 1, t->dims + 1, 3 * sizeof *last) == 0;
}

/* A descriptor of blocks, taken apart. */
typedef struct blocking {
    int n, n_inner; /* dims; inner blocks, the outermost first */
    const dnnl_dims_t *strides, *sizes, *dims_of; /* of outer blocks; of inner blocks, and the dim each is of */
} blocking;

static int blocking_of(const_dnnl_memory_desc_t md, blocking *b) {
    dnnl_format_kind_t kind;
    return dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind) == dnnl_success && kind == dnnl_blocked &&
           dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &b->n) == dnnl_success &&
           dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &b->n_inner) == dnnl_success &&
           dnnl_memory_desc_query(md, dnnl_query_strides, &b->strides) == dnnl_success &&
           dnnl_memory_desc_query(md, dnnl_query_inner_blks, &b->sizes) == dnnl_success &&
           dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &b->dims_of) == dnnl_success;
}

/* What index i of a dim adds: its outer block's stride, and digit by digit its place in the inner blocks. */
static int64_t place_of(const blocking *b, int dim, int64_t i) {
    int64_t at = 0, step = 1;
    for (int k = b->n_inner; k-- > 0; step *= (*b->sizes)[k]) {
        if ((*b->dims_of)[k] != dim) continue;
        at += i % (*b->sizes)[k] * step;
        i /= (*b->sizes)[k];
    }
    return at + i * (*b->strides)[dim];
}

int mn_dnnl_layout_places(mn_dnnl *s, const modnas_tdesc *t, int64_t *const at[4]) {
    dnnl_memory_desc_t own = NULL;
    dnnl_dims_t *dims = NULL;
    blocking b;
    if (t->layout == MODNAS_LAYOUT_PLAIN && mn_dnnl_md_weights(s, t, 1, &own) != dnnl_success) return 0;
    const const_dnnl_memory_desc_t md = own ? own : s->layouts.md[t->layout - MN_DNNL_LAYOUT_WEIGHTS];
    const int fits = blocking_of(md, &b) && dnnl_memory_desc_query(md, dnnl_query_dims, &dims) == dnnl_success;
    const int grouped = fits && b.n == 5;
    const int64_t each = grouped ? (*dims)[1] : 1; /* outputs of a group */
    for (int64_t o = 0; fits && o < t->dims[0]; o++)
        at[0][o] = grouped ? place_of(&b, 0, o / each) + place_of(&b, 1, o % each) : place_of(&b, 0, o);
    for (int d = 1; fits && d < 4; d++)
        for (int64_t i = 0; i < t->dims[d]; i++) at[d][i] = place_of(&b, d + grouped, i);
    if (own) dnnl_memory_desc_destroy(own);
    return fits;
}

int64_t mn_dnnl_floats(const mn_dnnl *s, const modnas_tdesc *t) {
    const int64_t channels =
        t->layout == MODNAS_LAYOUT_BLOCKED ? mn_dnnl_blocks(s, t->dims[1]) * s->simd->block : t->dims[1];
    return t->dims[0] * channels * t->dims[2] * t->dims[3];
}

size_t mn_dnnl_layout_bytes(const mn_dnnl *s, const modnas_tdesc *t, int32_t groups) {
    static const size_t width[] = {[MODNAS_F32] = 4, [MODNAS_F64] = 8, [MODNAS_I32] = 4, [MODNAS_U8] = 1};
    if (t->dtype < 0 || (size_t)t->dtype >= sizeof width / sizeof width[0]) return 0;
    if (t->layout == MODNAS_LAYOUT_PLAIN || (t->layout == MODNAS_LAYOUT_BLOCKED && groups == 0))
        return (size_t)mn_dnnl_floats(s, t) * width[t->dtype];
    if (t->layout < MN_DNNL_LAYOUT_WEIGHTS || !mn_dnnl_layout_is_weights(s, t, groups)) return 0;
    return dnnl_memory_desc_get_size(s->layouts.md[t->layout - MN_DNNL_LAYOUT_WEIGHTS]);
}

int mn_dnnl_is_activation(const modnas_tdesc *t) {
    return t->dtype == MODNAS_F32 && (t->layout == MODNAS_LAYOUT_PLAIN || t->layout == MODNAS_LAYOUT_BLOCKED);
}

int mn_dnnl_same_dims(const modnas_tdesc *a, const modnas_tdesc *b) {
    return memcmp(a->dims, b->dims, sizeof a->dims) == 0;
}

void mn_dnnl_clear_padding(const mn_dnnl *s, const modnas_tdesc *t, float *y) {
    const int64_t block = s->simd->block, used = t->dims[1] % block, hw = t->dims[2] * t->dims[3];
    if (t->layout != MODNAS_LAYOUT_BLOCKED || used == 0) return;
    for (int64_t n = 0; n < t->dims[0]; n++) {
        float *plane = y + ((n + 1) * mn_dnnl_blocks(s, t->dims[1]) - 1) * hw * block;
        for (int64_t i = 0; i < hw; i++) memset(plane + i * block + used, 0, (size_t)(block - used) * sizeof *y);
    }
}
