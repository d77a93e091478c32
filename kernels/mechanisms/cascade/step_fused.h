// The cascade of one asset in synchronous rounds: same statements as step_numpy.py.
//
// `open_cascade` then `next_round` until it says that nothing more comes. The engine takes the
// assets of a step through their rounds side by side: each one's chain of dependent operations is
// long, and two chains fill the processor better than one.
#pragma once

constexpr float TOLERANCE = 2e-3f, FIRST_RATIO = 0.5f, MAX_RATIO = 0.999f, MATERIAL = 0.01f;
constexpr float SIGNIFICANT = 1e-3f, SLACK = 1e-6f, DUST = 1.0f;
constexpr int MAX_ROUNDS = 256, FIRST_JUMP = 3, JUMP_EVERY = 2;

struct Cascade {
    // what the rounds start from
    int asset;
    float start_fundamental, permanent;
    vec offset[2];  // distance added to the marks
    vec extra;      // net purchases of others in this step
    vec start_q, depth, inverse_depth, tolerance;
    vec base[2], limit[2];
    vec most[2];            // `limit` before the accounts took their part
    bool live[2];           // sides with anything to execute
    uint32_t thinned[2];    // lanes whose tiers auto-deleveraging has thinned
    const tiers* survival;  // [side][lane]
    Bins* bins;             // [side]
    const Book* book;
    const vec* mark_weight;

    // where they are
    vec flow[2], wanted[2], frontier[2], q;
    vec reached[2];  // cumulative notional at the frontiers
    vec assumed[2];  // flow that the marks at hand stand for: executed, or jumped to
    vec last;        // new flow of the round before
    float fundamental, first, previous, ratio;
    int rounds, tried;
    bool converged, jumped;
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
    for (int side = 0; side < 2; ++side) c.flow[side] = c.wanted[side] = c.assumed[side] = zero;
    c.last = zero;
    c.converged = c.jumped = false;
    c.rounds = c.tried = 0;
    c.previous = 0.0f;
    c.ratio = FIRST_RATIO;
    bool some = false;
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        c.reached[side] = forced_now(s, c, side);
        c.wanted[side] = maximum(c.reached[side] - c.base[side], zero);
        some |= above(c.wanted[side], zero);
    }
    return some;
}

// Book and fundamental after a net purchase of every venue.
static inline void move(Cascade& c, vec net) {
    c.q = fma(net, c.inverse_depth, c.start_q);
    c.fundamental = fma(c.permanent, lane_sum(net), c.start_fundamental);
}

static inline vec marked_at(const PackedScenario& s, const Cascade& c, vec displaced) {
    return mark(c.fundamental, displaced, c.mark_weight, s.n_venue);
}

// Frontiers of one side after marks.
static inline vec reached_by(const Cascade& c, int side, vec marked) {
    return maximum(side == LONG ? c.offset[LONG] - marked : c.offset[SHORT] + marked, c.frontier[side]);
}

// Let a cascade that has come to its end go on: others have bought or sold, `extra`, since.
static inline void reopen_cascade(const PackedScenario& s, Cascade& c) {
    const vec zero = splat(0.0f);
    move(c, c.extra + (c.flow[SHORT] - c.flow[LONG]));
    const vec marked = marked_at(s, c, displacement(*c.book, c.q));
    c.last = zero;
    c.converged = c.jumped = false;
    c.rounds = c.tried = 0;
    c.previous = 0.0f;
    c.ratio = FIRST_RATIO;
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        c.assumed[side] = c.flow[side];
        c.frontier[side] = reached_by(c, side, marked);
        c.reached[side] = forced_now(s, c, side);
        c.wanted[side] = maximum(c.reached[side] - c.base[side], zero);
    }
}

// A lower bound on all flow of one side still to come, along the last two rounds, Eq. (5).
static inline vec jump(const Cascade& c, vec displaced, vec fresh, float sign) {
    const ivec matter = c.last > SIGNIFICANT * lane_max(c.last);
    const vec ratio = fresh / select(matter, c.last, splat(1.0f));
    const float low = minimum(lane_min(select(matter, ratio, splat(1e30f))), MAX_RATIO);
    const float high = minimum(lane_max(select(matter, ratio, splat(0.0f))), MAX_RATIO);
    const Book& b = *c.book;
    const vec far = fma(fresh * (sign * (high / (1.0f - high))), c.inverse_depth, c.q);
    const vec now_x = minimum(absolute(displaced), b.band);
    const vec far_x = minimum(absolute(displacement(b, far)), b.band);
    const vec slope = fma(b.rest + b.rest, now_x, b.alpha) / fma(b.rest + b.rest, far_x, b.alpha);
    const float rho = minimum(lane_min(slope), 1.0f) * low;
    return fresh * (rho / (1.0f - rho));
}

