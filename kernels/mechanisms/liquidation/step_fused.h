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

// The bins that sixteen frontiers lie in, kept from round to round: most moves stay within a bin.
struct Bins {
    ivec bin;
    vec low, held;  // cumulative notional at the lower edge, and what the bin holds
};

// Notional of sixteen markets with thresholds up to `reached`, nobody deleveraged.
static inline vec forced_total(const PackedScenario& s, int asset, int side, vec reached, Bins& bins) {
    ivec bin;
    vec fraction;
    locate(reached, bin, fraction);
    const ivec changed = bin != bins.bin;
    if (any(changed)) {
        const float* table = s.forced_total + (int64_t)(asset * 2 + side) * N_EDGE * LANES;
        const ivec at = bin * LANES + LANE;
        bins.low = gather(table, at);
        bins.held = gather(table + LANES, at) - bins.low;
        bins.bin = bin;
    }
    return fma(fraction, bins.held, bins.low);
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
//
// Bin by bin: within one, holders are even in distance and their margin is straight, so that every
// term is positive and nothing cancels. The same integrals as the differences of step_numpy.py.
static inline Slice slice_losses(const PackedScenario& s, int asset, int side, int g, int venue, float start,
                                 float end, float price) {
    const Group r = group(s, asset, side, g, venue);
    const float* held = s.held + (r.rows - s.rows) / 2;
    const float loss = consumed(price, side);
    int bin, last;
    float from, until;
    locate(start, bin, from);
    locate(end, last, until);
    tiers notional = tsplat(0.0f), margin = notional, deficit = notional;
    float low = r.threshold_margin(bin);
    for (;; ++bin, from = 0.0f) {
        const float to = bin == last ? until : 1.0f;
        const float high = r.threshold_margin(bin + 1), slope = high - low;
        const tiers row = load_tiers(held + bin * MAX_TIER), part = (to - from) * row;
        notional += part;
        margin += fma(0.5f * (from + to), slope, low) * part;
        if (!r.partial && loss > fma(from, slope, low)) {
            const float reach = minimum((loss - low) / slope, to);
            deficit += (loss - fma(0.5f * (from + reach), slope, low)) * ((reach - from) * row);
        }
        if (bin == last) break;
        low = high;
    }
    Slice slice;
    slice.notional = notional;
    slice.deficit = deficit;
    slice.lost = loss * notional - deficit;
    slice.left = margin - slice.lost;
    return slice;
}

// The same for one group of sixteen markets at once, where no slice crosses more than one edge and
// all that it holds is of one tier; the other lanes are `hard` and go through slice_losses.
struct Slices {
    vec notional, lost, deficit, left;
    ivec tier;
    uint32_t hard;
};

// Where the slices of one side of an asset lie.
struct Span {
    ivec first, last;         // bins of their ends
    vec from, until;          // fractions of these bins
    vec low, middle, high;    // exponentials at the edges: below, between or above, above
    ivec two;                 // lanes that cross an edge
    uint32_t hard;
};

static inline Span span(const PackedScenario& s, int side, vec start, vec end) {
    Span p;
    locate(start, p.first, p.from);
    locate(end, p.last, p.until);
    p.two = p.last > p.first;
    p.hard = mask_bits(p.last > p.first + 1);
    const float* edge = side == LONG ? s.edge_fall : s.edge_rise;
    p.low = gather(edge, p.first);
    p.middle = gather(edge + 1, p.first);
    p.high = any(p.two) ? gather(edge + 1, p.last) : p.middle;
    return p;
}

static inline ivec gather_integer(const int32_t* table, ivec index) {
    return bits(gather((const float*)table, index));
}

static inline Slices slices_of(const PackedScenario& s, int asset, int side, int g, const Span& p, vec price) {
    const int at = (asset * 2 + side) * s.n_group + g;
    const int64_t table = (int64_t)at * N_EDGE * LANES;
    const vec rate = load(s.group_rate, at), deduction = load(s.group_deduction, at);
    ivec partial;
    __builtin_memcpy(&partial, s.group_partial + at * LANES, sizeof partial);
    const vec base = (side == LONG ? 1.0f : -1.0f) - deduction;
    const vec factor = side == LONG ? rate - 1.0f : rate + 1.0f;
    const vec low = fma(factor, p.low, base), middle = fma(factor, p.middle, base);
    const vec loss = side == LONG ? 1.0f - price : price - 1.0f;
    const vec zero = splat(0.0f);

    Slices r;
    ivec where = p.first * LANES + LANE;
    r.tier = gather_integer(s.bin_tier + table, where);
    r.hard = p.hard | mask_bits(r.tier < 0);
    const vec row = gather(s.bin_held + table, where);
    const vec to = select(p.two, splat(1.0f), p.until);
    vec slope = middle - low;
    vec part = (to - p.from) * row;
    r.notional = part;
    vec margin = fma(0.5f * (p.from + to), slope, low) * part;
    r.deficit = zero;
    const ivec bankrupt = (loss > fma(p.from, slope, low)) & (partial == 0);
    if (any(bankrupt)) {
        const vec reach = minimum((loss - low) / slope, to);
        r.deficit = select(bankrupt, (loss - fma(0.5f * (p.from + reach), slope, low)) * ((reach - p.from) * row), zero);
    }
    if (any(p.two)) {
        where = p.last * LANES + LANE;
        const ivec tier = gather_integer(s.bin_tier + table, where);
        const vec next = select(p.two, gather(s.bin_held + table, where), zero);
        // An empty bin is of no tier.
        r.hard |= mask_bits((tier != r.tier) & (next > 0.0f) & (row > 0.0f));
        r.tier = row > 0.0f ? r.tier : tier;
        const vec high = fma(factor, p.high, base);
        slope = high - middle;
        part = p.until * next;
        r.notional = r.notional + part;
        margin = fma(fma(0.5f * p.until, slope, middle), part, margin);
        const ivec beyond = (loss > middle) & (partial == 0) & p.two;
        if (any(beyond)) {
            const vec reach = minimum((loss - middle) / slope, p.until);
            r.deficit = r.deficit + select(beyond, (loss - fma(0.5f * reach, slope, middle)) * (reach * next), zero);
        }
    }
    r.lost = loss * r.notional - r.deficit;
    r.left = margin - r.lost;
    return r;
}
