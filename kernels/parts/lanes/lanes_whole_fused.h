// All sixteen lanes in one thread, as plain arrays: the same operations as lanes_fused.h, for compilers that
// have no vectors. Nothing is exchanged between threads, and branches are free.
//
// Include first: `fma`, `root` on floats; `first_lane(mask)`, `count_lanes(mask)`.
#pragma once

#define WHOLE_THREAD
#define INLINE static inline
#define LANE (lane_numbers())
#define __builtin_ctz(mask) first_lane(mask)
#define __builtin_popcount(mask) count_lanes(mask)

constexpr int LANES = 16;
constexpr uint32_t ALL_LANES = 0xffff;

#include "kernels/parts/lanes/few_fused.h"

typedef Few<float, LANES> vec;
typedef Few<int32_t, LANES> ivec;
typedef Few<uint32_t, LANES> uvec;

static inline int own_lane() { return 0; }  // one speaks for all

static inline vec splat(float x) { return spread_few<LANES>(x); }
static inline ivec isplat(int32_t x) {
    return fill_few<int32_t, LANES>([=](int) { return x; });
}
static inline uvec usplat(uint32_t x) {
    return fill_few<uint32_t, LANES>([=](int) { return x; });
}
static inline ivec lane_numbers() {
    return fill_few<int32_t, LANES>([](int i) { return i; });
}

#define OF_LANES(V, T, W, R, op, value)                   \
    static inline W operator op(const V& x, const V& y) { \
        return fill_few<R, LANES>([&](int i) {            \
            const T a = x.at[i], b = y.at[i];             \
            return (R)(value);                            \
        });                                               \
    }
#define WITH_ONE(V, T, W, op, spread)                                       \
    static inline W operator op(const V& x, T y) { return x op spread(y); } \
    static inline W operator op(T x, const V& y) { return spread(x) op y; }
#define CHANGING(V, T, op, spread)                                              \
    static inline V& operator op## = (V & x, const V& y) { return x = x op y; } \
    static inline V& operator op## = (V & x, T y) { return x = x op spread(y); }
#define ARITHMETIC(V, T, op, spread, value) \
    OF_LANES(V, T, V, T, op, value)         \
    WITH_ONE(V, T, V, op, spread)           \
    CHANGING(V, T, op, spread)
#define COMPARISON(V, T, op, spread)                   \
    OF_LANES(V, T, ivec, int32_t, op, a op b ? -1 : 0) \
    WITH_ONE(V, T, ivec, op, spread)
#define COMPARISONS(V, T, spread) \
    COMPARISON(V, T, <, spread)   \
    COMPARISON(V, T, >, spread)   \
    COMPARISON(V, T, <=, spread)  \
    COMPARISON(V, T, >=, spread)  \
    COMPARISON(V, T, !=, spread)
COMPARISONS(ivec, int32_t, isplat)
COMPARISONS(uvec, uint32_t, usplat)
COMPARISON(uvec, uint32_t, ==, usplat)
OF_LANES(ivec, int32_t, ivec, int32_t, ==, a == b ? -1 : 0)
COMPARISON(vec, float, !=, splat)
ARITHMETIC(uvec, uint32_t, &, usplat, a& b)
ARITHMETIC(uvec, uint32_t, |, usplat, a | b)
ARITHMETIC(uvec, uint32_t, ^, usplat, a ^ b)
ARITHMETIC(uvec, uint32_t, +, usplat, a + b)
ARITHMETIC(uvec, uint32_t, -, usplat, a - b)
ARITHMETIC(uvec, uint32_t, *, usplat, a* b)
ARITHMETIC(uvec, uint32_t, >>, usplat, a >> b)
ARITHMETIC(uvec, uint32_t, <<, usplat, a << b)
// Signed sums go round, as those of vectors do.
ARITHMETIC(ivec, int32_t, +, isplat, (uint32_t)a + (uint32_t)b)
ARITHMETIC(ivec, int32_t, -, isplat, (uint32_t)a - (uint32_t)b)
ARITHMETIC(ivec, int32_t, *, isplat, (uint32_t)a*(uint32_t)b)
ARITHMETIC(ivec, int32_t, ^, isplat, a ^ b)
ARITHMETIC(ivec, int32_t, >>, isplat, a >> b)
WITH_ONE(ivec, int32_t, ivec, &, isplat)
CHANGING(ivec, int32_t, &, isplat)
WITH_ONE(ivec, int32_t, ivec, |, isplat)
CHANGING(ivec, int32_t, |, isplat)
static inline ivec operator~(const ivec& a) {
    return fill_few<int32_t, LANES>([&](int i) { return ~a.at[i]; });
}
static inline vec operator-(const vec& a) {
    return fill_few<float, LANES>([&](int i) { return -a.at[i]; });
}
#undef COMPARISONS
#undef COMPARISON
#undef ARITHMETIC
#undef CHANGING
#undef WITH_ONE
#undef OF_LANES

