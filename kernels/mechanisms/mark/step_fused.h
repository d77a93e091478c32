// Mark prices of one asset: same statements as step_numpy.py.
#pragma once

// Four source venues' share in the marks of all.
template <int FIRST> static inline vec mark_of_four(vec displaced, const vec* weight, int n_source) {
    vec sum = weight[FIRST] * lane<FIRST>(displaced);
    if (n_source > FIRST + 1) sum = fma(weight[FIRST + 1], lane<FIRST + 1>(displaced), sum);
    if (n_source > FIRST + 2) sum = fma(weight[FIRST + 2], lane<FIRST + 2>(displaced), sum);
    if (n_source > FIRST + 3) sum = fma(weight[FIRST + 3], lane<FIRST + 3>(displaced), sum);
    return sum;
}

// `weight` holds one vector per source venue: its weight in every venue's mean.
INLINE vec weighted(vec displaced, const vec* weight, int n_source) {
    vec sum = mark_of_four<0>(displaced, weight, n_source);
    if (n_source > 4) sum += mark_of_four<4>(displaced, weight, n_source);
    if (n_source > 8) sum += mark_of_four<8>(displaced, weight, n_source);
    if (n_source > 12) sum += mark_of_four<12>(displaced, weight, n_source);
    return sum;
}

// Rules of one asset's marks, made once per engine.
struct Marking {
    vec weight[LANES];  // of sources in the first candidate, own price included
    int n_source;       // sources of any mark, up to the last
    bool medians;
    bool simple;      // a mean of sources that are never too far from the others
    bool one_index;   // the second index is the first
    float narrowest;  // smallest tolerance, percent
    vec own, decay, tolerance;
    ivec median, drops;
    uint32_t choosy;  // venues that leave out sources far from the others
    ivec sources;     // which these are taken from
    vec index[LANES], second[LANES];
};

static inline void make_marking(const PackedScenario& s, int a, Marking& k) {
    const int first = a * s.n_venue;
    for (int u = 0; u < s.n_venue; ++u) k.weight[u] = load(s.mark_weight, first + u);
    const bool there = s.marking_own != nullptr;
    const vec never = splat(1e30f), zero = splat(0.0f);
    k.own = there ? load(s.marking_own, a) : zero;
    k.decay = there ? load(s.marking_decay, a) : zero;
    k.tolerance = there ? load(s.marking_tolerance, a) : never;
    k.median = there ? load_integers(s.marking_median, a) != 0 : isplat(0);
    k.drops = there ? load_integers(s.marking_drops, a) != 0 : isplat(0);
    k.medians = any(k.median);
    k.choosy = above(splat(1e30f), k.tolerance) & ((1u << s.n_venue) - 1);
    k.simple = !k.medians && !k.choosy;
    k.sources = isplat(0);
    k.narrowest = 100.0f * lane_min(select(LANE < s.n_venue, k.tolerance, never));
    k.one_index = true;
    k.n_source = 1;
    for (int u = 0; u < s.n_venue; ++u) {
        k.index[u] = there ? load(s.marking_index, first + u) : k.weight[u];
        k.second[u] = there ? load(s.marking_second, first + u) : k.weight[u];
        const vec weight = maximum(k.index[u], k.second[u]);
        if (above(maximum(k.weight[u], weight), 0.0f)) k.n_source = u + 1;
        if (above(select(k.tolerance < 1e30f, weight, zero), 0.0f)) k.sources[u] = -1;
        k.one_index = k.one_index && !any(k.median & (k.index[u] != k.second[u]));
    }
}

// A weighted mean of log prices, of which some stand still: scale f + 1% weight . x + still + error.
struct Blend {
    vec scale, still, error;
};

static inline vec blended(const Blend& b, float fundamental, vec moving) {
    return fma(splat(PERCENT), moving, fma(b.scale, splat(fundamental), b.still)) + b.error;
}

// The rules frozen for a step.
struct Marks {
    bool plain;    // one weighted mean of prices that all move
    bool based;    // `base` holds what this step's rules start from
    bool medians;  // some venue's is the median of three
    bool one_index;
    int n_source;
    const vec *weight, *other;
    Blend first, own, second;
    Blend base[3];              // the same before errors and the basis
    uint32_t far[2][LANES];     // sources too far from the others, of either index
    bool some_far;              // there may be any
    ivec median, frozen, late;  // marks that stand still at `held`, and those of an earlier step, `shown`
    vec held, shown;
    vec weights[LANES], others[LANES];  // where sources were left out or stand still
};

