// Factors on what can be forced, once a path: same statements as step_numpy.py.
#pragma once

constexpr uint32_t SITE_LEVERAGE = 50, SITE_LEVERAGE_COMMON = 51;

// Before the cap, which differs from market to market.
static inline vec leverage_factor(const PackedScenario& s, const Draw& draw) {
    uvec own;
    uint32_t words[4];
    for (int block = 0; block * 4 < LANES; ++block) {
        draw.words(0u, SITE_LEVERAGE, block, words);
        for (int w = 0; w < 4; ++w) own[block * 4 + w] = words[w];
    }
    draw.words(0u, SITE_LEVERAGE_COMMON, 0, words);
    const vec common = normal(usplat(words[0]));
    return exponential(fma(load(s.leverage_common, 0), common, load(s.leverage_own, 0) * normal(own)));
}
