// Rows of a block of paths into histograms, moments, lists of the worst, and counts of which venues failed
// together: threads that share memory.
//
// One group of threads takes one cell, or one list; one more takes the venues. Everything that it adds up is
// an integer, so neither the order of threads nor that of groups matters. Histograms of a block lie in shared
// memory, count and remainders in one word; zeros are counted in a register, as they are the one bin that all
// would meet in.
//
// Include first, for the machine: `own_thread()`, `N_THREAD`; `barrier()`, which all threads of a group come
// to; `add_to(word, x)`, which gives what was there before, for words of 32 and 64 bits, of which others may
// add to the same; `raise_to(word, x)`, which leaves the larger of the two there, for words of 32 bits.
#pragma once

#include "kernels/parts/histogram/value_fused.h"

constexpr int N_WORST = 64;         // as in stress/worst.py
constexpr int FAILED_PATH = 4 | 8;  // as FAILED of kernels/outcome.py

// The outcome of a block of paths.
struct Rows {
    const float* rows;       // [path][cell]
    const uint32_t* status;  // [path]
    int count, n_cell;

    bool counted(int i) const { return !(status[i] & (FAILED_PATH | NO_ROOM)); }
    float value(int i, int cell) const { return rows[(int64_t)i * n_cell + cell]; }
};

// All that has been counted so far.
struct Counted {
    uint64_t* counts;      // [cell][bin]
    uint64_t* remainders;  // [cell][bin]
    uint64_t* sums;        // [cell][word], low and high
    uint64_t* squares;     // [cell][word]
    uint64_t* bad;         // numbers that were negative or not finite
};

// Lists of the worst paths, one for each venue and tier.
struct Lists {
    int count;
    const int32_t* cell;  // [list] of the row
    uint32_t* least;      // [list] bits of a loss that as many paths as a list holds are known to reach
    float* loss;          // [list][rank] of this block, in any order
    int32_t* path;        // [list][rank] whose they are, in the block
};

// Paths by the subset of venues whose funds were spent.
struct Subsets {
    int n_venue;
    const int32_t* cell;  // [venue] of the row: when the fund was spent, zero for never
    uint64_t* paths;      // [subset] bit v stands for venue v
};

// What the threads of a group share.
struct Shared {
    uint64_t filled[histogram::inner];
    uint64_t zeros, outside[2], outer[2];
    histogram::Moments moments;
    uint32_t digit[256], listed, wanted, least;
    uint64_t prefix;
};

