/* Running the program `modnas` (see util_cli.h). Output goes to files, so that no pipe can fill up. */
#include "util_cli.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util_paths.h"

enum { PATH_BYTES = 4096, MAX_WORDS = 64 };

void util_cli_new(util_cli *c) {
    *c = (util_cli){.folder = "/tmp/modnas_cli_XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(c->folder));
}

void util_cli_free(util_cli *c) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s' '%s.out' '%s.err'", c->folder, c->folder, c->folder);
    ck_assert_int_eq(system(command), 0);
    free(c->out);
    free(c->err);
}

static void join(const util_cli *c, const char *name, char path[PATH_BYTES]) {
    snprintf(path, PATH_BYTES, "%s%s%s", c->folder, *name == '.' ? "" : "/", name);
}

void util_cli_write(const util_cli *c, const char *name, const void *data, size_t bytes) {
    char path[PATH_BYTES];
    join(c, name, path);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

void util_cli_text(const util_cli *c, const char *name, const char *text) {
    util_cli_write(c, name, text, strlen(text));
}

char *util_cli_read(const util_cli *c, const char *name) {
    char path[PATH_BYTES];
    struct stat st;
    join(c, name, path);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    ck_assert_int_eq(fstat(fileno(f), &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    ck_assert_uint_eq(fread(text, 1, (size_t)st.st_size, f), (size_t)st.st_size);
    fclose(f);
    return text;
}

int util_cli_exists(const util_cli *c, const char *name) {
    char path[PATH_BYTES];
    join(c, name, path);
    return access(path, F_OK) == 0;
}

/* tests/.. of this very program: build/<variant>/modnas */
static void program_path(char path[PATH_BYTES]) {
    util_path_beside(2, "/modnas", path, PATH_BYTES);
}

static void become(const util_cli *c, const char *words, void (*prepare)(void)) {
    char program[PATH_BYTES], out[PATH_BYTES], err[PATH_BYTES], *argv[MAX_WORDS + 2] = {program};
    char *copy = strdup(words), *rest = copy;
    int n = 1;
    program_path(program);
    join(c, ".out", out);
    join(c, ".err", err);
    for (char *word; n <= MAX_WORDS && (word = strsep(&rest, " "));) argv[n++] = word;
    if (dup2(open("/dev/null", O_RDONLY), 0) < 0 || dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1) < 0)
        _exit(125);
    if (dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2) < 0 || chdir(c->folder) != 0) _exit(125);
    if (prepare) prepare();
    execv(program, argv);
    _exit(126);
}

pid_t util_cli_start(util_cli *c, const char *words, void (*prepare)(void)) {
    const pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) become(c, words, prepare);
    return pid;
}

void util_cli_wait(util_cli *c, pid_t pid) {
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    free(c->out);
    free(c->err);
    c->out = util_cli_read(c, ".out");
    c->err = util_cli_read(c, ".err");
}

int util_cli_run(util_cli *c, const char *words) {
    util_cli_wait(c, util_cli_start(c, words, NULL));
    return c->status;
}
