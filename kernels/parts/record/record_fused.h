// The record of one path and its outcome row: same fields as record_numpy.py.
#pragma once

constexpr float STRESSED = -0.01f;
constexpr int N_COMPONENT = 11;
enum Component {
    TOTAL,
    MARGIN_LOST,
    DEFICIT,
    FUND_DRAW,
    ADL,
    BAD_DEBT,
    FEES,
    SOCIALISED,
    OWN_CAPITAL,
    DEFAULT_FUND,
    ASSESSMENTS
};
constexpr int N_CHANNEL = 13;  // kernels/outcome.py names them; 0: isolated positions
constexpr int RETAIL_EXIT = 10;
constexpr uint32_t EXHAUSTED = 1, UNCONVERGED = 2, IDENTITY_BROKEN = 4, NOT_FINITE = 8, UNANSWERED = 16;

struct Record {
    // by venue and tier
    ByVenue<tiers> loss[N_COMPONENT];
    ByVenue<tiers> liquidated_tier;
    ByVenue<tiers> adl_notional;
    RowByVenue<quad, MAX_TIER + 1> pending;  // of the step's slices: margin lost, fees, dollars, deficit
    ByVenue<quad> gain;                      // of the step for the fund, fees and surplus, by group
    // by asset; lanes are venues
    vec liquidated[MAX_ASSET][2];
    vec coins[MAX_ASSET], deleveraged[MAX_ASSET], exited[MAX_ASSET];
    vec trough[MAX_ASSET], peak[MAX_ASSET];
    float index_trough[MAX_ASSET], exogenous_trough[MAX_ASSET], branching[MAX_ASSET];
    // by venue
    float income[LANES], adl_closed[LANES], exhaustion[LANES], backlog[LANES];
    float backlog_total;
    float sold_by[N_CHANNEL];
    vec funding[2];  // paid by longs, and by shorts
    float vault_inventory[LANES], vault_inventory_total, vault_loss[LANES];
    float vault_end[LANES];  // what vaults hold when the run ends
    uint32_t common_venues;  // venues where some of it belongs to no single market
    uint32_t pending_venues;
};

// What the slices of a step lose in one market or venue, by tier.
typedef RowByVenue<quad, MAX_TIER + 1>::Row Pending;

// Move one pot's part of the step into the record; the deficits come back, for the fund to pay.
static inline tiers book_pending(Record& r, int v, Pending pending) {
    quad low[4], high[4];
    for (int t = 0; t < 4; ++t) {
        low[t] = pending[t];
        high[t] = pending[t + 4];
        pending[t] = pending[t + 4] = qsplat(0.0f);
    }
    transpose(low);
    transpose(high);
    add_tiers(r.loss[MARGIN_LOST][v], join(low[0], high[0]));
    add_tiers(r.loss[FEES][v], join(low[1], high[1]));
    add_tiers(r.liquidated_tier[v], join(low[2], high[2]));
    const tiers deficits = join(low[3], high[3]);
    add_tiers(r.loss[DEFICIT][v], deficits);
    return deficits;
}

// Writes one row in the order of kernels/outcome.py.
struct RowWriter {
    float* row;
    int cell;
    void put(float x) { put_cell(row, cell++, maximum(x, 0.0f)); }
};

static inline void write_tiers(RowWriter& row, const ByVenue<tiers>& table, int n_venue, int n_tier) {
    tiers all = tsplat(0.0f);
    for (int v = 0; v <= n_venue; ++v) {
        const tiers t = v < n_venue ? table[v] : all;
        all += t;
        float sum = 0.0f;
        for (int i = 0; i < n_tier; ++i) {
            row.put(t[i]);
            sum += t[i];
        }
        row.put(sum);
    }
}

static inline void write_liquidated(RowWriter& row, const Record& r, int n_asset, int n_venue) {
    float all_assets[2][MAX_ASSET + 1] = {};
    for (int v = 0; v < n_venue; ++v) {
        float sum[2] = {0.0f, 0.0f};
        for (int a = 0; a < n_asset; ++a) {
            const float x = r.liquidated[a][LONG][v], y = r.liquidated[a][SHORT][v];
            row.put(x), row.put(y), row.put(x + y);
            sum[0] += x, sum[1] += y;
            all_assets[0][a] += x, all_assets[1][a] += y;
        }
        row.put(sum[0]), row.put(sum[1]), row.put(sum[0] + sum[1]);
        all_assets[0][n_asset] += sum[0], all_assets[1][n_asset] += sum[1];
    }
    for (int a = 0; a <= n_asset; ++a) {
        row.put(all_assets[0][a]), row.put(all_assets[1][a]), row.put(all_assets[0][a] + all_assets[1][a]);
    }
}

