/* oneDNN's functions with their exceptions caught: see onednn.h. The only file here that is C++. */
#include <new>

#include "backend/dnnl/onednn.h"

/* What to mend after `fn` threw. */
template <auto fn> static void mend() noexcept {}

/* oneDNN's cache of primitives keeps an entry for the one that could not be made: a promise that stays broken, under a
 * key that points into the descriptor, which the caller is about to destroy. Emptying the cache before that is the only
 * way to be rid of it; its capacity is as before. */
template <> void mend<dnnl_primitive_create>() noexcept {
    int capacity = 0;
    if (dnnl_get_primitive_cache_capacity(&capacity) != dnnl_success) return;
    (void)dnnl_set_primitive_cache_capacity(0);
    (void)dnnl_set_primitive_cache_capacity(capacity);
}

template <auto fn> struct guarded;

template <class... Args, dnnl_status_t (*fn)(Args...)> struct guarded<fn> {
    static dnnl_status_t call(Args... args) noexcept {
        dnnl_status_t status;
        try {
            return fn(args...);
        } catch (const std::bad_alloc &) {
            status = dnnl_out_of_memory;
        } catch (...) {
            status = dnnl_runtime_error;
        }
        mend<fn>();
        return status;
    }
};

const mn_onednn onednn = {
#define GUARDED(name) guarded<dnnl_##name>::call,
    MN_ONEDNN_MAP(GUARDED)
#undef GUARDED
};
