/* The bytes of an ONNX file. Weights go straight into them: a message that held them, too, would be one more copy.
 *
 *   model   ir_version, producer | graph | opset_import, metadata_props
 *   graph   nodes, name | initialisers | input, output, value_info
 *
 * Fields of a message may come in pieces, so that what is between bars is packed by protobuf-c as a message of its own. */
#include <string.h>

#include "export/onnx_graph.h"
#include "modnas/version.h"

enum { FIELD_GRAPH = 7, FIELD_INITIALIZER = 5, FIELD_RAW_DATA = 9 };

typedef struct out {
    char *bytes; /* NULL: they are only counted */
    size_t n;
} out;

/* ---- pieces -------------------------------------------------------------------------------------------- */

static void put_message(out *o, const void *message) {
    const ProtobufCMessage *m = message;
    if (o->bytes) protobuf_c_message_pack(m, (uint8_t *)o->bytes + o->n);
    o->n += protobuf_c_message_get_packed_size(m);
}

/* What stands before `length` bytes of a field. */
static void put_field(out *o, int number, size_t length) {
    if (o->bytes) o->bytes[o->n] = (char)(number << 3 | 2);
    o->n++;
    for (;; length >>= 7) {
        if (o->bytes) o->bytes[o->n] = (char)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
        o->n++;
        if (length <= 0x7f) return;
    }
}

/* ---- initialisers -------------------------------------------------------------------------------------- */

static size_t count_of(const mn_onnx_tensor *t) {
    size_t n = 1;
    for (int32_t i = 0; i < t->rank; i++) n *= (size_t)t->dims[i];
    return n;
}

static size_t bytes_of(const mn_onnx_tensor *t) {
    return count_of(t) * (t->type == MN__TENSOR_PROTO__DATA_TYPE__INT64 ? sizeof(int64_t) : sizeof(float));
}

static int fill(const mn_onnx *g, const mn_onnx_tensor *t, char *to) {
    const size_t n = count_of(t), each = t->scale ? n / (size_t)t->dims[0] : n;
    if (!t->param) {
        memcpy(to, t->data, bytes_of(t));
        return 0;
    }
    float *x = mn_alloc(g->ctx, n, sizeof *x);
    int rc = x ? mn_param_get_f32(t->param, x) : MODNAS_ENOMEM;
    for (size_t i = 0; !rc && t->scale && i < n; i++) x[i] = (float)(x[i] * t->scale[i / each]);
    if (!rc) memcpy(to, x, n * sizeof *x);
    mn_free(g->ctx, x);
    return rc;
}

static int put_tensor(const mn_onnx *g, out *o, const mn_onnx_tensor *t) {
    Mn__TensorProto head = MN__TENSOR_PROTO__INIT;
    out size = {NULL, 0};
    head.name = (char *)t->name;
    head.data_type = t->type;
    head.n_dims = (size_t)t->rank;
    head.dims = (int64_t *)t->dims;
    put_message(&size, &head);
    put_field(&size, FIELD_RAW_DATA, bytes_of(t));
    put_field(o, FIELD_INITIALIZER, size.n + bytes_of(t));
    put_message(o, &head);
    put_field(o, FIELD_RAW_DATA, bytes_of(t));
    if (o->bytes) MN_TRY(fill(g, t, o->bytes + o->n));
    o->n += bytes_of(t);
    return 0;
}

/* ---- values -------------------------------------------------------------------------------------------- */

typedef struct info {
    Mn__ValueInfoProto value;
    Mn__TypeProto type;
    Mn__TypeProto__Tensor tensor;
    Mn__TensorShapeProto shape;
    Mn__TensorShapeProto__Dimension dims[4], *list[4];
} info;

static Mn__ValueInfoProto *info_of(mn_onnx *g, const char *name, int32_t type, const int64_t *dims, int32_t rank, int batched) {
    info *x = mn_onnx_alloc(g, 1, sizeof *x);
    if (!x) return NULL;
    mn__value_info_proto__init(&x->value);
    mn__type_proto__init(&x->type);
    mn__type_proto__tensor__init(&x->tensor);
    mn__tensor_shape_proto__init(&x->shape);
    for (int32_t i = 0; i < rank; i++) {
        mn__tensor_shape_proto__dimension__init(&x->dims[i]);
        x->list[i] = &x->dims[i];
        if (i == 0 && batched) {
            x->dims[i].value_case = MN__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            x->dims[i].dim_param = "N";
        } else {
            x->dims[i].value_case = MN__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            x->dims[i].dim_value = dims[i];
        }
    }
    x->shape.n_dim = (size_t)rank;
    x->shape.dim = x->list;
    x->tensor.elem_type = type;
    x->tensor.shape = &x->shape;
    x->type.value_case = MN__TYPE_PROTO__VALUE_TENSOR_TYPE;
    x->type.tensor_type = &x->tensor;
    x->value.name = (char *)name;
    x->value.type = &x->type;
    return &x->value;
}

/* As the network knows it: flat, (N, C H W). */
static Mn__ValueInfoProto *value_info(mn_onnx *g, const char *name, const mn_value *v, int32_t form) {
    const int64_t flat[2] = {v->dims[0], v->dims[1] * v->dims[2] * v->dims[3]};
    const int is_flat = form == MN_ONNX_FLAT;
    return info_of(g, name, MN__TENSOR_PROTO__DATA_TYPE__FLOAT, is_flat ? flat : v->dims, is_flat ? 2 : 4, mn_onnx_batched(g, v));
}

