/* Architecture parameters by name: {"c_0": "MB3E6", "n_1": 4, "t_2": [0.1, ...]}; without keys a list of the values;
 * with a format text in which "{c_0}" (or "{}" and "{2}" without keys) stands for a value, "{{" and "}}" for braces. */
#include <stdlib.h>
#include <string.h>

#include "export/parts.h"

typedef struct params_state {
    char *format; /* NULL: none */
    int32_t with_keys;
} params_state;

static void destroy(mn_exporter *e) {
    mn_free(e->ctx, ((params_state *)e->state)->format);
}

/* ---- values -------------------------------------------------------------------------------------------- */

static int tensor_value(modnas_ctx *ctx, const mn_arch_param *p, mn_node **out) {
    double *x = mn_alloc(ctx, (size_t)p->n, sizeof *x);
    mn_node *list = mn_node_new(ctx, MN_SEQ);
    int rc = x && list ? mn_param_get(p->tensor, x) : MODNAS_ENOMEM;
    for (int32_t i = 0; i < p->n && !rc; i++) {
        mn_node *v = mn_node_real(ctx, x[i]);
        rc = v ? mn_node_add(ctx, list, v) : MODNAS_ENOMEM;
    }
    mn_free(ctx, x);
    if (rc)
        mn_node_free(ctx, list);
    else
        *out = list;
    return rc;
}

static int value_of(modnas_ctx *ctx, const mn_arch_param *p, mn_node **out) {
    if (p->type == MN_TENSOR) return tensor_value(ctx, p, out);
    if (p->choices)
        *out = mn_node_copy(ctx, p->choices->items[p->index]);
    else
        *out = p->integer ? mn_node_int(ctx, (int64_t)p->value) : mn_node_real(ctx, p->value);
    return *out ? 0 : MODNAS_ENOMEM;
}

/* All of them; a list without keys. */
static int values(mn_exporter *e, const mn_model *model, mn_node **out) {
    const params_state *s = e->state;
    const size_t n = model->space ? model->space->params.n : 0;
    mn_node *all = mn_node_new(e->ctx, s->with_keys ? MN_MAP : MN_SEQ);
    int rc = all ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < n && !rc; i++) {
        const mn_arch_param *p = MN_AT(model->space->params, mn_arch_param *, i);
        mn_node *v;
        rc = value_of(e->ctx, p, &v);
        if (!rc) rc = s->with_keys ? mn_node_set(e->ctx, all, p->name, v) : mn_node_add(e->ctx, all, v);
    }
    if (rc)
        mn_node_free(e->ctx, all);
    else
        *out = all;
    return rc;
}

/* ---- format -------------------------------------------------------------------------------------------- */

/* The value that a field names; NULL with an error set. next: the number that an empty field stands for. */
static const mn_node *field(modnas_ctx *ctx, const mn_node *all, const char *name, size_t n, size_t *next) {
    char text[128], *end;
    if (n < sizeof text) {
        memcpy(text, name, n);
        text[n] = 0;
        if (all->kind == MN_MAP) {
            const mn_node *v = mn_node_get(all, text);
            if (v) return v;
        } else {
            const unsigned long i = n ? strtoul(text, &end, 10) : (unsigned long)(*next)++;
            if ((!n || (*end == 0 && text[0] >= '0' && text[0] <= '9')) && i < all->n) return all->items[i];
        }
    }
    mn_fail(ctx, MODNAS_ECONFIG, "export_fmt: there is no parameter {%.*s}", (int)(n < 100 ? n : 100), name);
    return NULL;
}

static int format(modnas_ctx *ctx, const char *fmt, const mn_node *all, mn_str *out) {
    size_t next = 0;
    for (const char *c = fmt; *c; c++) {
        if ((*c == '{' || *c == '}') && c[1] == c[0]) {
            mn_str_addn(out, c++, 1);
        } else if (*c == '{') {
            const char *end = strchr(c, '}');
            if (!end) return mn_fail(ctx, MODNAS_ECONFIG, "export_fmt: '{' without '}' in '%s'", fmt);
            const mn_node *v = field(ctx, all, c + 1, (size_t)(end - c - 1), &next);
            if (!v) return MODNAS_ECONFIG;
            if (v->kind == MN_STR)
                mn_str_add(out, v->text);
            else
                mn_node_json(out, v);
            c = end;
        } else if (*c == '}') {
            return mn_fail(ctx, MODNAS_ECONFIG, "export_fmt: '}' without '{' in '%s'", fmt);
        } else {
            mn_str_addn(out, c, 1);
        }
    }
    return 0;
}

static int run(mn_exporter *e, mn_model *model, mn_node **desc) {
    const params_state *s = e->state;
    mn_node *all, *text = NULL;
    MN_TRY(values(e, model, &all));
    if (!s->format) {
        *desc = all;
        return 0;
    }
    mn_str out = {.ctx = e->ctx};
    mn_str_add(&out, "");
    int rc = format(e->ctx, s->format, all, &out);
    if (!rc) {
        text = out.failed ? NULL : mn_node_str(e->ctx, out.text);
        rc = text ? 0 : MODNAS_ENOMEM;
    }
    mn_str_free(&out);
    mn_node_free(e->ctx, all);
    if (!rc) *desc = text;
    return rc;
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_exporter *e;
    (void)c, (void)env;
    MN_TRY(mn_exporter_new(args->ctx, sizeof(params_state), run, &e));
    params_state *s = e->state;
    e->destroy = destroy;
    s->with_keys = mn_args_bool(args, "with_keys");
    const char *fmt = mn_args_str(args, "export_fmt");
    if (fmt && !(s->format = mn_strdup(args->ctx, fmt))) {
        mn_exporter_free(e);
        return MODNAS_ENOMEM;
    }
    *(mn_exporter **)out = e;
    return 0;
}

static const mn_arg_def args_of[] = {
    {"export_fmt", MN_ARG_STR, "null", NULL, "text made of the values: {name}, or {} and {0} without keys"},
    {"with_keys", MN_ARG_BOOL, "true", NULL, "a map from names to values; false: a list of values"},
    {NULL, 0, NULL, NULL, NULL}};
static const mn_component row = {"export", "DefaultParamsExporter", "architecture parameters by name", args_of, build,
                                 NULL};

int mn_export_params_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
