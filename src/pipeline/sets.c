/* Data of a run.
 *
 *   train = data + train_data     valid = data + valid_data, when valid_data is there     test = data + test_data,
 * likewise
 *
 * Without valid_data the loader splits the training set; with a valid_data that names the same samples it does so too,
 * or refuses. A test set that holds the very files of another one is refused: it is read to measure what was found, and
 * nothing else. */
#include "pipeline/pipeline.h"

/* A spec in any of its forms as a map {type, args} of its own; NULL when out of memory. */
static mn_node *spec_map(modnas_ctx *ctx, const mn_node *spec) {
    if (spec->kind != MN_STR && spec->kind != MN_SEQ) return mn_node_copy(ctx, spec);
    mn_node *map = mn_node_new(ctx, MN_MAP);
    const mn_node *parts[] = {spec->kind == MN_STR ? spec
                              : spec->n            ? spec->items[0]
                                                   : NULL,
                              spec->kind == MN_SEQ && spec->n > 1 ? spec->items[1] : NULL};
    static const char *const keys[] = {"type", "args"};
    int failed = !map || mn_node_place(ctx, map, spec->file, spec->line);
    for (int i = 0; i < 2 && !failed; i++) {
        if (!parts[i]) continue;
        mn_node *copy = mn_node_copy(ctx, parts[i]);
        failed = !copy || mn_node_set(ctx, map, keys[i], copy);
    }
    if (!failed) return map;
    mn_node_free(ctx, map);
    return NULL;
}

static int is_given(const mn_node *section) {
    return section && section->kind != MN_NULL;
}

/* Build the set of data + section; either may be missing. */
static int build_set(mn_pipeline *p, const char *section, mn_dataset **out) {
    const mn_node *base = mn_node_get(p->tree, "data"), *more = mn_node_get(p->tree, section);
    if (!is_given(base) && !is_given(more)) return 0;
    mn_node *spec = spec_map(p->ctx, is_given(base) ? base : more);
    mn_node *over = is_given(base) && is_given(more) ? spec_map(p->ctx, more) : NULL;
    int rc = spec && (over || !is_given(base) || !is_given(more)) ? 0 : MODNAS_ENOMEM;
    if (!rc && over) rc = mn_node_merge(p->ctx, spec, over);
    if (!rc) rc = mn_registry_build(p->ctx, "data", spec, NULL, NULL, NULL, out);
    mn_node_free(p->ctx, spec);
    mn_node_free(p->ctx, over);
    return rc;
}

static int build_loaders(mn_pipeline *p) {
    const mn_node *given = mn_node_get(p->tree, "data_loader");
    const mn_loader_env env = {p->train, p->valid, p->model ? p->model->seed : 0};
    mn_node *spec = is_given(given) ? mn_node_copy(p->ctx, given) : mn_node_str(p->ctx, "DefaultDataLoader");
    if (!spec) return MODNAS_ENOMEM;
    const int rc = mn_registry_build(p->ctx, "data_loader", spec, NULL, NULL, &env, &p->loaders);
    mn_node_free(p->ctx, spec);
    return rc;
}

int mn_pipeline_data(mn_pipeline *p) {
    MN_TRY(build_set(p, "train_data", &p->train));
    if (is_given(mn_node_get(p->tree, "valid_data"))) MN_TRY(build_set(p, "valid_data", &p->valid));
    if (is_given(mn_node_get(p->tree, "test_data"))) MN_TRY(build_set(p, "test_data", &p->test));
    return p->train ? build_loaders(p) : 0;
}

void mn_pipeline_free_data(mn_pipeline *p) {
    mn_loader_free(p->loaders.train);
    mn_loader_free(p->loaders.valid);
    mn_loader_free(p->test_loader);
    mn_dataset_free(p->train);
    mn_dataset_free(p->valid);
    mn_dataset_free(p->test);
    p->loaders = (mn_loaders){NULL, NULL};
    p->test_loader = NULL;
    p->train = p->valid = p->test = NULL;
}

static int check_apart(mn_pipeline *p, const mn_dataset *other, const char *what) {
    char where[256];
    if (!other || !(mn_dataset_same(other, p->test) || mn_dataset_shared_file(other, p->test))) return 0;
    return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: test_data reads the same samples of %s as %s",
                   mn_node_where(mn_node_get(p->tree, "test_data"), where, sizeof where), p->test->name, what);
}

int mn_pipeline_test_loader(mn_pipeline *p) {
    char where[256];
    const mn_dataset *d = p->test, *t = p->train;
    if (!d) return 0;
    mn_node_where(mn_node_get(p->tree, "test_data"), where, sizeof where);
    if (!t) return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: test_data without train_data: nothing is trained", where);
    MN_TRY(check_apart(p, p->train, "train_data"));
    MN_TRY(check_apart(p, p->valid, "valid_data"));
    const mn_loader *like = p->loaders.valid ? p->loaders.valid : p->loaders.train;
    const int32_t n_classes = mn_loader_n_classes(like) < t->n_classes ? mn_loader_n_classes(like) : d->n_classes;
    if (d->c != t->c || d->h != t->h || d->w != t->w || n_classes > p->model->n_classes)
        return mn_fail(p->ctx, MODNAS_ECONFIG,
                       "%s: test images are %dx%dx%d of %d classes, training images %dx%dx%d, the model has %d outputs",
                       where, d->c, d->h, d->w, n_classes, t->c, t->h, t->w, p->model->n_classes);
    return mn_loader_test(like, p->test, &p->test_loader);
}
