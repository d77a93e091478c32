// Histograms and moments of a block of cells; the same integers as histogram_numpy.py.
//
// Three loops over a batch of one cell: one without branches over the values, which the compiler makes
// into vectors; one that fills a small histogram, count and remainder in one word; and one, seldom run,
// over the values outside the octaves.
//
// Built once per instruction set: include the standard headers first, then this inside a namespace
// of the instruction set's own.

#include "kernels/parts/histogram/value_fused.h"

namespace histogram {

constexpr int block = 16;    // cells of one cache line, turned over together
constexpr int batch = 4096;  // paths turned over at once
constexpr int ahead = 16;    // paths asked for before they are needed

__extension__ typedef unsigned __int128 uint128;

struct Cells {
    const int32_t* exponent;  // [cell]
    int64_t* counts;          // [cell][bin]
    int64_t* remainders;      // [cell][bin]
    uint64_t* sums;           // [cell][word], low and high
    uint64_t* squares;        // [cell][word]
};

struct Workspace {
    alignas(64) float turned[block][batch + 16];  // the odd row length spreads the rows over the cache
    alignas(64) int32_t place[batch];             // bin less `first`, -1 outside the octaves
    alignas(64) uint32_t bits[batch];
    alignas(64) uint64_t filled[inner + 1] = {};  // one more in front, for -1
};

static inline void add_integer(uint64_t* words, uint128 value) {
    value += (uint128(words[1]) << 64) | words[0];
    words[0] = uint64_t(value);
    words[1] = uint64_t(value >> 64);
}

// Add n values, at most `batch`, to the sum and sum of squares of a cell.
static inline void add_moments(const float* values, int n, int exponent, uint64_t* total, uint64_t* square) {
    const Scales s = scales(exponent);
    Moments moments;
    for (int i = 0; i < n; ++i) moments.add(whole_units(values[i], s.moment, s.largest));
    add_integer(total, moments.sum);
    add_integer(square, (uint128(moments.high_high) << 2 * half) + (uint128(moments.high_low) << (half + 1)) +
                            moments.low_low);
}

// Values outside the octaves that are not zero; returns how many were negative or not finite.
static inline int64_t add_outside(const float* values, int n, int exponent, const Workspace& work,
                                  int64_t* count, int64_t* remainder) {
    const Scales s = scales(exponent);
    int64_t bad = 0;
    for (int i = 0; i < n; ++i) {
        if (work.place[i] >= 0 || work.bits[i] << 1 == 0) continue;
        const double value = values[i];
        if (work.bits[i] >= 0x7f800000u) {
            bad += 1;
            continue;
        }
        const int bin = value < s.upper ? underflow : overflow;
        count[bin] += 1;
        remainder[bin] += outer_remainder(value, s);
    }
    return bad;
}

// Count n values of one cell, at most `batch`; returns how many were negative or not finite.
static inline int64_t add_cell(const float* values, int n, int cell, const Cells& cells, Workspace& work) {
    const int exponent = cells.exponent[cell];
    int64_t* count = cells.counts + int64_t(cell) * bins;
    int64_t* remainder = cells.remainders + int64_t(cell) * bins;
    const int base = (exponent + 127) * per_octave;
    std::memcpy(work.bits, values, n * sizeof(float));
    int smallest = inner, largest = -1, zeros = 0, inside = 0;
    for (int i = 0; i < n; ++i) {
        const int unbounded = int(work.bits[i] >> remainder_bits) - base;
        const int mask = -int(uint32_t(unbounded) < uint32_t(inner));  // all ones inside the octaves
        const int place = unbounded | ~mask, low = (unbounded & mask) | (inner & ~mask);
        work.place[i] = place;
        zeros += work.bits[i] << 1 == 0;
        inside -= mask;
        smallest = low < smallest ? low : smallest;
        largest = place > largest ? place : largest;
    }
    count[zero] += zeros;
    if (zeros == n) return 0;
    uint64_t* filled = work.filled + 1;
    for (int i = 0; i < n; ++i)
        filled[work.place[i]] += (uint64_t(1) << count_shift) + (work.bits[i] & ((1u << remainder_bits) - 1));
    for (int place = smallest; place <= largest; ++place) {
        count[first + place] += filled[place] >> count_shift;
        remainder[first + place] += filled[place] & ((uint64_t(1) << count_shift) - 1);
        filled[place] = 0;
    }
    filled[-1] = 0;
    add_moments(values, n, exponent, cells.sums + 2 * int64_t(cell), cells.squares + 2 * int64_t(cell));
    return zeros + inside < n ? add_outside(values, n, exponent, work, count, remainder) : 0;
}

// Count `block` cells, from `first_cell`, of rows [path][cell]: turned over so that each histogram
// is filled in one go while it lies in the cache. Returns how many values were negative or not finite.
static inline int64_t add_block(const float* rows, int64_t n_path, int n_cell, int first_cell,
                                const Cells& cells, Workspace& work) {
    const int n_here = n_cell - first_cell < block ? n_cell - first_cell : block;
    int64_t bad = 0;
    for (int64_t start = 0; start < n_path; start += batch) {
        const int n = int(n_path - start < batch ? n_path - start : batch);
        for (int i = 0; i < n; ++i) {
            const float* row = rows + (start + i) * n_cell + first_cell;
            __builtin_prefetch(row + ahead * n_cell);
            __builtin_prefetch(row + ahead * n_cell + n_here - 1);
            for (int c = 0; c < n_here; ++c) work.turned[c][i] = row[c];
        }
        for (int c = 0; c < n_here; ++c) bad += add_cell(work.turned[c], n, first_cell + c, cells, work);
    }
    return bad;
}

}  // namespace histogram
