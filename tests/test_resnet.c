/* ResNet, ResNeXt and PyramidNet: counts as published, names, steps, candidates, arguments that do not go together. */
#include <stdio.h>
#include <string.h>

#include "util_nets.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

#define NET(type, args)    "model: {type: " type ", args: {" args "}}\n"
#define CIFAR(type, more)  NET("CIFAR-" type, "chn_in: 3, chn: 16, n_classes: 10" more)
#define IMAGENET(type, more) NET("ImageNet-" type, "chn_in: 3, chn: 64, n_classes: 1000, use_bn: true" more)
#define STAGES(n)          ", layers: [" n ", " n ", " n "]"
#define PYRAMID(args)      NET("PyramidNet", "chn_in: 3, chn: 16, groups: 3, " args)
#define OWN(args)          "construct: {own: {type: ResNetPredefinedConstructor, args: {" args "}}}\n"

/* ---- counts ---------------------------------------------------------------------------------------------- */

/* Measured on the original's networks with PyTorch (3x3 convolutions without batch norm unless it says so); those of
 * torchvision's tables; parameters of the tables of pytorchcv, whose multiply-adds count other things, too. */
static const net_figure figures[] = {
    {CIFAR("ResNet-10", ""), 307866, 16172288, 8},
    {CIFAR("ResNet-10", ", use_bn: true"), 308826, 16172288, 8},
    {CIFAR("ResNet-10", "") OWN("use_bn: true"), 308826, 16172288, 8},
    {CIFAR("ResNet-10", "") OWN(""), 307866, 16172288, 8},
    {CIFAR("ResNet-18", ""), 699546, 35046656, 16},
    {CIFAR("ResNet-18", ", use_bn: true"), 701466, 35046656, 16},
    {CIFAR("ResNet-32", ""), 464666, 69124736, 30},
    {CIFAR("ResNet-32", ", use_bn: true"), 466906, 69124736, 30},
    {CIFAR("ResNet-34", ""), 1330842, 72795392, 32},
    {CIFAR("ResNet-50", ""), 1482298, 81449984, 16},
    {CIFAR("ResNet-56", ""), 851738, 0, 54}, /* 464666 + 4 blocks of 2 9 c c for each c = 16, 32, 64 */
    {CIFAR("ResNet-101", ""), 2676922, 0, 33},  /* 1482298 + 17 blocks: 64 (256 + 576 + 256) + 2 64 + 2 256 */
    {CIFAR("ResNet-152", ""), 3661370, 0, 50},  /* the same and 13 blocks: 64 1088 + 640; 4: 32 544 + 320 */
    {CIFAR("ResNet-110", ", use_bn: true"), 1730714, 0, 108},
    {IMAGENET("ResNet-10", ""), 5418792, 889229312, 8},
    {IMAGENET("ResNet-18", ""), 11689512, 1814073344, 16},
    {IMAGENET("ResNet-34", ""), 21797672, 3663761408, 32},
    {IMAGENET("ResNet-50", ""), 25557032, 4089184256, 16},
    {IMAGENET("ResNet-101", ""), 44549160, 0, 33},
    {IMAGENET("ResNet-152", ""), 60192808, 0, 50},
    {IMAGENET("ResNeXt-50", ""), 25028904, 4230479872, 16},
    {IMAGENET("ResNeXt-101", ""), 88791336, 0, 33},
    {IMAGENET("ResNet-50", ", width_per_group: 128"), 68883240, 0, 16}, /* Wide ResNet 50-2 */
    {IMAGENET("ResNet-101", ", width_per_group: 128"), 126886696, 0, 33},
    {CIFAR("ResNet", ", use_bn: true" STAGES("3")), 272474, 0, 18}, /* ResNet-20 */
    {CIFAR("ResNet", ", use_bn: true, bottleneck: true" STAGES("18")), 1704154, 0, 54},
    {CIFAR("ResNet", ", use_bn: true, bottleneck: true" STAGES("30")), 2816986, 0, 90},
    {NET("CIFAR-ResNet", "chn: 64, n_classes: 10, use_bn: true, bottleneck: true, groups: 32, width_per_group: 4" STAGES("3")),
     4775754, 0, 9}, /* ResNeXt-29 (32x4d) */
    {NET("CIFAR-ResNet", "chn: 64, n_classes: 100, use_bn: true, bottleneck: true, groups: 16, width_per_group: 64" STAGES("3")),
     68247460, 0, 9}, /* ResNeXt-29 (16x64d) */
    {PYRAMID("n_classes: 10, blocks: 18, conv_groups: 2, bottleneck_ratio: 4, alpha: 84"), 2759268, 538979872, 54},
    {PYRAMID("n_classes: 10, blocks: 18, conv_groups: 2, bottleneck_ratio: 4, alpha: 84")
     "construct: {own: PyramidNetPredefinedConstructor}\n", 2759268, 538979872, 54},
    {PYRAMID("n_classes: 10, blocks: 18, conv_groups: 2, bottleneck_ratio: 4, alpha: 84")
     "mixed_op: {type: SoftmaxSumMixedOp, candidates: [AVG, MAX, IDT, SS3, SS5, SS7, DC3]}\n", 2977508, 0, 54},
    {PYRAMID("n_classes: 10, blocks: 18, alpha: 84, bottleneck: false, conv_bias: false"), 3904446, 0, 108},
    {PYRAMID("n_classes: 100, blocks: 18, alpha: 270, conv_bias: false"), 27319071, 0, 54},
    {PYRAMID("n_classes: 10, blocks: 22, alpha: 240, conv_bias: false"), 26752702, 0, 66},
};

