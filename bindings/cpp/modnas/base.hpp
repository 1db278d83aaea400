// Errors, contexts, configurations.
//
// A function that fails throws modnas::error with the library's text. What a callback throws ends the call that it serves and comes out of it.
#ifndef MODNAS_BASE_HPP
#define MODNAS_BASE_HPP

#include <modnas/modnas.h>

#include <cmath>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace modnas {

class error : public std::runtime_error {
  public:
    error(int status, const std::string &text) : std::runtime_error(text.empty() ? modnas_strerror(status) : text), status_(status) {}
    int status() const noexcept { return status_; } // MODNAS_ECONFIG, ...; positive: a callback's own

  private:
    int status_;
};

inline std::string text_of(const char *text) {
    return text ? text : "";
}
inline std::string version() {
    return modnas_version();
}

namespace detail {

// What handles of one context share. It goes with the last of them.
struct state {
    modnas_ctx *ctx = nullptr;
    std::exception_ptr raised; // by a callback, until the call that it serves returns
    std::function<void(int, const std::string &)> log;
    ~state() { modnas_ctx_free(ctx); }
};
using shared = std::shared_ptr<state>;

inline void check(state &s, int status) {
    const std::exception_ptr raised = std::exchange(s.raised, nullptr);
    if (status && raised) std::rethrow_exception(raised);
    if (status) throw error(status, modnas_errmsg(s.ctx));
}

// For a callback: what f throws is kept for the outermost call. An error of the library goes on as it is.
template <class F> int guard(state &s, F f) noexcept {
    try {
        f();
        return 0;
    } catch (const error &e) {
        s.raised = std::current_exception();
        return e.status() ? e.status() : 1;
    } catch (...) {
        s.raised = std::current_exception();
        return 1;
    }
}

inline std::string take(state &s, char *text) {
    const std::unique_ptr<char, std::function<void(char *)>> owned(text, [&s](char *t) { modnas_string_free(s.ctx, t); });
    return text_of(text);
}
// f(char **) with a status hands out a text.
template <class F> std::string text(state &s, F f) {
    char *out = nullptr;
    check(s, f(&out));
    return take(s, out);
}

inline const char *c_str(const std::string &s) { // NULL for "", which is: not given
    return s.empty() ? nullptr : s.c_str();
}

// A handle with the function that frees it; empty: borrowed.
template <class T> using handle = std::shared_ptr<T>;
template <class T> handle<T> own(const shared &s, T *ptr, void (*free)(T *)) {
    return handle<T>(ptr, [s, free](T *p) { free(p); });
}
template <class T> handle<T> borrow(T *ptr) {
    return handle<T>(ptr, [](T *) {});
}

} // namespace detail

struct context_options {
    int threads = 0; // 0: the library's default, 2
    std::string plugin_dir;
    int log_level = MODNAS_LOG_INFO;
    std::function<void(int level, const std::string &text)> log;
};

// A context: everything hangs off it. Copies are the same one. One thread at a time uses it and what was made from it.
class context {
  public:
    explicit context(const context_options &options = {}) : state_(std::make_shared<detail::state>()) {
        modnas_ctx_opts o{};
        o.size = sizeof o;
        o.threads = options.threads;
        o.plugin_dir = detail::c_str(options.plugin_dir);
        o.log_level = options.log_level;
        state_->log = options.log;
        if (state_->log) {
            o.log_ud = state_.get();
            o.log_fn = [](int32_t level, const char *text, void *ud) {
                auto &s = *static_cast<detail::state *>(ud);
                (void)detail::guard(s, [&] { s.log(level, text_of(text)); });
            };
        }
        const int status = modnas_ctx_new(&o, &state_->ctx);
        if (status) throw error(status, "");
    }
    void cancel() const { modnas_cancel(state_->ctx); } // from any thread, and from a signal handler
    modnas_ctx *get() const { return state_->ctx; }
    const detail::shared &state() const { return state_; }

  private:
    detail::shared state_;
};

// YAML files and texts, merged in order.
class config {
  public:
    explicit config(const context &ctx) : state_(ctx.state()) {
        modnas_config *c = nullptr;
        detail::check(*state_, modnas_config_new(ctx.get(), &c));
        ptr_ = detail::own(state_, c, modnas_config_free);
    }
    config(const context &ctx, const std::string &yaml) : config(ctx) { text(yaml); }

    config &file(const std::string &path) { return done(modnas_config_add_file(get(), path.c_str())); }
    config &text(const std::string &yaml, const std::string &name = "text") {
        return done(modnas_config_add_text(get(), yaml.data(), yaml.size(), name.c_str()));
    }
    config &set(const std::string &key, const std::string &value) { return done(modnas_config_set(get(), key.c_str(), value.c_str())); }
    config &override_with(const std::string &assignment) { return done(modnas_config_override(get(), assignment.c_str())); }
    config &check() { return done(modnas_config_check(get())); }
    // Merged and checked, as JSON.
    std::string json() const {
        return detail::text(*state_, [&](char **out) { return modnas_config_json(get(), out); });
    }
    modnas_config *get() const { return ptr_.get(); }
    const detail::shared &state() const { return state_; }

  private:
    config &done(int status) {
        detail::check(*state_, status);
        return *this;
    }
    detail::shared state_;
    detail::handle<modnas_config> ptr_;
};

} // namespace modnas

#endif
