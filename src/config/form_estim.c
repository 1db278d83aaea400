/* The form of `estim`: a map of names to estimators' settings (spec 1.3, end). */
#include <stdio.h>
#include <string.h>

#include "config/forms.h"

static const struct {
    mn_arg_def def;
    double low; /* of numbers */
} fields[] = {
    {{"epochs", MN_ARG_INT, "null", NULL, "passes, evaluations or trials"}, -1},
    {{"subnet_epochs", MN_ARG_INT, "null", NULL, "training of each candidate, epochs"}, 0},
    {{"arch_update_epoch_start", MN_ARG_INT, "0", NULL, "first epoch with architecture updates"}, 0},
    {{"arch_update_epoch_intv", MN_ARG_INT, "1", NULL, "epochs between them"}, 1},
    {{"arch_update_intv", MN_ARG_INT, "-1", NULL, "steps between them; -1: by batches, 0: once an epoch"}, -1},
    {{"arch_update_batch", MN_ARG_INT, "1", NULL, "updates at a time"}, 1},
    {{"baseline", MN_ARG_BOOL, "true", NULL, "as many architectures at random beside a search"}, 0},
    {{"recalibration", MN_ARG_BOOL, "true", NULL, "statistics of batch norm of what shared weights found, in each way"}, 0},
    {{"metrics", MN_ARG_SPECS, "ValidateMetrics", "metrics", "what scores a candidate"}, 0},
    {{"criterion", MN_ARG_SPECS, "null", "criterion", "losses on top of the trainer's"}, 0},
    {{"trainer", MN_ARG_STR, "null", NULL, "name of its trainer"}, 0},
    {{"chkpt", MN_ARG_STR, "null", NULL, "file to load first"}, 0},
    {{"main", MN_ARG_BOOL, "null", NULL, "main node of a distributed run"}, 0},
    {{"pipeline", MN_ARG_MAP, "null", NULL, "runs in a chain"}, 0},
    {{"trial_args", MN_ARG_MAP, "null", NULL, "args of a trial"}, 0},
    {{"trial_config", MN_ARG_MAP, "null", NULL, "configuration of a trial"}, 0},
    {{"record_path", MN_ARG_STR, "null", NULL, "file of recorded results"}, 0},
};

static int check_trainer(const mn_check *c, const char *owner, const mn_node *v) {
    const mn_node *trainers = mn_node_get(c->root, "trainer");
    char hint[100];
    if (c->part || mn_node_get(trainers, v->text)) return 0;
    const char *const *names = trainers && trainers->kind == MN_MAP ? (const char *const *)trainers->keys : NULL;
    return mn_form_fail(c, owner, v, "there is no trainer '%.80s'%s", v->text,
                        mn_did_you_mean(hint, sizeof hint, v->text, names, names ? trainers->n : 0));
}

static int check_field(const mn_check *c, const char *owner, const mn_arg_def *def, double low, const mn_node *v) {
    char path[200];
    MN_TRY(mn_arg_check(c->ctx, owner, def, v, c->part));
    snprintf(path, sizeof path, "%s.%s", owner, def->name);
    if (def->type == MN_ARG_INT && v->r < low) return mn_form_fail(c, path, v, "%.0f is below %.0f", v->r, low);
    return strcmp(def->name, "trainer") == 0 ? check_trainer(c, path, v) : 0;
}

static int check_one(const mn_check *c, const char *name, const mn_node *conf) {
    static const mn_arg_def name_def = {"estim", MN_ARG_STR, NULL, NULL, "its name is part of files' names"};
    const char *extra[MN_COUNT(fields) + 1] = {NULL};
    char owner[120];
    snprintf(owner, sizeof owner, "estim.%.80s", name);
    const mn_node as_text = {.kind = MN_STR, .text = (char *)(uintptr_t)name, .file = conf->file, .line = conf->line};
    MN_TRY(mn_form_name(c, &name_def, &as_text));
    MN_TRY(mn_form_map(c, owner, conf, "settings"));
    for (size_t i = 0; i < MN_COUNT(fields); i++) extra[i] = fields[i].def.name;
    MN_TRY(mn_spec_check_any(c->ctx, "estim", conf, extra, NULL, c->part));
    for (size_t i = 0; i < MN_COUNT(fields); i++) {
        const mn_node *v = mn_node_get(conf, fields[i].def.name);
        if (v) MN_TRY(check_field(c, owner, &fields[i].def, fields[i].low, v));
    }
    return 0;
}

int mn_form_estim(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    MN_TRY(mn_form_map(c, def->name, v, "names and estimators"));
    for (size_t i = 0; i < v->n; i++) MN_TRY(check_one(c, v->keys[i], v->items[i]));
    return 0;
}