static inline vec middle(vec a, vec b, vec c) { return maximum(minimum(a, b), minimum(maximum(a, b), c)); }

struct Candidates {
    vec first, own, second;
};

INLINE Candidates candidates(const Marks& r, float fundamental, vec displaced) {
    const vec moving = weighted(displaced, r.weight, r.n_source);
    const vec other = r.one_index ? moving : weighted(displaced, r.other, r.n_source);
    // A halted market's own price stands still, whatever its book does.
    return {blended(r.first, fundamental, moving), blended(r.own, fundamental, r.own.scale * displaced),
            blended(r.second, fundamental, other)};
}

// `seen`: takes the candidates where there are medians.
INLINE vec mark(const Marks& r, float fundamental, vec displaced, Candidates* seen = nullptr) {
    if (r.plain) return fma(splat(PERCENT), weighted(displaced, r.weight, r.n_source), splat(fundamental));
    vec price;
    if (r.medians) {
        const Candidates c = candidates(r, fundamental, displaced);
        if (seen) *seen = c;
        price = select(r.median, middle(c.first, c.own, c.second), c.first);
    } else {
        price = blended(r.first, fundamental, weighted(displaced, r.weight, r.n_source));
    }
    return select(r.frozen, r.held, select(r.late, r.shown, price));
}

// In which order the candidates of every median stand.
INLINE ivec order(const Marks& r, const Candidates& c) {
    return (((c.first > c.own) & 1) | ((c.first > c.second) & 2) | ((c.own > c.second) & 4)) & r.median;
}

// Sources too far from the median of the others, by venue: bits. `price`: displacement of every source, in
// percent, a halted one's as it stands; `out`: sources that an index may leave out.
static inline void far_sources(const Marking& k, const vec* weight, vec price, uint32_t out, int n_venue,
                               uint32_t* far) {
    for (uint32_t rest = k.choosy; rest; rest &= rest - 1) {
        const int v = __builtin_ctz(rest);
        const uint32_t gone = k.drops[v] ? out : 0;
        float ordered[LANES];
        int n = 0;
        for (int u = 0; u < n_venue; ++u) {
            if (gone >> u & 1 || !(weight[u][v] > 0.0f)) continue;
            int at = n++;
            for (; at > 0 && ordered[at - 1] > price[u]; --at) ordered[at] = ordered[at - 1];
            ordered[at] = price[u];
        }
        far[v] = 0;
        if (!n) continue;
        const float centre = 0.5f * (ordered[(n - 1) / 2] + ordered[n / 2]);
        for (int u = 0; u < n_venue; ++u) {
            const float gap = (float)price[u] - centre;
            if ((gap < 0.0f ? -gap : gap) > 100.0f * k.tolerance[v]) far[v] |= 1u << u;
        }
    }
}

// Weights of the sources that count: neither left out as halted or down, nor far from the others.
static inline void kept(const Marking& k, const vec* weight, uint32_t out, const uint32_t* far, int n_venue,
                        vec* left) {
    vec total = splat(0.0f);
    for (int u = 0; u < n_venue; ++u) {
        const ivec gone = out >> u & 1 ? k.drops : isplat(0);
        left[u] = select(gone, splat(0.0f), weight[u]);
    }
    for (uint32_t rest = k.choosy; rest; rest &= rest - 1) {
        const int v = __builtin_ctz(rest);
        for (uint32_t gone = far[v]; gone; gone &= gone - 1) left[__builtin_ctz(gone)][v] = 0.0f;
    }
    for (int u = 0; u < n_venue; ++u) total = total + left[u];
    const ivec some = total > 0.0f;  // where all would be left out, none is
    for (int u = 0; u < n_venue; ++u)
        left[u] = select(some, left[u] / select(some, total, splat(1.0f)), weight[u]);
}

// Take the halted sources out of a mean: they stand still.
static inline void stand(vec* weight, uint32_t halted, vec last, Blend& b) {
    for (uint32_t rest = halted; rest; rest &= rest - 1) {
        const int u = __builtin_ctz(rest);
        b.still = fma(weight[u], splat(last[u]), b.still);
        b.scale = b.scale - weight[u];
        weight[u] = splat(0.0f);
    }
}

