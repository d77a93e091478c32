// What backstop vaults take of a cascade: same statements as `Taking` in step_numpy.py.
#pragma once

constexpr float LEAST_BOOKED = 0.01f;

struct Taking {
    vec take, space[2];
    bool some;  // false: nothing else is set

    vec taken(int side, vec flow) const { return minimum(take * flow, space[side]); }

    vec booked(int side, vec flow) const { return some ? flow - taken(side, flow) : flow; }

    // Most that executes where books and engines take `most`.
    vec limit(int side, vec most) const {
        if (!some) return most;
        return minimum(most / maximum(1.0f - take, splat(LEAST_BOOKED)), most + space[side]);
    }
};
