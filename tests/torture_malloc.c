/* malloc and its kind, interposed: see torture_malloc.h.
 *
 * A program's own malloc comes before the C library's for everything that is loaded. The C library's stays reachable
 * under another name, and so does a sanitizer's; these are null where there is no sanitizer.
 *
 * Let through is what no program survives:
 *   libgomp       ends the process with a message
 *   libdnnl       where it calls malloc itself, not through operator new, it uses the result unseen (3.2: the copy of a
 *                 description in every primitive descriptor); likewise its aligned blocks, hence memalign never fails;
 *                 and inside a parallel region, out of which no exception comes
 *   a sanitizer   asks the C library where a new thread's stack is, and ends the process without an answer */
#include "torture_malloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t bytes), *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *ptr, size_t bytes), *__libc_memalign(size_t align, size_t bytes);
extern void __libc_free(void *ptr);
#pragma weak __interceptor_malloc
#pragma weak __interceptor_calloc
#pragma weak __interceptor_realloc
#pragma weak __interceptor_memalign
#pragma weak __interceptor_free
extern void *__interceptor_malloc(size_t bytes), *__interceptor_calloc(size_t n, size_t size);
extern void *__interceptor_realloc(void *ptr, size_t bytes), *__interceptor_memalign(size_t align, size_t bytes);
extern void __interceptor_free(void *ptr);

static _Atomic int64_t left, n_calls, live;
static _Atomic int armed, outcome;
static int (*in_parallel)(void);

/* The file name of what holds an address. */
static const char *object_of(const void *address) {
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) return "";
    const char *slash = strrchr(info.dli_fname, '/');
    return slash ? slash + 1 : info.dli_fname;
}

static int is_one_of(const char *object, const char *const *names) {
    while (*names && strncmp(object, *names, strlen(*names)) != 0) names++;
    return *names != NULL;
}

/* Is the call of one that is let through? Directly, or by way of the C library (pthread_create) or operator new. */
static int is_excused(void) {
    static const char *const direct[] = {"libdnnl", NULL}, *const any[] = {"libgomp", NULL},
                             *const between[] = {"libc.", "ld-linux", "libstdc++", "libasan", "libtsan", NULL};
    if (in_parallel && in_parallel()) return 1;
    void *frame[24];
    const int n = backtrace(frame, 24);
    const char *self = object_of((const void *)(uintptr_t)is_excused);
    int i = 0;
    while (i < n && strcmp(object_of(frame[i]), self) != 0) i++; /* a sanitizer's own */
    while (i < n && strcmp(object_of(frame[i]), self) == 0) i++;
    if (i < n && is_one_of(object_of(frame[i]), direct)) return 1;
    const int first = i;
    while (i < n && is_one_of(object_of(frame[i]), between)) i++;
    /* nothing else down to the thread's beginning, and the C library was asked: a sanitizer that makes a thread its own
     */
    if (i == n && first < n && is_one_of(object_of(frame[first]), (const char *const[]){"libc.", NULL}))
        return __interceptor_malloc != NULL;
    return i < n && is_one_of(object_of(frame[i]), any);
}

/* Count a call; 1 if it fails. */
static int fails(void) {
    if (!atomic_load(&armed)) return 0;
    atomic_fetch_add(&n_calls, 1);
    if (atomic_fetch_sub(&left, 1) != 0) return 0;
    atomic_store(&armed, 0); /* what the look at the stack asks for does not count */
    outcome = is_excused() ? TORTURE_EXCUSED : TORTURE_FAILED;
    atomic_store(&armed, 1);
    if (outcome == TORTURE_EXCUSED) return 0;
    errno = ENOMEM;
    return 1;
}

static void *counted(void *mem) {
    if (mem) atomic_fetch_add(&live, 1);
    return mem;
}

void *torture_realloc(void *ptr, size_t bytes) {
    return __interceptor_realloc ? __interceptor_realloc(ptr, bytes) : __libc_realloc(ptr, bytes);
}

/* Seen by everything that is loaded, though the rest of the program is hidden. */
#pragma GCC visibility push(default)

void *malloc(size_t bytes) {
    if (fails()) return NULL;
    return counted(__interceptor_malloc ? __interceptor_malloc(bytes) : __libc_malloc(bytes));
}

void *calloc(size_t n, size_t size) {
    if (fails()) return NULL;
    return counted(__interceptor_calloc ? __interceptor_calloc(n, size) : __libc_calloc(n, size));
}

void *realloc(void *ptr, size_t bytes) {
    if (fails()) return NULL;
    void *mem = torture_realloc(ptr, bytes);
    if (!ptr) return counted(mem);
    if (!bytes) atomic_fetch_sub(&live, 1);
    return mem;
}

void *memalign(size_t align, size_t bytes) {
    return counted(__interceptor_memalign ? __interceptor_memalign(align, bytes) : __libc_memalign(align, bytes));
}

void *aligned_alloc(size_t align, size_t bytes) {
    return memalign(align, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes) {
    void *mem = memalign(align, bytes);
    if (mem) *out = mem;
    return mem ? 0 : ENOMEM;
}

void free(void *ptr) {
    if (!ptr) return;
    atomic_fetch_sub(&live, 1);
    if (__interceptor_free)
        __interceptor_free(ptr);
    else
        __libc_free(ptr);
}

#pragma GCC visibility pop

/* The path of what is loaded under a name that begins like `wanted`: versions differ (libdnnl.so.3, libdnnl.so.3.6). */
typedef struct loaded {
    const char *wanted;
    char path[4096];
} loaded;

static int is_wanted(struct dl_phdr_info *object, size_t bytes, void *ud) {
    loaded *l = ud;
    (void)bytes;
    const char *slash = strrchr(object->dlpi_name, '/'), *name = slash ? slash + 1 : object->dlpi_name;
    if (strncmp(name, l->wanted, strlen(l->wanted)) != 0 || strlen(object->dlpi_name) >= sizeof l->path) return 0;
    strcpy(l->path, object->dlpi_name);
    return 1;
}

void *torture_symbol(const char *library, const char *name) {
    loaded l = {.wanted = library};
    if (!dl_iterate_phdr(is_wanted, &l)) return NULL;
    void *handle = dlopen(l.path, RTLD_NOW | RTLD_NOLOAD);
    void *symbol = handle ? dlsym(handle, name) : NULL;
    if (handle) dlclose(handle);
    while (dlerror()) { /* the second call drops the text */
    }
    return symbol;
}

void torture_arm(int64_t n) {
    void *frame[1];
    backtrace(frame, 1); /* loads what it needs */
    void *symbol = torture_symbol("libgomp.so.", "omp_in_parallel");
    memcpy(&in_parallel, &symbol, sizeof symbol);
    outcome = TORTURE_NOT_REACHED;
    n_calls = 0;
    left = n;
    atomic_store(&armed, 1);
}

int torture_disarm(int64_t *n) {
    atomic_store(&armed, 0);
    if (n) *n = n_calls;
    return outcome;
}

int64_t torture_live(void) {
    return live;
}

int torture_is_instrumented(void) {
    return __interceptor_malloc != NULL;
}
