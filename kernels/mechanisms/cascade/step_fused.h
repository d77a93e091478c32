// The cascade of one asset in synchronous rounds: same statements as step_numpy.py.
//
// `open_cascade` then `next_round` until it says that nothing more comes. The engine takes the
// assets of a step through their rounds side by side: each one's chain of dependent operations is
// long, and two chains fill the processor better than one.
#pragma once

constexpr float TOLERANCE = 1e-2f, FIRST_RATIO = 0.5f, MAX_RATIO = 0.999f, MATERIAL = 0.01f;
constexpr int MAX_ROUNDS = 256;

struct Cascade {
    // what the rounds start from
    int asset;
    float start_fundamental, permanent, monitoring;
    vec start_q, depth, inverse_depth, tolerance;
    vec base[2], limit[2];
    bool live[2];           // sides with anything to execute
    uint32_t thinned[2];    // lanes whose tiers auto-deleveraging has thinned
    const tiers* survival;  // [side][lane]
    Bins* bins;             // [side]
    const Book* book;
    const vec* mark_weight;

    // where they are
    vec flow[2], wanted[2], frontier[2], q;
    vec reached[2];  // cumulative notional at the frontiers
    float fundamental, first, previous;
    int rounds;
    bool converged;
};

static inline vec forced_now(const PackedScenario& s, Cascade& c, int side) {
    vec total = forced_total(s, c.asset, side, c.frontier[side], c.bins[side]);
    for (uint32_t m = c.thinned[side]; m; m &= m - 1) {
        const int lane = __builtin_ctz(m);
        const float reached = c.frontier[side][lane];
        total[lane] = forced_thinned(s, c.asset, side, lane, &reached, 0, c.survival[side * LANES + lane]);
    }
    return total;
}

// False where the frontiers passed nobody.
static inline bool open_cascade(const PackedScenario& s, Cascade& c) {
    const vec zero = splat(0.0f);
    c.flow[0] = c.flow[1] = c.wanted[0] = c.wanted[1] = zero;
    c.converged = false;
    c.rounds = 0;
    c.previous = 0.0f;
    bool some = false;
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        c.reached[side] = forced_now(s, c, side);
        c.wanted[side] = maximum(c.reached[side] - c.base[side], zero);
        some |= any(c.wanted[side] > zero);
    }
    return some;
}

// Execute what is wanted, move books and marks, see who is triggered. False when that was the last round.
static inline bool next_round(const PackedScenario& s, Cascade& c) {
    const vec zero = splat(0.0f);
    vec fresh = zero, largest = zero, net = zero;
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        const vec flow = minimum(c.wanted[side], c.limit[side]);
        const vec more = maximum(flow - c.flow[side], zero);
        c.flow[side] = flow;
        fresh = fresh + more;
        largest = maximum(more, largest);
        net = side == LONG ? net - flow : net + flow;
    }
    const float total = lane_sum(fresh);
    ++c.rounds;
    c.q = fma(net, c.inverse_depth, c.start_q);
    c.fundamental = fma(c.permanent, lane_sum(net), c.start_fundamental);
    float ratio = FIRST_RATIO;
    if (c.rounds == 1)
        c.first = total;
    else
        ratio = minimum(total / (c.previous > 0.0f ? c.previous : 1.0f), MAX_RATIO);
    c.previous = total;
    if (!any(largest * (ratio / (1.0f - ratio)) > c.tolerance)) {
        c.converged = true;
        return false;
    }
    if (c.rounds == MAX_ROUNDS) return false;
    const vec marked = mark(c.fundamental, displacement(*c.book, c.q), c.mark_weight, s.n_venue);
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        const vec distance = side == LONG ? c.monitoring - marked : c.monitoring + marked;
        c.frontier[side] = maximum(distance, c.frontier[side]);
        c.reached[side] = forced_now(s, c, side);
        c.wanted[side] = maximum(c.reached[side] - c.base[side], zero);
    }
    return true;
}
