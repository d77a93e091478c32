// exp and log by polynomials (after Cephes, Moshier 1992), on one float or on sixteen.
//
// Only additions, multiplications, explicit fma and integer operations on the bits.
#pragma once

static inline ivec shift_left(ivec x, int n) { return (ivec)((uvec)x << n); }
static inline int32_t shift_left(int32_t x, int n) { return (int32_t)((uint32_t)x << n); }

template <class F> static inline F exponential(F x) {
    x = minimum(maximum(x, F{} - 86.0f), F{} + 87.0f);
    const F magic = F{} + 12582912.0f;  // 1.5 * 2**23: adding it rounds to an integer
    const F shifted = fma(x, F{} + 1.44269504f, magic);
    const F n = shifted - magic;
    F r = fma(n, F{} - 0.693359375f, x);
    r = fma(n, F{} + 2.12194440e-4f, r);
    F p = F{} + 1.9875691500e-4f;
    p = fma(p, r, F{} + 1.3981999507e-3f);
    p = fma(p, r, F{} + 8.3334519073e-3f);
    p = fma(p, r, F{} + 4.1665795894e-2f);
    p = fma(p, r, F{} + 1.6666665459e-1f);
    p = fma(p, r, F{} + 5.0000001201e-1f);
    p = fma(p * r, r, r) + 1.0f;
    return from_bits(bits(p) + shift_left(bits(shifted) - bits(magic), 23));
}

static inline vec integer_to_float(ivec i) { return to_float(i); }
static inline float integer_to_float(int32_t i) { return (float)i; }

// x must be positive and normal.
template <class F> static inline F logarithm(F x) {
    const auto raw = bits(x) - 0x3f3504f3;  // sqrt(1/2)
    const auto exponent = raw >> 23;
    const F m = from_bits((raw & 0x007fffff) + 0x3f3504f3) - 1.0f;
    const F e = integer_to_float(exponent);
    F p = F{} + 7.0376836292e-2f;
    p = fma(p, m, F{} - 1.1514610310e-1f);
    p = fma(p, m, F{} + 1.1676998740e-1f);
    p = fma(p, m, F{} - 1.2420140846e-1f);
    p = fma(p, m, F{} + 1.4249322787e-1f);
    p = fma(p, m, F{} - 1.6668057665e-1f);
    p = fma(p, m, F{} + 2.0000714765e-1f);
    p = fma(p, m, F{} - 2.4999993993e-1f);
    p = fma(p, m, F{} + 3.3333331174e-1f);
    const F square = m * m;
    F y = p * m * square;
    y = fma(e, F{} - 2.12194440e-4f, y);
    y = fma(square, F{} - 0.5f, y);
    return fma(e, F{} + 0.693359375f, m + y);
}
