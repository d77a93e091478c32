// The cascade of one asset in synchronous rounds: same statements as step_numpy.py.
//
// `open_cascade` then `next_round` until it says that nothing more comes. The engine takes the
// assets of a step through their rounds side by side: each one's chain of dependent operations is
// long, and two chains fill the processor better than one.
#pragma once

constexpr float TOLERANCE = 2e-3f, FIRST_RATIO = 0.5f, MAX_RATIO = 0.999f, MATERIAL = 0.01f;
constexpr float STRIDE = 0.9f, LONGEST_STRIDE = 10.0f, SLACK = 1e-6f, DUST = 1.0f;
constexpr int MAX_ROUNDS = 256, FIRST_JUMP = 2;

struct Cascade {
    // what the rounds start from
    int asset;
    float start_fundamental, permanent;
    vec offset[2];  // distance added to the marks
    vec extra;      // net purchases of others in this step
    vec unseen;     // and how much of them came since the rounds last ran
    vec start_q, depth, inverse_depth, tolerance;
    vec base[2], limit[2];
    vec most[2];                     // `limit` of books and engines, before others took their part
    Taking taking;                   // of backstop vaults
    bool live[2];                    // sides with anything to execute
    uint32_t thinned[2];             // lanes whose tiers auto-deleveraging has thinned
    const ByVenue<tiers>* survival;  // [side]
    Bins* bins;                      // [side]
    const Crowd* crowd;              // null where all are as in the tables
    const Book* book;
    const Marks* marks;

    // where they are
    vec flow[2], wanted[2], frontier[2], q;
    vec reached[2];  // cumulative notional at the frontiers
    vec assumed[2];  // flow that the marks at hand stand for: executed, or jumped to
    float fundamental, first, previous, ratio;
    int rounds;
    bool converged, jumped;
    bool reopened;  // the marks at hand know of what others have bought and sold
};

// Notional of one side up to frontiers.
INLINE vec forced_up_to(const PackedScenario& s, const Cascade& c, int side, vec frontier, Bins& bins) {
    const vec* scale = c.crowd ? &c.crowd->scale[side] : nullptr;
    vec total = forced_total(s, c.asset, side, frontier, bins, scale);
    for (uint32_t m = c.thinned[side]; m; m &= m - 1) {
        const int lane = __builtin_ctz(m);
        const float reached = frontier[lane];
        const float factor = scale ? (float)(*scale)[lane] : 1.0f;
        const tiers alive = factor * c.survival[side][lane];
        total[lane] = forced_thinned(s, c.asset, side, lane, &reached, 0, alive);
    }
    if (c.crowd && c.crowd->some[side]) total = total + c.crowd->lump(side, frontier);
    return total;
}

INLINE vec forced_now(const PackedScenario& s, Cascade& c, int side) {
    return forced_up_to(s, c, side, c.frontier[side], c.bins[side]);
}

