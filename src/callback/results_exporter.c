/* EstimResultsExporter: files of a new best, and of every so-manieth epoch; names and sizes of what the run writes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "callback/parts.h"

typedef struct exporter {
    char *run_file, *best_file;
    int64_t chkpt_intv, desc_intv;
    int32_t saves_chkpt, saves_desc; /* of a new best */
} exporter;

static int evaluated(mn_callback *c, mn_estim *e, const mn_evaluation *v, int *is_opt) {
    const exporter *s = c->own;
    (void)is_opt;
    if (!v->is_best) return 0;
    if (s->saves_chkpt) MN_TRY(c->env.save_model(c->env.ud, e, s->best_file));
    return s->saves_desc && v->arch ? c->env.save_arch(c->env.ud, e, s->best_file, v->arch) : 0;
}

/* What a gradient search has come to; of another the best so far, since what was proposed last says nothing. */
static int save_desc(mn_callback *c, mn_estim *e, const char *tag) {
    mn_node *arch = NULL;
    const int proposes = e->optim && e->optim->vt->ask;
    if (!proposes) MN_TRY(mn_estim_describe(e, NULL, &arch));
    const mn_node *told = proposes ? e->best_arch : arch;
    const int rc = told ? c->env.save_arch(c->env.ud, e, tag, told) : 0;
    mn_node_free(c->ctx, arch);
    return rc;
}

static int epoch_done(mn_callback *c, mn_estim *e, mn_str *line) {
    const exporter *s = c->own;
    char tag[32];
    (void)line;
    snprintf(tag, sizeof tag, "ep%03" PRId64, e->epoch + 1);
    if (mn_callback_is_due(e, (double)s->chkpt_intv)) MN_TRY(c->env.save_model(c->env.ud, e, tag));
    return mn_callback_is_due(e, (double)s->desc_intv) ? save_desc(c, e, tag) : 0;
}

/* Where nothing obeyed the limits, what an earlier run found in this folder is not what this one did. */
static int end(mn_callback *c, mn_estim *e) {
    const exporter *s = c->own;
    return e->n_evaluations && !e->best_metrics.n ? c->env.drop(c->env.ud, e, s->best_file) : 0;
}

static void destroy(mn_callback *c) {
    exporter *s = c->own;
    mn_free(c->ctx, s->run_file);
    mn_free(c->ctx, s->best_file);
}

static const mn_callback_vt vt = {.type = "EstimResultsExporter",
                                  .priority = -1,
                                  .evaluated = evaluated,
                                  .epoch_done = epoch_done,
                                  .end = end,
                                  .destroy = destroy};

/* ---- making -------------------------------------------------------------------------------------------- */

static int read_name(const mn_args *a, const char *key, char **out) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *name = mn_args_str(a, key);
    const size_t n = strlen(name);
    if (!n || n > 100 || name[strspn(name, letters)])
        return mn_args_fail(a, key, "'%.80s' is part of file names: up to 100 letters, digits, '_' and '-'", name);
    *out = mn_strdup(a->ctx, name);
    return *out ? 0 : MODNAS_ENOMEM;
}

static int read_intv(const mn_args *a, const char *key, int64_t *out) {
    *out = mn_args_int(a, key);
    return *out < 0 ? mn_args_fail(a, key, "it is %" PRId64 ", at least 0 is wanted", *out) : 0;
}

static int fill(mn_callback *c, const mn_args *a) {
    exporter *s = c->own;
    const int64_t top = mn_args_int(a, "top");
    MN_TRY(read_name(a, "run_file_name", &s->run_file));
    MN_TRY(read_name(a, "best_file_name", &s->best_file));
    MN_TRY(read_intv(a, "chkpt_intv", &s->chkpt_intv));
    MN_TRY(read_intv(a, "desc_intv", &s->desc_intv));
    s->saves_chkpt = mn_args_bool(a, "save_chkpt_best");
    s->saves_desc = mn_args_bool(a, "save_desc_best");
    if (top < 1 || top > MN_MOST_TOP) return mn_args_fail(a, "top", "it is %" PRId64 ", 1 to %d are wanted", top, MN_MOST_TOP);
    *c->env.n_top = (int32_t)top;
    *c->env.run_file = s->run_file;
    return 0;
}

static int build(const mn_component *component, const mn_args *a, const void *env, void *out) {
    (void)component;
    return mn_callback_make(&vt, a, env, sizeof(exporter), fill, out);
}

static const mn_arg_def args[] = {
    {"run_file_name", MN_ARG_STR, "results", NULL, "outputs/NAME.json: everything in numbers"},
    {"best_file_name", MN_ARG_STR, "best", NULL, "of outputs/arch_ESTIM_NAME.yaml and chkpt/model_ESTIM_NAME.safetensors"},
    {"chkpt_intv", MN_ARG_INT, "0", NULL, "epochs between two files of weights, tagged ep001, ...; 0: none"},
    {"desc_intv", MN_ARG_INT, "0", NULL, "likewise of architectures"},
    {"save_chkpt_best", MN_ARG_BOOL, "true", NULL, "weights at a new best"},
    {"save_desc_best", MN_ARG_BOOL, "true", NULL, "the architecture of a new best"},
    {"top", MN_ARG_INT, "10", NULL, "how many of the best stand in results.json, with scores"},
    {NULL, 0, NULL, NULL, NULL}};
const mn_component mn_results_exporter_component = {
    "callback", "EstimResultsExporter", "files of what is best and of every so-manieth epoch", args, build, NULL};
