// Sixteen threads carry paths from first step to row: the same on a GPU and in the tests' lock step.
#pragma once

constexpr uint32_t NO_ROOM = 1u << 31;  // a path that has to run again with longer lists

// Every `stride`-th of `count` paths, beginning with number `begin`: rows [count, n_cell], status [count];
// adds to the counters. Number i is the path first + i, or which[i].
static inline void carry_paths(const PackedScenario& s, uint64_t seed, uint64_t first, const uint64_t* which,
                               int count, int begin, int stride, float* rows, uint32_t* status,
                               int64_t* counters) {
    Engine engine(s);
    for (int i = begin; i < count; i += stride) {
        int64_t work[N_COUNTER] = {};
        const uint32_t found =
            engine.run(seed, which ? which[i] : first + i, rows + (int64_t)i * s.n_cell, work);
        if (own_lane() == 0) status[i] = engine.lost() ? NO_ROOM : found;
        for (int c = 0; c < N_COUNTER && !engine.lost(); ++c) counters[c] += work[c];
    }
}
