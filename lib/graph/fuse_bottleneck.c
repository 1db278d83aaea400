/* Fusion of the wide part of inverted residual blocks (Sandler et al., MobileNetV2, 2018):
 *
 *   [conv 1x1 -> batch_norm, act ->] depthwise conv -> batch_norm, act -> conv 1x1                    in training
 *   the same with all batch norms in the convolutions, -> batch_norm [-> add(., r)] behind the last   in inference
 *
 * become one vertex, if the backend has a kernel for it: the tensors between these operators are several times as wide
 * as those at the ends, and such a kernel need not write all of them. The last convolution survives as the whole.
 *
 * The search starts at a depthwise convolution and looks both ways. */
#include "graph/run.h"

/* A parameter or a part of one. */
static int is_param(mn_run *run, const mn_value *v) {
    return v && mn_weights_layout(run, v) >= 0;
}

/* Batch norm with the statistics of the batch and nothing else in it than an activation. */
static int is_plain_norm(mn_run *run, const mn_vertex *x) {
    return x && !x->dead && x->op == &mn_op_batch_norm && !x->u.bn.o.freeze && !x->residual &&
           is_param(run, mn_src(run, x, 1)) && is_param(run, mn_src(run, x, 2));
}

static int is_plain_conv(mn_run *run, const mn_vertex *x) {
    return x && !x->dead && x->op == &mn_op_conv2d && !mn_src(run, x, 2) && mn_conv_weights_rest(run, x);
}

static int is_pointwise(mn_run *run, const mn_vertex *x) {
    if (!is_plain_conv(run, x)) return 0;
    const mn_conv_opts *o = &x->u.conv;
    const int64_t *w = mn_src(run, x, 1)->dims;
    return w[2] == 1 && w[3] == 1 && o->groups == 1 && o->stride[0] == 1 && o->stride[1] == 1 &&
           !(o->pad[0] | o->pad[1] | o->pad[2] | o->pad[3]);
}

static int is_depthwise(mn_run *run, const mn_vertex *x) {
    return is_plain_conv(run, x) && x->u.conv.groups > 1 && mn_src(run, x, 0)->dims[1] == x->u.conv.groups &&
           x->dst->dims[1] == x->u.conv.groups;
}

/* The vertex that made what `reader` reads first, if it may vanish into `reader`. */
static mn_vertex *sole_producer(mn_run *run, const mn_vertex *reader) {
    const mn_value *v = mn_src(run, reader, 0);
    if (v->producer < 0) return NULL;
    mn_vertex *x = mn_vertex_at(run, v->producer);
    return x->out == v && mn_sole_reader(run, x, v) == reader ? x : NULL;
}

/* The expansion before the depthwise convolution, if there is one with the same activation behind it. */
static void find_expansion(mn_run *run, const mn_vertex *depthwise, mn_vertex *whole) {
    whole->u.bottleneck.expand = whole->u.bottleneck.norm1 = -1;
    const mn_vertex *norm = sole_producer(run, depthwise);
    if (!is_plain_norm(run, norm) || norm->act != whole->act) return;
    const mn_vertex *expand = sole_producer(run, norm);
    if (!is_pointwise(run, expand)) return;
    whole->u.bottleneck.expand = expand->index;
    whole->u.bottleneck.norm1 = norm->index;
}

/* The bottleneck around a depthwise convolution as the vertex that it would be; 0 if there is none. */
static int find(mn_run *run, const mn_vertex *depthwise, mn_vertex *whole) {
    if (depthwise->dead || !is_depthwise(run, depthwise)) return 0;
    const mn_vertex *norm = mn_sole_reader(run, depthwise, depthwise->dst);
    if (!is_plain_norm(run, norm)) return 0;
    const mn_vertex *project = mn_sole_reader(run, norm, norm->out);
    if (!is_pointwise(run, project)) return 0;
    *whole = *project;
    whole->op = &mn_op_bottleneck;
    whole->act = norm->act;
    whole->u.bottleneck.depthwise = depthwise->index;
    whole->u.bottleneck.norm2 = norm->index;
    find_expansion(run, depthwise, whole);
    return 1;
}

/* ---- inference: fuse.c has put batch norms into convolutions ---- */

static int has_norm(mn_run *run, const mn_vertex *x) {
    return x->fold && is_param(run, mn_src(run, x->fold, 1)) && is_param(run, mn_src(run, x->fold, 2));
}

static void find_folded_expansion(mn_run *run, const mn_vertex *depthwise, mn_vertex *whole) {
    const mn_vertex *expand = sole_producer(run, depthwise);
    whole->u.bottleneck.expand = whole->u.bottleneck.norm1 = -1;
    if (!is_pointwise(run, expand) || !has_norm(run, expand) || expand->residual || expand->act != whole->act) return;
    whole->u.bottleneck.expand = expand->index;
    whole->u.bottleneck.norm1 = expand->fold->index;
}

static int find_folded(mn_run *run, const mn_vertex *depthwise, mn_vertex *whole) {
    if (depthwise->dead || !is_depthwise(run, depthwise) || !has_norm(run, depthwise) || depthwise->residual) return 0;
    const mn_vertex *project = mn_sole_reader(run, depthwise, depthwise->out);
    if (!is_pointwise(run, project) || !has_norm(run, project) || project->act != MODNAS_ACT_NONE) return 0;
    *whole = *project;
    whole->op = &mn_op_bottleneck;
    whole->act = depthwise->act;
    whole->u.bottleneck.depthwise = depthwise->index;
    whole->u.bottleneck.norm2 = depthwise->fold->index;
    find_folded_expansion(run, depthwise, whole);
    return 1;
}

int mn_fuse_bottlenecks(mn_run *run) {
    for (size_t i = 0; i < run->vertices.n; i++) {
        mn_vertex whole;
        modnas_kernel k;
        const mn_vertex *x = mn_vertex_at(run, (int32_t)i);
        if (!(x->fold ? find_folded(run, x, &whole) : run->opts.train && find(run, x, &whole))) continue;
        mn_bottleneck_kernel(run, &whole, MODNAS_FORWARD, &k);
        const int has = mn_backend_supports(run->backend, &k);
        if (has < 0) return has;
        if (!has) continue;
        *mn_vertex_at(run, whole.index) = whole;
        const int32_t gone[] = {whole.u.bottleneck.expand, whole.u.bottleneck.norm1, whole.u.bottleneck.depthwise,
                                whole.u.bottleneck.norm2};
        for (size_t j = 0; j < MN_COUNT(gone); j++)
            if (gone[j] >= 0) mn_vertex_at(run, gone[j])->dead = 1;
    }
    return 0;
}
