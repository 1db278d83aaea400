/* What a configuration may hold: every form once right, and the exact words for what is wrong. */
#include <glob.h>
#include <stdio.h>

#include "util_config.h"

START_TEST(section_errors) {
    config_expect_bad("seed: 1\nroutine: serch\nsearch: {seed: 2}\n", MODNAS_ECONFIG,
                      "c.yaml:2: routine: there is no section 'serch'; did you mean 'search'?");
    config_expect_bad("routine: [a]\n", MODNAS_ECONFIG,
                      "c.yaml:1: routine: the name of a section is wanted, not a list");
    config_expect_bad("routine: pipeline\n", MODNAS_EUNSUPPORTED, "c.yaml:1: routine 'pipeline' is not supported");
    config_expect_bad("search:\n  modle: {type: CIFAR_MobileNetV2}\n", MODNAS_ECONFIG,
                      "c.yaml:2: unknown key 'modle' in section 'search'; did you mean 'model'?");
    config_expect_bad("mine:\n  seed: 1\n  thread: 2\n", MODNAS_ECONFIG,
                      "c.yaml:3: unknown key 'thread' in section 'mine'; did you mean 'threads'?");
    config_expect_bad("search: 5\n", MODNAS_ECONFIG,
                      "c.yaml:1: section 'search': a map of top-level keys is wanted, not the number 5");
    config_expect_bad("search: {}\n", MODNAS_ECONFIG,
                      "c.yaml:1: section 'search': a map of top-level keys is wanted, not an empty map");
    config_expect_bad("search:\n", MODNAS_ECONFIG, "c.yaml:1: 'search' is empty");
    config_expect_bad("search:\n  estim:\n", MODNAS_ECONFIG, "c.yaml:2: 'estim' is empty");
    config_expect_good("my_routine: {seed: 1, model: {type: CIFAR_MobileNetV2}}\n");
}
END_TEST

