// A backbone and data of one's own, searched from C++: the host of host_backbone.c in another language.
//   c++ -std=c++17 backbone.cpp $(pkg-config --cflags --libs modnas)
#include <iostream>
#include <modnas.hpp>

enum { SIDE = 12, BLOCKS = 3 };

// A stem, three places for candidates, a classifier.
struct StripesNet {
    int64_t width;
    explicit StripesNet(const modnas::args &a) : width(a.integer("width")) {
        if (width < 1) a.fail("width", "at least one channel is wanted");
    }
    void build(modnas::module m) {
        const std::string w = std::to_string(width);
        m.model().set_input(1, SIDE, SIDE);
        m.add("stem", "ConvBNAct", "in_channels: 1, out_channels: " + w);
        for (int i = 0; i < BLOCKS; i++) m.add("block" + std::to_string(i), "Slot", "chn_in: " + w + ", chn_out: " + w);
        m.add("fc", "Linear", "in_features: " + w + ", out_features: 4");
    }
    modnas::value forward(modnas::module m, const std::vector<modnas::value> &src) {
        modnas::value x = m["stem"](src[0]);
        for (int i = 0; i < BLOCKS; i++) x = x + m["block" + std::to_string(i)](x);
        return m["fc"](modnas::ops::global_pool(x));
    }
};

// Stripes under noise; their direction is the class.
static int32_t stripes(int64_t index, float *dst) {
    static const int slope[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, SIDE - 1}};
    uint32_t noise = static_cast<uint32_t>(index) * 2654435761u + 1;
    const int32_t label = static_cast<int32_t>(index % 4);
    for (int i = 0; i < SIDE * SIDE; i++) {
        const int phase = i / SIDE * slope[label][0] + i % SIDE * slope[label][1] + static_cast<int>(index / 4);
        noise = noise * 1664525u + 1013904223u;
        dst[i] = (phase % 4 < 2 ? 0.5f : -0.5f) + static_cast<float>(noise >> 8) / 8388608.0f - 1.0f;
    }
    return label;
}

int main() try {
    const modnas::context ctx;
    modnas::register_model<StripesNet>(ctx, {"StripesNet", "our backbone", "width: 8"});
    modnas::register_data(ctx, "Stripes", {640, {1, SIDE, SIDE}, 4, stripes});
    const modnas::search search(modnas::config(ctx, R"(
threads: 1
model: {type: StripesNet, args: {width: 8}}
mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3]}
train_data: Stripes
data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 32, val_batch_size: 128, valid_size: 128}}
trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: Adam, args: {lr: 0.01}}}}}
optim: RandomSearchOptim
)"));
    for (const modnas::arch &arch : search.ask(6)) {
        search.train(arch, 12); // weights are shared by all paths
        search.tell(arch, search.evaluate(arch));
    }
    const auto [arch, accuracy] = search.best().value();
    std::cout << accuracy << "\n" << search.export_yaml(arch);
} catch (const modnas::error &e) {
    std::cerr << "modnas: " << e.what() << "\n";
    return 1;
}