// Try to go on from where the last rounds point to. False, and nothing changed, where an edge of the
// tables would be crossed or the bound does not hold.
static inline bool try_jump(const PackedScenario& s, Cascade& c, int side, vec displaced, vec fresh) {
    const float sign = side == LONG ? -1.0f : 1.0f;
    const vec ahead = c.flow[side] + jump(c, displaced, fresh, sign);
    if (above(ahead, c.limit[side])) return false;
    const vec q = c.q;
    const float fundamental = c.fundamental;
    move(c, fma(splat(sign), ahead, c.extra));
    const vec far = reached_by(c, side, marked_at(s, c, displacement(*c.book, c.q)));
    c.q = q;
    c.fundamental = fundamental;
    if (above(c.bins[side].end, far) != ALL_LANES) return false;
    const vec total = forced_in_bins(c.bins[side], far);
    const vec forced = maximum(total - c.base[side], splat(0.0f));
    if (above(ahead - SLACK * total, forced)) return false;
    c.frontier[side] = far;
    c.reached[side] = total;
    c.wanted[side] = forced;
    c.assumed[side] = ahead;
    return true;
}

// Who waits is measured at the last marks: what cannot execute is no reason to look away.
static inline void see_who_waits(const PackedScenario& s, Cascade& c) {
    const vec marked = marked_at(s, c, displacement(*c.book, c.q));
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        const ivec waits = c.wanted[side] > c.flow[side];
        c.frontier[side] = select(waits, reached_by(c, side, marked), c.frontier[side]);
        c.reached[side] = forced_now(s, c, side);
        c.wanted[side] = select(waits, maximum(c.reached[side] - c.base[side], splat(0.0f)), c.wanted[side]);
    }
}

// Execute what is wanted, move books and marks, see who is triggered. False when that was the last round.
static inline bool next_round(const PackedScenario& s, Cascade& c) {
    const vec zero = splat(0.0f);
    vec fresh = zero, largest = zero, net = c.extra;
    uint32_t capped = 0;
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        const vec flow = minimum(c.wanted[side], c.limit[side]);
        const vec more = maximum(flow - c.assumed[side], zero);
        c.flow[side] = c.assumed[side] = flow;
        fresh = fresh + more;
        largest = maximum(more, largest);
        net = side == LONG ? net - flow : net + flow;
        capped |= above(c.wanted[side], flow);
    }
    float total = lane_sum(fresh);
    ++c.rounds;
    move(c, net);
    if (c.rounds == 1) {
        c.first = total;
        const vec others = absolute(c.extra);  // what they have bought or sold pushes the marks as well
        total += lane_sum(others);
        largest = largest + others;
    } else if (!c.jumped)  // the round after a jump compares with nothing: the last ratio stands
        c.ratio = minimum(total / (c.previous > 0.0f ? c.previous : 1.0f), MAX_RATIO);
    c.previous = total;
    // A cap that begins to bind makes flow drop at once; what goes on elsewhere does not.
    const float ratio = capped ? maximum(FIRST_RATIO, c.ratio) : c.ratio;
    if (!above(largest * (ratio / (1.0f - ratio)), c.tolerance)) {
        c.converged = true;
        if (capped) see_who_waits(s, c);
        return false;
    }
    if (c.rounds == MAX_ROUNDS) return false;
    const bool free = !c.jumped && c.rounds >= FIRST_JUMP && c.rounds - c.tried >= JUMP_EVERY;
    c.jumped = false;
    const vec displaced = displacement(*c.book, c.q);
    if (free && !capped && !(c.thinned[LONG] | c.thinned[SHORT])) {
        const bool sells = above(c.flow[LONG], DUST), buys = above(c.flow[SHORT], DUST);
        if (sells != buys) {
            c.tried = c.rounds;
            c.jumped = try_jump(s, c, sells ? LONG : SHORT, displaced, fresh);
        }
    }
    c.last = fresh;
    if (c.jumped) return true;
    const vec marked = marked_at(s, c, displaced);
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        c.frontier[side] = reached_by(c, side, marked);
        c.reached[side] = forced_now(s, c, side);
        c.wanted[side] = maximum(c.reached[side] - c.base[side], zero);
    }
    return true;
}
