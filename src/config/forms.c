/* Forms that are no component specs: names, numbers in a range, small maps, objectives. */
#include "config/forms.h"

#include <stdio.h>
#include <string.h>

#include "config/config.h"

int mn_form_fail(const mn_check *c, const char *key, const mn_node *v, const char *fmt, ...) {
    char text[600], at[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return mn_fail(c->ctx, MODNAS_ECONFIG, "%s: %s: %s", mn_node_where(v, at, sizeof at), key, text);
}

int mn_form_map(const mn_check *c, const char *owner, const mn_node *v, const char *of_what) {
    char what[80];
    if (v->kind == MN_MAP && v->n) return 0;
    return mn_form_fail(c, owner, v, "a map of %s is wanted, not %s", of_what, mn_node_what(v, what, sizeof what));
}

int mn_form_fields(const mn_check *c, const char *owner, const mn_node *v, const mn_key_def *fields) {
    const char *names[32];
    char at[300], hint[100];
    size_t n = 0;
    MN_TRY(mn_form_map(c, owner, v, "settings"));
    for (; fields[n].def.name; n++) names[n] = fields[n].def.name;
    for (size_t i = 0; i < v->n; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], v->keys[i]) != 0) k++;
        if (k == n)
            return mn_fail(c->ctx, MODNAS_ECONFIG, "%s: unknown key '%.80s' of %s%s",
                           mn_node_where(v->items[i], at, sizeof at), v->keys[i], owner,
                           mn_did_you_mean(hint, sizeof hint, v->keys[i], names, n));
        MN_TRY(mn_arg_check(c->ctx, owner, &fields[k].def, v->items[i], c->part));
        if (fields[k].form) MN_TRY(fields[k].form(c, &fields[k].def, v->items[i]));
    }
    return 0;
}

int mn_form_settings(const mn_check *c, const char *owner, const mn_node *v, const mn_key_def *fields) {
    return v->kind == MN_MAP && !v->n ? 0 : mn_form_fields(c, owner, v, fields);
}

/* ---- scalars ---- */

static int in_range(const mn_check *c, const mn_arg_def *def, const mn_node *v, double low, double high) {
    MN_TRY(mn_arg_check(c->ctx, "", def, v, c->part));
    if (v->r >= low && v->r <= high) return 0;
    return mn_form_fail(c, def->name, v, "%s is not in %.0f..%.0f", v->text ? v->text : "it", low, high);
}

int mn_form_threads(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    return in_range(c, def, v, 1, 256);
}

int mn_form_seed(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    return in_range(c, def, v, 0, 9223372036854774784.0);
}

int mn_form_name(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    MN_TRY(mn_arg_check(c->ctx, "", def, v, c->part));
    if (!*v->text) return mn_form_fail(c, def->name, v, "it is empty");
    if (*v->text == '.' || strchr(v->text, '/'))
        return mn_form_fail(c, def->name, v, "'%.80s' would leave exp/", v->text);
    for (const char *t = v->text; *t; t++)
        if ((unsigned char)*t < 0x20 || *t == 0x7f) return mn_form_fail(c, def->name, v, "it has a control character");
    return 0;
}

int mn_form_device_ids(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    static const char *const words[] = {"all", "cpu", "nil", "none"};
    char what[80];
    if (v->kind == MN_INT && v->i >= 0) return 0;
    for (size_t i = 0; v->kind == MN_STR && i < MN_COUNT(words); i++)
        if (strcmp(v->text, words[i]) == 0) return 0;
    if (v->kind == MN_STR && *v->text && !v->text[strspn(v->text, "0123456789,")] && !strstr(v->text, ",,") &&
        *v->text != ',' && v->text[strlen(v->text) - 1] != ',')
        return 0;
    return mn_form_fail(c, def->name, v, "all, cpu, nil, none or device numbers such as '0,1' are wanted, not %s",
                        mn_node_what(v, what, sizeof what));
}

int mn_form_memory(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    char what[80];
    double bytes = v->r;
    const int known = v->kind == MN_INT || (v->kind == MN_STR && mn_quantity(v->text, &bytes) == 0);
    if (known && bytes > 0) return 0;
    return mn_form_fail(c, def->name, v, "bytes are wanted, such as 512MiB or 2GiB, not %s",
                        mn_node_what(v, what, sizeof what));
}

/* ---- small maps ---- */

int mn_form_device(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    static const mn_key_def fields[] = {
        {{"device", MN_ARG_ANY, "all", NULL, "as device_ids"}, mn_form_device_ids},
        {{"data_parallel", MN_ARG_BOOL, "true", NULL, "accepted"}, NULL},
        {{0}, NULL},
    };
    return mn_form_fields(c, def->name, v, fields);
}

