// Mark prices of one asset: same statements as step_numpy.py.
#pragma once

// `weight` holds one vector per source venue: its weight in every venue's mark.
static inline vec mark(float fundamental, vec displaced, const vec* weight, int n_venue) {
    vec even = splat(0.0f), odd = splat(0.0f);
    int u = 0;
    for (; u + 1 < n_venue; u += 2) {
        even = fma(weight[u], splat(displaced[u]), even);
        odd = fma(weight[u + 1], splat(displaced[u + 1]), odd);
    }
    if (u < n_venue) even = fma(weight[u], splat(displaced[u]), even);
    return fma(splat(PERCENT), even + odd, splat(fundamental));
}
