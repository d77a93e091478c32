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

struct FeesOfGroups {
    quad fee, surplus;
};

// `due` is the fee per dollar of notional, `keep` the fund's share of a surplus.
static inline FeesOfGroups fees(const Slices& slices, float due, quad keep) {
    const quad available = maximum(slices.left, qsplat(0.0f));
    const quad fee = minimum(due * slices.notional, available);
    return {fee, keep * (available - fee)};
}

static inline float fund_draw(float fund, float deficit) { return minimum(fund, deficit); }
