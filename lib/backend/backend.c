/* Opened backends.
 *
 *   context --- list of opened backends: (name, threads) -> counted, one each
 *                 dnnl: table + state + plans ---> ref: table + state + plans   (dnnl's fallback; counted like any
 * other)
 *
 * A backend does not hold its context; the context frees whatever is still open when it goes. Kernels that a backend
 * does not run go to `ref`, which needs the host's memory and plain layouts. */
#include "backend/backend.h"

#include <string.h>
#include <unistd.h>

#include "backend/plan_cache.h"
#include "backend/plugin.h"

struct mn_backend {
    modnas_ctx *ctx;
    int refs;
    int32_t threads;
    pid_t pid; /* of the process that opened it */
    modnas_host host;
    modnas_backend_vt vt;
    void *state, *plugin;
    int is_open; /* the state is there (it may be NULL) */
    char *name;  /* copies: a plug-in's own are gone when it is unloaded */
    char *version;
    mn_backend *ref; /* NULL for ref itself and for backends whose memory is not the host's */
    mn_plan_cache plans;
};

struct mn_backends {
    mn_vec open; /* of mn_backend *; a fallback comes before those that use it */
};

/* ---- what plug-ins get of the library: modnas_host.host is the context ---- */

static void *host_alloc(void *host, size_t bytes) {
    return mn_alloc_aligned(host, bytes);
}
static void *host_alloc_zeroed(void *host, size_t bytes) {
    return mn_alloc_aligned_zeroed(host, bytes);
}
static void host_free(void *host, void *mem) {
    mn_free_aligned(host, mem);
}
static int host_fail(void *host, int status, const char *text) {
    return mn_fail(host, status, "%s", text);
}
static void host_log(void *host, int32_t level, const char *text) {
    mn_log(host, level, "%s", text);
}

/* ---- open and close ---- */

static void destroy(mn_backend *b) {
    modnas_ctx *ctx = b->ctx;
    mn_plan_cache_free(ctx, &b->plans);
    if (b->is_open) b->vt.close(b->state);
    mn_plugin_unload(b->plugin);
    mn_backend_close(b->ref);
    mn_free(ctx, b->name);
    mn_free(ctx, b->version);
    mn_free(ctx, b);
}

/* Take b off the list, then free it. */
static void remove_open(mn_backend *b) {
    mn_vec *open = &b->ctx->backends->open;
    for (size_t i = 0; i < open->n; i++) {
        mn_backend **at = &MN_AT(*open, mn_backend *, i);
        if (*at != b) continue;
        memmove(at, at + 1, (open->n - i - 1) * sizeof(mn_backend *));
        open->n--;
        break;
    }
    destroy(b);
}

static void free_all(modnas_ctx *ctx) {
    mn_vec *open = &ctx->backends->open;
    while (open->n) remove_open(MN_AT(*open, mn_backend *, open->n - 1)); /* users of a fallback go before it */
    mn_vec_free(ctx, open);
    mn_free(ctx, ctx->backends);
    ctx->backends = NULL;
}

static int enter_all(modnas_ctx *ctx) {
    const mn_vec *open = &ctx->backends->open;
    for (size_t i = 0; i < open->n; i++) MN_TRY(mn_backend_enter(MN_AT(*open, mn_backend *, i)));
    return 0;
}

static int list_of(modnas_ctx *ctx, mn_vec **open) {
    if (!ctx->backends) {
        ctx->backends = mn_alloc(ctx, 1, sizeof *ctx->backends);
        if (!ctx->backends) return MODNAS_ENOMEM;
        mn_vec_init(&ctx->backends->open, sizeof(mn_backend *));
        ctx->backends_free = free_all;
        ctx->backends_enter = enter_all;
    }
    *open = &ctx->backends->open;
    return 0;
}

static mn_backend *find(const mn_vec *open, const char *name, int32_t threads) {
    for (size_t i = 0; i < open->n; i++) {
        mn_backend *b = MN_AT(*open, mn_backend *, i);
        if (b->threads == threads && strcmp(b->name, name) == 0) return b;
    }
    return NULL;
}

/* Load the table and start the backend; what is made is b's, also on errors. */
static int start(mn_backend *b, const char *name) {
    modnas_ctx *ctx = b->ctx;
    b->name = mn_strdup(ctx, name);
    if (!b->name) return MODNAS_ENOMEM;
    if (strcmp(name, "ref") == 0)
        b->vt = mn_ref_vt;
    else
        MN_TRY(mn_plugin_load(ctx, name, &b->host, &b->vt, &b->plugin));
    b->version = mn_strdup(ctx, b->vt.version ? b->vt.version : "");
    if (!b->version) return MODNAS_ENOMEM;
    const int can_fall_back = b->plugin && !(b->vt.flags & MODNAS_BACKEND_DEVICE_MEMORY);
    if (can_fall_back) MN_TRY(mn_backend_open(ctx, "ref", b->threads, &b->ref));
    const modnas_backend_opts opts = {.size = sizeof opts, .threads = b->threads};
    MN_TRY(b->vt.open(&b->host, &opts, &b->state));
    b->is_open = 1;
    return 0;
}