START_TEST(counts) {
    net_check_figure(&figures[_i]);
}
END_TEST

/* The original keeps the expansion in the class of the block: a network made later has it, too. */
START_TEST(expansion_is_of_one_network) {
    mn_model *m = model_of("backend: ref\n" CIFAR("ResNet-50", ", expansion: 2"), MODNAS_F32);
    ck_assert_int_eq(model_param(m, "fc.weight")->dims[1], 2 * 8 * 16);
    mn_model_free(m);
    net_check_figure(&(net_figure){CIFAR("ResNet-50", ""), 1482298, 81449984, 16});
}
END_TEST

/* Rounded to even where it stands half way, as Python does; then down to the groups. Of 4 blocks: 16 + j 2.5. */
START_TEST(widths_of_a_pyramid) {
    static const int32_t wide[] = {18, 21, 24, 26}, even[] = {18, 20, 24, 26};
    for (int groups = 1; groups <= 2; groups++) {
        mn_str text = {.ctx = model_ctx};
        mn_str_addf(&text, "backend: ref\n" NET("PyramidNet", "groups: 2, blocks: 2, alpha: 10, conv_groups: %d"), groups);
        mn_model *m = model_of(text.text, MODNAS_F32);
        for (size_t i = 0; i < 4; i++) {
            ck_assert_int_eq(mn_model_slot(m, i)->chn_out, (groups == 1 ? wide : even)[i]);
            ck_assert_int_eq(mn_model_slot(m, i)->stride, i == 2 ? 2 : 1);
            ck_assert_int_eq(mn_node_get(mn_model_slot(m, i)->kwargs, "groups")->i, groups);
        }
        mn_model_free(m);
        mn_str_free(&text);
    }
}
END_TEST

START_TEST(groups_of_slots) {
    mn_model *m = model_of("backend: ref\n" CIFAR("ResNet-18", ", groups: 4"), MODNAS_F32);
    for (size_t i = 0; i < m->slots.n; i++) /* the first of a block has them */
        ck_assert_int_eq(mn_node_get(mn_model_slot(m, i)->kwargs, "groups")->i, i % 2 ? 1 : 4);
    ck_assert_int_eq(model_param(m, "layers.3.0.conv1.ent.0.weight")->dims[1], 64 / 4);
    ck_assert_int_eq(model_param(m, "layers.3.0.conv2.ent.0.weight")->dims[1], 128);
    mn_model_free(m);
}
END_TEST

/* ---- names ----------------------------------------------------------------------------------------------- */