/* Sections that are not selected are checked as well; what the top level or a flag may still add may be missing. */
START_TEST(unselected_sections) {
    static const char base[] = "routine: search\n" CONFIG_MODEL "search: {seed: 1}\n";
    static const struct {
        const char *augment;
        int status;
        const char *message;
    } rows[] = {
        {"augment: {model: {args: {dropout_rate: 0.1}}}\n", 0, NULL}, /* type from the top level */
        {"augment:\n  model:\n    args: {dropout_rat: 0.1}\n", MODNAS_ECONFIG,
         "c.yaml:6: CIFAR_MobileNetV2 has no arg 'dropout_rat'; did you mean 'dropout_rate'?"},
        {"augment:\n  model:\n    args: {dropout_rate: x}\n", MODNAS_ECONFIG,
         "c.yaml:6: CIFAR_MobileNetV2.dropout_rate: a number is wanted, not the string 'x'"},
        {"augment:\n  optim: RandomSerchOptim\n", MODNAS_ENOTFOUND,
         "c.yaml:5: no optim named 'RandomSerchOptim'; did you mean 'RandomSearchOptim'?"},
        {"augment: {trainer: {default: {type: ImageClsTrainer}}}\n", 0,
         NULL}, /* optimizer is missing, but it does not run */
        {"augment: {data: ImageClsData, train_data: {args: {cutout: 16}}}\n", 0, NULL},
        {"augment:\n  data: ImageClsData\n  train_data: {args: {cut_out: 16}}\n", MODNAS_ECONFIG,
         "c.yaml:6: ImageClsData has no arg 'cut_out'; did you mean 'cutout'?"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char text[600];
        snprintf(text, sizeof text, "%s%s", base, rows[i].augment);
        if (rows[i].status)
            config_expect_bad(text, rows[i].status, rows[i].message);
        else
            config_expect_good(text);
    }
}
END_TEST

/* What has to be given is missed where it runs. */
START_TEST(selected_section_is_complete) {
    config_expect_bad("trainer: {default: {type: ImageClsTrainer}}\n", MODNAS_ECONFIG,
                      "c.yaml:1: ImageClsTrainer needs the arg 'optimizer' (how weights move)");
    config_expect_bad("model: {args: {n_classes: 10}}\n", MODNAS_ECONFIG, "c.yaml:1: this model has no type");
    config_expect_bad("mixed_op: IndexMixedOp\n", MODNAS_ECONFIG, "c.yaml:1: mixed_op: it has no candidates");
    config_expect_bad("estim: {a: {epochs: 1}}\n", MODNAS_ECONFIG, "c.yaml:1: this estim has no type");
    config_expect_bad(
        "data: ImageClsData\ntrain_data:\n  args: {cutout: 4}\n", MODNAS_ECONFIG,
        "c.yaml:2: ImageClsData needs the arg 'dataset' (name of the data set; imagenet, image: PNG and JPEG files in folders of classes)");
    /* args of implicit constructors come from other keys */
    config_expect_good(
        "construct: {arch_desc: MobileNetV2ArchDescConstructor, mixed_op: {args: {candidate_args: {}}}}\n");
    config_expect_bad(
        "construct: {other: MobileNetV2ArchDescConstructor}\n", MODNAS_ECONFIG,
        "c.yaml:1: MobileNetV2ArchDescConstructor needs the arg 'arch_desc' (a list, a path that ends in .yaml, "
        ".yml or .json, "
        "or YAML text)");
}
END_TEST

START_TEST(unknown_keys) {
    config_expect_bad("modle: {type: CIFAR_MobileNetV2}\n", MODNAS_ECONFIG,
                      "c.yaml:1: unknown key 'modle'; did you mean 'model'?");
    config_expect_bad("seed: 1\n\nestmi:\n  search: {type: DefaultEstim}\n", MODNAS_ECONFIG,
                      "c.yaml:3: unknown key 'estmi'; did you mean 'estim'?");
    config_expect_bad("zzzzzz: 1\n", MODNAS_ECONFIG, "c.yaml:1: unknown key 'zzzzzz'");
    config_expect_bad("expman: {rot_dir: x}\n", MODNAS_ECONFIG,
                      "c.yaml:1: unknown key 'rot_dir' of expman; did you mean 'root_dir'?");
    config_expect_bad("ops: {bn: {afine: true}}\n", MODNAS_ECONFIG,
                      "c.yaml:1: unknown key 'afine' of ops.bn; did you mean 'affine'?");
    config_expect_bad("estim:\n  a:\n    type: DefaultEstim\n    epoch: 3\n", MODNAS_ECONFIG,
                      "c.yaml:4: unknown key 'epoch' of this estim; did you mean 'epochs'?");
    config_expect_bad("model:\n  type: CIFAR_MobileNetV2\n  arg: {}\n", MODNAS_ECONFIG,
                      "c.yaml:3: unknown key 'arg' of this model; did you mean 'args'?");
    config_expect_bad("objective: {maximise: acc_top1}\n", MODNAS_ECONFIG,
                      "c.yaml:1: unknown key 'maximise' of objective; did you mean 'maximize'?");
}
END_TEST

START_TEST(unknown_components) {
    config_expect_bad("model: CIFAR_MobilNetV2\n", MODNAS_ENOTFOUND,
                      "c.yaml:1: no model named 'CIFAR_MobilNetV2'; did you mean 'CIFAR_MobileNetV2'?");
    config_expect_bad("mixed_op:\n  type: IndexMixedOp\n  candidates:\n    - MB3E3\n    - MB3E4\n", MODNAS_ENOTFOUND,
                      "c.yaml:5: no candidate named 'MB3E4'; did you mean 'MB3E1'?");
    config_expect_bad(
        "trainer:\n  default:\n    type: ImageClsTrainer\n    args:\n      optimizer: {type: SDG, args: {lr: 1}}\n",
        MODNAS_ENOTFOUND, "c.yaml:5: no optimizer named 'SDG'; did you mean 'SGD'?");
    config_expect_bad("estim: {a: {type: TheEstimatorOfAll}}\n", MODNAS_ENOTFOUND, "c.yaml:1: no estim named 'TheEstimatorOfAll'");
    config_expect_good("estim: {a: {type: SuperNetEstimator}}\n"); /* an old name of SuperNetEstim */
    config_expect_good("model: cifar-mobilenet_v2\n"); /* spec 2.1: case, '-' and '_' do not matter */
}
END_TEST

START_TEST(wrong_types) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"threads: many\n", "c.yaml:1: threads: an integer is wanted, not the string 'many'"},
        {"threads: 0\n", "c.yaml:1: threads: 0 is not in 1..256"},
        {"threads: 257\n", "c.yaml:1: threads: 257 is not in 1..256"},
        {"seed: -1\n", "c.yaml:1: seed: -1 is not in 0..9223372036854774784"},
        {"seed: 1.5\n", "c.yaml:1: seed: an integer is wanted, not the number 1.5"},
        {"seed: true\n", "c.yaml:1: seed: an integer is wanted, not true"},
        {"backend: dnll\n", "c.yaml:1: backend: 'dnll' is none of auto, ref, dnnl, cudnn, none; did you mean 'dnnl'?"},
        {"backend: tensorflow\n", "c.yaml:1: backend: 'tensorflow' is none of auto, ref, dnnl, cudnn, none"},
        {"precision: f16\n", "c.yaml:1: precision: 'f16' is none of f32, f64"},
        {"device_ids: gpu\n",
         "c.yaml:1: device_ids: all, cpu, nil, none or device numbers such as '0,1' are wanted, not the string 'gpu'"},
        {"device_ids: '0,'\n",
         "c.yaml:1: device_ids: all, cpu, nil, none or device numbers such as '0,1' are wanted, not the string '0,'"},
        {"name: ../x\n", "c.yaml:1: name: '../x' would leave exp/"},
        {"name: a/b\n", "c.yaml:1: name: 'a/b' would leave exp/"},
        {"name: ..\n", "c.yaml:1: name: '..' would leave exp/"},
        {"name: .hidden\n", "c.yaml:1: name: '.hidden' would leave exp/"},
        {"name: ''\n", "c.yaml:1: name: it is empty"},
        {"name: \"a\\nb\"\n", "c.yaml:1: name: it has a control character"},
        {"name: [a]\n", "c.yaml:1: name: a string is wanted, not a list"},
        {"memory: lots\n", "c.yaml:1: memory: bytes are wanted, such as 512MiB or 2GiB, not the string 'lots'"},
        {"memory: -1\n", "c.yaml:1: memory: bytes are wanted, such as 512MiB or 2GiB, not the number -1"},
        {"model: 3\n", "c.yaml:1: model: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not the number 3"},
        {"model: null\n", "c.yaml:1: model: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not null"},
        {"trainer: ImageClsTrainer\n",
         "c.yaml:1: trainer: a map of names and components is wanted, not the string 'ImageClsTrainer'"},
        {"trainer: {default: null}\n",
         "c.yaml:1: trainer: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not null"},
        {"estim: {}\n", "c.yaml:1: estim: a map of names and estimators is wanted, not an empty map"},
        {"estim: null\n", "c.yaml:1: estim: a map of names and estimators is wanted, not null"},
        {"estim:\n  search:\n", "c.yaml:2: estim.search: a map of settings is wanted, not an empty value"},
        {"estim: {search: null}\n", "c.yaml:1: estim.search: a map of settings is wanted, not null"},
        {"estim: {a/b: {type: DefaultEstim}}\n", "c.yaml:1: estim: 'a/b' would leave exp/"},
        {"estim:\n  a:\n    type: DefaultEstim\n    epochs: many\n",
         "c.yaml:4: estim.a.epochs: an integer is wanted, not the string 'many'"},
        {"estim: {a: {type: SuperNetEstim, arch_update_epoch_intv: 0}}\n",
         "c.yaml:1: estim.a.arch_update_epoch_intv: 0 is below 1"},
        {"estim: {a: {type: DefaultEstim, main: 1}}\n",
         "c.yaml:1: estim.a.main: true or false is wanted, not the number 1"},
        {"estim: [{type: DefaultEstim}]\n", "c.yaml:1: estim: an estimator in a list has to have a 'name'"},
        {"estim: [{name: a, type: DefaultEstim}, {name: a, type: DefaultEstim}]\n",
         "c.yaml:1: estim: two estimators have the same name"},
        {"import: x.py\n", "c.yaml:1: import: 'x.py' is Python, which is not run here"},
        {"import: [modnas.contrib.estim.fakedata, numpy]\n", "c.yaml:1: import: 'numpy' is no module of modnas"},
        {"import: mine.so\n", "c.yaml:1: import: 'mine.so': host plug-ins are not supported yet"},
        {"ops: {ops_order: bn_atc_weight}\n",
         "c.yaml:1: ops_order: bn, act and weight in some order are wanted, such as "
         "bn_act_weight, not the string 'bn_atc_weight'"},
        {"ops: {ops_order: [bn, bn]}\n",
         "c.yaml:1: ops_order: bn, act and weight in some order are wanted, such as bn_act_weight, not a list"},
        {"writer: {enabled: maybe}\n", "c.yaml:1: writer.enabled: true or false is wanted, not the string 'maybe'"},
        {"mixed_op: {type: IndexMixedOp, candidates: []}\n",
         "c.yaml:1: mixed_op.candidates: a list of candidates is wanted, not an empty list"},
        {"callback: {a: true}\n",
         "c.yaml:1: callback: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not true"},
        {"callback: [ToyCallback, null]\n",
         "c.yaml:1: callback: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not null"},
        {"objective: {maximize: []}\n", "c.yaml:1: maximize: the list is empty"},
        {"objective: {subject_to: [macs < 60M]}\n",
         "c.yaml:1: subject_to: a limit such as 'macs <= 60M' is wanted, not the string 'macs < 60M'"},
        {"objective: {subject_to: [macs <= 60Q]}\n",
         "c.yaml:1: subject_to: a limit such as 'macs <= 60M' is wanted, not the string 'macs <= 60Q'"},
        {"hp_space: 3\n", "c.yaml:1: hp_space: a map or a list of choices is wanted, not the number 3"},
        {"defaults: 3\n", "c.yaml:1: defaults: a map of paths is wanted, not the number 3"},
        {"override: 3\n", "c.yaml:1: override: KEY=VALUE, a map or a list of these is wanted, not the number 3"},
        {"override: [abc]\n", "c.yaml:1: 'abc' is no assignment, KEY=VALUE is wanted"},
        {"seed: 1\nproc: a\nroutine: b\n", "c.yaml:2: 'proc' is 'routine' again, which c.yaml:3 gives another value"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) config_expect_bad(rows[i].text, MODNAS_ECONFIG, rows[i].message);
    config_expect_bad("estim: {a: {type: DefaultEstim, trainer: fast}}\n"
                      "trainer: {fest: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 1}}}}}\n",
                      MODNAS_ECONFIG, "c.yaml:1: estim.a.trainer: there is no trainer 'fast'; did you mean 'fest'?");
}
END_TEST

