/* What the CPU can do, asked by hand.
 *
 * The compiler's own helper (__builtin_cpu_supports) keeps a global that a constructor fills; this library has neither.
 * An instruction set counts only if the operating system saves its registers: XCR0 says so. */
#include "base/base.h"

#if defined(__x86_64__)
#include <cpuid.h>

static uint64_t xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int has(uint32_t word, uint32_t bits) {
    return (word & bits) == bits;
}

int mn_cpu_isa(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA)) return MN_ISA_PORTABLE;
    const uint64_t saved = xcr0(), ymm = 0x6, zmm = 0xe6; /* bits: SSE, AVX; opmask and the two halves of ZMM */
    if ((saved & ymm) != ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, bit_AVX2)) return MN_ISA_PORTABLE;
    const uint32_t avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    return (saved & zmm) == zmm && has(b, avx512) ? MN_ISA_AVX512 : MN_ISA_AVX2;
}
#else
int mn_cpu_isa(void) {
    return MN_ISA_PORTABLE;
}
#endif

const char *mn_cpu_isa_name(void) {
    static const char *const names[] = {[MN_ISA_PORTABLE] = "portable", [MN_ISA_AVX2] = "avx2", [MN_ISA_AVX512] = "avx512"};
    return names[mn_cpu_isa()];
}
