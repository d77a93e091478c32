// One path from its first step to its row. The order of a step is that of engine_numpy.py.
#pragma once

// More than rounding can move a mean of log prices; what a gate skips must lie this far from mattering.
constexpr float ROUNDING = 1e-5f;

class Engine : Settlement {
   public:
    explicit Engine(const PackedScenario& scenario) : Settlement(scenario) {
        for (int a = 0; a < s.n_asset; ++a) {
            Asset& x = asset[a];
            x.listed = load_integers(s.listed, a) != 0;
            x.book = make_book(s, a, x.listed);
            x.withdrawal = make_withdrawal(s, a);
            for (int u = 0; u < s.n_venue; ++u) x.mark_weight[u] = load(s.mark_weight, a * s.n_venue + u);
            x.index_weight = load(s.index_weight, a);
            x.throughput = load(s.throughput, a);
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
                draw_returns(s, draw, n, memory, returns);
                if (s.process == JUMP_DIFFUSION) draw_jumps(s, draw, n, jump);
            }
            flow = 0.0f;
            on = 0;
            for (int v = 0; v < s.n_venue; ++v)
                if (adl_on(s, v, fund[v], peak[v], spent >> v & 1)) on |= 1u << v;
            waiting_venues = 0;
            n_active = 0;
            for (int a = 0; a < s.n_asset; ++a) step(a, n, k);
            if (n_active) cascades();
            spent = 0;
            if (record.pending_venues) settle(n);
            if (waiting_venues) backlogs();
            cumulative[n + 1] = cumulative[n] + flow;
        }
        count[ASSET_STEPS] = (int64_t)s.n_step * s.n_asset;
        for (int c = 0; c < N_COUNTER; ++c) counters[c] += count[c];
        return finish(row);
    }

   private:
    Asset asset[MAX_ASSET];
    Market market[MAX_ASSET];
    Cascade cascade[MAX_ASSET];  // of the assets in `work`
    Work work[MAX_ASSET];
    int n_active;
    Returns returns;
    Memory memory;
    vec jump[MAX_ASSET];
    float fund[LANES], peak[LANES];
    float waiting[LANES];
    float* cumulative;
    float flow;  // dollars forced in the step
    uint32_t on, waiting_venues, status;
    uint32_t spent;  // venues whose fund the step's deficits took whole
    int64_t count[N_COUNTER];

    void begin() {
        std::memset(&record, 0, sizeof record);
        std::memset(count, 0, sizeof count);
        for (int a = 0; a < s.n_asset; ++a) {
            Market& m = market[a];
            // Lanes without a venue must read as empty everywhere; `survival` is set where tiers are thinned.
            std::memset(&m, 0, offsetof(Market, survival));
            m.memory = load(s.calm_memory, a);
            for (int side = 0; side < 2; ++side) m.bins[side] = no_bins(s.n_venue);
        }
        for (int v = 0; v < LANES; ++v) fund[v] = peak[v] = v < s.n_venue ? s.fund[v] : 0.0f;
        status = spent = 0;
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
        trough(x, a, splat(m.fundamental), m.fundamental);
    }

    // `lowest`: at most the lowest price, so that an index that cannot be a new low is not even summed.
    void trough(const Asset& x, int a, vec price, float lowest) {
        record.trough[a] = minimum(price, record.trough[a]);
        if (lowest - ROUNDING > record.index_trough[a]) return;
        record.index_trough[a] = minimum(lane_sum(price * x.index_weight), record.index_trough[a]);
    }

    void disturbed(const Asset& x, Market& m, int a, int n, float monitoring) {
        const vec zero = splat(0.0f);
        const bool was_displaced = m.displaced;
        const vec depths = depth(x.withdrawal, m.memory, overlay_depth(s, n, a));
        vec q = refill(x.book, m.q);
        const bool displaced = above(absolute(q), 0.0f) != 0;
        if (displaced) q = arbitrage(x.book, q, depths, x.listed, x.arbitrage);
        const vec start = displacement(x.book, q);
        const float lowest = fma(PERCENT, lane_min(start), m.fundamental);
        const float highest = fma(PERCENT, lane_max(start), m.fundamental);
        Work& w = work[n_active];
        w.asset = a;
        w.start = start;
        w.price = fma(splat(PERCENT), start, splat(m.fundamental));
        w.was_displaced = was_displaced;
        w.lowest = lowest;
        m.q = q;
        // Marks are means of prices: where neither extreme could trigger anybody, no mark can.
        if (s.gate && !m.behind && monitoring - lowest <= m.nearest[LONG] - ROUNDING &&
            monitoring + highest <= m.nearest[SHORT] - ROUNDING) {
            if (displaced) ++count[CALM];
            close(x, m, w);
            return;
        }
        const vec marked = mark(m.fundamental, start, x.mark_weight, s.n_venue);
        const vec fall = select(x.listed, monitoring - marked, zero);
        const vec rise = select(x.listed, monitoring + marked, zero);
        const bool longs = above(fall, m.frontier[LONG]), shorts = above(rise, m.frontier[SHORT]);
        m.frontier[LONG] = maximum(fall, m.frontier[LONG]);
        m.frontier[SHORT] = maximum(rise, m.frontier[SHORT]);

        if (on && (longs || shorts || m.behind)) deleverage_asset(m, a, marked);

        if (longs || shorts || m.behind) {
            Cascade& c = cascade[n_active];
            prepare(x, m, a, depths, monitoring, longs || m.behind, shorts || m.behind, c);
            if (open_cascade(s, c)) {
                ++n_active;
                return;
            }
            for (int side = 0; side < 2; ++side)
                if (c.live[side]) pass(m, side);
            m.behind = false;
            near(x, m, c.live);
        }
        if (displaced) ++count[CALM];
        close(x, m, w);
    }

    // Memory and troughs after the step.
    void close(const Asset& x, Market& m, const Work& w) {
        const vec last = w.was_displaced ? m.price : splat(m.last);
        m.memory = remember(x.withdrawal, m.memory, w.price - last);
        m.price = w.price;
        m.last = m.fundamental;
        m.displaced = above(absolute(m.q), 0.0f) != 0;
        trough(x, w.asset, w.price, w.lowest);
    }

    void prepare(const Asset& x, Market& m, int a, vec depths, float monitoring, bool longs, bool shorts,
                 Cascade& c) {
        c.asset = a;
        c.book = &x.book;
        c.mark_weight = x.mark_weight;
        c.start_fundamental = m.fundamental;
        c.permanent = x.permanent;
        c.monitoring = monitoring;
        c.start_q = m.q;
        c.depth = depths;
        c.inverse_depth = select(x.listed, 1.0f / select(x.listed, depths, splat(1.0f)), splat(0.0f));
        c.tolerance = TOLERANCE * depths;
        c.live[LONG] = longs;
        c.live[SHORT] = shorts;
        c.survival = &m.survival[0][0];
        c.bins = m.bins;
        for (int side = 0; side < 2; ++side) {
            c.thinned[side] = m.thinned[side];
            c.base[side] = m.base[side];
            c.limit[side] = x.throughput;
            if (x.book.any_limited)
                c.limit[side] = minimum(room(x.book, m.q, depths, side == LONG ? 1.0f : -1.0f), x.throughput);
            c.frontier[side] = m.frontier[side];
        }
    }

    // The cascades of a step, their fills and losses.
    void cascades() {
        int running[MAX_ASSET], n_running = n_active;
        for (int i = 0; i < n_active; ++i) running[i] = i;
        while (n_running) {
            int left = 0;
            for (int i = 0; i < n_running; ++i)
                if (next_round(s, cascade[running[i]])) running[left++] = running[i];
            n_running = left;
        }
        for (int i = 0; i < n_active; ++i) finish_cascade(work[i], cascade[i]);
    }

    void finish_cascade(Work& w, const Cascade& c) {
        const Asset& x = asset[w.asset];
        Market& m = market[w.asset];
        note(w.asset, x, c);
        const vec moved = displacement(x.book, c.q);
        const vec mean = mean_displacement(x.book, w.start, moved);
        const float middle = 0.5f * (m.fundamental + c.fundamental);
        const vec fill = exponential(fma(splat(PERCENT), mean, splat(middle)));
        m.fundamental = c.fundamental;
        m.q = c.q;
        w.price = fma(splat(PERCENT), moved, splat(c.fundamental));
        w.lowest = -1e30f;  // unknown: the index is summed
        m.behind = false;
        for (int side = 0; side < 2; ++side)
            if (c.live[side]) execute(m, w.asset, side, c, fill);
        near(x, m, c.live);
        close(x, m, w);
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
        ++count[ACTIVE];
        count[ROUNDS] += c.rounds;
        const bool sold = above(c.flow[LONG], DUST), bought = above(c.flow[SHORT], DUST);
        count[MIXED] += sold && bought;
        if (!c.converged) {
            ++count[CUT];
            status |= UNCONVERGED;
        }
        if (x.book.any_limited)
            for (int side = 0; side < 2; ++side) {
                const vec space = room(x.book, c.start_q, c.depth, side == LONG ? 1.0f : -1.0f);
                if (any((c.wanted[side] > space) & (c.flow[side] >= space))) status |= EXHAUSTED;
            }
        const float total = lane_sum(c.flow[LONG] + c.flow[SHORT]);
        if (c.first > 0.0f && total > MATERIAL * lane_sum(c.depth))
            record.branching[a] = maximum(1.0f - c.first / total, record.branching[a]);
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
            for (int g = 0; g < s.n_group; ++g) {
                from[g] = before[g][v];
                after[g] = c.frontier[side][v];
            }
            advance(s, a, side, v, from, alive(m, side, v), flowed[v], after);
            for (int g = 0; g < s.n_group; ++g) m.executed[side][g][v] = after[g];
            waiting[v] += c.wanted[side][v] - flowed[v];
            waiting_venues |= 1u << v;
            m.behind = true;
        }
        const vec dollars = flowed * fill;
        record.liquidated[a][side] += dollars;
        record.coins[a] += flowed;
        flow += lane_sum(dollars);
        const uint32_t flowing = above(flowed, 0.0f);
        count[FLUSHES] += __builtin_popcount(flowing);
        record.pending_venues |= flowing;
        settle_slices(m, a, side, flowing, before, fill);
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
            const float price = exponential((float)marked[v]);
            if (!bankrupt_frontiers(s, a, v, side, price, executed[side], m.frontier[side][v], end)) continue;
            const tiers survival[2] = {alive(m, LONG, v), alive(m, SHORT, v)};
            const Deleveraged d = deleverage(s, a, v, side, price, executed, survival, end);
            const float closed = tier_sum(d.notional);
            if (!(closed > 0.0f)) continue;
            for (int g = 0; g < s.n_group; ++g) m.executed[side][g][v] = end[g];
            // The losing side's groups now end at distances of their own: it is summed by group as well.
            m.survival[side][v] = survival[side];
            m.survival[1 - side][v] = d.survival;
            m.thinned[side] |= 1u << v;
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

    // Book what the slices of the step lost, draw the insurance funds for its deficits, add fees and surplus.
    void settle(int n) {
        for (uint32_t rest = record.pending_venues; rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            const tiers pending = book_pending(record, v);
            const float deficit = tier_sum(pending);
            const float drawn = fund_draw(fund[v], deficit);
            if (deficit > 0.0f) {
                if (deficit > DUST && deficit >= fund[v]) {
                    spent |= 1u << v;
                    if (record.exhaustion[v] == 0.0f) record.exhaustion[v] = (float)(n + 1) * s.step_minutes;
                }
                const tiers paid = (drawn / deficit) * pending;
                add_tiers(record.loss[FUND_DRAW][v], paid);
                add_tiers(record.loss[BAD_DEBT][v], pending - paid);
            }
            const float gain = quad_sum(record.gain[v]);
            fund[v] = fund[v] - drawn + gain;
            record.income[v] += gain;
            record.gain[v] = qsplat(0.0f);
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
        status |= check(s, record, fund, cumulative[s.n_step]);
        float sum = cumulative[s.n_step];
        for (int a = 0; a < s.n_asset; ++a) sum += lane_sum(market[a].price) + market[a].fundamental;
        if (!(sum - sum == 0.0f)) status |= NOT_FINITE;
        write_row(s, record, cumulative, row);
        return status;
    }
};
