// One asset's cascade: what it starts from, its rounds, and what its flow executes.
#pragma once

class Execution : protected Deleveraging {
   protected:
    using Deleveraging::Deleveraging;

    void activate(int a) {
        Work& w = work[a];
        w.active = true;
        w.woken = false;
        w.first = 0.0f;
        w.rounds = 0;
        active[n_active++] = a;
    }

    void prepare(const Asset& x, Market& m, int a, vec depths, bool longs, bool shorts, Cascade& c) {
        c.asset = a;
        c.book = &x.book;
        c.marks = &work[a].marks;
        c.start_fundamental = m.fundamental;
        c.permanent = x.permanent;
        c.offset[LONG] = offset(work[a], m, LONG);
        c.offset[SHORT] = offset(work[a], m, SHORT);
        c.extra = c.unseen = splat(0.0f);
        c.start_q = m.q;
        c.depth = depths;
        c.inverse_depth = select(x.listed, 1.0f / select(x.listed, depths, splat(1.0f)), splat(0.0f));
        c.tolerance = TOLERANCE * depths;
        c.live[LONG] = longs;
        c.live[SHORT] = shorts;
        c.survival = m.survival;
        c.bins = m.bins;
        c.crowd = crowded ? &crowds[a] : nullptr;
        for (int side = 0; side < 2; ++side) {
            c.thinned[side] = m.thinned[side];
            c.base[side] = m.base[side];
            c.most[side] = outages.there ? x.throughput * outages.throughput : x.throughput;
            if (x.book.any_limited)
                c.most[side] = minimum(room(x.book, m.q, depths, side == LONG ? 1.0f : -1.0f), c.most[side]);
            c.frontier[side] = m.frontier[side];
        }
        if (x.breakers || work[a].halted) restrict_cascade(m, a, c);
        take_over(a, c);
    }

    // Markets whose selling came to a breaker's level.
    void touch(Market& m, const Work& w, const Cascade& c) {
        const vec zero = splat(0.0f);
        m.breakers.touched =
            above(c.taking.booked(LONG, c.wanted[LONG]) + maximum(zero - c.extra, zero), w.band[LONG]) |
            above(c.taking.booked(SHORT, c.wanted[SHORT]) + maximum(c.extra, zero), w.band[SHORT]);
        m.breakers.touched &= ~w.halted;
    }

    // The most that a breaker and a halt let execute.
    void restrict_cascade(const Market& m, int a, Cascade& c) {
        Work& w = work[a];
        for (int side = 0; side < 2; ++side) {
            w.band[side] = splat(1e30f);
            if (asset[a].breakers) {
                const Bounds next = level_bounds(s, m.breakers, a);
                const vec most = band(*c.book, m.breakers.reference, side == LONG ? next.fall : next.rise,
                                      m.fundamental, m.q, c.depth, side == LONG ? 1.0f : -1.0f);
                w.band[side] = select(most <= c.most[side], most, w.band[side]);
                c.most[side] = minimum(most, c.most[side]);
            }
            if (w.halted) c.most[side] = select(lanes_of(w.halted), splat(0.0f), c.most[side]);
        }
    }

    // Take the cascades of some assets through their rounds, side by side.
    void rounds(const int* assets, int n_running) {
        int running[MAX_ASSET];
        for (int i = 0; i < n_running; ++i) running[i] = assets[i];
        while (n_running) {
            int left = 0;
            for (int i = 0; i < n_running; ++i) {
                const bool more = next_round(s, cascade[running[i]]);
                if (replay) tell_round(cascade[running[i]]);
                if (more) running[left++] = running[i];
            }
            n_running = left;
        }
        if (replay) ++replay->answer;
    }

    // Where a round has brought books and marks, and what has been executed in the step up to it.
    __attribute__((noinline)) void tell_round(const Cascade& c) {
        const int32_t place[] = {now, c.asset, replay->answer, c.rounds};
        const vec moved = displacement(*c.book, c.q);
        RoundWriter out;
        out.n_venue = s.n_venue;
        out.put(c.fundamental);
        out.put(fma(splat(PERCENT), moved, splat(c.fundamental)));
        out.put(select(asset[c.asset].listed, marked_at(c, moved), splat(0.0f)));
        out.put(c.flow[LONG]);
        out.put(c.flow[SHORT]);
        out.put(c.extra);
        replay->take_round(replay->rounds, place, out.values);
    }

    vec finish_cascade(int a, const Cascade& c) {
        const Asset& x = asset[a];
        Market& m = market[a];
        Work& w = work[a];
        note(a, x, c);
        const vec moved = displacement(x.book, c.q);
        const vec mean = mean_displacement(x.book, w.start, moved);
        const float middle = 0.5f * (m.fundamental + c.fundamental);
        const vec fill = exponential(fma(splat(PERCENT), mean, splat(middle)));
        m.fundamental = c.fundamental;
        m.q = c.q;
        const vec price = fma(splat(PERCENT), moved, splat(c.fundamental));
        w.price = w.halted ? select(lanes_of(w.halted), w.price, price) : price;
        if (x.breakers) touch(m, w, c);
        if (outages.there) outages.add(c.flow[LONG] + c.flow[SHORT] + absolute(c.extra));
        w.lowest = -1e30f;  // unknown: the index is summed
        m.behind = false;
        for (int side = 0; side < 2; ++side)
            if (c.live[side]) execute(m, a, side, c, fill);
        near(x, m, c.live);
        if (vaults.there) hand_over(a, c, fill);
        return fill;
    }

