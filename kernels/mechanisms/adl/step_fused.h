// Auto-deleveraging of one market: same statements as step_numpy.py.
#pragma once

constexpr int ADL_NONE = 0, ADL_QUEUE = 1, ADL_PRO_RATA = 2;

static inline bool adl_on(const PackedScenario& s, int venue, float fund, float peak, bool spent) {
    const float threshold = maximum((1.0f - s.adl_drawdown[venue]) * peak, s.adl_below[venue]);
    return s.adl_policy[venue] != ADL_NONE && (spent || fund <= threshold + DUST);
}

struct Deleveraged {
    tiers notional, margin, forgone, taken, survival;
};

// Winners' notional closed in every tier, tiers by rising leverage.
static inline tiers take(int policy, tiers winners, float total, float need) {
    if (policy != ADL_QUEUE) return winners * (need / (total > 0.0f ? total : 1.0f));
    tiers taken = tsplat(0.0f);
    for (int t = MAX_TIER - 1; t >= 0; --t) {
        taken[t] = minimum(need, winners[t]);
        need -= taken[t];
    }
    return taken;
}

static inline tiers bankrupt_notional(const PackedScenario& s, int asset, int side, int venue,
                                      const float* start, const float* end, tiers alive) {
    tiers sum = tsplat(0.0f);
    for (int g = 0; g < s.n_group; ++g) {
        const Group r = group(s, asset, side, g, venue);
        sum += r.forced(r.place(end[g])) - r.forced(r.place(start[g]));
    }
    return sum * alive;
}

// Executed frontiers once all that is bankrupt at a price has gone; false where nothing is.
static inline bool bankrupt_frontiers(const PackedScenario& s, int asset, int venue, int side, float price,
                                      const float* start, float frontier, float* end) {
    bool some = false;
    for (int g = 0; g < s.n_group; ++g) {
        const Group r = group(s, asset, side, g, venue);
        end[g] = start[g];
        if (r.partial || s.group_empty[((asset * 2 + side) * s.n_group + g) * LANES + venue]) continue;
        end[g] = maximum(start[g], minimum(r.bankrupt_distance(price), frontier));
        some |= end[g] > start[g];
    }
    return some;
}

// Close what lies between `executed` [side][group] of the market and `end`, the frontiers of its losing
// side; `end` comes back lower where the winners do not suffice.
static inline Deleveraged deleverage(const PackedScenario& s, int asset, int venue, int side, float price,
                                     const float executed[2][MAX_GROUP], const tiers survival[2],
                                     float* end) {
    const float* start = executed[side];
    tiers winners = load_tiers(s.tier_notional + ((asset * 2 + 1 - side) * s.n_venue + venue) * MAX_TIER);
    for (int g = 0; g < s.n_group; ++g) {
        const Group r = group(s, asset, 1 - side, g, venue);
        winners -= r.forced(r.place(executed[1 - side][g]));
    }
    winners = survival[1 - side] * maximum(winners, tsplat(0.0f));
    const float total = tier_sum(winners);

    Deleveraged d;
    d.notional = bankrupt_notional(s, asset, side, venue, start, end, survival[side]);
    if (tier_sum(d.notional) > total) {
        advance(s, asset, side, venue, start, survival[side], total, end);
        d.notional = bankrupt_notional(s, asset, side, venue, start, end, survival[side]);
    }
    d.margin = tsplat(0.0f);
    for (int g = 0; g < s.n_group; ++g) {
        const Group r = group(s, asset, side, g, venue);
        d.margin += r.amounts(r.place(end[g])).margin - r.amounts(r.place(start[g])).margin;
    }
    d.margin = d.margin * survival[side];
    d.forgone = maximum(consumed(price, side) * d.notional - d.margin, tsplat(0.0f));
    const float need = minimum(tier_sum(d.notional), total);
    d.taken = take(s.adl_policy[venue], winners, total, need);
    const tiers held = winners > 0.0f ? winners : tsplat(1.0f);
    d.survival = survival[1 - side] * (1.0f - d.taken / held);
    return d;
}
