// Forced positions settled slice by slice: what they lose, what fee they pay, in whose tier.
//
// The engine says which slices were executed and at which fill; the record keeps what comes out.
#pragma once

class Settlement {
   protected:
    explicit Settlement(const PackedScenario& scenario)
        : s(scenario), funds(scenario), crowded(scenario.leverage_own || scenario.whale_chance) {
        if (funds.split) pots.make(s.n_asset);
    }

    // What the markets of one asset leave to funds of their own in a step.
    struct Pot {
        RowByVenue<quad, MAX_TIER + 1> pending;
        ByVenue<quad> gain;
    };

    const PackedScenario& s;
    TELLS_REPLAY;
    Record record;
    Funds funds;
    Rooms<Pot, MAX_POT> pots;
    uint32_t waiting_pots[LANES] = {};  // of a venue, with anything to settle at the end of the step

    // Where the losses and the gains of a market wait for the end of the step.
    Pending pending_of(int a, int v) {
        if (!(funds.split >> v & 1)) return record.pending[v];
        waiting_pots[v] |= 1u << a;
        return pots[a].pending[v];
    }
    ByVenue<quad>::Entry gain_of(int a, int v) {
        return funds.split >> v & 1 ? pots[a].gain[v] : record.gain[v];
    }
    // For a replay: dollars by tier that wait for the end of the step in some markets of an asset.
    struct Waiting {
        float dollars[LANES][MAX_TIER];
    };
    void see_waiting(int a, uint32_t venues, Waiting& seen) {
        for (uint32_t rest = venues; rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            const Pending pending = funds.split >> v & 1 ? pots[a].pending[v] : record.pending[v];
            for (int t = 0; t < s.n_tier; ++t) seen.dollars[v][t] = ((quad)pending[t])[2];
        }
    }

