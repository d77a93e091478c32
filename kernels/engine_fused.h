// One path from its first step to its row. The order of a step is that of engine_numpy.py.
#pragma once

class Engine : Selling {
   public:
    explicit Engine(const PackedScenario& scenario) : Selling(scenario) {}
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    uint32_t run(uint64_t seed, uint64_t path, float* row, int64_t* counters) {
        begin();
        draw = {seed, path};
        if (events.n_event) events.begin(draw);
        if (crowded) gather_crowds();
        for (int n = 0; n < s.n_step; ++n) {
            const int k = n % LANES;
            if (k == 0) {
                draw_returns(s, draw, n, memory, returns);
                if (s.process == JUMP_DIFFUSION) draw_jumps(s, draw, n, returns.besides);
            }
            flow = 0.0f;
            funds.begin_step(n, [this](int v) { return coin_price(v); });
            waiting_venues = 0;
            n_active = 0;
            now = n;
            if (flows.watching() && n) remember_returns();
            vaults.begin_step();
            unwinding = 0;
            joint = accounts.n_slot || flows.due(n) || vaults.open;
            if (outages.there) outages.decide(draw, n);
            const Today t = today(n, k);
            for (int a = 0; a < s.n_asset; ++a) step(t, a, n, k);
            if (joint)
                sell(n);
            else if (n_active)
                cascades();
            if (outages.there) outages.remember();
            vaults.remember(record);
            funds.forget_spent();
            if (record.pending_venues) settle(n);
            if (waiting_venues) backlogs();
            if (closings.open()) closings.look_back(n, [this](int a, int v) { return traded(a, v); });
            total += flow;
            cumulative.set(n + 1, total);
#if defined(TRACED)
            if (trace) take();
            if (replay) take_all();
#endif
        }
        count[ASSET_STEPS] = (int64_t)s.n_step * s.n_asset;
        for (int c = 0; c < N_COUNTER; ++c) counters[c] += count[c];
        return finish(row);
    }

    // Whether a list of the last path was too short, and its outcome is not to be used.
    bool lost() const { return closings.lost; }

#if defined(TRACED)
    float* trace = nullptr;  // where the cells of the next step go; null where nobody asks for them

    // Have the next path told in full.
    void tell(Replay* to) { replay = accounts.replay = to; }
#endif

   private:
#if defined(TRACED)
    // Keep what stands after a step.
    __attribute__((noinline)) void take() {
        TraceWriter out{trace, s.n_venue, s.n_tier};
        put_state(out);
        trace = out.cell;
    }

    void put_state(TraceWriter& out) {
        for (int a = 0; a < s.n_asset; ++a) out.put(market[a].exogenous);
        for (int a = 0; a < s.n_asset; ++a) out.put(price_of(a));
        for (int a = 0; a < s.n_asset; ++a)
            out.put(depth(asset[a].withdrawal, market[a].memory, splat(1.0f)));
        for (int a = 0; a < s.n_asset; ++a)
            for (int side = 0; side < 2; ++side) out.put(market[a].frontier[side]);
        for (int a = 0; a < s.n_asset; ++a)
            for (int side = 0; side < 2; ++side) out.put(record.liquidated[a][side]);
        for (int a = 0; a < s.n_asset; ++a) out.put(record.coins[a]);
        for (int a = 0; a < s.n_asset; ++a) out.put(record.deleveraged[a]);
        for (int a = 0; a < s.n_asset; ++a) out.put(record.exited[a]);
        for (int a = 0; a < s.n_asset; ++a)
            for (int v = 0; v < s.n_venue; ++v) out.put(a < funds.n_pot ? funds.worth[a][v] : 0.0f);
    }
    vec price_of(int a) const { return market[a].displaced ? market[a].price : splat(market[a].last); }

