/* A model as an ONNX file: recorded, made into a graph, checked, written. */
#include "export/onnx.h"

#include <math.h>
#include <string.h>

#include "export/net.h"
#include "export/onnx_graph.h"

/* ---- options ------------------------------------------------------------------------------------------- */

static int check_normalisation(const mn_model *m, const modnas_onnx_opts *o, int32_t channels) {
    if (!o->mean != !o->stddev)
        return mn_fail(m->ctx, MODNAS_EINVAL, "ONNX: %s is given without %s", o->mean ? "mean" : "stddev",
                       o->mean ? "stddev" : "mean");
    for (int32_t i = 0; o->mean && i < channels; i++)
        if (!isfinite(o->mean[i]) || !isfinite(o->stddev[i]) || !(o->stddev[i] > 0))
            return mn_fail(m->ctx, MODNAS_EINVAL, "ONNX: channel %d has the mean %g and the deviation %g", i, o->mean[i],
                           o->stddev[i]);
    return 0;
}

static int check_options(const mn_model *m, const modnas_onnx_opts *o, int32_t channels) {
    if (o->opset < MN_ONNX_OPSET_LEAST || o->opset > MN_ONNX_OPSET_MOST)
        return mn_fail(m->ctx, MODNAS_EINVAL, "ONNX: opset %d; %d to %d are possible", o->opset, MN_ONNX_OPSET_LEAST,
                       MN_ONNX_OPSET_MOST);
    if (o->batch < 0 || o->batch > 65536)
        return mn_fail(m->ctx, MODNAS_EINVAL, "ONNX: a batch of %d images; 1 to 65536, or 0 for any", o->batch);
    for (int32_t i = 0; o->class_names && i < m->n_classes; i++)
        if (!o->class_names[i])
            return mn_fail(m->ctx, MODNAS_EINVAL, "ONNX: class %d of %d has no name", i, m->n_classes);
    for (int i = 0; o->metadata && o->metadata[i]; i += 2)
        if (!o->metadata[i + 1])
            return mn_fail(m->ctx, MODNAS_EINVAL, "ONNX: '%.80s' of the metadata has no value", o->metadata[i]);
    return check_normalisation(m, o, channels);
}

/* ---- recording ----------------------------------------------------------------------------------------- */

static int record(const mn_onnx *g, int32_t n, mn_run **run, mn_value **x, mn_value **logits, mn_vec *views) {
    mn_model *m = g->model;
    MN_TRY(mn_run_new(m->backend, m->dtype, m->slab, run));
    MN_TRY(mn_model_record(m, *run, g->chw, n, x, logits));
    return mn_run_view(*run, *logits, views);
}

/* Sizes that grow with the number of images: it is the first one alone, or 0 is the answer. */
static int is_batch(const mn_value *a, const mn_value *b, int64_t n, int64_t m) {
    return a->dims[0] == n && b->dims[0] == m;
}

static int same_constant(const mn_onnx *g, const mn_run *other, const mn_value *a, const mn_value *b) {
    const double *x = mn_run_constant(g->run, a), *y = mn_run_constant(other, b);
    const size_t n = (size_t)(a->dims[0] * a->dims[1] * a->dims[2] * a->dims[3]);
    if (!x && !y) return 1;
    return x && y && memcmp(a->dims, b->dims, sizeof a->dims) == 0 && memcmp(x, y, n * sizeof *x) == 0;
}

/* a was recorded on n images, b on more: what may differ is the first size of values. */
static void compare(mn_onnx *g, const mn_run *other, const mn_view *a, const mn_view *b, int64_t n, int64_t more) {
    const int boxed = strcmp(a->op, "slice") == 0 || strcmp(a->op, "pad") == 0;
    int same = strcmp(a->op, b->op) == 0 && a->n_src == b->n_src;
    g->at = a;
    for (int32_t i = 0; same && i < a->n_src; i++)
        same = !a->src[i] == !b->src[i] && (!a->src[i] || same_constant(g, other, a->src[i], b->src[i]));
    if (same && boxed) same = a->u->box.start[0] == b->u->box.start[0];
    if (same && memcmp(a->dst->dims + 1, b->dst->dims + 1, 3 * sizeof a->dst->dims[0]) != 0) same = 0;
    if (same && a->dst->dims[0] != b->dst->dims[0]) {
        same = is_batch(a->dst, b->dst, n, more);
        mn_onnx_value_of(g, a->dst)->batched = same;
    }
    if (!same) mn_onnx_refuse(g, "it hangs on the number of images other than by its first size: say how many (batch)");
}

