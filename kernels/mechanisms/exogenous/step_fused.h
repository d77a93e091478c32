// Exogenous returns, sixteen steps at a time (lanes are steps): same statements as step_numpy.py.
#pragma once

constexpr int GBM = 0, STUDENT_T_PATH = 1, STUDENT_T_STEP = 2, JUMP_DIFFUSION = 3, STOCHASTIC_VOLATILITY = 4,
              REGIME_SWITCHING = 5, BOOTSTRAP = 6;
constexpr int SITE_NORMAL = 1, SITE_MIXING = 2, SITE_COMMON_JUMP = 3, SITE_OWN_JUMP_COUNT = 4,
              SITE_OWN_JUMP_SIZE = 5;
constexpr int MIXING_LOWEST = -33, MIXING_BITS = 5, JUMP_COUNTS = 4;

struct Returns {
    vec move[MAX_ASSET];     // lanes: sixteen consecutive steps
    vec deviation;           // scale of all volatilities in each of these steps
    vec own[MAX_ASSET];      // from regimes on, by asset: a factor on its volatility besides,
    vec besides[MAX_ASSET];  // and what no volatility scales: jumps, drifts of regimes
};

// What tables over tail probabilities, `n` edges a half, say to words; `first`: where a lane's table begins.
static inline vec by_tail(const float* table, int n, ivec first, uvec word) {
    ivec upper;
    const vec t = tail(word, upper);
    const ivec raw = bits(t);
    ivec bin = (raw >> (23 - MIXING_BITS)) - ((127 + MIXING_LOWEST) << MIXING_BITS);
    const ivec last = isplat(n - 2);
    const ivec over = bin > last;
    bin = select(over, last, bin);
    vec fraction = to_float(raw & ((1 << (23 - MIXING_BITS)) - 1)) * (1.0f / (1 << (23 - MIXING_BITS)));
    fraction = select(over, splat(1.0f), fraction);
    const ivec at = first + bin + (upper & n);
    const vec low = gather(table, at);
    return fma(fraction, gather(table + 1, at) - low, low);
}

static inline vec mixing_scale(const PackedScenario& s, uvec word) {
    return by_tail(s.mixing, s.n_mixing, isplat(0), word);
}

static inline vec jump_size(uvec word, const uint64_t* threshold, vec z, float mean, float deviation) {
    vec count = splat(0.0f);
    for (int j = 0; j < JUMP_COUNTS; ++j) {
        if (threshold[j] > 0xffffffffull) break;
        count = count + select((ivec)(word >= (uint32_t)threshold[j]), splat(1.0f), splat(0.0f));
    }
    return fma(count, splat(mean), root(count) * deviation * z);
}

// Normals with the correlation in force in each of sixteen steps.
static inline void correlate(const PackedScenario& s, int first_step, ivec regime, const vec* z, vec* move) {
    const int n = s.n_asset, n_regime = s.regimes_start ? s.regimes_start_rows : 1;
    ivec factor;
    for (int k = 0; k < LANES; ++k) {
        const int step = first_step + k < s.n_step ? first_step + k : s.n_step - 1;
        factor[k] = s.correlation_row[step] * n_regime;
    }
    factor = (factor + regime) * (n * n);
    for (int a = 0; a < n; ++a) {
        vec sum = splat(0.0f);
        for (int b = 0; b <= a; ++b)
            sum = fma(gather(s.correlation_cholesky, factor + (a * n + b)), z[b], sum);
        move[a] = sum;
    }
}

static inline void draw_returns(const PackedScenario& s, const Draw& draw, int first_step, Memory& memory,
                                Returns& r) {
    const int n = s.n_asset;
    const uvec steps = (uvec)(LANE + first_step);
    if (s.process == BOOTSTRAP) {
        r.deviation = splat(1.0f);
        resample(s, draw, steps, memory, r.own, r.move);
        return;
    }
    vec z[MAX_ASSET + 3];
    uvec words[4];
    for (int block = 0; block * 4 < n; ++block) {
        draw.words(steps, SITE_NORMAL, block, words);
        for (int w = 0; w < 4; ++w) z[block * 4 + w] = normal(words[w]);
    }
    r.deviation = splat(1.0f);
    if (s.process == STUDENT_T_PATH || s.process == STUDENT_T_STEP) {
        draw.words(s.process == STUDENT_T_PATH ? usplat(0) : steps, SITE_MIXING, 0, words);
        r.deviation = mixing_scale(s, words[0]);
    } else if (s.process == STOCHASTIC_VOLATILITY) {
        r.deviation = volatility_factor(s, draw, steps, z, memory);
    }
    ivec regime = isplat(0);
    if (s.process == REGIME_SWITCHING) {
        regime = regimes(s, draw, steps, memory);
        for (int a = 0; a < n; ++a) {
            r.own[a] = gather(s.regimes_volatility, regime * n + a);
            r.besides[a] = gather(s.regimes_drift, regime * n + a);
        }
    }
    if (s.correlation_cholesky) {
        correlate(s, first_step, regime, z, r.move);
        return;
    }
    for (int a = 0; a < n; ++a) {
        vec sum = splat(0.0f);
        for (int b = 0; b <= a; ++b) sum = fma(splat(s.cholesky[a * n + b]), z[b], sum);
        r.move[a] = sum;  // scaled by the step's volatility when the step is taken
    }
}

// Jumps of sixteen steps, kept apart: they are not scaled by the volatility in force.
static inline void draw_jumps(const PackedScenario& s, const Draw& draw, int first_step, vec* jump) {
    const int n = s.n_asset;
    const uvec steps = (uvec)(LANE + first_step);
    uvec common[4], counts[4], sizes[4];
    draw.words(steps, SITE_COMMON_JUMP, 0, common);
    const vec z = normal(common[1]);
    for (int a = 0; a < n; ++a) {
        if (a % 4 == 0) {
            draw.words(steps, SITE_OWN_JUMP_COUNT, a / 4, counts);
            draw.words(steps, SITE_OWN_JUMP_SIZE, a / 4, sizes);
        }
        jump[a] = jump_size(common[0], s.common_jump_count, z, s.common_jump_mean[a], s.common_jump_sd[a]) +
                  jump_size(counts[a % 4], s.own_jump_count + a * JUMP_COUNTS, normal(sizes[a % 4]),
                            s.own_jump_mean[a], s.own_jump_sd[a]);
    }
}
