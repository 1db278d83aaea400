/* DefaultDataLoader and ImageClsDataLoader: from data sets and args to a training and a validation loader.
 *
 * The two differ in what they do with classes: ImageClsDataLoader can select some (relabelled 0, 1, ... in the order of
 * their old labels) and takes equally many validation samples of each. */
#include <limits.h>
#include <string.h>

#include "data/loader.h"
#include "data/parts.h"
#include "data/split.h"

/* What differs between the components. */
typedef struct flavour {
    int by_class;
} flavour;

static int read_whole(const mn_args *a, const char *arg, int64_t min, int64_t max, int32_t *out) {
    const int64_t v = mn_args_int(a, arg);
    if (v < min || v > max)
        return mn_args_fail(a, arg, "%lld is not in [%lld, %lld]", (long long)v, (long long)min, (long long)max);
    *out = (int32_t)v;
    return 0;
}

/* A batch size times parallel_multiplier. */
static int read_batch(const mn_args *a, const char *arg, int32_t *out) {
    int32_t batch = 1, multiplier = 1;
    MN_TRY(read_whole(a, arg, 1, 1 << 20, &batch));
    MN_TRY(read_whole(a, "parallel_multiplier", 1, 1024, &multiplier));
    *out = batch * multiplier;
    return 0;
}

/* ---- classes --------------------------------------------------------------------------------------------- */

/* The label that an entry of `classes` means. */
static int find_class(const mn_args *a, const mn_dataset *d, const mn_node *n, int32_t *label) {
    if (n->kind == MN_INT && n->i >= 0 && n->i < d->n_classes) {
        *label = (int32_t)n->i;
        return 0;
    }
    if (n->kind == MN_INT)
        return mn_args_fail(a, "classes", "class %lld; %s has 0 to %d", (long long)n->i, d->name, d->n_classes - 1);
    if (n->kind != MN_STR) return mn_args_fail(a, "classes", "a class is a number or a name");
    for (int32_t c = 0; d->class_names && c < d->n_classes; c++) {
        if (strcmp(d->class_names[c], n->text)) continue;
        *label = c;
        return 0;
    }
    const char *near = d->class_names ? mn_suggest(n->text, d->class_names, (size_t)d->n_classes) : NULL;
    return mn_args_fail(a, "classes", "%s has no class named '%s'%s%s%s", d->name, n->text,
                        near ? "; did you mean '" : "", near ? near : "",
                        near             ? "'?"
                        : d->class_names ? ""
                                         : ", only numbers");
}

/* Mark k random classes. */
static int mark_some(const mn_args *a, const mn_dataset *d, int64_t k, uint64_t seed, int32_t *map) {
    if (k < 1 || k > d->n_classes)
        return mn_args_fail(a, "classes", "%lld classes; %s has %d", (long long)k, d->name, d->n_classes);
    int32_t *order = mn_alloc(a->ctx, (size_t)d->n_classes, sizeof *order);
    if (!order) return MODNAS_ENOMEM;
    for (int32_t c = 0; c < d->n_classes; c++) order[c] = c;
    mn_rng rng;
    mn_rng_init(&rng, seed, mn_stream("data.classes"), 0);
    mn_rng_shuffle(&rng, order, d->n_classes);
    for (int64_t i = 0; i < k; i++) map[order[i]] = 0;
    mn_free(a->ctx, order);
    return 0;
}

static int mark_listed(const mn_args *a, const mn_dataset *d, const mn_node *list, int32_t *map) {
    if (list->n == 0) return mn_args_fail(a, "classes", "the list is empty");
    for (size_t i = 0; i < list->n; i++) {
        int32_t label = 0;
        MN_TRY(find_class(a, d, list->items[i], &label));
        if (map[label] == 0) return mn_args_fail(a, "classes", "class %d is listed twice", label);
        map[label] = 0;
    }
    return 0;
}

