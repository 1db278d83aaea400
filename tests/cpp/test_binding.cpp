// The C++ binding against the library: every kind of component as a class, errors as exceptions, handles in any order.
// Prints what failed; the last line is 'N checks, N failed'.
#include <cstdio>
#include <fstream>
#include <map>
#include <thread>

#include <modnas.hpp>

static int n_checks, n_failed;
#define CHECK(x) (n_checks++, (x) ? (void)0 : (void)(n_failed++, std::printf("%s:%d: %s\n", __FILE__, __LINE__, #x)))
// expr throws an E whose text has `part`
#define THROWS(E, part, expr)                                                                                                                        \
    try {                                                                                                                                            \
        expr;                                                                                                                                        \
        CHECK(!"thrown: " part);                                                                                                                     \
    } catch (const E &e) {                                                                                                                           \
        CHECK(std::string(e.what()).find(part) != std::string::npos);                                                                                \
    }

static const char space[] = R"(
backend: ref
threads: 1
seed: 3
model: {type: CppNet, args: {width: 8}}
mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}
train_data: Noise
data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 8, valid_size: 8}}
trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}}}}
)";

static std::map<std::string, int> calls;

struct CppNet {
    std::string width;
    explicit CppNet(const modnas::args &a) : width(std::to_string(a.integer("width"))) {
        if (a.integer("width") < 1) a.fail("width", "wanted is a channel");
        calls[a.json("width") == width ? "json" : "bad json"]++;
        calls[a.given("act") && a.text("act") == "ReLU" && !a.boolean("flag") && a.real("scale") == 0.5 ? "args" : "bad args"]++;
    }
    void build(modnas::module m) {
        m.model().set_input(2, 6, 6);
        m.add("stem", "Conv2d", "in_channels: 2, out_channels: " + width + ", kernel_size: 3, padding: 1");
        for (const char *name : {"a", "b"}) m.add(name, "Slot", "chn_in: " + width + ", chn_out: " + width + ", op: MB3E1");
        m.add("fc", "Linear", "in_features: " + width + ", out_features: 3");
        m.param("scale", {std::stoi(width)}, MODNAS_INIT_ONES);
    }
    modnas::value forward(modnas::module m, const std::vector<modnas::value> &src) {
        modnas::value x = modnas::ops::relu(m["stem"](src[0]));
        x = m["b"](x + m["a"](x)) * m.param_value(x, "scale");
        const auto halves = modnas::ops::split(x, {4, 4});
        return m["fc"](modnas::ops::global_pool(modnas::ops::concat(halves)));
    }
};

struct Ones { // proposes option 1 everywhere, twice
    int left = 2;
    Ones(modnas::model, const modnas::args &) {}
    int32_t ask(const std::vector<modnas::arch> &archs) {
        int32_t n = 0;
        for (; n < static_cast<int32_t>(archs.size()) && left; n++, left--)
            for (int32_t i = 0; i < archs[static_cast<size_t>(n)].size(); i++) archs[static_cast<size_t>(n)].set(i, 1);
        return n;
    }
    void tell(const modnas::arch &, int status, const modnas::metrics &m) { calls[status || m.empty() ? "bad tell" : "tell"]++; }
    std::string save() const { return std::to_string(left); }
    void load(const std::string &bytes) { left = std::stoi(bytes); }
};
struct Loop {
    explicit Loop(const modnas::args &) {}
    void run(modnas::search s) {
        for (auto a = s.ask(); !a.empty(); a = s.ask()) {
            s.train(a[0], 1);
            s.tell(a[0], s.evaluate(a[0]));
        }
    }
};
struct Count {
    explicit Count(const modnas::args &) {}
    double measure(modnas::search, const modnas::arch &a) {
        double n = 0;
        for (int32_t i = 0; i < a.size(); i++) n += a.option(i) == "MB3E3";
        return n;
    }
};
struct Twice {
    explicit Twice(const modnas::args &) {}
    modnas::value loss(const modnas::value &logits, const modnas::value &target) {
        return modnas::ops::affine(modnas::ops::loss(logits, "CrossEntropyLoss", target), 2, 0);
    }
};
struct Joined {
    explicit Joined(const modnas::args &) {}
    std::string run(modnas::model, const modnas::arch &a) { return "{joined: " + a.option(0) + "-" + a.option(1) + "}"; }
};
struct Look {
    explicit Look(const modnas::args &) {}
    void run(modnas::model m) { calls["slots"] = static_cast<int>(m.n_slots()); }
};