static Mn__ValueInfoProto *input_info(mn_onnx *g) {
    const int64_t *d = g->x->dims, last[4] = {d[0], d[2], d[3], d[1]};
    const int32_t type = g->o->bytes ? MN__TENSOR_PROTO__DATA_TYPE__UINT8 : MN__TENSOR_PROTO__DATA_TYPE__FLOAT;
    return info_of(g, MN_ONNX_INPUT, type, g->o->channels_last ? last : d, 4, !g->o->batch);
}

static int is_known(const Mn__GraphProto *tail, const char *name) {
    for (size_t i = 0; i < tail->n_value_info; i++)
        if (tail->value_info[i]->name == name) return 1;
    return name == NULL || strcmp(name, MN_ONNX_INPUT) == 0 || strcmp(name, MN_ONNX_OUTPUT) == 0;
}

/* Sizes of all that operators make, as they were recorded: the check finds them once more from the nodes alone. */
static void add_infos(mn_onnx *g, Mn__GraphProto *tail) {
    tail->value_info = mn_onnx_alloc(g, g->views.n, sizeof *tail->value_info);
    for (size_t i = 0; i < g->views.n && !g->rc; i++) {
        const mn_value *v = MN_AT(g->views, mn_view, i).dst;
        const mn_onnx_value *x = mn_onnx_value_of(g, v);
        const char *name = x->name[x->native];
        if (!is_known(tail, name)) tail->value_info[tail->n_value_info++] = value_info(g, name, v, x->native);
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

typedef struct parts {
    Mn__ModelProto head, tail;
    Mn__GraphProto graph_head, graph_tail;
    Mn__ValueInfoProto *input, *output;
    Mn__OperatorSetIdProto opset[2], *opsets[2];
} parts;

/* The version of the format that came with an opset. */
static int64_t ir_version(int32_t opset) {
    return opset >= 21 ? 10 : opset >= 19 ? 9 : opset >= 15 ? 8 : 7;
}

static void fill_graph(mn_onnx *g, parts *p) {
    const int64_t *d = g->logits->dims;
    mn__graph_proto__init(&p->graph_head);
    mn__graph_proto__init(&p->graph_tail);
    p->graph_head.name = g->model->type ? g->model->type : "network";
    p->graph_head.n_node = g->nodes.n;
    p->graph_head.node = g->nodes.data;
    p->input = input_info(g);
    p->output = value_info(g, MN_ONNX_OUTPUT, g->logits, d[2] == 1 && d[3] == 1 ? MN_ONNX_FLAT : MN_ONNX_FULL);
    p->graph_tail.n_input = p->graph_tail.n_output = 1;
    p->graph_tail.input = &p->input;
    p->graph_tail.output = &p->output;
    add_infos(g, &p->graph_tail);
}

static void fill_model(mn_onnx *g, parts *p, const char *const *metadata) {
    size_t n = 0;
    mn__model_proto__init(&p->head);
    mn__model_proto__init(&p->tail);
    p->head.ir_version = ir_version(g->opset);
    p->head.producer_name = "modnas";
    p->head.producer_version = (char *)modnas_version();
    for (int i = 0; i < 2; i++) {
        mn__operator_set_id_proto__init(&p->opset[i]);
        p->opsets[i] = &p->opset[i];
    }
    p->opset[0].version = g->opset;
    p->opset[1].domain = (char *)MN_ONNX_DOMAIN;
    p->opset[1].version = 1;
    p->tail.n_opset_import = g->customs ? 2 : 1;
    p->tail.opset_import = p->opsets;
    while (metadata[2 * n]) n++;
    p->tail.metadata_props = mn_onnx_alloc(g, n, sizeof *p->tail.metadata_props);
    for (size_t i = 0; i < n && !g->rc; i++) {
        Mn__StringStringEntryProto *e = mn_onnx_alloc(g, 1, sizeof *e);
        if (!e) return;
        mn__string_string_entry_proto__init(e);
        e->key = (char *)metadata[2 * i];
        e->value = (char *)metadata[2 * i + 1];
        p->tail.metadata_props[p->tail.n_metadata_props++] = e;
    }
}

static int put_graph(const mn_onnx *g, const parts *p, out *o) {
    put_message(o, &p->graph_head);
    for (size_t i = 0; i < g->tensors.n; i++) MN_TRY(put_tensor(g, o, &MN_AT(g->tensors, mn_onnx_tensor, i)));
    put_message(o, &p->graph_tail);
    return 0;
}

static int put_model(const mn_onnx *g, const parts *p, out *o) {
    out graph = {NULL, 0};
    MN_TRY(put_graph(g, p, &graph));
    put_message(o, &p->head);
    put_field(o, FIELD_GRAPH, graph.n);
    if (o->bytes)
        MN_TRY(put_graph(g, p, o));
    else
        o->n += graph.n;
    put_message(o, &p->tail);
    return 0;
}

int mn_onnx_bytes(mn_onnx *g, const char *const *metadata, char **bytes, size_t *n) {
    parts *p = mn_onnx_alloc(g, 1, sizeof *p);
    out count = {NULL, 0}, all = {NULL, 0};
    if (p) fill_graph(g, p);
    if (p) fill_model(g, p, metadata);
    if (g->rc) return g->rc;
    MN_TRY(put_model(g, p, &count));
    if (count.n > INT32_MAX)
        return mn_fail(g->ctx, MODNAS_EUNSUPPORTED, "ONNX: %zu bytes; a file holds at most 2 GiB", count.n);
    all.bytes = mn_alloc(g->ctx, count.n, 1);
    if (!all.bytes) return MODNAS_ENOMEM;
    const int rc = put_model(g, p, &all);
    if (rc) {
        mn_free(g->ctx, all.bytes);
        return rc;
    }
    *bytes = all.bytes;
    *n = all.n;
    return 0;
}