    // What the vaults took over and unwound in the step.
    void hand_over(int a, const Cascade& c, vec fill) {
        vec bought = unwinding >> a & 1 ? flows.executed[flows.n_source][a] : splat(0.0f);
        for (int side = 0; side < 2; ++side)
            if (c.live[side] && c.taking.some) {
                const vec taken = c.taking.taken(side, c.flow[side]);
                bought = side == LONG ? bought + taken : bought - taken;
            }
        vaults.trade(a, bought, fill);
    }

    // Frontiers that passed nobody are executed as they stand.
    void pass(Market& m, int side) {
        for (int g = 0; g < s.n_group; ++g) m.executed[side][g] = m.frontier[side];
    }

    void near(const Asset& x, Market& m, const bool* live) {
        for (int side = 0; side < 2; ++side)
            if (live[side]) m.nearest[side] = lane_min(select(x.listed, m.frontier[side], splat(LARGEST)));
    }

    void note(int a, const Asset& x, const Cascade& c) {
        // Where all orders that woke it have to wait it is calm.
        if (work[a].woken && !above(c.flow[LONG] + c.flow[SHORT] + absolute(c.extra), 0.0f)) {
            count[CALM] += work[a].displaced;
        } else {
            ++count[ACTIVE];
            count[ROUNDS] += work[a].rounds;
        }
        const bool sold = above(c.flow[LONG], DUST), bought = above(c.flow[SHORT], DUST);
        count[MIXED] += sold && bought;
        if (!c.converged) {
            ++count[CUT];
            status |= UNCONVERGED;
        }
        if (x.book.any_limited)
            for (int side = 0; side < 2; ++side) {
                const vec ends = room(x.book, c.start_q, c.depth, side == LONG ? 1.0f : -1.0f);
                const vec space = c.taking.limit(side, ends);
                if (any((c.wanted[side] > space) & (c.flow[side] >= space))) status |= EXHAUSTED;
            }
        const float total = lane_sum(c.flow[LONG] + c.flow[SHORT] + absolute(c.extra)), first = work[a].first;
        if (first > 0.0f && total > MATERIAL * lane_sum(c.depth))
            record.branching[a] = maximum(1.0f - first / total, record.branching[a]);
    }

    // Advance the executed frontiers of one side by its flow and settle every slice at its fill.
    void execute(Market& m, int a, int side, const Cascade& c, vec fill) {
        const vec flowed = c.flow[side];
        const ivec late = c.wanted[side] > flowed;
        vec before[MAX_GROUP];
        for (int g = 0; g < s.n_group; ++g) {
            before[g] = m.executed[side][g];
            m.executed[side][g] = select(late, before[g], c.frontier[side]);
        }
        vec reached = c.frontier[side];
        m.frontier[side] = c.frontier[side];
        m.base[side] = select(late, m.base[side] + flowed, c.reached[side]);
        for (uint32_t rest = mask_bits(late); rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            float from[MAX_GROUP], after[MAX_GROUP];
            for (int g = 0; g < s.n_group; ++g) {
                from[g] = before[g][v];
                after[g] = c.frontier[side][v];
            }
            const float line = advance(s, a, side, v, from, alive(m, a, side, v), flowed[v], after,
                                       [&](float distance) { return whale_ahead(a, side, v, distance); });
            for (int g = 0; g < s.n_group; ++g) m.executed[side][g][v] = after[g];
            reached[v] = line;
            waiting[v] += c.wanted[side][v] - flowed[v];
            waiting_venues |= 1u << v;
            m.behind = true;
        }
        const vec dollars = flowed * fill;
        record.liquidated[a][side] += dollars;
        record.coins[a] += flowed;
        const float sum = lane_sum(dollars);
        flow += sum;
        record.sold_by[0] += c.taking.some ? lane_sum(c.taking.booked(side, flowed) * fill) : sum;
        const uint32_t flowing = above(flowed, 0.0f);
        count[FLUSHES] += __builtin_popcount(flowing);
        record.pending_venues |= flowing;
        Waiting seen;
        if (replay) see_waiting(a, flowing, seen);
        settle_slices(m, a, side, flowing, before, fill);
        if (crowded && crowds[a].some[side]) execute_whales(m, a, side, flowing, reached, fill);
        if (replay) tell_forced(a, side, flowing, seen);
    }

    // Notional of a whale beyond what it has executed, up to a distance.
    float whale_ahead(int a, int side, int v, float distance) const {
        if (!crowded || !crowds[a].some[side]) return 0.0f;
        const float before = crowds[a].executed[side][v];
        return crowds[a].lump(side, v, maximum(before, distance)) - crowds[a].lump(side, v, before);
    }

    void execute_whales(const Market& m, int a, int side, uint32_t flowing, vec reached, vec fill) {
        Crowd& c = crowds[a];
        for (uint32_t rest = flowing & above(c.size[side], 0.0f); rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            const float before = c.executed[side][v], after = maximum(before, (float)reached[v]);
            const float net = s.funding_cap ? fill[v] - m.paid[v] : fill[v];
            settle_whale(a, side, v, before, after, fill[v], net);
            c.executed[side][v] = after;
        }
    }
};
