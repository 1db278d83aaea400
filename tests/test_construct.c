/* From configurations to models: order and merging of constructors, architecture descriptions, weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "construct/parts.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

static char folder[64];

static void setup(void) {
    model_setup();
    snprintf(folder, sizeof folder, "/tmp/test_construct_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void teardown(void) {
    char command[128];
    ck_assert_int_eq(chdir("/tmp"), 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    model_teardown();
}

static void write_file(const char *path, const char *text) {
    OK(mn_file_write(model_ctx, path, text, strlen(text)));
}

/* Names of the operators in the Slots, "-" for the backbone's own, "?" for mixed ops. */
static void expect_ops(const char *config, const char *ops) {
    mn_model *m = model_of(config, MODNAS_F32);
    mn_str text = {.ctx = model_ctx};
    for (size_t i = 0; i < m->slots.n; i++) {
        const mn_slot *s = mn_model_slot(m, i);
        mn_str_addf(&text, "%s%s", i ? " " : "", s->op ? s->op : mn_mixed_of(s->entity) ? "?" : "-");
    }
    ck_assert_str_eq(text.text, ops);
    mn_str_free(&text);
    mn_model_free(m);
}

/* ---- list ---------------------------------------------------------------------------------------------- */

static void expect_list(const char *config, const char *json) {
    mn_node *tree = yaml(config), *list;
    mn_str text = {.ctx = model_ctx};
    OK(mn_construct_list(model_ctx, tree, &list));
    mn_node_json(&text, list);
    ck_assert_str_eq(text.text, json);
    mn_str_free(&text);
    mn_node_free(model_ctx, list);
    mn_node_free(model_ctx, tree);
}

/* init, model, mixed_op, arch_desc, then the others in the order of the file, chkpt at the end; null takes one out. */
START_TEST(constructors_in_order) {
    expect_list("chkpt: w.safetensors\n"
                "construct: {z: DefaultInitConstructor, a: [DefaultInitConstructor, {seed: 2}]}\n"
                "arch_desc: [x]\n"
                "mixed_op: {type: BinaryGateMixedOp, args: {n_samples: 2}, candidates: [MB3E3]}\n"
                "model: CIFAR_MobileNetV2\n"
                "init: {args: {seed: 7}}\n",
                "{\"init\":{\"type\":\"TorchInitConstructor\",\"args\":{\"seed\":7}},"
                "\"model\":{\"type\":\"DefaultModelConstructor\",\"args\":{\"model_type\":\"CIFAR_MobileNetV2\"}},"
                "\"mixed_op\":{\"type\":\"DefaultMixedOpConstructor\",\"args\":{\"candidates\":[\"MB3E3\"],\"mixed_"
                "op\":{\"type\":"
                "\"BinaryGateMixedOp\",\"args\":{\"n_samples\":2}}}},"
                "\"arch_desc\":{\"type\":\"DefaultSlotArchDescConstructor\",\"args\":{\"arch_desc\":[\"x\"]}},"
                "\"z\":{\"type\":\"DefaultInitConstructor\"},"
                "\"a\":{\"type\":\"DefaultInitConstructor\",\"args\":{\"seed\":2}},"
                "\"chkpt\":{\"type\":\"TorchCheckpointLoader\",\"args\":{\"path\":\"w.safetensors\"}}}");
    expect_list("arch_desc: a.yaml\nconstruct: {arch_desc: MobileNetV2ArchDescConstructor}\n",
                "{\"arch_desc\":{\"type\":\"MobileNetV2ArchDescConstructor\",\"args\":{\"arch_desc\":\"a.yaml\"}}}");
    expect_list(
        "arch_desc: a.yaml\nconstruct: {arch_desc: {args: {fix_first: false}, type: MobileNetV2ArchDescConstructor}}\n",
        "{\"arch_desc\":{\"type\":\"MobileNetV2ArchDescConstructor\",\"args\":{\"arch_desc\":\"a.yaml\",\"fix_first\":"
        "false}}}");
    expect_list("mixed_op: IndexMixedOp\narch_desc: null\nconstruct: {mixed_op: null, x: null}\nchkpt: null\n", "{}");
    expect_list("model: null\n", "{}");
}
END_TEST

