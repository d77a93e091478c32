// Insurance funds and what lies beyond them: same statements as funds_numpy.py.
#pragma once

constexpr int PARTS_OF_WINDOW = 16;
static_assert(PARTS_OF_WINDOW == LANES, "the parts of a window are one vector");
constexpr int SOCIALISE_NEVER = 0, SOCIALISE_STEP = 1, SOCIALISE_RUN = 2;

class Funds {
   public:
    uint32_t split = 0;                   // venues whose markets have funds of their own
    bool special;                         // there is more than a fund in cash for each venue
    uint32_t in_coins = 0, windowed = 0;  // venues whose funds hold coins; whose peaks are of a window
    int n_pot = 1;
    uint32_t on[MAX_ASSET];  // venues whose pot has auto-deleveraging on in the step
    uint32_t any_on;
    uint32_t together;  // venues where any fund with a share has it on, for who belongs to no market
    float cash[MAX_ASSET][LANES], coins[MAX_ASSET][LANES], worth[MAX_ASSET][LANES];
    float coin_price[LANES], from_coins[LANES];  // relative to the start; dollars that coins were sold for
    ByVenue<tiers> owed[MAX_ASSET];
    Layers layers;  // of central clearing

    explicit Funds(const PackedScenario& scenario)
        : special(scenario.waterfall_share != nullptr), layers(scenario), s(scenario) {
        for (int v = 0; special && v < s.n_venue; ++v) {
            if (s.waterfall_split[v]) split |= 1u << v;
            if (s.waterfall_coin_share[v] > 0.0f) in_coins |= 1u << v;
            if (s.waterfall_window[v]) windowed |= 1u << v;
        }
        if (split) n_pot = s.n_asset;
        for (int p = 0; p < n_pot; ++p) {
            shared_by[p] = 0;
            for (int v = 0; v < s.n_venue; ++v) shared_by[p] |= (uint32_t)(share(p, v) > 0.0f) << v;
        }
    }

    // The pot of a market.
    int pot(int a, int v) const { return split >> v & 1 ? a : 0; }
    float share(int p, int v) const { return special ? s.waterfall_share[p * LANES + v] : 1.0f; }
    bool claiming(int v) const { return special && s.waterfall_claim[v]; }
    uint32_t deleveraging(int a) const { return split ? (on[0] & ~split) | (on[a] & split) : on[0]; }

    void begin() {
        for (int p = 0; p < n_pot; ++p) {
            for (int v = 0; v < LANES; ++v) {
                const float start = v < s.n_venue ? share(p, v) * s.fund[v] : 0.0f;
                const float in_coins = special ? s.waterfall_coin_share[v] : 0.0f;
                cash[p][v] = start * (1.0f - in_coins);
                coins[p][v] = start * in_coins;
                peak[p][v] = shared[p][v] = 0.0f;
            }
            spent[p] = on[p] = 0;
            changed[p] = (1u << s.n_venue) - 1;
        }
        next_part = 0;
        layers.begin();
        std::memset(from_coins, 0, sizeof from_coins);
        if (!special) return;
        std::memset(owed, 0, sizeof owed);
        std::memset(peaks, 0, sizeof peaks);
    }

    // What the funds are worth when a step begins, their running peaks, and where deleveraging is on.
    // `price(v)` is that of the coin of a venue.
    template <class Price> void begin_step(int n, Price price) {
        const uint32_t moving = in_coins | parts_that_begin(n);
        any_on = together = 0;
        for (int p = 0; p < n_pot; ++p) {
            // What nothing moves is worth what it was, and so are its peaks.
            for (uint32_t rest = moving | changed[p]; rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                begin_step(n, p, v, price);
                on[p] = (on[p] & ~(1u << v)) | (uint32_t)is_on(p, v) << v;
            }
            changed[p] = 0;
            any_on |= on[p];
            together |= on[p] & shared_by[p];
        }
    }

    // Claims paid by deleveraged winners, at most their profit.
    tiers collect(int a, int v, float most) {
        const tiers claim = owed[pot(a, v)][v];
        const float total = tier_sum(claim);
        const tiers paid = (minimum(total, most) / (total > 0.0f ? total : 1.0f)) * claim;
        owed[pot(a, v)][v] = claim - paid;
        changed[pot(a, v)] |= 1u << v;
        return paid;
    }

    // Draw a pot for the deficits of the step; what it does not pay comes back.
    tiers draw(Record& r, int p, int v, tiers pending, float gain) {
        const float deficit = tier_sum(pending), drawn = fund_draw(worth[p][v], deficit);
        tiers paid = tsplat(0.0f);
        if (deficit > 0.0f) {
            if (deficit > DUST && deficit >= worth[p][v]) spent[p] |= 1u << v;
            paid = (drawn / deficit) * pending;
            add_tiers(r.loss[FUND_DRAW][v], paid);
        }
        const float from_cash = minimum(drawn, cash[p][v]), rest = drawn - from_cash;
        if (rest > 0.0f) {
            coins[p][v] = maximum(coins[p][v] - rest / coin_price[v], 0.0f);
            from_coins[v] += rest;
        }
        cash[p][v] = cash[p][v] - from_cash + gain;
        if (deficit > 0.0f || gain > 0.0f) changed[p] |= 1u << v;
        r.income[v] += gain;
        return pending - paid;
    }

