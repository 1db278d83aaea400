/* The entry point: fills the vtable, opens and closes the backend, and passes plans to their row of the kernel table.
 *
 * A run works with the opened backend's logical thread count: OpenMP's count for the calling thread is set before
 * oneDNN is called and put back after, and so is its leave to give fewer. Nothing process-wide is touched; where OpenMP
 * is told to have fewer threads altogether, the backend refuses to work.
 *
 * Which instruction set our own kernels use follows oneDNN's answer, so that both halves agree on the block, also where
 * oneDNN was told to use less than the CPU has. */
#include <omp.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"

enum { PAGE = 4096, HUGE_BYTES_MIN = 4 << 20 };

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#define VERSION    "oneDNN " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(DNNL_VERSION_PATCH)

/* The instruction sets, widest first, and what oneDNN calls them. */
static const struct {
    int isa;
    const mn_simd *simd;
    const char *version;
} levels[] = {
    {dnnl_cpu_isa_avx512_core, &mn_simd_avx512, VERSION ", avx512_core"},
    {dnnl_cpu_isa_avx2, &mn_simd_avx2, VERSION ", avx2"},
    {0, &mn_simd_portable, VERSION ", portable"},
};

/* The widest level that this CPU, and oneDNN's own limit, has. */
static int best_level(void) {
    const int isa = (int)dnnl_get_effective_cpu_isa();
    int level = 0;
    while ((isa & levels[level].isa) != levels[level].isa) level++;
    return level;
}

static void backend_close(void *state) {
    mn_dnnl *s = state;
    if (!s) return;
    mn_dnnl_layouts_free(s);
    if (s->stream) dnnl_stream_destroy(s->stream);
    if (s->engine) dnnl_engine_destroy(s->engine);
    s->host.free(s->host.host, s);
}

/* In a region of fewer threads than it planned for oneDNN gives wrong gradients of weights, without a word. */
static int check_threads(mn_dnnl *s) {
    const int most = omp_get_max_active_levels() > 0 ? omp_get_thread_limit() : 1;
    if (most >= s->threads) return 0;
    return mn_dnnl_fail(s, MODNAS_EUNSUPPORTED,
                        "dnnl: threads is %d, but OpenMP is set to give %d at most (OMP_THREAD_LIMIT, "
                        "OMP_MAX_ACTIVE_LEVELS)",
                        (int)s->threads, most);
}

