// Frontiers and slices of forced positions: same statements as step_numpy.py.
#pragma once

constexpr int LONG = 0, SHORT = 1;
constexpr int MAX_TIER = 8, MAX_GROUP = 4;
constexpr int ROW = 2 * MAX_TIER;
constexpr int SLICE_LINE = 4 * MAX_GROUP;
constexpr iquad ALL_GROUPS = {-1, -1, -1, -1}, GROUP = {0, 1, 2, 3};

// Where a frontier lies in the rows of one market, side and group.
struct Place {
    const float* row;  // of the bin's lower edge: forced, then margin, by tier
    int bin;
    float fraction;
};

struct Amounts {
    tiers forced, margin;
};

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

// Forced notional along the bins that sixteen frontiers lie in, kept from round to round and from step
// to step: frontiers only rise and most moves stay within a bin, so one comparison finds those that do not.
struct Bins {
    vec at_zero, slope;  // forced notional of the bin, a line in distance
    vec end;             // distance at which the bin ends
};

static inline Bins no_bins(int n_venue) {
    return {splat(0.0f), splat(0.0f), select(LANE < n_venue, splat(0.0f), splat(1e30f))};
}

// `scale`: factor on the tables' notional; null where there is none.
static inline void read_bins(const PackedScenario& s, int asset, int side, vec reached, Bins& bins,
                             uint32_t lanes, const vec* scale) {
    const float* table = s.forced_lines + (int64_t)(asset * 2 + side) * s.n_venue * N_EDGE * 4;
    for (; lanes; lanes &= lanes - 1) {
        const int lane = __builtin_ctz(lanes);
        const float distance = reached[lane];
        int bin;
        float fraction;
        locate(distance, bin, fraction);
        const float* line = table + (lane * N_EDGE + (distance >= LARGEST ? N_EDGE - 1 : bin)) * 4;
        const float factor = scale ? (float)(*scale)[lane] : 1.0f;
        set_lane(bins.at_zero, lane, factor * line[0]);
        set_lane(bins.slope, lane, factor * line[1]);
        set_lane(bins.end, lane, line[2]);
    }
}

INLINE vec forced_in_bins(const Bins& bins, vec reached) { return fma(reached, bins.slope, bins.at_zero); }

// Notional of sixteen markets with thresholds up to `reached`, nobody deleveraged.
INLINE vec forced_total(const PackedScenario& s, int asset, int side, vec reached, Bins& bins,
                        const vec* scale) {
    const uint32_t within = above(bins.end, reached);
    if (within != ALL_LANES) read_bins(s, asset, side, reached, bins, within ^ ALL_LANES, scale);
    return forced_in_bins(bins, reached);
}

// The same for one market whose tiers have been thinned by auto-deleveraging.
static inline float forced_thinned(const PackedScenario& s, int asset, int side, int venue,
                                   const float* reached, int stride, tiers survival) {
    float total = 0.0f;
    for (int g = 0; g < s.n_group; ++g) {
        const Group r = group(s, asset, side, g, venue);
        total += tier_sum(r.forced(r.place(reached[g * stride])) * survival);
    }
    return total;
}

// Frontiers of one market as far as `target` dollars of its backlog reach, first in first out; `after`
// comes in with the ends of the backlog, group by group.
// `others`: notional of others in the same line up to a distance; returns how far the line has come.
template <class Others>
static inline float advance(const PackedScenario& s, int asset, int side, int venue, const float* executed,
                            tiers survival, float target, float* after, Others others) {
    const float start = forced_thinned(s, asset, side, venue, executed, 1, survival);
    float ends[MAX_GROUP], low = 0.0f, high = 0.0f;
    for (int g = 0; g < s.n_group; ++g) {
        ends[g] = maximum(executed[g], after[g]);
        high = maximum(ends[g], high);
    }
    for (int i = 0; i < 30; ++i) {
        const float middle = 0.5f * (low + high);
        for (int g = 0; g < s.n_group; ++g) after[g] = maximum(executed[g], minimum(middle, ends[g]));
        const float done = forced_thinned(s, asset, side, venue, after, 1, survival) - start + others(middle);
        if (done <= target)
            low = middle;
        else
            high = middle;
    }
    for (int g = 0; g < s.n_group; ++g) after[g] = maximum(executed[g], minimum(low, ends[g]));
    return low;
}

// The bins that a slice lies in, and the fractions at which it starts in the first and ends in the last.
struct Span {
    int bin, last;
    float from, until;
};

static inline Span span(float start, float end) {
    Span x;
    locate(start, x.bin, x.from);
    locate(end, x.last, x.until);
    return x;
}

struct Slice {
    tiers notional, lost, deficit, left;
};

// What the holders of a group between two fractions of one bin lose when they are closed at a price.
//
// Within a bin holders are even in distance and their margin is straight, so that every term is
// positive and nothing cancels. The same integrals as the differences of step_numpy.py.
static inline Slice slice_in_bin(const Group& r, tiers held, int bin, float from, float to, float price) {
    const float loss = consumed(price, r.side);
    const float low = r.threshold_margin(bin), slope = r.threshold_margin(bin + 1) - low;
    Slice slice;
    slice.notional = (to - from) * held;
    const tiers margin = fma(0.5f * (from + to), slope, low) * slice.notional;
    slice.deficit = tsplat(0.0f);
    if (!r.partial && loss > fma(from, slope, low)) {
        const float reach = minimum((loss - low) / slope, to);
        slice.deficit = (loss - fma(0.5f * (from + reach), slope, low)) * ((reach - from) * held);
    }
    slice.lost = loss * slice.notional - slice.deficit;
    slice.left = margin - slice.lost;
    return slice;
}

// The same for the groups of one market side by side, from its line of the table of slices.
struct Slices {
    quad notional, lost, deficit, left;
};

// `scale`: factor on the tables' notional. `groups`: those that have a slice; `whole`: those of them that can
// be bankrupt.
static inline Slices slices_in_bin(const float* line, iquad groups, iquad whole, float from, float to,
                                   float loss, float scale) {
    const quad held = scale * select(groups, load_quad(line), qsplat(0.0f));
    const quad low = load_quad(line + MAX_GROUP), slope = load_quad(line + 2 * MAX_GROUP);
    Slices r;
    r.notional = (to - from) * held;
    const quad margin = fma(qsplat(0.5f * (from + to)), slope, low) * r.notional;
    const iquad bankrupt = (loss > fma(qsplat(from), slope, low)) & whole;
    const quad reach = minimum((loss - low) / slope, qsplat(to));
    const quad short_of = (loss - fma(0.5f * (from + reach), slope, low)) * ((reach - from) * held);
    r.deficit = select(bankrupt, short_of, qsplat(0.0f));
    r.lost = loss * r.notional - r.deficit;
    r.left = margin - r.lost;
    return r;
}