    // Keep all that a replay shows of a step. No step is skipped then, so the rules of all marks are at hand.
    __attribute__((noinline)) void take_all() {
        TraceWriter out{replay->cells, s.n_venue, s.n_tier};
        put_state(out);
        const vec zero = splat(0.0f);
        for (int a = 0; a < s.n_asset; ++a) out.put(market[a].fundamental);
        for (int a = 0; a < s.n_asset; ++a) out.put(lane_sum(price_of(a) * asset[a].index_weight));
        for (int a = 0; a < s.n_asset; ++a) {
            const vec marked =
                mark(work[a].marks, market[a].fundamental, displacement(asset[a].book, market[a].q));
            out.put(select(asset[a].listed, marked, zero));
        }
        for (int a = 0; a < s.n_asset; ++a) out.put(depth_now(asset[a], market[a], a, now));
        for (int a = 0; a < s.n_asset; ++a)
            for (int side = 0; side < 2; ++side) out.put(work[a].active ? cascade[a].flow[side] : zero);
        for (int a = 0; a < s.n_asset; ++a) out.put(work[a].active ? cascade[a].extra : zero);
        for (int a = 0; a < s.n_asset; ++a) out.put(fill_of(a));
        for (int a = 0; a < s.n_asset; ++a)
            for (int side = 0; side < 2; ++side) {
                const Cascade& c = cascade[a];
                out.put(work[a].active ? maximum(c.wanted[side] - c.flow[side], zero) : zero);
            }
        for (int v = 0; v < s.n_venue; ++v)
            out.put(accounts.n_slot && accounts.behind ? accounts.waiting(v) : 0.0f);
        for (int a = 0; a < s.n_asset; ++a)
            for (int side = 0; side < 2; ++side)
                for (int v = 0; v < s.n_venue; ++v)
                    out.put_tiers(load_tiers(tiers_of(replay, s, a, side, v)));
        for (int v = 0; v < s.n_venue; ++v) out.put_tiers(record.adl_notional[v]);
        for (int c = 0; c < N_COMPONENT; ++c)
            for (int v = 0; v < s.n_venue; ++v)
                out.put_tiers(c == TOTAL ? record.loss[MARGIN_LOST][v] + record.loss[DEFICIT][v]
                                         : record.loss[c][v]);
        for (int v = 0; v < s.n_venue; ++v) {
            float owed = 0.0f;
            for (int p = 0; funds.special && p < funds.n_pot; ++p) owed += tier_sum(funds.owed[p][v]);
            out.put(owed);
        }
        for (int v = 0; v < s.n_venue; ++v) out.put(vaults.there ? vaults.size(v) : 0.0f);
        for (int c = 0; c < N_CHANNEL; ++c) out.put(record.sold_by[c]);
        for (int a = 0; a < s.n_asset; ++a) out.put_bits(work[a].halted);
        out.put_bits(outages.down);
        for (int a = 0; a < s.n_asset; ++a) out.put_bits(funds.deleveraging(a) & mask_bits(asset[a].listed));
        replay->cells = out.cell;
        replay->answer = 0;
    }

    // Price at which a step's orders filled, relative to the start; zero where there were none.
    vec fill_of(int a) const {
        const vec zero = splat(0.0f);
        if (!work[a].active) return zero;
        const Cascade& c = cascade[a];
        const vec mean = mean_displacement(asset[a].book, work[a].start, displacement(asset[a].book, c.q));
        const float middle = 0.5f * (c.start_fundamental + c.fundamental);
        const vec fill = exponential(fma(splat(PERCENT), mean, splat(middle)));
        return select(c.flow[LONG] + c.flow[SHORT] + absolute(c.extra) > 0.0f, fill, zero);
    }
#endif

