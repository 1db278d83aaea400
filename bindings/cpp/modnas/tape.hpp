// Values that a forward works on, and the operators on them (modnas/tape.h).
#ifndef MODNAS_TAPE_HPP
#define MODNAS_TAPE_HPP

#include <array>

#include "base.hpp"

namespace modnas {

using dims = std::array<int64_t, 4>;
using sizes = std::array<int32_t, 4>;

struct window { // zeros are defaults
    std::array<int32_t, 2> kernel{}, stride{}, dilation{};
    sizes pad{}; // top, left, bottom, right
    int32_t groups = 0;
    bool ceil_mode = false, count_pad = false;
    modnas_window_opts get() const {
        modnas_window_opts o{};
        o.size = sizeof o;
        for (int i = 0; i < 2; i++) o.kernel[i] = kernel[i], o.stride[i] = stride[i], o.dilation[i] = dilation[i];
        for (int i = 0; i < 4; i++) o.pad[i] = pad[i];
        o.groups = groups;
        o.ceil_mode = ceil_mode;
        o.count_pad = count_pad;
        return o;
    }
};

// What an operator gives while a forward is recorded, (N, C, H, W). Of use until that forward has returned.
class value {
  public:
    value(detail::state &s, modnas_tape *tape, modnas_value *ptr) : state_(&s), tape_(tape), ptr_(ptr) {}
    modnas_value *get() const { return ptr_; }
    modnas_tape *tape() const { return tape_; }
    detail::state &state() const { return *state_; }
    dims shape() const {
        dims d;
        detail::check(*state_, modnas_value_dims(tape_, ptr_, d.data()));
        return d;
    }
    bool training() const { return modnas_tape_is_training(tape_) != 0; }
    // f(tape, args..., &dst), on this value's tape
    template <class F, class... A> value op(F f, A... args) const {
        modnas_value *dst = nullptr;
        detail::check(*state_, f(tape_, args..., &dst));
        return value(*state_, tape_, dst);
    }

  private:
    detail::state *state_;
    modnas_tape *tape_;
    modnas_value *ptr_;
};

inline value operator+(const value &a, const value &b) { return a.op(modnas_op_add, a.get(), b.get()); }
inline value operator-(const value &a, const value &b) { return a.op(modnas_op_sub, a.get(), b.get()); }
inline value operator*(const value &a, const value &b) { return a.op(modnas_op_mul, a.get(), b.get()); }
inline value operator/(const value &a, const value &b) { return a.op(modnas_op_div, a.get(), b.get()); }

namespace ops {

inline value affine(const value &x, double alpha, double beta) { return x.op(modnas_op_affine, x.get(), alpha, beta); }
inline value conv2d(const value &x, const value &weights, const value *bias = nullptr, const window &w = {}) {
    const modnas_window_opts o = w.get();
    return x.op(modnas_op_conv2d, x.get(), weights.get(), bias ? bias->get() : nullptr, &o);
}
inline value linear(const value &x, const value &weights, const value *bias = nullptr) {
    return x.op(modnas_op_linear, x.get(), weights.get(), bias ? bias->get() : nullptr);
}
inline value pool2d(const value &x, const std::string &how, const window &w) {
    const modnas_window_opts o = w.get();
    modnas_value *dst = nullptr;
    detail::check(x.state(), modnas_op_pool2d(x.tape(), how.c_str(), x.get(), &o, &dst));
    return value(x.state(), x.tape(), dst);
}
inline value global_pool(const value &x, const std::string &how = "avg") { return x.op(modnas_op_global_pool, how.c_str(), x.get()); }
inline value activation(const value &x, const std::string &name) { return x.op(modnas_op_activation, name.c_str(), x.get()); }
inline value relu(const value &x) { return activation(x, "ReLU"); }
inline value dropout(const value &x, double p) { return x.op(modnas_op_dropout, x.get(), p); }
inline value softmax(const value &x) { return x.op(modnas_op_softmax, x.get()); }
inline value log_softmax(const value &x) { return x.op(modnas_op_log_softmax, x.get()); }
inline value loss(const value &x, const std::string &name, const value &target, double param = 0) {
    return x.op(modnas_op_loss, name.c_str(), x.get(), target.get(), param);
}
inline value reduce(const value &x, const std::string &how, const dims &d) { return x.op(modnas_op_reduce, how.c_str(), x.get(), d.data()); }
inline value reshape(const value &x, const dims &d) { return x.op(modnas_op_reshape, x.get(), d.data()); }
inline value shuffle(const value &x, int32_t groups) { return x.op(modnas_op_shuffle, x.get(), groups); }
inline value pad(const value &x, const sizes &before, const sizes &after, double with = 0) {
    return x.op(modnas_op_pad, x.get(), before.data(), after.data(), with);
}
inline value slice(const value &x, const sizes &start, const sizes &count, const sizes &step = {1, 1, 1, 1}) {
    return x.op(modnas_op_slice, x.get(), start.data(), step.data(), count.data());
}
inline value zeros(const value &like, const dims &d) { return like.op(modnas_op_zeros, d.data()); }
inline value constant(const value &like, const dims &d, const std::vector<double> &data) {
    if (d[0] * d[1] * d[2] * d[3] != static_cast<int64_t>(data.size())) throw error(MODNAS_ESHAPE, "dims and data of a constant do not fit");
    return like.op(modnas_op_constant, d.data(), data.data());
}
inline value concat(const std::vector<value> &x, int32_t axis = 1) {
    if (x.empty()) throw error(MODNAS_EINVAL, "nothing to concatenate");
    std::vector<modnas_value *> v;
    for (const value &i : x) v.push_back(i.get());
    return x[0].op(modnas_op_concat, v.data(), static_cast<int32_t>(v.size()), axis);
}
inline std::vector<value> split(const value &x, const std::vector<int32_t> &widths, int32_t axis = 1) {
    std::vector<modnas_value *> dst(widths.size());
    detail::check(x.state(), modnas_op_split(x.tape(), x.get(), axis, widths.data(), static_cast<int32_t>(widths.size()), dst.data()));
    std::vector<value> parts;
    for (modnas_value *v : dst) parts.emplace_back(x.state(), x.tape(), v);
    return parts;
}

} // namespace ops
} // namespace modnas

#endif