static int open_new(modnas_ctx *ctx, mn_vec *open, const char *name, int32_t threads, mn_backend **out) {
    mn_backend *b = mn_alloc(ctx, 1, sizeof *b);
    if (!b) return MODNAS_ENOMEM;
    b->ctx = ctx;
    b->refs = 1;
    b->threads = threads;
    b->pid = getpid();
    b->host = (modnas_host){.size = sizeof b->host,
                            .abi = MODNAS_PLUGIN_ABI,
                            .host = ctx,
                            .alloc = host_alloc,
                            .alloc_zeroed = host_alloc_zeroed,
                            .free = host_free,
                            .fail = host_fail,
                            .log = host_log};
    int rc = start(b, name);
    if (!rc) rc = mn_backend_enter(b);
    if (!rc && !mn_vec_push(ctx, open, &b, 1)) rc = MODNAS_ENOMEM;
    if (rc) {
        destroy(b);
        return rc;
    }
    *out = b;
    return 0;
}

static int fail_forked(const mn_backend *b) {
    return mn_fail(b->ctx, MODNAS_EFORK, "backend %s was opened by process %ld, this is process %ld", b->name,
                   (long)b->pid, (long)getpid());
}

static int open_named(modnas_ctx *ctx, const char *name, int32_t threads, mn_backend **out) {
    mn_vec *open;
    MN_TRY(list_of(ctx, &open));
    mn_backend *b = find(open, name, threads);
    if (b) {
        MN_TRY(mn_backend_enter(b));
        b->refs++;
    } else {
        MN_TRY(open_new(ctx, open, name, threads, &b));
    }
    *out = b;
    return 0;
}

/* Open, but leave the context's error text alone: what is wrong goes to `why`. */
static int try_open(modnas_ctx *ctx, const char *name, int32_t threads, mn_backend **out, char why[sizeof ctx->err]) {
    char before[sizeof ctx->err];
    memcpy(before, ctx->err, sizeof before);
    const int rc = open_named(ctx, name, threads, out);
    memcpy(why, ctx->err, sizeof before);
    memcpy(ctx->err, before, sizeof before);
    return rc;
}

static int open_auto(modnas_ctx *ctx, int32_t threads, mn_backend **out) {
    char why[sizeof ctx->err];
    const int rc = try_open(ctx, "dnnl", threads, out, why);
    if (!rc) return 0;
    if (rc != MODNAS_ENOBACKEND && rc != MODNAS_EABI) return mn_fail(ctx, rc, "%s", why);
    mn_log(ctx, MODNAS_LOG_WARN, "the slow backend ref is used: %s", why);
    return open_named(ctx, "ref", threads, out);
}

int mn_backend_open(modnas_ctx *ctx, const char *name, int32_t threads, mn_backend **out) {
    if (!threads) threads = ctx->opts.threads;
    if (threads < 1 || threads > 256)
        return mn_fail(ctx, MODNAS_EINVAL, "backend %s: threads is %d, the range is 1..256", name, (int)threads);
    return strcmp(name, "auto") == 0 ? open_auto(ctx, threads, out) : open_named(ctx, name, threads, out);
}

void mn_backend_close(mn_backend *b) {
    if (b && --b->refs == 0) remove_open(b);
}

int mn_backend_visit(modnas_ctx *ctx, mn_backend_visit_fn fn, void *ud) {
    static const char *const names[] = {"ref", "dnnl", "cudnn"};
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        mn_backend *b = NULL;
        char why[sizeof ctx->err];
        const int missing = try_open(ctx, names[i], ctx->opts.threads, &b, why);
        const int rc = fn(names[i], missing ? NULL : b->version, missing ? why : NULL, ud);
        mn_backend_close(b);
        if (rc) return rc;
    }
    return 0;
}

/* ---- questions ---- */

modnas_ctx *mn_backend_ctx(const mn_backend *b) {
    return b->ctx;
}
const char *mn_backend_name(const mn_backend *b) {
    return b->name;
}
const char *mn_backend_version(const mn_backend *b) {
    return b->version;
}
int32_t mn_backend_threads(const mn_backend *b) {
    return b->threads;
}
int64_t mn_backend_n_plans(const mn_backend *b) {
    return (int64_t)b->plans.n;
}
int64_t mn_backend_n_objects(const mn_backend *b) {
    return b->vt.n_objects ? b->vt.n_objects(b->state) : 0;
}