/* Which values have the number of images as their first size, found out with another number. */
static void find_batched(mn_onnx *g, int32_t n) {
    mn_run *run = NULL;
    mn_value *x, *logits;
    mn_vec views;
    mn_vec_init(&views, sizeof(mn_view));
    g->rc = record(g, n + 1, &run, &x, &logits, &views);
    if (!g->rc && views.n != g->views.n) mn_onnx_refuse(g, "another number of images is another network: say how many (batch)");
    for (size_t i = 0; i < views.n && !g->rc; i++)
        compare(g, run, &MN_AT(g->views, mn_view, i), &MN_AT(views, mn_view, i), n, n + 1);
    g->at = NULL;
    mn_vec_free(g->ctx, &views);
    mn_run_free(run);
}

static void look(mn_onnx *g) {
    const int32_t n = g->o->batch ? g->o->batch : 2;
    g->rc = record(g, n, &g->run, &g->x, &g->logits, &g->views);
    if (g->rc) return;
    g->values = mn_onnx_alloc(g, mn_run_n_vertices(g->run), sizeof *g->values);
    g->readers = mn_onnx_alloc(g, mn_run_n_vertices(g->run), sizeof *g->readers);
    if (g->rc) return;
    for (size_t i = 0; i < g->views.n; i++) {
        const mn_view *x = &MN_AT(g->views, mn_view, i);
        for (int32_t k = 0; k < x->n_src; k++)
            if (x->src[k] && x->src[k]->producer >= 0) g->readers[x->src[k]->producer]++;
    }
    g->input.batched = !g->o->batch;
    if (!g->o->batch) find_batched(g, n);
}

/* ---- the graph ----------------------------------------------------------------------------------------- */

/* Pixels as the file takes them become what the network is fed with. */
static void feed(mn_onnx *g) {
    static const mn_onnx_attr cast[] = {MN_ONNX_INT("to", MN__TENSOR_PROTO__DATA_TYPE__FLOAT), MN_ONNX_END},
                              perm[] = {{"perm", 4, {0, 3, 1, 2}, 0}, MN_ONNX_END};
    const modnas_onnx_opts *o = g->o;
    const int64_t n = g->chw[0], dims[4] = {1, n, 1, 1};
    const char *v = mn_onnx_name(g, MN_ONNX_INPUT);
    double *scale = mn_onnx_alloc(g, (size_t)n, sizeof *scale), *shift = mn_onnx_alloc(g, (size_t)n, sizeof *shift);
    for (int64_t i = 0; scale && shift && i < n; i++) {
        scale[i] = (o->bytes ? 1.0 / 255 : 1) / (o->stddev ? o->stddev[i] : 1);
        if (o->mean) shift[i] = -o->mean[i] / o->stddev[i];
    }
    if (g->rc) return;
    if (o->bytes) v = mn_onnx_node1(g, "Cast", v, cast);
    if (o->channels_last) v = mn_onnx_node1(g, "Transpose", v, perm);
    if (o->bytes || o->mean) v = mn_onnx_node2(g, "Mul", v, mn_onnx_floats(g, "input.scale", dims, 4, scale), NULL);
    if (o->mean) v = mn_onnx_node2(g, "Add", v, mn_onnx_floats(g, "input.shift", dims, 4, shift), NULL);
    mn_onnx_set(g, g->x, MN_ONNX_FULL, v);
}

static int is_made(const mn_onnx *g, const char *name) {
    for (size_t i = 0; i < g->nodes.n; i++)
        if (MN_AT(g->nodes, Mn__NodeProto *, i)->output[0] == name) return 1;
    return 0;
}

/* The result gets its own name, everywhere. */
static void finish(mn_onnx *g) {
    const int64_t *d = g->logits->dims;
    const char *v = mn_onnx_get(g, g->logits, d[2] == 1 && d[3] == 1 ? MN_ONNX_FLAT : MN_ONNX_FULL);
    if (!g->rc && !is_made(g, v)) v = mn_onnx_node1(g, "Identity", v, NULL);
    for (size_t i = 0; i < g->nodes.n && !g->rc; i++) {
        Mn__NodeProto *node = MN_AT(g->nodes, Mn__NodeProto *, i);
        for (size_t k = 0; k < node->n_input; k++)
            if (node->input[k] == v) node->input[k] = (char *)MN_ONNX_OUTPUT;
        if (node->output[0] == v) node->output[0] = (char *)MN_ONNX_OUTPUT;
    }
    for (size_t i = 0; i < mn_run_n_vertices(g->run); i++)
        for (int form = 0; form < 2; form++)
            if (g->values[i].name[form] == v) g->values[i].name[form] = MN_ONNX_OUTPUT;
}

