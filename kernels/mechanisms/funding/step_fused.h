// Funding of one asset, sixteen venues at a time: same statements as step_numpy.py.
#pragma once

constexpr float MOST_CHARGED = 0.9f;

// Dollars that a start dollar of longs pays in a step; `displaced` in percent; `drawn`: by events of drawn
// size.
static inline vec funding_accrual(const PackedScenario& s, int asset, int step, vec displaced, vec price,
                                  vec drawn) {
    vec premium = splat(0.0f);
    if (above(absolute(displaced), 0.0f))
        for (int u = 0; u < s.n_venue; ++u)
            premium = fma(load(s.funding_premium, asset * s.n_venue + u), splat(displaced[u]), premium);
    premium = premium * PERCENT;
    const vec clamp = load(s.funding_clamp, 0), cap = load(s.funding_cap, 0), zero = splat(0.0f);
    const vec toward = minimum(maximum(load(s.funding_interest, 0) - premium, zero - clamp), clamp);
    const vec spike = load(s.funding_spike, s.funding_row[step] * s.n_asset + asset);
    const vec rate = minimum(maximum(premium + toward + spike + drawn, zero - cap), cap);
    return rate * load(s.funding_share, 0) * exponential(price);
}

// Distance that funding paid so far adds to the marks' of one side.
static inline vec funding_charge(const PackedScenario& s, int asset, int side, vec share) {
    const vec part = minimum(share * load(s.funding_weight, asset * 2 + side), splat(MOST_CHARGED));
    const vec rise = logarithm(1.0f - part);
    return side == LONG ? 0.0f - rise : rise;
}
