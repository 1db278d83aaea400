/* A model's tensors in a safetensors file. What leaves is plain F32 in the tensors' own shapes (convolutions 4, linear
 * layers 2, vectors 1 dimension); what comes in is checked as a whole before the first parameter changes. */
#include <stdio.h>
#include <string.h>

#include "base/sections.h"
#include "module/cut.h"
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
    modnas_ctx *ctx;
    const char *path;
    const mn_safetensors *file;
    const mn_target *targets;
    size_t n;
    int partial, is_foreign;
    mn_map known;            /* names of the targets */
    size_t n_found, largest; /* elements, at least 1 */
} loading;

mn_target mn_target_of(mn_param *p, const char *name) {
    mn_target t = {.name = name, .rank = p->rank, .param = p};
    mn_param_shape(p, t.dims);
    return t;
}

static const char *shape_text(int32_t rank, const int64_t *dims, char *buf, size_t bytes) {
    size_t n = 0;
    buf[0] = 0;
    for (int32_t i = 0; i < rank && n < bytes; i++)
        n += (size_t)snprintf(buf + n, bytes - n, "%s%lld", i ? "x" : "", (long long)dims[i]);
    return rank ? buf : "a scalar";
}

/* With names of others a 1x1 convolution may be a linear layer: sizes of 1 at the end do not count. */
static int same_shape(const loading *l, const mn_tensor_info *have, const mn_target *want) {
    const int32_t n = have->rank < want->rank ? have->rank : want->rank;
    int same = memcmp(have->dims, want->dims, (size_t)n * sizeof want->dims[0]) == 0;
    if (have->rank != want->rank && !l->is_foreign) return 0;
    for (int32_t i = n; i < have->rank; i++) same &= have->dims[i] == 1;
    for (int32_t i = n; i < want->rank; i++) same &= want->dims[i] == 1;
    return same;
}

static int check_shape(const loading *l, const mn_tensor_info *have, const mn_target *want) {
    if (have->is_int)
        return mn_fail(l->ctx, MODNAS_EFORMAT, "%s: tensor %s is I64, wanted F32 or F64", l->path, want->name);
    if (same_shape(l, have, want)) return 0;
    char a[192], b[192];
    return mn_fail(l->ctx, MODNAS_ESHAPE, "%s: tensor %s is %s, the model wants %s", l->path, want->name,
                   shape_text(have->rank, have->dims, a, sizeof a), shape_text(want->rank, want->dims, b, sizeof b));
}

/* Every tensor of the model. */
static int check_ours(loading *l) {
    for (size_t i = 0; i < l->n; i++) {
        const mn_target *want = &l->targets[i];
        MN_TRY(mn_map_put(l->ctx, &l->known, want->name, l));
        const mn_tensor_info *have = mn_safetensors_find(l->file, want->name);
        if (!have && !l->partial)
            return mn_fail(l->ctx, MODNAS_EFORMAT, "%s: tensor %s of the model is missing", l->path, want->name);
        if (!have) continue;
        MN_TRY(check_shape(l, have, want));
        if (have->count > l->largest) l->largest = have->count;
        l->n_found++;
    }
    return 0;
}

/* A tensor of the file that nobody asks for; PyTorch's counters of batches are none. */
static int is_left(const loading *l, const char *name) {
    static const char counter[] = ".num_batches_tracked";
    const size_t n = strlen(name), k = sizeof counter - 1;
    return !mn_map_get(&l->known, name) && !(n > k && strcmp(name + n - k, counter) == 0);
}

/* Every tensor of the file. */
static int check_theirs(const loading *l) {
    for (size_t i = 0; !l->partial && i < mn_safetensors_count(l->file); i++) {
        const char *name = mn_safetensors_at(l->file, i)->name;
        if (is_left(l, name))
            return mn_fail(l->ctx, MODNAS_EFORMAT, "%s: the model has no tensor %s", l->path, name);
    }
    if (!l->n_found)
        return mn_fail(l->ctx, MODNAS_EFORMAT, "%s: none of its %zu tensors is one of the model's", l->path,
                       mn_safetensors_count(l->file));
    return 0;
}

