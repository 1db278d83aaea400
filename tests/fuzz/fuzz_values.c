/* Values as they are typed: of -o and of flags, args from hosts, numbers, quantities with a unit.
 *
 * What was accepted and is written comes back the same; numbers are finite. */
#include <math.h>

#include "config/config.h"
#include "fuzz.h"
#include "host/host.h"

static void check_value(modnas_ctx *ctx, const char *text) {
    mn_node *value, *again;
    mn_str s = {.ctx = ctx};
    fuzz_fill(&value, sizeof value);
    const int rc = mn_yaml_value(ctx, text, "-o a=b", &value);
    fuzz_check_text(ctx, rc);
    if (rc) {
        fuzz_check_untouched(&value, sizeof value);
        return;
    }
    fuzz_accept();
    mn_node_yaml(&s, value);
    FUZZ_CHECK(mn_yaml_value(ctx, s.text, "again", &again) == 0, "%s\n%s", modnas_errmsg(ctx), s.text);
    FUZZ_CHECK(mn_node_equal(value, again), "another value:\n%s", s.text);
    mn_node_free(ctx, again);
    mn_node_free(ctx, value);
    mn_str_free(&s);
}

/* Args as hosts write them: a map, whose braces may be left out. */
static void check_map(modnas_ctx *ctx, const char *text) {
    mn_node *map;
    fuzz_fill(&map, sizeof map);
    const int rc = mn_host_map(ctx, text, "args", &map);
    fuzz_check_text(ctx, rc);
    if (rc) {
        fuzz_check_untouched(&map, sizeof map);
        return;
    }
    FUZZ_CHECK(map->kind == MN_MAP, "%s", mn_node_kind_name(map->kind));
    mn_node_free(ctx, map);
}

static void check_real(modnas_ctx *ctx, const char *text) {
    double x, y;
    mn_str s = {.ctx = ctx};
    fuzz_fill(&x, sizeof x);
    if (mn_parse_real(text, &x)) {
        fuzz_check_untouched(&x, sizeof x);
        return;
    }
    mn_str_real(&s, x);
    FUZZ_CHECK(isfinite(x) && mn_parse_real(s.text, &y) == 0 && x == y, "'%s' is %a, '%s'", text, x, s.text);
    FUZZ_CHECK(mn_quantity(text, &y) || x == y, "as a quantity '%s' is %a", text, y);
    mn_str_free(&s);
}

static void check_quantity(const char *text) {
    double x;
    fuzz_fill(&x, sizeof x);
    if (mn_quantity(text, &x))
        fuzz_check_untouched(&x, sizeof x);
    else
        FUZZ_CHECK(isfinite(x), "'%s' is %a", text, x);
}

static void run(modnas_ctx *ctx, const char *text, size_t n) {
    (void)n; /* words of a command line end at a zero byte */
    check_value(ctx, text);
    check_map(ctx, text);
    check_real(ctx, text);
    check_quantity(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 128 << 20, 2048);
}
