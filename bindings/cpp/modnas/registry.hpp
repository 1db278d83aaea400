// Components written as classes. T is made with the arguments of the configuration; which functions it has says what it does:
//
//   register_module<T>      kinds model, candidate, layer   T(const args &); void build(module); value forward(module, const std::vector<value> &)
//   register_construct<T>   T(const args &); void run(model)
//   register_optim<T>       T(model, const args &); int32_t ask(const std::vector<arch> &): how many were filled in;
//                           void tell(const arch &, int status, const metrics &); for checkpoints also std::string save() and void load(const std::string &)
//   register_estim<T>       T(const args &); void run(search)
//   register_metric<T>      T(const args &); double measure(search, const arch &)
//   register_criterion<T>   T(const args &); value loss(const value &logits, const value &target)
//   register_export<T>      T(const args &); std::string run(model, const arch &): YAML
#ifndef MODNAS_REGISTRY_HPP
#define MODNAS_REGISTRY_HPP

#include <map>

#include "search.hpp"

namespace modnas {

// Checked arguments of a component that is being made.
class args {
  public:
    args(detail::state &s, const modnas_args *ptr) : state_(&s), ptr_(ptr) {}
    int64_t integer(const std::string &name) const { return modnas_args_int(ptr_, name.c_str()); }
    double real(const std::string &name) const { return modnas_args_real(ptr_, name.c_str()); }
    bool boolean(const std::string &name) const { return modnas_args_bool(ptr_, name.c_str()) != 0; }
    std::string text(const std::string &name) const { return text_of(modnas_args_str(ptr_, name.c_str())); }
    bool given(const std::string &name) const { return modnas_args_given(ptr_, name.c_str()) != 0; }
    std::string json(const std::string &name) const {
        return detail::text(*state_, [&](char **out) { return modnas_args_json(ptr_, name.c_str(), out); });
    }
    // Refuse a value: ends the builder with file:line and the component's name.
    [[noreturn]] void fail(const std::string &name, const std::string &why) const {
        const int status = modnas_args_fail(ptr_, name.c_str(), why.c_str());
        throw error(status, modnas_errmsg(state_->ctx));
    }