/* Entries of implied names complete what the top level says, or stand for it; what they leave out is implied. */
START_TEST(entries_merge_in_place) {
    expect_list(
        "construct: {z: X, chkpt: {args: {path: w}}, device: {args: {device: cpu}}, arch_desc: {args: {arch_desc: a}},"
        " init: {args: {seed: 7}}, model: {args: {model_type: M}}}\n",
        "{\"init\":{\"args\":{\"seed\":7},\"type\":\"TorchInitConstructor\"},"
        "\"model\":{\"args\":{\"model_type\":\"M\"},\"type\":\"DefaultModelConstructor\"},"
        "\"arch_desc\":{\"args\":{\"arch_desc\":\"a\"},\"type\":\"DefaultSlotArchDescConstructor\"},"
        "\"z\":{\"type\":\"X\"},"
        "\"chkpt\":{\"args\":{\"path\":\"w\"},\"type\":\"TorchCheckpointLoader\"},"
        "\"device\":{\"args\":{\"device\":\"cpu\"},\"type\":\"TorchToDevice\"}}");
    expect_list("model: {type: M, args: {chn: 3, n_classes: 10}}\nconstruct: {model: {args: {args: {chn: 4}}}}\n",
                "{\"model\":{\"type\":\"DefaultModelConstructor\",\"args\":{\"model_type\":\"M\",\"args\":{\"chn\":4,"
                "\"n_classes\":10}}}}");
    expect_list(
        "mixed_op: {type: Index, candidates: [A]}\n"
        "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {fix_first: false, candidates: [B]}}}\n",
        "{\"mixed_op\":{\"type\":\"MobileNetV2SearchConstructor\",\"args\":{\"candidates\":[\"A\",\"B\"],"
        "\"mixed_op\":{\"type\":\"Index\"},\"fix_first\":false}}}");
    expect_list("init: [TorchInitConstructor, {seed: 7}]\nconstruct: {init: {args: {seed: 8}}}\n",
                "{\"init\":{\"type\":\"TorchInitConstructor\",\"args\":{\"seed\":8}}}");
}
END_TEST

START_TEST(a_model_is_wanted_once) {
    expect_refused("backend: ref\n", MODNAS_ECONFIG, "no model", NULL);
    expect_refused("mixed_op: {type: IndexMixedOp, candidates: [NIL]}\n", MODNAS_ECONFIG, "no model", NULL);
    expect_refused("arch_desc: [NIL]\n", MODNAS_ECONFIG, "test.yaml:1", "no model", NULL);
    expect_refused(MODEL_NET "construct: {again: {type: DefaultModelConstructor, args: {model_type: MobileNetV2}}}\n",
                   MODNAS_ECONFIG, "is a MobileNetV2 already", NULL);
    expect_refused(MODEL_NET "construct: {late: DefaultInitConstructor}\n", MODNAS_ECONFIG, "comes after the model",
                   NULL);
    expect_refused(MODEL_NET "construct: {x: DefaultOpConstuctor}\n", MODNAS_ENOTFOUND, "test.yaml:3",
                   "did you mean 'DefaultOpConstructor'", NULL);
}
END_TEST

START_TEST(slots_are_filled) {
    expect_ops(MODEL_NET, "- - -");
    expect_ops(MODEL_NET "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E1, MB3E3]}\n", "? ? ?");
    expect_ops(MODEL_NET "construct: {o: {type: DefaultOpConstructor, args: {op: MB5E6}}}\n", "MB5E6 MB5E6 MB5E6");
    expect_ops(MODEL_NET
               "construct: {s: {type: MobileNetV2SearchConstructor, args: {mixed_op: Index, candidates: {a: MB3E1, "
               "b: MB3E3}}}}\n",
               "- ? ?");
    expect_ops(MODEL_NET
               "construct: {d: TorchToDevice, s: {type: MobileNetV2SearchConstructor, args: {mixed_op: Index, "
               "candidates: [MB3E1], "
               "fix_first: false}}}\n",
               "? ? ?");
    expect_ops(MODEL_NET
               "construct: {p: MobileNetV2PredefinedConstructor, o: {type: DefaultOpConstructor, args: {op: MB5E6}}}\n",
               "- - -");
}
END_TEST

