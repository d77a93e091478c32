// Frontiers and slices of forced positions: same statements as step_numpy.py.
#pragma once

constexpr int LONG = 0, SHORT = 1;
constexpr int MAX_TIER = 8, MAX_GROUP = 4, MAX_ASSET = 16;
constexpr int ROW = 2 * MAX_TIER;

// Where a frontier lies in the rows of one market, side and group.
struct Place {
    const float* row;  // of the bin's lower edge: forced, then margin, by tier
    int bin;
    float fraction;
};

struct Amounts {
    tiers forced, margin;
};

static inline tiers load_tiers(const float* p) {
    tiers t;
    __builtin_memcpy(&t, p, sizeof t);
    return t;
}
static inline void store_tiers(float* p, tiers t) { __builtin_memcpy(p, &t, sizeof t); }
static inline void add_tiers(float* p, tiers t) { store_tiers(p, load_tiers(p) + t); }

// One maintenance class of one market and side.
struct Group {
    const float* rows;
    const float* edge;  // exp of minus the edges (longs) or of the edges (shorts)
    float rate, deduction;
    int side;
    bool partial;

    float threshold_margin(int bin) const {
        return side == LONG ? fma(-(1.0f - rate), edge[bin], 1.0f - deduction)
                            : fma(1.0f + rate, edge[bin], -1.0f - deduction);
    }
    Place place(float distance) const {
        Place p;
        locate(distance, p.bin, p.fraction);
        p.row = rows + p.bin * ROW;
        return p;
    }
    tiers forced(const Place& p) const {
        const tiers low = load_tiers(p.row), high = load_tiers(p.row + ROW);
        return fma(tsplat(p.fraction), high - low, low);
    }
    Amounts amounts(const Place& p) const {
        const tiers low = load_tiers(p.row), held = load_tiers(p.row + ROW) - low;
        const float first = threshold_margin(p.bin), last = threshold_margin(p.bin + 1);
        const float mean = p.fraction * fma(0.5f * p.fraction, last - first, first);
        return {fma(tsplat(p.fraction), held, low), fma(tsplat(mean), held, load_tiers(p.row + MAX_TIER))};
    }
    // Distance up to which holders are bankrupt at a price relative to the start.
    float bankrupt_distance(float price) const {
        if (side == SHORT) return logarithm((price + deduction) / (1.0f + rate));
        return price > deduction ? logarithm((1.0f - rate) / (price - deduction)) : LARGEST;
    }
};

static inline Group group(const PackedScenario& s, int asset, int side, int g, int venue) {
    const int at = (asset * 2 + side) * s.n_group + g;
    Group r;
    r.rows = s.rows + ((int64_t)at * s.n_venue + venue) * N_EDGE * ROW;
    r.edge = side == LONG ? s.edge_fall : s.edge_rise;
    r.rate = s.group_rate[at * LANES + venue];
    r.deduction = s.group_deduction[at * LANES + venue];
    r.side = side;
    r.partial = s.group_partial[at * LANES + venue] != 0;
    return r;
}

static inline float consumed(float price, int side) { return side == LONG ? 1.0f - price : price - 1.0f; }

// Notional of sixteen markets with thresholds up to `reached`, nobody deleveraged.
static inline vec forced_total(const PackedScenario& s, int asset, int side, vec reached) {
    const float* table = s.forced_total + (int64_t)(asset * 2 + side) * N_EDGE * LANES;
    ivec bin;
    vec fraction;
    locate(reached, bin, fraction);
    const ivec lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const ivec at = bin * LANES + lanes;
    const vec low = gather(table, at), high = gather(table + LANES, at);
    return fma(fraction, high - low, low);
}

// The same for one market whose tiers have been thinned by auto-deleveraging.
static inline float forced_thinned(const PackedScenario& s, int asset, int side, int venue, const float* reached,
                                   int stride, tiers survival) {
    float total = 0.0f;
    for (int g = 0; g < s.n_group; ++g) {
        const Group r = group(s, asset, side, g, venue);
        total += tier_sum(r.forced(r.place(reached[g * stride])) * survival);
    }
    return total;
}

// Frontiers of one market as far as `target` dollars of its backlog reach, first in first out.
static inline void advance(const PackedScenario& s, int asset, int side, int venue, const float* executed,
                           float frontier, tiers survival, float target, float* after) {
    const float start = forced_thinned(s, asset, side, venue, executed, 1, survival);
    float low = 0.0f, high = frontier;
    for (int i = 0; i < 30; ++i) {
        const float middle = 0.5f * (low + high);
        for (int g = 0; g < s.n_group; ++g) after[g] = maximum(executed[g], middle);
        const float done = forced_thinned(s, asset, side, venue, after, 1, survival) - start;
        if (done <= target)
            low = middle;
        else
            high = middle;
    }
    for (int g = 0; g < s.n_group; ++g) after[g] = maximum(executed[g], low);
}

struct Slice {
    tiers notional, lost, deficit, left;
};

// What the holders of a group between two frontiers lose when they are closed at one price.
static inline Slice slice_losses(const Group& r, float start, float end, float price) {
    const float loss = consumed(price, r.side);
    const Amounts from = r.amounts(r.place(start)), to = r.amounts(r.place(end));
    Slice slice;
    slice.notional = to.forced - from.forced;
    slice.deficit = tsplat(0.0f);
    if (!r.partial) {
        const float bankrupt = r.bankrupt_distance(price);
        if (bankrupt > start) {
            const Amounts until = bankrupt < end ? r.amounts(r.place(bankrupt)) : to;
            slice.deficit = loss * (until.forced - from.forced) - (until.margin - from.margin);
            slice.deficit = maximum(slice.deficit, tsplat(0.0f));
        }
    }
    slice.lost = loss * slice.notional - slice.deficit;
    slice.left = (to.margin - from.margin) - slice.lost;
    return slice;
}
