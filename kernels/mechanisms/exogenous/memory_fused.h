// Processes that carry something from step to step: same statements as memory_numpy.py.
#pragma once

constexpr int SITE_VOLATILITY = 10, SITE_VOLATILITY_START = 11;

struct Memory {
    float log_volatility;
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
