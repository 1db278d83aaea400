#include "util_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/pipeline.h"

static int try_config(modnas_config *cfg, const char *yaml, const modnas_search_opts *opts, modnas_search **out) {
    MN_TRY(modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml"));
    return modnas_search_new(cfg, opts, out);
}

int util_search_try(const char *yaml, const modnas_search_opts *opts, modnas_search **out) {
    modnas_config *cfg = NULL;
    int rc = modnas_config_new(rig.ctx, &cfg);
    if (!rc) rc = try_config(cfg, yaml, opts, out);
    modnas_config_free(cfg); /* the search has a copy */
    return rc;
}

modnas_search *util_search(const char *yaml, const modnas_search_opts *opts) {
    modnas_search *s = NULL;
    SEARCH_OK(util_search_try(yaml, opts, &s));
    return s;
}

static void hash(const modnas_search *s, int also_others, char text[65]) {
    modnas_model *m = modnas_search_model(s);
    mn_sha256 sha;
    mn_sha256_init(&sha);
    for (size_t i = 0; i < modnas_model_n_tensors(m); i++) {
        modnas_tensor_info info = {.size = sizeof info};
        SEARCH_OK(modnas_model_tensor(m, i, &info));
        if (!info.trained && !also_others) continue;
        float *x = malloc((size_t)info.count * sizeof *x);
        ck_assert_ptr_nonnull(x);
        SEARCH_OK(modnas_model_get(m, info.name, x, (size_t)info.count));
        mn_sha256_add(&sha, x, (size_t)info.count * sizeof *x);
        free(x);
    }
    mn_sha256_hex(&sha, text);
}

void util_search_hash(const modnas_search *s, char text[65]) {
    hash(s, 1, text);
}

void util_search_hash_trained(const modnas_search *s, char text[65]) {
    hash(s, 0, text);
}

double util_search_metric(const modnas_metric *m, int32_t n, const char *name) {
    for (int32_t i = 0; i < n; i++)
        if (strcmp(m[i].name, name) == 0) return m[i].value;
    ck_abort_msg("there is no metric %s", name);
    return NAN;
}

int util_search_code(const modnas_arch *a) {
    int x = 0;
    for (int32_t i = 0; i < modnas_arch_n(a); i++) x = 4 * x + modnas_arch_get(a, i);
    return x;
}

void util_search_register(const char *kind, const char *name, const char *args, const void *vt, void *ud) {
    const modnas_component c = {.size = sizeof c, .kind = kind, .name = name, .args = args, .vt = vt, .ud = ud};
    SEARCH_OK(modnas_registry_register(rig.ctx, &c));
}

void util_search_says(const char *text) {
    ck_assert_msg(strstr(modnas_errmsg(rig.ctx), text) != NULL, "'%s' is not in: %s", text, modnas_errmsg(rig.ctx));
}

double util_search_toy(const modnas_arch *a) {
    int right = 0;
    for (int32_t i = 0; i < modnas_arch_n(a); i++) right += modnas_arch_get(a, i) == i % 4;
    return right;
}

/* ---- LocalSearch --------------------------------------------------------------------------------------- */

typedef struct local {
    modnas_arch *best;
    double score;
    int32_t gene, option, since_gain; /* tried next; proposals since the last gain */
    int32_t n_neighbours;
} local;

static int create(modnas_model *model, const modnas_args *args, void **state, void *ud) {
    (void)args, (void)ud;
    local *l = calloc(1, sizeof *l);
    ck_assert_ptr_nonnull(l);
    *l = (local){.score = -INFINITY};
    const int rc = modnas_arch_new(model, &l->best);
    for (int32_t i = 0; !rc && i < modnas_arch_n(l->best); i++) {
        SEARCH_OK(modnas_arch_set(l->best, i, 0));
        l->n_neighbours += modnas_arch_n_options(l->best, i);
    }
    if (rc)
        free(l);
    else
        *state = l;
    return rc;
}

static int ask(void *state, modnas_arch *const *archs, int32_t n, int32_t *n_out, void *ud) {
    local *l = state;
    (void)ud;
    for (*n_out = 0; *n_out < n && l->since_gain <= l->n_neighbours; ++*n_out, l->since_gain++) {
        for (int32_t i = 0; i < modnas_arch_n(l->best); i++) {
            const int32_t option = i == l->gene && l->since_gain ? l->option : modnas_arch_get(l->best, i);
            MN_TRY(modnas_arch_set(archs[*n_out], i, option));
        }
        if (++l->option < modnas_arch_n_options(l->best, l->gene)) continue;
        l->option = 0;
        l->gene = (l->gene + 1) % modnas_arch_n(l->best);
    }
    return 0;
}

static int tell(void *state, const modnas_arch *arch, int32_t status, const modnas_metric *metrics, int32_t n,
                void *ud) {
    local *l = state;
    (void)ud;
    ck_assert(status ? !metrics && n == 0 : n > 0);
    if (status || !(metrics[0].value > l->score)) return 0;
    modnas_arch_free(l->best);
    l->score = metrics[0].value;
    l->since_gain = 1;
    return modnas_arch_copy(arch, &l->best);
}

static void destroy(void *state, void *ud) {
    local *l = state;
    (void)ud;
    modnas_arch_free(l->best);
    free(l);
}

static int save(void *state, modnas_state *out, void *ud) {
    const local *l = state;
    (void)ud;
    MN_TRY(modnas_state_add(out, l, sizeof *l));
    for (int32_t i = 0; i < modnas_arch_n(l->best); i++) {
        const int32_t option = modnas_arch_get(l->best, i);
        MN_TRY(modnas_state_add(out, &option, sizeof option));
    }
    return 0;
}

static int load(void *state, const void *data, size_t bytes, void *ud) {
    local *l = state, got;
    (void)ud;
    if (bytes != sizeof got + (size_t)modnas_arch_n(l->best) * sizeof(int32_t)) return MODNAS_EFORMAT;
    memcpy(&got, data, sizeof got);
    got.best = l->best;
    *l = got;
    for (int32_t i = 0; i < modnas_arch_n(l->best); i++) {
        int32_t option;
        memcpy(&option, (const char *)data + sizeof got + (size_t)i * sizeof option, sizeof option);
        MN_TRY(modnas_arch_set(l->best, i, option));
    }
    return 0;
}

void util_search_add_local(void) {
    const modnas_optim_vt vt = {sizeof vt, create, ask, tell, destroy, save, load};
    util_search_register("optim", "LocalSearch", NULL, &vt, NULL);
}
