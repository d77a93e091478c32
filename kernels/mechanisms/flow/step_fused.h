// Frozen flows of one path: same statements as step_numpy.py.
#pragma once

constexpr int MAX_COMPANY = 16;

class Flows {
   public:
    explicit Flows(const PackedScenario& scenario)
        : n_source(scenario.flow_channel ? scenario.flow_channel_rows : 0),
          n_company(n_source && scenario.premium_source ? scenario.premium_source_rows : 0),
          responsive(n_source && scenario.response_decay),
          s(scenario) {
        n_order = n_source + (scenario.vault_take ? 1 : 0);
        for (int i = 0; responsive && i < n_source; ++i)
            for (int a = 0; a < s.n_asset; ++a)
                answers[i][a] = above(absolute(load(s.response_rate, i * s.n_asset + a)), 0.0f) != 0;
        for (int c = 0; c < n_company; ++c) {
            vec in_step = splat(0.0f);
            for (int a = 0; a < s.n_asset; ++a) in_step = in_step + load(s.premium_sells, c * s.n_asset + a);
            whole[c] = lane_sum(in_step);
        }
    }

    const int n_source, n_company;
    const bool responsive;  // some of them answer returns
    // of the step, where anything was ordered; after the sources of the schedule, the vaults
    vec executed[MAX_SOURCE + 1][MAX_ASSET];

    void begin() {
        waiting_assets = 0;
        for (int i = 0; i < n_order; ++i)
            for (int a = 0; a < s.n_asset; ++a) order[i][a] = splat(0.0f);
        moved_assets = 0;
        for (int a = 0; a < s.n_asset; ++a) last[a] = 0.0f;
        for (int c = 0; c < n_company; ++c) left[c] = s.premium_most[c];
        weigh();
        for (int i = 0; responsive && i < n_source; ++i)
            for (int a = 0; a < s.n_asset; ++a) set_memory(i, a, s.response_start[i * s.n_asset + a]);
    }

    // Whether what is ordered depends on prices.
    bool watching() const { return responsive || n_company; }

    // Remember the returns of the step before; `index`: log index prices after it.
    void remember(const float* index) {
        moved_assets = 0;
        for (int i = 0; responsive && i < n_source; ++i)
            for (int a = 0; a < s.n_asset; ++a)
                set_memory(i, a, fma(s.response_decay[i], memory[i][a], index[a] - last[a]));
        for (int a = 0; a < s.n_asset; ++a) last[a] = index[a];
        weigh();
    }

    // Whether a step has any orders.
    bool due(int step) const {
        return n_source && (waiting_assets || moved_assets || buying || selling || s.flow_row[step]);
    }

    // The orders of a step, with what is left of earlier ones; returns the assets that they touch.
    uint32_t decide(int step) {
        uint32_t touched = waiting_assets;
        if (const int row = n_source ? s.flow_row[step] : 0)
            for (int i = 0; i < n_source; ++i)
                for (int a = 0; a < s.n_asset; ++a) {
                    const vec fresh = load(s.flow_level, (row * n_source + i) * s.n_asset + a);
                    order[i][a] = order[i][a] + fresh;
                    if (above(absolute(fresh), 0.0f)) touched |= 1u << a;
                }
        for (uint32_t rest = moved_assets; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            for (int i = 0; i < n_source; ++i)
                if (answers[i][a])
                    order[i][a] =
                        fma(splat(answered(i, a)), load(s.response_rate, i * s.n_asset + a), order[i][a]);
        }
        touched |= moved_assets;
        for (int c = 0; c < n_company; ++c)
            if ((buying | selling) >> c & 1) touched |= trade(c);
        waiting_assets = 0;
        return touched;
    }

    // Orders of the vaults, which do not wait.
    void unwind(int asset, vec purchases) { order[n_source][asset] = purchases; }

    // Dollars ordered on one side of an asset's books.
    vec sent(int asset, int side) const {
        vec sum = splat(0.0f);
        for (int i = 0; i < n_order; ++i)
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
        for (int i = 0; i < n_order; ++i) {
            const vec wanted = order[i][asset];
            const vec done = wanted * select(wanted < 0.0f, share[LONG], share[SHORT]);
            executed[i][asset] = done;
            order[i][asset] = i < n_source ? wanted - done : zero;
            if (above(absolute(order[i][asset]), 0.0f)) waiting_assets |= 1u << asset;
            net = net + done;
        }
        return net;
    }

   private:
    const PackedScenario& s;
    int n_order;
    vec order[MAX_SOURCE + 1][MAX_ASSET];  // of the step; after it, what waits
    uint32_t waiting_assets;
    float memory[MAX_SOURCE][MAX_ASSET];  // returns remembered
    float last[MAX_ASSET];                // log index prices up to which they go
    bool answers[MAX_SOURCE][MAX_ASSET];
    uint32_t moved_assets;                        // with a return that somebody answers
    uint32_t buying = 0, selling = 0;             // companies, in the step
    float left[MAX_COMPANY], whole[MAX_COMPANY];  // what they may still sell, and what they would in a step

    // Who buys and who sells by the premium of its shares.
    void weigh() {
        buying = selling = 0;
        for (int c = 0; c < n_company; ++c) {
            float value = 0.0f;
            for (int a = 0; a < s.n_asset; ++a)
                if (const float share = s.premium_share[c * s.n_asset + a])
                    value += share * exponential(last[a]);
            if (value > s.premium_above[c]) buying |= 1u << c;
            if (value < s.premium_below[c] && left[c] > DUST) selling |= 1u << c;
        }
    }

    // Orders of a company; returns the assets that they touch.
    uint32_t trade(int c) {
        const float buys = buying >> c & 1 ? 1.0f : 0.0f;
        const float sold = selling >> c & 1 ? minimum(left[c], whole[c]) : 0.0f;
        const float share = sold / (whole[c] > 0.0f ? whole[c] : 1.0f);
        left[c] -= sold;
        const int i = s.premium_source[c];
        uint32_t touched = 0;
        for (int a = 0; a < s.n_asset; ++a) {
            if (!(s.premium_share[c * s.n_asset + a] > 0.0f)) continue;
            const int at = c * s.n_asset + a;
            order[i][a] = order[i][a] + (buys * load(s.premium_buys, at) - share * load(s.premium_sells, at));
            touched |= 1u << a;
        }
        return touched;
    }

    void set_memory(int i, int a, float value) {
        memory[i][a] = value;
        if (answers[i][a] && answered(i, a) != 0.0f) moved_assets |= 1u << a;
    }

    // The part of a remembered return that is answered.
    float answered(int i, int a) const {
        const int at = i * s.n_asset + a;
        return minimum(maximum(memory[i][a], s.response_lowest[at]), s.response_highest[at]);
    }
};
