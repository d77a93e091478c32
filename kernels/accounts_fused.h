// The accounts of one path: their state, and what they do within a step. The engine asks them before and
// after the cascades, in the order of selling_numpy.py.
#pragma once

class Accounts {
   public:
    explicit Accounts(const PackedScenario& scenario)
        : n_slot(scenario.account_channel ? scenario.account_channel_rows : 0),
          owing(n_slot && scenario.funding_cap),
          s(scenario) {
        for (int a = 0; a < s.n_asset; ++a) {
            falls[a] = rises[a] = false;
            for (int k = 0; k < n_slot; ++k) {
                const int at = k * s.n_asset + a;
                const vec lean = load(s.account_lean, at);
                const vec value = load(s.account_value, at);
                vec used = absolute(load(s.account_need, at)) + absolute(value);
                if (s.margin_raise_row) used = used + absolute(load(s.account_legs, at));
                falls[a] |= above(splat(0.0f), lean) != 0;
                rises[a] |= any((lean >= 0.0f) & (used > 0.0f));
                // A coin that is owed and held: once stress is past their ratio, it is a fall that hurts.
                falls[a] |= any((lean > 0.0f) & (value > 0.0f));
            }
            // Prices that nobody asks for are multiplied by zero, and must be numbers.
            price[a] = {splat(1.0f), splat(1.0f)};
        }
        for (int k = 0; k < n_slot; ++k) {
            paid[k] = above(splat(1e30f), load(s.account_bonus, k)) & ((1u << s.n_venue) - 1);
            choosy |= paid[k] != 0;
            acts[k] = isplat(-1);
            terms[k] = account_terms(s, k);
            held[k] = legs[k] = positions[k] = leveraged[k] = moved[k] = 0;
            for (int a = 0; a < s.n_asset; ++a) {
                const int at = k * s.n_asset + a;
                const ivec moves = (load(s.account_loss, at) != 0.0f) | (load(s.account_worth, at) != 0.0f);
                if (any(moves)) moved[k] |= 1u << a;
                const uint32_t there = mask_bits(load(s.account_legs, at) != 0.0f);
                if (there) positions[k] |= 1u << a;
                leveraged[k] |= there;
            }
            for (int v = 0; v < s.n_venue; ++v)
                if (tier_sum(account_forced(s, k, v, LARGEST)) > 0.0f) held[k] |= 1u << v;
            venues |= held[k];
            local[k] = true;
            for (int a = 0; a < s.n_asset; ++a) {
                own[k][a] = splat(0.0f);
                for (int v = 0; v < s.n_venue; ++v) {
                    const vec leg = sold_by(k, v, a);
                    set_lane(own[k][a], v, leg[v]);
                    local[k] &= !any((leg != 0.0f) & (LANE != v));
                    if (any(leg != 0.0f)) legs[k] |= 1u << a;
                }
            }
        }
    }

    const int n_slot;
    const bool owing;                     // accounts pay funding
    uint32_t venues = 0, held[MAX_SLOT];  // venues where there are any, and any of a slot
    bool choosy = false;                  // somebody decides, step by step, whether to act
    vec flow[MAX_SLOT], due[MAX_SLOT];    // of the step: executed, and triggered but not executed before it
    bool exhausted;                       // wanted to sell past the end of a book

    void begin() {
        for (int k = 0; k < n_slot; ++k) frontier[k] = executed[k] = total[k] = base[k] = splat(0.0f);
        for (int k = 0; k < n_slot; ++k) now.owed[k] = splat(0.0f);
        now.row = 0;
        behind = false;
        first_asked = 0;
    }

    // Maintenance rates that are in force in a step.
    void raise_margins(int step) {
        if (s.margin_raise_row) now.row = s.margin_raise_row[step];
    }

    // Funding that is owed by now, of what a start dollar of longs has paid: `paid[asset]`, and over the
    // last price `share[asset]`.
    void owe(const vec* paid, const vec* share) {
        for (int k = 0; k < n_slot; ++k) {
            const ivec inverse = load(s.account_inverse, k) > 0.0f;
            vec sum = splat(0.0f);
            for (uint32_t rest = positions[k]; rest; rest &= rest - 1) {
                const int a = __builtin_ctz(rest);
                sum = fma(load(s.account_legs, k * s.n_asset + a), select(inverse, share[a], paid[a]), sum);
            }
            now.owed[k] = sum;
        }
    }

    // A step begins: nothing sold yet.
    void open() {
        for (int k = 0; k < n_slot; ++k) flow[k] = due[k] = splat(0.0f);
        sold = exhausted = false;
    }

