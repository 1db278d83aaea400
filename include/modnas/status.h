/* Status codes: what every fallible function returns, and how to read it. */
#ifndef MODNAS_STATUS_H
#define MODNAS_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MODNAS_API __attribute__((visibility("default")))
#define MODNAS_MUST_USE __attribute__((warn_unused_result))
#else
#define MODNAS_API
#define MODNAS_MUST_USE
#endif

/* One line a code: name, number, text. Numbers are pinned: never renumbered, never reused.
 * 0 is success; positive values are a host callback's own codes, passed through unchanged. */
#define MODNAS_STATUS_MAP(X)                                                                       \
    X(OK, 0, "ok")                                                                                 \
    X(EINVAL, -1, "invalid argument")                                                              \
    X(ENOMEM, -2, "out of memory")                                                                 \
    X(ESHAPE, -3, "shapes do not fit")                                                             \
    X(EUNSUPPORTED, -4, "not supported")                                                           \
    X(ENOTFOUND, -5, "not found")                                                                  \
    X(EEXIST, -6, "exists already")                                                                \
    X(EIO, -7, "input or output error")                                                            \
    X(EFORMAT, -8, "malformed data")                                                               \
    X(ECONFIG, -9, "configuration is wrong")                                                       \
    X(EBUSY, -10, "in use, by another thread or further up")                                       \
    X(ECALLBACK, -11, "a host callback returned a negative code")                                  \
    X(ECANCELED, -12, "canceled")                                                                  \
    X(EDONE, -13, "nothing left to propose")                                                       \
    X(ENOBACKEND, -14, "backend is not available")                                                 \
    X(EPARALLEL, -15, "called from inside a parallel region")                                      \
    X(EFORK, -16, "context was made before fork")                                                  \
    X(ENUMERIC, -17, "a result is not a finite number")                                            \
    X(EABI, -18, "binary interface does not match")

enum modnas_status {
#define MODNAS_STATUS_ENUM(name, number, text) MODNAS_##name = number,
    MODNAS_STATUS_MAP(MODNAS_STATUS_ENUM)
#undef MODNAS_STATUS_ENUM
        MODNAS_STATUS_FORCE_INT = INT32_MAX
};

/** Text of a status code; needs no context.
 *
 * @param status  a code of this library, or a callback's positive one
 * @return a static string, never NULL ("unknown status" for a number nobody pinned, "host callback code" for > 0)
 * Since 0.1. */
MODNAS_API const char *modnas_strerror(int status);

#ifdef __cplusplus
}
#endif
#endif
