// Arbitrage between the venues of one asset: same statements as step_numpy.py.
#pragma once

constexpr int N_BISECTION = 30;

// Displacement at which all books together hold `size` dollars: between zero and the largest there is.
static inline float common_displacement(const Book& b, vec q, vec depth, ivec listed, float size) {
    float low = 0.0f, high = lane_max(select(listed, absolute(displacement(b, q)), splat(0.0f)));
    for (int i = 0; i < N_BISECTION; ++i) {
        const float middle = 0.5f * (low + high);
        const bool below = lane_sum(depth * consumption(b, splat(middle))) < size;
        low = below ? middle : low;
        high = below ? high : middle;
    }
    return 0.5f * (low + high);
}

// The same where no book thins out: the root of a quadratic.
static inline float common_root(const Book& b, vec depth, float size) {
    const float linear = lane_sum(depth * b.alpha), square = lane_sum(depth * b.rest);
    return 2.0f * size / maximum(linear + root(fma(linear, linear, 4.0f * square * size)), 1e-30f);
}

static inline vec arbitrage_of_shapes(const Book& b, vec q, vec depth, ivec listed, float share) {
    const vec volume = depth * q;
    const float net = lane_sum(volume);
    const float size = net < 0.0f ? -net : net;
    const float common =
        b.steep ? common_displacement(b, q, depth, listed, size) : common_root(b, depth, size);
    vec target = depth * consumption(b, splat(common));
    const float total = lane_sum(target);
    target = copysign(target * (size / (total > 0.0f ? total : 1.0f)), splat(net));
    const vec moved = fma(splat(share), target - volume, volume);
    return select(listed, moved / select(listed, depth, splat(1.0f)), splat(0.0f));
}

INLINE vec arbitrage(const Book& b, vec q, vec depth, ivec listed, float share) {
    if (!b.alike) return arbitrage_of_shapes(b, q, depth, listed, share);
    // A common displacement is a common consumption.
    const vec common = splat(lane_sum(depth * q) / lane_sum(depth));
    return select(listed, fma(splat(share), common - q, q), splat(0.0f));
}
