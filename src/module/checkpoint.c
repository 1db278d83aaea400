/* A model's tensors in a safetensors file. What leaves is plain F32 in the tensors' own shapes (convolutions 4, linear
 * layers 2, vectors 1 dimension); what comes in is checked as a whole before the first parameter changes. */
#include <stdio.h>
#include <string.h>

#include "base/sections.h"
#include "module/model.h"
#include "module/safetensors.h"

size_t mn_model_n_tensors(const mn_model *m) {
    return mn_store_n_params(m->weights) + (m->arch ? mn_store_n_params(m->arch) : 0);
}

mn_param *mn_model_tensor(const mn_model *m, size_t i) {
    const size_t n = mn_store_n_params(m->weights);
    return i < n ? mn_store_param(m->weights, i) : mn_store_param(m->arch, i - n);
}

void mn_param_shape(const mn_param *p, int64_t dims[4]) {
    if (p->rank == 1)
        dims[0] = p->dims[1]; /* a vector is (1, C, 1, 1) */
    else
        memcpy(dims, p->dims, (size_t)p->rank * sizeof dims[0]);
}

static mn_tensor_info info_of(const mn_param *p) {
    mn_tensor_info t = {.name = p->name, .rank = p->rank};
    mn_param_shape(p, t.dims);
    return t;
}

static int check_committed(const mn_model *m) {
    if (mn_model_committed(m)) return 0;
    return mn_fail(m->ctx, MODNAS_EINVAL, "the model has no memory yet: it is not committed");
}

/* ---- save ---------------------------------------------------------------------------------------------- */

static int fill(size_t i, void *data, void *ud) {
    return mn_param_get_f32(mn_model_tensor(ud, i), data);
}

/* As they are, whatever their type. */
static int fill_exact(size_t i, void *data, void *ud) {
    return mn_param_copy_out(mn_model_tensor(ud, i), NULL, data);
}

static int infos_of(const mn_model *m, size_t elem_bytes, mn_tensor_info **out) {
    const size_t n = mn_model_n_tensors(m);
    mn_tensor_info *tensors = mn_alloc(m->ctx, n, sizeof *tensors);
    if (!tensors) return MODNAS_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        tensors[i] = info_of(mn_model_tensor(m, i));
        tensors[i].elem_bytes = elem_bytes;
    }
    *out = tensors;
    return 0;
}

int mn_model_save(mn_model *m, const char *path, const char *const *metadata) {
    mn_tensor_info *tensors;
    MN_TRY(check_committed(m));
    MN_TRY(infos_of(m, sizeof(float), &tensors));
    const int rc = mn_safetensors_write(m->ctx, path, tensors, mn_model_n_tensors(m), metadata, fill, m);
    mn_free(m->ctx, tensors);
    return rc;
}

int mn_model_put(mn_put_fn put, void *to, void *model) {
    mn_model *m = model;
    mn_tensor_info *tensors;
    MN_TRY(check_committed(m));
    MN_TRY(infos_of(m, mn_store_elem_bytes(m->weights), &tensors));
    mn_safetensors_out o = {m->ctx, MN_MODEL_SECTION, tensors, mn_model_n_tensors(m), NULL, fill_exact, m};
    const int rc = mn_safetensors_put(put, to, &o);
    mn_free(m->ctx, tensors);
    return rc;
}

/* ---- load ---------------------------------------------------------------------------------------------- */

typedef struct loading {
    mn_model *model;
    const char *path;
    const mn_safetensors *file;
    int partial;
    mn_map known;            /* names of the model */
    size_t n_found, largest; /* elements, at least 1 */
} loading;

static const char *shape_text(const mn_tensor_info *t, char *buf, size_t bytes) {
    size_t n = 0;
    buf[0] = 0;
    for (int32_t i = 0; i < t->rank && n < bytes; i++)
        n += (size_t)snprintf(buf + n, bytes - n, "%s%lld", i ? "x" : "", (long long)t->dims[i]);
    return t->rank ? buf : "a scalar";
}

static int check_shape(const loading *l, const mn_tensor_info *have, const mn_tensor_info *want) {
    if (have->rank == want->rank && memcmp(have->dims, want->dims, (size_t)want->rank * sizeof want->dims[0]) == 0)
        return 0;
    char a[192], b[192];
    return mn_fail(l->model->ctx, MODNAS_ESHAPE, "%s: tensor %s is %s, the model wants %s", l->path, want->name,
                   shape_text(have, a, sizeof a), shape_text(want, b, sizeof b));
}