/* *map [out]: new label of each old one, -1 for none; NULL when all classes take part. */
static int read_classes(const mn_args *a, const mn_dataset *d, uint64_t seed, int32_t **map, int32_t *n_classes) {
    const mn_node *n = mn_args_node(a, "classes");
    *map = NULL;
    *n_classes = d->n_classes;
    if (!n) return 0;
    if (n->kind != MN_INT && n->kind != MN_SEQ)
        return mn_args_fail(a, "classes", "is neither a number of classes nor a list of them");
    int32_t *m = mn_alloc(a->ctx, (size_t)d->n_classes, sizeof *m);
    if (!m) return MODNAS_ENOMEM;
    memset(m, -1, (size_t)d->n_classes * sizeof *m);
    const int rc = n->kind == MN_INT ? mark_some(a, d, n->i, seed, m) : mark_listed(a, d, n, m);
    if (rc) {
        mn_free(a->ctx, m);
        return rc;
    }
    *n_classes = 0;
    for (int32_t c = 0; c < d->n_classes; c++)
        if (m[c] == 0) m[c] = (*n_classes)++;
    *map = m;
    return 0;
}

/* ---- building -------------------------------------------------------------------------------------------- */

static int check_sets(const mn_args *a, const mn_loader_env *env) {
    const mn_dataset *t = env->train, *v = env->valid;
    if (mn_args_given(a, "collate_fn"))
        return mn_args_fail(a, "collate_fn",
                            "a function of the original; batches are always made of arrays: leave it out");
    char at[256];
    if (v && (t->c != v->c || t->h != v->h || t->w != v->w || t->n_classes != v->n_classes))
        return mn_fail(a->ctx, MODNAS_ESHAPE,
                       "%s: training samples are %d x %d x %d of %d classes, validation samples %d x %d x %d of %d",
                       mn_node_where(a->origin, at, sizeof at), t->c, t->h, t->w, t->n_classes, v->c, v->h, v->w,
                       v->n_classes);
    const char *shared = v && !mn_dataset_same(t, v) ? mn_dataset_shared_file(t, v) : NULL;
    if (shared)
        return mn_fail(a->ctx, MODNAS_ECONFIG, "%s: training and validation data both read %s",
                       mn_node_where(a->origin, at, sizeof at), shared);
    return 0;
}

static int make_loaders(const mn_args *a, const mn_loader_env *env, const mn_split *s, const int32_t *map,
                        int32_t n_classes, mn_loaders *out) {
    int32_t trn_batch = 1, val_batch = 1, workers = 0;
    MN_TRY(read_batch(a, "trn_batch_size", &trn_batch));
    MN_TRY(read_batch(a, "val_batch_size", &val_batch));
    MN_TRY(read_whole(a, "workers", 0, 1024, &workers));
    const mn_loader_opts train = {.set = env->train,
                                  .index = s->train,
                                  .n = s->n_train,
                                  .label_map = map,
                                  .n_classes = n_classes,
                                  .batch = trn_batch,
                                  .augment = 1,
                                  .shuffle = 1,
                                  .prefetch = workers > 0,
                                  .seed = env->seed,
                                  .stream = "data.order.train"};
    mn_loader_opts valid = train;
    valid.set = env->valid ? env->valid : env->train;
    valid.index = s->valid;
    valid.n = s->n_valid;
    valid.batch = val_batch;
    valid.augment = 0;
    valid.stream = "data.order.valid";
    mn_loaders made = {0};
    MN_TRY(mn_loader_new(a->ctx, &train, &made.train));
    const int rc = s->n_valid ? mn_loader_new(a->ctx, &valid, &made.valid) : 0;
    if (rc)
        mn_loader_free(made.train);
    else
        *out = made;
    return rc;
}

int mn_loader_plain(modnas_ctx *ctx, mn_dataset *d, int32_t batch, mn_loader **out) {
    const mn_loader_opts o = {.set = d, .batch = batch, .prefetch = 1, .stream = "data.order.plain"};
    return mn_loader_new(ctx, &o, out);
}

int mn_loader_test(const mn_loader *of, mn_dataset *d, mn_loader **out) {
    const int32_t *map = mn_loader_label_map(of), *labels;
    const mn_dataset *set = mn_loader_dataset(of);
    if (!map) return mn_loader_plain(d->ctx, d, mn_loader_batch_size(of), out);
    if (d->n_classes != set->n_classes)
        return mn_fail(d->ctx, MODNAS_ESHAPE, "%s has %d classes, %s, of which some were chosen, %d", d->name,
                       d->n_classes, set->name, set->n_classes);
    MN_TRY(mn_dataset_labels(d, &labels));
    int32_t *index = mn_alloc(d->ctx, (size_t)d->n, sizeof *index);
    if (!index) return MODNAS_ENOMEM;
    mn_loader_opts o = {.set = d,
                        .index = index,
                        .label_map = map,
                        .n_classes = mn_loader_n_classes(of),
                        .batch = mn_loader_batch_size(of),
                        .prefetch = 1,
                        .stream = "data.order.plain"};
    for (int32_t i = 0; i < d->n; i++)
        if (map[labels[i]] >= 0) index[o.n++] = i;
    const int rc = mn_loader_new(d->ctx, &o, out);
    mn_free(d->ctx, index);
    return rc;
}