START_TEST(good_forms) {
    static const char *const rows[] = {
        "threads: 4\nseed: 0\nprecision: f64\nmemory: 2GiB\n",
        "memory: 1048576\n",
        "backend: torch\n",
        "backend: null\n",
        "device_ids: all\ndevice: {device: cpu, data_parallel: false}\n",
        "device_ids: '0,1'\n",
        "device_ids: 0\n",
        "init: {args: {seed: 3}}\n",
        "init: {type: TorchInitConstructor, args: {seed: null}}\n",
        "import: modnas.contrib.x\n",
        "import: [modnas, [alias, modnas.a.b]]\npredefined: false\n",
        "ops: {ops_order: act_weight_bn, bn: {affine: false, eps: 1e-3, momentum: 0.1}, conv: {bias: true}, act: "
        "{inplace: true}}\n",
        "ops: {ops_order: [weight, bn], affine: false}\n",
        "mixed_op: {type: BinaryGateMixedOp, args: {n_samples: 2}, candidates: {a: MB3E3, b: {type: NIL}}}\n",
        "construct: {a: MobileNetV2PredefinedConstructor, b: null}\n",
        "export: null\n",
        "export: {}\n",
        "export: {default: DefaultParamsExporter}\n",
        "callback: {default: false, a: null, b: {type: ToyCallback, args: {threshold: 3}}}\n",
        "callback: [ToyCallback, {type: ToyCallback}]\n",
        "optim: null\n",
        "optim: RandomSearchOptim\n",
        "optim: [RandomSearchOptim, {seed: 1}]\n",
        "estim: [{name: a, type: DefaultEstim, epochs: 1}, {name: b, type: SuperNetEstim, epochs: 2}]\n",
        "estim: {a: {type: SuperNetEstim, epochs: 1, subnet_epochs: 0, arch_update_intv: -1, metrics: [ParamsMetrics], "
        "criterion: [{type: CrossEntropyLoss, mode: train}], chkpt: x, record_path: null}}\n",
        "objective: {maximize: [acc_top1], subject_to: [\"macs <= 60M\", \"latency_ms <= 5\", \"arena_bytes<=2 "
        "GiB\"]}\n",
        "objective: {maximize: acc_top1, minimize: [macs, params]}\n",
        "expman: {root_dir: /tmp/x, subdir_timefmt: '%Y'}\nwriter: {enabled: false}\nlogging: {any: thing}\n",
        "hp_space: {a: [1, 2]}\nmeasure_fn: f\npipeline: {a: {config: x}}\n",
        "data: {type: RandData}\ntrain_data: {args: {data_size: 4}}\nvalid_data: RandData\ntest_data: [RandData, "
        "{classes: 2}]\n",
        "name: 2024\n",
        "defaults: {'estim.*.main': true}\n",
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) config_expect_good(rows[i]);
}
END_TEST

