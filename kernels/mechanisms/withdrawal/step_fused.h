// Depth in force and volatility memory: same statements as step_numpy.py.
#pragma once

struct Withdrawal {
    vec depth, sensitivity, decay, calm, floor;
};

static inline Withdrawal make_withdrawal(const PackedScenario& s, int a) {
    Withdrawal w;
    w.depth = load(s.depth, a);
    w.sensitivity = load(s.withdrawal, a);
    w.decay = load(s.withdrawal_decay, a);
    w.calm = fma(w.sensitivity, load(s.calm_memory, a), splat(1.0f));
    w.floor = load(s.depth_floor, a);
    return w;
}

static inline vec depth(const Withdrawal& w, vec memory, vec multiplier) {
    const vec share = minimum(w.calm / fma(w.sensitivity, memory, splat(1.0f)), splat(1.0f));
    return w.depth * multiplier * maximum(share, w.floor);
}

static inline vec remember(const Withdrawal& w, vec memory, vec move) {
    return fma(memory, w.decay, move * move);
}
