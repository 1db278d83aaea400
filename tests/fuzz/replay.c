/* A target without libFuzzer: all files given, folders with all that is in them, then changes of these.
 *
 *   fuzz_x [-m MUTATIONS] [-s SEED] [-l LARGEST] FILE-OR-FOLDER...
 *
 * An input that ends the program, by a signal, is left in a file beside it, fuzz_x.last. The same seed and files give
 * the same inputs. An input that takes a minute of the processor's time counts as one that never ends. Status 0 only if
 * some input was accepted. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "fuzz.h"
#include "mutate.h"

enum { SECONDS_MAX = 60, RESIDENT_MAX_MIB = 1024, PATH_BYTES = 1024 };

typedef struct replay {
    mutate_seed *seeds;
    size_t n, largest; /* longer files are read, but not changed */
    size_t n_files, n_mutations;
    uint64_t series;
} replay;

/* What the handler of signals writes, and where to. */
static mutate_seed current;
static char last_path[PATH_BYTES];

static void fail(const char *what, const char *which) {
    fprintf(stderr, "replay: %s: %s\n", which, what);
    exit(2);
}

static void keep_input(int signal_number) {
    const int fd = open(last_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0 && write(fd, current.bytes, current.n) >= 0) close(fd);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* On a stack of its own, since recursion without end is one of the things that may happen. A sanitizer has handlers
 * that say more; what it reports ends in SIGABRT if it is told so (abort_on_error=1). */
static void catch_signals(void) {
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPROF};
    static char stack[1 << 16];
    const stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    const struct sigaction mine = {.sa_handler = keep_input, .sa_flags = SA_ONSTACK};
    sigaltstack(&s, NULL);
    for (size_t i = 0; i < MN_COUNT(signals); i++) {
        struct sigaction before;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(signals[i], &mine, NULL);
    }
}

/* Of the processor's time: a machine may be busy with something else. */
static void allow_seconds(time_t seconds) {
    const struct itimerval t = {.it_value = {.tv_sec = seconds}};
    if (setitimer(ITIMER_PROF, &t, NULL)) fail("cannot be set", "a timer");
}

static void run_one(const uint8_t *bytes, size_t n) {
    current = (mutate_seed){bytes, n};
    allow_seconds(SECONDS_MAX);
    LLVMFuzzerTestOneInput(bytes, n);
    allow_seconds(0);
}

static uint8_t *read_all(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st)) fail("cannot be read", path);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    *n = bytes ? fread(bytes, 1, (size_t)st.st_size, f) : 0;
    if (*n != (size_t)st.st_size) fail("cannot be read", path);
    fclose(f);
    return bytes;
}

static void add_file(replay *r, const char *path) {
    size_t n;
    uint8_t *bytes = read_all(path, &n);
    r->n_files++;
    run_one(bytes, n);
    if (n > r->largest) {
        free(bytes);
        return;
    }
    r->seeds = realloc(r->seeds, (r->n + 1) * sizeof *r->seeds);
    if (!r->seeds) fail("no memory", path);
    r->seeds[r->n++] = (mutate_seed){bytes, n};
}

static int not_hidden(const struct dirent *e) {
    return e->d_name[0] != '.';
}

/* In the order of names, so that a file's number does not hang on the file system. */
static void add_path(replay *r, const char *path) {
    struct stat st;
    struct dirent **names;
    if (stat(path, &st)) fail("is not there", path);
    if (!S_ISDIR(st.st_mode)) {
        add_file(r, path);
        return;
    }
    const int n = scandir(path, &names, not_hidden, alphasort);
    if (n < 0) fail("cannot be listed", path);
    for (int i = 0; i < n; i++) {
        char inner[PATH_BYTES];
        if (snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name) < (int)sizeof inner) add_path(r, inner);
        free(names[i]);
    }
    free(names);
}

/* One in so many may become much longer than the others: time that grows faster than the input shows there. */
static void run_mutations(const replay *r) {
    enum { LONG_EACH = 64 };
    const size_t cap = 4 * r->largest, long_cap = 64 * r->largest;
    uint8_t *bytes = malloc(long_cap);
    if (!bytes) fail("no memory", "mutations");
    for (size_t i = 0; r->n && i < r->n_mutations; i++)
        run_one(bytes, mutate(r->series, i, r->seeds, r->n, bytes, i % LONG_EACH ? cap : long_cap));
    free(bytes);
}

static int report(const replay *r, const char *name) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    const long mib = use.ru_maxrss / 1024;
    printf("%s: %zu files, %zu changes of them, %zu accepted, %ld MiB at most\n", name, r->n_files,
           r->n ? r->n_mutations : 0, fuzz_n_accepted, mib);
    if (!fuzz_n_accepted) fail("nothing was accepted: the files are not for this target", name);
    if (mib > RESIDENT_MAX_MIB) fail("too much memory for inputs of this size", name);
    return 0;
}

int main(int argc, char **argv) {
    replay r = {.series = 1, .largest = 1 << 14};
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    for (int c; (c = getopt(argc, argv, "m:s:l:")) != -1;) {
        if (c == '?') return 2;
        *(c == 'm' ? &r.n_mutations : c == 'l' ? &r.largest : &r.series) = strtoull(optarg, NULL, 10);
    }
    snprintf(last_path, sizeof last_path, "%s.last", argv[0]);
    catch_signals();
    for (int i = optind; i < argc; i++) add_path(&r, argv[i]);
    run_mutations(&r);
    const int status = report(&r, name);
    for (size_t i = 0; i < r.n; i++) free((void *)(uintptr_t)r.seeds[i].bytes);
    free(r.seeds);
    return status;
}
