// What one value adds to a histogram and to moments: the same on a processor and on a GPU.
// Include inside a namespace, after the integer types; everything lies in `histogram`.
#pragma once

namespace histogram {

constexpr int octaves = 30, per_octave = 128, inner = octaves * per_octave;
constexpr int remainder_bits = 16, moment_bits = 16, cap_bits = 32;
constexpr int zero = 0, underflow = 1, first = 2, overflow = first + inner;
constexpr int bins = overflow + 1;
constexpr int count_shift = 40;  // of a word that holds a count and, below it, remainders
constexpr int half = 23;         // moments are at most 2^46: squares are taken of two halves

static inline double power_of_two(int exponent) {
    const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

// Of a cell: what its values are scaled by.
struct Scales {
    int base;  // bin of 2^exponent, from the bits of a float
    double moment, largest, low, high, upper;
};

static inline Scales scales(int exponent) {
    return {(exponent + 127) * per_octave,
            power_of_two(moment_bits - exponent),
            power_of_two(octaves + moment_bits),
            power_of_two(remainder_bits - exponent),
            power_of_two(remainder_bits - octaves - exponent),
            power_of_two(octaves + exponent)};
}

// A value in units of moments, rounded to the nearest.
static inline uint64_t whole_units(float value, double scale, double largest) {
    const double magic = 6755399441055744.0;  // 1.5 x 2^52: adding it rounds to the nearest integer
    const double scaled = double(value) * scale;
    const double rounded = (scaled < largest ? scaled : largest) + magic;
    uint64_t whole, magic_bits;
    __builtin_memcpy(&whole, &rounded, sizeof whole);
    __builtin_memcpy(&magic_bits, &magic, sizeof magic_bits);
    return whole - magic_bits;
}

// Sums of units, and of the products of their two halves.
struct Moments {
    uint64_t sum = 0, high_high = 0, high_low = 0, low_low = 0;

    void add(uint64_t whole) {
        const uint64_t high = uint32_t(whole >> half), low = uint32_t(whole) & ((1u << half) - 1);
        sum += whole;
        high_high += high * high;
        high_low += high * low;
        low_low += low * low;
    }
};

// Remainder of a value outside the octaves, in the first bin or the last one.
static inline int64_t outer_remainder(double value, const Scales& s) {
    const double cap = power_of_two(cap_bits);
    if (value < s.upper) return int64_t(value * s.low);
    return int64_t(value * s.high < cap ? value * s.high : cap);
}

}  // namespace histogram