static modnas::context made() {
    const modnas::context ctx;
    modnas::register_model<CppNet>(ctx, {"CppNet", "", "width: 4, act: ReLU, flag: false, scale: 0.5"});
    modnas::register_optim<Ones>(ctx, {"Ones", "", ""});
    modnas::register_estim<Loop>(ctx, {"Loop", "", ""});
    modnas::register_metric<Count>(ctx, {"Count", "", ""});
    modnas::register_criterion<Twice>(ctx, {"Twice", "", ""});
    modnas::register_export<Joined>(ctx, {"Joined", "", ""});
    modnas::register_construct<Look>(ctx, {"Look", "", ""});
    modnas::register_data(ctx, "Noise", {24, {2, 6, 6}, 3, [](int64_t i, float *dst) {
                                             for (int k = 0; k < 72; k++) dst[k] = static_cast<float>((i * 31 + k * 17) % 11) / 11;
                                             return static_cast<int32_t>(i % 3);
                                         }});
    return ctx;
}

static void all_kinds() {
    const modnas::context ctx = made();
    int steps = 0, evaluated = 0;
    modnas::search_options o;
    o.progress = [&](const modnas_progress &) { steps++; };
    o.evaluated = [&](const modnas_evaluation &e) { evaluated += e.status == 0; };
    const modnas::search s(modnas::config(ctx, std::string(space) + R"(
optim: Ones
construct: {look: Look}
export: {joined: Joined}
estim: {loop: {type: Loop, metrics: Count, criterion: Twice}}
)"),
                           o);
    const std::string results = s.run();
    CHECK(results.find("MB3E3-MB3E3") != std::string::npos);
    CHECK(s.best()->second == 2);
    CHECK(steps >= 2 && evaluated == 2);
    CHECK(calls["tell"] == 2 && calls["slots"] == 2 && calls["args"] > 0 && calls["json"] > 0);
    CHECK(!calls["bad tell"] && !calls["bad args"] && !calls["bad json"]);
}

static void pulled() {
    const modnas::context ctx = made();
    const modnas::search s(modnas::config(ctx, std::string(space) + "optim: RandomSearchOptim\n"));
    CHECK(s.n_steps() == 2);
    for (const auto &a : s.ask(3)) {
        CHECK(s.train(a, 2) > 0);
        const auto m = s.evaluate(a);
        CHECK(!m.empty());
        s.tell(a, m);
        s.tell_failed(a);
    }
    const auto a = s.current();
    CHECK(a.size() == 2 && a.n_options(0) == 2 && a.option(0, 1) == "MB3E3" && a.json().find(a.name(0)) != std::string::npos);
    s.save("s.chkpt");
    const modnas::search again(modnas::config(ctx, std::string(space) + "optim: RandomSearchOptim\n"));
    again.load("s.chkpt");
    CHECK(again.ask()[0].json() == s.ask()[0].json());
    CHECK(s.ask(9).empty()); // four networks, all proposed
    const modnas::search ones(modnas::config(ctx, std::string(space) + "optim: Ones\n"));
    ones.ask();
    ones.save("ones.chkpt");
    const modnas::search more(modnas::config(ctx, std::string(space) + "optim: Ones\n"));
    more.load("ones.chkpt");
    CHECK(more.ask(5).size() == 1); // one of two was left
}