/* As PyTorch gives them to the original's modules. */
START_TEST(names) {
    static const char *const basic[] = {"conv1.0.weight", "conv1.1.running_mean", "layers.0.0.conv1.ent.0.weight",
                                        "layers.0.0.bn1.weight", "layers.2.4.conv2.ent.0.weight", "layers.2.4.bn2.bias",
                                        "layers.1.0.downsample.0.0.weight", "layers.1.0.downsample.0.1.running_var",
                                        "fc.weight", "fc.bias", NULL},
                             *const bottleneck[] = {"conv1.1.bias", "layers.3.2.conv1.0.weight", "layers.3.2.conv1.1.weight",
                                                    "layers.3.2.conv2.ent.0.weight", "layers.3.2.conv2.ent.1.bias",
                                                    "layers.3.2.conv3.0.weight", "layers.3.2.conv3.1.running_var",
                                                    "layers.0.0.downsample.0.0.weight", NULL},
                             *const pyramid[] = {"conv1.weight", "bn1.weight", "pyramid.0.0.bottle_in.net.0.weight",
                                                 "pyramid.0.0.bottle_in.net.1.bias", "pyramid.1.0.cell.ent.net.2.weight",
                                                 "pyramid.1.1.bottle_out.net.2.weight", "pyramid.1.1.bn.running_mean",
                                                 "bn_final.weight", "fc.bias", NULL},
                             *const plain[] = {"pyramid.0.0.cell1.ent.net.1.weight", "pyramid.0.0.cell2.ent.net.2.weight",
                                               "pyramid.0.0.bn.weight", NULL};
    net_has_params(CIFAR("ResNet-32", ", use_bn: true"), basic);
    net_has_params(NET("ImageNet-ResNet-50", "chn: 8, n_classes: 5") OWN("use_bn: true"), bottleneck);
    net_has_params(NET("PyramidNet", "groups: 2, blocks: 2, alpha: 8"), pyramid);
    net_has_params(NET("PyramidNet", "groups: 1, blocks: 1, alpha: 8, bottleneck: false"), plain);
}
END_TEST

/* ---- steps ----------------------------------------------------------------------------------------------- */

#define SMALL(args)   "n_classes: 3, " args
#define SEARCH(names) "mixed_op: {type: SoftmaxSumMixedOp, candidates: [" names "]}\n"

/* Odd sizes: a pool of 2 is left with one. */
static const char *const blocks[] = {
    NET("CIFAR-ResNet", SMALL("chn: 4, layers: [1, 1], input: [2, 5, 6], use_bn: true")),
    NET("CIFAR-ResNet", SMALL("chn: 4, layers: [1, 1], input: [2, 5, 6], groups: 2")) OWN("use_bn: true"),
    NET("CIFAR-ResNet", SMALL("chn: 4, layers: [1, 1], input: [2, 5, 4], bottleneck: true, expansion: 2, use_bn: true")),
    NET("CIFAR-ResNet", SMALL("chn: 4, layers: [2], input: [2, 4, 4], bottleneck: true, groups: 4, width_per_group: 2")),
    NET("ImageNet-ResNet", SMALL("chn: 4, layers: [1, 1], input: [2, 15, 13], use_bn: true")),
    NET("PyramidNet", SMALL("chn: 4, groups: 2, blocks: 2, alpha: 6, conv_groups: 2, bottleneck_ratio: 2, input: [2, 5, 6]")),
    NET("PyramidNet", SMALL("chn: 4, groups: 2, blocks: 1, alpha: 3, bottleneck: false, input: [2, 5, 5]")),
    NET("PyramidNet", SMALL("chn: 4, groups: 2, blocks: 1, alpha: 4, bottleneck_ratio: 1, input: [2, 4, 3]"))
        SEARCH("AVG, IDT, SS3"),
};

START_TEST(gradients) {
    net_check_gradients(blocks[_i], 3, strstr(blocks[_i], "mixed_op") != NULL);
}
END_TEST

/* Narrow, so that the reference is quick. */
#define OF_16(type, more)  NET("CIFAR-" type, "n_classes: 10, input: [3, 16, 16]" more)
#define OF_64(type, more)  NET("ImageNet-" type, "n_classes: 10, use_bn: true, input: [3, 64, 64], chn: " more)