/* NIL comes to the Slots that can vanish, once. */
START_TEST(zero_op_is_added) {
    static const char *const given[] = {"[MB3E1, MB3E3]", "{x: MB3E1, y: MB3E3}", "[MB3E1, NIL]", "MB3E1",
                                        "{x: NIL, NIL: MB3E3}"};
    static const int32_t counts[][2] = {{3, 2}, {3, 2}, {2, 2}, {2, 1}, {2, 2}};
    for (size_t i = 0; i < 4; i++) {
        mn_str config = {.ctx = model_ctx};
        mn_str_addf(&config,
                    MODEL_NET
                    "construct: {s: {type: MobileNetV2SearchConstructor, args: {mixed_op: Index, fix_first: false, "
                    "candidates: %s}}}\n",
                    given[i]);
        if (i == 2) {
            expect_refused(config.text, MODNAS_ECONFIG, "slot 1 (8 -> 16 channels, stride 2)", "NIL", NULL);
        } else {
            mn_model *m = model_of(config.text, MODNAS_F32);
            ck_assert_int_eq(mn_model_mixed(m, 0)->n, counts[i][0]);
            ck_assert_int_eq(mn_model_mixed(m, 1)->n, counts[i][1]);
            ck_assert_str_eq(mn_mixed_candidate(mn_model_mixed(m, 2), counts[i][0] - 1), "NIL");
            mn_model_free(m);
        }
        mn_str_free(&config);
    }
}
END_TEST

static int fill_first(const mn_component *c, const mn_args *args, const void *env, void *out) {
    (void)c, (void)args, (void)out;
    return mn_fill_predefined(mn_model_slot(((const mn_construct_env *)env)->model, 0));
}

/* Each constructor finds what those before it in the file have left. */
START_TEST(constructors_are_chained) {
    static const mn_component row = {"construct", "FillFirst", "one Slot", NULL, fill_first, NULL};
    const char *const op = "o: {type: DefaultOpConstructor, args: {op: MB5E6}}", *const first = "f: FillFirst";
    mn_str config = {.ctx = model_ctx};
    OK(mn_registry_add(model_ctx, &row));
    mn_str_addf(&config, MODEL_NET "construct: {%s, %s}\n", first, op);
    expect_ops(config.text, "- MB5E6 MB5E6");
    config.n = 0;
    mn_str_addf(&config, MODEL_NET "construct: {%s, %s}\n", op, first); /* puts its own in, whatever is there */
    expect_ops(config.text, "- MB5E6 MB5E6");
    config.n = 0;
    mn_str_addf(&config, MODEL_NET "mixed_op: {type: Index, candidates: [MB3E3]}\nconstruct: {%s}\n", op);
    expect_ops(config.text, "? ? ?");
    mn_str_free(&config);
}
END_TEST

/* A constructor that leaves Slots empty is not completed behind its back. */
START_TEST(a_slot_left_empty_is_named) {
    static const mn_component row = {"construct", "FillFirst", "one Slot", NULL, fill_first, NULL};
    OK(mn_registry_add(model_ctx, &row));
    expect_refused(MODEL_NET "construct: {f: FillFirst}\n", MODNAS_ECONFIG,
                   "slot 1 (8 -> 16 channels, stride 2) of MobileNetV2 is empty", NULL);
}
END_TEST

START_TEST(misfits_are_found_at_construction) {
    expect_refused(MODEL_NET "mixed_op:\n  type: BinaryGateMixedOp\n  candidates:\n  - MB3E3\n  - NIL\n",
                   MODNAS_ECONFIG, "test.yaml:7", "slot 1 (8 -> 16 channels, stride 2): NIL needs equal channels",
                   NULL);
    expect_refused(MODEL_NET "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E3, MB3E3]}\n", MODNAS_ECONFIG,
                   "MB3E3 is there twice", NULL);
    expect_refused(MODEL_NET "mixed_op: {type: BinaryGateMixedOp, candidates: []}\n", MODNAS_ECONFIG,
                   "list or map of candidates", NULL);
    expect_refused(MODEL_NET "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E4]}\n", MODNAS_ENOTFOUND,
                   "did you mean 'MB3E", NULL);
    expect_refused(MODEL_NET "mixed_op: {type: BinaryGateMixedOp, args: {n_samples: 0}, candidates: [MB3E3]}\n",
                   MODNAS_ECONFIG, "n_samples", NULL);
    expect_refused(MODEL_NET "mixed_op: {type: BinaryGatedMixedOp, candidates: [MB3E3]}\n", MODNAS_ENOTFOUND,
                   "did you mean 'BinaryGateMixedOp'", NULL);
    expect_refused(MODEL_NET "mixed_op: {type: BinaryGateMixedOp}\n", MODNAS_ECONFIG, "candidates", NULL);
}
END_TEST

/* Each allocation in turn: a status, nothing leaked (by the fixture), and the next attempt is as if nothing had been.
 */