/* n elements of a tensor as doubles, which the caller frees; NULL when out of memory. */
static double *doubles_of(const loading *l, const mn_tensor_info *t) {
    double *x = mn_alloc(l->ctx, t->count + 1, sizeof *x);
    for (size_t i = 0; x && i < t->count; i++) {
        float f;
        if (t->elem_bytes == sizeof(double)) {
            memcpy(&x[i], (const char *)t->data + i * sizeof(double), sizeof(double));
        } else {
            memcpy(&f, (const char *)t->data + i * sizeof f, sizeof f);
            x[i] = f;
        }
    }
    return x;
}

/* A part of a tensor, made with the matrices that the file has beside it. */
static int set_cut(const loading *l, const mn_tensor_info *t, const mn_target *to) {
    const mn_cut *c = to->cut;
    double *whole = doubles_of(l, t), *part = mn_alloc(l->ctx, (size_t)mn_param_numel(to->param), sizeof *part);
    double *steps[MN_CUT_STEPS] = {NULL};
    int rc = whole && part ? 0 : MODNAS_ENOMEM;
    for (int32_t i = 0; i < c->n_steps && !rc; i++) {
        const mn_tensor_info *step = mn_safetensors_find(l->file, c->steps[i]);
        if (!step)
            rc = mn_fail(l->ctx, MODNAS_EFORMAT, "%s: tensor %s of the model is missing", l->path, c->steps[i]);
        else if (!(steps[i] = doubles_of(l, step)))
            rc = MODNAS_ENOMEM;
    }
    if (!rc) rc = mn_cut_apply(l->ctx, c, whole, (const double *const *)steps, part);
    if (!rc) rc = mn_param_set(to->param, part);
    for (int32_t i = 0; i < c->n_steps; i++) mn_free(l->ctx, steps[i]);
    mn_free(l->ctx, whole);
    mn_free(l->ctx, part);
    return rc;
}

static int copy_in(const loading *l) {
    void *plain = mn_alloc(l->ctx, l->largest, sizeof(double)); /* the file's data may be unaligned */
    if (!plain) return MODNAS_ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        mn_param *p = l->targets[i].param;
        const mn_tensor_info *t = p ? mn_safetensors_find(l->file, l->targets[i].name) : NULL;
        if (!t) continue;
        if (l->targets[i].cut) {
            rc = set_cut(l, t, &l->targets[i]);
            continue;
        }
        if (t->count) memcpy(plain, t->data, t->count * t->elem_bytes);
        rc = t->elem_bytes == sizeof(double) ? mn_param_set(p, plain) : mn_param_set_f32(p, plain);
    }
    mn_free(l->ctx, plain);
    return rc;
}

/* ---- files of others ----------------------------------------------------------------------------------- */

enum { MAX_LISTED = 4 };

typedef struct listing {
    mn_str text;
    size_t n;
} listing;

static void list(listing *to, const char *name) {
    if (to->n++ < MAX_LISTED) mn_str_addf(&to->text, "%s%.100s", to->n > 1 ? ", " : "", name);
}

static void end_list(listing *l) {
    if (!l->n) mn_str_add(&l->text, "none");
    if (l->n > MAX_LISTED) mn_str_addf(&l->text, " and %zu more", l->n - MAX_LISTED);
}

/* What has no partner on the other side: both lists at once, since names of one show what those of the other mean. */
static int check_partners(loading *l) {
    listing ours = {.text = {.ctx = l->ctx}}, theirs = {.text = {.ctx = l->ctx}};
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        rc = mn_map_put(l->ctx, &l->known, l->targets[i].name, l);
        if (!mn_safetensors_find(l->file, l->targets[i].name)) list(&ours, l->targets[i].param->name);
    }
    for (size_t i = 0; i < mn_safetensors_count(l->file) && !rc; i++)
        if (is_left(l, mn_safetensors_at(l->file, i)->name)) list(&theirs, mn_safetensors_at(l->file, i)->name);
    end_list(&ours);
    end_list(&theirs);
    if (!rc && (ours.text.failed || theirs.text.failed)) rc = MODNAS_ENOMEM;
    if (!rc && (ours.n || theirs.n))
        rc = mn_fail(l->ctx, MODNAS_EFORMAT, "%s: with names as torchvision gives them, no partner have of the model: %s; of "
                     "the file: %s", l->path, ours.text.text, theirs.text.text);
    mn_str_free(&ours.text);
    mn_str_free(&theirs.text);
    return rc;
}

