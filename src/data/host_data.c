/* Data of a host: a component made of the host's callback. All sets that one registration makes share its source, and
 * so are known to hold the same samples. The loader keeps the rule of threads and passes the callback's codes on. */
#include "modnas/data.h"

#include <stdio.h>

#include "data/data.h"

static const int64_t max_values = 1 << 28; /* of a sample: 1 GiB */

static int sample(const mn_dataset *d, int64_t index, int augment, mn_rng *rng, float *dst, int32_t *label) {
    const modnas_data_source *s = d->state;
    (void)augment, (void)rng;
    return s->sample(index, dst, label, s->ud);
}

static const mn_dataset_vt caller_vt = {.sample = sample, .on_caller = 1}, any_thread_vt = {.sample = sample};

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const modnas_data_source *s = c->data;
    (void)env;
    mn_dataset *d = mn_dataset_new(a->ctx, c->name, s->thread_safe ? &any_thread_vt : &caller_vt);
    if (!d) return MODNAS_ENOMEM;
    d->state = (void *)(uintptr_t)s; /* only read */
    d->n = s->n;
    d->c = s->dims[0];
    d->h = s->dims[1];
    d->w = s->dims[2];
    d->n_classes = s->n_classes;
    d->train_split = 1;
    *(mn_dataset **)out = d;
    return 0;
}

static int check_source(modnas_ctx *ctx, const char *name, const modnas_data_source *s) {
    if (!s->sample) return mn_fail(ctx, MODNAS_EINVAL, "data '%s': sample is NULL", name);
    if (s->n < 1 || s->n > INT32_MAX)
        return mn_fail(ctx, MODNAS_EINVAL, "data '%s': n is %lld, the range is 1..%d", name, (long long)s->n,
                       INT32_MAX);
    int64_t values = 1;
    for (int i = 0; i < 3 && values; i++)
        values = s->dims[i] < 1 || s->dims[i] > max_values / values ? 0 : values * s->dims[i];
    if (!values)
        return mn_fail(ctx, MODNAS_EINVAL, "data '%s': dims are %d x %d x %d; 1 to %lld values are possible", name,
                       s->dims[0], s->dims[1], s->dims[2], (long long)max_values);
    if (s->n_classes < 1) return mn_fail(ctx, MODNAS_EINVAL, "data '%s': n_classes is %d", name, s->n_classes);
    if (s->reserved) return mn_fail(ctx, MODNAS_EINVAL, "data '%s': reserved is %d, not 0", name, s->reserved);
    return 0;
}

static void source_free(modnas_ctx *ctx, void *source) {
    modnas_data_source *s = source;
    if (s->ud_free) s->ud_free(s->ud);
    mn_free(ctx, s);
}

static int add(modnas_ctx *ctx, const char *name, const modnas_data_source *full) {
    char text[160];
    snprintf(text, sizeof text, "the host's: %lld samples of %d x %d x %d, %d classes", (long long)full->n,
             full->dims[0], full->dims[1], full->dims[2], full->n_classes);
    modnas_data_source *s = mn_alloc(ctx, 1, sizeof *s);
    if (!s) return MODNAS_ENOMEM;
    *s = *full;
    const mn_component row = {.kind = "data", .name = name, .text = text, .build = build, .data = s};
    const int rc = mn_registry_add_owned(ctx, &row, source_free);
    if (rc) mn_free(ctx, s);
    return rc;
}

int modnas_data_register(modnas_ctx *ctx, const char *name, const modnas_data_source *source) {
    modnas_data_source full;
    if (!ctx) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    if (!name || !*name) return mn_fail(ctx, MODNAS_EINVAL, "data needs a name");
    if (!source) return mn_fail(ctx, MODNAS_EINVAL, "data '%s': the source is NULL", name);
    MN_TRY(mn_opts_read(ctx, "modnas_data_source", source, &full, sizeof full));
    MN_TRY(check_source(ctx, name, &full));
    MN_TRY(mn_register_builtins(ctx));
    return add(ctx, name, &full);
}
