// Whales of a path, and what they leave to others: same statements as step_numpy.py.
#pragma once

constexpr uint32_t SITE_WHALE = 52;
constexpr float BAND = 1.0f / 1024;

// How a path's holders of one asset differ from the tables; by side, lanes are venues.
struct Crowd {
    vec scale[2];     // factor on the tables' notional
    vec whole[2];     // share of open interest that is no whale's
    vec distance[2];  // at which the whale begins to be forced; far without one
    vec size[2], margin[2], executed[2], deficit[2];
    ivec tier[2];
    bool some[2];  // any whale at all

    vec lump(int side, vec reached) const {
        const vec share = (reached - distance[side]) * (1.0f / BAND);
        return size[side] * minimum(maximum(share, splat(0.0f)), splat(1.0f));
    }
    float lump(int side, int v, float reached) const {
        const float share = (reached - distance[side][v]) * (1.0f / BAND);
        return size[side][v] * minimum(maximum(share, 0.0f), 1.0f);
    }
    // Where the line that notional follows ends, for the whale's sake; `end`: of the table's bin.
    vec bin_end(int side, vec reached, vec end) const {
        const vec first = distance[side];
        const vec within = select(reached < first + BAND, reached, end);
        return select(size[side] > 0.0f, select(reached < first, minimum(first, end), minimum(within, end)),
                      end);
    }
};

static inline vec whale_uniform(uvec word) { return (to_float((ivec)(word >> 8)) + 0.5f) * 0x1p-24f; }

static inline void draw_whales(const PackedScenario& s, const Draw& draw, int asset, int side, vec factor,
                               Crowd& c) {
    const int row = asset * 2 + side;
    const vec zero = splat(0.0f), one = splat(1.0f), open = load(s.whale_open, row);
    uvec w[4] = {usplat((uint32_t)draw.path), usplat((uint32_t)(draw.path >> 32)), usplat(0),
                 (uvec)LANE + (SITE_WHALE << 16 | (uint32_t)(row * LANES))};
    philox(w, (uint32_t)draw.seed, (uint32_t)(draw.seed >> 32));
    const vec rise = fma(load(s.whale_deviation, row), normal(w[1]), load(s.whale_size, row));
    const vec share = exponential(rise - load(s.whale_power, row) * logarithm(whale_uniform(w[1])));
    c.size[side] = minimum(share, load(s.whale_cap, row)) * open;
    for (int v = 0; v < LANES; ++v)
        if (!(w[0][v] < s.whale_chance[row * LANES + v])) c.size[side][v] = 0.0f;
    const vec k = exponential(fma(load(s.whale_spread, row), whale_uniform(w[2]), load(s.whale_margin, row)));
    const float sign = side == LONG ? 1.0f : -1.0f;
    const vec rate = load(s.whale_rate, row);
    const vec left = maximum(1.0f - sign * k, splat(1e-30f)) / (1.0f - sign * rate);
    const ivec there = c.size[side] > 0.0f;
    c.margin[side] = k;
    c.distance[side] = select(there, maximum(-sign * logarithm(left), zero), splat(1e30f));
    c.whole[side] = one - c.size[side] / select(open > 0.0f, open, one);
    c.scale[side] = factor * c.whole[side];
    ivec tier = isplat(-1);
    for (int t = 0; t < s.n_tier; ++t) tier = tier - (ivec)(splat(s.whale_floor[t]) >= k);
    c.tier[side] = select(tier < 0, isplat(0), tier);
    c.some[side] = any(there);
}
