/* Inputs made of other inputs (see mutate.h): each change is a function over the bytes so far. */
#include "mutate.h"

#include <string.h>

typedef struct work {
    mn_rng rng;
    const mutate_seed *seeds;
    size_t n_seeds;
    uint8_t *b;
    size_t n, cap;
} work;

static size_t below(work *w, size_t n) {
    return n ? (size_t)mn_rng_below(&w->rng, n) : 0;
}

static const mutate_seed *any_seed(work *w) {
    return &w->seeds[below(w, w->n_seeds)];
}

/* Make room for n bytes at a place, or for as many as fit; returns how many. */
static size_t open_gap(work *w, size_t at, size_t n) {
    if (n > w->cap - w->n) n = w->cap - w->n;
    memmove(w->b + at + n, w->b + at, w->n - at);
    w->n += n;
    return n;
}

static void insert(work *w, size_t at, const uint8_t *bytes, size_t n) {
    memcpy(w->b + at, bytes, open_gap(w, at, n));
}

/* Here and below, an expression has one draw at most: compilers may make two in any order. */
static void flip_bit(work *w) {
    const size_t at = below(w, w->n), bit = below(w, 8);
    if (w->n) w->b[at] ^= (uint8_t)(1u << bit);
}

static void set_byte(work *w) {
    static const uint8_t bytes[] = {0, 1, 8, 0x7f, 0x80, 0xff, ' ', '\n', '\t', '-', ':', '{', '[', '"', '&', '*'};
    const size_t at = below(w, w->n), known = below(w, 2), i = below(w, known ? sizeof bytes : 256);
    if (w->n) w->b[at] = known ? bytes[i] : (uint8_t)i;
}

static void truncate_it(work *w) {
    w->n = below(w, w->n + 1);
}

static void remove_range(work *w) {
    const size_t at = below(w, w->n + 1), longest = below(w, w->n - at + 1), n = longest >> below(w, 6);
    memmove(w->b + at, w->b + at + n, w->n - at - n);
    w->n -= n;
}

/* A part of another input goes in. */
static void splice(work *w) {
    const mutate_seed *s = any_seed(w);
    const size_t from = below(w, s->n + 1), longest = below(w, s->n - from + 1), n = longest >> below(w, 8);
    insert(w, below(w, w->n + 1), s->bytes + from, n);
}

/* The front of this one, the end of another. */
static void cross(work *w) {
    const mutate_seed *s = any_seed(w);
    truncate_it(w);
    const size_t from = below(w, s->n + 1);
    insert(w, w->n, s->bytes + from, s->n - from);
}

/* A few bytes many times: depth, width and length that readers have to bound. */
static void repeat(work *w) {
    uint8_t token[16];
    if (!w->n) return;
    const size_t at = below(w, w->n), longest = w->n - at < sizeof token ? w->n - at : sizeof token;
    const size_t n = 1 + below(w, longest), times = (size_t)1 << below(w, 16);
    memcpy(token, w->b + at, n);
    const size_t room = open_gap(w, at, n * times);
    for (size_t i = 0; i < room; i++) w->b[at + i] = token[i % n];
}

static void put_token(work *w) {
    static const char *const tokens[] = {"\n",
                                         "- ",
                                         ": ",
                                         "&a ",
                                         "*a",
                                         "<<: ",
                                         "? ",
                                         "| \n ",
                                         "!!str ",
                                         "'",
                                         "\"",
                                         "---\n",
                                         "...\n",
                                         "# ",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ", ",
                                         "0",
                                         "-1",
                                         ".5",
                                         "1e308",
                                         "4294967296",
                                         "9223372036854775808",
                                         "null",
                                         "true",
                                         ".nan",
                                         "\t",
                                         "\r",
                                         "\xc2\x85",
                                         "\xef\xbb\xbf",
                                         "=",
                                         "\f",
                                         "."};
    const char *t = tokens[below(w, MN_COUNT(tokens))];
    insert(w, below(w, w->n + 1), (const uint8_t *)t, strlen(t));
}

/* Four or eight bytes as the numbers of headers are: small, huge, or off by one. */
static void put_number(work *w) {
    static const uint64_t numbers[] = {0,     1,          10,         28,          3072,       3073,
                                       65536, 0x7fffffff, 0xffffffff, 0x100000000, UINT64_MAX, INT64_MAX};
    const size_t n = below(w, 2) ? 4 : 8;
    const int big_endian = (int)below(w, 2);
    const uint64_t number = numbers[below(w, MN_COUNT(numbers))], x = number + below(w, 3) - 1;
    if (w->n < n) return;
    uint8_t *at = w->b + below(w, w->n - n + 1);
    for (size_t i = 0; i < n; i++) at[big_endian ? n - 1 - i : i] = (uint8_t)(x >> 8 * i);
}

size_t mutate(uint64_t series, uint64_t step, const mutate_seed *seeds, size_t n_seeds, uint8_t *dst, size_t cap) {
    static void (*const changes[])(work *) = {flip_bit, set_byte, truncate_it, remove_range, splice,    splice,
                                              cross,    repeat,   put_token,   put_token,    put_number};
    work w = {.seeds = seeds, .n_seeds = n_seeds, .b = dst, .cap = cap};
    mn_rng_init(&w.rng, series, mn_stream("mutate"), step);
    const mutate_seed *s = any_seed(&w);
    insert(&w, 0, s->bytes, s->n);
    for (size_t i = 1 + below(&w, 4); i > 0; i--) changes[below(&w, MN_COUNT(changes))](&w);
    return w.n;
}
