// One path from its first step to its row. The order of a step is that of engine_numpy.py.
#pragma once

class Engine : Settlement {
   public:
    explicit Engine(const PackedScenario& scenario)
        : Settlement(scenario),
          accounts(scenario),
          events(scenario),
          outages(scenario),
          closings(scenario),
          flows(scenario),
          vaults(scenario),
          lags(longest_lag(scenario)),
          cumulative(scenario.n_step + 1) {
        if (lags) past.make(lags * s.n_asset);
        for (int a = 0; a < s.n_asset; ++a) {
            Asset& x = asset[a];
            x.listed = load_integers(s.listed, a) != 0;
            x.book = make_book(s, a, x.listed);
            x.withdrawal = make_withdrawal(s, a);
            make_marking(s, a, x.marking);
            x.breakers = has_breakers(s, a);
            x.index_weight = load(s.index_weight, a);
            x.throughput = load(s.throughput, a);
            x.arbitrage = s.arbitrage[a];
            x.permanent = s.permanent[a];
            x.drift = s.drift[a];
            x.volatility = s.volatility[a];
            x.monitoring = s.monitoring[a];
            x.open = s.funding_cap ? load(s.funding_open_interest, a) : splat(0.0f);
        }
    }
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
        }
        count[ASSET_STEPS] = (int64_t)s.n_step * s.n_asset;
        for (int c = 0; c < N_COUNTER; ++c) counters[c] += count[c];
        return finish(row);
    }

    // Whether a list of the last path was too short, and its outcome is not to be used.
    bool lost() const { return closings.lost; }

   private:
    Asset asset[MAX_ASSET];
    Market market[MAX_ASSET];
    Cascade cascade[MAX_ASSET];
    Work work[MAX_ASSET];
    int active[MAX_ASSET], n_active;  // assets with a cascade
    Accounts accounts;
    Events events;
    Outages outages;
    int now;
    Draw draw;
    Closings closings;
    Flows flows;
    Vaults vaults;
    uint32_t unwinding;  // assets in which vaults sell in the step
    bool
        joint;  // assets wait for each other within the step: accounts, frozen flows or vaults may touch them
    const int lags;             // most steps by which a feed is behind
    Rooms<vec, MAX_PAST> past;  // marks at the ends of the last steps, by asset
    Returns returns;
    Memory memory;
    float waiting[LANES];
    Strip<float, MAX_STEP + 1> cumulative;  // dollars forced up to each step
    float total;
    float flow;  // dollars forced in the step
    uint32_t waiting_venues, status;
    int64_t count[N_COUNTER];

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

    // Index price of the coin that a venue's fund is held in.
    float coin_price(int v) const {
        const int a = s.waterfall_coin[v];
        const Market& m = market[a];
        return exponential(lane_sum((m.displaced ? m.price : splat(m.last)) * asset[a].index_weight));
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

    // Last traded price of a market; markets at rest have one price.
    float traded(int a, int v) const {
        const Market& m = market[a];
        return exponential(m.displaced ? (float)m.price[v] : m.last);
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

    // The rest of such a step.
    __attribute__((always_inline)) void stay(const Asset& x, Market& m, int a) {
        market[a].rules_last = false;
        const float move = m.fundamental - m.last;
        m.memory = remember(x.withdrawal, m.memory, splat(move));
        m.last = m.fundamental;
        if (s.funding_cap) pay(x, m, a, splat(m.fundamental), splat(0.0f));
        if (lags) past[now % lags * s.n_asset + a] = splat(m.fundamental);
        trough(x, a, splat(m.fundamental), m.fundamental);
    }

    // An asset at rest that somebody looks at after all.
    void rouse(int a) {
        Work& w = work[a];
        if (!w.resting) return;
        const Market& m = market[a];
        w.resting = w.was_displaced = false;
        w.start = splat(0.0f);
        w.price = splat(m.fundamental);
        set_bounds(w, m, w.monitoring);
        freeze_marks(asset[a], m, w.start, a, nullptr, 0);
    }

    void set_bounds(Work& w, const Market& m, float monitoring) {
        w.monitoring = w.watched_most = monitoring;
        for (int side = 0; side < 2; ++side) w.most[side] = m.charge_most[side] + monitoring;
    }

    // Distance added to the marks, for accounts; a mark that stands still is not watched.
    vec watched(const Work& w) const {
        const vec all = splat(w.monitoring);
        return w.frozen ? select(lanes_of(w.frozen), splat(0.0f), all) : all;
    }

    // Show accounts an asset's marks, and where prices go between two looks.
    void show(int a, vec marks) {
        Work& w = work[a];
        if (w.monitoring != w.watched_by) {
            w.watched_by = w.monitoring;
            w.watched_fall = exponential(0.0f - w.monitoring);
            w.watched_rise = exponential(w.monitoring);
        }
        const vec one = splat(1.0f);
        vec fall = splat(w.watched_fall), rise = splat(w.watched_rise);
        if (w.frozen) {
            const ivec frozen = lanes_of(w.frozen);
            fall = select(frozen, one, fall);
            rise = select(frozen, one, rise);
        }
        accounts.hold(a, marks, fall, rise);
    }

    // The same for isolated positions of one side.
    vec offset(const Work& w, const Market& m, int side) const { return m.charge[side] + watched(w); }

    // Depth in force.
    vec depth_now(const Asset& x, const Market& m, int a, int n) const {
        const vec full = depth(x.withdrawal, m.memory, events.depth(n, a, overlay_depth(s, n, a)));
        return outages.there ? full * outages.depth : full;
    }

    // Maintenance rates in force, on top of the funding paid so far.
    void raise_margins(Market& m, int a) {
        for (int side = 0; side < 2; ++side) {
            m.charge[side] = overlay_margin(s, now, a, side);
            if (s.funding_cap) m.charge[side] = m.charge[side] + m.due[side];
            m.charge_most[side] = lane_max(m.charge[side]);
        }
    }

    // Funding of the step, on what is still open at its end.
    void pay(const Asset& x, Market& m, int a, vec price, vec displaced) {
        const vec due = funding_accrual(s, a, now, displaced, price, events.rate(now, a)), zero = splat(0.0f);
        const vec psi = load(s.closing_share, 0);
        const vec gone = record.deleveraged[a];
        const vec held = maximum(x.open - fma(psi, record.coins[a] - gone, gone), zero);
        record.funding[LONG] += maximum(due, zero) * held;
        record.funding[SHORT] += maximum(zero - due, zero) * held;
        m.paid = m.paid + due;
        const vec share = m.share = m.paid / exponential(price);
        for (int side = 0; side < 2; ++side) {
            m.due[side] = m.charge[side] = funding_charge(s, a, side, share);
            m.charge_most[side] = lane_max(m.charge[side]);
        }
    }

    // Rules of the step's marks, from the prices of round 0.
    void freeze_marks(const Asset& x, const Market& m, vec shown, int a, const float* error, uint32_t stale) {
        Work& w = work[a];
        const float widest = (w.highest - w.lowest) * 100.0f;
        const uint32_t out = w.halted | outages.down;
        const bool spread = widest > x.marking.narrowest && apart(x.marking, shown);
        const bool simple = !error && !stale;
        // What a step leaves out and what stands still is, as a rule, what the step before did.
        const bool near_same = same_far(x.marking, shown, out, spread, s.n_venue, w.marks);
        const bool same = near_same && market[a].rules_last && w.rules_spread == spread &&
                          w.rules_halted == w.halted && w.rules_out == out;
        const bool stands = same && simple && w.rules_simple;
        if (stands && !x.marking.medians) return;
        market[a].rules_last = true;
        w.rules_spread = spread;
        w.rules_simple = simple;
        w.rules_halted = w.halted;
        w.rules_out = out;
        if (stands)
            follow_basis(x.marking, m.basis, w.marks);
        else
            freeze(x.marking, m.basis, w.price, w.halted, out, error, s.n_asset, stale != 0, spread, same,
                   s.n_venue, w.marks);
        if (w.marks.plain) return;
        float off = lane_max(absolute(w.marks.first.error));
        if (error && w.marks.medians)
            off =
                maximum(lane_max(maximum(absolute(w.marks.own.error), absolute(w.marks.second.error))), off);
        w.watched_most += off;
        for (int side = 0; side < 2; ++side) w.most[side] += off;
    }

    // Marks of late feeds are those of an earlier step; before the start, those of the start.
    void show_late(Work& w, int a, int n, uint32_t late) {
        const ivec lag = load_integers(s.feed_lag, s.feed_row[n] * s.n_asset + a);
        w.marks.late = lanes_of(late);
        for (uint32_t rest = late; rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest), from = n - lag[v];
            const float mark = from < 0 ? 0.0f : (float)past[from % lags * s.n_asset + a][v];
            set_lane(w.marks.shown, v, mark);
            w.lowest = minimum(mark, w.lowest);
            w.highest = maximum(mark, w.highest);
        }
    }

    // What late feeds will show of a step.
    void remember_marks(const Asset& x, const Market& m, Work& w, int a) {
        const ivec late = w.marks.late;
        w.marks.late = isplat(0);
        past[now % lags * s.n_asset + a] = mark(w.marks, m.fundamental, displacement(x.book, m.q));
        w.marks.late = late;
    }

    // Marks of halted markets and of stale feeds stand where they stood at the end of the step before.
    void hold_marks(Market& m, Work& w, uint32_t frozen, vec before) {
        if (frozen) {
            if (frozen & ~m.frozen) {
                const vec now = mark(w.marks, m.last, before);
                m.held = select(lanes_of(m.frozen), m.held, now);
            }
            w.marks.frozen = lanes_of(frozen);
            w.marks.held = m.held;
        }
        m.frozen = frozen;
    }

    // Lowest prices, and highest where somebody asks for them. `lowest`: at most the lowest price, so that an
    // index that cannot be a new low is not even summed.
    void trough(const Asset& x, int a, vec price, float lowest) {
        record.trough[a] = minimum(price, record.trough[a]);
        if (s.cover_account) record.peak[a] = maximum(price, record.peak[a]);
        if (lowest - ROUNDING > record.index_trough[a]) return;
        record.index_trough[a] = minimum(lane_sum(price * x.index_weight), record.index_trough[a]);
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

    void activate(int a) {
        Work& w = work[a];
        w.active = true;
        w.woken = false;
        w.first = 0.0f;
        w.rounds = 0;
        active[n_active++] = a;
    }

    // Nobody triggers in this asset: its step is over, unless others may still touch it.
    void calm(const Asset& x, Market& m, int a) {
        if (!joint) close(x, m, a);
    }

    // Memory and troughs after the step.
    void close(const Asset& x, Market& m, int a) {
        Work& w = work[a];
        if (w.displaced && !w.active) ++count[CALM];
        const vec last = w.was_displaced ? m.price : splat(m.last);
        m.memory = remember(x.withdrawal, m.memory, w.price - last);
        if (!w.marks.plain && w.marks.medians) {
            m.basis = remember_basis(x.marking, w.marks, m.basis, m.fundamental, w.price);
            m.restless = above(absolute(m.basis), 0.0f) != 0;
        }
        if (lags) remember_marks(x, m, w, a);
        m.price = w.price;
        m.last = m.fundamental;
        m.displaced = w.halted || above(absolute(m.q), 0.0f) != 0;
        if (x.breakers) remember_prices(s, m.breakers, w.price, lanes_of(w.halted), a);
        if (s.funding_cap)
            pay(x, m, a, w.price, w.halted ? (w.price - m.fundamental) * 100.0f : displacement(x.book, m.q));
        trough(x, a, w.price, w.lowest);
    }

    void prepare(const Asset& x, Market& m, int a, vec depths, bool longs, bool shorts, Cascade& c) {
        c.asset = a;
        c.book = &x.book;
        c.marks = &work[a].marks;
        c.start_fundamental = m.fundamental;
        c.permanent = x.permanent;
        c.offset[LONG] = offset(work[a], m, LONG);
        c.offset[SHORT] = offset(work[a], m, SHORT);
        c.extra = splat(0.0f);
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

    // What vaults take of a cascade, and what executes with their help.
    void take_over(int a, Cascade& c) {
        c.taking = vaults.taking(a);
        if (vaults.choosy && c.taking.some) take_over_below(a, c);
        for (int side = 0; side < 2; ++side) c.limit[side] = c.taking.limit(side, c.most[side]);
    }

    // Where a vault has a threshold: only positions that are past it at the marks of round 0.
    void take_over_below(int a, Cascade& c) {
        const Market& m = market[a];
        const Work& w = work[a];
        const vec zero = splat(0.0f), marked = mark(w.marks, m.fundamental, w.start);
        Taking& t = c.taking;
        for (int side = 0; side < 2; ++side) {
            const vec gap = load(s.vault_gap, a * 2 + side);
            vec reached = side == LONG ? m.charge[LONG] - marked : m.charge[SHORT] + marked;
            if (w.frozen) reached = select(lanes_of(w.frozen), zero, reached);
            Bins bins = no_bins(s.n_venue);
            const vec far = forced_up_to(s, c, side, maximum(reached - gap, zero), bins);
            const vec below = t.take * maximum(far - c.base[side], zero);
            t.space[side] = select(gap < 0.0f, t.space[side], minimum(below, t.space[side]));
        }
        t.some = above(t.take * (t.space[LONG] + t.space[SHORT]), 0.0f) != 0;
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

    // The cascades of a step, their fills and losses.
    void cascades() {
        rounds(active, n_active);
        for (int i = 0; i < n_active; ++i) {
            const int a = active[i];
            Cascade& c = cascade[a];
            work[a].first = c.first;
            work[a].rounds = c.rounds;
            finish_cascade(a, c);
            close(asset[a], market[a], a);
        }
    }

    // Take the cascades of some assets through their rounds, side by side.
    void rounds(const int* assets, int n_running) {
        int running[MAX_ASSET];
        for (int i = 0; i < n_running; ++i) running[i] = assets[i];
        while (n_running) {
            int left = 0;
            for (int i = 0; i < n_running; ++i)
                if (next_round(s, cascade[running[i]])) running[left++] = running[i];
            n_running = left;
        }
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

    // The selling of a step with accounts or frozen flows in it; same order as selling_numpy.py.
    void sell(int n) {
        Bound bound;
        for (int a = 0; a < s.n_asset; ++a) bound_marks(a, work[a].lowest, work[a].highest, bound);
        accounts.open();
        accounts.raise_margins(n);
        if (accounts.owing) owe();
        const uint32_t every = (1u << s.n_asset) - 1;
        const bool quiet = s.gate && accounts.quiet(bound.low, bound.high);
        const bool held = !quiet && (funds.together & accounts.venues);
        if (held) deleverage_accounts();
        if (vaults.open) settle_vaults();
        uint32_t changed = send(n);
        const uint32_t sent = changed;
        if (accounts.choosy && (n_active || !quiet)) decide();
        for (int i = 0; i < n_active; ++i) changed |= 1u << active[i];
        bool looked = !quiet;
        if (looked) changed |= answer(n, held ? 0 : every, true);
        for (int number = 0; changed; ++number) {
            int assets[MAX_ASSET], n_asset = 0;
            for (uint32_t rest = changed; rest; rest &= rest - 1) assets[n_asset++] = __builtin_ctz(rest);
            for (int i = 0; i < n_asset; ++i) restart(assets[i], number == 0);
            rounds(assets, n_asset);
            for (int i = 0; i < n_asset; ++i) {
                Work& w = work[assets[i]];
                const Cascade& c = cascade[assets[i]];
                w.rounds += c.rounds;
                if (number == 0) w.first = c.first + lane_sum(absolute(c.extra));
            }
            if (!accounts.n_slot) break;
            if (number + 1 == MAX_PASS) {
                status |= UNANSWERED;
                break;
            }
            if (!looked) {  // none of them has been looked at yet
                if (s.gate && still_quiet(changed, bound)) break;
                changed = every;
                looked = true;
            }
            changed = answer(n, changed, false);
        }
        vec fill[MAX_ASSET], price[MAX_ASSET];
        for (int i = 0; i < n_active; ++i) fill[active[i]] = finish_cascade(active[i], cascade[active[i]]);
        note_flows(sent, fill);
        if (accounts.sold) {
            for (int a = 0; a < s.n_asset; ++a) {
                rouse(a);
                price[a] = exponential(work[a].price);
                if (!work[a].active) fill[a] = price[a];
            }
            flow += accounts.settle(record, fill, price);
            if (accounts.exhausted) status |= EXHAUSTED;
        } else if (looked) {
            accounts.pass();
        }
        if (accounts.behind)
            for (int v = 0; v < s.n_venue; ++v)
                if (const float more = accounts.waiting(v); more > 0.0f) {
                    waiting[v] += more;
                    waiting_venues |= 1u << v;
                }
        for (int a = 0; a < s.n_asset; ++a)
            if (work[a].resting)
                stay(asset[a], market[a], a);
            else
                close(asset[a], market[a], a);
    }

    // Funding that accounts owe by now.
    void owe() {
        vec paid[MAX_ASSET], share[MAX_ASSET];
        for (int a = 0; a < s.n_asset; ++a) {
            paid[a] = market[a].paid;
            share[a] = market[a].share;
        }
        accounts.owe(paid, share);
    }

    // Bounds of log marks and of what is watched around them, by asset.
    struct Bound {
        float low[MAX_ASSET], high[MAX_ASSET];
    };

    void bound_marks(int a, float lowest, float highest, Bound& b) const {
        const Market& m = market[a];
        b.low[a] = lowest - work[a].watched_most;
        b.high[a] = highest + work[a].watched_most;
        if (!m.frozen) return;
        // Marks that stand still may lie beyond the prices.
        const ivec frozen = lanes_of(m.frozen);
        b.low[a] = minimum(lane_min(select(frozen, m.held, splat(1e30f))), b.low[a]);
        b.high[a] = maximum(lane_max(select(frozen, m.held, splat(-1e30f))), b.high[a]);
    }

    // Whether accounts that were quiet before the cascades of some assets are so after them.
    bool still_quiet(uint32_t changed, Bound& b) {
        for (; changed; changed &= changed - 1) {
            const int a = __builtin_ctz(changed);
            const Cascade& c = cascade[a];
            const vec moved = displacement(asset[a].book, c.q);
            const float low = fma(PERCENT, lane_min(moved), c.fundamental);
            const float high = fma(PERCENT, lane_max(moved), c.fundamental);
            // Halted markets stand where they stood.
            bound_marks(a, minimum(low, work[a].lowest), maximum(high, work[a].highest), b);
        }
        return accounts.quiet(b.low, b.high);
    }

    // Who of the accounts sells in this step, from marks and prices before its selling.
    void decide() {
        vec marks[MAX_ASSET], prices[MAX_ASSET];
        for (int a = 0; a < s.n_asset; ++a) {
            rouse(a);
            marks[a] = mark(work[a].marks, market[a].fundamental, work[a].start);
            prices[a] = work[a].price;
        }
        accounts.decide(marks, prices);
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

    // Frozen flows go first, as far as books and engines take them; returns the assets that they touch.
    uint32_t send(int n) {
        if (!flows.due(n) && !vaults.holding) return 0;
        for (uint32_t rest = vaults.holding; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            const vec zero = splat(0.0f);
            vec order = select(lanes_of(work[a].halted), zero, vaults.order(a));
            if (outages.there) order = select(outages.throughput > 0.0f, order, zero);
            flows.unwind(a, order);
            if (above(absolute(order), 0.0f)) unwinding |= 1u << a;
        }
        const uint32_t touched = flows.decide(n) | unwinding;
        for (uint32_t rest = touched; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            wake(a, n);
            Cascade& c = cascade[a];
            if (asset[a].book.any_limited)
                for (int side = 0; side < 2; ++side) {
                    const vec space = room(asset[a].book, c.start_q, c.depth, side == LONG ? 1.0f : -1.0f);
                    if (above(flows.sent(a, side), space)) status |= EXHAUSTED;
                }
            c.extra = flows.execute(a, c.most);
        }
        return touched;
    }

    void note_flows(uint32_t touched, const vec* fill) {
        for (; touched; touched &= touched - 1) {
            const int a = __builtin_ctz(touched);
            for (int i = 0; i < flows.n_source; ++i)
                record.sold_by[s.flow_channel[i]] += lane_sum(absolute(flows.executed[i][a]) * fill[a]);
            if (unwinding >> a & 1)
                record.sold_by[VAULT_CHANNEL] +=
                    lane_sum(absolute(flows.executed[flows.n_source][a]) * fill[a]);
        }
    }

    // Let a cascade run again from where it stands, or for the first time, with the accounts' purchases.
    void restart(int a, bool opening) {
        Cascade& c = cascade[a];
        if (opening && !above(absolute(c.extra), 0.0f)) return;
        const vec zero = splat(0.0f);
        c.limit[LONG] = c.taking.limit(LONG, maximum(c.most[LONG] - maximum(zero - c.extra, zero), zero));
        c.limit[SHORT] = c.taking.limit(SHORT, maximum(c.most[SHORT] - maximum(c.extra, zero), zero));
        c.live[LONG] |= above(zero, c.extra) != 0;  // the other side cannot be triggered by these orders
        c.live[SHORT] |= above(c.extra, zero) != 0;
        if (opening)
            open_cascade(s, c);
        else
            reopen_cascade(s, c);
    }

    // What accounts sell at the marks at hand; returns the assets that they touch.
    uint32_t answer(int n, uint32_t changed, bool opening) {
        for (uint32_t rest = changed; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            rouse(a);
            const Asset& x = asset[a];
            const Work& w = work[a];
            const Cascade& c = cascade[a];
            const bool moved = w.active && !opening;
            const vec marked = moved ? mark(w.marks, c.fundamental, displacement(x.book, c.q))
                                     : mark(w.marks, market[a].fundamental, w.start);
            show(a, exponential(marked));
        }
        accounts.look(changed);
        vec fresh[MAX_SLOT], sent[MAX_ASSET][2];
        if (!accounts.wanted(fresh)) return 0;
        accounts.orders(fresh, sent);
        if (!opening && !matters(sent, n)) return 0;  // too little to matter is left to the next step
        const int n_before = n_active;
        uint32_t touched = 0;
        for (int a = 0; a < s.n_asset; ++a)
            if (above(sent[a][LONG] + sent[a][SHORT], 0.0f)) {
                touched |= 1u << a;
                wake(a, n);
            }
        if (scarce(touched, fresh, sent)) {
            accounts.orders(fresh, sent);
            if (!opening && !matters(sent, n)) {
                // Who was woken for nothing has no rounds to come.
                while (n_active > n_before) work[active[--n_active]].active = false;
                return 0;
            }
        }
        accounts.add(fresh);
        for (uint32_t rest = touched; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            cascade[a].extra = cascade[a].extra + (sent[a][SHORT] - sent[a][LONG]);
        }
        return touched;
    }

    bool matters(const vec (*sent)[2], int n) {
        for (int a = 0; a < s.n_asset; ++a) {
            const vec all = sent[a][LONG] + sent[a][SHORT];
            if (!above(all, 0.0f)) continue;
            const vec depths = work[a].active ? cascade[a].depth : depth_now(asset[a], market[a], a, n);
            if (above(all, LATER * depths)) return true;
        }
        return false;
    }

    // Give an asset that nobody triggered in a cascade of its own.
    void wake(int a, int n) {
        if (work[a].active) return;
        rouse(a);
        const Asset& x = asset[a];
        Market& m = market[a];
        prepare(x, m, a, depth_now(x, m, a, n), m.behind, m.behind, cascade[a]);
        open_cascade(s, cascade[a]);
        activate(a);
        work[a].woken = true;
    }

    // Cut the accounts' new sales where a book or an engine does not take them; true where that was so.
    bool scarce(uint32_t touched, vec* fresh, const vec (*sent)[2]) {
        const vec zero = splat(0.0f);
        vec share[MAX_ASSET][2];
        bool some = false;
        for (int a = 0; a < s.n_asset; ++a) {
            share[a][LONG] = share[a][SHORT] = splat(1.0f);
            if (!(touched >> a & 1)) continue;
            const Cascade& c = cascade[a];
            for (int side = 0; side < 2; ++side) {
                const vec booked = c.taking.booked(side, c.flow[side]);
                const vec taken = booked + maximum(side == LONG ? zero - c.extra : c.extra, zero);
                const vec limit = maximum(c.most[side] - taken, zero);
                const ivec over = sent[a][side] > limit;
                if (any(over)) {
                    some = true;
                    share[a][side] =
                        select(over, limit / select(over, sent[a][side], splat(1.0f)), share[a][side]);
                }
                if (asset[a].book.any_limited) {
                    const vec space = room(asset[a].book, c.start_q, c.depth, side == LONG ? 1.0f : -1.0f);
                    accounts.exhausted |= above(sent[a][side], maximum(space - taken, zero)) != 0;
                }
            }
        }
        if (some) accounts.ration(fresh, share);
        return some;
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
        settle_slices(m, a, side, flowing, before, fill);
        if (crowded && crowds[a].some[side]) execute_whales(m, a, side, flowing, reached, fill);
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

    // Close what is bankrupt at the marks of round 0 on the venues whose deleveraging is on.
    void deleverage_asset(Market& m, int a, vec marked) {
        for (uint32_t rest = funds.deleveraging(a) & ~work[a].halted & mask_bits(asset[a].listed); rest;
             rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            const int side = marked[v] < 0.0f ? LONG : SHORT;
            float executed[2][MAX_GROUP], end[MAX_GROUP];
            bool ahead = false;
            for (int g = 0; g < s.n_group; ++g) {
                for (int i = 0; i < 2; ++i) executed[i][g] = m.executed[i][g][v];
                ahead |= m.frontier[side][v] > executed[side][g];
            }
            if (!ahead) continue;
            const float price = exponential((float)marked[v]);
            const float paid = m.paid[v], net = price - paid;
            if (!bankrupt_frontiers(s, a, v, side, net, executed[side], m.frontier[side][v], end)) continue;
            const tiers there[2] = {survival(m, LONG, v), survival(m, SHORT, v)};
            const Crowd* crowd = crowded ? &crowds[a] : nullptr;
            const Deleveraged d =
                deleverage(s, a, v, side, price, net, executed, there, crowd, first_of_list(a, v), end);
            const float closed = tier_sum(d.notional);
            if (!(closed > 0.0f)) continue;
            for (int g = 0; g < s.n_group; ++g) m.executed[side][g][v] = end[g];
            // The losing side's groups now end at distances of their own: it is summed by group as well.
            m.survival[side][v] = there[side];
            m.survival[1 - side][v] = d.survival;
            m.thinned[side] |= 1u << v;
            m.thinned[1 - side] |= 1u << v;
            m.base[side][v] = executed_notional(m, a, side, v, end);
            m.base[1 - side][v] = executed_notional(m, a, 1 - side, v, executed[1 - side]);
            book_deleveraged(a, v, side, price, paid, d);
        }
    }

    // Close bankrupt accounts at the marks of round 0 on the venues whose deleveraging is on.
    void deleverage_accounts() {
        vec price[MAX_ASSET];
        for (int a = 0; a < s.n_asset; ++a) {
            rouse(a);
            const Work& w = work[a];
            const vec marked = mark(w.marks, market[a].fundamental, w.start);
            price[a] = exponential(marked);
            show(a, price[a]);
        }
        accounts.look((1u << s.n_asset) - 1);
        uint32_t thinned = 0, halted = 0;
        for (int a = 0; a < s.n_asset; ++a) halted |= work[a].halted;
        for (int k = 0; k < accounts.n_slot; ++k) {
            uint32_t rest = funds.together & accounts.held[k] & ~halted;
            if (!rest) continue;
            vec end, loss, worth;
            for (rest &= accounts.bankrupt(k, price, end, loss, worth); rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                thinned |= deleverage_slot(k, v, price, end[v], loss[v], worth[v]);
            }
        }
        reopen(thinned);
    }

    // Cascades that were opened before winners of their assets were closed.
    void reopen(uint32_t thinned) {
        for (; thinned; thinned &= thinned - 1) {
            const int a = __builtin_ctz(thinned);
            if (!work[a].active) continue;
            for (int side = 0; side < 2; ++side) {
                cascade[a].thinned[side] = market[a].thinned[side];
                cascade[a].base[side] = market[a].base[side];
            }
            take_over(a, cascade[a]);
            open_cascade(s, cascade[a]);
        }
    }

    // Close inventories of vaults with negative equity at the marks of round 0 against winners; who does not
    // pay leaves it to the fund. Same statements as default_numpy.py.
    void settle_vaults() {
        vec price[MAX_ASSET];
        for (uint32_t rest = vaults.holding; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            rouse(a);
            price[a] = exponential(mark(work[a].marks, market[a].fundamental, work[a].start));
        }
        uint32_t thinned = 0, halted = 0;
        bool some = false;
        for (int a = 0; a < s.n_asset; ++a) halted |= work[a].halted;
        for (int v = 0; v < s.n_venue; ++v) {
            if (halted >> v & 1) {
                vaults.look_again();
                continue;
            }
            const auto mark_of = [&price](int a, int lane) { return (float)price[a][lane]; };
            const float deficit = 0.0f - (s.vault_capital[v] + vaults.gain(v, mark_of));
            // Less than a millionth of what it has traded is rounding.
            if (!(deficit > maximum(DUST, SLACK * vaults.turnover(v, mark_of)))) continue;
            some = true;
            const float paid = s.adl_policy[v] == ADL_NONE ? 0.0f : close_vault(v, deficit, price, thinned);
            // What rounding leaves of a deficit that winners paid whole is nothing.
            const float rest = deficit - paid, owed = rest > SLACK * deficit ? rest : 0.0f;
            vaults.receive(v, deficit);
            const tiers whose = load_tiers(s.vault_whose + v * MAX_TIER);
            add_tiers(record.loss[DEFICIT][v], paid * whose);
            add_tiers(record.loss[ADL][v], paid * whose);
            for (int t = 0; t < s.n_tier; ++t)
                record.pending[v][t] += quad{0.0f, 0.0f, 0.0f, owed * whose[t]};
            record.pending_venues |= 1u << v;
            record.common_venues |= 1u << v;
        }
        if (!some) return;
        reopen(thinned);
        for (int i = 0; i < n_active; ++i) take_over(active[i], cascade[active[i]]);
    }

    // Returns what winners forgo; adds the assets in which they were closed.
    float close_vault(int v, float deficit, const vec* price, uint32_t& assets) {
        float value = 0.0f, paid = 0.0f;
        const uint32_t held_assets = vaults.holding;
        for (uint32_t rest = held_assets; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            const float held = vaults.held[a][v];
            value += (held < 0.0f ? -held : held) * price[a][v];
        }
        for (uint32_t rest = held_assets; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            const float held = vaults.held[a][v], sign = held < 0.0f ? -1.0f : 1.0f, size = sign * held;
            if (held == 0.0f) continue;
            const int other = held > 0.0f ? SHORT : LONG;
            Market& m = market[a];
            float executed[MAX_GROUP];
            for (int g = 0; g < s.n_group; ++g) executed[g] = m.executed[other][g][v];
            const Crowd* crowd = crowded ? &crowds[a] : nullptr;
            tiers all;
            const Winners winners =
                winners_of(s, a, other, v, price[a][v], executed, survival(m, other, v), crowd, all);
            const float most = tier_sum(room(s.adl_policy[v], winners) * winners.notional);
            const float closed = minimum(size, most);
            if (!(closed > 0.0f)) continue;
            const Given given =
                give(s, a, other, v, winners, all, survival(m, other, v), closed, first_of_list(a, v));
            m.survival[other][v] = given.survival;
            m.thinned[other] |= 1u << v;
            m.base[other][v] = executed_notional(m, a, other, v, executed);
            assets |= 1u << a;
            const float due = deficit * (size * price[a][v] / value);
            const float forgone = s.adl_at_mark[v] ? 0.0f : due * (closed / size);
            vaults.close(a, v, closed, price[a][v]);
            add_tiers(record.adl_notional[v], given.taken);
            record.adl_closed[v] += closed;
            record.deleveraged[a][v] += closed;
            closings.forgone[0][v] += forgone;
            closings.needed[v] += forgone;
            closings.hedged[v] += given.hedged;
            closings.add({now, a, v, sign * closed, sign * (closed * price[a][v]) + forgone});
            paid += forgone;
        }
        return paid;
    }

    // The same for one slot on one venue; returns the assets whose winners were closed.
    uint32_t deleverage_slot(int k, int v, const vec* price, float end, float loss, float worth) {
        const float need = accounts.ahead(k, v, end);
        if (!(need > DUST)) return 0;
        float share = 1.0f;
        Winners winners[MAX_ASSET];
        tiers held[MAX_ASSET];
        for (int a = 0; a < s.n_asset; ++a) {
            const float weight = s.account_legs[(k * s.n_asset + a) * LANES + v];
            if (weight == 0.0f) continue;
            const int other = weight > 0.0f ? SHORT : LONG;
            float executed[MAX_GROUP];
            for (int g = 0; g < s.n_group; ++g) executed[g] = market[a].executed[other][g][v];
            winners[a] = winners_of(s, a, other, v, price[a][v], executed, survival(market[a], other, v),
                                    crowded ? &crowds[a] : nullptr, held[a]);
            const float most = tier_sum(room(s.adl_policy[v], winners[a]) * winners[a].notional);
            const float wanted = (weight > 0.0f ? weight : -weight) * need;
            if (wanted > most) share = minimum(most / wanted, share);
        }
        const AccountSlice x = accounts.close(k, v, end, share, need, loss, worth);
        uint32_t assets = 0;
        for (int a = 0; a < s.n_asset; ++a) {
            const float weight = s.account_legs[(k * s.n_asset + a) * LANES + v];
            if (weight == 0.0f) continue;
            assets |= 1u << a;
            const int side = weight > 0.0f ? LONG : SHORT;
            const float size = weight > 0.0f ? weight : -weight;
            Market& m = market[a];
            const Given given = give(s, a, 1 - side, v, winners[a], held[a], survival(m, 1 - side, v),
                                     size * tier_sum(x.notional), first_of_list(a, v));
            float executed[MAX_GROUP];
            for (int g = 0; g < s.n_group; ++g) executed[g] = m.executed[1 - side][g][v];
            m.survival[1 - side][v] = given.survival;
            m.thinned[1 - side] |= 1u << v;
            m.base[1 - side][v] = executed_notional(m, a, 1 - side, v, executed);
            book_leg(a, v, side, size, price[a][v], x, given);
        }
        if (s.adl_at_mark[v]) {
            for (int t = 0; t < s.n_tier; ++t)
                record.pending[v][t] += quad{x.lost[t], 0.0f, 0.0f, x.deficit[t]};
            record.pending_venues |= 1u << v;
            record.common_venues |= 1u << v;
        } else {
            add_tiers(record.loss[MARGIN_LOST][v], x.lost);
            add_tiers(record.loss[DEFICIT][v], x.deficit);
            add_tiers(record.loss[ADL][v], x.deficit);
        }
        return assets;
    }

    // A leg of closed accounts: sold above the mark by what its winners forgo, or bought below it.
    void book_leg(int a, int v, int side, float size, float price, const AccountSlice& x,
                  const Given& given) {
        const float sign = side == LONG ? 1.0f : -1.0f;
        const tiers coins = size * x.notional, forgone = s.adl_at_mark[v] ? tsplat(0.0f) : size * x.deficit;
        const tiers dollars = price * coins + sign * forgone;
        const float closed = tier_sum(coins), received = tier_sum(dollars), paid = tier_sum(forgone);
        add_tiers(record.liquidated_tier[v], dollars);
        add_tiers(record.adl_notional[v], given.taken);
        record.liquidated[a][side][v] += received;
        record.coins[a][v] += closed;
        record.adl_closed[v] += closed;
        record.deleveraged[a][v] += closed;
        flow += received;
        closings.forgone[0][v] += paid;
        closings.needed[v] += paid;
        closings.hedged[v] += given.hedged;
        closings.add({now, a, v, sign * closed, sign * received});
    }

    // Notional executed up to the frontiers `executed` of a market whose tiers are thinned, whales' with it.
    float executed_notional(const Market& m, int a, int side, int v, const float* executed) const {
        const float whale = crowded ? crowds[a].lump(side, v, crowds[a].executed[side][v]) : 0.0f;
        return forced_thinned(s, a, side, v, executed, 1, alive(m, a, side, v)) + whale;
    }

    // Where a random start begins in the list of winners, as a share of it.
    float first_of_list(int a, int v) const {
        if (s.adl_policy[v] != ADL_RANDOM_START) return 0.0f;
        uint32_t words[4];
        draw.words((uint32_t)now, SITE_ADL_START, a / 4, words);
        return (float)(words[a % 4] >> 8) * 0x1p-24f;
    }

    void book_deleveraged(int a, int v, int side, float price, float paid, const Deleveraged& d) {
        const bool at_mark = s.adl_at_mark[v] != 0;
        const tiers dollars = at_mark        ? d.notional * price
                              : side == LONG ? (1.0f + paid) * d.notional - d.margin
                                             : (1.0f + paid) * d.notional + d.margin;
        const float closed = tier_sum(d.notional), received = tier_sum(dollars),
                    forgone = tier_sum(d.deficit);
        if (at_mark) {
            for (int t = 0; t < s.n_tier; ++t)
                pending_of(a, v)[t] += quad{d.margin[t], 0.0f, dollars[t], d.deficit[t]};
            record.pending_venues |= 1u << v;
        } else {
            add_tiers(record.loss[MARGIN_LOST][v], d.margin);
            add_tiers(record.loss[DEFICIT][v], d.deficit);
            add_tiers(record.loss[ADL][v], d.deficit);
            add_tiers(record.liquidated_tier[v], dollars);
            closings.forgone[0][v] += forgone;
            closings.needed[v] += forgone;
        }
        add_tiers(record.adl_notional[v], d.taken);
        record.liquidated[a][side][v] += received;
        record.coins[a][v] += closed;
        record.adl_closed[v] += closed;
        record.deleveraged[a][v] += closed;
        flow += received;
        const float sign = side == LONG ? 1.0f : -1.0f;
        closings.hedged[v] += d.hedged;
        closings.add({now, a, v, sign * closed, sign * received + collect(a, v, d.profit)});
    }

    // Deficits of earlier steps that deleveraged winners pay besides.
    float collect(int a, int v, float profit) {
        if (!funds.claiming(v)) return 0.0f;
        const tiers paid = funds.collect(a, v, profit);
        const float sum = tier_sum(paid);
        add_tiers(record.loss[ADL][v], paid);
        closings.forgone[0][v] += sum;
        closings.needed[v] += sum;
        return sum;
    }

    // Profits of a pot's winners, for those that may have to ask.
    auto winners_profits() {
        return [this](int p, int v) {
            float total = 0.0f;
            for (int a = 0; a < s.n_asset; ++a)
                if (asset[a].listed[v] && funds.pot(a, v) == p) total += profits(a, v);
            return total;
        };
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

    // Profits of all who are in profit at the traded price of a market.
    float profits(int a, int v) const {
        const Market& m = market[a];
        const tiers price = tsplat(traded(a, v)), zero = tsplat(0.0f);
        float total = 0.0f;
        for (int side = 0; side < 2; ++side) {
            const int64_t at = (int64_t)((a * 2 + side) * s.n_venue + v) * MAX_TIER;
            float executed[MAX_GROUP];
            for (int g = 0; g < s.n_group; ++g) executed[g] = m.executed[side][g][v];
            const tiers held = still_held(s, a, side, v, executed, crowded ? &crowds[a] : nullptr);
            const tiers entry = s.adl_entry ? load_tiers(s.adl_entry + at) : tsplat(1.0f);
            const tiers gain = maximum(side == LONG ? price - entry : entry - price, zero);
            total += tier_sum(survival(m, side, v) * held * gain);
        }
        return total;
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
