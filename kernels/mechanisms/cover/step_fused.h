// Cover by listed accounts, at the end of a path: same statements as step_numpy.py.
#pragma once

// The largest exposures so far; lanes are venues.
struct Largest {
    vec first, second;  // of any account, venue by venue
    vec worst, next;    // of the two accounts that are largest over all venues
    float worst_total, next_total;

    void take(vec each) {
        second = maximum(minimum(each, first), second);
        first = maximum(each, first);
        const float total = lane_sum(each);
        if (total > worst_total) {
            next = worst, next_total = worst_total;
            worst = each, worst_total = total;
        } else if (total > next_total) {
            next = each, next_total = total;
        }
    }
};

static inline Largest largest_accounts(const PackedScenario& s, const vec* lowest, const vec* highest) {
    const vec zero = splat(0.0f);
    Largest found{zero, zero, zero, zero, 0.0f, 0.0f};
    if (!s.cover_account) return found;
    vec fall[MAX_ASSET], rise[MAX_ASSET];
    for (int a = 0; a < s.n_asset; ++a) {
        fall[a] = splat(1.0f) - exponential(lowest[a]);
        rise[a] = exponential(highest[a]) - splat(1.0f);
    }
    const int n = s.cover_account_rows;
    vec each = zero;
    for (int i = 0; i < n; ++i) {
        const int a = s.cover_asset[i], v = s.cover_venue[i];
        const float loss = s.cover_side[i] == LONG ? fall[a][v] : rise[a][v];
        const float beyond = s.cover_notional[i] * loss - s.cover_equity[i];
        if (beyond > 0.0f) set_lane(each, v, each[v] + beyond);
        if (i + 1 < n && s.cover_account[i + 1] == s.cover_account[i]) continue;
        found.take(each);
        each = zero;
    }
    return found;
}
