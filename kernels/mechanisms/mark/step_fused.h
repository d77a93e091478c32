// Mark prices of one asset: same statements as step_numpy.py.
#pragma once

// `weight` holds one vector per source venue: its weight in every venue's mark.
static inline vec mark(float fundamental, vec displaced, const vec* weight, int n_venue) {
    alignas(64) float x[LANES];  // through memory: a load that broadcasts is cheaper than a permutation
    __builtin_memcpy(x, &displaced, sizeof x);
    vec even = weight[0] * x[0], odd = splat(0.0f);
    int u = 1;
    for (; u + 1 < n_venue; u += 2) {
        odd = fma(weight[u], splat(x[u]), odd);
        even = fma(weight[u + 1], splat(x[u + 1]), even);
    }
    if (u < n_venue) odd = fma(weight[u], splat(x[u]), odd);
    return fma(splat(PERCENT), even + odd, splat(fundamental));
}
