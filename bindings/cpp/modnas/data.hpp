// Data of the host, under a name that configurations use.
#ifndef MODNAS_DATA_HPP
#define MODNAS_DATA_HPP

#include <array>

#include "base.hpp"

namespace modnas {

struct data_source {
    int64_t n;
    std::array<int32_t, 3> dims; // channels, height, width
    int32_t n_classes;
    std::function<int32_t(int64_t index, float *dst)> sample; // writes the image, gives its label
    bool thread_safe = false;
};

inline void register_data(const context &ctx, const std::string &name, data_source source) {
    struct kept {
        detail::state *state;
        data_source source;
    };
    auto held = std::make_unique<kept>(kept{ctx.state().get(), std::move(source)});
    modnas_data_source s{};
    s.size = sizeof s;
    s.n = held->source.n;
    for (size_t i = 0; i < 3; i++) s.dims[i] = held->source.dims[i];
    s.n_classes = held->source.n_classes;
    s.thread_safe = held->source.thread_safe;
    s.sample = [](int64_t index, float *dst, int32_t *label, void *ud) {
        auto &k = *static_cast<kept *>(ud);
        return detail::guard(*k.state, [&] { *label = k.source.sample(index, dst); });
    };
    s.ud = held.get();
    s.ud_free = [](void *ud) { delete static_cast<kept *>(ud); };
    detail::check(*ctx.state(), modnas_data_register(ctx.get(), name.c_str(), &s));
    held.release();
}

} // namespace modnas

#endif
