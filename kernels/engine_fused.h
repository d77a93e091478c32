// One path from its first step to its row. The order of a step is that of engine_numpy.py.
#pragma once

// Constants of one asset, made once per engine.
struct Asset {
    Book book;
    Withdrawal withdrawal;
    vec mark_weight[LANES];
    vec index_weight, throughput;
    ivec listed;
    float arbitrage, permanent, drift, volatility, monitoring;
};

// Evolving state of one asset; lanes are venues.
struct Market {
    vec price, q, memory;
    vec frontier[2];
    vec executed[2][MAX_GROUP];
    vec base[2];  // notional executed so far among those still there
    float exogenous, fundamental, last;
    float nearest[2];      // smallest frontier of a listed venue: nobody triggers before it
    uint32_t thinned[2];   // lanes whose tiers auto-deleveraging has thinned
    bool displaced;        // any book away from rest; otherwise every price equals `last`
    bool behind;           // some frontier is ahead of what has been executed
    tiers survival[2][LANES];
};

class Engine {
   public:
    explicit Engine(const PackedScenario& scenario) : s(scenario) {
        for (int a = 0; a < s.n_asset; ++a) {
            Asset& x = asset[a];
            x.book = make_book(s, a);
            x.withdrawal = make_withdrawal(s, a);
            for (int u = 0; u < s.n_venue; ++u) x.mark_weight[u] = load(s.mark_weight, a * s.n_venue + u);
            x.index_weight = load(s.index_weight, a);
            x.throughput = load(s.throughput, a);
            ivec listed;
            __builtin_memcpy(&listed, s.listed + a * LANES, sizeof listed);
            x.listed = listed != 0;
            x.arbitrage = s.arbitrage[a];
            x.permanent = s.permanent[a];
            x.drift = s.drift[a];
            x.volatility = s.volatility[a];
            x.monitoring = s.monitoring[a];
        }
        cumulative = new float[s.n_step + 1];
    }
    ~Engine() { delete[] cumulative; }
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    uint32_t run(uint64_t seed, uint64_t path, float* row, int64_t* counters) {
        begin();
        const Draw draw{seed, path};
        for (int n = 0; n < s.n_step; ++n) {
            const int k = n % LANES;
            if (k == 0) {
                draw_returns(s, draw, n, returns);
                if (s.process == JUMP_DIFFUSION) draw_jumps(s, draw, n, jump);
            }
            flow = 0.0f;
            on = 0;
            for (int v = 0; v < s.n_venue; ++v)
                if (adl_on(s, v, fund[v], peak[v])) on |= 1u << v;
            waiting_venues = 0;
            for (int a = 0; a < s.n_asset; ++a) step(a, n, k);
            if (record.pending_venues) settle(n);
            if (waiting_venues) backlogs();
            cumulative[n + 1] = cumulative[n] + flow;
        }
        count[ASSET_STEPS] = (int64_t)s.n_step * s.n_asset;
        for (int c = 0; c < N_COUNTER; ++c) counters[c] += count[c];
        return finish(row);
    }

   private:
    const PackedScenario& s;
    Asset asset[MAX_ASSET];
    Market market[MAX_ASSET];
    Record record;
    Returns returns;
    vec jump[MAX_ASSET];
    float fund[LANES], peak[LANES];
    float waiting[LANES];
    float* cumulative;
    float flow;  // dollars forced in the step
    uint32_t on, waiting_venues, status;
    int64_t count[N_COUNTER];

    void begin() {
        std::memset(&record, 0, sizeof record);
        std::memset(count, 0, sizeof count);
        for (int a = 0; a < s.n_asset; ++a) {
            Market& m = market[a];
            // `survival` is set when it is first needed: see thin().
            std::memset(&m, 0, offsetof(Market, survival));
            m.memory = load(s.calm_memory, a);
        }
        for (int v = 0; v < LANES; ++v) fund[v] = peak[v] = v < s.n_venue ? s.fund[v] : 0.0f;
        status = 0;
        std::memset(waiting, 0, sizeof waiting);
        cumulative[0] = 0.0f;
    }

