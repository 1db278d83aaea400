#include "util_paths.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *util_path_beside(int up, const char *rest, char *buf, size_t bytes) {
    const ssize_t n = readlink("/proc/self/exe", buf, bytes - 1);
    ck_assert_int_gt(n, 0);
    buf[n] = 0;
    for (int i = 0; i < up; i++) *strrchr(buf, '/') = 0;
    ck_assert_uint_lt(strlen(buf) + strlen(rest), bytes);
    return strcat(buf, rest);
}

const char *util_path_python(const char *variable, const char *folder, char *buf, size_t bytes) {
    const char *named = getenv(variable);
    char rest[256];
    snprintf(rest, sizeof rest, "/%s/bin/python3", folder);
    if (!named) return util_path_beside(3, rest, buf, bytes);
    snprintf(buf, bytes, "%s", named);
    return buf;
}
