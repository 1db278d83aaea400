// Architectures and searches: driven by the library (run) or by the host (ask, train, evaluate, tell).
#ifndef MODNAS_SEARCH_HPP
#define MODNAS_SEARCH_HPP

#include <optional>

#include "model.hpp"

namespace modnas {

using metrics = std::vector<std::pair<std::string, double>>; // the first is the score

namespace detail {
inline metrics metrics_of(const modnas_metric *m, int32_t n) {
    metrics all;
    for (int32_t i = 0; i < n; i++) all.emplace_back(text_of(m[i].name), m[i].value);
    return all;
}
inline std::vector<modnas_metric> metrics_to(const metrics &all) {
    std::vector<modnas_metric> m;
    for (const auto &i : all) m.push_back({i.first.c_str(), i.second});
    return m;
}
} // namespace detail

class arch {
  public:
    arch(detail::shared s, modnas_arch *owned) : state_(s), ptr_(detail::own(s, owned, modnas_arch_free)) {}
    static arch borrowed(const detail::shared &s, const modnas_arch *a) {
        arch made(s, nullptr);
        made.ptr_ = detail::borrow(const_cast<modnas_arch *>(a));
        return made;
    }
    arch copy() const {
        modnas_arch *a = nullptr;
        detail::check(*state_, modnas_arch_copy(get(), &a));
        return arch(state_, a);
    }
    modnas_arch *get() const { return ptr_.get(); }
    int32_t size() const { return modnas_arch_n(get()); }
    int32_t n_options(int32_t i) const { return modnas_arch_n_options(get(), i); }
    int32_t operator[](int32_t i) const { return modnas_arch_get(get(), i); } // MODNAS_OPEN: none
    void set(int32_t i, int32_t option) const { detail::check(*state_, modnas_arch_set(get(), i, option)); }
    std::string name(int32_t i) const { return text_of(modnas_arch_name(get(), i)); }
    std::string option(int32_t i, int32_t k) const { return text_of(modnas_arch_option(get(), i, k)); }
    std::string option(int32_t i) const { return option(i, (*this)[i]); }
    std::string json() const {
        return detail::text(*state_, [&](char **out) { return modnas_arch_json(get(), out); });
    }

  private:
    detail::shared state_;
    detail::handle<modnas_arch> ptr_;
};

struct search_options {
    std::string estim; // whose trainer and metrics the functions below use; default: the first
    bool resume = false;
    std::function<void(const modnas_progress &)> progress;
    std::function<void(const modnas_evaluation &)> evaluated;
    std::function<void(const modnas_progress &)> epoch_done;
};

class search {
  public:
    explicit search(const config &cfg, search_options options = {}) : state_(cfg.state()) {
        modnas_search_opts o{};
        auto *kept = new called{state_.get(), std::move(options)};
        o.size = sizeof o;
        o.estim = detail::c_str(kept->options.estim);
        o.resume = kept->options.resume;
        if (kept->options.progress) o.progress = on_progress;
        if (kept->options.evaluated) o.evaluated = on_evaluated;
        if (kept->options.epoch_done) o.epoch_done = on_epoch;
        o.ud = kept;
        o.ud_free = [](void *ud) { delete static_cast<called *>(ud); };
        modnas_search *s = nullptr;
        const int status = modnas_search_new(cfg.get(), &o, &s);
        if (status) delete kept;
        detail::check(*state_, status);
        ptr_ = detail::own(state_, s, modnas_search_free);
    }
    search(detail::shared s, modnas_search *borrowed) : state_(std::move(s)), ptr_(detail::borrow(borrowed)) {}
    modnas_search *get() const { return ptr_.get(); }
    const detail::shared &state() const { return state_; }

    // Push: all estimators in order, files in exp/NAME/; results.json as text.
    std::string run() const {
        return detail::text(*state_, [&](char **out) { return modnas_search_run(get(), out); });
    }

