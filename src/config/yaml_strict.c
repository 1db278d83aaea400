/* What YAML 1.2 forbids although libyaml lets it through, and what libyaml (a 1.1 scanner) reads in another way:
 * refused.
 *
 * libyaml's scanner runs over the text once more, and each token is looked at together with the text between it and the
 * one before (the gap). Three things are known at each token: the column of the innermost block collection (`indent`,
 * -1 at the top), whether it is in a flow collection, and whether it is the first on its line. From these follow the
 * rules below, each with its place in YAML 1.2.2. Doubtful but valid forms may be refused here; wrong ones must not
 * pass.
 *
 * The other way round, tabs that 1.2 takes for blanks and libyaml for indentation become blanks in src->scan, which is
 * what both of libyaml's readers get. */
#include <string.h>

#include "config/yaml.h"

enum { SCANNED_MAX = 16 << 20 }; /* bytes in all, where tabs make it begin anew */

typedef struct open_collection {
    int flow;    /* 0 block, '[' or '{' */
    long indent; /* of a block collection; a flow one keeps that of its surroundings */
} open_collection;

typedef struct strict {
    const mn_yaml_source *src;
    yaml_parser_t parser;
    mn_vec open;            /* open_collection; the first is the document */
    size_t chars, at;       /* a character index of the text and its byte offset */
    size_t gap, start, end; /* the token's bytes are start..end, the gap's gap..start */
    size_t prev_end;        /* of `prev` */
    size_t line, first;     /* the token's line: its start, its first byte that is no blank */
    size_t n_spaces;        /* of that line, before the first tab or anything else */
    size_t line_for;        /* the byte whose line that is; SIZE_MAX: none yet */
    yaml_token_type_t prev; /* the last token that has text of its own */
    int adjacent;           /* the token touches that one */
    int json_key;           /* that one may be the end of a key that needs no blank behind its ':' */
} strict;

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

static int is_break(char c) {
    return c == '\n' || c == '\r';
}

/* The character at a byte offset, as libyaml sees it; the end of the text counts as a line end. */
static char at(const strict *s, size_t i) {
    return i < s->src->bytes ? s->src->scan[i] : '\n';
}

/* Whether there is a tab that libyaml sees as a blank. */
static int has_mended_tab(const strict *s, size_t start, size_t end) {
    for (size_t i = start; i < end; i++)
        if (s->src->text[i] == '\t' && s->src->scan[i] != '\t') return 1;
    return 0;
}

static int is_space(char c) {
    return is_blank(c) || is_break(c);
}

static int is_flow_indicator(char c) {
    return c && strchr(",[]{}", c) != NULL;
}

static open_collection *top(strict *s) {
    return &MN_AT(s->open, open_collection, s->open.n - 1);
}

static int fail(const strict *s, const yaml_token_t *t, const char *what) {
    return mn_yaml_fail(s->src, t->start_mark.line + 1, "%s", what);
}

/* Byte offset of a mark; marks count characters and mostly come in order. */
static size_t offset_of(strict *s, size_t index) {
    if (index < s->chars) s->chars = s->at = 0;
    for (; s->chars < index && s->at < s->src->bytes; s->chars++) do
            s->at++;
        while (((unsigned char)at(s, s->at) & 0xc0) == 0x80);
    return s->at;
}

/* The line of the token. Tokens mostly come in order, and there may be many on a long line: only what lies behind the
 * one before is looked at. */
static void find_line(strict *s) {
    const int onwards = s->line_for <= s->start;
    const size_t stop = onwards ? s->line_for : 0;
    size_t i = s->start;
    while (i > stop && !is_break(at(s, i - 1))) i--;
    s->line_for = s->start;
    if (onwards && i == stop) return;
    s->line = i;
    while (i < s->src->bytes && s->src->text[i] == ' ') i++;
    s->n_spaces = i - s->line;
    while (is_blank(at(s, i))) i++;
    s->first = i;
}

/* ---- gaps ---- */

/* Between tokens are blanks, line ends and comments, and a comment has a blank or a line end in front (6.6). */
static int check_gap(const strict *s, const yaml_token_t *t) {
    for (size_t i = s->gap; i < s->start; i++) {
        const char c = at(s, i);
        if (is_space(c)) continue;
        if (c != '#') return fail(s, t, "text that belongs to nothing");
        if (i && !is_space(at(s, i - 1))) return fail(s, t, "a '#' that starts a comment wants a blank in front");
        while (i < s->start && !is_break(at(s, i))) i++;
    }
    return 0;
}