  private:
    detail::state *state_;
    const modnas_args *ptr_;
};

struct component { // what lists and configurations see of it
    std::string name, text, args; // args: YAML map with defaults
};

namespace detail {

template <class T> struct held {
    state *s;
    std::map<const void *, std::unique_ptr<T>> made; // by what the library calls it with
    std::string last;
    shared lent() const { return shared(s, [](state *) {}); } // the context outlives its components
};

template <class H, class V> void add(const context &ctx, const char *kind, const component &c, const V &vt, std::unique_ptr<H> h) {
    modnas_component m{};
    m.size = sizeof m;
    m.kind = kind;
    m.name = c.name.c_str();
    m.text = c_str(c.text);
    m.args = c_str(c.args);
    m.vt = &vt;
    m.ud = h.get();
    m.ud_free = [](void *ud) { delete static_cast<H *>(ud); };
    check(*ctx.state(), modnas_registry_register(ctx.get(), &m));
    h.release();
}
template <class T> std::unique_ptr<held<T>> hold(const context &ctx) {
    return std::make_unique<held<T>>(held<T>{ctx.state().get(), {}, {}});
}
template <class T, class F> int in(void *ud, F f) {
    auto &h = *static_cast<held<T> *>(ud);
    return guard(*h.s, [&] { f(h); });
}

template <class T, class = void> struct saves : std::false_type {};
template <class T> struct saves<T, std::void_t<decltype(std::declval<T &>().load(std::declval<T &>().save()))>> : std::true_type {};

} // namespace detail

template <class T> void register_module(const context &ctx, const char *kind, const component &c) {
    modnas_module_vt vt{};
    vt.size = sizeof vt;
    vt.build = [](modnas_module *m, const modnas_args *a, void *ud) {
        return detail::in<T>(ud, [&](auto &h) {
            auto made = std::make_unique<T>(args(*h.s, a));
            made->build(module(h.lent(), m));
            h.made[m] = std::move(made);
        });
    };
    vt.forward = [](modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n, modnas_value **dst, void *ud) {
        return detail::in<T>(ud, [&](auto &h) {
            std::vector<value> x;
            for (int32_t i = 0; i < n; i++) x.emplace_back(*h.s, tape, src[i]);
            *dst = h.made.at(m)->forward(module(h.lent(), m), x).get();
        });
    };
    detail::add(ctx, kind, c, vt, detail::hold<T>(ctx));
}
template <class T> void register_model(const context &ctx, const component &c) {
    register_module<T>(ctx, "model", c);
}
template <class T> void register_candidate(const context &ctx, const component &c) {
    register_module<T>(ctx, "candidate", c);
}
template <class T> void register_layer(const context &ctx, const component &c) {
    register_module<T>(ctx, "layer", c);
}

template <class T> void register_construct(const context &ctx, const component &c, bool after_commit = false) {
    modnas_construct_vt vt{};
    vt.size = sizeof vt;
    vt.after_commit = after_commit;
    vt.run = [](modnas_model *m, const modnas_args *a, void *ud) {
        return detail::in<T>(ud, [&](auto &h) { T(args(*h.s, a)).run(model(h.lent(), m)); });
    };
    detail::add(ctx, "construct", c, vt, detail::hold<T>(ctx));
}

template <class T> void register_optim(const context &ctx, const component &c) {
    struct made {
        detail::held<T> *h;
        T optim;
    };
    modnas_optim_vt vt{};
    vt.size = sizeof vt;
    vt.create = [](modnas_model *m, const modnas_args *a, void **state, void *ud) {
        return detail::in<T>(ud, [&](auto &h) { *state = new made{&h, T(model(h.lent(), m), args(*h.s, a))}; });
    };
    vt.ask = [](void *state, modnas_arch *const *archs, int32_t n, int32_t *n_out, void *ud) {
        return detail::in<T>(ud, [&](auto &h) {
            std::vector<arch> all;
            for (int32_t i = 0; i < n; i++) all.push_back(arch::borrowed(h.lent(), archs[i]));
            *n_out = static_cast<made *>(state)->optim.ask(all);
        });
    };
    vt.tell = [](void *state, const modnas_arch *a, int32_t status, const modnas_metric *m, int32_t n, void *ud) {
        return detail::in<T>(ud, [&](auto &h) {
            static_cast<made *>(state)->optim.tell(arch::borrowed(h.lent(), a), status, detail::metrics_of(m, n));
        });
    };
    vt.destroy = [](void *state, void *) { delete static_cast<made *>(state); };
    if constexpr (detail::saves<T>::value) {
        vt.save = [](void *state, modnas_state *out, void *ud) {
            return detail::in<T>(ud, [&](auto &h) {
                const std::string bytes = static_cast<made *>(state)->optim.save();
                detail::check(*h.s, modnas_state_add(out, bytes.data(), bytes.size()));
            });
        };
        vt.load = [](void *state, const void *data, size_t bytes, void *ud) {
            return detail::in<T>(ud, [&](auto &) { static_cast<made *>(state)->optim.load(std::string(static_cast<const char *>(data), bytes)); });
        };
    }
    detail::add(ctx, "optim", c, vt, detail::hold<T>(ctx));
}

template <class T> void register_estim(const context &ctx, const component &c) {
    modnas_estim_vt vt{};
    vt.size = sizeof vt;
    vt.run = [](modnas_search *s, const modnas_args *a, void *ud) {
        return detail::in<T>(ud, [&](auto &h) { T(args(*h.s, a)).run(search(h.lent(), s)); });
    };
    detail::add(ctx, "estim", c, vt, detail::hold<T>(ctx));
}
template <class T> void register_metric(const context &ctx, const component &c) {
    modnas_metrics_vt vt{};
    vt.size = sizeof vt;
    vt.measure = [](modnas_search *s, const modnas_arch *a, const modnas_args *g, double *out, void *ud) {
        return detail::in<T>(ud, [&](auto &h) { *out = T(args(*h.s, g)).measure(search(h.lent(), s), arch::borrowed(h.lent(), a)); });
    };
    detail::add(ctx, "metrics", c, vt, detail::hold<T>(ctx));
}
template <class T> void register_criterion(const context &ctx, const component &c) {
    modnas_criterion_vt vt{};
    vt.size = sizeof vt;
    vt.loss = [](modnas_tape *tape, modnas_value *x, modnas_value *y, const modnas_args *g, modnas_value **out, void *ud) {
        return detail::in<T>(ud, [&](auto &h) { *out = T(args(*h.s, g)).loss(value(*h.s, tape, x), value(*h.s, tape, y)).get(); });
    };
    detail::add(ctx, "criterion", c, vt, detail::hold<T>(ctx));
}
template <class T> void register_export(const context &ctx, const component &c) {
    modnas_export_vt vt{};
    vt.size = sizeof vt;
    vt.run = [](modnas_model *m, const modnas_arch *a, const modnas_args *g, const char **yaml, void *ud) {
        return detail::in<T>(ud, [&](auto &h) {
            h.last = T(args(*h.s, g)).run(model(h.lent(), m), arch::borrowed(h.lent(), a));
            *yaml = h.last.c_str();
        });
    };
    detail::add(ctx, "export", c, vt, detail::hold<T>(ctx));
}

} // namespace modnas

#endif
