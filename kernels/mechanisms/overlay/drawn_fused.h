// Events of drawn size: same statements as `Drawn` in step_numpy.py.
#pragma once

constexpr int SITE_OVERLAY = 60;

class Events {
   public:
    explicit Events(const PackedScenario& scenario)
        : n_event(scenario.event_share ? scenario.event_share_rows : 0), s(scenario) {
        for (int e = 0; e < n_event; ++e) {
            first[e] = s.n_step;
            last[e] = -1;
            for (int n = 0; n < s.n_step; ++n) {
                bool some = share(e, n) != 0.0f;
                for (int a = 0; a < s.n_asset; ++a) some |= shock_of(e, n, a) != 0.0f;
                if (!some) continue;
                if (first[e] > n) first[e] = n;
                last[e] = n;
            }
            multiplies[e] = thins[e] = charges[e] = false;
            for (int a = 0; a < s.n_asset; ++a) {
                multiplies[e] |= s.event_volatility[e * s.n_asset + a] != 0.0f;
                thins[e] |= any(load(s.event_depth, e * s.n_asset + a) != 0.0f);
                charges[e] |= any(load(s.event_rate, e * s.n_asset + a) != 0.0f);
            }
        }
    }

    const int n_event;

    // Factors of the path.
    void begin(const Draw& draw) {
        uvec word = usplat(0);
        uint32_t words[4];
        for (int block = 0; block * 4 < n_event; ++block) {
            draw.words(0u, SITE_OVERLAY, block, words);
            for (int w = 0; w < 4; ++w) word[block * 4 + w] = words[w];
        }
        const ivec table = select(LANE < n_event, LANE, isplat(0)) * (2 * s.n_mixing);
        const vec drawn = by_tail(s.event_quantile, s.n_mixing, table, word);
        for (int e = 0; e < n_event; ++e) factor[e] = drawn[e];
    }

    // Volatility multipliers and imposed returns of a step, by asset.
    const float* volatility(int step, const float* level) {
        bool some = false;
        for (int e = 0; e < n_event; ++e) {
            if (!multiplies[e] || !within(e, step)) continue;
            for (int a = 0; a < s.n_asset; ++a) {
                const float size = exponential(factor[e] * s.event_volatility[e * s.n_asset + a]) - 1.0f;
                multiplier[a] = (some ? multiplier[a] : level[a]) * fma(share(e, step), size, 1.0f);
            }
            some = true;
        }
        return some ? multiplier : level;
    }
    const float* shock(int step, const float* level) {
        bool some = false;
        for (int e = 0; e < n_event; ++e) {
            if (!within(e, step)) continue;
            for (int a = 0; a < s.n_asset; ++a)
                move[a] = fma(factor[e], shock_of(e, step, a), some ? move[a] : level[a]);
            some = true;
        }
        return some ? move : level;
    }

    vec depth(int step, int a, vec level) const {
        for (int e = 0; e < n_event; ++e)
            if (thins[e] && within(e, step)) {
                const vec size = exponential(factor[e] * load(s.event_depth, e * s.n_asset + a)) - 1.0f;
                level = level * fma(splat(share(e, step)), size, splat(1.0f));
            }
        return level;
    }

    vec rate(int step, int a) const {
        vec sum = splat(0.0f);
        for (int e = 0; e < n_event; ++e)
            if (charges[e] && within(e, step))
                sum = fma(splat(factor[e] * share(e, step)), load(s.event_rate, e * s.n_asset + a), sum);
        return sum;
    }

   private:
    const PackedScenario& s;
    float factor[MAX_EVENT], multiplier[MAX_ASSET], move[MAX_ASSET];
    int first[MAX_EVENT], last[MAX_EVENT];  // steps in which they do anything
    bool multiplies[MAX_EVENT], thins[MAX_EVENT], charges[MAX_EVENT];

    bool within(int e, int step) const { return first[e] <= step && step <= last[e]; }
    float share(int e, int step) const { return s.event_share[e * s.n_step + step]; }
    float shock_of(int e, int step, int a) const {
        return s.event_shock[(e * s.n_step + step) * s.n_asset + a];
    }
};
