/* Which architecture a run found: it lies beside the weights.
 *
 *   RUN/chkpt/model_ESTIM_TAG.safetensors    RUN/outputs/arch_ESTIM_TAG.yaml, else RUN/outputs/arch_ESTIM_best.yaml
 *   RUN/chkpt/ any other                     RUN/outputs/arch_ESTIM_best.yaml of the last estimator that has one */
#include <string.h>
#include <unistd.h>

#include "pipeline/derived.h"

typedef struct looking {
    modnas_ctx *ctx;
    mn_str folder; /* RUN/outputs/ */
    mn_str stem;   /* ESTIM_TAG; empty: the file is called otherwise */
    char *found;
} looking;

/* "RUN/chkpt/" is in the folder RUN, any other one is taken to be beside outputs, too. */
static void set_folder(looking *l, const char *chkpt, const char *name) {
    static const char chkpts[] = "chkpt/";
    const size_t n = (size_t)(name - chkpt), k = sizeof chkpts - 1;
    const int usual = n >= k && memcmp(name - k, chkpts, k) == 0 && (n == k || name[-(ptrdiff_t)k - 1] == '/');
    mn_str_addn(&l->folder, chkpt, usual ? n - k : n);
    mn_str_add(&l->folder, usual ? "outputs/" : "../outputs/");
}

static void set_stem(looking *l, const char *name) {
    static const char before[] = "model_", after[] = ".safetensors";
    const size_t n = strlen(name), head = sizeof before - 1, tail = sizeof after - 1;
    mn_str_add(&l->stem, "");
    if (n <= head + tail || memcmp(name, before, head) != 0 || strcmp(name + n - tail, after) != 0) return;
    mn_str_addn(&l->stem, name + head, n - head - tail);
}

/* l->found: if it is there. */
static int look(looking *l, const char *stem, const char *end) {
    mn_str path = {.ctx = l->ctx};
    mn_str_addf(&path, "%sarch_%s%s.yaml", l->folder.text, stem, end);
    if (path.failed) return MODNAS_ENOMEM;
    if (access(path.text, R_OK) == 0) l->found = mn_str_take(&path);
    mn_str_free(&path);
    return 0;
}

/* "search" made "search_last". */
static int made(const char *estim, const char *stem) {
    const size_t n = strlen(estim);
    return !*stem || (strncmp(estim, stem, n) == 0 && stem[n] == '_');
}

static const char *estim_name(const mn_node *estims, size_t i) {
    const mn_node *name = mn_node_get(estims->items[i], "name");
    return estims->kind == MN_MAP ? estims->keys[i] : name && name->text ? name->text : "";
}

static int look_everywhere(looking *l, const mn_node *estims) {
    if (l->stem.failed || l->folder.failed) return MODNAS_ENOMEM;
    if (*l->stem.text) MN_TRY(look(l, l->stem.text, ""));
    for (size_t i = estims ? estims->n : 0; i-- > 0 && !l->found;)
        if (made(estim_name(estims, i), l->stem.text)) MN_TRY(look(l, estim_name(estims, i), "_best"));
    return 0;
}

int mn_derived_arch_file(modnas_ctx *ctx, const mn_node *config, const char *chkpt, char **out) {
    const char *slash = strrchr(chkpt, '/'), *name = slash ? slash + 1 : chkpt;
    looking l = {.ctx = ctx, .folder = {.ctx = ctx}, .stem = {.ctx = ctx}};
    set_folder(&l, chkpt, name);
    set_stem(&l, name);
    int rc = look_everywhere(&l, mn_node_get(config, "estim"));
    if (!rc && !l.found)
        rc = mn_fail(ctx, MODNAS_ECONFIG, "which architecture of the supernet? 'arch_desc' gives none, and a run that %s is "
                     "of left no %sarch_%s%s.yaml", chkpt, l.folder.text, *l.stem.text ? l.stem.text : "ESTIM",
                     *l.stem.text ? "" : "_best");
    if (!rc) *out = l.found;
    mn_str_free(&l.folder);
    mn_str_free(&l.stem);
    return rc;
}