static int backend_open(const modnas_host *host, const modnas_backend_opts *opts, void **state) {
    if (opts->threads < 1 || opts->threads > 256)
        return host->fail(host->host, MODNAS_EINVAL, "dnnl: threads is not in 1..256");
    if (opts->device != 0) return host->fail(host->host, MODNAS_EINVAL, "dnnl: there is only device 0");
    mn_dnnl *s = host->alloc(host->host, sizeof *s);
    if (!s) return host->fail(host->host, MODNAS_ENOMEM, "dnnl: out of memory");
    memset(s, 0, sizeof *s);
    s->host = *host;
    s->threads = opts->threads;
    s->simd = levels[best_level()].simd;
    const int refused = check_threads(s);
    if (refused) {
        backend_close(s);
        return refused;
    }
    dnnl_status_t status = onednn.engine_create(&s->engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = onednn.stream_create(&s->stream, s->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        /* 3.7 has no engine to offer, which it says in this way, when there is no memory for the list of them. */
        const int no_memory = status == dnnl_out_of_memory || status == dnnl_runtime_error;
        const int code = no_memory ? MODNAS_ENOMEM : MODNAS_ENOBACKEND;
        const int rc = mn_dnnl_fail(s, code, "dnnl: oneDNN status %d on opening its CPU engine", (int)status);
        backend_close(s);
        return rc;
    }
    s->n_objects = 2;
    *state = s;
    return 0;
}

void *mn_dnnl_alloc(mn_dnnl *s, size_t bytes) {
    void *mem = s->host.alloc(s->host.host, bytes ? bytes : 64);
    if (!mem) mn_dnnl_fail(s, MODNAS_ENOMEM, "dnnl: out of memory for %zu bytes", bytes);
    return mem;
}

size_t mn_dnnl_reserve(mn_dnnl_plan *p, size_t bytes) {
    const size_t at = p->scratch;
    p->scratch = at + (bytes + 63) / 64 * 64;
    return at;
}

/* Ask for huge pages: tensors lie far apart, and fetching ahead stops at the end of a page. Only advice. */
static void advise(char *mem, size_t bytes) {
    const size_t before = PAGE - (uintptr_t)mem % PAGE;
    if (bytes >= HUGE_BYTES_MIN) madvise(mem + before, (bytes - before) / PAGE * PAGE, MADV_HUGEPAGE);
}

static int backend_alloc(void *state, size_t bytes, void **mem) {
    mn_dnnl *s = state;
    void *got = s->host.alloc_zeroed(s->host.host, bytes ? bytes : 64);
    if (!got) return mn_dnnl_fail(s, MODNAS_ENOMEM, "dnnl: out of memory for %zu bytes", bytes);
    advise(got, bytes);
    *mem = got;
    return 0;
}

static void backend_free(void *state, void *mem) {
    mn_dnnl *s = state;
    if (mem) s->host.free(s->host.host, mem);
}

static int backend_copy(void *state, void *dst, const void *src, size_t bytes) {
    (void)state;
    if (bytes) memcpy(dst, src, bytes);
    return 0;
}

/* What OpenMP is set to for the calling thread. */
typedef struct omp_settings {
    int threads, dynamic;
} omp_settings;

/* Make oneDNN see the logical thread count, and no less; *before is for thread_leave. */
static int thread_enter(mn_dnnl *s, omp_settings *before) {
    const int rc = check_threads(s);
    if (rc) return rc;
    *before = (omp_settings){omp_get_max_threads(), omp_get_dynamic()};
    if (before->threads != s->threads) omp_set_num_threads(s->threads);
    if (before->dynamic) omp_set_dynamic(0);
    return 0;
}

static void thread_leave(const mn_dnnl *s, const omp_settings *before) {
    if (before->threads != s->threads) omp_set_num_threads(before->threads);
    if (before->dynamic) omp_set_dynamic(1);
}

static int backend_supports(void *state, const modnas_kernel *k) {
    const mn_dnnl_kernel *row = mn_dnnl_kernel_of(k->kind);
    if (!row || k->dtype != MODNAS_F32 || k->pass < 0 || k->pass > 2 || row->n_args[k->pass] == 0) return 0;
    omp_settings before;
    int rc = thread_enter(state, &before);
    if (rc) return rc;
    rc = row->supports(state, k);
    thread_leave(state, &before);
    return rc;
}

static int32_t backend_want_layout(void *state, const modnas_kernel *k, int32_t role) {
    const mn_dnnl_kernel *row = mn_dnnl_kernel_of(k->kind);
    if (!row || k->dtype != MODNAS_F32) return MODNAS_LAYOUT_PLAIN;
    omp_settings before;
    const int rc = thread_enter(state, &before);
    if (rc) return rc;
    const int32_t layout = row->want(state, k, role);
    thread_leave(state, &before);
    return layout;
}

static size_t backend_layout_bytes(void *state, const modnas_tdesc *t, int32_t groups) {
    return mn_dnnl_layout_bytes(state, t, groups);
}

static void plan_free(void *state, void *plan) {
    mn_dnnl *s = state;
    mn_dnnl_plan *p = plan;
    if (!p) return;
    if (p->row->drop) p->row->drop(s, p);
    s->host.free(s->host.host, p);
}

static int plan_new(void *state, const modnas_kernel *k, void **plan) {
    mn_dnnl *s = state;
    const int supported = backend_supports(s, k);
    if (supported < 0) return supported;
    if (!supported) return mn_dnnl_refused(s, dnnl_unimplemented, "the plan", k);
    const mn_dnnl_kernel *row = mn_dnnl_kernel_of(k->kind);
    mn_dnnl_plan *p = mn_dnnl_alloc(s, row->plan_bytes);
    if (!p) return MODNAS_ENOMEM;
    memset(p, 0, row->plan_bytes);
    p->row = row;
    p->k = *k;
    omp_settings before;
    int rc = thread_enter(s, &before);
    if (!rc) {
        rc = row->plan ? row->plan(s, p) : 0;
        thread_leave(s, &before);
    }
    if (rc)
        plan_free(s, p);
    else
        *plan = p;
    return rc;
}

static size_t plan_scratch(void *state, void *plan) {
    (void)state;
    return ((const mn_dnnl_plan *)plan)->scratch;
}

static size_t plan_workspace(void *state, void *plan) {
    (void)state;
    return ((const mn_dnnl_plan *)plan)->workspace;
}

static int plan_run(void *state, void *plan, void *const *args, int32_t n_args, const double *scalars,
                    int32_t n_scalars, void *scratch) {
    mn_dnnl *s = state;
    const mn_dnnl_plan *p = plan;
    const int32_t want_args = p->row->n_args[p->k.pass], want_scalars = p->row->n_scalars[p->k.pass];
    if (n_args < want_args || n_scalars < want_scalars) {
        char text[320];
        mn_dnnl_describe(&p->k, text, sizeof text);
        return mn_dnnl_fail(s, MODNAS_EINVAL, "%d arguments and %d scalars given, %d and %d wanted by %s", n_args,
                            n_scalars, want_args, want_scalars, text);
    }
    const mn_dnnl_run run = {args, scalars, scratch, n_args, n_scalars};
    omp_settings before;
    int rc = thread_enter(s, &before);
    if (rc) return rc;
    rc = p->row->run(s, p, &run);
    thread_leave(s, &before);
    return rc;
}

static void backend_begin(void *state) {
    mn_dnnl_spread(state);
}

static int backend_in_parallel(void *state) {
    (void)state;
    return omp_in_parallel() ? 1 : 0;
}

static int64_t backend_n_objects(void *state) {
    return ((const mn_dnnl *)state)->n_objects;
}

int modnas_plugin_entry(const modnas_host *host, modnas_backend_vt *vt);

MODNAS_API int modnas_plugin_entry(const modnas_host *host, modnas_backend_vt *vt) {
    if (host->abi != MODNAS_PLUGIN_ABI || host->size < sizeof *host || vt->size < sizeof *vt) return MODNAS_EABI;
    *vt = (modnas_backend_vt){
        .size = sizeof *vt,
        .abi = MODNAS_PLUGIN_ABI,
        .name = "dnnl",
        .version = levels[best_level()].version,
        .open = backend_open,
        .close = backend_close,
        .alloc = backend_alloc,
        .free = backend_free,
        .upload = backend_copy,
        .download = backend_copy,
        .supports = backend_supports,
        .want_layout = backend_want_layout,
        .layout_bytes = backend_layout_bytes,
        .plan_new = plan_new,
        .plan_scratch = plan_scratch,
        .plan_workspace = plan_workspace,
        .plan_run = plan_run,
        .plan_free = plan_free,
        .begin = backend_begin,
        .in_parallel = backend_in_parallel,
        .n_objects = backend_n_objects,
        .flags = MODNAS_BACKEND_ZEROED_MEMORY,
    };
    return 0;
}
