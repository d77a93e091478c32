// The cascade of one asset in synchronous rounds: same statements as step_numpy.py.
#pragma once

constexpr float TOLERANCE = 2e-3f, FIRST_RATIO = 0.5f, MAX_RATIO = 0.999f, MATERIAL = 0.01f;
constexpr int MAX_ROUNDS = 256;

struct Cascade {
    vec flow[2], wanted[2], frontier[2], q;
    vec reached[2];  // cumulative notional at the frontiers
    float fundamental, first, total;
    int rounds;
    bool converged;
};

// What the rounds of one asset read.
struct CascadeInput {
    const PackedScenario* scenario;
    const Book* book;
    const vec* mark_weight;
    int asset;
    float fundamental, permanent, monitoring;
    vec q, depth, inverse_depth;
    vec base[2], limit[2];
    bool live[2];          // sides with anything to execute
    uint32_t thinned[2];   // lanes whose tiers auto-deleveraging has thinned
    const tiers* survival; // [side][lane]
};

static inline vec forced_now(const CascadeInput& in, int side, vec frontier) {
    vec total = forced_total(*in.scenario, in.asset, side, frontier);
    for (uint32_t m = in.thinned[side]; m; m &= m - 1) {
        const int lane = __builtin_ctz(m);
        const float reached = frontier[lane];
        total[lane] = forced_thinned(*in.scenario, in.asset, side, lane, &reached, 0, in.survival[side * LANES + lane]);
    }
    return total;
}

// Leaves `rounds` at zero where the frontiers passed nobody.
static inline void run_cascade(const CascadeInput& in, Cascade& c) {
    const vec zero = splat(0.0f);
    c.flow[0] = c.flow[1] = c.wanted[0] = c.wanted[1] = zero;
    c.converged = false;
    const vec tolerance = TOLERANCE * in.depth;
    float previous = 0.0f, ratio = FIRST_RATIO;
    c.rounds = 0;
    for (int round = 1; round <= MAX_ROUNDS; ++round) {
        vec fresh = zero, largest = zero, net = zero;
        for (int side = 0; side < 2; ++side) {
            if (!in.live[side]) continue;
            c.reached[side] = forced_now(in, side, c.frontier[side]);
            c.wanted[side] = maximum(c.reached[side] - in.base[side], zero);
            const vec flow = minimum(c.wanted[side], in.limit[side]);
            const vec more = maximum(flow - c.flow[side], zero);
            c.flow[side] = flow;
            fresh = fresh + more;
            largest = maximum(more, largest);
            net = side == LONG ? net - flow : net + flow;
        }
        if (round == 1 && !any(maximum(c.wanted[LONG], c.wanted[SHORT]) > zero)) return;
        const float total = lane_sum(fresh);
        c.rounds = round;
        c.q = fma(net, in.inverse_depth, in.q);
        c.fundamental = fma(in.permanent, lane_sum(net), in.fundamental);
        if (round == 1) {
            c.first = total;
        } else {
            ratio = minimum(total / (previous > 0.0f ? previous : 1.0f), MAX_RATIO);
        }
        previous = total;
        if (!any(largest * (ratio / (1.0f - ratio)) > tolerance)) {
            c.converged = true;
            break;
        }
        if (round == MAX_ROUNDS) break;
        const vec marked = mark(c.fundamental, displacement(*in.book, c.q), in.mark_weight, in.scenario->n_venue);
        if (in.live[LONG]) c.frontier[LONG] = maximum(in.monitoring - marked, c.frontier[LONG]);
        if (in.live[SHORT]) c.frontier[SHORT] = maximum(in.monitoring + marked, c.frontier[SHORT]);
    }
    c.total = lane_sum(c.flow[LONG] + c.flow[SHORT]);
}
