// Auto-deleveraging of isolated positions, accounts and vaults: who is closed against whom, and what backstop
// vaults take over.
#pragma once

class Deleveraging : protected Markets {
   protected:
    using Markets::Markets;

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
        if (replay) tell_closed(a, side, v, dollars);
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
        if (replay) tell_closed(a, side, v, dollars);
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
};
