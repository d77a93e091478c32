// Arrays of whales in the packed scenario; see `Whale` in __init__.py.
#pragma once

#define WHALE_ARRAYS(X)       \
    X(uint64_t, whale_chance) \
    X(float, whale_size)      \
    X(float, whale_deviation) \
    X(float, whale_power)     \
    X(float, whale_cap)       \
    X(float, whale_open)      \
    X(float, whale_margin)    \
    X(float, whale_spread)    \
    X(float, whale_rate)      \
    X(float, whale_floor)
