/* A data set that says what it was asked, and loaders over it. */
#include "util_counted.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

util_host counted_host;
modnas_ctx *counted_ctx;
mn_dataset *counted_set;
int counted_delay_us;
struct counted_fault counted_fault;

static int sample(const mn_dataset *d, int64_t index, int augment, mn_rng *rng, float *dst, int32_t *label) {
    if (counted_delay_us) usleep((unsigned)counted_delay_us);
    dst[0] = (float)index;
    dst[1] = augment ? (float)mn_rng_real(rng) : 0;
    const int wrong = index == counted_fault.index;
    *label = wrong ? counted_fault.label : d->labels[index];
    return wrong ? counted_fault.code : 0;
}

static const mn_dataset_vt sample_vt = {.sample = sample};

mn_dataset *counted_set_new(int64_t n) {
    mn_dataset *d = mn_dataset_new(counted_ctx, "counted", &sample_vt);
    d->n = n;
    d->c = 2;
    d->h = d->w = 1;
    d->n_classes = CLASSES;
    d->labels = mn_alloc(counted_ctx, (size_t)n, sizeof *d->labels);
    for (int64_t i = 0; i < n; i++) d->labels[i] = (int32_t)(i % CLASSES);
    return d;
}

void counted_setup(void) {
    counted_host = (util_host){.left = -1};
    const modnas_ctx_opts opts = util_host_opts(&counted_host);
    ck_assert_int_eq(modnas_ctx_new(&opts, &counted_ctx), 0);
    ck_assert_int_eq(mn_data_register(counted_ctx), 0);
    counted_delay_us = 0;
    counted_fault = (struct counted_fault){.index = -1};
    counted_set = counted_set_new(N);
}

void counted_teardown(void) {
    mn_dataset_free(counted_set);
    modnas_ctx_free(counted_ctx);
    ck_assert_int_eq(counted_host.live, 0);
}

int counted_build_with(const mn_loader_env *env, const char *type, const char *args, mn_loaders *out) {
    char text[256];
    mn_node *n;
    snprintf(text, sizeof text, "{type: %s, args: {%s}}", type, args);
    ck_assert_int_eq(mn_yaml_read(counted_ctx, text, strlen(text), "test.yaml", &n), 0);
    *out = (mn_loaders){0};
    const int rc = mn_registry_build(counted_ctx, "data_loader", n->items[0], NULL, NULL, env, out);
    mn_node_free(counted_ctx, n);
    return rc;
}

mn_loaders counted_build(const char *args) {
    const mn_loader_env env = {.train = counted_set, .seed = 5};
    mn_loaders l;
    ck_assert_msg(counted_build_with(&env, "ImageClsDataLoader", args, &l) == 0, "%s", modnas_errmsg(counted_ctx));
    return l;
}

void counted_free(mn_loaders *l) {
    mn_loader_free(l->train);
    mn_loader_free(l->valid);
}

int64_t counted_epoch(mn_loader *l, int64_t epoch, seen *s) {
    int64_t n = 0, n_batches = 0;
    mn_batch b;
    int rc;
    ck_assert_int_eq(mn_loader_start(l, epoch), 0);
    while ((rc = mn_loader_next(l, &b)) == 0) {
        ck_assert_int_eq(b.index, n_batches++);
        memcpy(s->x + 2 * n, b.x, 2 * (size_t)b.n * sizeof *s->x);
        memcpy(s->y + n, b.y, (size_t)b.n * sizeof *s->y);
        n += b.n;
    }
    ck_assert_int_eq(rc, MODNAS_EDONE);
    ck_assert_int_eq(mn_loader_next(l, &b), MODNAS_EDONE); /* and stays so */
    ck_assert_int_eq(n_batches, mn_loader_n_batches(l));
    ck_assert_int_eq(n, mn_loader_n_samples(l));
    return n;
}
