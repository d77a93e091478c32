// Fees of a slice and the insurance fund of a step: same statements as step_numpy.py.
#pragma once

struct Fees {
    tiers fee, surplus;
};

static inline Fees fees(const PackedScenario& s, int venue, const Slice& slice, float price, bool partial) {
    const tiers available = maximum(slice.left, tsplat(0.0f));
    const tiers fee = minimum(s.fee_rate[venue] * price * slice.notional, available);
    return {fee, (partial ? 0.0f : s.surplus_share[venue]) * (available - fee)};
}

struct FeesOfLanes {
    vec fee, surplus;
};

static inline FeesOfLanes fees(const PackedScenario& s, const Slices& slices, vec price, ivec whole) {
    const vec zero = splat(0.0f), available = maximum(slices.left, zero);
    const vec fee = minimum(load(s.fee_rate, 0) * price * slices.notional, available);
    return {fee, select(whole, load(s.surplus_share, 0), zero) * (available - fee)};
}

static inline float fund_draw(float fund, float deficit) { return minimum(fund, deficit); }