static int build(mn_onnx *g) {
    look(g);
    if (!g->rc) feed(g);
    mn_onnx_name(g, MN_ONNX_OUTPUT);
    for (size_t i = 0; i < g->views.n && !g->rc; i++) {
        g->at = &MN_AT(g->views, mn_view, i);
        mn_onnx_op(g, g->at);
    }
    if (!g->rc) finish(g);
    g->at = NULL;
    return g->rc;
}

/* ---- metadata ------------------------------------------------------------------------------------------ */

typedef struct metadata {
    mn_onnx *g;
    mn_vec pairs; /* const char *, ends with NULL */
} metadata;

static int has(const metadata *m, const char *key) {
    for (size_t i = 0; i < m->pairs.n; i += 2)
        if (strcmp(MN_AT(m->pairs, const char *, i), key) == 0) return 1;
    return 0;
}

/* What is there of that name stays. */
static int add_pair(metadata *m, const char *key, const char *value) {
    const char *const pair[] = {key, value};
    if (has(m, key)) return 0;
    return mn_vec_push(m->g->ctx, &m->pairs, pair, 2) ? 0 : MODNAS_ENOMEM;
}

/* A list in JSON: of numbers or, where texts are given, of these. */
static int add_list(metadata *m, const char *key, const double *x, const char *const *texts, int32_t n) {
    mn_str s = {.ctx = m->g->ctx};
    for (int32_t i = 0; i < n; i++) {
        mn_str_add(&s, i ? ", " : "[");
        if (texts)
            mn_str_json(&s, texts[i]);
        else
            mn_str_real(&s, x[i]);
    }
    mn_str_add(&s, "]");
    char *text = s.failed ? NULL : mn_onnx_alloc(m->g, s.n + 1, 1);
    if (text) memcpy(text, s.text, s.n + 1);
    mn_str_free(&s);
    return text ? add_pair(m, key, text) : MODNAS_ENOMEM;
}

/* The caller's first: they may say something else than would be said. */
static int describe(metadata *m, const mn_model *model) {
    const modnas_onnx_opts *o = m->g->o;
    for (int i = 0; o->metadata && o->metadata[i]; i += 2) {
        if (has(m, o->metadata[i]))
            return mn_fail(m->g->ctx, MODNAS_EINVAL, "ONNX: the metadata has '%.80s' twice", o->metadata[i]);
        MN_TRY(add_pair(m, o->metadata[i], o->metadata[i + 1]));
    }
    if (model->type) MN_TRY(add_pair(m, "model", model->type));
    MN_TRY(add_pair(m, "layout", o->channels_last ? "NHWC" : "NCHW"));
    MN_TRY(add_pair(m, "pixels", o->bytes ? "0..255" : o->mean ? "0..1" : "normalised"));
    if (o->mean) MN_TRY(add_list(m, "mean", o->mean, NULL, m->g->chw[0]));
    if (o->mean) MN_TRY(add_list(m, "std", o->stddev, NULL, m->g->chw[0]));
    if (o->class_names && model->n_classes > 0) MN_TRY(add_list(m, "class_names", NULL, o->class_names, model->n_classes));
    return mn_vec_push(m->g->ctx, &m->pairs, NULL, 1) ? 0 : MODNAS_ENOMEM;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static int write_checked(mn_onnx *g, const char *path) {
    char *bytes = NULL, sha256[65];
    size_t n;
    metadata m = {.g = g};
    mn_vec_init(&m.pairs, sizeof(const char *));
    int rc = describe(&m, g->model);
    if (!rc) rc = mn_onnx_bytes(g, m.pairs.data, &bytes, &n);
    if (!rc) rc = mn_onnx_check(g->ctx, bytes, n, path);
    if (!rc) rc = mn_file_write(g->ctx, path, bytes, n);
    if (!rc) rc = mn_net_write_sum(g->ctx, path, bytes, n, sha256);
    mn_free(g->ctx, bytes);
    mn_vec_free(g->ctx, &m.pairs);
    return rc;
}

int mn_onnx_write(mn_model *m, const modnas_onnx_opts *o, const int32_t chw[3], const char *path) {
    modnas_onnx_opts full = *o;
    mn_onnx g;
    if (!full.opset) full.opset = MN_ONNX_OPSET;
    MN_TRY(check_options(m, &full, chw[0]));
    mn_onnx_init(&g, m, &full, chw);
    int rc = build(&g);
    if (!rc) rc = write_checked(&g, path);
    mn_onnx_end(&g);
    return rc;
}
