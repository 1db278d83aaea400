/* A component's arguments as JSON, for lists and for hosts. */
#include "registry/registry.h"

const char *mn_arg_type_name(int32_t type) {
    static const char *const names[] = {"any",  "bool", "int",   "real", "str", /* ORDER mn_arg_type */
                                        "list", "map",  "reals", "spec", "specs"};
    return names[type];
}

static void add_member(mn_str *s, const char *before, const char *key, const char *value) {
    mn_str_addf(s, "%s\"%s\":", before, key);
    mn_str_json(s, value);
}

/* The default as the value that it stands for; null when the arg has to be given. */
static int add_default(mn_str *s, const mn_arg_def *d) {
    mn_node *value = NULL;
    if (d->def) MN_TRY(mn_yaml_value(s->ctx, d->def, "default", &value));
    mn_str_add(s, ",\"default\":");
    mn_node_json(s, value);
    mn_str_addf(s, ",\"required\":%s", d->def ? "false" : "true");
    mn_node_free(s->ctx, value);
    return 0;
}

int mn_component_args_json(mn_str *s, const mn_component *c) {
    mn_str_add(s, "[");
    for (const mn_arg_def *d = c->args; d && d->name; d++) {
        add_member(s, d == c->args ? "{" : ",{", "name", d->name);
        add_member(s, ",", "type", mn_arg_type_name(d->type));
        if (d->of) add_member(s, ",", "of", d->of);
        MN_TRY(add_default(s, d));
        add_member(s, ",", "text", d->text);
        mn_str_add(s, "}");
    }
    mn_str_add(s, "]");
    return 0;
}