    // Whether log prices within these bounds trigger nobody: stress at the worst of them is not new.
    bool quiet(const float* low, const float* high) {
        if (behind) return false;
        vec worst = splat(0.0f), best = splat(0.0f);
        for (int a = 0; a < s.n_asset; ++a) {
            set_lane(worst, a, low[a] - ROUNDING);
            set_lane(best, a, high[a] + ROUNDING);
        }
        worst = exponential(worst);
        best = exponential(best);
        Held bounds[MAX_ASSET];
        for (int a = 0; a < s.n_asset; ++a) bounds[a] = {splat(worst[a]), splat(best[a])};
        for (int i = 0; i < n_slot; ++i) {
            const int k = (first_asked + i) % n_slot;
            if (!above(account_reached(s, k, terms[k], now, bounds), frontier[k])) continue;
            first_asked = k;  // who was triggered last is likely to be so again
            return false;
        }
        return true;
    }

    // Prices of an asset from now on: `marks` after a fall by the first factors, after a rise by the second.
    void hold(int a, vec marks, vec fall, vec rise) {
        if (falls[a]) price[a].fall = marks * fall;
        if (rises[a]) price[a].rise = marks * rise;
    }

    // Look at the prices; frontiers follow.
    // `changed`: assets whose prices are not those that were looked at last.
    void look(uint32_t changed) {
        for (int k = 0; k < n_slot; ++k) {
            if (!(terms[k].assets & changed)) continue;
            const vec reached = account_reached(s, k, terms[k], now, price);
            const uint32_t more = above(reached, frontier[k]);
            if (!more) continue;
            frontier[k] = maximum(reached, frontier[k]);
            for (uint32_t rest = more; rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                if (v < s.n_venue) total[k][v] = tier_sum(account_forced(s, k, v, frontier[k][v]));
            }
        }
    }

    // Who sells in this step, from log marks and prices before its selling.
    void decide(const vec* marked, const vec* price) {
        for (int k = 0; k < n_slot; ++k) {
            acts[k] = isplat(-1);
            for (uint32_t rest = paid[k]; rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                float discount = 0.0f, whole = 0.0f;
                for (int a = 0; a < s.n_asset; ++a) {
                    const vec leg = sold_by(k, v, a);
                    discount += lane_sum(leg * (splat(marked[a][v]) - price[a]));
                    whole += lane_sum(absolute(leg));
                }
                if (!(discount < s.account_bonus[k * LANES + v] * (whole > 0.0f ? whole : 1.0f)))
                    acts[k][v] = 0;
            }
        }
    }

    // What is wanted and not sold yet; false where that is nothing.
    bool wanted(vec* fresh) {
        bool some = false;
        for (int k = 0; k < n_slot; ++k) {
            const vec owed = maximum(total[k] - base[k], splat(0.0f));
            const vec most = minimum(load(s.account_response, k) * owed, load(s.account_throughput, k));
            fresh[k] = select(acts[k], maximum(most - flow[k], splat(0.0f)), splat(0.0f));
            due[k] = owed;
            some |= above(fresh[k], 0.0f) != 0;
        }
        return some;
    }

    // Orders on every book when accounts sell `notional` [slot]: [asset][side].
    void orders(const vec* notional, vec (*sent)[2]) const {
        for (int a = 0; a < s.n_asset; ++a) sent[a][LONG] = sent[a][SHORT] = splat(0.0f);
        const vec zero = splat(0.0f);
        for (int k = 0; k < n_slot; ++k) {
            if (local[k]) {
                if (above(notional[k], 0.0f))
                    for (uint32_t rest = legs[k]; rest; rest &= rest - 1) {
                        const int a = __builtin_ctz(rest);
                        sent[a][LONG] = fma(notional[k], maximum(own[k][a], zero), sent[a][LONG]);
                        sent[a][SHORT] = fma(notional[k], maximum(zero - own[k][a], zero), sent[a][SHORT]);
                    }
                continue;
            }
            for (uint32_t rest = above(notional[k], 0.0f); rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                const vec amount = splat(notional[k][v]);
                for (int a = 0; a < s.n_asset; ++a) {
                    const vec leg = sold_by(k, v, a);
                    sent[a][LONG] = fma(amount, maximum(leg, zero), sent[a][LONG]);
                    sent[a][SHORT] = fma(amount, maximum(zero - leg, zero), sent[a][SHORT]);
                }
            }
        }
    }

    // Nobody sells more than every book on the way takes: the scarcest decides. `share`: [asset][side].
    void ration(vec* notional, const vec (*share)[2]) const {
        const vec one = splat(1.0f);
        for (int k = 0; k < n_slot; ++k)
            for (uint32_t rest = above(notional[k], 0.0f); rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                float least = 1.0f;
                for (int a = 0; a < s.n_asset; ++a) {
                    const vec leg = sold_by(k, v, a);
                    least = minimum(lane_min(select(leg > 0.0f, share[a][LONG], one)), least);
                    least = minimum(lane_min(select(leg < 0.0f, share[a][SHORT], one)), least);
                }
                notional[k][v] *= least;
            }
    }