    void step(int a, int n, int k) {
        const Asset& x = asset[a];
        Market& m = market[a];
        const float deviation = x.volatility * overlay_volatility(s, n, a) * returns.deviation[k];
        float move = fma(deviation, returns.move[a][k], x.drift);
        if (s.process == JUMP_DIFFUSION) move += jump[a][k];
        move += overlay_shock(s, n, a);
        m.exogenous += move;
        m.fundamental += move;
        record.exogenous_trough[a] = minimum(m.exogenous, record.exogenous_trough[a]);
        const float monitoring = x.monitoring * deviation;

        const float down = monitoring - m.fundamental, up = monitoring + m.fundamental;
        if (s.gate && !m.displaced && !m.behind && down <= m.nearest[LONG] && up <= m.nearest[SHORT]) {
            rest(x, m, a);
            return;
        }
        disturbed(x, m, a, n, monitoring);
    }

    // A step in which nobody can trigger and every book is at rest.
    void rest(const Asset& x, Market& m, int a) {
        const float move = m.fundamental - m.last;
        m.memory = remember(x.withdrawal, m.memory, splat(move));
        m.last = m.fundamental;
        trough(x, m, a, splat(m.fundamental));
    }

    void trough(const Asset& x, const Market&, int a, vec price) {
        record.trough[a] = minimum(price, record.trough[a]);
        record.index_trough[a] = minimum(lane_sum(price * x.index_weight), record.index_trough[a]);
    }

    void disturbed(const Asset& x, Market& m, int a, int n, float monitoring) {
        const vec zero = splat(0.0f);
        const bool was_displaced = m.displaced;
        const vec depths = depth(x.withdrawal, m.memory, overlay_depth(s, n, a));
        vec q = refill(x.book, m.q);
        const bool displaced = any(q != 0.0f);
        if (displaced) q = arbitrage(x.book, q, depths, x.listed, x.arbitrage);
        const vec start = displacement(x.book, q);
        const vec marked = mark(m.fundamental, start, x.mark_weight, s.n_venue);
        const vec fall = select(x.listed, monitoring - marked, zero);
        const vec rise = select(x.listed, monitoring + marked, zero);
        const bool longs = any(fall > m.frontier[LONG]), shorts = any(rise > m.frontier[SHORT]);
        m.frontier[LONG] = maximum(fall, m.frontier[LONG]);
        m.frontier[SHORT] = maximum(rise, m.frontier[SHORT]);

        if (on && (longs || shorts || m.behind)) deleverage_asset(m, a, marked);

        vec price = fma(splat(PERCENT), start, splat(m.fundamental));
        bool active = false;
        if (longs || shorts || m.behind)
            active = force(x, m, a, q, depths, start, monitoring, longs || m.behind, shorts || m.behind, price);
        if (displaced && !active) ++count[CALM];

        const vec last = was_displaced ? m.price : splat(m.last);
        m.memory = remember(x.withdrawal, m.memory, price - last);
        m.q = q;
        m.price = price;
        m.last = m.fundamental;
        m.displaced = any(q != 0.0f);
        trough(x, m, a, price);
    }