/* Whether only blanks are in front of the token on its line; *n_spaces: those before the first tab. */
static int is_first(const strict *s, size_t *n_spaces) {
    const size_t column = s->start - s->line;
    *n_spaces = s->n_spaces < column ? s->n_spaces : column;
    return s->start <= s->first;
}

static int is_node(yaml_token_type_t type) {
    return type == YAML_SCALAR_TOKEN || type == YAML_ANCHOR_TOKEN || type == YAML_ALIAS_TOKEN ||
           type == YAML_TAG_TOKEN || type == YAML_FLOW_SEQUENCE_START_TOKEN || type == YAML_FLOW_MAPPING_START_TOKEN;
}

static int is_marker(yaml_token_type_t type) {
    return type == YAML_STREAM_START_TOKEN || type == YAML_STREAM_END_TOKEN || type == YAML_DOCUMENT_START_TOKEN ||
           type == YAML_DOCUMENT_END_TOKEN || type == YAML_VERSION_DIRECTIVE_TOKEN ||
           type == YAML_TAG_DIRECTIVE_TOKEN || type == YAML_BLOCK_END_TOKEN;
}

/* What begins an item or a pair of a block, first on its line or behind '-', '?' or ':', is indented by blanks (6.1).
 */
static int check_tabs(strict *s, const yaml_token_t *t) {
    size_t n_spaces;
    const int begins = t->type == YAML_BLOCK_ENTRY_TOKEN || t->type == YAML_KEY_TOKEN ||
                       (t->type == YAML_VALUE_TOKEN && is_first(s, &n_spaces));
    if (!begins || top(s)->flow || !has_mended_tab(s, s->line, s->start)) return 0;
    return fail(s, t, "a tab is no indentation");
}

/* What continues a flow collection or belongs to a block is indented more than it (7.4, 8.2). Tabs do not count. */
static int check_indent(strict *s, const yaml_token_t *t, int after_key) {
    const open_collection *o = top(s);
    size_t n_spaces;
    if (is_marker(t->type) || !is_first(s, &n_spaces) || (long)n_spaces > o->indent) return 0;
    if (o->flow)
        return fail(s, t, "a line of a list in [] or a map in {} has to be indented more than what it belongs to");
    if (!is_node(t->type) || after_key) return 0;
    return fail(s, t, "this line has to be indented more than what it belongs to");
}

/* ---- tokens ---- */

/* A scalar's lines behind its first: indented more than the block it is in (7.3). Plain ones in blocks libyaml checks
 * itself. */
static int check_scalar_lines(strict *s, const yaml_token_t *t) {
    const open_collection *o = top(s);
    for (size_t i = s->start; i < s->end; i++) {
        if (!is_break(at(s, i)) || (at(s, i) == '\r' && at(s, i + 1) == '\n')) continue;
        size_t k = i + 1;
        while (k < s->end && at(s, k) == ' ') k++;
        const size_t n_spaces = k - i - 1;
        while (k < s->end && is_blank(at(s, k))) k++;
        if (k < s->end && !is_break(at(s, k)) && (long)n_spaces <= o->indent)
            return fail(s, t, "a string's next line has to be indented more than what it belongs to");
    }
    return 0;
}

/* A plain scalar that is an indicator only (7.3.3). */
static int check_plain(const strict *s, const yaml_token_t *t, int flow) {
    const char first = at(s, s->start), second = at(s, s->start + 1);
    if (strchr("-?:", first) && (is_space(second) || (flow && is_flow_indicator(second))))
        return fail(s, t, "'-', '?' and ':' alone are no strings; quote them");
    return 0;
}

static int check_scalar(strict *s, const yaml_token_t *t) {
    const yaml_scalar_style_t style = t->data.scalar.style;
    const int flow = top(s)->flow;
    if (has_mended_tab(s, s->start, s->end)) return fail(s, t, "a tab is no indentation");
    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
        return mn_yaml_check_block(s->src, s->start, s->end, top(s)->indent, t->start_mark.line + 1);
    if (style == YAML_PLAIN_SCALAR_STYLE) MN_TRY(check_plain(s, t, flow));
    return style == YAML_PLAIN_SCALAR_STYLE && !flow ? 0 : check_scalar_lines(s, t);
}

