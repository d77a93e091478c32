// Order books, sixteen venues at a time: same statements as step_numpy.py.
#pragma once

constexpr float PERCENT = 0.01f, SNAP = 1e-3f;

// Constants of one asset's books.
struct Book {
    vec alpha, rest, alpha2, four_rest;  // rest = 1 - alpha
    vec band, band_amount, band_slope;   // where the quadratic ends; never reached when not `steep`
    vec end_amount;                      // all that the book holds on a side, in depths
    ivec limited;                        // has a hard end
    vec refill, snap;
    bool steep, any_limited;
    bool gives;  // some book gives way with displacement
    bool alike;  // one shape and one band
};

static inline bool one_value(vec x, ivec among) {
    return lane_min(select(among, x, splat(2e30f))) == lane_max(select(among, x, splat(-2e30f)));
}

static inline Book make_book(const PackedScenario& s, int a, ivec listed) {
    Book b;
    b.alpha = load(s.alpha, a);
    b.rest = 1.0f - b.alpha;
    b.alpha2 = b.alpha * b.alpha;
    b.four_rest = 4.0f * b.rest;
    const vec band = load(s.band, a), end = load(s.hard_end, a);
    const ivec steep = band < 1e30f;
    b.band = select(steep, band, splat(1e30f));
    const vec edge = select(steep, band, splat(0.0f));
    b.band_amount = select(steep, edge * fma(b.rest, edge, b.alpha), splat(1e30f));
    b.band_slope = fma(2.0f * b.rest, edge, b.alpha);
    b.limited = end < 1e30f;
    const vec inside = minimum(end, b.band), beyond = end - inside;
    b.end_amount =
        select(b.limited, fma(beyond, b.band_slope, inside * fma(b.rest, inside, b.alpha)), splat(1e30f));
    b.refill = load(s.refill, a);
    b.snap = b.alpha * SNAP;
    b.steep = any(steep);
    b.gives = any(b.alpha > 1.0f);
    b.any_limited = any(b.limited);
    b.alike = one_value(b.alpha, listed) && one_value(b.band, listed);
    return b;
}

// Normalised consumption that displaces the price by x percent; x at least zero.
static inline vec consumption(const Book& b, vec x) {
    const vec inside = minimum(x, b.band);
    return fma(x - inside, b.band_slope, inside * fma(b.rest, inside, b.alpha));
}

INLINE vec displacement(const Book& b, vec q) {
    const vec size = absolute(q);
    if (!b.steep) {
        const vec inner = root(fma(b.four_rest, size, b.alpha2));
        return copysign((size + size) / (b.alpha + inner), q);
    }
    const vec inside = minimum(size, b.band_amount);
    const vec inner = root(maximum(fma(b.four_rest, inside, b.alpha2), splat(0.0f)));
    const vec beyond = (size - inside) / b.band_slope;
    return copysign((inside + inside) / (b.alpha + inner) + beyond, q);
}

INLINE vec refill(const Book& b, vec q) {
    q = q * b.refill;
    return select(absolute(q) < b.snap, splat(0.0f), q);
}

// Dollars that the books can still absorb: sells when sign is 1, buys when -1.
static inline vec room(const Book& b, vec q, vec depth, float sign) {
    const vec left = maximum(fma(splat(sign), q, b.end_amount), splat(0.0f)) * depth;
    return select(b.limited, left, splat(1e30f));
}

struct Stretch {
    vec volume, mean;
};

// Volume and mean displacement between two displacements of one sign; both at least zero.
static inline Stretch stretch(const Book& book, vec start, vec end) {
    const vec low = minimum(start, end), high = maximum(start, end);
    const vec a = minimum(low, book.band), b = minimum(high, book.band);
    const vec slope = fma(book.rest, a + b, book.alpha);
    const vec squares = fma(a, a, fma(a, b, b * b));
    const vec mean = fma(book.rest * 0.6666667f, squares, book.alpha * (a + b) * 0.5f) / slope;
    const vec inside = (b - a) * slope;
    if (!book.steep) return {inside, mean};
    const vec c = maximum(low, book.band), d = maximum(high, book.band);
    const vec beyond = select(high > book.band, (d - c) * book.band_slope, splat(0.0f));
    const vec total = inside + beyond;
    const vec weighted =
        fma(mean, inside, (c + d) * 0.5f * beyond) / select(total > 0.0f, total, splat(1.0f));
    // All of it past the band, also where it is no more than a point.
    return {total, select(low > book.band, (c + d) * 0.5f, select(beyond > 0.0f, weighted, mean))};
}

static inline vec mean_displacement(const Book& book, vec start, vec end) {
    const vec a = absolute(start), b = absolute(end);
    const vec same = copysign(stretch(book, a, b).mean, start + end);
    const ivec crossing = start * end < 0.0f;
    if (!any(crossing)) return same;
    const Stretch first = stretch(book, a, splat(0.0f)), second = stretch(book, b, splat(0.0f));
    const vec total = first.volume + second.volume;
    const vec split =
        fma(copysign(first.mean, start), first.volume, copysign(second.mean, end) * second.volume);
    return select(crossing, split / select(total > 0.0f, total, splat(1.0f)), same);
}
