/* A disk that fails at every step of one checkpoint, in every way: what is there afterwards is the old file or the new
 * one, whole; the message says what went wrong; nothing is left behind or leaked. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sections.h"
#include "util_resume.h"
#include "util_search.h"

/* ---- the disk ------------------------------------------------------------------------------------------ */

enum call { OPEN, WRITE, FSYNC, CLOSE, RENAME, UNLINK, N_CALLS };

/* What happens to call number `at` of a kind or of all kinds (ANY); to later ones, too, if it lasts. */
typedef struct fault {
    const char *name;
    int call, error, lasts; /* error 0: it says that all is well */
} fault;
enum { ANY = -1 };

static const fault faults[] = {
    {"open fails", OPEN, EACCES, 0},      {"no space is left", WRITE, ENOSPC, 1},
    {"write fails", WRITE, EIO, 0},       {"half is written, then no more", WRITE, EDQUOT, 1},
    {"write takes nothing", WRITE, 0, 1}, {"one flush fails", FSYNC, EIO, 0},
    {"every flush fails", FSYNC, EIO, 1}, {"close fails", CLOSE, EIO, 0},
    {"rename fails", RENAME, EIO, 0},     {"rename is lost", RENAME, 0, 0},
    {"the process is gone", ANY, EIO, 1},
};

static struct {
    const fault *fault; /* NULL: a good disk */
    int at, n[N_CALLS], n_all, n_hit;
} disk;

static int is_hit(int call) {
    const int nth = disk.n[call]++, all = disk.n_all++;
    const fault *f = disk.fault;
    if (!f || (f->call != ANY && f->call != call)) return 0;
    const int i = f->call == ANY ? all : nth;
    if (f->lasts ? i < disk.at : i != disk.at) return 0;
    disk.n_hit++;
    errno = f->error;
    return 1;
}

static int answer(void) {
    return disk.fault->error ? -1 : 0;
}

static int disk_open(const char *path, int flags, int mode, void *ud) {
    (void)ud;
    return is_hit(OPEN) ? answer() : open(path, flags, mode);
}
static ptrdiff_t disk_write(int fd, const void *data, size_t bytes, void *ud) {
    (void)ud;
    if (!is_hit(WRITE)) return write(fd, data, bytes);
    if (disk.fault->error == EDQUOT && bytes > 1 && disk.n_hit == 1) return write(fd, data, bytes / 2);
    errno = disk.fault->error;
    return answer();
}
static int disk_fsync(int fd, void *ud) {
    (void)ud;
    return is_hit(FSYNC) ? answer() : fsync(fd);
}
static int disk_close(int fd, void *ud) {
    (void)ud;
    const int hit = is_hit(CLOSE), error = errno;
    const int rc = close(fd);
    errno = error;
    return hit ? answer() : rc;
}
static int disk_rename(const char *from, const char *to, void *ud) {
    (void)ud;
    return is_hit(RENAME) ? answer() : rename(from, to);
}
static int disk_unlink(const char *path, void *ud) {
    (void)ud;
    return is_hit(UNLINK) ? answer() : unlink(path);
}

static const mn_file_ops disk_ops = {disk_open, disk_write, disk_fsync, disk_close, disk_rename, disk_unlink};

static void new_disk(const fault *f, int at) {
    memset(&disk, 0, sizeof disk);
    disk.fault = f;
    disk.at = at;
    rig.ctx->files = &disk_ops;
}

/* The library's readdir in this program: once `n_names` were given no folder can be read. */
static int n_names = -1; /* negative: all can */

struct dirent *readdir(DIR *folder) {
    struct dirent *(*next)(DIR *);
    void *symbol = dlsym(RTLD_NEXT, "readdir");
    memcpy(&next, &symbol, sizeof next);
    if (n_names) {
        n_names -= n_names > 0;
        return next(folder);
    }
    errno = EIO;
    return NULL;
}

/* ---- one checkpoint ------------------------------------------------------------------------------------ */

static char yaml[4096];

static modnas_search *new_search(void) {
    snprintf(yaml, sizeof yaml, "backend: ref\n%s", util_resumes[0].yaml);
    return util_search(yaml, NULL);
}

/* The weights in a checkpoint, which must be whole. */
static void weights_in(const char *path, char text[65]) {
    mn_sections f;
    mn_sha256 sha;
    ck_assert_msg(mn_sections_read(rig.ctx, path, &f) == 0, "%s", modnas_errmsg(rig.ctx));
    const mn_section *s = mn_sections_find(&f, "model");
    ck_assert_ptr_nonnull(s);
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, s->data, s->n);
    mn_sha256_hex(&sha, text);
    mn_sections_free(&f);
}

static size_t n_temporaries(const char *pattern) {
    glob_t found;
    const int rc = glob(pattern, 0, NULL, &found);
    const size_t n = rc ? 0 : found.gl_pathc;
    if (!rc) globfree(&found);
    return n;
}

