// Sixteen lanes of float and the few operations that the engine uses on them.
//
// Every operation is the IEEE one: the same bits on every instruction set. `maximum(a, b)` is
// a > b ? a : b in that order. Lane sums are the fixed tree 8-4-2-1.
#pragma once

// Small functions of vectors inside the rounds: a call would take its vectors through memory.
#define INLINE static inline __attribute__((always_inline))

constexpr int LANES = 16;
constexpr uint32_t ALL_LANES = 0xffff;

typedef float vec __attribute__((vector_size(64)));
typedef int32_t ivec __attribute__((vector_size(64)));
typedef uint32_t uvec __attribute__((vector_size(64)));
typedef float tiers __attribute__((vector_size(32)));  // eight leverage tiers
typedef float quad __attribute__((vector_size(16)));   // four maintenance classes of one market
typedef int32_t itiers __attribute__((vector_size(32)));
typedef int32_t iquad __attribute__((vector_size(16)));

static const ivec LANE = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// x - 0 is x for every x, -0 included, so that compilers make it a plain broadcast; 0 + x is not.
static inline vec splat(float x) { return x - vec{}; }
static inline ivec isplat(int32_t x) { return ivec{} + x; }
static inline uvec usplat(uint32_t x) { return uvec{} + x; }
static inline tiers tsplat(float x) { return x - tiers{}; }
static inline quad qsplat(float x) { return x - quad{}; }

