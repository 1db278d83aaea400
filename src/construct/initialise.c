/* DefaultModelInitializer: initial values of convolutions, linear layers and batch norms, by rule.
 *
 *   init_config: {conv: {type: he_normal_fout, div_groups: true}, norm: {type: ones}, fc: {type: null}, bias: {type:
 * zeros}}
 *
 * A rule gives the standard deviation of a normal, or the bound of a uniform distribution:
 *
 *   he_normal   gain / sqrt(fan)          xavier_normal    sqrt(2) gain / sqrt(fan_in + fan_out)
 *   he_uniform  sqrt(3) gain / sqrt(fan)  xavier_uniform   sqrt(6) gain / sqrt(fan_in + fan_out)
 *   uniform_fin, uniform_fout  1 / sqrt(fan)                uniform  between 0 and 1;  normal  N(0, 1)
 *
 * with fan = fan_in or fan_out as the name's end says: kernel elements times channels, of a convolution divided by its
 * groups unless div_groups is false; of a batch norm its channels. gain is PyTorch's calculate_gain(nonlinearity).
 * Where a type is null, PyTorch's own initial values stay; without a type of conv or fc their biases stay as well.
 *
 * Nothing is drawn here: parameters are told how, and the commit draws. */
#include <math.h>
#include <string.h>

#include "config/forms.h"
#include "construct/parts.h"
#include "module/layers.h"

/* ---- rules --------------------------------------------------------------------------------------------- */

enum fan { NO_FAN, FAN_IN, FAN_OUT, FAN_BOTH };

typedef struct rule {
    const char *name;
    int32_t init, fan, gained; /* gained: multiplied by the gain */
    double square;             /* of the factor */
} rule;

static const rule rules[] = {
    {"he_normal_fin", MN_INIT_NORMAL, FAN_IN, 1, 1},
    {"he_normal_fout", MN_INIT_NORMAL, FAN_OUT, 1, 1},
    {"he_uniform_fin", MN_INIT_UNIFORM, FAN_IN, 1, 3},
    {"he_uniform_fout", MN_INIT_UNIFORM, FAN_OUT, 1, 3},
    {"xavier_normal", MN_INIT_NORMAL, FAN_BOTH, 1, 2},
    {"xavier_uniform", MN_INIT_UNIFORM, FAN_BOTH, 1, 6},
    {"uniform_fin", MN_INIT_UNIFORM, FAN_IN, 0, 1},
    {"uniform_fout", MN_INIT_UNIFORM, FAN_OUT, 0, 1},
    {"uniform", MN_INIT_UNIT, NO_FAN, 0, 1},
    {"normal", MN_INIT_NORMAL, NO_FAN, 0, 1},
    {"zeros", MN_INIT_ZEROS, NO_FAN, 0, 1},
    {"ones", MN_INIT_ONES, NO_FAN, 0, 1},
};

typedef struct fans {
    double in, out;
} fans;

static void set_init(mn_param *p, const rule *r, double gain, fans f) {
    const double fan[] = {1, f.in, f.out, f.in + f.out};
    if (!p || !r) return;
    p->init = r->init;
    p->bound = sqrt(r->square / fan[r->fan]) * (r->gained ? gain : 1);
}

/* As torch.nn.init.calculate_gain. */
static double gain_of(const char *nonlinearity, double slope) {
    if (strcmp(nonlinearity, "tanh") == 0) return 5.0 / 3;
    if (strcmp(nonlinearity, "relu") == 0) return sqrt(2);
    if (strcmp(nonlinearity, "leaky_relu") == 0) return sqrt(2 / (1 + slope * slope));
    return strcmp(nonlinearity, "selu") == 0 ? 0.75 : 1;
}

/* ---- configuration ------------------------------------------------------------------------------------- */

enum { CONV, NORM, FC, BIAS, OTHER, N_WHAT };

typedef struct plan {
    const rule *rule[N_WHAT]; /* NULL: values stay */
    int32_t skip[N_WHAT];     /* 1: module_init_map takes this kind out; it is one of the others then */
    int32_t div_groups;
    double momentum, eps; /* 0: they stay */
    double gain;
} plan;

static const rule *find_rule(const char *name) {
    for (size_t i = 0; i < MN_COUNT(rules); i++)
        if (strcmp(rules[i].name, name) == 0) return &rules[i];
    return NULL;
}

