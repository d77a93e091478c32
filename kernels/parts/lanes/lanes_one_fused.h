// One lane per thread: the same operations as lanes_fused.h where sixteen threads in lock step carry a path.
//
// A `vec` is the float of this thread's lane. Scalars, `tiers` and `quad` are the same in all sixteen
// threads. What looks at other lanes is an exchange in which all take part, so a branch must depend on
// scalars alone; the types see to that: no `vec` converts to a scalar, and what is read of one is the same
// for all.
//
// Include first, for the machine: `own_lane()`; `exchange(x, lane)` and `exchange_xor(x, mask)`, the 32 bits
// of another thread; `ballot(bool)`, a bit per lane; `fma`, `root` on floats; `first_lane(mask)`,
// `count_lanes(mask)`; `high_word(uint32, uint32)`; `same_bits<To>(x)`.
#pragma once

#define ONE_LANE
#define INLINE static inline
#define LANE (ivec{own_lane()})
#define __builtin_ctz(mask) first_lane(mask)
#define __builtin_popcount(mask) count_lanes(mask)

constexpr int LANES = 16;
constexpr uint32_t ALL_LANES = 0xffff;

#include "kernels/parts/lanes/few_fused.h"

// A number of some lane, as all lanes see it: any type made of whole words.
template <class T> static inline T from_lane(const T& x, int lane) {
    constexpr int n = sizeof(T) / 4;
    uint32_t word[n];
    __builtin_memcpy(word, &x, sizeof x);
    for (int i = 0; i < n; ++i) word[i] = exchange(word[i], lane);
    T r;
    __builtin_memcpy(&r, word, sizeof r);
    return r;
}

// One lane of a vector, to be read by all and written where it is.
template <class V, class T> class Element {
   public:
    Element(V& vector, int lane) : vector(vector), lane(lane) {}
    operator T() const { return from_lane(vector.x, lane); }
    Element& operator=(T value) {
        if (own_lane() == lane) vector.x = value;
        return *this;
    }
    Element& operator=(const Element& other) { return *this = (T)other; }
    // What others have there is of no account: only its own thread changes it.
    void operator+=(T value) {
        if (own_lane() == lane) vector.x = vector.x + value;
    }
    void operator-=(T value) {
        if (own_lane() == lane) vector.x = vector.x - value;
    }
    void operator*=(T value) {
        if (own_lane() == lane) vector.x = vector.x * value;
    }

   private:
    V& vector;
    int lane;
};

#define ELEMENTS(V, T)                                          \
    T x;                                                        \
    T operator[](int lane) const { return from_lane(x, lane); } \
    Element<V, T> operator[](int lane) { return {*this, lane}; }

struct uvec;
struct vec;
struct ivec {
    ELEMENTS(ivec, int32_t)
    explicit operator uvec() const;
    explicit operator vec() const;
};
struct uvec {
    ELEMENTS(uvec, uint32_t)
    explicit operator ivec() const { return {same_bits<int32_t>(x)}; }
};
struct vec {
    ELEMENTS(vec, float)
    explicit operator ivec() const { return {same_bits<int32_t>(x)}; }
};
inline ivec::operator uvec() const { return {same_bits<uint32_t>(x)}; }
inline ivec::operator vec() const { return {same_bits<float>(x)}; }
#undef ELEMENTS

#define BINARY(V, T, R, op, value)                                            \
    static inline R operator op(V left, V right) {                            \
        const T a = left.x, b = right.x;                                      \
        return {value};                                                       \
    }                                                                         \
    static inline R operator op(V left, T right) { return left op V{right}; } \
    static inline R operator op(T left, V right) { return V{left} op right; }
#define CHANGING(V, T, op)                                                                \
    static inline V& operator op## = (V & left, V right) { return left = left op right; } \
    static inline V& operator op## = (V & left, T right) { return left = left op right; }
#define ARITHMETIC(V, T, op)         \
    BINARY(V, T, V, op, (T)(a op b)) \
    CHANGING(V, T, op)
#define COMPARISON(V, T, op) BINARY(V, T, ivec, op, a op b ? -1 : 0)
#define COMPARISONS(V, T) \
    COMPARISON(V, T, <)   \
    COMPARISON(V, T, >)   \
    COMPARISON(V, T, <=)  \
    COMPARISON(V, T, >=)  \
    COMPARISON(V, T, ==)  \
    COMPARISON(V, T, !=)

