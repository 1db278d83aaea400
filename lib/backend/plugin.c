/* Plug-ins: find, load and check.
 *
 *   folders of opts.plugin_dir  ->  <folder of libmodnas.so>/modnas-plugins  ->  dlopen  ->  modnas_plugin_entry  ->
 * checks
 *
 * The first file of the right name decides: if it does not load or does not fit, that is the answer, and no other
 * folder is tried, so that a user who put a plug-in there learns what is wrong with it. Everything a plug-in says about
 * itself is checked before any of its functions runs; messages name both sides' numbers. */
#include "backend/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Cut the last component off; "" when none is left. */
static void parent(char *path) {
    char *slash = strrchr(path, '/');
    if (slash) *slash = 0;
}

static int add_folder(modnas_ctx *ctx, mn_vec *folders, const char *path, size_t n, const char *below) {
    mn_str s = {.ctx = ctx};
    mn_str_addn(&s, path, n);
    mn_str_add(&s, below);
    char *folder = mn_str_take(&s);
    if (!folder) return MODNAS_ENOMEM;
    if (mn_vec_push(ctx, folders, &folder, 1)) return 0;
    mn_free(ctx, folder);
    return MODNAS_ENOMEM;
}

/* Where this code was loaded from. Inside a program (a static link) the loader knows only what the program was called
 * by, so its own path is asked for; then the plug-ins may also lie one folder up, as for programs in a folder of their
 * own, or in the `lib` beside its folder, where they are installed. */
