/* SHA-256 (FIPS 180-4), as text: identifies data sets, weights and results files. Not meant to be fast: about 200 MB/s.
 */
#include <string.h>

#include "base/base.h"

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t k_table[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rot(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

static void schedule(const uint8_t *block, uint32_t w[64]) {
    for (int i = 0; i < 16; i++, block += 4)
        w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rot(a, 7) ^ rot(a, 18) ^ a >> 3) + w[i - 7] + (rot(b, 17) ^ rot(b, 19) ^ b >> 10);
    }
}

static void compress(uint32_t h[8], const uint8_t *block) {
    uint32_t w[64], v[8];
    schedule(block, w);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        const uint32_t a = v[0], e = v[4];
        const uint32_t t1 =
            v[7] + (rot(e, 6) ^ rot(e, 11) ^ rot(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + k_table[i] + w[i];
        const uint32_t t2 = (rot(a, 2) ^ rot(a, 13) ^ rot(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
}

void mn_sha256_init(mn_sha256 *s) {
    *s = (mn_sha256){
        .h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void mn_sha256_add(mn_sha256 *s, const void *data, size_t n) {
    const uint8_t *from = data;
    size_t used = s->bytes % sizeof s->block;
    s->bytes += n;
    while (n) {
        if (!used && n >= sizeof s->block) { /* whole blocks need no copy */
            compress(s->h, from);
            from += sizeof s->block;
            n -= sizeof s->block;
            continue;
        }
        const size_t room = sizeof s->block - used, part = n < room ? n : room;
        memcpy(s->block + used, from, part);
        from += part;
        n -= part;
        used = (used + part) % sizeof s->block;
        if (!used) compress(s->h, s->block);
    }
}

void mn_sha256_hex(mn_sha256 *s, char text[65]) {
    static const uint8_t pad[64] = {0x80};
    static const char hex[] = "0123456789abcdef";
    const uint64_t bits = s->bytes * 8;
    uint8_t tail[8];
    for (int i = 0; i < 8; i++) tail[i] = (uint8_t)(bits >> (56 - 8 * i));
    mn_sha256_add(s, pad, 1 + (119 - s->bytes % 64) % 64);
    mn_sha256_add(s, tail, sizeof tail);
    for (int i = 0; i < 64; i++) text[i] = hex[s->h[i / 8] >> (28 - 4 * (i % 8)) & 15];
    text[64] = 0;
}