START_TEST(memory_may_run_out) {
    static const char *const configs[] = {
        MODEL_NET
        "construct: {d: DropPathConstructor, i: {type: DefaultModelInitializer, args: {init_config: {conv: {type: "
        "he_normal_fin}, norm: {}}}}}\nops: {ops_order: [weight, bn]}\ninit: [TorchInitConstructor, {seed: 1}]\n"
        "mixed_op: {type: Index, candidates: {a: SC3, b: {type: Constructed, args: {module: NC3, construct: "
        "DropPathConverter}}}}\n",
        MODEL_NET
        "construct: {arch_desc: DefaultRecursiveArchDescConstructor}\narch_desc: {bottlenecks: {Bottlenecks_0: "
        "{MobileInvertedResidualBlock_0_0: {conv: FC3}}, Bottlenecks_1: {MobileInvertedResidualBlock_1_0: {conv: "
        "[IDT]}, MobileInvertedResidualBlock_1_1: {conv: {type: AVG}}}}}\n"};
    for (size_t i = 0; i < MN_COUNT(configs); i++) {
        mn_node *tree = yaml(configs[i]);
        mn_model *m = NULL;
        int64_t n = 0;
        for (int rc = MODNAS_ENOMEM; rc; n++) {
            model_host.left = n;
            rc = mn_construct_model(model_ctx, tree, MODNAS_F32, 1, &m);
            model_host.left = -1;
            ck_assert_msg(!rc || rc == MODNAS_ENOMEM, "allocation %d: status %d: %s", (int)n, rc,
                          modnas_errmsg(model_ctx));
        }
        ck_assert_int_gt(n, 300);
        mn_model_free(m);
        mn_node_free(model_ctx, tree);
    }
}
END_TEST

/* ---- architecture descriptions ------------------------------------------------------------------------- */

START_TEST(descriptions_in_every_form) {
    ck_assert_int_eq(mkdir("exp", 0777), 0);
    ck_assert_int_eq(mkdir("exp/outputs", 0777), 0);
    write_file("a.yaml", "[null, [MB3E6], MB5E3]\n");
    write_file("a.json", "[null,[\"MB3E6\"],\"MB5E3\"]");
    write_file("exp/outputs/arch_search_best.yaml", "- null\n- - MB3E6\n- {type: MB5E3}\n");
    static const char *const forms[] = {"[null, [MB3E6], MB5E3]",
                                        "a.yaml",
                                        "a.json",
                                        "'[null, [MB3E6], MB5E3]'",
                                        "exp/output/search_best.yaml",
                                        "'{local_base_path}/a.yaml'",
                                        "\"- null\\n- MB3E6\\n- [MB5E3]\\n\""};
    for (size_t i = 0; i < MN_COUNT(forms); i++) {
        mn_str config = {.ctx = model_ctx};
        mn_str_addf(&config, MODEL_NET "arch_desc: %s\n", forms[i]);
        expect_ops(config.text, "- MB3E6 MB5E3");
        mn_str_free(&config);
    }
    expect_ops(MODEL_NET "arch_desc: [MB7E9, MB3E6, MB5E3]\n", "MB7E9 MB3E6 MB5E3");
    expect_ops(MODEL_NET "arch_desc: [MB7E9, MB3E6, MB5E3]\nconstruct: {arch_desc: MobileNetV2ArchDescConstructor}\n",
               "- MB3E6 MB5E3");
    expect_ops(MODEL_NET
               "arch_desc: [MB7E9, MB3E6, NIL]\nconstruct: {arch_desc: {type: MobileNetV2ArchDescConstructor, "
               "args: {fix_first: false}}}\n",
               "MB7E9 MB3E6 NIL");
}
END_TEST

/* One plain scalar is text, never a number. */
START_TEST(a_scalar_is_text) {
    static const char *const forms[] = {"00000000", "'00000000'", "\"00000000\""};
    for (size_t i = 0; i < MN_COUNT(forms); i++) {
        mn_node *given = yaml(forms[i]), *desc;
        OK(mn_arch_desc_load(model_ctx, given, &desc));
        ck_assert_int_eq(desc->kind, MN_STR);
        ck_assert_str_eq(desc->text, "00000000");
        mn_node_free(model_ctx, desc);
        mn_node_free(model_ctx, given);
    }
}
END_TEST