    // The cascade, its fills and losses. Moves `q` and `price`; false where nobody was forced.
    bool force(const Asset& x, Market& m, int a, vec& q, vec depths, vec start, float monitoring, bool longs,
               bool shorts, vec& price) {
        CascadeInput in;
        in.scenario = &s;
        in.book = &x.book;
        in.mark_weight = x.mark_weight;
        in.asset = a;
        in.fundamental = m.fundamental;
        in.permanent = x.permanent;
        in.monitoring = monitoring;
        in.q = q;
        in.depth = depths;
        in.inverse_depth = select(x.listed, 1.0f / select(x.listed, depths, splat(1.0f)), splat(0.0f));
        in.live[LONG] = longs;
        in.live[SHORT] = shorts;
        in.survival = &m.survival[0][0];
        vec space[2] = {splat(1e30f), splat(1e30f)};
        if (x.book.any_limited) {
            space[LONG] = room(x.book, q, depths, 1.0f);
            space[SHORT] = room(x.book, q, depths, -1.0f);
        }
        Cascade c;
        for (int side = 0; side < 2; ++side) {
            in.thinned[side] = m.thinned[side];
            in.base[side] = m.base[side];
            in.limit[side] = minimum(space[side], x.throughput);
            c.frontier[side] = m.frontier[side];
        }
        run_cascade(in, c);
        if (c.rounds == 0) {
            for (int side = 0; side < 2; ++side)
                if (in.live[side]) pass(m, side);
            m.behind = false;
            near(x, m);
            return false;
        }
        note(a, c, depths, space, x.book.any_limited);
        const vec moved = displacement(x.book, c.q);
        const vec mean = mean_displacement(x.book, start, moved);
        const float middle = 0.5f * (m.fundamental + c.fundamental);
        const vec fill = exponential(fma(splat(PERCENT), mean, splat(middle)));
        m.fundamental = c.fundamental;
        q = c.q;
        price = fma(splat(PERCENT), moved, splat(c.fundamental));
        m.behind = false;
        for (int side = 0; side < 2; ++side)
            if (in.live[side]) execute(m, a, side, c, fill);
        near(x, m);
        return true;
    }

    // Frontiers that passed nobody are executed as they stand.
    void pass(Market& m, int side) {
        for (int g = 0; g < s.n_group; ++g) m.executed[side][g] = m.frontier[side];
    }

    void near(const Asset& x, Market& m) {
        for (int side = 0; side < 2; ++side)
            m.nearest[side] = lane_min(select(x.listed, m.frontier[side], splat(LARGEST)));
    }

    void note(int a, const Cascade& c, vec depths, const vec* space, bool any_limited) {
        ++count[ACTIVE];
        count[ROUNDS] += c.rounds;
        const bool sold = any(c.flow[LONG] > 0.0f), bought = any(c.flow[SHORT] > 0.0f);
        count[MIXED] += sold && bought;
        if (!c.converged) {
            ++count[CUT];
            status |= UNCONVERGED;
        }
        if (any_limited)
            for (int side = 0; side < 2; ++side)
                if (any((c.wanted[side] > space[side]) & (c.flow[side] >= space[side]))) status |= EXHAUSTED;
        if (c.first > 0.0f && c.total > MATERIAL * lane_sum(depths))
            record.branching[a] = maximum(1.0f - c.first / c.total, record.branching[a]);
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
        m.frontier[side] = c.frontier[side];
        m.base[side] = select(late, m.base[side] + flowed, c.reached[side]);
        for (uint32_t rest = mask_bits(late); rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            float from[MAX_GROUP], after[MAX_GROUP];
            for (int g = 0; g < s.n_group; ++g) from[g] = before[g][v];
            advance(s, a, side, v, from, c.frontier[side][v], alive(m, side, v), flowed[v], after);
            for (int g = 0; g < s.n_group; ++g) m.executed[side][g][v] = after[g];
            waiting[v] += c.wanted[side][v] - flowed[v];
            waiting_venues |= 1u << v;
            m.behind = true;
        }
        const vec dollars = flowed * fill;
        record.liquidated[a][side] += dollars;
        record.coins[a] += flowed;
        flow += lane_sum(dollars);
        for (uint32_t rest = mask_bits(flowed > 0.0f); rest; rest &= rest - 1)
            settle_slice(m, a, side, __builtin_ctz(rest), before, fill);
    }

    void settle_slice(const Market& m, int a, int side, int v, const vec* before, vec fill) {
        ++count[FLUSHES];
        const float price = fill[v];
        tiers notional = tsplat(0.0f), lost = notional, deficit = notional, fee = notional, surplus = notional;
        const bool thinned = m.thinned[side] >> v & 1;
        for (int g = 0; g < s.n_group; ++g) {
            const float start = before[g][v], end = m.executed[side][g][v];
            if (!(end > start)) continue;
            const Group r = group(s, a, side, g, v);
            Slice slice = slice_losses(r, start, end, price);
            if (thinned) {
                const tiers left = m.survival[side][v];
                slice.notional *= left, slice.lost *= left, slice.deficit *= left, slice.left *= left;
            }
            const Fees f = fees(s, v, slice, price, r.partial);
            notional += slice.notional, lost += slice.lost, deficit += slice.deficit;
            fee += f.fee, surplus += f.surplus;
        }
        add_tiers(record.loss[MARGIN_LOST][v], lost);
        add_tiers(record.loss[DEFICIT][v], deficit);
        add_tiers(record.loss[FEES][v], fee);
        add_tiers(record.pending[v], deficit);
        add_tiers(record.liquidated_tier[v], notional * price);
        record.surplus[v] += tier_sum(fee + surplus);
        record.pending_venues |= 1u << v;
    }