// False where the frontiers passed nobody.
static inline bool open_cascade(const PackedScenario& s, Cascade& c) {
    const vec zero = splat(0.0f);
    for (int side = 0; side < 2; ++side) c.flow[side] = c.wanted[side] = c.assumed[side] = zero;
    c.converged = c.jumped = c.reopened = false;
    c.rounds = 0;
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
INLINE void move(Cascade& c, vec net) {
    c.q = fma(net, c.inverse_depth, c.start_q);
    c.fundamental = fma(c.permanent, lane_sum(net), c.start_fundamental);
}

INLINE vec marked_at(const Cascade& c, vec displaced, Candidates* seen = nullptr) {
    return mark(*c.marks, c.fundamental, displaced, seen);
}

// Distances of one side at marks, and its frontiers after them.
INLINE vec distances(const Cascade& c, int side, vec marked) {
    const vec distance = side == LONG ? c.offset[LONG] - marked : c.offset[SHORT] + marked;
    // A mark that stands still triggers nobody.
    return c.marks->plain ? distance : select(c.marks->frozen, splat(0.0f), distance);
}
INLINE vec reached_by(const Cascade& c, int side, vec marked) {
    return maximum(distances(c, side, marked), c.frontier[side]);
}

// Let a cascade that has come to its end go on: others have bought or sold, `extra`, since.
static inline void reopen_cascade(const PackedScenario& s, Cascade& c) {
    const vec zero = splat(0.0f);
    move(c, c.extra + (c.taking.booked(SHORT, c.flow[SHORT]) - c.taking.booked(LONG, c.flow[LONG])));
    const vec marked = marked_at(c, displacement(*c.book, c.q));
    c.converged = c.jumped = false;
    c.reopened = true;
    c.rounds = 0;
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

// Displacements on the way to consumption `far` lie beyond a line, Eq. (6): its end. `sign`: where to.
INLINE vec least_displacement(const Cascade& c, vec displaced, vec far, float sign) {
    const Book& b = *c.book;
    const vec chord = displacement(b, far);
    const ivec returns = sign * c.q < 0.0f;
    if (!b.gives && !any(returns)) return chord;
    const ivec steepest_at_rest = returns & (b.alpha > 1.0f);
    const vec x = select(steepest_at_rest, splat(0.0f), minimum(absolute(displaced), b.band));
    const vec tangent = displaced + (far - c.q) / fma(b.rest + b.rest, x, b.alpha);
    return sign * minimum(sign * tangent, sign * chord);
}

// Go on along the flow of the next round, as far as bounds allow, Eqs. (5)-(7). False where that is nowhere.
INLINE bool jump(Cascade& c, int side, vec displaced, vec marked, const Candidates& here) {
    const float sign = side == LONG ? -1.0f : 1.0f;
    const vec zero = splat(0.0f), one = splat(1.0f);
    const vec next = maximum(minimum(c.wanted[side], c.limit[side]) - c.flow[side], zero);
    const float ratio = minimum(lane_sum(next) / c.previous, MAX_RATIO);
    const vec stride = next * minimum(STRIDE / (1.0f - ratio), LONGEST_STRIDE);

    const vec ahead = c.flow[side] + stride;
    const vec net = fma(splat(sign), ahead, c.extra);
    const float fundamental = fma(c.permanent, lane_sum(net), c.start_fundamental);
    const vec q = fma(net, c.inverse_depth, c.start_q);
    const vec moved = least_displacement(c, displaced, q, sign);
    Candidates there;
    const vec reached = reached_by(c, side, mark(*c.marks, fundamental, moved, &there));
    // Marks short of a frontier come up to it only on the way: it is taken to stay.
    const vec frontier = c.frontier[side];
    const bool whales = c.crowd && c.crowd->some[side];
    const vec bin_end = c.bins[side].end;
    const vec end = whales ? c.crowd->bin_end(side, frontier, bin_end) : bin_end;
    const vec far = select(distances(c, side, marked) < frontier, frontier, reached);
    vec total = forced_in_bins(c.bins[side], far);
    if (whales) total = total + c.crowd->lump(side, frontier);
    const vec rest = minimum(maximum(total - c.base[side], zero), c.limit[side]) - ahead;

    const ivec overtakes = rest < -SLACK * total;
    const ivec leaves = far > end;
    const vec within = select(overtakes, next / select(overtakes, next - rest, one), one);
    const vec inside = select(leaves, (end - frontier) / select(leaves, far - frontier, one), one);
    const vec share = splat(lane_min(minimum(within, inside)));
    if (!above(share, zero)) return false;
    // On a line along which no candidates of a median cross, marks are straight as well.
    if (!c.marks->plain && c.marks->medians && any(order(*c.marks, here) != order(*c.marks, there)))
        return false;
    c.frontier[side] = fma(share, far - frontier, frontier);
    c.reached[side] = fma(share, total - c.reached[side], c.reached[side]);
    c.wanted[side] = maximum(c.reached[side] - c.base[side], zero);
    c.assumed[side] = fma(share, stride, c.flow[side]);
    return true;
}

// Who waits is measured at the last marks: what cannot execute is no reason to look away.
static inline void see_who_waits(const PackedScenario& s, Cascade& c) {
    const vec marked = marked_at(c, displacement(*c.book, c.q));
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        const ivec waits = c.wanted[side] > c.flow[side];
        c.frontier[side] = select(waits, reached_by(c, side, marked), c.frontier[side]);
        c.reached[side] = forced_now(s, c, side);
        c.wanted[side] = select(waits, maximum(c.reached[side] - c.base[side], splat(0.0f)), c.wanted[side]);
    }
}

// Execute what is wanted, move books and marks, see who is triggered. False when that was the last round.
INLINE bool next_round(const PackedScenario& s, Cascade& c) {
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
        const vec booked = c.taking.booked(side, flow);
        net = side == LONG ? net - booked : net + booked;
        capped |= above(c.wanted[side], flow);
    }
    float total = lane_sum(fresh);
    ++c.rounds;
    move(c, net);
    if (c.rounds == 1) {
        c.first = total;
        if (!c.reopened) {  // what others have bought or sold pushes the marks as well
            const vec others = absolute(c.extra);
            total += lane_sum(others);
            largest = largest + others;
        }
    } else if (!c.jumped)  // the round after a jump compares with nothing: the last ratio stands
        c.ratio = minimum(total / (c.previous > 0.0f ? c.previous : 1.0f), MAX_RATIO);
    c.previous = total;
    // A cap that begins to bind makes flow drop at once; what goes on elsewhere does not.
    const float ratio = capped ? maximum(FIRST_RATIO, c.ratio) : c.ratio;
    // After a jump the new flow is no more than a bound.
    if (!c.jumped && !above(largest * (ratio / (1.0f - ratio)), c.tolerance)) {
        c.converged = true;
        if (capped) see_who_waits(s, c);
        return false;
    }
    if (c.rounds == MAX_ROUNDS) return false;
    const bool crooked = (c.thinned[LONG] | c.thinned[SHORT]) || c.taking.some;
    const bool free = !c.jumped && c.rounds >= FIRST_JUMP && !capped && !crooked;
    c.jumped = false;
    const vec displaced = displacement(*c.book, c.q);
    Candidates here;
    const vec marked = marked_at(c, displaced, &here);
    for (int side = 0; side < 2; ++side) {
        if (!c.live[side]) continue;
        c.frontier[side] = reached_by(c, side, marked);
        c.reached[side] = forced_now(s, c, side);
        c.wanted[side] = maximum(c.reached[side] - c.base[side], zero);
    }
    if (free) {
        const bool sells = above(c.flow[LONG], DUST), buys = above(c.flow[SHORT], DUST);
        if (sells != buys) c.jumped = jump(c, sells ? LONG : SHORT, displaced, marked, here);
    }
    return true;
}