static int build(const mn_component *c, const mn_args *a, const void *env_, void *out) {
    const flavour *f = c->data;
    const mn_loader_env *env = env_;
    mn_split_opts o = {.args = a,
                       .train_size = mn_args_int(a, "train_size"),
                       .valid_size = mn_args_int(a, "valid_size"),
                       .train_ratio = mn_args_real(a, "train_ratio"),
                       .valid_ratio = mn_args_real(a, "valid_ratio"),
                       .train_seed = (uint64_t)mn_args_int(a, "train_seed"),
                       .valid_seed = (uint64_t)mn_args_int(a, "valid_seed"),
                       .balanced = f->by_class};
    int32_t *map = NULL, n_classes = env->train->n_classes;
    mn_split split = {0};
    MN_TRY(check_sets(a, env));
    int rc = f->by_class ? read_classes(a, env->train, o.train_seed, &map, &n_classes) : 0;
    if (rc) return rc;
    o.label_map = map;
    rc = mn_split_make(a->ctx, &o, env->train, env->valid, &split);
    if (!rc) rc = make_loaders(a, env, &split, map, n_classes, out);
    if (!rc)
        mn_log(a->ctx, MODNAS_LOG_INFO, "data: %s: %lld samples to train on, %lld to validate on, %d classes",
               env->train->name, (long long)split.n_train, (long long)split.n_valid, n_classes);
    mn_split_free(a->ctx, &split);
    mn_free(a->ctx, map);
    return rc;
}

#define COMMON_ARGS                                                                                                    \
    {"trn_batch_size", MN_ARG_INT, "64", NULL, "samples in a training batch"},                                         \
        {"val_batch_size", MN_ARG_INT, "64", NULL, "samples in a validation batch"},                                   \
        {"workers", MN_ARG_INT, "2", NULL,                                                                             \
         "0: batches are prepared when asked for; above: ahead, by one thread; same bytes"},                           \
        {"collate_fn", MN_ARG_ANY, "null", NULL, "only null"},                                                         \
        {"parallel_multiplier", MN_ARG_INT, "1", NULL, "multiplies both batch sizes"},                                 \
        {"train_size", MN_ARG_INT, "0", NULL,                                                                          \
         "random training samples to use, before the validation part is taken; 0: by train_ratio"},                    \
        {"train_ratio", MN_ARG_REAL, "1", NULL, "share of the training samples to use, in (0, 1]"},                    \
        {"train_seed", MN_ARG_INT, "1", NULL, "chooses them"},                                                         \
        {"valid_size", MN_ARG_INT, "0", NULL,                                                                          \
         "validation samples, taken out of the training ones unless there is a set of their own; 0: by valid_ratio"},  \
        {"valid_ratio", MN_ARG_REAL, "0", NULL, "share of the samples to validate on, in [0, 1]"}, {                   \
        "valid_seed", MN_ARG_INT, "1", NULL, "chooses them"                                                            \
    }

static const mn_arg_def default_args[] = {COMMON_ARGS, {0}};
static const mn_arg_def image_args[] = {
    COMMON_ARGS,
    {"classes", MN_ARG_ANY, "null", NULL,
     "classes to use: how many (chosen by train_seed) or a list of labels or names; relabelled from 0"},
    {0}};

static const flavour plain = {.by_class = 0}, by_class = {.by_class = 1};

const mn_component mn_default_data_loader = {.kind = "data_loader",
                                             .name = "DefaultDataLoader",
                                             .text = "batches in random order, with a validation split",
                                             .args = default_args,
                                             .build = build,
                                             .data = &plain};
const mn_component mn_image_cls_data_loader = {
    .kind = "data_loader",
    .name = "ImageClsDataLoader",
    .text = "as DefaultDataLoader, by class: some classes, balanced validation split",
    .args = image_args,
    .build = build,
    .data = &by_class};