static void weights() {
    const modnas::context ctx = made();
    const modnas::config cfg = modnas::config(ctx, space).set("mixed_op", "null");
    const modnas::model m(cfg);
    int64_t n = 0;
    for (const auto &t : m.tensors()) n += t.trained ? t.count : 0;
    CHECK(n == m.n_params() && m.macs() > 0 && m.n_classes() == 3 && m.input()[0] == 2);
    const std::vector<float> x(144, 0.5f);
    auto bias = m.tensor("fc.bias"), before = m.forward(x);
    for (float &b : bias) b += 1;
    m.set_tensor("fc.bias", bias);
    CHECK(before.size() == 6 && std::fabs(m.forward(x)[5] - before[5] - 1) < 1e-5);
    m.save("w.safetensors");
    const modnas::model other(modnas::config(cfg).set("seed", "9"));
    other.load("w.safetensors");
    CHECK(other.forward(x) == m.forward(x));
    m.export_onnx("net.onnx");
    bool valid = false;
    modnas::inspect(ctx, "w.safetensors", &valid);
    CHECK(valid);
    CHECK(modnas::describe(cfg).find("\"params\": " + std::to_string(n)) != std::string::npos ||
          modnas::describe(cfg).find("\"params\":" + std::to_string(n)) != std::string::npos);
    THROWS(modnas::error, "no tensor none", m.tensor("none"));
    THROWS(modnas::error, "not of the model's size", m.forward({1, 2}));
}

struct mine : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct Broken {
    explicit Broken(const modnas::args &) {}
    void build(modnas::module) { throw mine("in build"); }
    modnas::value forward(modnas::module, const std::vector<modnas::value> &src) { return src[0]; }
};

static void errors() {
    const modnas::context ctx = made();
    modnas::register_model<Broken>(ctx, {"Broken", "", ""});
    THROWS(modnas::error, "text:2", modnas::config(ctx, "threads: 1\nsed: 3\nmodel: CppNet\n").check());
    THROWS(modnas::error, "none.yaml", modnas::config(ctx).file("none.yaml"));
    THROWS(mine, "in build", modnas::model(modnas::config(ctx, "backend: ref\nmodel: Broken\n")));
    THROWS(modnas::error, "wanted is a channel", modnas::model(modnas::config(ctx, "backend: ref\nmodel: {type: CppNet, args: {width: 0}}\n")));
    modnas::search_options o;
    o.progress = [](const modnas_progress &) { throw mine("enough"); };
    const modnas::search s(modnas::config(ctx, std::string(space) + "optim: RandomSearchOptim\n"), o);
    THROWS(mine, "enough", s.train(3));
    modnas::search_options c;
    c.progress = [&](const modnas_progress &) { std::thread([&] { ctx.cancel(); }).join(); };
    const modnas::search canceled(modnas::config(ctx, std::string(space) + "optim: RandomSearchOptim\n"), c);
    try {
        canceled.train(3);
        CHECK(!"canceled");
    } catch (const modnas::error &e) {
        CHECK(e.status() == MODNAS_ECANCELED);
    }
    try {
        modnas::context_options bad;
        bad.threads = 1000;
        modnas::context refused(bad);
        CHECK(!"refused");
    } catch (const modnas::error &e) {
        CHECK(e.status() == MODNAS_EINVAL);
    }
}

static void any_order() {
    for (int i = 0; i < 3; i++) {
        auto ctx = std::make_unique<modnas::context>(made());
        auto s = std::make_unique<modnas::search>(modnas::config(*ctx, std::string(space) + "optim: RandomSearchOptim\n"));
        const auto a = s->ask()[0];
        if (i != 1) ctx.reset();
        if (i != 2) s.reset();
        CHECK(a.size() == 2);
    }
}

int main() try {
    for (auto *test : {all_kinds, pulled, weights, errors, any_order}) test();
    std::printf("%d checks, %d failed\n", n_checks, n_failed);
    return n_failed != 0;
} catch (const std::exception &e) {
    std::printf("ended by: %s\n%d checks, %d failed\n", e.what(), n_checks, n_failed + 1);
    return 1;
}