static inline void write_coins(RowWriter& row, const Record& r, int n_asset, int n_venue) {
    float all[MAX_ASSET + 1] = {};
    for (int v = 0; v < n_venue; ++v) {
        float sum = 0.0f;
        for (int a = 0; a < n_asset; ++a) {
            row.put(r.coins[a][v]);
            sum += r.coins[a][v];
            all[a] += r.coins[a][v];
        }
        row.put(sum);
        all[n_asset] += sum;
    }
    for (int a = 0; a <= n_asset; ++a) row.put(all[a]);
}

static inline void write_closed(RowWriter& row, const PackedScenario& s, const Record& r) {
    float all = 0.0f;
    for (int v = 0; v < s.n_venue; ++v) {
        float taken = 0.0f;
        for (int a = 0; a < s.n_asset; ++a) taken += r.coins[a][v] + r.exited[a][v];
        const float open = taken - r.adl_closed[v] - r.vault_end[v];
        const float closed = fma(s.closing_share[v], open, r.adl_closed[v]);
        row.put(closed);
        all += closed;
    }
    row.put(all);
}

static inline void write_prices(RowWriter& row, const PackedScenario& s, const Record& r) {
    for (int a = 0; a < s.n_asset; ++a) {
        const vec low = exponential(r.trough[a]);
        for (int v = 0; v < s.n_venue; ++v) row.put(s.listed[a * LANES + v] ? 1.0f - low[v] : 0.0f);
    }
    for (int a = 0; a < s.n_asset; ++a) row.put(1.0f - exponential(r.index_trough[a]));
    for (int a = 0; a < s.n_asset; ++a) row.put(1.0f - exponential(r.exogenous_trough[a]));
    for (int a = 0; a < s.n_asset; ++a) row.put(r.exogenous_trough[a] < STRESSED ? -r.index_trough[a] : 0.0f);
    for (int a = 0; a < s.n_asset; ++a)
        row.put(r.exogenous_trough[a] < STRESSED ? -r.exogenous_trough[a] : 0.0f);
    for (int a = 0; a < s.n_asset; ++a)
        row.put(r.exogenous_trough[a] < STRESSED ? r.index_trough[a] / r.exogenous_trough[a] : 0.0f);
    for (int a = 0; a < s.n_asset; ++a) row.put(r.exogenous_trough[a] - r.index_trough[a]);
}

// Largest notional forced within the window, from the cumulative flow [n_step + 1].
template <class Floats>
static inline float worst_window(const Floats& cumulative, int n_step, int window) {
    if (window > n_step) window = n_step;
    float worst = 0.0f;
    for (int i = 0; i + window <= n_step; ++i) worst = maximum(cumulative[i + window] - cumulative[i], worst);
    return worst;
}

// One number per venue, and their sum.
static inline void write_venues(RowWriter& row, const float* values, int n_venue, float sign = 1.0f,
                                const float* base = nullptr) {
    float sum = 0.0f;
    for (int v = 0; v < n_venue; ++v) {
        const float x = maximum(sign * values[v] - (base ? base[v] : 0.0f), 0.0f);
        row.put(x);
        sum += x;
    }
    row.put(sum);
}

static inline void write_closings(RowWriter& row, const Closings& c, int n_venue) {
    write_venues(row, c.hedged, n_venue);
    for (int h = 0; h < N_HORIZON; ++h) write_venues(row, c.forgone[h], n_venue);
    for (int h = 0; h < N_HORIZON; ++h) write_venues(row, c.forgone[h], n_venue, -1.0f);
    for (int h = 0; h < N_HORIZON; ++h) write_venues(row, c.forgone[h], n_venue, 1.0f, c.needed);
}

// The largest deficit of one account, and of two, by venue and over all.
static inline void write_cover(RowWriter& row, const Crowd* crowds, int n_asset, int n_venue) {
    float first_of_all = 0.0f, second_of_all = 0.0f;
    const auto rank = [](float x, float& first, float& second) {
        second = maximum(minimum(x, first), second);
        first = maximum(x, first);
    };
    for (int v = 0; v < n_venue; ++v) {
        float first = 0.0f, second = 0.0f;
        for (int a = 0; crowds && a < n_asset; ++a)
            for (int side = 0; side < 2; ++side) {
                rank(crowds[a].deficit[side][v], first, second);
                rank(crowds[a].deficit[side][v], first_of_all, second_of_all);
            }
        row.put(first), row.put(first + second);
    }
    row.put(first_of_all), row.put(first_of_all + second_of_all);
}