    // Pull. ask: empty when nothing is left.
    std::vector<arch> ask(int32_t n = 1) const {
        std::vector<modnas_arch *> out(static_cast<size_t>(n > 0 ? n : 0));
        int32_t found = 0;
        std::vector<arch> all;
        const int status = modnas_search_ask(get(), n, out.data(), &found);
        if (status == MODNAS_EDONE) return all;
        detail::check(*state_, status);
        for (int32_t i = 0; i < found; i++) all.emplace_back(state_, out[static_cast<size_t>(i)]);
        return all;
    }
    void tell(const arch &a, const metrics &m, int status = 0) const {
        const auto c = detail::metrics_to(m);
        detail::check(*state_, modnas_search_tell(get(), a.get(), status, c.data(), static_cast<int32_t>(c.size())));
    }
    void tell_failed(const arch &a, int status = 1) const { detail::check(*state_, modnas_search_tell(get(), a.get(), status, nullptr, 0)); }
    double train(const arch &a, int64_t steps) const { return trained(a.get(), steps); }
    double train(int64_t steps) const { return trained(nullptr, steps); } // as the mixed ops draw
    double arch_step() const {
        double loss = NAN;
        detail::check(*state_, modnas_search_arch_step(get(), &loss));
        return loss;
    }
    metrics evaluate(const arch &a) const { return evaluated(a.get()); }
    metrics evaluate() const { return evaluated(nullptr); } // as derived
    arch current() const {                                  // what the model stands for now
        modnas_arch *a = nullptr;
        detail::check(*state_, modnas_arch_new(modnas_search_model(get()), &a));
        return arch(state_, a);
    }
    std::optional<std::pair<arch, double>> best() const {
        double score = NAN;
        const modnas_arch *a = modnas_search_best(get(), &score);
        if (!a) return std::nullopt;
        return std::make_pair(arch::borrowed(state_, a).copy(), score);
    }
    std::string export_yaml(const arch &a) const {
        return detail::text(*state_, [&](char **out) { return modnas_search_export(get(), a.get(), out); });
    }
    class model model() const { return modnas::model(state_, modnas_search_model(get())); } // lives as long as the search
    int64_t n_steps() const { return modnas_search_n_steps(get()); }
    void save(const std::string &path) const { detail::check(*state_, modnas_search_save(get(), path.c_str())); }
    void load(const std::string &path) const { detail::check(*state_, modnas_search_load(get(), path.c_str())); }
    void checkpoint() const { detail::check(*state_, modnas_search_checkpoint(get())); }

  private:
    struct called {
        detail::state *state;
        search_options options;
    };
    template <class F, class A> static int call(void *ud, F f, A *a) {
        auto &c = *static_cast<called *>(ud);
        return detail::guard(*c.state, [&] { (c.options.*f)(*a); });
    }
    static int on_progress(const modnas_progress *p, void *ud) { return call(ud, &search_options::progress, p); }
    static int on_evaluated(modnas_search *, const modnas_evaluation *e, void *ud) { return call(ud, &search_options::evaluated, e); }
    static int on_epoch(modnas_search *, const modnas_progress *p, void *ud) { return call(ud, &search_options::epoch_done, p); }

    double trained(const modnas_arch *a, int64_t steps) const {
        double loss = NAN;
        detail::check(*state_, modnas_search_train(get(), a, steps, &loss));
        return loss;
    }
    metrics evaluated(const modnas_arch *a) const {
        std::array<modnas_metric, 64> m;
        int32_t n = 0;
        detail::check(*state_, modnas_search_evaluate(get(), a, m.data(), static_cast<int32_t>(m.size()), &n));
        return detail::metrics_of(m.data(), n < 64 ? n : 64);
    }

    detail::shared state_;
    detail::handle<modnas_search> ptr_;
};

// Run a configuration, as `modnas run` does; results.json as text.
inline std::string run(const config &cfg, std::function<void(const modnas_progress &)> progress = {}, bool resume = false) {
    search_options o;
    o.progress = std::move(progress);
    o.resume = resume;
    return search(cfg, std::move(o)).run();
}

} // namespace modnas

#endif