    tiers alive(const Market& m, int side, int v) const {
        return m.thinned[side] >> v & 1 ? m.survival[side][v] : tsplat(1.0f);
    }

    // Close what is bankrupt at the marks of round 0 on the venues whose deleveraging is on.
    void deleverage_asset(Market& m, int a, vec marked) {
        for (uint32_t rest = on & mask_bits(asset[a].listed); rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            const int side = marked[v] < 0.0f ? LONG : SHORT;
            float executed[2][MAX_GROUP], end[MAX_GROUP];
            bool ahead = false;
            for (int g = 0; g < s.n_group; ++g) {
                for (int i = 0; i < 2; ++i) executed[i][g] = m.executed[i][g][v];
                ahead |= m.frontier[side][v] > executed[side][g];
            }
            if (!ahead) continue;
            const tiers survival[2] = {alive(m, LONG, v), alive(m, SHORT, v)};
            const float price = exponential((float)marked[v]);
            const Deleveraged d = deleverage(s, a, v, side, price, executed, m.frontier[side][v], survival, end);
            const float closed = tier_sum(d.notional);
            if (!(closed > 0.0f)) continue;
            for (int g = 0; g < s.n_group; ++g) m.executed[side][g][v] = end[g];
            m.survival[1 - side][v] = d.survival;
            m.thinned[1 - side] |= 1u << v;
            m.base[side][v] = forced_thinned(s, a, side, v, end, 1, survival[side]);
            m.base[1 - side][v] = forced_thinned(s, a, 1 - side, v, executed[1 - side], 1, d.survival);
            const tiers dollars = side == LONG ? d.notional - d.margin : d.notional + d.margin;
            add_tiers(record.loss[MARGIN_LOST][v], d.margin);
            add_tiers(record.loss[DEFICIT][v], d.forgone);
            add_tiers(record.loss[ADL][v], d.forgone);
            add_tiers(record.liquidated_tier[v], dollars);
            add_tiers(record.adl_notional[v], d.taken);
            record.liquidated[a][side][v] += tier_sum(dollars);
            record.coins[a][v] += closed;
            record.adl_closed[v] += closed;
            flow += tier_sum(dollars);
        }
    }

    // Draw the insurance funds for the step's deficits; add fees and surplus.
    void settle(int n) {
        for (uint32_t rest = record.pending_venues; rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            const tiers pending = load_tiers(record.pending[v]);
            const float deficit = tier_sum(pending);
            const float drawn = fund_draw(fund[v], deficit);
            if (deficit > 0.0f) {
                if (deficit >= fund[v] && record.exhaustion[v] == 0.0f)
                    record.exhaustion[v] = (float)(n + 1) * s.step_minutes;
                const tiers paid = (drawn / deficit) * pending;
                add_tiers(record.loss[FUND_DRAW][v], paid);
                add_tiers(record.loss[BAD_DEBT][v], pending - paid);
                store_tiers(record.pending[v], tsplat(0.0f));
            }
            fund[v] = fund[v] - drawn + record.surplus[v];
            record.income[v] += record.surplus[v];
            record.surplus[v] = 0.0f;
            peak[v] = maximum(fund[v], peak[v]);
        }
        record.pending_venues = 0;
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
        status |= check(s, record, fund);
        float sum = cumulative[s.n_step];
        for (int a = 0; a < s.n_asset; ++a) sum += lane_sum(market[a].price) + market[a].fundamental;
        if (!(sum - sum == 0.0f)) status |= NOT_FINITE;
        write_row(s, record, cumulative, row);
        return status;
    }
};