    void add(const vec* fresh) {
        for (int k = 0; k < n_slot; ++k) flow[k] = flow[k] + fresh[k];
        sold = true;
    }

    // Executed distances follow what was sold; every slice is settled and recorded. `fill`: of every book,
    // `price`: of every asset, relative to the start; returns dollars at the fill that were liquidations.
    float settle(Record& record, const vec* fill, const vec* price) {
        float dollars = 0.0f;
        behind = false;
        for (int k = 0; k < n_slot; ++k) {
            const ivec late = due[k] > flow[k];
            behind |= any(late);
            const vec before = executed[k];
            executed[k] = select(late, before, frontier[k]);
            for (uint32_t rest = mask_bits(late) & above(flow[k], 0.0f); rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                executed[k][v] = account_advance(s, k, v, before[v], frontier[k][v], flow[k][v]);
            }
            base[k] = select(late, base[k] + flow[k], total[k]);
            const uint32_t selling = above(flow[k], 0.0f);
            if (!selling) continue;
            Legs legs;
            if (local[k]) see_own_legs(k, fill, price, legs);
            for (uint32_t rest = selling; rest; rest &= rest - 1) {
                const int v = __builtin_ctz(rest);
                if (!local[k]) see_legs(k, v, fill, price, legs);
                dollars += settle_slice(record, k, v, before[v], legs);
            }
        }
        return dollars;
    }

    // Venues where accounts of a slot are bankrupt at the marks `price`: up to where, and their loss and
    // worth per dollar there.
    uint32_t bankrupt(int k, const vec* price, vec& end, vec& loss, vec& worth) const {
        end = account_bankrupt(s, k, moved[k], now.owed[k], price, executed[k], frontier[k], loss, worth);
        return above(end, executed[k]) & leveraged[k];
    }

    // Notional between what has been executed and a distance.
    float ahead(int k, int v, float end) const {
        return tier_sum(account_forced(s, k, v, end)) - tier_sum(account_forced(s, k, v, executed[k][v]));
    }

    // Close them up to `end`, or a share of their notional `need`; what they are and lose.
    AccountSlice close(int k, int v, float end, float share, float need, float loss, float worth) {
        const float start = executed[k][v];
        if (share < 1.0f) end = share > 0.0f ? account_advance(s, k, v, start, end, share * need) : start;
        const AccountSlice x = account_slice(s, k, v, start, end, loss, maximum(worth, 0.0f));
        set_lane(executed[k], v, end);
        set_lane(base[k], v, tier_sum(account_forced(s, k, v, end)));
        return x;
    }

    // Frontiers that passed nobody are executed as they stand.
    void pass() {
        behind = false;
        for (int k = 0; k < n_slot; ++k) {
            const ivec late = due[k] > flow[k];
            behind |= any(late);
            executed[k] = select(late, executed[k], frontier[k]);
            base[k] = select(late, base[k], total[k]);
        }
    }

    // Notional of liquidations waiting on a venue.
    float waiting(int venue) const {
        float sum = 0.0f;
        for (int k = 0; k < n_slot; ++k)
            if (s.account_losing[k * LANES + venue]) sum += maximum(due[k][venue] - flow[k][venue], 0.0f);
        return sum;
    }

    bool behind;  // some frontier is ahead of what has been executed
    bool sold;    // anything in this step
    TELLS_REPLAY;

   private:
    const PackedScenario& s;
    Held price[MAX_ASSET];
    vec frontier[MAX_SLOT], executed[MAX_SLOT];
    vec total[MAX_SLOT], base[MAX_SLOT];  // notional up to the frontier, and executed in earlier steps
    uint32_t paid[MAX_SLOT];              // venues where somebody acts for a bonus alone
    ivec acts[MAX_SLOT];                  // who sells in this step
    int first_asked;                      // slot whose stress is asked for first
    AccountTerms terms[MAX_SLOT];
    AccountNow now;
    uint32_t positions[MAX_SLOT];             // assets that it holds positions in
    uint32_t legs[MAX_SLOT];                  // assets that it sells or buys
    uint32_t moved[MAX_SLOT];                 // assets whose prices move what a dollar loses or is worth
    uint32_t leveraged[MAX_SLOT];             // venues where winners can be closed against it
    bool local[MAX_SLOT];                     // sells on its own venues only
    vec own[MAX_SLOT][MAX_ASSET];             // what it sells there
    bool falls[MAX_ASSET], rises[MAX_ASSET];  // assets whose fall or rise hurts anybody

