// The distance table: bins from the bits of a float, the same as table_numpy.py.
#pragma once

constexpr int LOWEST = -9, HIGHEST = 2, PER_OCTAVE_BITS = 2;
constexpr int N_EDGE = 2 + (HIGHEST - LOWEST) * (1 << PER_OCTAVE_BITS);
static_assert(N_EDGE == TABLE_EDGES, "kernels/fused.h and the table disagree");
constexpr int BIN_SHIFT = 23 - PER_OCTAVE_BITS;
constexpr int BIN_OFFSET = ((127 + LOWEST) << PER_OCTAVE_BITS) - 1;
constexpr float SMALLEST = 1.0f / 512, LARGEST = 4.0f;

template <class F, class I> static inline void locate(F distance, I& bin, F& fraction) {
    distance = minimum(maximum(distance, F{}), F{} + LARGEST);
    const auto raw = bits(distance);
    const auto small = distance < SMALLEST;
    const auto full = distance >= LARGEST;
    bin = select(small, I{}, (raw >> BIN_SHIFT) - BIN_OFFSET);
    bin = select(full, I{} + (N_EDGE - 2), bin);
    const F inside = integer_to_float(raw & ((1 << BIN_SHIFT) - 1)) * (1.0f / (1 << BIN_SHIFT));
    fraction = select(small, distance * (1.0f / SMALLEST), inside);
    fraction = select(full, F{} + 1.0f, fraction);
}

// The lower edge of a bin.
static inline float table_edge(int bin) { return bin ? from_bits((bin + BIN_OFFSET) << BIN_SHIFT) : 0.0f; }
