// Mark prices of one asset: same statements as step_numpy.py.
#pragma once

// Four source venues' share in the marks of all.
template <int FIRST> static inline vec mark_of_four(vec displaced, const vec* weight, int n_venue) {
    vec sum = weight[FIRST] * lane<FIRST>(displaced);
    if (n_venue > FIRST + 1) sum = fma(weight[FIRST + 1], lane<FIRST + 1>(displaced), sum);
    if (n_venue > FIRST + 2) sum = fma(weight[FIRST + 2], lane<FIRST + 2>(displaced), sum);
    if (n_venue > FIRST + 3) sum = fma(weight[FIRST + 3], lane<FIRST + 3>(displaced), sum);
    return sum;
}

// `weight` holds one vector per source venue: its weight in every venue's mark.
static inline vec mark(float fundamental, vec displaced, const vec* weight, int n_venue) {
    vec sum = mark_of_four<0>(displaced, weight, n_venue);
    if (n_venue > 4) sum += mark_of_four<4>(displaced, weight, n_venue);
    if (n_venue > 8) sum += mark_of_four<8>(displaced, weight, n_venue);
    if (n_venue > 12) sum += mark_of_four<12>(displaced, weight, n_venue);
    return fma(splat(PERCENT), sum, splat(fundamental));
}
