/* Vectors: contiguous elements of one size, grown by half so that appending costs amortised constant time. */
#include <string.h>

#include "base/base.h"

void mn_vec_init(mn_vec *v, size_t elem) {
    *v = (mn_vec){.elem = elem};
}

void mn_vec_free(modnas_ctx *ctx, mn_vec *v) {
    mn_free(ctx, v->data);
    mn_vec_init(v, v->elem);
}

void *mn_vec_push(modnas_ctx *ctx, mn_vec *v, const void *src, size_t n) {
    if (n > v->cap - v->n) {
        size_t cap = v->cap + v->cap / 2;
        if (cap < 8) cap = 8;
        if (cap < v->n + n) cap = v->n + n;
        void *data = mn_realloc(ctx, v->data, cap, v->elem);
        if (!data) return NULL;
        v->data = data;
        v->cap = cap;
    }
    char *at = (char *)v->data + v->n * v->elem;
    if (src && n) memcpy(at, src, n * v->elem);
    if (!src) memset(at, 0, n * v->elem);
    v->n += n;
    return at;
}

void mn_vec_remove(mn_vec *v, size_t i) {
    char *at = (char *)v->data + i * v->elem;
    memmove(at, at + v->elem, (v->n - i - 1) * v->elem);
    v->n--;
}
