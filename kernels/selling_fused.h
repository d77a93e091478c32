// The selling of a step: cascades, accounts and frozen flows until nobody answers. Same order as
// selling_numpy.py.
#pragma once

class Selling : protected Execution {
   protected:
    using Execution::Execution;

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
        waiting_orders = 0;
        uint32_t changed = send(n);
        const uint32_t sent = changed;
        if (accounts.choosy && (n_active || !quiet)) decide();
        for (int i = 0; i < n_active; ++i) changed |= 1u << active[i];
        bool looked = !quiet;
        if (looked) changed |= answer(n, held ? 0 : every, true);
        for (int number = 0; changed; ++number) {
            restart_all(changed, number == 0);
            if (!accounts.n_slot) break;
            if (number + 1 == MAX_PASS) {
                if (much) status |= UNANSWERED;
                break;
            }
            if (!looked) {  // none of them has been looked at yet
                if (s.gate && still_quiet(changed, bound)) break;
                changed = every;
                looked = true;
            }
            changed = answer(n, changed, false);
        }
        restart_all(waiting_orders, false);
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

    // Let the cascades of some assets go on, or begin, with the orders of others.
    void restart_all(uint32_t changed, bool opening) {
        int assets[MAX_ASSET], n_asset = 0;
        for (uint32_t rest = changed; rest; rest &= rest - 1) assets[n_asset++] = __builtin_ctz(rest);
        for (int i = 0; i < n_asset; ++i) restart(assets[i], opening);
        rounds(assets, n_asset);
        for (int i = 0; i < n_asset; ++i) {
            Work& w = work[assets[i]];
            const Cascade& c = cascade[assets[i]];
            w.rounds += c.rounds;
            if (opening) w.first = c.first + lane_sum(absolute(c.extra));
        }
        waiting_orders &= ~changed;
    }

    // Let a cascade run again from where it stands, or for the first time, with the accounts' purchases.
    void restart(int a, bool opening) {
        Cascade& c = cascade[a];
        c.unseen = splat(0.0f);
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
        much = false;
        for (uint32_t rest = touched; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            Cascade& c = cascade[a];
            const vec net = sent[a][SHORT] - sent[a][LONG];
            c.extra = c.extra + net;
            c.unseen = c.unseen + net;
            much |= above(absolute(net), UNANSWERED_SHARE * c.depth) != 0;
            // A cascade goes on once they are enough to matter to it.
            if (above(absolute(c.unseen), opening ? splat(0.0f) : LATER * c.depth)) continue;
            touched &= ~(1u << a);
            waiting_orders |= 1u << a;
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
};
