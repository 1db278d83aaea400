/* What can be judged from the characters of a YAML text alone: its bytes, and block scalars (`|` and `>`).
 *
 * libyaml guesses the indentation of a block scalar in another way than YAML 1.2.2 (8.1.1.1) in a few cases. Those are
 * refused here: a value must never be another than the text says. */
#include <string.h>

#include "config/yaml.h"

typedef struct block {
    const mn_yaml_source *src;
    size_t start, end, body; /* byte offsets: '|' or '>', behind its text as libyaml sees it, its first line */
    long indent;             /* column of the block collection around it, -1: none */
    size_t line;
    int digit, strip; /* of the header: indentation (0: none), '-' */
} block;

/* Line ends of YAML 1.1 that are plain characters in 1.2, and encodings other than UTF-8. */
int mn_yaml_check_bytes(const mn_yaml_source *src) {
    static const struct {
        const char *bytes, *what;
    } bad[] = {
        {"\xc2\x85", "the character U+0085 (next line) has to be written as \"\\N\""},
        {"\xe2\x80\xa8", "the character U+2028 (line separator) has to be written as \"\\L\""},
        {"\xe2\x80\xa9", "the character U+2029 (paragraph separator) has to be written as \"\\P\""},
        {"\xef\xbb\xbf", "a byte order mark inside the text"},
    };
    size_t line = 1;
    for (size_t i = 0; i < src->bytes; i++) {
        line += src->text[i] == '\n';
        if (!src->text[i]) return mn_yaml_fail(src, line, "a zero byte; the text has to be UTF-8");
        if ((unsigned char)src->text[i] < 0xc2) continue;
        for (size_t k = 0; k < MN_COUNT(bad); k++) {
            const size_t n = strlen(bad[k].bytes);
            if (src->bytes - i >= n && memcmp(src->text + i, bad[k].bytes, n) == 0)
                return mn_yaml_fail(src, line, "%s", bad[k].what);
        }
    }
    return 0;
}

/* The character at a byte offset; the end of the text counts as a line end. */
static char at(const block *b, size_t i) {
    return i < b->src->bytes ? b->src->text[i] : '\n';
}

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

static int is_break(char c) {
    return c == '\n' || c == '\r';
}

static size_t skip_break(const block *b, size_t i) {
    return at(b, i) == '\r' && at(b, i + 1) == '\n' ? i + 2 : i + 1;
}

/* '|' or '>', then at most a digit and one of '+' and '-', then blanks and a comment (8.1.1). */
static int read_header(block *b) {
    size_t i = b->start + 1;
    for (int k = 0; k < 2; k++, i++) {
        const char c = at(b, i);
        if (c >= '1' && c <= '9' && !b->digit)
            b->digit = c - '0';
        else if (c == '-' || c == '+')
            b->strip = c == '-';
        else
            break;
    }
    const size_t blanks = i;
    while (is_blank(at(b, i))) i++;
    if (at(b, i) == '#' && i > blanks)
        while (!is_break(at(b, i))) i++;
    if (!is_break(at(b, i))) return mn_yaml_fail(b->src, b->line, "text behind '|' or '>'");
    b->body = skip_break(b, i);
    return 0;
}

static int is_document_marker(const block *b, size_t i) {
    const char c = at(b, i), next = at(b, i + 3);
    return (c == '-' || c == '.') && at(b, i + 1) == c && at(b, i + 2) == c && (is_blank(next) || is_break(next));
}

/* Blank lines in front have no more blanks than the first line of the text, if there is one. */
static int check_first_lines(const block *b) {
    size_t deepest = 0;
    for (size_t i = b->body; i < b->src->bytes; i = skip_break(b, i)) {
        const size_t from = i;
        while (at(b, i) == ' ') i++;
        const size_t n_spaces = i - from;
        if (is_break(at(b, i))) {
            if (n_spaces > deepest) deepest = n_spaces;
            continue;
        }
        if ((long)n_spaces <= b->indent || (n_spaces == 0 && is_document_marker(b, i))) return 0;
        if (n_spaces < deepest)
            return mn_yaml_fail(b->src, b->line, "blank lines deeper than the first line of the text");
        return n_spaces ? 0 : mn_yaml_fail(b->src, b->line, "a text behind '|' or '>' has to be indented");
    }
    return 0;
}

/* At the end of the file a line without a line end is read in different ways, unless '-' drops it anyway. */
static int check_last_line(const block *b) {
    size_t i = b->end;
    while (i < b->src->bytes && is_blank(at(b, i))) i++;
    const char last = at(b, b->src->bytes - 1);
    if (i < b->src->bytes || is_break(last) || (b->strip && !is_blank(last))) return 0;
    return mn_yaml_fail(b->src, b->line, "a text behind '|' or '>' has to end with a line end");
}

int mn_yaml_check_block(const mn_yaml_source *src, size_t start, size_t end, long indent, size_t line) {
    block b = {.src = src, .start = start, .end = end, .indent = indent, .line = line};
    MN_TRY(read_header(&b));
    if (b.digit && indent < 0)
        return mn_yaml_fail(src, line, "an indentation behind '|' or '>' is not supported at the top");
    if (!b.digit) MN_TRY(check_first_lines(&b));
    return check_last_line(&b);
}
