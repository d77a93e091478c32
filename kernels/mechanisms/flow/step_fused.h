// Frozen flows of one path: same statements as step_numpy.py.
#pragma once

constexpr int MAX_SOURCE = 8;

class Flows {
   public:
    explicit Flows(const PackedScenario& scenario)
        : n_source(scenario.flow_channel ? scenario.flow_channel_rows : 0), s(scenario) {}

    const int n_source;
    vec executed[MAX_SOURCE][MAX_ASSET];  // of the step, where anything was ordered

    void begin() {
        waiting_assets = 0;
        for (int i = 0; i < n_source; ++i)
            for (int a = 0; a < s.n_asset; ++a) order[i][a] = splat(0.0f);
    }

    // Whether a step has any orders.
    bool due(int step) const { return n_source && (waiting_assets || s.flow_row[step]); }

    // The orders of a step, with what is left of earlier ones; returns the assets that they touch.
    uint32_t decide(int step) {
        uint32_t touched = waiting_assets;
        if (const int row = s.flow_row[step])
            for (int i = 0; i < n_source; ++i)
                for (int a = 0; a < s.n_asset; ++a) {
                    const vec fresh = load(s.flow_level, (row * n_source + i) * s.n_asset + a);
                    order[i][a] = order[i][a] + fresh;
                    if (above(absolute(fresh), 0.0f)) touched |= 1u << a;
                }
        waiting_assets = 0;
        return touched;
    }

    // Dollars ordered on one side of an asset's books.
    vec sent(int asset, int side) const {
        vec sum = splat(0.0f);
        for (int i = 0; i < n_source; ++i)
            sum = sum + maximum(side == LONG ? splat(0.0f) - order[i][asset] : order[i][asset], splat(0.0f));
        return sum;
    }

    // Execute what an asset's books and engines take, `limit` [side]; returns the net purchases.
    vec execute(int asset, const vec* limit) {
        const vec zero = splat(0.0f), one = splat(1.0f);
        vec share[2], net = zero;
        for (int side = 0; side < 2; ++side) {
            const vec all = sent(asset, side);
            const ivec over = all > limit[side];
            share[side] = select(over, limit[side] / select(over, all, one), one);
        }
        for (int i = 0; i < n_source; ++i) {
            const vec wanted = order[i][asset];
            const vec done = wanted * select(wanted < 0.0f, share[LONG], share[SHORT]);
            executed[i][asset] = done;
            order[i][asset] = wanted - done;
            if (above(absolute(order[i][asset]), 0.0f)) waiting_assets |= 1u << asset;
            net = net + done;
        }
        return net;
    }

   private:
    const PackedScenario& s;
    vec order[MAX_SOURCE][MAX_ASSET];  // of the step; after it, what waits
    uint32_t waiting_assets;
};
