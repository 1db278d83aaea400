// Models and the tree of modules that they are made of (modnas/model.h, modnas/module.h).
#ifndef MODNAS_MODEL_HPP
#define MODNAS_MODEL_HPP

#include "tape.hpp"

namespace modnas {

class model;

struct slot_info {
    std::string name, kwargs; // kwargs: JSON
    int32_t chn_in, chn_out, stride;
    bool filled;
};

// A module: borrowed, as long as its model lives. Calling it records it (inside of a forward).
class module {
  public:
    module(detail::shared s, modnas_module *ptr) : state_(std::move(s)), ptr_(ptr) {}
    modnas_module *get() const { return ptr_; }
    const detail::shared &state() const { return state_; }
    explicit operator bool() const { return ptr_ != nullptr; }

    std::string name() const { return text_of(modnas_module_name(ptr_)); }
    module parent() const { return module(state_, modnas_module_parent(ptr_)); }
    size_t size() const { return modnas_module_n_children(ptr_); }
    module child(size_t i) const { return module(state_, modnas_module_child_at(ptr_, i)); }
    module operator[](const std::string &path) const { // a child, or one further down
        modnas_module *m = modnas_module_child(ptr_, path.c_str());
        if (!m) throw error(MODNAS_ENOTFOUND, "there is no module " + path);
        return module(state_, m);
    }
    inline class model model() const;

    module add(const std::string &name, const std::string &type, const std::string &args = "") const {
        modnas_module *out = nullptr;
        detail::check(*state_, modnas_module_add(ptr_, name.c_str(), type.c_str(), detail::c_str(args), &out));
        return module(state_, out);
    }
    void param(const std::string &name, const std::vector<int64_t> &d, modnas_init init = MODNAS_INIT_ZEROS, double bound = 0) const {
        detail::check(*state_, modnas_module_param(ptr_, name.c_str(), d.data(), static_cast<int32_t>(d.size()), init, bound));
    }
    value param_value(const value &x, const std::string &name) const { return x.op(modnas_op_param, ptr_, name.c_str()); }
    value operator()(const value &x) const {
        modnas_value *dst = nullptr;
        detail::check(*state_, modnas_forward(ptr_, x.tape(), x.get(), &dst));
        return value(*state_, x.tape(), dst);
    }
    value operator()(const std::vector<value> &x) const {
        if (x.empty()) throw error(MODNAS_EINVAL, "a module takes at least one value");
        std::vector<modnas_value *> src;
        for (const value &v : x) src.push_back(v.get());
        modnas_value *dst = nullptr;
        detail::check(*state_, modnas_forward_n(ptr_, x[0].tape(), src.data(), static_cast<int32_t>(src.size()), &dst));
        return value(*state_, x[0].tape(), dst);
    }

    slot_info slot() const { // of the Slot that this is, or stands in
        modnas_slot_info i{};
        i.size = sizeof i;
        detail::check(*state_, modnas_module_slot(ptr_, &i));
        return {text_of(i.name), text_of(i.kwargs), i.chn_in, i.chn_out, i.stride, i.filled != 0};
    }
    void fill(const std::string &candidate = "") const { detail::check(*state_, modnas_slot_fill(ptr_, detail::c_str(candidate))); }
    void mix(const std::string &spec) const { detail::check(*state_, modnas_slot_mix(ptr_, spec.c_str())); }

