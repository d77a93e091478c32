// Words to tails and normals: Wichura's PPND7 (AS 241, 1988), relative error about 1e-7.
#pragma once

// Tail probability in (0, 1/2]; `upper` is all ones where it is the upper tail.
static inline vec tail(uvec word, ivec& upper) {
    upper = (ivec)word < 0;
    const ivec low = (ivec)(word ^ (uvec)upper);  // below 2**31
    // Split so that float keeps all that it can of low + 1/2: high part exact, low part added once.
    const vec high = to_float(low & ~0xff);
    const vec rest = to_float(low & 0xff) + 0.5f;
    return (high + rest) * 2.3283064365386963e-10f;
}

static inline vec normal(uvec word) {
    ivec upper;
    const vec t = tail(word, upper);
    const vec c = 0.5f - t;
    const vec r = fma(splat(0.0f) - c, c, splat(0.180625f));
    vec a = splat(59.109374720f);
    a = fma(a, r, splat(159.29113202f));
    a = fma(a, r, splat(50.434271938f));
    a = fma(a, r, splat(3.3871327179f));
    vec b = splat(67.187563600f);
    b = fma(b, r, splat(78.757757664f));
    b = fma(b, r, splat(17.895169469f));
    b = fma(b, r, splat(1.0f));
    const ivec far = c > 0.425f;
    vec numerator = c * a, denominator = b;
    if (any(far)) {
        const vec s = root(0.0f - logarithm(t)) - 1.6f;
        vec d = splat(0.17023821103f);
        d = fma(d, s, splat(1.3067284816f));
        d = fma(d, s, splat(2.7568153900f));
        d = fma(d, s, splat(1.4234372777f));
        vec e = splat(0.12021132975f);
        e = fma(e, s, splat(0.73700164250f));
        e = fma(e, s, splat(1.0f));
        numerator = select(far, d, numerator);
        denominator = select(far, e, denominator);
    }
    const vec z = numerator / denominator;
    return select(upper, z, 0.0f - z);
}