static int load(loading *l) {
    int rc = l->is_foreign && !l->partial ? check_partners(l) : 0;
    if (!rc) rc = check_ours(l);
    if (!rc) rc = check_theirs(l);
    if (!rc) rc = copy_in(l);
    if (!rc && l->n_found < l->n)
        mn_log(l->ctx, MODNAS_LOG_INFO, "%s: %zu of the model's %zu tensors", l->path, l->n_found, l->n);
    mn_map_free(l->ctx, &l->known);
    return rc;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static int open_section(modnas_ctx *ctx, const mn_sections *f, const char *path, mn_safetensors **out) {
    const mn_section *s = mn_sections_find(f, MN_MODEL_SECTION);
    if (!s) return mn_fail(ctx, MODNAS_EFORMAT, "%s: a checkpoint without weights", path);
    char *copy = mn_alloc(ctx, s->n + 1, 1);
    if (!copy) return MODNAS_ENOMEM;
    memcpy(copy, s->data, s->n);
    return mn_safetensors_parse(ctx, copy, s->n, s->n, path, out);
}

/* Of either kind. */
static int open_file(modnas_ctx *ctx, const char *path, mn_safetensors **out) {
    mn_sections f;
    char *bytes;
    size_t n;
    MN_TRY(mn_file_read(ctx, path, SIZE_MAX / 4, &bytes, &n));
    if (!mn_sections_is(bytes, n)) return mn_safetensors_parse(ctx, bytes, n, n, path, out);
    MN_TRY(mn_sections_parse(ctx, bytes, n, path, &f));
    const int rc = open_section(ctx, &f, path, out);
    mn_sections_free(&f);
    return rc;
}

int mn_targets_load(modnas_ctx *ctx, const mn_target *targets, size_t n, const char *path, int partial) {
    mn_safetensors *file;
    MN_TRY(open_file(ctx, path, &file));
    loading l = {.ctx = ctx, .path = path, .file = file, .targets = targets, .n = n, .partial = partial, .largest = 1};
    const int rc = load(&l);
    mn_safetensors_free(file);
    return rc;
}

/* Names as others give them, into a map that owns them, where the file has more of those than of ours. */
static int name_foreign(const mn_model *m, loading *l, mn_target *targets, mn_map *names) {
    mn_str name = {.ctx = m->ctx};
    size_t n_ours = 0, n_theirs = 0;
    int rc = 0;
    for (size_t i = 0; i < l->n; i++) n_ours += mn_safetensors_find(l->file, targets[i].name) != NULL;
    for (size_t i = 0; i < l->n && n_ours < l->n && !rc; i++) {
        name.n = 0;
        rc = m->foreign_name(m, targets[i].name, &name);
        if (!rc && name.n) rc = mn_map_name(m->ctx, names, name.text, &targets[i].name);
        n_theirs += mn_safetensors_find(l->file, targets[i].name) != NULL;
    }
    l->is_foreign = n_theirs > n_ours;
    for (size_t i = 0; i < l->n && !l->is_foreign; i++) targets[i].name = mn_model_tensor(m, i)->name;
    mn_str_free(&name);
    return rc;
}

/* Takes the file. */
static int load_model(mn_model *m, mn_safetensors *file, const char *path, int partial) {
    const size_t n = mn_model_n_tensors(m);
    mn_target *targets = mn_alloc(m->ctx, n + 1, sizeof *targets);
    mn_map names = {0};
    loading l = {.ctx = m->ctx, .path = path, .file = file, .targets = targets, .n = n, .partial = partial, .largest = 1};
    for (size_t i = 0; targets && i < n; i++) targets[i] = mn_target_of(mn_model_tensor(m, i), mn_model_tensor(m, i)->name);
    int rc = targets ? 0 : MODNAS_ENOMEM;
    if (!rc && m->foreign_name) rc = name_foreign(m, &l, targets, &names);
    if (!rc) rc = load(&l);
    mn_map_free(m->ctx, &names);
    mn_free(m->ctx, targets);
    mn_safetensors_free(file);
    return rc;
}

int mn_model_load_section(mn_model *m, const mn_sections *f, const char *path, int partial) {
    mn_safetensors *file;
    MN_TRY(open_section(m->ctx, f, path, &file));
    return load_model(m, file, path, partial);
}

int mn_model_load(mn_model *m, const char *path, int partial) {
    mn_safetensors *file;
    MN_TRY(check_committed(m));
    MN_TRY(open_file(m->ctx, path, &file));
    return load_model(m, file, path, partial);
}
