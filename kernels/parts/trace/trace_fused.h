// What is kept of a traced path: same fields as trace_numpy.py, same rounds as replay_numpy.py.
#pragma once

// Who has something to tell a replay declares TELLS_REPLAY: a pointer, null where nobody asks. Builds that
// keep no traces, as those for a GPU, know it to be null, and nothing is left there of what follows it.
#if defined(TRACED)
#define TELLS_REPLAY Replay* replay = nullptr
#else
#define TELLS_REPLAY static constexpr Replay* replay = nullptr
#endif

// Writes the cells of a step, in the order of `FIELDS` and `DETAIL`.
struct TraceWriter {
    float* cell;
    int n_venue, n_tier;
    void put(float x) { *cell++ = x; }
    void put(vec x) {
        for (int v = 0; v < n_venue; ++v) put((float)x[v]);
    }
    void put_bits(uint32_t venues) {
        for (int v = 0; v < n_venue; ++v) put((float)(venues >> v & 1));
    }
    void put_tiers(tiers x) {
        for (int t = 0; t < n_tier; ++t) put((float)x[t]);
    }
};

// Numbers of one round, in the order of `ROUND_FIELDS`.
struct RoundWriter {
    float values[1 + 5 * LANES];
    int n_venue, n = 0;
    void put(float x) { values[n++] = x; }
    void put(vec x) {
        for (int v = 0; v < n_venue; ++v) put((float)x[v]);
    }
};

// Dollars of one market by tier, for `Replay::by_tier`.
static inline float* tiers_of(const Replay* replay, const PackedScenario& s, int a, int side, int v) {
    return replay->by_tier + ((a * 2 + side) * s.n_venue + v) * MAX_TIER;
}
