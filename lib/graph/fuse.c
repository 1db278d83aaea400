/* Fusion: which vertices become one kernel.
 *
 *   batch_norm -> relu | relu6 | hard_swish     one kernel, both passes
 *   batch_norm -> add(., r) [-> relu | relu6]   one kernel, if r exists by then
 *   conv2d -> batch_norm (...)                  one kernel when nothing is differentiated and running statistics are used
 *   the wide part of an inverted residual block in training: one kernel where the backend has it (fuse_bottleneck.c)
 *
 * A vertex that is fused away is dead; the surviving one writes the value of the last. Only values with a single reader that nobody
 * keeps may vanish. */
#include "graph/run.h"

mn_vertex *mn_sole_reader(mn_run *run, const mn_vertex *from, const mn_value *v) {
    if (v->n_uses != 1 || v->keep) return NULL;
    mn_vertex *x = mn_vertex_at(run, v->reader);
    return x->dead || x->frozen != from->frozen ? NULL : x;
}

static void absorb(mn_vertex *x, mn_vertex *gone) {
    gone->dead = 1;
    x->out = gone->dst;
    x->out->producer = x->index;
}

/* The backward of batch norm finds the slope of relu and relu6 in y, that of hard-swish in x alone: not with a residual. */
static int is_fusable(const mn_vertex *x, int32_t act) {
    return act == MODNAS_ACT_RELU || act == MODNAS_ACT_RELU6 || (act == MODNAS_ACT_HARD_SWISH && !x->residual);
}

static int absorb_activation(mn_run *run, mn_vertex *x) {
    mn_vertex *y = mn_sole_reader(run, x, x->out);
    if (!y || y->op != &mn_op_activation || !is_fusable(x, y->u.act.act)) return 0;
    x->act = y->u.act.act;
    absorb(x, y);
    return 1;
}

static void absorb_residual(mn_run *run, mn_vertex *x) {
    mn_vertex *y = mn_sole_reader(run, x, x->out);
    if (!y || y->op != &mn_op_add) return;
    mn_value *a = mn_src(run, y, 0), *b = mn_src(run, y, 1), *r = a == x->out ? b : a;
    if (r == x->out || r->producer >= x->index) return;
    x->residual = r;
    absorb(x, y);
}

static void fold_batch_norm(mn_run *run, mn_vertex *x) {
    if (run->opts.grads) return;
    mn_vertex *bn = mn_sole_reader(run, x, x->dst);
    if (!bn || bn->op != &mn_op_batch_norm || (run->opts.train && !bn->u.bn.o.freeze)) return;
    if (bn->residual && bn->residual->producer >= x->index) return;
    x->fold = bn;
    x->act = bn->act;
    x->residual = bn->residual;
    mn_value *out = bn->out;
    absorb(x, bn);
    x->out = out;
    out->producer = x->index;
}

int mn_fuse(mn_run *run) {
    for (size_t i = 0; i < run->vertices.n; i++) {
        mn_vertex *x = mn_vertex_at(run, (int32_t)i);
        if (x->dead || x->op != &mn_op_batch_norm) continue;
        if (absorb_activation(run, x)) continue;
        absorb_residual(run, x);
        if (x->residual) absorb_activation(run, x);
    }
    for (size_t i = 0; i < run->vertices.n; i++) {
        mn_vertex *x = mn_vertex_at(run, (int32_t)i);
        if (!x->dead && x->op == &mn_op_conv2d) fold_batch_norm(run, x);
    }
    return mn_fuse_bottlenecks(run);
}
