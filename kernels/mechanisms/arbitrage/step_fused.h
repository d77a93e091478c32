// Arbitrage between the venues of one asset: same statements as step_numpy.py.
#pragma once

static inline vec arbitrage(const Book& b, vec q, vec depth, ivec listed, float share) {
    const vec volume = depth * q;
    if (b.alike) {  // books of one shape: a common displacement is a common consumption
        const vec common = splat(lane_sum(volume) / lane_sum(depth));
        return select(listed, fma(splat(share), common - q, q), splat(0.0f));
    }
    const float net = lane_sum(volume);
    const float size = net < 0.0f ? -net : net;
    const float linear = lane_sum(depth * b.alpha), square = lane_sum(depth * b.rest);
    const float inner = root(maximum(fma(linear, linear, 4.0f * square * size), 0.0f));
    const float common = 2.0f * size / maximum(linear + inner, 1e-30f);
    vec target = absolute(depth * (common * fma(b.rest, splat(common), b.alpha)));
    const float total = lane_sum(target);
    target = copysign(target * (size / (total > 0.0f ? total : 1.0f)), splat(net));
    const vec moved = fma(splat(share), target - volume, volume);
    return select(listed, moved / select(listed, depth, splat(1.0f)), splat(0.0f));
}