START_TEST(wrong_descriptions_are_refused) {
    write_file("short.yaml", "[MB3E3,\n MB3E3]\n");
    write_file("unknown.yaml", "- MB3E3\n- MB3E33\n- MB3E3\n");
    write_file("broken.yaml", "[MB3E3\n");
    write_file("two.yaml", "--- [MB3E3]\n--- [MB3E3]\n");
    expect_refused(MODEL_NET "arch_desc: short.yaml\n", MODNAS_ECONFIG, "short.yaml:1",
                   "2 items, the model has 3 empty Slots", NULL);
    expect_refused(MODEL_NET "arch_desc: [MB3E3, MB3E3, MB3E3, MB3E3]\n", MODNAS_ECONFIG, "test.yaml:3", "4 items",
                   NULL);
    expect_refused(MODEL_NET "arch_desc: unknown.yaml\n", MODNAS_ENOTFOUND, "unknown.yaml:2",
                   "slot 1 (8 -> 16 channels, stride 2)", "did you mean 'MB3E3'?", NULL);
    expect_refused(MODEL_NET "arch_desc: broken.yaml\n", MODNAS_ECONFIG, "broken.yaml:", NULL);
    expect_refused(MODEL_NET "arch_desc: two.yaml\n", MODNAS_ECONFIG, "two.yaml: 2 documents", NULL);
    expect_refused(MODEL_NET "arch_desc: none.yaml\n", MODNAS_ENOTFOUND, "test.yaml:3", "none.yaml", NULL);
    expect_refused(MODEL_NET "arch_desc: output/none.yaml\n", MODNAS_ENOTFOUND, "output/none.yaml",
                   "outputs/arch_none.yaml", NULL);
    expect_refused(MODEL_NET "arch_desc: [MB3E3, 5, MB3E3]\n", MODNAS_ECONFIG, "test.yaml:3", "slot 1", "5",
                   "name of an operator", NULL);
    expect_refused(MODEL_NET "arch_desc: [MB3E3, [MB3E3, MB5E3], MB3E3]\n", MODNAS_ECONFIG, "slot 1", "one operator",
                   NULL);
    expect_refused(MODEL_NET "arch_desc: [MB3E3, NIL, MB3E3]\n", MODNAS_ECONFIG,
                   "test.yaml:3: slot 1 (8 -> 16 channels, stride 2): NIL", NULL);
    expect_refused(MODEL_NET "arch_desc: {c_0: MB3E3}\n", MODNAS_ECONFIG, "test.yaml:3",
                   "a list with one item for each of the 3 Slots", NULL);
    expect_refused(MODEL_NET "arch_desc: MB3E3\n", MODNAS_ECONFIG, "MB3E3", "a list", NULL);
    expect_refused(MODEL_NET "mixed_op: {type: Index, candidates: [MB3E3]}\narch_desc: [MB3E3, MB3E3, MB3E3]\n",
                   MODNAS_ECONFIG, "0 empty Slots", "another constructor", NULL);
}
END_TEST

/* ---- weights ------------------------------------------------------------------------------------------- */

START_TEST(weights_are_loaded_after_the_commit) {
    mn_model *m = model_of(MODEL_NET "seed: 8\n", MODNAS_F32);
    const double saved = model_first_weight(MODEL_NET "seed: 8\n");
    OK(mn_model_save(m, "w.safetensors", NULL));
    mn_model_free(m);
    ck_assert(saved != model_first_weight(MODEL_NET "seed: 9\n"));
    ck_assert(saved == model_first_weight(MODEL_NET "seed: 9\nchkpt: w.safetensors\n"));
    ck_assert(saved == model_first_weight(MODEL_NET "seed: 9\nchkpt: w.pt\n")); /* as the original names it */
    ck_assert(
        saved ==
        model_first_weight(
            MODEL_NET
            "seed: 9\nconstruct: {w: {type: DefaultTorchCheckpointLoader, args: {path: '{x}/w.safetensors'}}}\n"));
    expect_refused(MODEL_NET "chkpt: none.safetensors\n", MODNAS_ECONFIG, "test.yaml:3", "none.safetensors", NULL);
    expect_refused(MODEL_NET "chkpt: w.safetensors\nconstruct: {o: {type: DefaultOpConstructor, args: {op: MB5E6}}}\n",
                   MODNAS_ECONFIG, "w.safetensors", NULL);
    expect_refused(MODEL_NET "chkpt: w.safetensors\nmixed_op: {type: Index, candidates: [MB3E3]}\n", MODNAS_ECONFIG,
                   "missing", NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("construct");
    util_add(s, "construct", setup, teardown,
             (const TTest *[]){constructors_in_order, entries_merge_in_place, constructors_are_chained,
                               a_model_is_wanted_once, slots_are_filled, zero_op_is_added, a_slot_left_empty_is_named,
                               misfits_are_found_at_construction, memory_may_run_out, descriptions_in_every_form,
                               a_scalar_is_text, wrong_descriptions_are_refused, weights_are_loaded_after_the_commit,
                               NULL});
    return util_run(s);
}