// Weights without the sources that do not count, and what stands still of the means.
static inline void leave_out(const Marking& k, vec last, uint32_t halted, uint32_t out, int n_venue,
                             Marks& r) {
    const vec one = splat(1.0f);
    kept(k, k.index, out, r.far[0], n_venue, r.weights);
    for (int u = 0; u < n_venue; ++u) {
        r.weights[u] = (one - k.own) * r.weights[u];
        r.weights[u][u] += k.own[u];
    }
    stand(r.weights, halted, last, r.base[0]);
    if (!k.medians) return;
    kept(k, k.second, out, r.far[1], n_venue, r.others);
    stand(r.others, halted, last, r.base[2]);
    for (uint32_t rest = halted; rest; rest &= rest - 1) {
        const int v = __builtin_ctz(rest);
        r.base[1].scale[v] = 0.0f;
        r.base[1].still[v] = last[v];
    }
}

// Whether sources lie so far apart that one may be too far from the others.
static inline bool apart(const Marking& k, vec price) {
    const float low = lane_min(select(k.sources, price, splat(1e30f)));
    const float high = lane_max(select(k.sources, price, splat(-1e30f)));
    return high - low > k.narrowest;
}

// Find the sources that are far from the others; whether they are those of the step before.
static inline bool same_far(const Marking& k, vec price, uint32_t out, bool spread, int n_venue, Marks& r) {
    if (!k.choosy || !(spread || r.some_far)) return true;
    r.some_far = spread;
    uint32_t far[2][LANES] = {};
    if (spread) {
        far_sources(k, k.index, price, out, n_venue, far[0]);
        if (k.medians) far_sources(k, k.second, price, out, n_venue, far[1]);
    }
    if (std::memcmp(far, r.far, sizeof far) == 0) return true;
    std::memcpy(r.far, far, sizeof far);
    return false;
}

// Rules without errors of feeds that are those of the step before, but for the basis.
static inline void follow_basis(const Marking& k, vec basis, Marks& r) {
    r.frozen = r.late = isplat(0);
    r.first.error = splat(PERCENT) * select(k.median, basis, splat(0.0f));
}

// The rules of marks for one step. `last`: log price of the sources that are `halted`; `out`: those that an
// index may leave out; `error`: of the feeds, by candidate, `stride` rows apart, or null; `special`: some
// mark stands still; `spread`: prices lie so far apart that a source may be too far from the others. `same`:
// what is left out and what stands still are what they were in the step before.
static inline void freeze_unusual(const Marking& k, vec basis, vec last, uint32_t halted, uint32_t out,
                                  const float* error, int stride, bool unusual, bool same, int n_venue,
                                  Marks& r) {
    const vec zero = splat(0.0f), one = splat(1.0f);
    r.plain = false;
    r.medians = k.medians;
    r.one_index = k.one_index;
    r.median = k.median;
    r.frozen = r.late = isplat(0);
    r.held = r.shown = zero;
    r.other = k.second;
    if (!(same && r.based)) {
        r.based = true;
        for (int c = 0; c < 3; ++c) r.base[c] = {one, zero, zero};
        if (unusual) leave_out(k, last, halted, out, n_venue, r);
    }
    if (unusual) {
        r.weight = r.weights;
        if (k.medians) r.other = r.others;
    }
    r.first = r.base[0];
    r.own = r.base[1];
    r.second = r.base[2];
    if (error) {
        r.first.error = load(error, 0);
        r.own.error = load(error, stride);
        r.second.error = load(error, 2 * stride);
    }
    r.first.error = fma(splat(PERCENT), select(k.median, basis, zero), r.first.error);
}

INLINE void freeze(const Marking& k, vec basis, vec last, uint32_t halted, uint32_t out, const float* error,
                   int stride, bool special, bool spread, bool same, int n_venue, Marks& r) {
    r.weight = k.weight;
    r.n_source = k.n_source;
    r.plain = true;
    r.based = r.based && same;
    const bool unusual = halted || (out && any(k.drops)) || spread;
    if (k.medians || unusual || error || special)
        freeze_unusual(k, basis, last, halted, out, error, stride, unusual, same, n_venue, r);
}

// Average basis after a step. price: log, at its end.
static inline vec remember_basis(const Marking& k, const Marks& r, vec basis, float fundamental, vec price) {
    const vec displaced = (price - fundamental) * 100.0f;
    const vec index = fma(splat(PERCENT), weighted(displaced, r.weight, r.n_source),
                          fma(r.first.scale, splat(fundamental), r.first.still));
    const vec gap = (price - index) * 100.0f;
    const vec now = fma(k.decay, basis, (1.0f - k.decay) * gap);
    const vec next = select(absolute(now) < SNAP, splat(0.0f), now);
    return select(k.median & ~r.frozen, next, basis);
}