#if defined(__AVX512F__)
// Said outright where compilers take longer ways: extremes, which lanes compare, one lane set or spread.
static inline vec select(ivec mask, vec a, vec b) { return mask ? a : b; }
static inline vec maximum(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
static inline vec minimum(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
static inline uint32_t above(vec a, vec b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
static inline void set_lane(vec& v, int lane, float x) {
    v = (vec)_mm512_mask_broadcastss_ps((__m512)v, (__mmask16)(1u << lane), _mm_set_ss(x));
}
template <int LANE_> static inline vec lane(vec x) {
    const __m512 four = _mm512_shuffle_f32x4((__m512)x, (__m512)x, LANE_ / 4 * 0x55);
    return (vec)_mm512_permute_ps(four, LANE_ % 4 * 0x55);
}
#else
// A conditional on a vector wider than the processor's becomes sixteen scalar ones: by pieces, then.
#if defined(__AVX2__)
typedef tiers piece;
#else
typedef quad piece;
#endif
constexpr int PIECES = sizeof(vec) / sizeof(piece);
union Pieces {
    vec whole;
    piece part[PIECES];
};
static inline vec select(ivec mask, vec a, vec b) { return (vec)(((ivec)a & mask) | ((ivec)b & ~mask)); }
static inline vec maximum(vec a, vec b) {
    Pieces x{a}, y{b};
    for (int i = 0; i < PIECES; ++i) x.part[i] = x.part[i] > y.part[i] ? x.part[i] : y.part[i];
    return x.whole;
}
static inline vec minimum(vec a, vec b) {
    Pieces x{a}, y{b};
    for (int i = 0; i < PIECES; ++i) x.part[i] = x.part[i] < y.part[i] ? x.part[i] : y.part[i];
    return x.whole;
}
static inline uint32_t mask_bits(ivec m);
static inline uint32_t above(vec a, vec b) {  // lanes where a > b
    Pieces x{a}, y{b};
    for (int i = 0; i < PIECES; ++i) x.part[i] = (piece)(x.part[i] > y.part[i]);
    return mask_bits((ivec)x.whole);
}
static inline void set_lane(vec& v, int lane, float x) { v[lane] = x; }
template <int LANE_> static inline vec lane(vec x) { return splat(x[LANE_]); }
#endif
static inline uint32_t above(vec a, float b) { return above(a, splat(b)); }
static inline ivec select(ivec mask, ivec a, ivec b) { return mask ? a : b; }
static inline tiers select(itiers mask, tiers a, tiers b) { return mask ? a : b; }
static inline quad select(iquad mask, quad a, quad b) { return mask ? a : b; }
static inline quad maximum(quad a, quad b) { return a > b ? a : b; }
static inline quad minimum(quad a, quad b) { return a < b ? a : b; }
static inline tiers maximum(tiers a, tiers b) { return a > b ? a : b; }
static inline tiers minimum(tiers a, tiers b) { return a < b ? a : b; }
static inline float select(bool mask, float a, float b) { return mask ? a : b; }
static inline int32_t select(bool mask, int32_t a, int32_t b) { return mask ? a : b; }
static inline float maximum(float a, float b) { return a > b ? a : b; }
static inline float minimum(float a, float b) { return a < b ? a : b; }

static inline ivec bits(vec x) { return (ivec)x; }
static inline vec from_bits(ivec x) { return (vec)x; }
static inline int32_t bits(float x) {
    int32_t i;
    __builtin_memcpy(&i, &x, 4);
    return i;
}
static inline float from_bits(int32_t x) {
    float f;
    __builtin_memcpy(&f, &x, 4);
    return f;
}

static inline vec absolute(vec x) { return from_bits(bits(x) & 0x7fffffff); }
static inline vec copysign(vec size, vec sign) {
    return from_bits((bits(size) & 0x7fffffff) | (bits(sign) & (int32_t)0x80000000));
}

static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float root(float x) { return __builtin_sqrtf(x); }

#if defined(__AVX512F__)
static inline vec fma(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
static inline tiers fma(tiers a, tiers b, tiers c) {
    return (tiers)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
static inline vec root(vec x) { return (vec)_mm512_sqrt_ps((__m512)x); }
static inline vec gather(const float* table, ivec index) {
    return (vec)_mm512_i32gather_ps((__m512i)index, table, 4);
}
static inline uint32_t mask_bits(ivec m) { return _mm512_movepi32_mask((__m512i)m); }
static inline vec to_float(ivec i) { return (vec)_mm512_cvtepi32_ps((__m512i)i); }
static inline uvec high_product(uvec a, uint32_t b) {
    const __m512i m = _mm512_set1_epi64(b);
    const __m512i even = _mm512_mul_epu32((__m512i)a, m);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), m);
    return (uvec)_mm512_mask_blend_epi32((__mmask16)0xAAAA, _mm512_srli_epi64(even, 32), odd);
}
static inline float lane_sum(vec x) {
    const __m256 a = _mm512_castps512_ps256((__m512)x);
    const __m256 b = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)x), 1));
    const __m256 s = _mm256_add_ps(a, b);
    const __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    const __m128 u = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(u, _mm_movehdup_ps(u)));
}
#else
#if defined(__AVX2__) && defined(__FMA__)
union halves {
    vec whole;
    __m256 part[2];
};
static inline vec fma(vec a, vec b, vec c) {
    halves x{a}, y{b}, z{c}, r{};
    for (int i = 0; i < 2; ++i) r.part[i] = _mm256_fmadd_ps(x.part[i], y.part[i], z.part[i]);
    return r.whole;
}
static inline tiers fma(tiers a, tiers b, tiers c) {
    return (tiers)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
static inline vec root(vec x) {
    halves a{x}, r{};
    for (int i = 0; i < 2; ++i) r.part[i] = _mm256_sqrt_ps(a.part[i]);
    return r.whole;
}
static inline vec gather(const float* table, ivec index) {
    union {
        ivec whole;
        __m256i part[2];
    } at{index};
    halves r{};
    for (int i = 0; i < 2; ++i) r.part[i] = _mm256_i32gather_ps(table, at.part[i], 4);
    return r.whole;
}
static inline vec to_float(ivec i) {
    union {
        ivec whole;
        __m256i part[2];
    } a{i};
    halves r{};
    for (int k = 0; k < 2; ++k) r.part[k] = _mm256_cvtepi32_ps(a.part[k]);
    return r.whole;
}
static inline uint32_t mask_bits(ivec m) {
    halves a{};
    a.whole = (vec)m;
    return (uint32_t)_mm256_movemask_ps(a.part[0]) | (uint32_t)_mm256_movemask_ps(a.part[1]) << 8;
}
#else
static inline vec fma(vec a, vec b, vec c) {
    for (int i = 0; i < LANES; ++i) a[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return a;
}
static inline tiers fma(tiers a, tiers b, tiers c) {
    for (int i = 0; i < 8; ++i) a[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return a;
}
static inline vec root(vec x) {
    for (int i = 0; i < LANES; ++i) x[i] = __builtin_sqrtf(x[i]);
    return x;
}
static inline vec gather(const float* table, ivec index) {
    vec r{};
    for (int i = 0; i < LANES; ++i) r[i] = table[index[i]];
    return r;
}
static inline vec to_float(ivec i) {
    vec r{};
    for (int k = 0; k < LANES; ++k) r[k] = (float)i[k];
    return r;
}
static inline uint32_t mask_bits(ivec m) {
    uint32_t r = 0;
    for (int i = 0; i < LANES; ++i) r |= (m[i] ? 1u : 0u) << i;
    return r;
}
#endif
static inline uvec high_product(uvec a, uint32_t b) {
    for (int i = 0; i < LANES; ++i) a[i] = (uint32_t)(((uint64_t)a[i] * b) >> 32);
    return a;
}
static inline float lane_sum(vec x) {
    float s[8];
    for (int i = 0; i < 8; ++i) s[i] = x[i] + x[i + 8];
    for (int i = 0; i < 4; ++i) s[i] += s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
}
#endif

#if defined(__FMA__)
static inline quad fma(quad a, quad b, quad c) { return (quad)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c); }
#else
static inline quad fma(quad a, quad b, quad c) {
    for (int i = 0; i < 4; ++i) a[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return a;
}
#endif
static inline uint32_t mask_bits(iquad m) {
#if defined(__x86_64__)
    return (uint32_t)_mm_movemask_ps((__m128)m);
#else
    return (m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8);
#endif
}
static inline void transpose(quad q[4]) {
#if defined(__x86_64__)
    __m128 a = (__m128)q[0], b = (__m128)q[1], c = (__m128)q[2], d = (__m128)q[3];
    _MM_TRANSPOSE4_PS(a, b, c, d);
    q[0] = (quad)a, q[1] = (quad)b, q[2] = (quad)c, q[3] = (quad)d;
#else
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < i; ++j) {
            const float x = q[i][j];
            q[i][j] = q[j][i];
            q[j][i] = x;
        }
#endif
}
static inline tiers join(quad low, quad high) {
#if defined(__AVX2__)
    return (tiers)_mm256_set_m128((__m128)high, (__m128)low);
#else
    return tiers{low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]};
#endif
}
static inline float quad_sum(quad x) { return (x[0] + x[2]) + (x[1] + x[3]); }

static inline float tier_sum(tiers x) {
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

static inline bool any(ivec m) { return mask_bits(m) != 0; }

// The extreme of sixteen lanes, folded 8-4-2-1; the order does not matter as long as no lane is a NaN.
template <class Fold> static inline float lane_fold(vec x, Fold fold) {
#if defined(__AVX512F__)
    const __m512 whole = (__m512)x;
    x = fold(x, (vec)_mm512_shuffle_f32x4(whole, whole, 0x4e));
    x = fold(x, (vec)_mm512_shuffle_f32x4((__m512)x, (__m512)x, 0xb1));
    x = fold(x, (vec)_mm512_permute_ps((__m512)x, 0x4e));
    x = fold(x, (vec)_mm512_permute_ps((__m512)x, 0xb1));
    return x[0];
#else
    float r = x[0];
    for (int i = 1; i < LANES; ++i) r = fold(r, x[i]);
    return r;
#endif
}
static inline float lane_max(vec x) {
    return lane_fold(x, [](auto a, auto b) { return maximum(a, b); });
}
static inline float lane_min(vec x) {
    return lane_fold(x, [](auto a, auto b) { return minimum(a, b); });
}

static inline vec load(const float* table, int row) {
    vec v;
    __builtin_memcpy(&v, table + (int64_t)row * LANES, sizeof v);
    return v;
}
static inline ivec load_integers(const int32_t* table, int row) {
    ivec v;
    __builtin_memcpy(&v, table + row * LANES, sizeof v);
    return v;
}

// All ones in the lanes whose bits are set.
static inline ivec lanes_of(uint32_t bits) { return (((isplat((int32_t)bits) >> LANE) & 1) != 0); }
static inline tiers load_tiers(const float* p) {
    tiers t;
    __builtin_memcpy(&t, p, sizeof t);
    return t;
}
static inline quad load_quad(const float* p) {
    quad q;
    __builtin_memcpy(&q, p, sizeof q);
    return q;
}
static inline iquad load_iquad(const int32_t* p) {
    iquad q;
    __builtin_memcpy(&q, p, sizeof q);
    return q;
}
static inline void store_tiers(float* p, tiers t) { __builtin_memcpy(p, &t, sizeof t); }