static int add_own_folders(modnas_ctx *ctx, mn_vec *folders) {
    char self[PATH_MAX], program[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    Dl_info info;
    int inside = 1;
    if (dladdr((const void *)(uintptr_t)add_own_folders, &info) && info.dli_fname && realpath(info.dli_fname, self))
        inside = strcmp(self, program) == 0;
    char *path = inside ? program : self;
    parent(path);
    MN_TRY(add_folder(ctx, folders, path, strlen(path), "/modnas-plugins"));
    if (!inside) return 0;
    parent(path);
    MN_TRY(add_folder(ctx, folders, path, strlen(path), "/modnas-plugins"));
    return add_folder(ctx, folders, path, strlen(path), "/lib/modnas-plugins");
}

static int list_folders(modnas_ctx *ctx, mn_vec *folders) {
    for (const char *c = ctx->plugin_dir; c && *c;) {
        const size_t n = strcspn(c, ":");
        if (n) MN_TRY(add_folder(ctx, folders, c, n, ""));
        c += n + (c[n] == ':');
    }
    return add_own_folders(ctx, folders);
}

static int fail_missing(modnas_ctx *ctx, const char *name, const mn_vec *folders) {
    mn_str s = {.ctx = ctx};
    for (size_t i = 0; i < folders->n; i++) mn_str_addf(&s, "%s%s", i ? ", " : "", MN_AT(*folders, char *, i));
    char *list = mn_str_take(&s);
    if (!list) return MODNAS_ENOMEM;
    mn_fail(ctx, MODNAS_ENOBACKEND, "backend %s is not here: no modnas-%s.so in %s", name, name, list);
    mn_free(ctx, list);
    return MODNAS_ENOBACKEND;
}

/* Load modnas-<name>.so from the first folder that has it; its path goes to *path. */
static int open_first(modnas_ctx *ctx, const char *name, const mn_vec *folders, char **path, void **handle) {
    for (size_t i = 0; i < folders->n; i++) {
        mn_str s = {.ctx = ctx};
        mn_str_addf(&s, "%s/modnas-%s.so", MN_AT(*folders, char *, i), name);
        mn_free(ctx, *path);
        *path = mn_str_take(&s);
        if (!*path) return MODNAS_ENOMEM;
        if (access(*path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
        errno = 0;
        *handle = dlopen(*path, RTLD_NOW | RTLD_LOCAL);
        if (*handle) return 0;
        const int code = errno == ENOMEM ? MODNAS_ENOMEM : MODNAS_ENOBACKEND;
        const char *text = dlerror();
        return mn_fail(ctx, code, "backend %s does not load: %s", name, text ? text : *path);
    }
    return fail_missing(ctx, name, folders);
}

/* The functions that a backend cannot do without. */
static const struct {
    const char *name;
    size_t offset;
} required[] = {
#define REQUIRED(field)                                                                                                \
    { #field, offsetof(modnas_backend_vt, field) }
    REQUIRED(open),         REQUIRED(close),    REQUIRED(alloc),    REQUIRED(free),
    REQUIRED(upload),       REQUIRED(download), REQUIRED(supports), REQUIRED(want_layout),
    REQUIRED(layout_bytes), REQUIRED(plan_new), REQUIRED(plan_run), REQUIRED(plan_free),
#undef REQUIRED
};

static int check(modnas_ctx *ctx, const char *path, const char *name, const modnas_backend_vt *vt) {
    const uint64_t abi = MODNAS_PLUGIN_ABI;
    if (vt->abi != abi)
        return mn_fail(ctx, MODNAS_EABI, "%s: the plug-in has abi %" PRIu64 ", the library has %" PRIu64, path, vt->abi,
                       abi);
    if (vt->size != sizeof *vt)
        return mn_fail(ctx, MODNAS_EABI, "%s: the plug-in's table has %zu bytes, the library's has %zu", path, vt->size,
                       sizeof *vt);
    if (!vt->name || strcmp(vt->name, name) != 0)
        return mn_fail(ctx, MODNAS_EABI, "%s: the plug-in calls itself '%s', not '%s'", path, vt->name ? vt->name : "",
                       name);
    for (size_t i = 0; i < MN_COUNT(required); i++) {
        void (*fn)(void);
        memcpy(&fn, (const char *)vt + required[i].offset, sizeof fn);
        if (!fn) return mn_fail(ctx, MODNAS_EABI, "%s: the plug-in has no function '%s'", path, required[i].name);
    }
    return 0;
}

/* Ask the entry point. It may be of another version and write a longer table, hence the room behind ours. */
static int ask(modnas_ctx *ctx, const char *path, const char *name, void *handle, const modnas_host *host,
               modnas_backend_vt *vt) {
    modnas_plugin_entry_fn entry;
    void *symbol = dlsym(handle, "modnas_plugin_entry");
    if (!symbol) return mn_fail(ctx, MODNAS_EABI, "%s: no function modnas_plugin_entry in it", path);
    memcpy(&entry, &symbol, sizeof entry);
    union {
        modnas_backend_vt vt;
        char room[4 * sizeof(modnas_backend_vt)];
    } answer;
    memset(&answer, 0, sizeof answer);
    answer.vt.size = sizeof answer.vt;
    mn_fail(ctx, MODNAS_EABI, "%s: the plug-in refuses abi %" PRIu64 " with a table of %zu bytes", path, host->abi,
            answer.vt.size); /* unless it says more */
    const int rc = entry(host, &answer.vt);
    if (rc && (!answer.vt.abi || answer.vt.abi == host->abi)) return rc < 0 ? rc : MODNAS_EABI;
    MN_TRY(check(ctx, path, name, &answer.vt));
    *vt = answer.vt;
    return 0;
}

static int is_plain_name(const char *name) {
    const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return n > 0 && n < 64 && !name[n];
}

int mn_plugin_load(modnas_ctx *ctx, const char *name, const modnas_host *host, modnas_backend_vt *vt, void **handle) {
    if (!is_plain_name(name))
        return mn_fail(ctx, MODNAS_ENOBACKEND, "backend '%s': no such name; there are auto, ref, dnnl, cudnn", name);
    char *path = NULL, before[sizeof ctx->err];
    memcpy(before, ctx->err, sizeof before);
    void *dl = NULL;
    mn_vec folders;
    mn_vec_init(&folders, sizeof(char *));
    int rc = list_folders(ctx, &folders);
    if (!rc) rc = open_first(ctx, name, &folders, &path, &dl);
    if (!rc) rc = ask(ctx, path, name, dl, host, vt);
    if (rc) {
        mn_plugin_unload(dl);
        goto done;
    }
    memcpy(ctx->err, before, sizeof before);
    *handle = dl;
done:
    for (size_t i = 0; i < folders.n; i++) mn_free(ctx, MN_AT(folders, char *, i));
    mn_vec_free(ctx, &folders);
    mn_free(ctx, path);
    return rc;
}

void mn_plugin_unload(void *handle) {
    if (handle) dlclose(handle);
}