/* Of checkpoints: between two of them, or 0. */
static int interval(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    if (v->r >= 0) return 0;
    return mn_form_fail(c, def->name, v, "a number that is not below 0 is wanted, not %g", v->r);
}

int mn_form_expman(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    static const mn_key_def fields[] = {
        {{"root_dir", MN_ARG_STR, "exp", NULL, "folder of experiments"}, NULL},
        {{"subdir_timefmt", MN_ARG_STR, "null", NULL, "strftime format of a folder below"}, NULL},
        {{"chkpt_intv", MN_ARG_INT, "0", NULL, "epochs between two checkpoints; 0: none for epochs"}, interval},
        {{"chkpt_intv_steps", MN_ARG_INT, "0", NULL, "steps between two checkpoints; 0: none for steps"}, interval},
        {{"chkpt_intv_seconds", MN_ARG_REAL, "600", NULL, "seconds between two; 0: none for the time"}, interval},
        {{0}, NULL},
    };
    return mn_form_fields(c, def->name, v, fields);
}

int mn_form_writer(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    static const mn_key_def fields[] = {
        {{"enabled", MN_ARG_BOOL, "false", NULL, "whether TensorBoard files are written"}, NULL},
        {{0}, NULL},
    };
    return mn_form_fields(c, def->name, v, fields);
}

/* ---- import ---- */

static int ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int import_one(const mn_check *c, const mn_node *v) {
    char what[80];
    if (v->kind != MN_STR)
        return mn_form_fail(c, "import", v, "a name is wanted, not %s", mn_node_what(v, what, sizeof what));
    if (strcmp(v->text, "modnas") == 0 || strncmp(v->text, "modnas.", 7) == 0) return 0;
    if (ends_with(v->text, ".py"))
        return mn_form_fail(c, "import", v, "'%.80s' is Python, which is not run here", v->text);
    if (ends_with(v->text, ".so"))
        return mn_form_fail(c, "import", v, "'%.80s': host plug-ins are not supported yet", v->text);
    return mn_form_fail(c, "import", v, "'%.80s' is no module of modnas", v->text);
}

/* A name, a list of names, or [alias, path] within a list. */
int mn_form_import(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    (void)def;
    if (v->kind != MN_SEQ) return import_one(c, v);
    for (size_t i = 0; i < v->n; i++) {
        const mn_node *item = v->items[i];
        if (item->kind == MN_SEQ && item->n == 2) item = item->items[1];
        MN_TRY(import_one(c, item));
    }
    return 0;
}

int mn_form_hp_space(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    char what[80];
    if ((v->kind == MN_MAP || v->kind == MN_SEQ) && v->n) return 0;
    return mn_form_fail(c, def->name, v, "a map or a list of choices is wanted, not %s",
                        mn_node_what(v, what, sizeof what));
}

/* ---- objective ---- */

static int is_metric(const char *text, size_t n) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return n > 0 && strspn(text, letters) >= n;
}

static int metric_list(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    char what[80];
    const size_t n = v->kind == MN_SEQ ? v->n : 1;
    if (v->kind == MN_SEQ && !v->n) return mn_form_fail(c, def->name, v, "the list is empty");
    for (size_t i = 0; i < n; i++) {
        const mn_node *m = v->kind == MN_SEQ ? v->items[i] : v;
        if (m->kind != MN_STR || !is_metric(m->text, strlen(m->text)))
            return mn_form_fail(c, def->name, m, "the name of a metric is wanted, not %s",
                                mn_node_what(m, what, sizeof what));
    }
    return 0;
}

/* "metric <= quantity" or ">=". */
static int is_limit(const char *text) {
    double x;
    const size_t n = strcspn(text, " \t<>");
    if (!is_metric(text, n)) return 0;
    text += n + strspn(text + n, " \t");
    if (strncmp(text, "<=", 2) != 0 && strncmp(text, ">=", 2) != 0) return 0;
    text += 2;
    return mn_quantity(text + strspn(text, " \t"), &x) == 0;
}

static int limit_list(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    char what[80];
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i]->kind != MN_STR || !is_limit(v->items[i]->text))
            return mn_form_fail(c, def->name, v->items[i], "a limit such as 'macs <= 60M' is wanted, not %s",
                                mn_node_what(v->items[i], what, sizeof what));
    return 0;
}

int mn_form_objective(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    static const mn_key_def fields[] = {
        {{"maximize", MN_ARG_ANY, "null", NULL, "metrics; several: Pareto"}, metric_list},
        {{"minimize", MN_ARG_ANY, "null", NULL, "metrics; several: Pareto"}, metric_list},
        {{"latency_table", MN_ARG_STR, "null", NULL, "file with latency_ms of each candidate at each Slot"}, NULL},
        {{"subject_to", MN_ARG_LIST, "null", NULL, "limits"}, limit_list},
        {{0}, NULL},
    };
    return mn_form_fields(c, def->name, v, fields);
}