/* '-', '?' and ':' have a blank behind, except ':' behind a key in quotes or brackets within {} and [] (7.4.2, 8.2). */
static int check_indicator(strict *s, const yaml_token_t *t) {
    open_collection *o = top(s);
    const char next = at(s, s->end);
    if (t->type == YAML_BLOCK_ENTRY_TOKEN && o->flow) return fail(s, t, "'-' starts no item within []");
    if (s->start == s->end) return 0; /* an implicit key begins */
    if (t->type == YAML_VALUE_TOKEN) {
        if (o->flow && (is_flow_indicator(next) || s->json_key)) return 0;
    } else if (s->adjacent && t->type == YAML_KEY_TOKEN && !is_flow_indicator(at(s, s->start - 1))) {
        return fail(s, t, "'?' in a string; quote it");
    }
    if (!is_space(next)) return fail(s, t, "'-', '?' and ':' want a blank behind them");
    return 0;
}

/* Names of anchors end at a blank (6.9.2; in 1.2 they may hold ':', which libyaml ends them at), tags too (6.9.1). */
static int check_property(const strict *s, const yaml_token_t *t) {
    const char next = at(s, s->end);
    if (is_space(next) || (top((strict *)s)->flow && is_flow_indicator(next))) return 0;
    return fail(s, t, "a tag, anchor or alias wants a blank behind it");
}

/* A directive stands in front of a document, behind nothing or '...' (9.2). */
static int check_directive(const strict *s, const yaml_token_t *t) {
    if (s->prev == YAML_STREAM_START_TOKEN || s->prev == YAML_DOCUMENT_END_TOKEN ||
        s->prev == YAML_TAG_DIRECTIVE_TOKEN || s->prev == YAML_VERSION_DIRECTIVE_TOKEN)
        return 0;
    return fail(s, t, "a directive ('%') inside a document");
}

static int check_document_end(const strict *s, const yaml_token_t *t) {
    size_t i = s->end;
    while (is_blank(at(s, i))) i++;
    if (is_break(at(s, i)) || at(s, i) == '#') return 0;
    return fail(s, t, "text behind '...'");
}

static int check_token(strict *s, const yaml_token_t *t) {
    switch ((int)t->type) {
    case YAML_SCALAR_TOKEN:
        return check_scalar(s, t);
    case YAML_KEY_TOKEN:
    case YAML_VALUE_TOKEN:
    case YAML_BLOCK_ENTRY_TOKEN:
        return check_indicator(s, t);
    case YAML_ANCHOR_TOKEN:
    case YAML_ALIAS_TOKEN:
    case YAML_TAG_TOKEN:
        return check_property(s, t);
    case YAML_VERSION_DIRECTIVE_TOKEN:
    case YAML_TAG_DIRECTIVE_TOKEN:
        return check_directive(s, t);
    case YAML_DOCUMENT_END_TOKEN:
        return check_document_end(s, t);
    case YAML_FLOW_ENTRY_TOKEN:
        if (s->prev == YAML_FLOW_ENTRY_TOKEN || s->prev == YAML_FLOW_SEQUENCE_START_TOKEN ||
            s->prev == YAML_FLOW_MAPPING_START_TOKEN)
            return fail(s, t, "a ',' with nothing in front");
        return 0;
    default:
        return 0;
    }
}

/* A node touches nothing but an indicator in front (7.4, 8.1): "a"b and [a]b are neither one nor two. */
static int check_adjacent(const strict *s, const yaml_token_t *t) {
    if (!s->adjacent || !is_node(t->type)) return 0;
    if (s->prev == YAML_SCALAR_TOKEN || s->prev == YAML_ANCHOR_TOKEN || s->prev == YAML_ALIAS_TOKEN ||
        s->prev == YAML_TAG_TOKEN || s->prev == YAML_FLOW_SEQUENCE_END_TOKEN || s->prev == YAML_FLOW_MAPPING_END_TOKEN)
        return fail(s, t, "two values without a blank between them");
    return 0;
}

/* ---- the walk ---- */

static int push(strict *s, int flow, long indent, size_t line) {
    if (s->open.n > MN_YAML_DEPTH_MAX)
        return mn_yaml_fail(s->src, line + 1, "more than %d levels deep", MN_YAML_DEPTH_MAX);
    const open_collection o = {.flow = flow, .indent = indent};
    return mn_vec_push(s->src->ctx, &s->open, &o, 1) ? 0 : MODNAS_ENOMEM;
}

/* Follow what opens and closes. */
static int track(strict *s, const yaml_token_t *t) {
    switch ((int)t->type) {
    case YAML_BLOCK_SEQUENCE_START_TOKEN:
    case YAML_BLOCK_MAPPING_START_TOKEN:
        return push(s, 0, (long)t->start_mark.column, t->start_mark.line);
    case YAML_FLOW_SEQUENCE_START_TOKEN:
        return push(s, '[', top(s)->indent, t->start_mark.line);
    case YAML_FLOW_MAPPING_START_TOKEN:
        return push(s, '{', top(s)->indent, t->start_mark.line);
    case YAML_BLOCK_END_TOKEN:
    case YAML_FLOW_SEQUENCE_END_TOKEN:
    case YAML_FLOW_MAPPING_END_TOKEN:
        if (s->open.n > 1) s->open.n--;
        return 0;
    default:
        return 0;
    }
}

