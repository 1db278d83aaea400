/* Files beside the program of a test, build/VARIANT/tests/NAME. */
#ifndef UTIL_PATHS_H
#define UTIL_PATHS_H

#include <stddef.h>

/* The path of this program without its last `up` parts, and `rest` behind it; into buf, returns buf. */
const char *util_path_beside(int up, const char *rest, char *buf, size_t bytes);
/* A Python with packages: what the environment's `variable` names, else the one that lies in build/FOLDER. */
const char *util_path_python(const char *variable, const char *folder, char *buf, size_t bytes);

#endif
