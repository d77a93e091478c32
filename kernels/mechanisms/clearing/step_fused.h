// The layers of central clearing: same statements as step_numpy.py.
#pragma once

constexpr int N_LAYER = 4, PREFUNDED = 3;
constexpr Component COMPONENT_OF_LAYER[N_LAYER] = {DEFAULT_FUND, OWN_CAPITAL, DEFAULT_FUND, ASSESSMENTS};

class Layers {
   public:
    explicit Layers(const PackedScenario& scenario) : s(scenario) {}

    void begin() {
        if (s.clearing_layer) std::memcpy(left, s.clearing_layer, sizeof left);
    }

    // Pay what the insurance fund of a venue did not, layer after layer; `owed` by pot is what is left.
    void clear(Record& r, int v, tiers* owed, int n_pot) {
        for (int i = 0; i < N_LAYER; ++i) {
            float total = 0.0f;
            for (int p = 0; p < n_pot; ++p) total += tier_sum(owed[p]);
            const float drawn = minimum(left[i][v], total);
            if (!(drawn > 0.0f)) continue;
            const float share = drawn / total;
            for (int p = 0; p < n_pot; ++p) {
                const tiers paid = share * owed[p];
                add_tiers(r.loss[COMPONENT_OF_LAYER[i]][v], paid);
                owed[p] = owed[p] - paid;
            }
            left[i][v] -= drawn;
        }
    }

    // What is left of the layers that need not be called for.
    float prefunded(int v) const {
        float sum = 0.0f;
        for (int i = 0; s.clearing_layer && i < PREFUNDED; ++i) sum += left[i][v];
        return sum;
    }

   private:
    const PackedScenario& s;
    float left[N_LAYER][LANES];
};
