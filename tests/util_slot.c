#include "util_slot.h"

#include "construct/parts.h"
#include "module/layers.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

mn_model *slot_empty_model(const char *backend, int32_t dtype) {
    mn_backend *b;
    mn_model *m;
    mn_space *s;
    OK(mn_backend_open(model_ctx, backend, 1, &b));
    OK(mn_model_new(model_ctx, b, dtype, 3, &m));
    OK(mn_space_of(m, &s));
    mn_backend_close(b);
    return m;
}

void slot_set_ops(mn_model *m, const char *ops) {
    mn_node *tree = yaml(ops);
    OK(mn_ops_conf_read(model_ctx, tree, &m->ops));
    mn_node_free(model_ctx, tree);
}

mn_slot *slot_model(mn_model *m, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t size) {
    mn_module *part;
    mn_slot *slot;
    m->input[0] = 2;
    m->input[1] = size;
    m->input[2] = size + 1;
    m->n_classes = 3;
    OK(mn_sequential_new(m, &m->root));
    OK(mn_conv2d_new(m, &(mn_conv_desc){.chn_in = 2, .chn_out = chn_in, .kernel = {1, 1}}, &part));
    OK(mn_module_add(m->root, "stem", part));
    OK(mn_slot_new(m, chn_in, chn_out, stride, NULL, &part));
    slot = mn_slot_of(part);
    OK(mn_module_add(m->root, "slot", part));
    OK(mn_global_pool_new(m, &part));
    OK(mn_module_add(m->root, "pool", part));
    OK(mn_linear_new(m, chn_out, 3, 1, &part));
    OK(mn_module_add(m->root, "fc", part));
    return slot;
}

int slot_fill(mn_slot *slot, const char *op) {
    mn_node *spec = yaml(op);
    mn_module *entity = NULL;
    int rc = mn_candidate_build(slot->module->model, spec, slot, &entity);
    mn_node_free(model_ctx, spec);
    if (rc) ck_assert_ptr_null(entity);
    return rc ? rc : mn_slot_fill(slot, entity, op);
}
