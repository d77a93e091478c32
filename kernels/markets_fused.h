// The markets of one path within a step: their state, bounds of their prices, the rules of their marks.
#pragma once

class Markets : protected Settlement {
   protected:
    explicit Markets(const PackedScenario& scenario)
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
    // Assets wait for each other within the step: accounts, frozen flows or vaults may touch them.
    bool joint;
    uint32_t waiting_orders;    // assets with orders too small for their cascade to go on yet
    bool much;                  // the last orders of accounts were more than a little of some book
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

    // Index price of the coin that a venue's fund is held in.
    float coin_price(int v) const {
        const int a = s.waterfall_coin[v];
        const Market& m = market[a];
        return exponential(lane_sum((m.displaced ? m.price : splat(m.last)) * asset[a].index_weight));
    }

    // Last traded price of a market; markets at rest have one price.
    float traded(int a, int v) const {
        const Market& m = market[a];
        return exponential(m.displaced ? (float)m.price[v] : m.last);
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
};
