// Halts of one asset's markets: same statements as step_numpy.py.
#pragma once

// State of the circuit breakers; lanes are venues.
struct Breakers {
    vec reference;
    ivec level, until;
    uint32_t touched;
};

static inline uint32_t closed_markets(const PackedScenario& s, int step, int asset) {
    if (!s.halt_row) return 0;
    return mask_bits(load_integers(s.halt_closed, s.halt_row[step] * s.n_asset + asset) != 0);
}

static inline bool has_breakers(const PackedScenario& s, int asset) {
    if (!s.halt_row) return false;
    const ivec some = (load(s.halt_fall, asset) < 1e30f) | (load(s.halt_rise, asset) < 1e30f);
    return any(some & (LANE < s.n_venue));
}

// The nearest level that has not tripped; 1e30 where there is none.
static inline float next_level(const PackedScenario& s, const float* bound, int level, int asset, int v) {
    if (v >= s.n_venue || level >= s.halt_fall_rows) return 1e30f;
    return bound[(level * s.n_asset + asset) * LANES + v];
}

struct Bounds {
    vec fall, rise;
};

static inline Bounds level_bounds(const PackedScenario& s, const Breakers& b, int asset) {
    Bounds r;
    for (int v = 0; v < LANES; ++v) {
        r.fall[v] = next_level(s, s.halt_fall, b.level[v], asset, v);
        r.rise[v] = next_level(s, s.halt_rise, b.level[v], asset, v);
    }
    return r;
}

// Markets that a breaker halts in a step. price: log, before anybody is forced.
static inline uint32_t tripped(const PackedScenario& s, Breakers& b, vec price, int step, int asset) {
    const ivec now = isplat(step);
    const ivec again = (b.until == now) & (load(s.halt_decay, asset) < 1.0f) & isplat(step > 0 ? -1 : 0);
    b.reference = select(again, price, b.reference);
    b.level = b.level & ~again;
    const Bounds next = level_bounds(s, b, asset);
    const vec away = price - b.reference;
    const ivec limited = (next.fall < 1e30f) | (next.rise < 1e30f);
    const ivec beyond = (splat(0.0f) - away >= next.fall) | (away >= next.rise);
    uint32_t trips = mask_bits((now >= b.until) & limited);
    trips &= mask_bits(beyond) | b.touched;
    for (uint32_t rest = trips; rest; rest &= rest - 1) {
        const int v = __builtin_ctz(rest);
        b.until[v] = step + s.halt_steps[(b.level[v] * s.n_asset + asset) * LANES + v];
        b.level[v] = b.level[v] + 1;
    }
    b.touched = 0;
    return mask_bits(now < b.until);
}

// What the books take until their prices are at the next level: sells where sign is 1, buys where -1.
static inline vec band(const Book& book, vec reference, vec bound, float fundamental, vec q, vec depth,
                       float sign) {
    const ivec some = bound < 1e30f;
    const vec level = reference - sign * select(some, bound, splat(0.0f));
    const vec x = (level - fundamental) * 100.0f;
    const vec end = copysign(consumption(book, absolute(x)), x);
    return select(some, maximum(sign * (q - end), splat(0.0f)) * depth, splat(1e30f));
}

static inline void remember_prices(const PackedScenario& s, Breakers& b, vec price, ivec halted, int asset) {
    const vec decay = load(s.halt_decay, asset);
    b.reference = select(halted, b.reference, fma(decay, b.reference, (1.0f - decay) * price));
}