  private:
    detail::shared state_;
    modnas_module *ptr_;
};

struct tensor_info {
    std::string name;
    std::vector<int64_t> dims;
    int64_t count;
    bool trained;
};

class model {
  public:
    explicit model(const config &cfg) : state_(cfg.state()) {
        modnas_model *m = nullptr;
        detail::check(*state_, modnas_model_new(cfg.get(), &m));
        ptr_ = detail::own(state_, m, modnas_model_free);
    }
    model(detail::shared s, modnas_model *borrowed) : state_(std::move(s)), ptr_(detail::borrow(borrowed)) {}
    // The network found in a supernet, with its weights.
    static model derive(const config &cfg, const std::string &calibrate = "", int32_t n_batches = 0) {
        modnas_export_opts o{};
        o.size = sizeof o;
        o.calibrate = detail::c_str(calibrate);
        o.n_batches = n_batches;
        modnas_model *m = nullptr;
        detail::check(*cfg.state(), modnas_model_derive(cfg.get(), &o, &m));
        model made(cfg.state(), nullptr);
        made.ptr_ = detail::own(cfg.state(), m, modnas_model_free);
        return made;
    }
    modnas_model *get() const { return ptr_.get(); }
    const detail::shared &state() const { return state_; }

    module root() const { return module(state_, modnas_model_root(get())); }
    size_t n_slots() const { return modnas_model_n_slots(get()); }
    module slot(size_t i) const { return module(state_, modnas_model_slot(get(), i)); }
    void set_input(int32_t channels, int32_t height, int32_t width) const {
        detail::check(*state_, modnas_model_set_input(get(), channels, height, width));
    }
    void set_classes(int32_t n) const { detail::check(*state_, modnas_model_set_classes(get(), n)); }
    std::array<int32_t, 3> input() const {
        std::array<int32_t, 3> chw;
        detail::check(*state_, modnas_model_input(get(), chw.data()));
        return chw;
    }
    int32_t n_classes() const { return modnas_model_n_classes(get()); }
    int64_t n_params() const { return modnas_model_n_params(get()); }
    int64_t macs() const {
        int64_t n = 0;
        detail::check(*state_, modnas_model_macs(get(), &n));
        return n;
    }
    // Images one behind the other; n rows of n_classes.
    std::vector<float> forward(const std::vector<float> &images) const {
        const auto in = input();
        const size_t each = static_cast<size_t>(in[0]) * static_cast<size_t>(in[1]) * static_cast<size_t>(in[2]);
        if (!each || images.size() % each) throw error(MODNAS_ESHAPE, "the images are not of the model's size");
        std::vector<float> logits(images.size() / each * static_cast<size_t>(n_classes()));
        detail::check(*state_, modnas_model_forward(get(), images.data(), static_cast<int64_t>(images.size() / each), logits.data()));
        return logits;
    }
    std::vector<tensor_info> tensors() const {
        std::vector<tensor_info> all;
        for (size_t i = 0; i < modnas_model_n_tensors(get()); i++) {
            modnas_tensor_info t{};
            t.size = sizeof t;
            detail::check(*state_, modnas_model_tensor(get(), i, &t));
            all.push_back({text_of(t.name), std::vector<int64_t>(t.dims, t.dims + t.n_dims), t.count, t.trained != 0});
        }
        return all;
    }
    std::vector<float> tensor(const std::string &name) const {
        for (const tensor_info &t : tensors()) {
            if (t.name != name) continue;
            std::vector<float> data(static_cast<size_t>(t.count));
            detail::check(*state_, modnas_model_get(get(), name.c_str(), data.data(), data.size()));
            return data;
        }
        throw error(MODNAS_ENOTFOUND, "there is no tensor " + name);
    }
    void set_tensor(const std::string &name, const std::vector<float> &data) const {
        detail::check(*state_, modnas_model_set(get(), name.c_str(), data.data(), data.size()));
    }
    void save(const std::string &path) const { detail::check(*state_, modnas_model_save(get(), path.c_str())); }
    void load(const std::string &path, bool partial = false) const { detail::check(*state_, modnas_model_load(get(), path.c_str(), partial)); }
    void export_onnx(const std::string &path, const modnas_onnx_opts *opts = nullptr) const {
        detail::check(*state_, modnas_model_export_onnx(get(), opts, path.c_str()));
    }

  private:
    detail::shared state_;
    detail::handle<modnas_model> ptr_;
};

inline model module::model() const {
    return modnas::model(state_, modnas_module_model(ptr_));
}

} // namespace modnas

#endif
