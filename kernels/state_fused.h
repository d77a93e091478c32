// What evolves along one path, asset by asset, and what an engine keeps of each asset.
#pragma once

// Constants of one asset, made once per engine.
struct Asset {
    Book book;
    Withdrawal withdrawal;
    Marking marking;
    bool breakers;  // some market has one
    vec index_weight, throughput;
    ivec listed;
    vec open;  // interest at the start
    float arbitrage, permanent, drift, volatility, monitoring;
};

// Evolving state of one asset; lanes are venues.
struct Market {
    vec price, q, memory;
    vec basis;  // average over the index, percent
    vec frontier[2];
    vec executed[2][MAX_GROUP];
    vec base[2];    // notional executed so far among those still there
    vec paid;       // funding, by a start dollar of longs since the start
    vec share;      // the same, of its present worth
    vec due[2];     // distance that it adds to the marks', by side
    vec charge[2];  // raised margins and all
    float charge_most[2];
    float exogenous, fundamental, last;
    float nearest[2];     // smallest frontier of a listed venue: nobody triggers before it
    uint32_t thinned[2];  // lanes whose tiers auto-deleveraging has thinned
    bool displaced;       // any book away from rest; otherwise every price equals `last`
    uint32_t frozen;      // venues where they do
    bool rules_last;      // rules of marks are those of the step before
    bool restless;        // something besides books evolves: no step may be skipped
    bool behind;          // some frontier is ahead of what has been executed
    Breakers breakers;
    vec held;  // marks that stand still
    Bins bins[2];
    ByVenue<tiers> survival[2];
};

// More than rounding can move a mean of log prices; what a gate skips must lie this far from mattering.
constexpr float ROUNDING = 1e-5f;

// An asset within a step, between its parts.
struct Work {
    float monitoring;                              // distance added to every mark that moves
    float watched_most;                            // the same with what marks may differ from prices
    float watched_by, watched_fall, watched_rise;  // a distance, and the factors that it moves prices by
    float lowest, highest;                         // bounds of the price
    float most[2];  // bounds of the offsets and of what marks may differ from prices
    float first;    // flow of the first round
    int rounds;
    uint32_t halted, frozen;  // markets that do not trade; marks that stand still
    bool was_displaced, displaced, active;
    bool woken;                        // active for the orders of others alone
    bool rules_simple, rules_spread;   // `marks` hold on while these stay as they are:
    uint32_t rules_halted, rules_out;  // markets that do not trade, sources that an index may leave out
    bool resting;                      // nothing happens in it so far: only the bounds are set
    vec start;                         // displacement before the rounds, percent
    vec price;                         // log price, before and after them
    vec band[2];                       // what books take up to a breaker's level, where nothing takes less
    Marks marks;                       // rules of marks, frozen for the step
};
