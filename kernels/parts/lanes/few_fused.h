// A few numbers that one thread holds, and what the engine does with them: eight tiers, four maintenance
// classes, and, where one thread carries a path, sixteen lanes.
//
// Include first: `fma` on floats.
#pragma once

template <class To, class From> static inline To same_bits(From x) {
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To r;
    __builtin_memcpy(&r, &x, sizeof r);
    return r;
}

template <class T, int N> struct Few {
    typedef T Item;
    T at[N];
    const T& operator[](int i) const { return at[i]; }
    T& operator[](int i) { return at[i]; }
    template <class U> explicit operator Few<U, N>() const {
        Few<U, N> r;
        for (int i = 0; i < N; ++i) r.at[i] = same_bits<U>(at[i]);
        return r;
    }
};
typedef Few<float, 8> tiers;
typedef Few<int32_t, 8> itiers;
typedef Few<float, 4> quad;
typedef Few<int32_t, 4> iquad;

template <class R, int N, class Value> static inline Few<R, N> fill_few(Value value) {
    Few<R, N> r;
    for (int i = 0; i < N; ++i) r.at[i] = value(i);
    return r;
}
template <int N> static inline Few<float, N> spread_few(float x) {
    return fill_few<float, N>([=](int) { return x; });
}

#define OF_FEW(T, R, op, value)                                                                    \
    template <int N> static inline Few<R, N> operator op(const Few<T, N>& x, const Few<T, N>& y) { \
        return fill_few<R, N>([&](int i) {                                                         \
            const T a = x.at[i], b = y.at[i];                                                      \
            return (R)(value);                                                                     \
        });                                                                                        \
    }
#define WITH_ONE(op, R)                                                                     \
    template <int N> static inline Few<R, N> operator op(const Few<float, N>& x, float y) { \
        return x op spread_few<N>(y);                                                       \
    }                                                                                       \
    template <int N> static inline Few<R, N> operator op(float x, const Few<float, N>& y) { \
        return spread_few<N>(x) op y;                                                       \
    }
#define ARITHMETIC(op)                                                                                   \
    OF_FEW(float, float, op, a op b)                                                                     \
    WITH_ONE(op, float)                                                                                  \
    template <int N> static inline Few<float, N>& operator op## = (Few<float, N> & x, Few<float, N> y) { \
        return x = x op y;                                                                               \
    }
#define COMPARISON(op)                          \
    OF_FEW(float, int32_t, op, a op b ? -1 : 0) \
    WITH_ONE(op, int32_t)
ARITHMETIC(+)
ARITHMETIC(-)
ARITHMETIC(*)
ARITHMETIC(/)
COMPARISON(<)
COMPARISON(>)
COMPARISON(<=)
COMPARISON(>=)
COMPARISON(==)
OF_FEW(int32_t, int32_t, &, a& b)
OF_FEW(int32_t, int32_t, |, a | b)
template <int N> static inline Few<int32_t, N> operator==(const Few<int32_t, N>& x, int32_t y) {
    return fill_few<int32_t, N>([&](int i) { return x.at[i] == y ? -1 : 0; });
}
#undef COMPARISON
#undef ARITHMETIC
#undef WITH_ONE
#undef OF_FEW

static inline float select(bool mask, float a, float b) { return mask ? a : b; }
static inline int32_t select(bool mask, int32_t a, int32_t b) { return mask ? a : b; }
static inline float maximum(float a, float b) { return a > b ? a : b; }
static inline float minimum(float a, float b) { return a < b ? a : b; }
static inline tiers tsplat(float x) { return spread_few<8>(x); }
static inline quad qsplat(float x) { return spread_few<4>(x); }

template <int N> static inline Few<float, N> select(const Few<int32_t, N>& mask, const Few<float, N>& a,
                                                    const Few<float, N>& b) {
    return fill_few<float, N>([&](int i) { return mask.at[i] ? a.at[i] : b.at[i]; });
}
template <int N> static inline Few<float, N> maximum(const Few<float, N>& a, const Few<float, N>& b) {
    return fill_few<float, N>([&](int i) { return maximum(a.at[i], b.at[i]); });
}
template <int N> static inline Few<float, N> minimum(const Few<float, N>& a, const Few<float, N>& b) {
    return fill_few<float, N>([&](int i) { return minimum(a.at[i], b.at[i]); });
}
template <int N>
static inline Few<float, N> fma(const Few<float, N>& a, const Few<float, N>& b, const Few<float, N>& c) {
    return fill_few<float, N>([&](int i) { return fma(a.at[i], b.at[i], c.at[i]); });
}

static inline int32_t bits(float x) { return same_bits<int32_t>(x); }
static inline float from_bits(int32_t x) { return same_bits<float>(x); }
static inline uint32_t mask_bits(const iquad& m) {
    return (m[0] ? 1 : 0) | (m[1] ? 2 : 0) | (m[2] ? 4 : 0) | (m[3] ? 8 : 0);
}
static inline float quad_sum(const quad& x) { return (x[0] + x[2]) + (x[1] + x[3]); }
static inline float tier_sum(const tiers& x) {
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}
static inline tiers join(const quad& low, const quad& high) {
    tiers all;
    for (int i = 0; i < 4; ++i) {
        all[i] = low[i];
        all[i + 4] = high[i];
    }
    return all;
}
static inline void transpose(quad q[4]) {
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < i; ++j) {
            const float x = q[i][j];
            q[i][j] = q[j][i];
            q[j][i] = x;
        }
}

static inline tiers load_tiers(const float* p) {
    return fill_few<float, 8>([=](int i) { return p[i]; });
}
static inline quad load_quad(const float* p) {
    return fill_few<float, 4>([=](int i) { return p[i]; });
}
static inline iquad load_iquad(const int32_t* p) {
    return fill_few<int32_t, 4>([=](int i) { return p[i]; });
}
static inline void store_tiers(float* p, const tiers& t) {
    for (int i = 0; i < 8; ++i) p[i] = t[i];
}