    // And what one side has added to them since.
    __attribute__((noinline)) void tell_forced(int a, int side, uint32_t venues, const Waiting& before) {
        Waiting now;
        see_waiting(a, venues, now);
        for (uint32_t rest = venues; rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest);
            float* told = tiers_of(replay, s, a, side, v);
            for (int t = 0; t < s.n_tier; ++t) told[t] += now.dollars[v][t] - before.dollars[v][t];
        }
    }
    void tell_closed(int a, int side, int v, tiers dollars) {
        float* told = tiers_of(replay, s, a, side, v);
        for (int t = 0; t < s.n_tier; ++t) told[t] += dollars[t];
    }

    const bool crowded;  // paths differ in who of the tables is there
    Crowd crowds[MAX_ASSET];

    tiers survival(const Market& m, int side, int v) const {
        return m.thinned[side] >> v & 1 ? m.survival[side][v] : tsplat(1.0f);
    }
    tiers alive(const Market& m, int a, int side, int v) const {
        return crowded ? crowds[a].scale[side][v] * survival(m, side, v) : survival(m, side, v);
    }

    // Losses of the slices between the frontiers `before` and now.
    void settle_slices(const Market& m, int a, int side, uint32_t flowing, const vec* before, vec fill) {
        const vec net = s.funding_cap ? fill - m.paid : fill;
        const vec* after = m.executed[side];
        ivec same = isplat(-1);  // lanes whose groups stand at one place, as they do unless some were late
        for (int g = 1; g < s.n_group; ++g) same = same & (before[g] == before[0]) & (after[g] == after[0]);
        const uint32_t hard = flowing & m.thinned[side], easy = flowing & ~hard;
        const uint32_t together = easy & mask_bits(same), apart = easy & ~together;
        settle_parts(a, side, together, before[0], after[0], fill, net, ALL_GROUPS);
        for (int g = 0; apart && g < s.n_group; ++g)
            settle_parts(a, side, apart & above(after[g], before[g]), before[g], after[g], fill, net,
                         GROUP == g);
        for (uint32_t rest = hard; rest; rest &= rest - 1)
            for (int g = 0; g < s.n_group; ++g)
                settle_slice(m, a, side, g, __builtin_ctz(rest), before[g], fill);
    }

    // Slices of many markets, groups side by side: the part of each that lies within its first bin, then
    // within the next, and so on.
    void settle_parts(int a, int side, uint32_t lanes, vec start, vec end, vec fill, vec net, iquad groups) {
        ivec bin, last;
        vec from, until;
        locate(start, bin, from);
        locate(end, last, until);
        const vec due = load(s.fee_rate, 0) * fill, scale = crowded ? crowds[a].scale[side] : splat(1.0f);
        while (lanes) {
            const ivec more = last > bin;
            const vec to = select(more, splat(1.0f), until);
            for (uint32_t rest = lanes; rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                settle_part(a, side, v, bin[v], from[v], to[v], fill[v], net[v], due[v], scale[v], groups);
            }
            lanes &= mask_bits(more);
            bin = bin + 1;
            from = splat(0.0f);
        }
    }

    // price: the fill; net: what is left of it after funding paid
    void settle_part(int a, int side, int v, int bin, float from, float to, float price, float net, float due,
                     float scale, iquad groups) {
        const int market = (a * 2 + side) * s.n_venue + v;
        const float* line = s.slices + ((int64_t)market * N_EDGE + bin) * SLICE_LINE;
        const Slices r = slices_in_bin(line, groups, load_iquad(s.group_whole + market * MAX_GROUP), from, to,
                                       consumed(net, side), scale);
        const FeesOfGroups f = fees(r, due, load_quad(s.group_keep + market * MAX_GROUP));
        gain_of(a, v) += f.fee + f.surplus;
        quad amounts[MAX_GROUP] = {r.lost, f.fee, r.notional * price, r.deficit};
        transpose(amounts);
        const Pending pending = pending_of(a, v);
        for (int g = 0; g < s.n_group; ++g)
            book(pending, a, side, g, v, bin, line[3 * MAX_GROUP + g], amounts[g]);
    }

    // Add a part of a slice to the tiers whose it is, see `slices` in kernels/fused.h.
    void book(Pending pending, int a, int side, int g, int v, int bin, float whose, quad amount) {
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

    // Losses of what whales of a market sold between two distances; the same fees as for others.
    void settle_whale(int a, int side, int v, float before, float after, float price, float net) {
        Crowd& c = crowds[a];
        const float notional = c.lump(side, v, after) - c.lump(side, v, before);
        if (!(notional > 0.0f)) return;
        const float loss = consumed(net, side), margin = c.margin[side][v];
        const float deficit = notional * maximum(loss - margin, 0.0f), lost = notional * loss - deficit;
        const float available = maximum(notional * margin - lost, 0.0f);
        const float fee = minimum(s.fee_rate[v] * price * notional, available);
        const float surplus = s.surplus_share[v] * (available - fee);
        pending_of(a, v)[c.tier[side][v]] += quad{lost, fee, notional * price, deficit};
        gain_of(a, v)[0] += fee + surplus;
        c.deficit[side][v] += deficit;
    }

    // The same for one group of a market whose tiers auto-deleveraging has thinned.
    void settle_slice(const Market& m, int a, int side, int g, int v, vec before, vec fill) {
        const float start = before[v], end = m.executed[side][g][v], price = fill[v];
        const float net = s.funding_cap ? price - m.paid[v] : price;
        if (!(end > start)) return;
        const Group r = group(s, a, side, g, v);
        const float* held = s.held + (r.rows - s.rows) / 2;
        const Span x = span(start, end);
        float from = x.from;
        for (int bin = x.bin; bin <= x.last; ++bin, from = 0.0f) {
            const tiers left = load_tiers(held + bin * MAX_TIER) * alive(m, a, side, v);
            const Slice slice = slice_in_bin(r, left, bin, from, bin == x.last ? x.until : 1.0f, net);
            const Fees f = fees(s, v, slice, price, r.partial);
            for (int t = 0; t < s.n_tier; ++t)
                pending_of(a, v)[t] +=
                    quad{slice.lost[t], f.fee[t], slice.notional[t] * price, slice.deficit[t]};
            gain_of(a, v)[0] += tier_sum(f.fee + f.surplus);
        }
    }
};
