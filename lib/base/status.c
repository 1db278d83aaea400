/* Status codes to text.
 *
 * The list itself lives in modnas/status.h as one X-macro; here it becomes a table. Works without a context, so that a
 * host can print why no context could be made. */
#include "modnas/status.h"

#include <stddef.h>

#include "base/base.h"
#include "modnas/version.h"

static const struct {
    int number;
    const char *text;
} status_table[] = {
#define STATUS_ROW(name, number, text) {number, text},
    MODNAS_STATUS_MAP(STATUS_ROW)
#undef STATUS_ROW
};

const char *modnas_strerror(int status) {
    if (status > 0) return "host callback code";
    for (size_t i = 0; i < MN_COUNT(status_table); i++)
        if (status_table[i].number == status) return status_table[i].text;
    return "unknown status";
}

const char *modnas_version(void) {
    return MODNAS_VERSION_STRING;
}
