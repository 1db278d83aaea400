/* Copy of a box of weights: what elastic layers take out of the weights of the whole, and put back as gradients.
 *
 * A weight's place is the sum of what its four indices add (layout.h). Outputs that follow one another in both tensors
 * are a run, as long as a block as a rule; runs go over inputs, rows and columns of the window in the order in which
 * they lie in memory. */
#include "backend/dnnl/copy_weights.h"

#include <string.h>

#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"

typedef struct run_of_outputs {
    int64_t from, to, n;
} run_of_outputs;

struct mn_dnnl_weights_copy {
    int64_t n_runs, n_steps, floats;
    run_of_outputs *runs;
    int64_t *from, *to; /* offsets of each step: an input, a row and a column of the window */
};

int mn_dnnl_weights_copy_supports(mn_dnnl *s, const modnas_kernel *k) {
    for (int i = 0; i < 4; i++)
        if (k->u.box.src_step[i] != 1 || k->u.box.dst_step[i] != 1) return 0;
    const modnas_tdesc *t[] = {&k->src, &k->dst};
    for (int i = 0; i < 2; i++)
        if (!mn_dnnl_layout_is_weights(s, t[i], 1) && !mn_dnnl_layout_is_weights(s, t[i], 2)) return 0;
    return 1;
}

/* Tables of one tensor, one after another in `room`. */
static int places(mn_dnnl *s, const modnas_tdesc *t, int64_t *room, int64_t *at[4]) {
    for (int i = 0; i < 4; i++) {
        at[i] = room;
        room += t->dims[i];
    }
    return mn_dnnl_layout_places(s, t, at);
}

static int64_t n_places(const modnas_tdesc *t) {
    return t->dims[0] + t->dims[1] + t->dims[2] + t->dims[3];
}

static void make_runs(mn_dnnl_weights_copy *p, const modnas_box *b, int64_t *const src[4], int64_t *const dst[4]) {
    for (int32_t o = 0; o < b->count[0]; o++) {
        const int64_t from = src[0][b->src_start[0] + o], to = dst[0][b->dst_start[0] + o];
        run_of_outputs *last = p->n_runs ? &p->runs[p->n_runs - 1] : NULL;
        if (last && from == last->from + last->n && to == last->to + last->n)
            last->n++;
        else
            p->runs[p->n_runs++] = (run_of_outputs){from, to, 1};
    }
}

static void make_steps(mn_dnnl_weights_copy *p, const modnas_box *b, int64_t *const src[4], int64_t *const dst[4]) {
    int64_t n = 0;
    for (int32_t i = 0; i < b->count[1]; i++)
        for (int32_t h = 0; h < b->count[2]; h++)
            for (int32_t w = 0; w < b->count[3]; w++, n++) {
                p->from[n] = src[1][b->src_start[1] + i] + src[2][b->src_start[2] + h] + src[3][b->src_start[3] + w];
                p->to[n] = dst[1][b->dst_start[1] + i] + dst[2][b->dst_start[2] + h] + dst[3][b->dst_start[3] + w];
            }
}

int mn_dnnl_weights_copy_new(mn_dnnl *s, const modnas_kernel *k, mn_dnnl_weights_copy **out) {
    const modnas_box *b = &k->u.box;
    const int64_t steps = (int64_t)b->count[1] * b->count[2] * b->count[3];
    const size_t head = sizeof(mn_dnnl_weights_copy) + (size_t)b->count[0] * sizeof(run_of_outputs);
    mn_dnnl_weights_copy *p = mn_dnnl_alloc(s, head + 2 * (size_t)steps * sizeof(int64_t));
    if (!p) return MODNAS_ENOMEM;
    int64_t *src[4], *dst[4], *room = mn_dnnl_alloc(s, (size_t)(n_places(&k->src) + n_places(&k->dst)) * sizeof *room);
    memset(p, 0, sizeof *p);
    p->runs = (run_of_outputs *)(p + 1);
    p->from = (int64_t *)((char *)p + head);
    p->to = p->from + steps;
    p->n_steps = steps;
    p->floats = steps * b->count[0];
    int rc = room ? 0 : MODNAS_ENOMEM;
    if (!rc && (!places(s, &k->src, room, src) || !places(s, &k->dst, room + n_places(&k->src), dst)))
        rc = mn_dnnl_fail(s, MODNAS_EUNSUPPORTED, "copy of weights: layout %d to %d", (int)k->src.layout, (int)k->dst.layout);
    if (!rc) make_runs(p, b, src, dst);
    if (!rc) make_steps(p, b, src, dst);
    if (room) s->host.free(s->host.host, room);
    if (rc)
        s->host.free(s->host.host, p);
    else
        *out = p;
    return rc;
}

typedef struct job {
    const mn_dnnl_weights_copy *p;
    const float *x;
    float *y;
} job;

#define MOVE_FN static inline __attribute__((always_inline)) void
MOVE_FN move_run(const mn_dnnl_weights_copy *p, const float *x, float *y, int64_t first, int64_t end, size_t n) {
    for (int64_t i = first; i < end; i++) memcpy(y + p->to[i], x + p->from[i], n * sizeof *y);
}

/* Steps of all runs are shared out; lengths of a block are constants where they are moved. */
static void copy_part(const void *data, int32_t part, int32_t parts) {
    const job *j = data;
    const mn_dnnl_weights_copy *p = j->p;
    const int64_t steps = p->n_steps;
    int64_t at, end;
    mn_dnnl_range(p->n_runs * steps, 1, part, parts, &at, &end);
    while (at < end) {
        const run_of_outputs *r = &p->runs[at / steps];
        const int64_t first = at % steps, left = end - at, last = steps - first < left ? steps : first + left;
        if (r->n == 16)
            move_run(p, j->x + r->from, j->y + r->to, first, last, 16);
        else if (r->n == 8)
            move_run(p, j->x + r->from, j->y + r->to, first, last, 8);
        else
            move_run(p, j->x + r->from, j->y + r->to, first, last, (size_t)r->n);
        at += last - first;
    }
}

int mn_dnnl_weights_copy_run(mn_dnnl *s, const mn_dnnl_weights_copy *p, const float *x, float *y) {
    mn_dnnl_parallel(mn_dnnl_parts(s, 2 * p->floats * (int64_t)sizeof(float)), copy_part, &(job){p, x, y});
    return 0;
}
