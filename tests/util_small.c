/* A small network with made-up images, from YAML. */
#include "util_small.h"

#include <stdlib.h>
#include <string.h>

int util_build(modnas_ctx *c, const char *kind, const char *spec, const void *env, void *out) {
    mn_node *node;
    MN_TRY(mn_yaml_value(c, spec, "test", &node));
    const int rc = mn_registry_build(c, kind, node, NULL, NULL, env, out);
    mn_node_free(c, node);
    return rc;
}

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s->ctx))

void util_small_ctx(util_small *s) {
    memset(s, 0, sizeof *s);
    s->host.left = -1;
    modnas_ctx_opts opts = util_host_opts(&s->host);
    opts.plugin_dir = getenv("MODNAS_PLUGINS"); /* tests link the archive: the plug-ins are not beside them */
    ck_assert_int_eq(modnas_ctx_new(&opts, &s->ctx), 0);
    MUST(mn_register_builtins(s->ctx));
}

void util_small_open(util_small *s, const char *yaml) {
    util_small_ctx(s);
    util_small_make(s, yaml);
}

void util_small_make(util_small *s, const char *yaml) {
    MUST(mn_yaml_read(s->ctx, yaml, strlen(yaml), "test.yaml", &s->docs));
    s->conf = s->docs->items[0];
    MUST(mn_construct_model(s->ctx, s->conf, MODNAS_F32, 1, &s->model));
    const mn_node *data = mn_node_get(s->conf, "train_data"), *loader = mn_node_get(s->conf, "data_loader");
    MUST(mn_registry_build(s->ctx, "data", data, NULL, NULL, NULL, &s->set));
    const mn_loader_env loader_env = {s->set, NULL, s->model->seed};
    MUST(mn_registry_build(s->ctx, "data_loader", loader, NULL, NULL, &loader_env, &s->loaders));
    const mn_trainer_env env = {s->model, &s->loaders};
    const mn_node *trainer = mn_node_path(s->conf, "trainer.default");
    MUST(mn_registry_build(s->ctx, "trainer", trainer, NULL, NULL, &env, &s->trainer));
}

void util_small_close(util_small *s) {
    mn_trainer_free(s->trainer);
    mn_loader_free(s->loaders.train);
    mn_loader_free(s->loaders.valid);
    mn_dataset_free(s->set);
    mn_model_free(s->model);
    mn_node_free(s->ctx, s->docs);
    modnas_ctx_free(s->ctx);
    ck_assert_int_eq(s->host.live, 0);
}

void util_hash_store(const mn_store *store, char text[65]) {
    mn_sha256 sha;
    mn_sha256_init(&sha);
    for (size_t i = 0; i < mn_store_n_params(store); i++) {
        const mn_param *p = mn_store_param(store, i);
        const size_t n = (size_t)mn_param_numel(p);
        double *plain = calloc(n, sizeof *plain);
        ck_assert_ptr_nonnull(plain);
        ck_assert_int_eq(mn_param_get(p, plain), 0);
        mn_sha256_add(&sha, plain, n * sizeof *plain);
        free(plain);
    }
    mn_sha256_hex(&sha, text);
}

mn_estim *util_small_estim(util_small *s, const char *conf, mn_optim *optim, mn_observer observer, mn_node **node) {
    mn_estim *e;
    ck_assert_msg(mn_yaml_value(s->ctx, conf, "test", node) == 0, "%s", modnas_errmsg(s->ctx));
    const mn_estim_env env = {.name = "search",
                              .conf = *node,
                              .model = s->model,
                              .trainer = s->trainer,
                              .optim = optim,
                              .observer = observer};
    ck_assert_msg(mn_registry_build(s->ctx, "estim", *node, mn_estim_keys, NULL, &env, &e) == 0, "%s",
                  modnas_errmsg(s->ctx));
    return e;
}
