/* Architectures as hosts hold them. */
#include "host/host.h"
#include "search/derive.h"

int modnas_arch_new(modnas_model *model, modnas_arch **out) {
    mn_arch *a;
    if (!model) return MODNAS_EINVAL;
    MN_ENTER(model->ctx);
    if (!out) return mn_fail(model->ctx, MODNAS_EINVAL, "modnas_arch_new: out is NULL");
    MN_TRY(mn_arch_new(model, &a));
    const int rc = mn_derive_arch(a);
    if (rc)
        mn_arch_free(a);
    else
        *out = a;
    return rc;
}

int modnas_arch_copy(const modnas_arch *arch, modnas_arch **out) {
    if (!arch) return MODNAS_EINVAL;
    MN_ENTER(arch->model->ctx);
    if (!out) return mn_fail(arch->model->ctx, MODNAS_EINVAL, "modnas_arch_copy: out is NULL");
    return mn_arch_copy(arch, out);
}

void modnas_arch_free(modnas_arch *arch) {
    mn_arch_free(arch);
}

static int is_gene(const mn_arch *a, int32_t i) {
    return a && i >= 0 && i < a->n;
}

int32_t modnas_arch_n(const modnas_arch *arch) {
    return arch ? arch->n : 0;
}

int32_t modnas_arch_get(const modnas_arch *arch, int32_t i) {
    return is_gene(arch, i) ? arch->index[i] : MODNAS_OPEN;
}

int modnas_arch_set(modnas_arch *arch, int32_t i, int32_t option) {
    if (!arch) return MODNAS_EINVAL;
    MN_ENTER(arch->model->ctx);
    MN_TRY(mn_arch_check(arch, i, option));
    arch->index[i] = option;
    return 0;
}

int32_t modnas_arch_n_options(const modnas_arch *arch, int32_t i) {
    return is_gene(arch, i) ? mn_space_gene(arch->model->space, i)->n : 0;
}

const char *modnas_arch_name(const modnas_arch *arch, int32_t i) {
    return is_gene(arch, i) ? mn_space_gene(arch->model->space, i)->name : NULL;
}

const char *modnas_arch_option(const modnas_arch *arch, int32_t i, int32_t option) {
    return is_gene(arch, i) ? mn_space_option(arch->model->space, i, option) : NULL;
}

int modnas_arch_json(const modnas_arch *arch, char **json) {
    if (!arch) return MODNAS_EINVAL;
    MN_ENTER(arch->model->ctx);
    modnas_ctx *ctx = arch->model->ctx;
    if (!json) return mn_fail(ctx, MODNAS_EINVAL, "modnas_arch_json: json is NULL");
    mn_str s = {.ctx = ctx};
    mn_str_add(&s, "{");
    for (int32_t i = 0; i < arch->n; i++) {
        const char *option = modnas_arch_option(arch, i, arch->index[i]);
        if (i) mn_str_add(&s, ",");
        mn_str_json(&s, modnas_arch_name(arch, i));
        mn_str_add(&s, ":");
        if (option)
            mn_str_json(&s, option);
        else
            mn_str_add(&s, "null");
    }
    mn_str_add(&s, "}");
    return mn_host_take(&s, 0, json);
}