/* Does a line of the file begin like that? */
static int has_line(const char *path, const char *begin) {
    char line[512];
    int has = 0;
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (!has && fgets(line, sizeof line, f)) has = strncmp(line, begin, strlen(begin)) == 0;
    fclose(f);
    return has;
}

/* Every example, its sections included. */
START_TEST(examples) {
    glob_t g;
    const int rc = glob("docs/examples/*.y*ml", 0, NULL, &g);
    if (rc) {
        printf("docs/examples is not here: skipped\n");
        return;
    }
    for (size_t i = 0; i < g.gl_pathc; i++) {
        modnas_config *cfg = NULL;
        ck_assert_int_eq(modnas_config_new(config_ctx, &cfg), 0);
        ck_assert_int_eq(modnas_config_add_file(cfg, g.gl_pathv[i]), 0);
        if (has_line(g.gl_pathv[i], "search:")) ck_assert_int_eq(modnas_config_set(cfg, "routine", "search"), 0);
        ck_assert_msg(modnas_config_check(cfg) == 0, "%s", modnas_errmsg(config_ctx));
        modnas_config_free(cfg);
    }
    ck_assert_uint_ge(g.gl_pathc, 4);
    globfree(&g);
}
END_TEST

int main(void) {
    const TTest *const checks[] = {section_errors,
                                   unselected_sections,
                                   selected_section_is_complete,
                                   unknown_keys,
                                   unknown_components,
                                   wrong_types,
                                   good_forms,
                                   examples,
                                   NULL};
    Suite *s = suite_create("config_check");
    util_add(s, "checks", config_setup, config_teardown, checks);
    return util_run(s);
}
