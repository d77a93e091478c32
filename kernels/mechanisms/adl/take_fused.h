// Whose positions auto-deleveraging closes: same statements as take_numpy.py.
#pragma once

constexpr int ADL_NONE = 0, ADL_QUEUE = 1, ADL_PRO_RATA = 2, ADL_QUEUE_HYPERLIQUID = 3,
              ADL_CAPPED_PRO_RATA = 4, ADL_LEVERAGE_WATERFILL = 5, ADL_RANDOM_START = 6;
constexpr int SITE_ADL_START = 30;

// Winners of one market at the mark, by tier.
struct Winners {
    tiers notional, profit, collateral, equity, growth, leverage, thinned;
};

static inline Winners standing(const PackedScenario& s, int asset, int side, int venue, float price,
                               tiers notional, tiers survival) {
    const int64_t at = (int64_t)((asset * 2 + side) * s.n_venue + venue) * MAX_TIER;
    const tiers mark = tsplat(price), start = load_tiers(s.adl_equity + at),
                entry = load_tiers(s.adl_entry + at);
    const tiers one = tsplat(1.0f);
    Winners w;
    w.profit = side == LONG ? mark - entry : entry - mark;
    w.equity = side == LONG ? start + (mark - one) : start - (mark - one);
    w.collateral = side == LONG ? start + (entry - one) : start - (entry - one);
    w.growth = side == LONG ? mark / entry : entry / mark;
    w.notional = select(w.profit > 0.0f, notional, tsplat(0.0f));
    w.leverage = mark / w.equity;
    w.thinned = survival * w.leverage;
    return w;
}

// Share of each tier that may be closed.
static inline tiers room(int policy, const Winners& w) {
    if (policy != ADL_CAPPED_PRO_RATA) return tsplat(1.0f);
    return maximum(minimum(w.profit / w.equity, tsplat(1.0f)), tsplat(0.0f));
}

static inline tiers queue(tiers notional, float need, tiers score) {
    const tiers tier = {0, 1, 2, 3, 4, 5, 6, 7};
    tiers ahead = tsplat(0.0f);
    for (int u = 0; u < MAX_TIER; ++u) {
        const auto first = (score[u] > score) | ((score[u] == score) & ((float)u > tier));
        ahead += select(first, tsplat(notional[u]), tsplat(0.0f));
    }
    return maximum(minimum(need - ahead, notional), tsplat(0.0f));
}

static inline tiers capped(tiers notional, float need, tiers cap) {
    tiers given = tsplat(0.0f);
    for (int u = 0; u < MAX_TIER; ++u) given += notional[u] * minimum(tsplat(cap[u]), cap);
    const auto full = given <= need;
    const float rest = tier_sum(select(full, tsplat(0.0f), notional));
    const float share =
        (need - tier_sum(select(full, notional * cap, tsplat(0.0f)))) / (rest > 0.0f ? rest : 1.0f);
    return notional * select(full, cap, maximum(minimum(tsplat(share), cap), tsplat(0.0f)));
}

static inline tiers waterfill(tiers notional, float need, tiers leverage) {
    const tiers zero = tsplat(0.0f), held = select(notional > 0.0f, leverage, zero);
    const tiers floor = maximum(held, tsplat(1e-30f));
    tiers given = zero;
    for (int u = 0; u < MAX_TIER; ++u)
        given += notional[u] > 0.0f ? notional[u] * maximum(1.0f - held / floor[u], zero) : zero;
    const auto cut = (given < need) & (notional > 0.0f);
    const float slope = tier_sum(select(cut, notional / floor, zero));
    const float excess = maximum(tier_sum(select(cut, notional, zero)) - need, 0.0f);
    const float level = excess / (slope > 0.0f ? slope : 1.0f);
    return select(cut, notional * maximum(minimum(1.0f - level / floor, tsplat(1.0f)), zero), zero);
}

static inline tiers walk(tiers notional, float need, float start) {
    tiers begin = tsplat(0.0f), end = tsplat(0.0f);
    float sum = 0.0f;
    for (int t = 0; t < MAX_TIER; ++t) {
        begin[t] = sum;
        sum += notional[t];
        end[t] = sum;
    }
    const tiers zero = tsplat(0.0f);
    const auto overlap = [&](float low) {
        return maximum(minimum(end, tsplat(low + need)) - maximum(begin, tsplat(low)), zero);
    };
    return minimum(overlap(start * sum) + overlap(start * sum - sum), notional);
}

// Winners' notional closed in every tier; `total` is that of all in profit.
static inline tiers take(int policy, const Winners& w, float total, float need, float start) {
    switch (policy) {
        case ADL_QUEUE:
            return queue(w.notional, need, w.profit / w.collateral * w.leverage);
        case ADL_QUEUE_HYPERLIQUID:
            return queue(w.notional, need, w.growth * w.leverage);
        case ADL_CAPPED_PRO_RATA:
            return capped(w.notional, need, room(policy, w));
        case ADL_LEVERAGE_WATERFILL:
            return waterfill(w.notional, need, w.thinned);
        case ADL_RANDOM_START:
            return walk(w.notional, need, start);
        default:
            return w.notional * (need / (total > 0.0f ? total : 1.0f));
    }
}