    void begin() {
        std::memset(&record, 0, sizeof record);
        std::memset(count, 0, sizeof count);
        closings.begin();
        for (int a = 0; a < s.n_asset; ++a) {
            Market& m = market[a];
            // Lanes without a venue must read as empty everywhere; `survival` is set where tiers are thinned.
            std::memset(&m, 0, offsetof(Market, survival));
            m.memory = load(s.calm_memory, a);
            market[a].rules_last = work[a].marks.based = false;
            work[a].watched_by = -1.0f;
            std::memset(work[a].marks.far, 0, sizeof work[a].marks.far);
            work[a].marks.some_far = work[a].marks.plain = false;
            for (int side = 0; side < 2; ++side) m.bins[side] = no_bins(s.n_venue);
        }
        funds.begin();
        accounts.begin();
        outages.begin();
        flows.begin();
        vaults.begin();
        status = 0;
        std::memset(waiting, 0, sizeof waiting);
        total = 0.0f;
        cumulative.set(0, total);
    }

    // Who of the tables is there on this path.
    void gather_crowds() {
        std::memset(crowds, 0, sizeof crowds);
        const vec one = splat(1.0f), factor = s.leverage_own ? leverage_factor(s, draw) : one;
        for (int a = 0; a < s.n_asset; ++a)
            for (int side = 0; side < 2; ++side) {
                Crowd& c = crowds[a];
                c.whole[side] = one;
                c.scale[side] = s.leverage_own ? minimum(factor, load(s.leverage_most, a * 2 + side)) : one;
                if (s.whale_chance) draw_whales(s, draw, a, side, c.scale[side], c);
            }
    }

    // What the assets of one step share.
    struct Today {
        const float *volatility, *shock;  // in force, by asset
        float scale;                      // of all deviations
        bool varying, jumping;            // returns of their own scale; returns besides
        bool ruled;                       // marks or markets may stand still
    };

    Today today(int n, int k) {
        return {events.volatility(n, overlay_volatility(s, n)),
                events.shock(n, overlay_shock(s, n)),
                returns.deviation[k],
                s.process >= REGIME_SWITCHING,
                s.process == JUMP_DIFFUSION || s.process == REGIME_SWITCHING,
                s.halt_row || s.feed_row};
    }

    __attribute__((always_inline)) void step(const Today& t, int a, int n, int k) {
        const Asset& x = asset[a];
        Market& m = market[a];
        float deviation = x.volatility * t.volatility[a] * t.scale;
        if (t.varying) deviation *= returns.own[a][k];
        float move = fma(deviation, returns.move[a][k], x.drift);
        if (t.jumping) move += returns.besides[a][k];
        move += t.shock[a];
        m.exogenous += move;
        m.fundamental += move;
        record.exogenous_trough[a] = minimum(m.exogenous, record.exogenous_trough[a]);
        const float monitoring = x.monitoring * deviation;
        if (s.margin_raise_row) raise_margins(m, a);

        const float down = monitoring + m.charge_most[LONG] - m.fundamental;
        const float up = monitoring + m.charge_most[SHORT] + m.fundamental;
        uint32_t closed = 0, stale = 0, late = 0;
        bool still = true;
        if (t.ruled) {
            closed = closed_markets(s, n, a);
            stale = stale_feeds(s, n, a);
            if (lags) late = late_feeds(s, n, a);
            still = !x.breakers && !(closed | stale | late) && !feed_error(s, n, a);
        }
        if (s.gate && still && !m.displaced && !m.behind && !m.restless && down <= m.nearest[LONG] &&
            up <= m.nearest[SHORT]) {
            rest(x, m, a, monitoring);
            return;
        }
        const uint32_t listed = mask_bits(x.listed);
        disturbed(x, m, a, n, monitoring, closed & listed, stale & listed, late);
    }

    // A step in which nobody can trigger and every book is at rest.
    __attribute__((always_inline)) void rest(const Asset& x, Market& m, int a, float monitoring) {
        m.frozen = 0;
        if (joint) {  // may be woken yet
            Work& w = work[a];
            w.resting = true;
            w.monitoring = w.watched_most = monitoring;
            w.lowest = w.highest = m.fundamental;
            w.halted = w.frozen = 0;
            w.displaced = w.active = market[a].rules_last = false;
            return;
        }
        stay(x, m, a);
    }