    vec sold_by(int slot, int venue, int asset) const {
        return load(s.account_sold, (slot * s.n_venue + venue) * s.n_asset + asset);
    }

    // What a dollar forced of one slot loses, brings and sends; lanes are venues.
    struct Legs {
        vec loss, worth;
        vec sent[MAX_ASSET][2], coins[MAX_ASSET], all;  // dollars at the fill by side, coins, dollars in all
    };

    // Of a slot that sells on its own venues.
    void see_own_legs(int k, const vec* fill, const vec* price, Legs& legs) const {
        const vec zero = splat(0.0f);
        legs.loss = load(s.account_loss_fixed, k) + now.owed[k];
        legs.worth = load(s.account_worth_fixed, k);
        legs.all = zero;
        for (uint32_t rest = moved[k] | this->legs[k]; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            const vec leg = own[k][a], at = select(leg != 0.0f, fill[a], price[a]);
            legs.loss = fma(load(s.account_loss, k * s.n_asset + a), at, legs.loss);
            legs.worth = fma(load(s.account_worth, k * s.n_asset + a), at, legs.worth);
            legs.sent[a][LONG] = maximum(leg, zero) * at;
            legs.sent[a][SHORT] = maximum(zero - leg, zero) * at;
            legs.coins[a] = absolute(leg);
            legs.all = legs.all + (legs.sent[a][LONG] + legs.sent[a][SHORT]);
        }
    }

    // Of one lane of a slot that sells elsewhere too.
    void see_legs(int k, int v, const vec* fill, const vec* price, Legs& legs) const {
        const vec zero = splat(0.0f);
        float loss = s.account_loss_fixed[k * LANES + v] + now.owed[k][v],
              worth = s.account_worth_fixed[k * LANES + v];
        float all = 0.0f;
        for (int a = 0; a < s.n_asset; ++a) {
            const vec leg = sold_by(k, v, a), size = absolute(leg);
            const float whole = lane_sum(size);
            const float at = whole > 0.0f ? lane_sum(size * fill[a]) / whole : price[a][v];
            const int row = (k * s.n_asset + a) * LANES + v;
            loss = fma(s.account_loss[row], at, loss);
            worth = fma(s.account_worth[row], at, worth);
            const float sold = lane_sum(maximum(leg, zero)) * at,
                        bought = lane_sum(maximum(zero - leg, zero)) * at;
            legs.sent[a][LONG][v] = sold;
            legs.sent[a][SHORT][v] = bought;
            legs.coins[a][v] = whole;
            all += sold + bought;
        }
        legs.loss[v] = loss;
        legs.worth[v] = worth;
        legs.all[v] = all;
    }

    float settle_slice(Record& record, int k, int v, float start, const Legs& legs) {
        const AccountSlice x =
            account_slice(s, k, v, start, executed[k][v], legs.loss[v], maximum(legs.worth[v], 0.0f));
        const tiers dollars = legs.all[v] * x.notional;
        const float sum = tier_sum(dollars), notional = tier_sum(x.notional);
        record.sold_by[s.account_channel[k]] += sum;
        const bool exits = s.account_channel[k] == RETAIL_EXIT;
        for (uint32_t rest = exits ? this->legs[k] : 0; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            record.exited[a][v] += legs.coins[a][v] * notional;
        }
        if (!s.account_losing[k * LANES + v]) return 0.0f;
        const tiers available = maximum(x.left, tsplat(0.0f));
        const tiers fee = minimum(s.fee_rate[v] * dollars, available);
        const tiers surplus = s.surplus_share[v] * (available - fee);
        for (int t = 0; t < s.n_tier; ++t)
            record.pending[v][t] += quad{x.lost[t], fee[t], dollars[t], x.deficit[t]};
        record.gain[v][0] += tier_sum(fee + surplus);
        record.pending_venues |= 1u << v;
        record.common_venues |= 1u << v;
        for (uint32_t rest = this->legs[k]; rest; rest &= rest - 1) {
            const int a = __builtin_ctz(rest);
            if (!(legs.coins[a][v] > 0.0f)) continue;
            record.liquidated[a][LONG][v] += legs.sent[a][LONG][v] * notional;
            record.liquidated[a][SHORT][v] += legs.sent[a][SHORT][v] * notional;
            record.coins[a][v] += legs.coins[a][v] * notional;
            for (int side = 0; replay && side < 2; ++side) {
                float* told = tiers_of(replay, s, a, side, v);
                for (int t = 0; t < s.n_tier; ++t) told[t] += legs.sent[a][side][v] * x.notional[t];
            }
        }
        return sum;
    }
};