// The same of listed accounts at the worst prices, and what of it is beyond what venues hold for it.
static inline void write_listed(RowWriter& row, const PackedScenario& s, const Largest& found) {
    const vec zero = splat(0.0f), held = s.cover_account ? load(s.cover_prefunded, 0) : zero;
    const vec two = found.first + found.second, worst_two = found.worst + found.next;
    for (int v = 0; v < s.n_venue; ++v) row.put(found.first[v]), row.put(two[v]);
    row.put(found.worst_total), row.put(found.worst_total + found.next_total);
    const vec one_short = maximum(found.first - held, zero), two_short = maximum(two - held, zero);
    for (int v = 0; v < s.n_venue; ++v) row.put(one_short[v]), row.put(two_short[v]);
    row.put(lane_sum(maximum(found.worst - held, zero))), row.put(lane_sum(maximum(worst_two - held, zero)));
}

template <class Floats>
static inline void write_row(const PackedScenario& s, Record& r, const Closings& closings,
                             const Crowd* crowds, const Floats& cumulative, float* out) {
    RowWriter row{out, 0};
    for (int v = 0; v < s.n_venue; ++v)
        r.loss[TOTAL][v] = (tiers)r.loss[MARGIN_LOST][v] + (tiers)r.loss[DEFICIT][v];
    for (int c = 0; c < N_COMPONENT; ++c) write_tiers(row, r.loss[c], s.n_venue, s.n_tier);
    write_liquidated(row, r, s.n_asset, s.n_venue);
    write_coins(row, r, s.n_asset, s.n_venue);
    write_tiers(row, r.liquidated_tier, s.n_venue, s.n_tier);
    write_tiers(row, r.adl_notional, s.n_venue, s.n_tier);
    write_closings(row, closings, s.n_venue);
    write_closed(row, s, r);
    write_prices(row, s, r);
    float largest = 0.0f;
    for (int a = 0; a < s.n_asset; ++a) {
        row.put(r.branching[a]);
        largest = maximum(r.branching[a], largest);
    }
    row.put(largest);
    float exhausted = 0.0f;
    for (int v = 0; v < s.n_venue; ++v) {
        row.put(r.exhaustion[v]);
        exhausted += r.exhaustion[v] > 0.0f ? 1.0f : 0.0f;
    }
    row.put(exhausted);
    for (int v = 0; v < s.n_venue; ++v) row.put(r.backlog[v]);
    row.put(r.backlog_total);
    for (int c = 0; c < N_CHANNEL; ++c) row.put(r.sold_by[c]);
    float paid[2] = {0.0f, 0.0f};
    for (int v = 0; v < s.n_venue; ++v)
        for (int side = 0; side < 2; ++side) {
            row.put(r.funding[side][v]);
            paid[side] += r.funding[side][v];
        }
    row.put(paid[0]), row.put(paid[1]);
    write_cover(row, crowds, s.n_asset, s.n_venue);
    write_listed(row, s, largest_accounts(s, r.trough, r.peak));
    for (int v = 0; v < s.n_venue; ++v) row.put(r.vault_inventory[v]);
    row.put(r.vault_inventory_total);
    write_venues(row, r.vault_loss, s.n_venue);
    row.put(worst_window(cumulative, s.n_step, s.window_steps));
}

// Money in must be money out, per venue, within what float32 sums allow.
// Every test is written so that a number that is not one fails it.
constexpr Component PAYERS[] = {FUND_DRAW, OWN_CAPITAL, DEFAULT_FUND, ASSESSMENTS, ADL, SOCIALISED, BAD_DEBT};

// `balance` and `lowest` of the funds of every venue, see `Funds`.
static inline uint32_t check(const PackedScenario& s, const Record& r, const float* balance,
                             const float* lowest, float flow) {
    uint32_t status = 0;
    float slices = 0.0f;
    for (int v = 0; v < s.n_venue; ++v) slices += tier_sum(r.liquidated_tier[v]);
    // What was forced must have been settled; cumulative notionals end at single precision.
    const float lost = flow - slices;
    if (!((lost < 0.0f ? -lost : lost) <= 1e-3f * flow + 1e4f)) status |= IDENTITY_BROKEN;
    for (int v = 0; v < s.n_venue; ++v) {
        const float drawn = tier_sum(r.loss[FUND_DRAW][v]), gained = s.fund[v] + r.income[v];
        const float gap = gained - drawn - balance[v];
        if (!((gap < 0.0f ? -gap : gap) <= 1e-4f * gained + 1.0f) || !(lowest[v] >= 0.0f))
            status |= IDENTITY_BROKEN;
        const float deficit = tier_sum(r.loss[DEFICIT][v]);
        float paid = 0.0f;
        for (const Component payer : PAYERS) paid += tier_sum(r.loss[payer][v]);
        const float open = deficit - paid;
        if (!((open < 0.0f ? -open : open) <= 1e-4f * deficit + 1.0f)) status |= IDENTITY_BROKEN;
    }
    return status;
}
