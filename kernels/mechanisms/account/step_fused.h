// Accounts, one slot of sixteen venues at a time: same statements as step_numpy.py.
#pragma once

constexpr int MAX_PASS = 16, ACCOUNT_BISECTIONS = 30;
constexpr float SMALLEST_WORTH = 1e-6f, LATER = 1e-3f, UNANSWERED_SHARE = 1e-1f;

// Prices that accounts are held to: after a fall, and after a rise.
struct Held {
    vec fall, rise;
};

// Assets that the margin stress of a slot depends on: in what is needed, and in what it is worth.
struct AccountTerms {
    uint32_t assets, need, value;
};

static inline AccountTerms account_terms(const PackedScenario& s, int slot) {
    AccountTerms t = {0, 0, 0};
    for (int a = 0; a < s.n_asset; ++a) {
        const int at = slot * s.n_asset + a;
        const bool held = s.margin_raise_row && any(load(s.account_legs, at) != 0.0f);
        if (held || any(load(s.account_need, at) != 0.0f)) t.need |= 1u << a;
        if (any(load(s.account_value, at) != 0.0f)) t.value |= 1u << a;
    }
    t.assets = t.need | t.value;
    return t;
}

// What accounts are held to in a step: row of raised margins in force, and funding that they owe.
struct AccountNow {
    int row;
    vec owed[MAX_SLOT];
};

// The price of an asset that a slot is held to.
static inline vec account_price(const PackedScenario& s, int at, const Held& price) {
    return select(load(s.account_lean, at) < 0.0f, price.fall, price.rise);
}

static inline vec account_level(const PackedScenario& s, const float* slope, const float* fixed, int slot,
                                uint32_t assets, const Held* price) {
    vec sum = load(fixed, slot);
    for (; assets; assets &= assets - 1) {
        const int a = __builtin_ctz(assets), at = slot * s.n_asset + a;
        sum = fma(load(slope, at), account_price(s, at, price[a]), sum);
    }
    return sum;
}

// What raised margins add to the need of a slot: by the face of inverse contracts, else at the marks.
static inline vec account_raised(const PackedScenario& s, int slot, int row, uint32_t assets,
                                 const Held* price) {
    const ivec inverse = load(s.account_inverse, slot) > 0.0f;
    vec sum = splat(0.0f);
    for (; assets; assets &= assets - 1) {
        const int a = __builtin_ctz(assets), at = slot * s.n_asset + a;
        const vec asked = absolute(load(s.account_legs, at)) * load(s.margin_raise_rate, row * s.n_asset + a);
        sum = fma(asked, select(inverse, splat(1.0f), account_price(s, at, price[a])), sum);
    }
    return sum;
}

// Distance that margin stress has come since the start.
static inline vec account_reached(const PackedScenario& s, int slot, const AccountTerms& t,
                                  const AccountNow& now, const Held* price) {
    vec need = account_level(s, s.account_need, s.account_need_fixed, slot, t.need, price) + now.owed[slot];
    if (now.row) need = need + account_raised(s, slot, now.row, t.need, price);
    const vec value = account_level(s, s.account_value, s.account_value_fixed, slot, t.value, price);
    const vec stress =
        select(value > SMALLEST_WORTH, need / maximum(value, splat(SMALLEST_WORTH)), splat(LARGEST));
    const vec distance = stress - load(s.account_start, slot);
    return minimum(maximum(distance, splat(0.0f)), splat(LARGEST));
}

// Notional of one slot's holders on one venue up to a distance, by tier.
static inline tiers account_forced(const PackedScenario& s, int slot, int venue, float distance) {
    int bin;
    float fraction;
    locate(distance, bin, fraction);
    const float* row = s.account_forced + ((int64_t)(slot * s.n_venue + venue) * N_EDGE + bin) * MAX_TIER;
    const tiers low = load_tiers(row), high = load_tiers(row + MAX_TIER);
    return fma(tsplat(fraction), high - low, low);
}

// Executed distance once `target` dollars beyond `executed` have gone, first in first out.
static inline float account_advance(const PackedScenario& s, int slot, int venue, float executed,
                                    float frontier, float target) {
    const float base = tier_sum(account_forced(s, slot, venue, executed));
    float low = executed, high = frontier;
    for (int i = 0; i < ACCOUNT_BISECTIONS; ++i) {
        const float middle = 0.5f * (low + high);
        if (tier_sum(account_forced(s, slot, venue, middle)) - base <= target)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct AccountSlice {
    tiers notional, lost, deficit, left;
};

// What holders between two distances lose, given loss and worth per dollar at the fills.
static inline AccountSlice account_slice(const PackedScenario& s, int slot, int venue, float start, float end,
                                         float loss, float worth) {
    const float first = s.account_start[slot * LANES + venue];
    const float broke = worth > 0.0f ? loss / worth - first : LARGEST;
    const float* rows = s.account_forced + (int64_t)(slot * s.n_venue + venue) * N_EDGE * MAX_TIER;
    AccountSlice r = {tsplat(0.0f), tsplat(0.0f), tsplat(0.0f), tsplat(0.0f)};
    tiers margin = tsplat(0.0f), face = tsplat(0.0f), fall = tsplat(0.0f);
    const float size = s.account_size[slot * LANES + venue];
    const float size_fixed = s.account_size_fixed[slot * LANES + venue];
    const Span x = span(start, end);
    float from = x.from;
    for (int bin = x.bin; bin <= x.last; ++bin, from = 0.0f) {
        const float to = bin == x.last ? x.until : 1.0f;
        const float low = table_edge(bin), width = table_edge(bin + 1) - low;
        const tiers held = load_tiers(rows + (bin + 1) * MAX_TIER) - load_tiers(rows + bin * MAX_TIER);
        const float a = fma(from, width, low), z = fma(to, width, low);
        const float reach = minimum(maximum(broke, a), z);
        const float whole = fma(0.5f, a + z, first), share = (to - from) / fma(size, whole, size_fixed);
        r.notional += (to - from) * held;
        face += share * held;
        margin += (worth * whole * share) * held;
        fall += ((1.0f - worth) * whole * share) * held;
        const float short_of = maximum(loss - worth * fma(0.5f, a + reach, first), 0.0f);
        r.deficit += (short_of * ((reach - a) / (width * fma(size, whole, size_fixed)))) * held;
    }
    const tiers spent = loss * face - r.deficit;
    r.left = margin - spent;
    r.lost = s.account_borrowed[slot * LANES + venue] > 0.0f ? fall - r.deficit : spent;
    return r;
}

// Distances up to which accounts of a slot are bankrupt at marks, `price` of every asset; `moved`: assets
// that move what a dollar loses or is worth.
static inline vec account_bankrupt(const PackedScenario& s, int slot, uint32_t moved, vec owed,
                                   const vec* price, vec executed, vec frontier, vec& loss, vec& worth) {
    loss = load(s.account_loss_fixed, slot) + owed;
    worth = load(s.account_worth_fixed, slot);
    for (; moved; moved &= moved - 1) {
        const int a = __builtin_ctz(moved), row = slot * s.n_asset + a;
        loss = fma(load(s.account_loss, row), price[a], loss);
        worth = fma(load(s.account_worth, row), price[a], worth);
    }
    const ivec some = worth > 0.0f;
    const vec broke = loss / select(some, worth, splat(1.0f)) - load(s.account_start, slot);
    return maximum(minimum(select(some, broke, splat(LARGEST)), frontier), executed);
}