int mn_backend_enter(mn_backend *b) {
    if (b->pid != getpid()) return fail_forked(b);
    if (b->vt.in_parallel && b->vt.in_parallel(b->state))
        return mn_fail(b->ctx, MODNAS_EPARALLEL, "backend %s: called from inside a parallel region", b->name);
    return 0;
}

void mn_backend_begin(mn_backend *b) {
    if (b->vt.begin) b->vt.begin(b->state);
}

/* ---- memory ---- */

/* Device memory is cleared by uploading zeros, a piece at a time. */
static int clear(mn_backend *b, char *mem, size_t bytes) {
    static const char zeros[4096] = {0};
    if (b->vt.flags & MODNAS_BACKEND_ZEROED_MEMORY) return 0;
    if (!(b->vt.flags & MODNAS_BACKEND_DEVICE_MEMORY)) {
        memset(mem, 0, bytes);
        return 0;
    }
    for (size_t i = 0; i < bytes; i += sizeof zeros) {
        const size_t n = bytes - i < sizeof zeros ? bytes - i : sizeof zeros;
        MN_TRY(b->vt.upload(b->state, mem + i, zeros, n));
    }
    return 0;
}

int mn_backend_alloc(mn_backend *b, size_t bytes, void **mem) {
    void *fresh = NULL;
    MN_TRY(b->vt.alloc(b->state, bytes, &fresh));
    const int rc = clear(b, fresh, bytes);
    if (rc) {
        b->vt.free(b->state, fresh);
        return rc;
    }
    *mem = fresh;
    return 0;
}

void mn_backend_free(mn_backend *b, void *mem) {
    if (mem) b->vt.free(b->state, mem);
}

int mn_backend_upload(mn_backend *b, void *dst, const void *src, size_t bytes) {
    return b->vt.upload(b->state, dst, src, bytes);
}

int mn_backend_download(mn_backend *b, void *dst, const void *src, size_t bytes) {
    return b->vt.download(b->state, dst, src, bytes);
}

/* ---- plans ---- */

int mn_backend_supports(mn_backend *b, const modnas_kernel *k) {
    const mn_plan *known = mn_plan_cache_get(&b->plans, k);
    return known ? !known->fallback : b->vt.supports(b->state, k);
}

int32_t mn_backend_want_layout(mn_backend *b, const modnas_kernel *k, int32_t role) {
    return b->vt.want_layout(b->state, k, role);
}

size_t mn_backend_layout_bytes(mn_backend *b, const modnas_tdesc *t, int32_t groups) {
    return b->vt.layout_bytes(b->state, t, groups);
}

static int is_plain(const modnas_kernel *k) {
    return !k->src.layout && !k->weights.layout && !k->dst.layout;
}

/* The backend that will run k: b, its fallback, or none (NULL). */
static mn_backend *runner(mn_backend *b, const modnas_kernel *k) {
    if (b->vt.supports(b->state, k)) return b;
    return b->ref && is_plain(k) && b->ref->vt.supports(b->ref->state, k) ? b->ref : NULL;
}

static int fail_unsupported(const mn_backend *b, const modnas_kernel *k) {
    char text[600];
    mn_kernel_text(k, text, sizeof text);
    return mn_fail(b->ctx, MODNAS_EUNSUPPORTED, "backend %s does not run %s%s", b->name, text,
                   !b->ref       ? ""
                   : is_plain(k) ? ", nor does ref"
                                 : "; ref would need plain layouts");
}

int mn_backend_plan(mn_backend *b, const modnas_kernel *k, const mn_plan **out) {
    const mn_plan *known = mn_plan_cache_get(&b->plans, k);
    if (known) {
        *out = known;
        return 0;
    }
    mn_backend *r = runner(b, k);
    if (!r) return fail_unsupported(b, k);
    mn_plan plan = {.vt = &r->vt, .state = r->state, .fallback = r != b};
    MN_TRY(r->vt.plan_new(r->state, k, &plan.plan));
    if (r->vt.plan_scratch) plan.scratch = r->vt.plan_scratch(r->state, plan.plan);
    if (r->vt.plan_workspace) plan.workspace = r->vt.plan_workspace(r->state, plan.plan);
    const int rc = mn_plan_cache_put(b->ctx, &b->plans, k, &plan, out);
    if (rc) r->vt.plan_free(r->state, plan.plan);
    return rc;
}

int mn_plan_run(const mn_plan *p, void *const *args, int32_t n_args, const double *scalars, int32_t n_scalars,
                void *scratch) {
    return p->vt->plan_run(p->state, p->plan, args, n_args, scalars, n_scalars, scratch);
}