static const struct {
    const char *config;
    int32_t batch, raised;
} nets[] = {
    {OF_16("ResNet-10", ", use_bn: true"), 4, 0},
    {OF_16("ResNet-32", "") OWN("use_bn: true"), 4, 1},
    {OF_16("ResNeXt-50", ", use_bn: true, width_per_group: 1"), 4, 1},
    {OF_16("ResNet-10", "") SEARCH("NC3, SC3, DC5"), 4, 0},
    {OF_64("ResNet-18", "16"), 2, 0},
    {OF_64("ResNet-50", "16"), 2, 1},
    {OF_64("ResNeXt-50", "16, width_per_group: 1"), 2, 1},
    {PYRAMID("n_classes: 10, blocks: 2, conv_groups: 2, alpha: 24, input: [3, 16, 16]"), 4, 1},
    {PYRAMID("n_classes: 10, blocks: 2, alpha: 25, bottleneck: false, input: [3, 15, 13]"), 4, 1},
    {PYRAMID("n_classes: 10, blocks: 1, alpha: 24, input: [3, 16, 16]") SEARCH("AVG, MAX, IDT, SS3, DC3"), 4, 1},
};

START_TEST(steps) {
    net_compare_step(nets[_i].config, nets[_i].batch, nets[_i].raised);
}
END_TEST

