// Feeds in one step: same statements as step_numpy.py.
#pragma once

// Log errors of one asset's marks, candidates `n_asset` rows apart; null where there are none.
static inline const float* feed_error(const PackedScenario& s, int step, int asset) {
    if (!s.feed_row) return nullptr;
    const int row = s.feed_row[step];
    return s.feed_wrong[row] ? s.feed_error + (int64_t)(row * 3 * s.n_asset + asset) * LANES : nullptr;
}

// Most steps by which any mark is ever behind.
static inline int longest_lag(const PackedScenario& s) {
    int most = 0;
    if (!s.feed_row) return most;
    for (int i = 0; i < s.feed_lag_rows * s.n_asset * LANES; ++i)
        if (s.feed_lag[i] > most) most = s.feed_lag[i];
    return most;
}

// Venues whose marks are behind.
static inline uint32_t late_feeds(const PackedScenario& s, int step, int asset) {
    return mask_bits(load_integers(s.feed_lag, s.feed_row[step] * s.n_asset + asset) != 0);
}

// Venues whose marks stand still.
static inline uint32_t stale_feeds(const PackedScenario& s, int step, int asset) {
    if (!s.feed_row) return 0;
    return mask_bits(load_integers(s.feed_stale, s.feed_row[step] * s.n_asset + asset) != 0);
}