static inline ivec select(const ivec& mask, const ivec& a, const ivec& b) {
    return fill_few<int32_t, LANES>([&](int i) { return mask.at[i] ? a.at[i] : b.at[i]; });
}

static inline ivec bits(const vec& x) { return (ivec)x; }
static inline vec from_bits(const ivec& x) { return (vec)x; }
static inline vec absolute(const vec& x) { return from_bits(bits(x) & 0x7fffffff); }
static inline vec copysign(const vec& size, const vec& sign) {
    return from_bits((bits(size) & 0x7fffffff) | (bits(sign) & (int32_t)0x80000000));
}
static inline vec root(const vec& x) {
    return fill_few<float, LANES>([&](int i) { return root(x.at[i]); });
}
static inline vec to_float(const ivec& x) {
    return fill_few<float, LANES>([&](int i) { return (float)x.at[i]; });
}
static inline uvec high_product(const uvec& a, uint32_t b) {
    return fill_few<uint32_t, LANES>([&](int i) { return (uint32_t)(((uint64_t)a.at[i] * b) >> 32); });
}
static inline vec gather(const float* table, const ivec& index) {
    return fill_few<float, LANES>([&](int i) { return table[index.at[i]]; });
}

static inline void set_lane(vec& v, int lane, float x) { v.at[lane] = x; }
template <int LANE_> static inline vec lane(const vec& x) { return splat(x.at[LANE_]); }

static inline uint32_t mask_bits(const ivec& mask) {
    uint32_t r = 0;
    for (int i = 0; i < LANES; ++i) r |= (mask.at[i] ? 1u : 0u) << i;
    return r;
}
static inline bool any(const ivec& m) { return mask_bits(m) != 0; }
static inline uint32_t above(const vec& a, const vec& b) { return mask_bits(a > b); }
static inline uint32_t above(const vec& a, float b) { return above(a, splat(b)); }

// The fixed tree 8-4-2-1.
template <class Fold> static inline float lane_fold(vec x, Fold fold) {
    for (int half = 8; half; half >>= 1)
        for (int i = 0; i < half; ++i) x.at[i] = fold(x.at[i], x.at[i + half]);
    return x.at[0];
}
static inline float lane_sum(const vec& x) {
    return lane_fold(x, [](float a, float b) { return a + b; });
}
static inline float lane_max(const vec& x) {
    return lane_fold(x, [](float a, float b) { return maximum(a, b); });
}
static inline float lane_min(const vec& x) {
    return lane_fold(x, [](float a, float b) { return minimum(a, b); });
}

static inline vec load(const float* table, int row) {
    const float* p = table + (int64_t)row * LANES;
    return fill_few<float, LANES>([=](int i) { return p[i]; });
}
static inline ivec load_integers(const int32_t* table, int row) {
    const int32_t* p = table + row * LANES;
    return fill_few<int32_t, LANES>([=](int i) { return p[i]; });
}
static inline ivec lanes_of(uint32_t bits) {
    return fill_few<int32_t, LANES>([=](int i) { return (bits >> i & 1) ? -1 : 0; });
}