    // Maintenance rates in force, on top of the funding paid so far.
    void raise_margins(Market& m, int a) {
        for (int side = 0; side < 2; ++side) {
            m.charge[side] = overlay_margin(s, now, a, side);
            if (s.funding_cap) m.charge[side] = m.charge[side] + m.due[side];
            m.charge_most[side] = lane_max(m.charge[side]);
        }
    }

    __attribute__((noinline)) void disturbed(const Asset& x, Market& m, int a, int n, float monitoring,
                                             uint32_t closed, uint32_t stale, uint32_t late) {
        const vec zero = splat(0.0f);
        const bool was_displaced = m.displaced;
        const vec depths = depth_now(x, m, a, n);
        vec q = refill(x.book, m.q);
        Work& w = work[a];
        w.halted = closed;
        if (x.breakers) {
            const vec price = fma(splat(PERCENT), displacement(x.book, q), splat(m.fundamental));
            w.halted |= tripped(s, m.breakers, price, n, a) & mask_bits(x.listed);
        }
        const uint32_t frozen = w.halted | stale, out = w.halted | outages.down;
        const bool displaced = above(absolute(q), 0.0f) != 0;
        if (displaced && !out) {
            q = arbitrage(x.book, q, depths, x.listed, x.arbitrage);
        } else if (displaced) {
            const ivec apart = lanes_of(out);
            const vec held = select(apart, zero, q), deep = select(apart, zero, depths);
            q = select(apart, q, arbitrage(x.book, held, deep, x.listed & ~apart, x.arbitrage));
        }
        const vec start = displacement(x.book, q);
        w.start = start;
        vec shown = start;
        w.price = fma(splat(PERCENT), start, splat(m.fundamental));
        if (w.halted) {
            w.price = select(lanes_of(w.halted), was_displaced ? m.price : splat(m.last), w.price);
            shown = select(lanes_of(w.halted), (w.price - m.fundamental) * 100.0f, start);
        }
        const float lowest = fma(PERCENT, lane_min(shown), m.fundamental);
        const float highest = fma(PERCENT, lane_max(shown), m.fundamental);
        w.was_displaced = was_displaced;
        w.displaced = displaced;
        w.lowest = lowest;
        w.highest = highest;
        w.active = false;
        w.resting = false;
        w.frozen = frozen;
        set_bounds(w, m, monitoring);
        const float* error = feed_error(s, n, a);
        if (w.marks.plain && x.marking.simple && !(frozen | out | late) && !error) {
            m.frozen = 0;  // the mean of all sources, as in the step before
        } else {
            freeze_marks(x, m, shown, a, error, stale | late);
            if (late) show_late(w, a, n, late);
            hold_marks(m, w, frozen, frozen & ~m.frozen ? displacement(x.book, m.q) : zero);
        }
        m.q = q;
        // Marks lie among prices, give or take the bounds: where neither extreme could trigger anybody, no
        // mark can.
        if (s.gate && !m.behind && w.most[LONG] - w.lowest <= m.nearest[LONG] - ROUNDING &&
            w.most[SHORT] + w.highest <= m.nearest[SHORT] - ROUNDING) {
            calm(x, m, a);
            return;
        }
        const vec marked = mark(w.marks, m.fundamental, start);
        const ivec alive = frozen ? x.listed & ~lanes_of(frozen) : x.listed;
        const vec fall = select(alive, offset(w, m, LONG) - marked, zero);
        const vec rise = select(alive, offset(w, m, SHORT) + marked, zero);
        const bool longs = above(fall, m.frontier[LONG]), shorts = above(rise, m.frontier[SHORT]);
        m.frontier[LONG] = maximum(fall, m.frontier[LONG]);
        m.frontier[SHORT] = maximum(rise, m.frontier[SHORT]);

        if (funds.any_on && (longs || shorts || m.behind)) deleverage_asset(m, a, marked);

        if (longs || shorts || m.behind) {
            Cascade& c = cascade[a];
            prepare(x, m, a, depths, longs || m.behind, shorts || m.behind, c);
            if (open_cascade(s, c)) {
                activate(a);
                return;
            }
            for (int side = 0; side < 2; ++side)
                if (c.live[side]) pass(m, side);
            m.behind = false;
            near(x, m, c.live);
        }
        calm(x, m, a);
    }

