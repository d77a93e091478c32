// Arrays of funds in the packed scenario; see `Waterfall` in __init__.py.
#pragma once

#define WATERFALL_ARRAYS(X)        \
    X(int32_t, waterfall_split)    \
    X(float, waterfall_share)      \
    X(float, waterfall_coin_share) \
    X(int32_t, waterfall_coin)     \
    X(int32_t, waterfall_window)   \
    X(int32_t, waterfall_claim)    \
    X(int32_t, waterfall_socialise)
