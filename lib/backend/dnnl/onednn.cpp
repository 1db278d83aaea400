/* oneDNN's functions with their exceptions caught: see onednn.h. The only file here that is C++. */
#include <new>

#include "backend/dnnl/onednn.h"

template <auto fn> struct guarded;

template <class... Args, dnnl_status_t (*fn)(Args...)> struct guarded<fn> {
    static dnnl_status_t call(Args... args) noexcept {
        try {
            return fn(args...);
        } catch (const std::bad_alloc &) {
            return dnnl_out_of_memory;
        } catch (...) {
            return dnnl_runtime_error;
        }
    }
};

const mn_onednn onednn = {
#define GUARDED(name) guarded<dnnl_##name>::call,
    MN_ONEDNN_MAP(GUARDED)
#undef GUARDED
};
