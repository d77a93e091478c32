// Processes that carry something from step to step: same statements as memory_numpy.py.
#pragma once

constexpr int SITE_VOLATILITY = 10, SITE_VOLATILITY_START = 11, SITE_REGIME = 12, SITE_BLOCK = 13;

struct Memory {
    float log_volatility;
    int regime;
    int row;
    float variance[MAX_ASSET];
};

// Multiplier of all volatilities in sixteen steps.
static inline vec volatility_factor(const PackedScenario& s, const Draw& draw, uvec steps, const vec* z,
                                    Memory& memory) {
    uvec words[4];
    if (steps[0] == 0) {
        draw.words(usplat(0), SITE_VOLATILITY_START, 0, words);
        memory.log_volatility = fma(*s.stochastic_volatility_start_sd, (float)normal(words[0])[0],
                                    *s.stochastic_volatility_start);
    }
    draw.words(steps, SITE_VOLATILITY, 0, words);
    vec common = splat(0.0f);
    for (int a = 0; a < s.n_asset; ++a) common = fma(splat(s.stochastic_volatility_loading[a]), z[a], common);
    const vec innovation = fma(splat(*s.stochastic_volatility_leverage), common,
                               *s.stochastic_volatility_remainder * normal(words[0]));
    const float decay = *s.stochastic_volatility_decay, size = *s.stochastic_volatility_innovation;
    vec x;
    for (int k = 0; k < LANES; ++k) {
        x[k] = memory.log_volatility;
        memory.log_volatility = fma(decay, memory.log_volatility, size * innovation[k]);
    }
    return exponential(x - *s.stochastic_volatility_centre);
}

// Regimes of sixteen steps.
static inline ivec regimes(const PackedScenario& s, const Draw& draw, uvec steps, Memory& memory) {
    const int n = s.regimes_start_rows;
    uvec words[4];
    draw.words(steps, SITE_REGIME, 0, words);
    ivec regime;
    for (int k = 0; k < LANES; ++k) {
        const uint64_t* threshold = steps[k] ? s.regimes_transition + memory.regime * n : s.regimes_start;
        int next = 0;
        for (int j = 0; j < n; ++j) next += words[0][k] >= threshold[j];
        regime[k] = memory.regime = next;
    }
    return regime;
}

// Scales of the volatility and standardised returns of sixteen steps, out of history.
static inline void resample(const PackedScenario& s, const Draw& draw, uvec steps, Memory& memory, vec* own,
                            vec* standard) {
    const int n = s.n_asset, n_row = s.bootstrap_returns_rows;
    uvec words[4];
    draw.words(steps, SITE_BLOCK, 0, words);
    const ivec drawn = (ivec)high_product(words[1], (uint32_t)n_row);
    ivec row;
    for (int k = 0; k < LANES; ++k) {
        const int next = memory.row + 1 < n_row ? memory.row + 1 : 0;
        row[k] = memory.row = steps[k] == 0 || words[0][k] < *s.bootstrap_block ? drawn[k] : next;
    }
    const float decay = *s.bootstrap_decay;
    for (int a = 0; a < n; ++a) {
        standard[a] = gather(s.bootstrap_returns, row * n + a);
        float variance = steps[0] ? memory.variance[a] : s.bootstrap_start[a] * s.bootstrap_start[a];
        if (decay == 1.0f) {
            own[a] = splat(s.bootstrap_start[a]);
            continue;
        }
        for (int k = 0; k < LANES; ++k) {
            const float scale = root(variance), move = scale * standard[a][k];
            own[a][k] = scale;
            variance = fma(decay, variance, (1.0f - decay) * (move * move));
        }
        memory.variance[a] = variance;
    }
}