    // Layers of central clearing pay what is owed; a venue is exhausted when nothing prefunded is left.
    void clear(Record& r, int v, tiers* rest, int count, float minutes) {
        if (s.clearing_layer) layers.clear(r, v, rest, count);
        bool all = false;
        for (int p = 0; p < count; ++p) all |= spent[p] >> v & 1;
        if (!all) return;
        if (layers.prefunded(v) > 0.0f)
            for (int p = 0; p < count; ++p) spent[p] &= ~(1u << v);
        else if (r.exhaustion[v] == 0.0f)
            r.exhaustion[v] = minutes;
    }

    // What no fund has paid for: winners' profits, a claim, bad debt.
    template <class Profits> void excess(Record& r, int p, int v, tiers rest, Profits profits) {
        if (special) {
            if (s.waterfall_socialise[v] == SOCIALISE_STEP) rest = socialise(r, p, v, rest, profits);
            if (s.waterfall_claim[v] || s.waterfall_socialise[v] == SOCIALISE_RUN) {
                add_tiers(owed[p][v], rest);
                return;
            }
        }
        add_tiers(r.loss[BAD_DEBT][v], rest);
    }

    // What is still owed when the run ends.
    template <class Profits> void end(Record& r, Profits profits) {
        for (int p = 0; special && p < n_pot; ++p)
            for (int v = 0; v < s.n_venue; ++v) {
                tiers rest = owed[p][v];
                if (s.waterfall_socialise[v] == SOCIALISE_RUN) rest = socialise(r, p, v, rest, profits);
                add_tiers(r.loss[BAD_DEBT][v], rest);
            }
    }

    // The fund at the start, plus income, less what was drawn; `lowest` the smallest balance.
    float balance(int v, float& lowest) const {
        float sum = special ? s.waterfall_coin_share[v] * s.fund[v] - from_coins[v] : 0.0f;
        lowest = 1e30f;
        for (int p = 0; p < n_pot; ++p) {
            sum += cash[p][v];
            lowest = minimum(minimum(cash[p][v], coins[p][v]), lowest);
        }
        return sum;
    }

    void forget_spent() {
        for (int p = 0; p < n_pot; ++p) {
            changed[p] |= spent[p];
            spent[p] = 0;
        }
    }

   private:
    const PackedScenario& s;
    uint32_t changed[MAX_ASSET];    // venues whose pot something moved since a step last began
    uint32_t shared_by[MAX_ASSET];  // venues that have a share in a pot
    int next_part;                  // step in which the next part of a window begins
    float peak[MAX_ASSET][LANES], shared[MAX_ASSET][LANES];
    vec peaks[MAX_ASSET][LANES];  // of the parts of a window: these are the lanes here
    uint32_t spent[MAX_ASSET];    // venues whose pot the last step's deficits took whole

    // Venues whose window begins another part in step `n`.
    uint32_t parts_that_begin(int n) {
        if (n != next_part) return 0;
        uint32_t begin = 0;
        next_part = s.n_step;
        for (uint32_t rest = windowed; rest; rest &= rest - 1) {
            const int v = __builtin_ctz(rest), window = s.waterfall_window[v];
            if (n % window == 0) begin |= 1u << v;
            const int next = (n / window + 1) * window;
            if (next < next_part) next_part = next;
        }
        return begin;
    }

    template <class Price> void begin_step(int n, int p, int v, Price price) {
        worth[p][v] = cash[p][v];
        if (coins[p][v] > 0.0f) {
            coin_price[v] = price(v);
            worth[p][v] = fma(coins[p][v], coin_price[v], cash[p][v]);
        }
        if (!(windowed >> v & 1)) {
            peak[p][v] = maximum(worth[p][v], peak[p][v]);
            return;
        }
        const int window = s.waterfall_window[v];
        const int part = n / window % PARTS_OF_WINDOW;
        vec& parts = peaks[p][v];
        set_lane(parts, part, n % window == 0 ? worth[p][v] : maximum(worth[p][v], (float)parts[part]));
        peak[p][v] = lane_max(parts);
    }

    bool is_on(int p, int v) const {
        if (s.adl_policy[v] == ADL_NONE) return false;
        const float below = share(p, v) * s.adl_below[v];
        const float threshold = maximum((1.0f - s.adl_drawdown[v]) * peak[p][v], below);
        if ((spent[p] >> v & 1) || worth[p][v] <= threshold + DUST) return true;
        return claiming(v) && tier_sum(owed[p][v]) > DUST;
    }

    template <class Profits> tiers socialise(Record& r, int p, int v, tiers rest, Profits profits) {
        const float total = tier_sum(rest);
        if (!(total > 0.0f)) return rest;
        const float given = minimum(total, maximum(profits(p, v) - shared[p][v], 0.0f));
        shared[p][v] += given;
        const tiers paid = (given / total) * rest;
        add_tiers(r.loss[SOCIALISED][v], paid);
        return rest - paid;
    }
};