/* Every tensor of the model. */
static int check_ours(loading *l) {
    modnas_ctx *ctx = l->model->ctx;
    for (size_t i = 0; i < mn_model_n_tensors(l->model); i++) {
        const mn_tensor_info want = info_of(mn_model_tensor(l->model, i));
        MN_TRY(mn_map_put(ctx, &l->known, want.name, l));
        const mn_tensor_info *have = mn_safetensors_find(l->file, want.name);
        if (!have && !l->partial)
            return mn_fail(ctx, MODNAS_EFORMAT, "%s: tensor %s of the model is missing", l->path, want.name);
        if (!have) continue;
        MN_TRY(check_shape(l, have, &want));
        if (have->count > l->largest) l->largest = have->count;
        l->n_found++;
    }
    return 0;
}

/* Every tensor of the file. */
static int check_theirs(const loading *l) {
    modnas_ctx *ctx = l->model->ctx;
    for (size_t i = 0; !l->partial && i < mn_safetensors_count(l->file); i++) {
        const char *name = mn_safetensors_at(l->file, i)->name;
        if (!mn_map_get(&l->known, name))
            return mn_fail(ctx, MODNAS_EFORMAT, "%s: the model has no tensor %s", l->path, name);
    }
    if (!l->n_found)
        return mn_fail(ctx, MODNAS_EFORMAT, "%s: none of its %zu tensors is one of the model's", l->path,
                       mn_safetensors_count(l->file));
    return 0;
}

static int copy_in(const loading *l) {
    void *plain = mn_alloc(l->model->ctx, l->largest, sizeof(double)); /* the file's data may be unaligned */
    if (!plain) return MODNAS_ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < mn_model_n_tensors(l->model) && !rc; i++) {
        mn_param *p = mn_model_tensor(l->model, i);
        const mn_tensor_info *t = mn_safetensors_find(l->file, p->name);
        if (!t) continue;
        if (t->count) memcpy(plain, t->data, t->count * t->elem_bytes);
        rc = t->elem_bytes == sizeof(double) ? mn_param_set(p, plain) : mn_param_set_f32(p, plain);
    }
    mn_free(l->model->ctx, plain);
    return rc;
}

/* Takes the bytes, on failure too. */
static int load_bytes(mn_model *m, char *bytes, size_t n, const char *path, int partial) {
    mn_safetensors *file;
    MN_TRY(mn_safetensors_parse(m->ctx, bytes, n, n, path, &file));
    loading l = {.model = m, .path = path, .file = file, .partial = partial, .largest = 1};
    int rc = check_ours(&l);
    if (!rc) rc = check_theirs(&l);
    if (!rc) rc = copy_in(&l);
    if (!rc && l.n_found < mn_model_n_tensors(m))
        mn_log(m->ctx, MODNAS_LOG_INFO, "%s: %zu of the model's %zu tensors", path, l.n_found, mn_model_n_tensors(m));
    mn_map_free(m->ctx, &l.known);
    mn_safetensors_free(file);
    return rc;
}

int mn_model_load_section(mn_model *m, const mn_sections *f, const char *path, int partial) {
    const mn_section *s = mn_sections_find(f, MN_MODEL_SECTION);
    if (!s) return mn_fail(m->ctx, MODNAS_EFORMAT, "%s: a checkpoint without weights", path);
    char *copy = mn_alloc(m->ctx, s->n + 1, 1);
    if (!copy) return MODNAS_ENOMEM;
    memcpy(copy, s->data, s->n);
    return load_bytes(m, copy, s->n, path, partial);
}

/* Takes the bytes. */
static int load_sections(mn_model *m, char *bytes, size_t n, const char *path, int partial) {
    mn_sections f;
    MN_TRY(mn_sections_parse(m->ctx, bytes, n, path, &f));
    const int rc = mn_model_load_section(m, &f, path, partial);
    mn_sections_free(&f);
    return rc;
}

int mn_model_load(mn_model *m, const char *path, int partial) {
    char *bytes;
    size_t n;
    MN_TRY(check_committed(m));
    MN_TRY(mn_file_read(m->ctx, path, SIZE_MAX / 4, &bytes, &n));
    if (mn_sections_is(bytes, n)) return load_sections(m, bytes, n, path, partial);
    return load_bytes(m, bytes, n, path, partial);
}