static int ends_json_key(const yaml_token_t *t) {
    if (t->type == YAML_SCALAR_TOKEN)
        return t->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
               t->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    return t->type == YAML_FLOW_SEQUENCE_END_TOKEN || t->type == YAML_FLOW_MAPPING_END_TOKEN;
}

static int step(strict *s, const yaml_token_t *t, int *after_key) {
    s->start = offset_of(s, t->start_mark.index);
    s->end = offset_of(s, t->end_mark.index);
    find_line(s);
    s->adjacent = s->start <= s->prev_end && s->start && !is_space(at(s, s->start - 1));
    MN_TRY(check_gap(s, t));
    MN_TRY(check_tabs(s, t));
    MN_TRY(check_indent(s, t, *after_key));
    MN_TRY(check_adjacent(s, t));
    MN_TRY(check_token(s, t));
    MN_TRY(track(s, t));
    *after_key = t->type == YAML_KEY_TOKEN && s->start == s->end;
    if (s->end > s->gap) s->gap = s->end;
    if (s->end > s->start || is_marker(t->type)) {
        if (t->type == YAML_BLOCK_END_TOKEN) return 0;
        s->prev = t->type;
        s->prev_end = s->end;
        s->json_key = ends_json_key(t);
    }
    return 0;
}

/* libyaml takes a tab in front of a token, or on an empty line behind a plain scalar, for indentation and gives up:
 * such a tab, and those behind it, become blanks in what it sees. 0 if that is not what happened. */
static int mend_tabs(strict *s) {
    const yaml_parser_t *p = &s->parser;
    if (p->error != YAML_SCANNER_ERROR || !p->context) return 0;
    size_t i = offset_of(s, p->problem_mark.index), end = i;
    if (i >= s->src->bytes || at(s, i) != '\t') return 0;
    while (is_blank(at(s, end))) end++;
    const int is_empty = is_break(at(s, end)) || at(s, end) == '#';
    if (strcmp(p->context, "while scanning for the next token") != 0 &&
        (strcmp(p->context, "while scanning a plain scalar") != 0 || !is_empty))
        return 0;
    for (; i < end; i++) s->src->scan[i] = ' ';
    return 1;
}

/* *stopped: the byte at which a tab was in the way, which is gone now; 0: there was none. */
static int walk(strict *s, size_t *stopped) {
    int after_key = 0;
    MN_TRY(push(s, 0, -1, 0));
    for (int end = 0; !end;) {
        yaml_token_t t;
        if (!yaml_parser_scan(&s->parser, &t)) {
            if (!mend_tabs(s)) return mn_yaml_parser_fail(s->src, &s->parser);
            *stopped = offset_of(s, s->parser.problem_mark.index) + 1;
            return 0;
        }
        end = t.type == YAML_STREAM_END_TOKEN || t.type == YAML_NO_TOKEN;
        const int rc = t.type == YAML_STREAM_START_TOKEN ? 0 : step(s, &t, &after_key);
        yaml_token_delete(&t);
        if (rc) return rc;
    }
    return 0;
}

static int walk_once(const mn_yaml_source *src, size_t *stopped) {
    strict s = {.src = src, .prev = YAML_STREAM_START_TOKEN, .line_for = SIZE_MAX};
    *stopped = 0;
    mn_vec_init(&s.open, sizeof(open_collection));
    if (!yaml_parser_initialize(&s.parser))
        return mn_fail(src->ctx, MODNAS_ENOMEM, "out of memory while reading %s", src->file);
    yaml_parser_set_encoding(&s.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&s.parser, (const unsigned char *)src->scan, src->bytes);
    const int rc = walk(&s, stopped);
    yaml_parser_delete(&s.parser);
    mn_vec_free(src->ctx, &s.open);
    return rc;
}

int mn_yaml_strict(const mn_yaml_source *src) {
    size_t stopped, n_scanned = 0;
    do {
        MN_TRY(walk_once(src, &stopped));
        n_scanned += stopped;
        if (n_scanned > SCANNED_MAX) return mn_yaml_fail(src, 1, "too many tabs that stand for blanks");
    } while (stopped);
    return 0;
}
