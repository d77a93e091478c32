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
    float nearest[2];     // smallest frontier of a listed venue: nobody triggers before it
    uint32_t thinned[2];  // lanes whose tiers auto-deleveraging has thinned
    bool displaced;       // any book away from rest; otherwise every price equals `last`
    bool behind;          // some frontier is ahead of what has been executed
    Bins bins[2];
    tiers survival[2][LANES];
};

// An asset within a step, between its parts.
struct Work {
    int asset;
    vec start;     // displacement before the rounds, percent
    vec price;     // log price, before and after them
    float lowest;  // at most the lowest price
    bool was_displaced;
};

// More than rounding can move a mean of log prices; what a gate skips must lie this far from mattering.
constexpr float ROUNDING = 1e-5f;

class Engine {
   public:
    explicit Engine(const PackedScenario& scenario) : s(scenario) {
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
                draw_returns(s, draw, n, returns);
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
    const PackedScenario& s;
    Asset asset[MAX_ASSET];
    Market market[MAX_ASSET];
    Record record;
    Cascade cascade[MAX_ASSET];  // of the assets in `work`
    Work work[MAX_ASSET];
    int n_active;
    Returns returns;
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

    // Losses of the slices between the frontiers `before` and now.
    void settle_slices(const Market& m, int a, int side, uint32_t flowing, const vec* before, vec fill) {
        const vec* after = m.executed[side];
        ivec same = isplat(-1);  // lanes whose groups stand at one place, as they do unless some were late
        for (int g = 1; g < s.n_group; ++g) same = same & (before[g] == before[0]) & (after[g] == after[0]);
        const uint32_t hard = flowing & m.thinned[side], easy = flowing & ~hard;
        const uint32_t together = easy & mask_bits(same), apart = easy & ~together;
        settle_parts(a, side, together, before[0], after[0], fill, ALL_GROUPS);
        for (int g = 0; apart && g < s.n_group; ++g)
            settle_parts(a, side, apart & above(after[g], before[g]), before[g], after[g], fill, GROUP == g);
        for (uint32_t rest = hard; rest; rest &= rest - 1)
            for (int g = 0; g < s.n_group; ++g)
                settle_slice(m, a, side, g, __builtin_ctz(rest), before[g], fill);
    }

    // Slices of many markets, groups side by side: the part of each that lies within its first bin, then
    // within the next, and so on.
    void settle_parts(int a, int side, uint32_t lanes, vec start, vec end, vec fill, iquad groups) {
        ivec bin, last;
        vec from, until;
        locate(start, bin, from);
        locate(end, last, until);
        const vec due = load(s.fee_rate, 0) * fill;
        while (lanes) {
            const ivec more = last > bin;
            const vec to = select(more, splat(1.0f), until);
            for (uint32_t rest = lanes; rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                settle_part(a, side, v, bin[v], from[v], to[v], fill[v], due[v], groups);
            }
            lanes &= mask_bits(more);
            bin = bin + 1;
            from = splat(0.0f);
        }
    }

    void settle_part(int a, int side, int v, int bin, float from, float to, float price, float due,
                     iquad groups) {
        const int market = (a * 2 + side) * s.n_venue + v;
        const float* line = s.slices + ((int64_t)market * N_EDGE + bin) * SLICE_LINE;
        const Slices r = slices_in_bin(line, groups, load_iquad(s.group_whole + market * MAX_GROUP), from, to,
                                       consumed(price, side));
        const FeesOfGroups f = fees(r, due, load_quad(s.group_keep + market * MAX_GROUP));
        record.gain[v] += f.fee + f.surplus;
        quad amounts[MAX_GROUP] = {r.lost, f.fee, r.notional * price, r.deficit};
        transpose(amounts);
        for (int g = 0; g < s.n_group; ++g) book(a, side, g, v, bin, line[3 * MAX_GROUP + g], amounts[g]);
    }

    // Add a part of a slice to the tiers whose it is, see `slices` in kernels/fused.h.
    void book(int a, int side, int g, int v, int bin, float whose, quad amount) {
        quad* pending = record.pending[v];
        if (whose >= 0.0f) {
            const int t = (int)whose;
            const float share = whose - (float)t;
            pending[t] += (1.0f - share) * amount;
            pending[t + 1] += share * amount;
            return;
        }
        // Tiers share the bin that are no neighbours, as rungs of a ladder may.
        const int64_t at = (((int64_t)(a * 2 + side) * s.n_group + g) * s.n_venue + v) * N_EDGE + bin;
        const tiers held = load_tiers(s.held + at * MAX_TIER);
        const float total = tier_sum(held);
        for (int t = 0; t < s.n_tier; ++t)
            if (held[t] > 0.0f) pending[t] += held[t] / total * amount;
    }

    // The same for one group of a market whose tiers auto-deleveraging has thinned.
    void settle_slice(const Market& m, int a, int side, int g, int v, vec before, vec fill) {
        const float start = before[v], end = m.executed[side][g][v], price = fill[v];
        if (!(end > start)) return;
        const Group r = group(s, a, side, g, v);
        const float* held = s.held + (r.rows - s.rows) / 2;
        const Span x = span(start, end);
        float from = x.from;
        for (int bin = x.bin; bin <= x.last; ++bin, from = 0.0f) {
            const tiers alive = load_tiers(held + bin * MAX_TIER) * m.survival[side][v];
            const Slice slice = slice_in_bin(r, alive, bin, from, bin == x.last ? x.until : 1.0f, price);
            const Fees f = fees(s, v, slice, price, r.partial);
            for (int t = 0; t < s.n_tier; ++t)
                record.pending[v][t] +=
                    quad{slice.lost[t], f.fee[t], slice.notional[t] * price, slice.deficit[t]};
            record.gain[v][0] += tier_sum(f.fee + f.surplus);
        }
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
