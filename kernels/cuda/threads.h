// What the engine needs of a thread of a GPU, and half a warp as sixteen lanes, of which the other half may
// be elsewhere; see kernels/parts/lanes/lanes_one_fused.h. Where a thread has all lanes it needs no other.
#pragma once

#define __builtin_memcpy memcpy

namespace std {
using ::memcpy;
using ::memset;
static inline int memcmp(const void* a, const void* b, size_t n) {
    const char *x = (const char*)a, *y = (const char*)b;
    for (size_t i = 0; i < n; ++i)
        if (x[i] != y[i]) return 1;
    return 0;
}
}  // namespace std
#define offsetof(type, member) __builtin_offsetof(type, member)

#if !defined(THREAD_A_PATH)
static inline int own_lane() { return threadIdx.x % 16; }
static inline uint32_t own_half() { return 0xffffu << (threadIdx.x & 16); }
static inline uint32_t exchange(uint32_t x, int lane) { return __shfl_sync(own_half(), x, lane, 16); }
static inline uint32_t exchange_xor(uint32_t x, int mask) { return __shfl_xor_sync(own_half(), x, mask, 16); }
static inline uint32_t ballot(bool x) { return __ballot_sync(own_half(), x) >> (threadIdx.x & 16) & 0xffffu; }
#endif
static inline int first_lane(uint32_t mask) { return __ffs((int)mask) - 1; }
static inline int count_lanes(uint32_t mask) { return __popc(mask); }
// Named, not left to the compiler: correctly rounded, nothing contracted, nothing flushed to zero.
static inline float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
static inline float root(float x) { return __fsqrt_rn(x); }
