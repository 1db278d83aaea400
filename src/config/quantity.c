/* Numbers with units: "60M", "2GiB", "5 ms". K, M and G are powers of 1000, KiB, MiB and GiB of 1024; ms is the unit of
 * times. */
#include <math.h>
#include <string.h>

#include "config/config.h"

int mn_quantity(const char *text, double *out) {
    static const struct {
        const char *unit;
        double factor;
    } units[] = {
        {"", 1},  {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024.0 * 1048576},
        {"ms", 1}};
    char number[64];
    const size_t n = strspn(text, "0123456789.+-eE");
    double x;
    if (n >= sizeof number) return -1;
    memcpy(number, text, n);
    number[n] = 0;
    if (mn_parse_real(number, &x)) return -1;
    text += n + strspn(text + n, " ");
    for (size_t i = 0; i < MN_COUNT(units); i++) {
        if (strcmp(text, units[i].unit) != 0) continue;
        x *= units[i].factor;
        if (!isfinite(x)) return -1;
        *out = x;
        return 0;
    }
    return -1;
}
