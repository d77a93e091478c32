// Outages of one path's venues: same statements as step_numpy.py.
#pragma once

constexpr int SITE_OUTAGE = 40;

class Outages {
   public:
    explicit Outages(const PackedScenario& scenario) : s(scenario), there(s.outage_row != nullptr) {
        throughput = depth = splat(1.0f);
        down = 0;
        risky = there && above(load(s.outage_hazard, 0), 0.0f);
    }

    const PackedScenario& s;
    const bool there;
    uint32_t down;          // venues that are down in the step
    vec throughput, depth;  // what is left of them

    void begin() {
        failed = isplat(0);
        recent = splat(0.0f);
    }

    void decide(const Draw& draw, int step) {
        if (risky) {
            const int k = step % LANES;
            if (k == 0) {
                const uvec steps = (uvec)(LANE + step);
                for (int block = 0; block * 4 < s.n_venue; ++block)
                    draw.words(steps, SITE_OUTAGE, block, words + block * 4);
            }
            vec drawn = splat(1.0f);
            for (int v = 0; v < s.n_venue; ++v) drawn[v] = (float)words[v][k] * 2.3283064365386963e-10f;
            const ivec falls = ~failed & (drawn < load(s.outage_hazard, 0) * recent);
            failed = falls | (failed & (drawn >= load(s.outage_recovery, 0)));
        }
        const vec one = splat(1.0f);
        const int row = s.outage_row[step];
        throughput =
            load(s.outage_throughput, row) * select(failed, load(s.outage_failed_throughput, 0), one);
        depth = load(s.outage_depth, row) * select(failed, load(s.outage_failed_depth, 0), one);
        down = mask_bits(failed | (load_integers(s.outage_down, row) != 0));
        sold = splat(0.0f);
    }

    void add(vec liquidated) { sold = sold + liquidated; }

    void remember() {
        if (risky) recent = fma(load(s.outage_decay, 0), recent, sold);
    }

   private:
    bool risky;
    ivec failed;
    vec recent, sold;  // USD
    uvec words[LANES];
};