/* The block that ends a stage is its shortcut and a ReLU: what stands in its last Slot makes no difference. */
START_TEST(zero_init) {
    static const struct {
        const char *config, *zero, *one; /* weights of batch norms */
    } rows[] = {
        {CIFAR("ResNet-10", ", use_bn: true, zero_init_residual: true"), "layers.1.0.bn2.weight", "layers.1.0.bn1.weight"},
        {CIFAR("ResNet-10", ", zero_init_residual: true") OWN("use_bn: true"), "layers.1.0.conv2.ent.1.weight",
         "layers.1.0.conv1.ent.1.weight"},
        {CIFAR("ResNet-10", ", use_bn: true, zero_init_residual: true") OWN("use_bn: true"), "layers.1.0.bn2.weight",
         "layers.1.0.conv2.ent.1.weight"}, /* two zeros in a row would never move */
        {CIFAR("ResNet-50", ", use_bn: true, zero_init_residual: true"), "layers.1.0.conv3.1.weight", "layers.1.0.bn2.weight"},
        {CIFAR("ResNet-50", ", use_bn: true"), NULL, "layers.1.0.conv3.1.weight"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        for (int k = 0; k < 2; k++) {
            const char *name = k ? rows[i].one : rows[i].zero;
            mn_str text = {.ctx = model_ctx};
            mn_str_addf(&text, "backend: ref\n%s", rows[i].config);
            mn_model *m = model_of(text.text, MODNAS_F32);
            double x[256];
            if (name) OK(mn_param_get(model_param(m, name), x));
            ck_assert_msg(!name || x[0] == k, "%s is %g", name, x[0]);
            mn_model_free(m);
            mn_str_free(&text);
        }
}
END_TEST

/* ---- Slots ----------------------------------------------------------------------------------------------- */

START_TEST(candidates) {
    static const char *const configs[] = {
        "backend: ref\n" NET("CIFAR-ResNet-10", "chn: 4, n_classes: 10, input: [3, 16, 16]"),
        "backend: ref\n" NET("ImageNet-ResNet", "chn: 4, n_classes: 10, layers: [1, 1], bottleneck: true, input: [3, 32, 32]"),
        "backend: ref\n" NET("PyramidNet", "chn: 4, groups: 2, blocks: 1, alpha: 4, input: [3, 8, 9]"),
        "backend: ref\n" NET("PyramidNet", "chn: 4, groups: 2, blocks: 1, alpha: 4, bottleneck: false, input: [3, 8, 9]"),
    };
    for (size_t i = 0; i < MN_COUNT(configs); i++) ck_assert_int_gt(net_try_candidates(configs[i]), 70);
}
END_TEST

/* ---- refused --------------------------------------------------------------------------------------------- */

START_TEST(refused) {
    static const struct {
        const char *config, *arg, *reason;
    } rows[] = {
        {NET("CIFAR-ResNet", "n_classes: 10"), "layers", "needs the arg"},
        {NET("CIFAR-ResNet", "layers: []"), "CIFAR-ResNet.layers", "0 stages; 1 to 12 are possible"},
        {NET("CIFAR-ResNet", "layers: [1, 0]"), "layers", "number 1 is no whole number from 1 to 1024"},
        {NET("CIFAR-ResNet", "layers: [1000, 1000]"), "layers", "2000 blocks, at most 1024"},
        {NET("CIFAR-ResNet-10", "layers: [1]"), "CIFAR-ResNet-10", "no arg 'layers'"},
        {NET("CIFAR-ResNet-10", "chn: 0"), "chn", "0 is not between 1 and 65536"},
        {NET("CIFAR-ResNet-10", "chn: 65536"), "chn", "524288 channels in the last stage, at most 65536"},
        {NET("CIFAR-ResNet-10", "groups: 3"), "groups", "16 channels cannot be split into 3 groups"},
        {NET("CIFAR-ResNet-10", "expansion: 2"), "expansion", "2, but a basic block ends with the channels that it has"},
        {NET("CIFAR-ResNet-50", "groups: 32"), "groups", "32 of 16 channels: width_per_group says how many each has"},
        {NET("CIFAR-ResNet-10", "use_bn: 3"), "use_bn", "true or false"},
        {NET("CIFAR-ResNet-11", ""), "CIFAR-ResNet-11", "did you mean 'CIFAR-ResNet-1"},
        {NET("PyramidNet", "alpha: 84"), "blocks", "needs the arg"},
        {NET("PyramidNet", "blocks: 18, alpha: -1"), "alpha", "-1; the last block has chn + alpha channels"},
        {NET("PyramidNet", "blocks: 342, alpha: 84"), "blocks", "342 is not between 1 and 341"},
        {NET("PyramidNet", "chn: 17, blocks: 18, alpha: 0, conv_groups: 2, bottleneck_ratio: 1"), "conv_groups",
         "block 1 has 16 channels at its end, its shortcut 17"},
        {NET("PyramidNet", "blocks: 18, alpha: 20, conv_groups: 64"), "conv_groups", "64 groups leave no channels to block 1"},
        {NET("PyramidNet", "blocks: 1, alpha: 16, bottleneck: false, conv_groups: 3"), "conv_groups",
         "16 channels cannot be split into 3 groups"},
        {NET("PyramidNet", "blocks: 1, alpha: 16, bottleneck: false, bottleneck_ratio: 4"), "bottleneck_ratio", "basic block"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const int status = strstr(rows[i].reason, "did you mean") ? MODNAS_ENOTFOUND : MODNAS_ECONFIG;
        expect_refused(rows[i].config, status, "test.yaml:1", rows[i].arg, rows[i].reason, NULL);
    }
}
END_TEST

/* Without memory at any place: a status, and nothing is left. */
START_TEST(no_memory) {
    static const char *const configs[] = {
        "backend: none\n" NET("ImageNet-ResNet", "chn: 4, layers: [1, 1], bottleneck: true, zero_init_residual: true"),
        "backend: none\n" NET("CIFAR-ResNet", "chn: 4, layers: [1, 1]") OWN("use_bn: true"),
        "backend: none\n" NET("PyramidNet", "chn: 4, groups: 2, blocks: 1, alpha: 4"),
        "backend: none\n" NET("PyramidNet", "chn: 4, groups: 1, blocks: 1, alpha: 4, bottleneck: false"),
    };
    for (size_t i = 0; i < MN_COUNT(configs); i++) {
        mn_node *tree = yaml(configs[i]);
        mn_model *m = NULL;
        int rc = MODNAS_ENOMEM, n = 0;
        for (; rc; n++) {
            model_host.left = n;
            rc = mn_construct_model(model_ctx, tree, MODNAS_F32, 0, &m);
            model_host.left = -1;
            ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d: %s", rc, modnas_errmsg(model_ctx));
        }
        ck_assert_int_gt(n, 100);
        mn_model_free(m);
        mn_node_free(model_ctx, tree);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("resnet");
    util_add_loop(s, "counts", model_setup, model_teardown, counts, MN_COUNT(figures));
    util_add_loop(s, "gradients", model_setup, model_teardown, gradients, MN_COUNT(blocks));
    util_add_loop(s, "steps", model_setup, model_teardown, steps, MN_COUNT(nets));
    util_add(s, "networks", model_setup, model_teardown,
             (const TTest *[]){expansion_is_of_one_network, widths_of_a_pyramid, groups_of_slots, names, zero_init,
                               candidates, refused, no_memory, NULL});
    return util_run(s);
}
