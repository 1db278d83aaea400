/* Reader of tables: what a line is, every way to be wrong, long lines, memory. Expectations follow data/table.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/table.h"
#include "util_host.h"

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    ctx = util_ctx_new(&host);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

/* What comes: "1[a|b]2[1|2]". */
typedef struct seen {
    char text[400];
    size_t longest;
} seen;

static int see(size_t line, const char *const *fields, size_t n_fields, void *ud) {
    seen *s = ud;
    char *to = s->text + strlen(s->text), *end = s->text + sizeof s->text;
    to += snprintf(to, (size_t)(end - to), "%zu[", line);
    for (size_t i = 0; i < n_fields; i++) {
        if (strlen(fields[i]) > s->longest) s->longest = strlen(fields[i]);
        to += snprintf(to, (size_t)(end - to), "%s%.20s", i ? "|" : "", fields[i]);
    }
    snprintf(to, (size_t)(end - to), "]");
    return strcmp(fields[0], "stop") == 0 ? 77 : 0;
}

static int walk(const char *text, size_t n, seen *s) {
    mn_source *source;
    *s = (seen){.longest = 0};
    MN_TRY(mn_source_open_mem(ctx, text, n, "t", MN_SOURCE_AUTO, &source));
    const int rc = mn_table_walk(ctx, source, see, s);
    mn_source_close(source);
    return rc;
}

static void expect(const char *text, const char *want) {
    seen s;
    ck_assert_msg(walk(text, strlen(text), &s) == 0, "%s", modnas_errmsg(ctx));
    ck_assert_str_eq(s.text, want);
}

START_TEST(lines) {
    seen s;
    expect("a\tb\n1\t2\n", "1[a|b]2[1|2]");
    expect("a\tb\n1\t2", "1[a|b]2[1|2]");
    expect("a\tb\r\n\t\r\n x \t\"y\"\r\n", "1[a|b]2[|]3[ x |\"y\"]");
    expect("a", "1[a]");
    expect("a\n\nb\n", "1[a]2[]3[b]"); /* of one column an empty line is a row */
    ck_assert_int_eq(walk("a\nstop\nb\tc\n", 11, &s), 77);
    ck_assert_str_eq(s.text, "1[a]2[stop]");
}
END_TEST

START_TEST(wrong_tables) {
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {"", ": 0 bytes; a table has a line of names"},
        {"a\t\tb\n", ":1: column 2 of 3 has no name"},
        {"a\tb\ta\n", ":1: two columns are named 'a'"},
        {"a\tb\n1\n", ":2: 1 field in a table of 2 columns"},
        {"a\n1\n1\t2\n", ":3: 2 fields in a table of 1 column"},
        {"a\tb\n1\t2\n\n1\n1\t2\n1\t2\t3", ":3: 1 field in a table of 2 columns; also lines 4 (1), 6 (3)"},
        {"a\tb\n1\n2\n3\n4\n5\n6\n", ":2: 1 field in a table of 2 columns; also lines 3 (1), 4 (1), 5 (1) and 2 more"},
        {"a\tb\n1\t2\n1\t\x01\n", ":3: byte 3 of the line, 0x01, is no text"},
        {"a\tb\n\xff\t2\n", ":2: byte 1 of the line, 0xff, is no text"},
    };
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        seen s;
        ck_assert_int_eq(walk(wrong[i].text, strlen(wrong[i].text), &s), MODNAS_EFORMAT);
        ck_assert_int_eq(modnas_errmsg(ctx)[0], 't'); /* the name */
        ck_assert_str_eq(modnas_errmsg(ctx) + 1, wrong[i].error);
    }
}
END_TEST

/* A line that crosses the reader's windows, and one that is too long. */
START_TEST(long_lines) {
    enum { N = 5 << 20 };
    seen s;
    char *t = malloc(N);
    memset(t, 'x', N);
    t[0] = 'a';
    t[1] = '\n';
    t[200000] = '\n';
    ck_assert_int_eq(walk(t, 300000, &s), 0);
    ck_assert_uint_eq(s.longest, 200000 - 2);
    ck_assert_str_eq(s.text, "1[a]2[xxxxxxxxxxxxxxxxxxxx]3[xxxxxxxxxxxxxxxxxxxx]");
    ck_assert_int_eq(walk(t, N, &s), MODNAS_EFORMAT);
    ck_assert_str_eq(modnas_errmsg(ctx), "t:3: the line is longer than 4194304 bytes");
    free(t);
}
END_TEST

START_TEST(out_of_memory) {
    const int64_t live = host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        seen s;
        host.left = tries;
        rc = walk("a\tb\tc\n1\t2\t3\n", 12, &s);
        host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        ck_assert_int_eq(host.live, live);
    }
    ck_assert_int_gt(tries, 6);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_table");
    util_add(s, "table", setup, teardown, (const TTest *[]){lines, wrong_tables, long_lines, out_of_memory, NULL});
    return util_run(s);
}