static int rule_form(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    const char *names[MN_COUNT(rules)];
    char hint[100];
    if (v->kind != MN_STR || find_rule(v->text)) return 0; /* null */
    for (size_t i = 0; i < MN_COUNT(rules); i++) names[i] = rules[i].name;
    return mn_form_fail(c, def->name, v, "there is no rule '%.40s' for initial values%s", v->text,
                        mn_did_you_mean(hint, sizeof hint, v->text, names, MN_COUNT(names)));
}

static int positive(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    if (v->kind == MN_NULL || v->r > 0) return 0;
    return mn_form_fail(c, def->name, v, "a number above 0 is wanted, not %g", v->r);
}

#define TYPE                                                                                                           \
    { {"type", MN_ARG_STR, "null", NULL, "rule"}, rule_form }
#define END                                                                                                            \
    { {0}, NULL }

static int check_config(modnas_ctx *ctx, const mn_node *config) {
    static const mn_key_def conv[] = {TYPE, {{"div_groups", MN_ARG_BOOL, "true", NULL, ""}, NULL}, END};
    static const mn_key_def norm[] = {TYPE,
                                      {{"momentum", MN_ARG_REAL, "null", NULL, ""}, positive},
                                      {{"eps", MN_ARG_REAL, "null", NULL, ""}, positive},
                                      END};
    static const mn_key_def plain[] = {TYPE, END};
    static const mn_key_def all[] = {
        {{"conv", MN_ARG_MAP, NULL, NULL, ""}, NULL},  {{"norm", MN_ARG_MAP, NULL, NULL, ""}, NULL},
        {{"fc", MN_ARG_MAP, NULL, NULL, ""}, NULL},    {{"bias", MN_ARG_MAP, NULL, NULL, ""}, NULL},
        {{"gain", MN_ARG_REAL, NULL, NULL, ""}, NULL}, END};
    static const mn_key_def *const inner[] = {conv, norm, plain, plain};
    const mn_check c = {ctx, NULL, 0};
    MN_TRY(mn_form_settings(&c, "init_config", config, all));
    for (size_t i = 0; i < MN_COUNT(inner); i++) {
        const mn_node *v = mn_node_get(config, all[i].def.name);
        if (v) MN_TRY(mn_form_settings(&c, all[i].def.name, v, inner[i]));
    }
    return 0;
}

static const rule *rule_of(const mn_node *config, const char *path) {
    const mn_node *v = mn_node_path(config, path);
    return v && v->kind == MN_STR ? find_rule(v->text) : NULL;
}

static double real_of(const mn_node *config, const char *path, double otherwise) {
    const mn_node *v = mn_node_path(config, path);
    return v && v->kind != MN_NULL ? v->r : otherwise;
}

/* {Linear: null}: layers of PyTorch's name are not initialised as what they are. */
static int read_map(const mn_args *args, plan *p) {
    static const struct {
        const char *layer, *what;
        int32_t index;
    } known[] = {
        {"Conv2d", "conv", CONV}, {"BatchNorm2d", "norm", NORM}, {"GroupNorm", "norm", OTHER}, {"Linear", "fc", FC}};
    const mn_node *map = mn_args_node(args, "module_init_map");
    for (size_t i = 0; map && i < map->n; i++) {
        const mn_node *v = map->items[i];
        size_t k = 0;
        while (k < MN_COUNT(known) && strcmp(known[k].layer, map->keys[i]) != 0) k++;
        if (k == MN_COUNT(known))
            return mn_args_fail(args, "module_init_map", "'%.40s' is none of Conv2d, BatchNorm2d, GroupNorm, Linear",
                                map->keys[i]);
        if (v->kind != MN_NULL && (v->kind != MN_STR || strcmp(v->text, known[k].what) != 0))
            return mn_args_fail(args, "module_init_map", "%s is initialised as %s or, with null, not at all",
                                known[k].layer, known[k].what);
        p->skip[known[k].index] = v->kind == MN_NULL;
    }
    return 0;
}

static int read_plan(const mn_args *args, plan *p) {
    static const char *const types[] = {"conv.type", "norm.type", "fc.type", "bias.type"};
    const mn_node *config = mn_args_node(args, "init_config"), *divide = mn_node_path(config, "conv.div_groups");
    const char *other = mn_args_str(args, "default_init_type");
    if (config) MN_TRY(check_config(args->ctx, config));
    for (int i = 0; i < OTHER; i++) p->rule[i] = rule_of(config, types[i]);
    p->rule[OTHER] = other ? find_rule(other) : NULL;
    if (other && !p->rule[OTHER]) return mn_args_fail(args, "default_init_type", "there is no rule '%.40s'", other);
    p->div_groups = !divide || divide->i;
    p->momentum = real_of(config, "norm.momentum", 0);
    p->eps = real_of(config, "norm.eps", 0);
    p->gain = real_of(config, "gain", gain_of(mn_args_str(args, "nonlinear"), mn_args_real(args, "neg_slope")));
    return read_map(args, p);
}