COMPARISONS(ivec, int32_t)
COMPARISONS(uvec, uint32_t)
COMPARISONS(vec, float)
ARITHMETIC(vec, float, +)
ARITHMETIC(vec, float, -)
ARITHMETIC(vec, float, *)
ARITHMETIC(vec, float, /)
ARITHMETIC(ivec, int32_t, &)
ARITHMETIC(ivec, int32_t, |)
ARITHMETIC(ivec, int32_t, ^)
ARITHMETIC(ivec, int32_t, >>)
ARITHMETIC(uvec, uint32_t, &)
ARITHMETIC(uvec, uint32_t, |)
ARITHMETIC(uvec, uint32_t, ^)
ARITHMETIC(uvec, uint32_t, +)
ARITHMETIC(uvec, uint32_t, -)
ARITHMETIC(uvec, uint32_t, *)
ARITHMETIC(uvec, uint32_t, >>)
ARITHMETIC(uvec, uint32_t, <<)
// Signed sums go round, as those of vectors do.
BINARY(ivec, int32_t, ivec, +, (int32_t)((uint32_t)a + (uint32_t)b))
BINARY(ivec, int32_t, ivec, -, (int32_t)((uint32_t)a - (uint32_t)b))
BINARY(ivec, int32_t, ivec, *, (int32_t)((uint32_t)a * (uint32_t)b))
CHANGING(ivec, int32_t, +)
static inline ivec operator~(ivec a) { return {~a.x}; }
static inline uvec operator<<(uvec a, int n) { return {a.x << n}; }
static inline uvec operator>>(uvec a, int n) { return {a.x >> n}; }
static inline vec operator-(vec a) { return {-a.x}; }
#undef COMPARISONS
#undef COMPARISON
#undef ARITHMETIC
#undef CHANGING
#undef BINARY

static inline vec splat(float x) { return {x}; }
static inline ivec isplat(int32_t x) { return {x}; }
static inline uvec usplat(uint32_t x) { return {x}; }

static inline vec select(ivec mask, vec a, vec b) { return {mask.x ? a.x : b.x}; }
static inline ivec select(ivec mask, ivec a, ivec b) { return {mask.x ? a.x : b.x}; }
static inline vec maximum(vec a, vec b) { return {maximum(a.x, b.x)}; }
static inline vec minimum(vec a, vec b) { return {minimum(a.x, b.x)}; }

static inline ivec bits(vec x) { return (ivec)x; }
static inline vec from_bits(ivec x) { return (vec)x; }
static inline vec absolute(vec x) { return from_bits(bits(x) & 0x7fffffff); }
static inline vec copysign(vec size, vec sign) {
    return from_bits((bits(size) & 0x7fffffff) | (bits(sign) & (int32_t)0x80000000));
}

static inline vec fma(vec a, vec b, vec c) { return {fma(a.x, b.x, c.x)}; }
static inline vec root(vec x) { return {root(x.x)}; }
static inline vec to_float(ivec i) { return {(float)i.x}; }
static inline uvec high_product(uvec a, uint32_t b) { return {(uint32_t)(((uint64_t)a.x * b) >> 32)}; }
static inline vec gather(const float* table, ivec index) { return {table[index.x]}; }

static inline void set_lane(vec& v, int lane, float x) { v[lane] = x; }
template <int LANE_> static inline vec lane(vec x) { return {from_lane(x.x, LANE_)}; }

static inline uint32_t mask_bits(ivec mask) { return ballot(mask.x != 0); }
static inline bool any(ivec m) { return mask_bits(m) != 0; }
static inline uint32_t above(vec a, vec b) { return mask_bits(a > b); }
static inline uint32_t above(vec a, float b) { return above(a, splat(b)); }

static inline vec from_other(vec x, int mask) {
    return {same_bits<float>(exchange_xor(same_bits<uint32_t>(x.x), mask))};
}

// The fixed tree 8-4-2-1.
static inline float lane_sum(vec x) {
    for (int mask = 8; mask; mask >>= 1) x = x + from_other(x, mask);
    return x.x;
}
// Lane 0 speaks for all: of a zero and a minus zero, either is the largest.
static inline float lane_max(vec x) {
    for (int mask = 8; mask; mask >>= 1) x = maximum(x, from_other(x, mask));
    return from_lane(x.x, 0);
}
static inline float lane_min(vec x) {
    for (int mask = 8; mask; mask >>= 1) x = minimum(x, from_other(x, mask));
    return from_lane(x.x, 0);
}
static inline vec load(const float* table, int row) { return {table[(int64_t)row * LANES + own_lane()]}; }
static inline ivec load_integers(const int32_t* table, int row) { return {table[row * LANES + own_lane()]}; }
static inline ivec lanes_of(uint32_t bits) { return {(bits >> own_lane() & 1) ? -1 : 0}; }