static inline uint32_t float_bits(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

// Add value x 2^shift to an integer of two words that others may add to as well.
static inline void add_shifted(uint64_t* words, uint64_t value, int shift) {
    const uint64_t low = value << shift;
    uint64_t high = shift ? value >> (64 - shift) : 0;
    if (low && add_to(&words[0], low) + low < low) ++high;
    if (high) add_to(&words[1], high);
}

static inline void clear(void* memory, int bytes) {
    uint32_t* word = (uint32_t*)memory;
    for (int i = own_thread(); i < bytes / 4; i += N_THREAD) word[i] = 0;
}

// Count one cell of all paths.
static inline void tally_cell(const Rows& r, int cell, int exponent, const Counted& total, Shared& shared) {
    clear(&shared, sizeof shared);
    barrier();
    const histogram::Scales s = histogram::scales(exponent);
    histogram::Moments moments;
    uint64_t zeros = 0;
    for (int i = own_thread(); i < r.count; i += N_THREAD) {
        if (!r.counted(i)) continue;
        const float value = r.value(i, cell);
        const uint32_t bits = float_bits(value);
        if (bits << 1 == 0) {
            ++zeros;
            continue;
        }
        if (bits >= 0x7f800000u) {
            add_to(total.bad, (uint64_t)1);
            continue;
        }
        const int place = (int)(bits >> histogram::remainder_bits) - s.base;
        if (place >= 0 && place < histogram::inner) {
            const uint32_t remainder = bits & ((1u << histogram::remainder_bits) - 1);
            add_to(&shared.filled[place], ((uint64_t)1 << histogram::count_shift) + remainder);
        } else {
            const int last = place < 0 ? 0 : 1;
            add_to(&shared.outside[last], (uint64_t)1);
            add_to(&shared.outer[last], (uint64_t)histogram::outer_remainder(value, s));
        }
        moments.add(histogram::whole_units(value, s.moment, s.largest));
    }
    add_to(&shared.zeros, zeros);
    add_to(&shared.moments.sum, moments.sum);
    add_to(&shared.moments.high_high, moments.high_high);
    add_to(&shared.moments.high_low, moments.high_low);
    add_to(&shared.moments.low_low, moments.low_low);
    barrier();
    uint64_t* counts = total.counts + (int64_t)cell * histogram::bins;
    uint64_t* remainders = total.remainders + (int64_t)cell * histogram::bins;
    for (int place = own_thread(); place < histogram::inner; place += N_THREAD)
        if (const uint64_t filled = shared.filled[place]) {
            add_to(&counts[histogram::first + place], filled >> histogram::count_shift);
            add_to(&remainders[histogram::first + place],
                   filled & (((uint64_t)1 << histogram::count_shift) - 1));
        }
    if (own_thread() == 0) {
        add_to(&counts[histogram::zero], shared.zeros);
        for (int last = 0; last < 2; ++last) {
            const int bin = last ? histogram::overflow : histogram::underflow;
            add_to(&counts[bin], shared.outside[last]);
            add_to(&remainders[bin], shared.outer[last]);
        }
        const histogram::Moments& m = shared.moments;
        add_shifted(total.sums + 2 * cell, m.sum, 0);
        add_shifted(total.squares + 2 * cell, m.high_high, 2 * histogram::half);
        add_shifted(total.squares + 2 * cell, m.high_low, histogram::half + 1);
        add_shifted(total.squares + 2 * cell, m.low_low, 0);
    }
}

// What paths are ranked by: the loss, and of equals the first; zero where there is nothing to rank.
static inline uint64_t rank_key(const Rows& r, int i, int cell) {
    if (!r.counted(i) || !(r.value(i, cell) > 0.0f)) return 0;
    return (uint64_t)float_bits(r.value(i, cell)) << 32 | (0xffffffffu - (uint32_t)i);
}

// The largest key that so many paths reach, digit by digit, from the top: how many begin with the same.
static inline void find_prefix(const Rows& r, int cell, Shared& shared) {
    if (own_thread() == 0) shared.wanted = N_WORST;
    for (int shift = 56; shift >= 0; shift -= 8) {
        clear(shared.digit, sizeof shared.digit);
        barrier();
        for (int i = own_thread(); i < r.count; i += N_THREAD) {
            const uint64_t key = rank_key(r, i, cell);
            if (key && (shift == 56 || key >> shift >> 8 == shared.prefix))
                add_to(&shared.digit[key >> shift & 255], (uint32_t)1);
        }
        barrier();
        if (own_thread() == 0) {
            int digit = 255;
            while (digit > 0 && shared.digit[digit] < shared.wanted) shared.wanted -= shared.digit[digit--];
            shared.prefix = shared.prefix << 8 | (uint64_t)digit;
        }
        barrier();
    }
}

// List all paths whose key is at least so large, as far as there is room; counts them all.
static inline void list_paths(const Rows& r, int cell, uint64_t least, float* loss, int32_t* path,
                              Shared& shared) {
    for (int i = own_thread(); i < r.count; i += N_THREAD) {
        const uint64_t key = rank_key(r, i, cell);
        if (key == 0 || key < least) continue;
        const uint32_t place = add_to(&shared.listed, (uint32_t)1);
        if (place >= N_WORST) continue;
        loss[place] = r.value(i, cell);
        path[place] = i;
    }
}

// The largest losses of the block in one cell and whose they are, in any order; zero where there are fewer.
// Losses below `least` are left out: as many paths as the list holds have lost more, in blocks before this
// one. So one look at each loss is enough, but for the first blocks.
static inline void worst_of_cell(const Rows& r, int list, const Lists& lists, Shared& shared) {
    float* loss = lists.loss + list * N_WORST;
    int32_t* path = lists.path + list * N_WORST;
    const int cell = lists.cell[list];
    clear(&shared, sizeof shared);
    for (int i = own_thread(); i < N_WORST; i += N_THREAD) loss[i] = 0.0f, path[i] = 0;
    barrier();
    if (own_thread() == 0) shared.least = lists.least[list];  // once for all: other blocks raise it meanwhile
    barrier();
    list_paths(r, cell, (uint64_t)shared.least << 32, loss, path, shared);
    barrier();
    if (shared.listed <= N_WORST) return;
    find_prefix(r, cell, shared);
    if (own_thread() == 0) {
        shared.listed = 0;
        raise_to(&lists.least[list], (uint32_t)(shared.prefix >> 32));
    }
    barrier();
    list_paths(r, cell, shared.prefix, loss, path, shared);
}

// Which venues' funds were spent in each path. Most paths spend none, so these are counted in a register.
static inline void tally_subsets(const Rows& r, const Subsets& subsets) {
    uint64_t none = 0;
    for (int i = own_thread(); i < r.count; i += N_THREAD) {
        if (!r.counted(i)) continue;
        uint32_t subset = 0;
        for (int v = 0; v < subsets.n_venue; ++v)
            subset |= (uint32_t)(r.value(i, subsets.cell[v]) > 0.0f) << v;
        if (subset)
            add_to(&subsets.paths[subset], (uint64_t)1);
        else
            ++none;
    }
    add_to(&subsets.paths[0], none);
}

// Group `group`: one of the cells, then one of the lists, then the venues.
static inline void tally_rows(int group, const Rows& r, const int32_t* exponent, const Counted& total,
                              const Lists& lists, const Subsets& subsets, Shared& shared) {
    if (group < r.n_cell)
        tally_cell(r, group, exponent[group], total, shared);
    else if (group < r.n_cell + lists.count)
        worst_of_cell(r, group - r.n_cell, lists, shared);
    else
        tally_subsets(r, subsets);
}
