// Auto-deleveraging of one market: same statements as step_numpy.py.
#pragma once

struct Deleveraged {
    tiers notional, margin, deficit, taken, survival;
    float hedged, profit;
};

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

// What all of a side but whales still hold, before thinning.
static inline tiers still_held(const PackedScenario& s, int asset, int side, int venue, const float* executed,
                               const Crowd* crowd) {
    tiers held = load_tiers(s.tier_notional + (int64_t)((asset * 2 + side) * s.n_venue + venue) * MAX_TIER);
    const float scale = crowd ? (float)crowd->scale[side][venue] : 1.0f;
    if (crowd) held = crowd->whole[side][venue] * held;
    for (int g = 0; g < s.n_group; ++g) {
        const Group r = group(s, asset, side, g, venue);
        held -= scale * r.forced(r.place(executed[g]));
    }
    return maximum(held, tsplat(0.0f));
}

// Winners of one side at a mark, and what all of that side still hold.
static inline Winners winners_of(const PackedScenario& s, int asset, int side, int venue, float price,
                                 const float* executed, tiers survival, const Crowd* crowd, tiers& held) {
    held = still_held(s, asset, side, venue, executed, crowd);
    return standing(s, asset, side, venue, price, survival * held, survival);
}

struct Given {
    tiers taken, survival;
    float hedged;
};

// What winners of `side` give up.
static inline Given give(const PackedScenario& s, int asset, int side, int venue, const Winners& winners,
                         tiers held, tiers survival, float need, float first) {
    const tiers one = tsplat(1.0f);
    Given r;
    r.taken = take(s.adl_policy[venue], winners, tier_sum(winners.notional), need, first);
    r.survival = survival * (1.0f - r.taken / select(winners.notional > 0.0f, winners.notional, one));
    const int64_t at = (int64_t)((asset * 2 + side) * s.n_venue + venue) * MAX_TIER;
    const tiers hedges = load_tiers(s.adl_hedged + at) / select(held > 0.0f, held, one);
    r.hedged = tier_sum(r.taken * minimum(hedges, one));
    return r;
}

// What the winners taken from have made since their entry, closed where the losers of `side` have lost `loss`
// a start dollar.
static inline float profit_left(const PackedScenario& s, int asset, int side, int venue, tiers taken,
                                float loss) {
    const int64_t at = (int64_t)((asset * 2 + 1 - side) * s.n_venue + venue) * MAX_TIER;
    const tiers above_start = load_tiers(s.adl_entry + at) - 1.0f, zero = tsplat(0.0f);
    return tier_sum(taken * maximum((side == LONG ? above_start : zero - above_start) + loss, zero));
}

// Close what lies between `executed` [side][group] of the market and `end`, the frontiers of its losing
// side; `end` comes back lower where the winners do not suffice. `first`: where a random start begins.
static inline Deleveraged deleverage(const PackedScenario& s, int asset, int venue, int side, float price,
                                     float net, const float executed[2][MAX_GROUP], const tiers survival[2],
                                     const Crowd* crowd, float first, float* end) {
    const float* start = executed[side];
    tiers held;
    const tiers alive = crowd ? crowd->scale[side][venue] * survival[side] : survival[side];
    const tiers thinned = survival[1 - side];
    const Winners winners =
        winners_of(s, asset, 1 - side, venue, price, executed[1 - side], thinned, crowd, held);
    const float most = tier_sum(room(s.adl_policy[venue], winners) * winners.notional);

    Deleveraged d;
    d.notional = bankrupt_notional(s, asset, side, venue, start, end, alive);
    if (tier_sum(d.notional) > most) {
        advance(s, asset, side, venue, start, alive, most, end, [](float) { return 0.0f; });
        d.notional = bankrupt_notional(s, asset, side, venue, start, end, alive);
    }
    d.margin = tsplat(0.0f);
    for (int g = 0; g < s.n_group; ++g) {
        const Group r = group(s, asset, side, g, venue);
        d.margin += r.amounts(r.place(end[g])).margin - r.amounts(r.place(start[g])).margin;
    }
    d.margin = d.margin * alive;
    d.deficit = maximum(consumed(net, side) * d.notional - d.margin, tsplat(0.0f));
    const float need = minimum(tier_sum(d.notional), most);
    const Given given = give(s, asset, 1 - side, venue, winners, held, thinned, need, first);
    d.taken = given.taken;
    d.survival = given.survival;
    d.hedged = given.hedged;
    const float sold = tier_sum(d.notional);
    const float loss =
        s.adl_at_mark[venue] ? consumed(price, side) : tier_sum(d.margin) / (sold > 0.0f ? sold : 1.0f);
    d.profit = profit_left(s, asset, side, venue, d.taken, loss);
    return d;
}