    // Frozen flows that answer returns or prices see those of the step before.
    void remember_returns() {
        float index[MAX_ASSET];
        for (int a = 0; a < s.n_asset; ++a) {
            const Market& m = market[a];
            index[a] = m.displaced ? lane_sum(m.price * asset[a].index_weight) : m.last;
        }
        flows.remember(index);
    }

    // Book what the slices of the step lost, and pay for its deficits, down the waterfall.
    void settle(int n) {
        const float minutes = (float)(n + 1) * s.step_minutes;
        for (uint32_t rest = record.pending_venues; rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            const bool split = funds.split >> v & 1;
            if (split && record.common_venues >> v & 1) spread(v);
            const int count = split ? s.n_asset : 1;
            tiers owed[MAX_ASSET];
            for (int p = 0; p < count; ++p)
                if (!split)
                    owed[p] = draw_fund(p, v, record.pending[v], record.gain[v]);
                else if (waiting_pots[v] >> p & 1)
                    owed[p] = draw_fund(p, v, pots[p].pending[v], pots[p].gain[v]);
                else
                    owed[p] = tsplat(0.0f);
            waiting_pots[v] = 0;
            funds.clear(record, v, owed, count, minutes);
            for (int p = 0; p < count; ++p)
                if (tier_sum(owed[p]) > 0.0f) funds.excess(record, p, v, owed[p], winners_profits());
        }
        record.pending_venues = record.common_venues = 0;
    }

    // Deficits of a pot's part of the step that its fund does not pay.
    tiers draw_fund(int p, int v, Pending pending, ByVenue<quad>::Entry gain) {
        const tiers deficits = book_pending(record, v, pending);
        const tiers rest = funds.draw(record, p, v, deficits, quad_sum(gain));
        gain = qsplat(0.0f);
        return rest;
    }

    // What belongs to no single market is spread over a venue's funds.
    void spread(int v) {
        for (int p = 0; p < s.n_asset; ++p) {
            const float share = funds.share(p, v);
            for (int t = 0; t < s.n_tier; ++t) pots[p].pending[v][t] += share * (quad)record.pending[v][t];
            pots[p].gain[v] += share * (quad)record.gain[v];
        }
        for (int t = 0; t < MAX_TIER; ++t) record.pending[v][t] = qsplat(0.0f);
        record.gain[v] = qsplat(0.0f);
        waiting_pots[v] = (1u << s.n_asset) - 1;
    }

    void backlogs() {
        float total = 0.0f;
        for (uint32_t rest = waiting_venues; rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            record.backlog[v] = maximum(waiting[v], record.backlog[v]);
            total += waiting[v];
            waiting[v] = 0.0f;
        }
        record.backlog_total = maximum(total, record.backlog_total);
    }

    uint32_t finish(float* row) {
        funds.end(record, winners_profits());
        vaults.end(record, [this](int a, int v) { return traded(a, v); });
        float balance[LANES], lowest[LANES];
        for (int v = 0; v < s.n_venue; ++v) balance[v] = funds.balance(v, lowest[v]);
        status |= check(s, record, balance, lowest, total);
        float sum = total;
        for (int a = 0; a < s.n_asset; ++a) sum += lane_sum(market[a].price) + market[a].fundamental;
        if (!(sum - sum == 0.0f)) status |= NOT_FINITE;
        write_row(s, record, closings, crowded ? crowds : nullptr, cumulative, row);
        return status;
    }
};
