/* Arguments that every backbone has, and how its modules are put together. */
#include "models/models.h"

enum { MAX_SIZE = 65536, MAX_CLASSES = 1 << 24 };

static int read_sizes(const mn_args *a, const mn_node *input, mn_model *model) {
    if (input->n != 3)
        return mn_args_fail(a, "input", "%zu numbers; [channels, height, width] is wanted", input->n);
    for (size_t i = 0; i < 3; i++) {
        const mn_node *x = input->items[i];
        if (x->kind != MN_INT || x->i < 1 || x->i > MAX_SIZE)
            return mn_args_fail(a, "input", "number %zu is no whole number from 1 to %d", i, (int)MAX_SIZE);
        model->input[i] = (int32_t)x->i;
    }
    return 0;
}

int mn_model_read_images(const mn_args *a, int32_t size, mn_model *model) {
    const mn_node *input = mn_args_node(a, "input");
    for (int i = 0; i < 3; i++) model->input[i] = i ? size : 3;
    if (input) MN_TRY(read_sizes(a, input, model));
    if (mn_args_given(a, "chn_in")) {
        const int64_t chn = mn_args_int(a, "chn_in");
        if (chn < 1 || chn > MAX_SIZE) return mn_args_fail(a, "chn_in", "%lld channels", (long long)chn);
        if (input && chn != model->input[0])
            return mn_args_fail(a, "chn_in", "%lld channels, but input has %d", (long long)chn, model->input[0]);
        model->input[0] = (int32_t)chn;
    }
    if (!mn_args_given(a, "n_classes")) return 0;
    const int64_t n_classes = mn_args_int(a, "n_classes");
    if (n_classes < 1 || n_classes > MAX_CLASSES)
        return mn_args_fail(a, "n_classes", "%lld classes", (long long)n_classes);
    model->n_classes = (int32_t)n_classes;
    return 0;
}

int mn_model_set_root(mn_model *model, int (*fill)(mn_module *root, const void *plan), const void *plan) {
    mn_module *root;
    MN_TRY(mn_sequential_new(model, &root));
    const int rc = fill(root, plan);
    if (rc)
        mn_module_free(root);
    else
        model->root = root;
    return rc;
}

int mn_add_made(mn_module *parent, const char *name, int rc, mn_module *child) {
    return rc ? rc : mn_module_add(parent, name, child);
}

int mn_kwargs_new(modnas_ctx *ctx, const mn_kwarg *kwargs, size_t n, mn_node **out) {
    mn_node *map = mn_node_new(ctx, MN_MAP);
    int rc = map ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < n && !rc; i++) {
        mn_node *value = mn_node_int(ctx, kwargs[i].value);
        rc = value ? mn_node_set(ctx, map, kwargs[i].name, value) : MODNAS_ENOMEM;
    }
    if (rc)
        mn_node_free(ctx, map);
    else
        *out = map;
    return rc;
}

int32_t mn_kwarg_of(const mn_slot *slot, const char *name, int32_t otherwise) {
    const mn_node *v = mn_node_get(slot->kwargs, name);
    return v && v->kind == MN_INT ? (int32_t)v->i : otherwise;
}

int mn_row_read(const mn_args *a, size_t i, const mn_node *row, const char *what, const int32_t *least, int32_t n,
                int32_t *to) {
    if (row->kind != MN_SEQ || row->n != (size_t)n) return mn_args_fail(a, "cfgs", "row %zu is not %s", i, what);
    for (int32_t k = 0; k < n; k++) {
        const mn_node *v = row->items[k];
        if (v->kind != MN_INT || v->i < least[k] || v->i > MAX_SIZE)
            return mn_args_fail(a, "cfgs", "row %zu, number %d is no whole number from %d to %d", i, k, least[k],
                                (int)MAX_SIZE);
        to[k] = (int32_t)v->i;
    }
    return 0;
}

int mn_add_conv_slot(mn_module *parent, const char *name, int32_t chn_in, int32_t chn_out, int32_t stride,
                     int32_t groups) {
    modnas_ctx *ctx = parent->model->ctx;
    mn_node *kwargs = NULL;
    mn_module *slot = NULL;
    int rc = mn_kwargs_new(ctx, &(const mn_kwarg){"groups", groups}, 1, &kwargs);
    if (!rc) rc = mn_slot_new(parent->model, chn_in, chn_out, stride, kwargs, &slot);
    return mn_add_made(parent, name, rc, slot);
}