/* Save over an old one with the fault; 0 once there is no such call any more. */
static int save_once(modnas_search *s, const fault *f, int at, const char old[65], const char new[65]) {
    char got[65];
    rig.ctx->files = NULL;
    ck_assert_int_eq(system("rm -f c.chkpt* && cp old.chkpt c.chkpt"), 0);
    const int64_t live = rig.host.live;
    new_disk(f, at);
    const int rc = modnas_search_save(s, "c.chkpt"), n_hit = disk.n_hit;
    rig.ctx->files = NULL;
    ck_assert_int_eq(rig.host.live, live);
    weights_in("c.chkpt", got);
    const int is_new = strcmp(got, new) == 0;
    ck_assert_msg(is_new || strcmp(got, old) == 0, "%s at %d: neither the old file nor the new one", f->name, at);
    ck_assert_msg(rc == 0 || rc == MODNAS_EIO, "%s at %d: %d", f->name, at, rc);
    if (rc) ck_assert_msg(strstr(modnas_errmsg(rig.ctx), "c.chkpt: "), "%s: %s", f->name, modnas_errmsg(rig.ctx));
    const int is_lost = f->call == RENAME && !f->error;
    if (!rc && !is_lost) ck_assert_msg(is_new, "%s at %d: all is well, and it is the old file", f->name, at);
    if (f->call != ANY && !is_lost) ck_assert_uint_eq(n_temporaries("c.chkpt.tmp-*"), 0);
    return n_hit;
}

START_TEST(each_step) {
    const fault *f = &faults[_i];
    char old[65], new[65];
    int n = 0;
    modnas_search *s = new_search();
    SEARCH_OK(modnas_search_train(s, NULL, 2, NULL));
    SEARCH_OK(modnas_search_save(s, "old.chkpt"));
    SEARCH_OK(modnas_search_train(s, NULL, 2, NULL));
    SEARCH_OK(modnas_search_save(s, "new.chkpt"));
    weights_in("old.chkpt", old);
    weights_in("new.chkpt", new);
    ck_assert_str_ne(old, new);
    while (save_once(s, f, n, old, new)) n++;
    ck_assert_msg(n > 0, "%s: never", f->name);
    printf("faults: %s: at %d calls\n", f->name, n);
    modnas_search_free(s);
}
END_TEST

/* After a flush that failed the bytes are written once more, into a new file. */
START_TEST(flush_fails) {
    char want[65], got[65];
    modnas_search *s = new_search();
    SEARCH_OK(modnas_search_save(s, "a.chkpt"));
    new_disk(&faults[5], 0);
    SEARCH_OK(modnas_search_save(s, "b.chkpt"));
    ck_assert_int_eq(disk.n[OPEN], 3); /* two files and the folder */
    ck_assert_int_eq(disk.n[FSYNC], 3);
    rig.ctx->files = NULL;
    weights_in("a.chkpt", want);
    weights_in("b.chkpt", got);
    ck_assert_str_eq(got, want);
    modnas_search_free(s);
}
END_TEST

/* ---- a run --------------------------------------------------------------------------------------------- */

/* Only the files of checkpoints are refused. */
static int open_no_chkpt(const char *path, int flags, int mode, void *ud) {
    (void)ud;
    if (strstr(path, "state_") && disk.n[OPEN]++ >= disk.at) {
        errno = ENOSPC;
        return -1;
    }
    return open(path, flags, mode);
}

/* A disk that takes no more checkpoints is a warning: the run ends as ever, and the last good ones are still there. */
START_TEST(run_without_checkpoints) {
    mn_file_ops ops = disk_ops;
    const char *const whole[] = {"backend=ref", "name=whole", NULL};
    const char *const over[] = {"backend=ref", "expman.chkpt_intv_steps=1", NULL};
    ops.open = open_no_chkpt;
    RIG_RUNS(util_resumes[0].yaml, whole);
    for (int at = 0; at < 6; at++) {
        new_disk(NULL, at);
        rig.ctx->files = &ops;
        rig.host.log[0] = 0;
        RIG_RUNS(util_resumes[0].yaml, over);
        rig.ctx->files = NULL;
        ck_assert(rig_same_run("whole", "t"));
        ck_assert_ptr_nonnull(strstr(rig.host.log, "no checkpoint: exp/t/chkpt/state_"));
        ck_assert_uint_eq(n_temporaries("exp/t/chkpt/state_*"), at < 2 ? (size_t)at : 2);
    }
    rig.opts.resume = 1;
    RIG_RUNS(util_resumes[0].yaml, over);
    ck_assert(rig_same_run("whole", "t"));
}
END_TEST

/* A folder that cannot be read, or not to its end, is no empty one: the run does not begin anew. */
START_TEST(unreadable_folder) {
    const char *const over[] = {"backend=ref", "expman.chkpt_intv_steps=1", NULL};
    const char *const whole[] = {"backend=ref", "name=whole", NULL};
    RIG_RUNS(util_resumes[0].yaml, whole);
    RIG_RUNS(util_resumes[0].yaml, over);
    rig.opts.resume = 1;
    int at = 0;
    for (;; at++) {
        n_names = at;
        const int rc = util_rig_yaml(&rig, util_resumes[0].yaml, over);
        n_names = -1;
        if (!rc) break; /* the list was read before */
        ck_assert_msg(rc == MODNAS_EIO && strstr(rig.error, "exp/t/chkpt: Input/output error"), "after %d names: %d: %s",
                      at, rc, rig.error);
        ck_assert_uint_eq(n_temporaries("exp/t/chkpt/state_*"), 2);
    }
    ck_assert_int_ge(at, 4); /* both files, "." and ".." */
    RIG_RUNS(util_resumes[0].yaml, over);
    ck_assert(rig_same_run("whole", "t"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("chkpt_faults");
    util_add_loop(s, "each step", rig_setup, rig_teardown, each_step, MN_COUNT(faults));
    util_add(s, "runs", rig_setup, rig_teardown, (const TTest *[]){flush_fails, run_without_checkpoints, unreadable_folder, NULL});
    return util_run(s);
}
