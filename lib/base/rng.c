/* Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011).
 *
 * A counter-based generator is a function, not a state: word = philox(counter, key). The key is made of seed and
 * stream, the counter of block number and step:
 *
 *     key = mix(seed ^ mix(stream))      counter = { block low, block high, step low, step high }
 *
 * so that what one component draws in one step never depends on what others drew, or on how often. */
#include <math.h>
#include <string.h>

#include "base/base.h"

void mn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t mn_stream(const char *name) {
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * 0x100000001b3u;
    return h;
}

/* Steele, Lea, Flood 2014: the output function of SplitMix64, a bijection. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void mn_rng_init(mn_rng *r, uint64_t seed, uint64_t stream, uint64_t step) {
    *r = (mn_rng){.seed = seed, .stream = stream, .step = step};
}

static void key_of(const mn_rng *r, uint32_t key[2]) {
    const uint64_t k = mix(r->seed ^ mix(r->stream));
    key[0] = (uint32_t)k;
    key[1] = (uint32_t)(k >> 32);
}

static void draw_block(const mn_rng *r, const uint32_t key[2], uint64_t block, uint32_t word[4]) {
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)r->step,
                                 (uint32_t)(r->step >> 32)};
    mn_philox(counter, key, word);
}

uint32_t mn_rng_u32(mn_rng *r) {
    if (r->index % 4 == 0) {
        uint32_t key[2];
        key_of(r, key);
        draw_block(r, key, r->index / 4, r->word);
    }
    return r->word[r->index++ % 4];
}

static double real_of(uint32_t high, uint32_t low) {
    return ((int32_t)(high >> 5) * 67108864.0 + (int32_t)(low >> 6)) * 0x1p-53;
}

double mn_rng_real(mn_rng *r) {
    const uint32_t high = mn_rng_u32(r), low = mn_rng_u32(r);
    return real_of(high, low);
}

/* Two a block, which may begin in the middle of one. */
void mn_rng_reals(mn_rng *r, double *x, int64_t n) {
    const size_t begin = r->index % 4;
    int64_t i = 0;
    uint32_t key[2], word[8];
    key_of(r, key);
    if (begin == 0) draw_block(r, key, r->index / 4, r->word);
    memcpy(word, r->word, sizeof r->word);
    for (; i + 2 <= n; i += 2, r->index += 4) {
        draw_block(r, key, r->index / 4 + 1, word + 4);
        x[i] = real_of(word[begin], word[begin + 1]);
        x[i + 1] = real_of(word[begin + 2], word[begin + 3]);
        memcpy(word, word + 4, sizeof r->word);
    }
    memcpy(r->word, word, sizeof r->word);
    if (i < n) x[i] = mn_rng_real(r);
}

/* Box-Muller of two reals; 1 - u is in (0, 1]: its logarithm is finite. */
static double normal_of(double u, double v) {
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586477 * v);
}

double mn_rng_normal(mn_rng *r) {
    const double u = mn_rng_real(r), v = mn_rng_real(r);
    return normal_of(u, v);
}

void mn_rng_normals(mn_rng *r, double *x, int64_t n) {
    enum { MOST = 256 };
    double pair[2 * MOST];
    for (int64_t at = 0; at < n; at += MOST) {
        const int64_t m = n - at < MOST ? n - at : MOST;
        mn_rng_reals(r, pair, 2 * m);
        for (int64_t i = 0; i < m; i++) x[at + i] = normal_of(pair[2 * i], pair[2 * i + 1]);
    }
}

/* Draws of a whole number of bits, refused while they are n or more: without bias, under two draws on average. */
uint64_t mn_rng_below(mn_rng *r, uint64_t n) {
    if (n <= 1) return 0;
    const uint64_t mask = UINT64_MAX >> __builtin_clzll(n - 1);
    for (;;) {
        uint64_t x = mn_rng_u32(r);
        if (mask > UINT32_MAX) x |= (uint64_t)mn_rng_u32(r) << 32;
        if ((x & mask) < n) return x & mask;
    }
}

void mn_rng_shuffle(mn_rng *r, int32_t *a, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        const uint64_t j = mn_rng_below(r, (uint64_t)i + 1);
        const int32_t t = a[i];
        a[i] = a[j];
        a[j] = t;
    }
}
