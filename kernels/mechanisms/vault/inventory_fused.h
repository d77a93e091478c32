// What the backstop vaults of one path hold: same statements as `Inventory` in step_numpy.py.
#pragma once

constexpr int VAULT_CHANNEL = 11;

class Vaults {
   public:
    explicit Vaults(const PackedScenario& scenario) : there(scenario.vault_take != nullptr), s(scenario) {
        if (!there) return;
        for (int i = 0; i < 2 * s.n_asset; ++i)
            choosy |= above(load(s.vault_gap, i) + 1.0f, 0.0f) & ((1u << s.n_venue) - 1);
    }

    const bool there;
    uint32_t choosy = 0;   // venues whose vaults take over past a threshold only
    uint32_t holding = 0;  // assets in which any vault holds something
    bool open = false;     // something is held, was traded in the step before, or waits to be looked at
    vec held[MAX_ASSET];

    void begin() {
        holding = 0;
        open = traded = false;
        if (!there) return;
        for (int a = 0; a < s.n_asset; ++a) held[a] = cash[a] = splat(0.0f);
        std::memset(received, 0, sizeof received);
    }

    void begin_step() {
        open = holding || traded;
        traded = false;
    }

    // In the next step, whether anything is held or not.
    void look_again() { traded = true; }

    Taking taking(int a) const {
        Taking t;
        t.some = false;
        if (!there) return t;
        const vec zero = splat(0.0f), room = load(s.vault_room, a);
        t.take = load(s.vault_take, 0);
        t.space[LONG] = maximum(room - maximum(held[a], zero), zero);
        t.space[SHORT] = maximum(room - maximum(zero - held[a], zero), zero);
        t.some = above(t.take * (t.space[LONG] + t.space[SHORT]), 0.0f) != 0;
        return t;
    }

    vec order(int a) const {
        const vec zero = splat(0.0f);
        return select(absolute(held[a]) > DUST, zero - load(s.vault_unwind, 0) * held[a], zero - held[a]);
    }

    void trade(int a, vec bought, vec fill) {
        if (!above(absolute(bought), 0.0f)) return;
        held[a] = held[a] + bought;
        cash[a] = cash[a] - bought * fill;
        traded = true;
        note(a);
    }

    // Inventory closed against winners at the mark.
    void close(int a, int v, float closed, float price) {
        const float coins = held[a][v], sign = coins > 0.0f ? 1.0f : -1.0f;
        held[a][v] = closed < sign * coins ? coins - sign * closed : 0.0f;
        cash[a][v] += sign * closed * price;
        note(a);
    }

    void receive(int v, float amount) { received[v] += amount; }

    // Profit since the start, what was received included; `price(asset, venue)`.
    template <class Price> float gain(int v, Price price) const {
        float sum = received[v];
        for (int a = 0; a < s.n_asset; ++a) {
            sum += cash[a][v];
            if (held[a][v] != 0.0f) sum += held[a][v] * price(a, v);
        }
        return sum;
    }

    // Dollars that the sums of its profit are of.
    template <class Price> float turnover(int v, Price price) const {
        float sum = received[v];
        for (int a = 0; a < s.n_asset; ++a) {
            const float paid = cash[a][v], worth = held[a][v] != 0.0f ? held[a][v] * price(a, v) : 0.0f;
            sum += (paid < 0.0f ? -paid : paid) + (worth < 0.0f ? -worth : worth);
        }
        return sum;
    }

    // Inventory of a venue at start prices.
    float size(int v) const {
        float sum = 0.0f;
        for (int a = 0; a < s.n_asset; ++a) sum += held[a][v] < 0.0f ? -held[a][v] : held[a][v];
        return sum;
    }

    void remember(Record& r) const {
        if (!open && !traded) return;
        float total = 0.0f;
        for (int v = 0; v < s.n_venue; ++v) {
            const float here = size(v);
            r.vault_inventory[v] = maximum(here, r.vault_inventory[v]);
            total += here;
        }
        r.vault_inventory_total = maximum(total, r.vault_inventory_total);
    }

    template <class Price> void end(Record& r, Price price) const {
        if (!there) return;
        for (int v = 0; v < s.n_venue; ++v) {
            r.vault_loss[v] = maximum(0.0f - gain(v, price), 0.0f);
            r.vault_end[v] = size(v);
        }
    }

   private:
    const PackedScenario& s;
    bool traded = false;
    vec cash[MAX_ASSET];
    float received[LANES];

    void note(int a) {
        holding &= ~(1u << a);
        if (above(absolute(held[a]), 0.0f)) holding |= 1u << a;
    }
};