/* ---- layers -------------------------------------------------------------------------------------------- */

static void init_filter(mn_module *m, const plan *p, int32_t what, fans f) {
    if (!p->rule[what]) return;
    set_init(mn_module_find_param(m, "weight"), p->rule[what], p->gain, f);
    set_init(mn_module_find_param(m, "bias"), p->rule[BIAS], p->gain, f);
}

static void init_conv(mn_module *m, const plan *p) {
    const mn_param *w = mn_module_find_param(m, "weight");
    const double window = (double)(w->dims[2] * w->dims[3]), groups = p->div_groups ? 1 : w->groups;
    /* dims are O, I / groups */
    init_filter(m, p, CONV,
                (fans){window * (double)w->dims[1] * groups, window * (double)w->dims[0] / w->groups * groups});
}

static void init_linear(mn_module *m, const plan *p) {
    const mn_param *w = mn_module_find_param(m, "weight");
    init_filter(m, p, FC, (fans){(double)w->dims[1], (double)w->dims[0]});
}

static void init_norm(mn_module *m, const plan *p) {
    const double chn = (double)mn_module_find_param(m, "running_mean")->dims[1];
    mn_bn_opts *o = mn_batch_norm_opts(m);
    if (p->momentum > 0) o->momentum = p->momentum;
    if (p->eps > 0) o->eps = p->eps;
    set_init(mn_module_find_param(m, "weight"), p->rule[NORM], p->gain, (fans){chn, chn});
    set_init(mn_module_find_param(m, "bias"), p->rule[BIAS], p->gain, (fans){chn, chn});
}

/* A module that is none of these and has no children: every trained parameter by default_init_type. */
static void init_other(mn_module *m, const plan *p) {
    for (size_t i = 0; i < m->params.n && !m->children.n; i++) {
        mn_param *q = MN_AT(m->params, mn_module_param, i).param;
        const double out = (double)q->dims[q->rank == 1 ? 1 : 0], in = q->rank == 1 ? out : (double)q->dims[1];
        if (q->role == MN_ROLE_WEIGHT) set_init(q, p->rule[OTHER], p->gain, (fans){in, out});
    }
}

static int init_module(mn_module *m, void *ud) {
    static const struct {
        const char *type;
        int32_t what;
        void (*init)(mn_module *m, const plan *p);
    } layers[] = {{"conv2d", CONV, init_conv}, {"batch_norm", NORM, init_norm}, {"linear", FC, init_linear}};
    const plan *p = ud;
    for (size_t i = 0; i < MN_COUNT(layers); i++) {
        if (strcmp(m->vt->type, layers[i].type) != 0 || p->skip[layers[i].what]) continue;
        layers[i].init(m, p);
        return 0;
    }
    init_other(m, p);
    return 0;
}

static int run_initialiser(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_construct_env *e = env;
    plan p = {.gain = 1};
    (void)out;
    if (!e->module && !e->model->root)
        return mn_fail(e->model->ctx, MODNAS_ECONFIG, "%s: the configuration has no model", c->name);
    MN_TRY(read_plan(args, &p));
    return mn_module_walk(e->module ? *e->module : e->model->root, init_module, &p);
}

static const mn_arg_def args_of[] = {
    {"init_config", MN_ARG_MAP, "null", NULL,
     "conv: {type, div_groups}, norm: {type, momentum, eps}, fc: {type}, bias: {type}; types are rules, null: as it "
     "is"},
    {"module_init_map", MN_ARG_MAP, "null", NULL,
     "{Conv2d, BatchNorm2d, Linear: null}: such layers are not initialised"},
    {"default_init_type", MN_ARG_STR, "null", NULL, "rule for parameters of other modules"},
    {"neg_slope", MN_ARG_REAL, "2.23606797749979", NULL, "of leaky_relu"},
    {"nonlinear", MN_ARG_STR, "leaky_relu", "linear|conv1d|conv2d|conv3d|sigmoid|tanh|relu|leaky_relu|selu",
     "gives the gain, as PyTorch's calculate_gain"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {"construct", "DefaultModelInitializer", "initial values by rule",
                                 args_of,     run_initialiser,           &(const mn_construct_row){MN_WHEN_FILLED, 1}};

int mn_construct_initialise_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
