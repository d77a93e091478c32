// Arrays of funding in the packed scenario; see `Funding` in __init__.py.
#pragma once

#define FUNDING_ARRAYS(X)           \
    X(float, funding_premium)       \
    X(float, funding_interest)      \
    X(float, funding_clamp)         \
    X(float, funding_cap)           \
    X(float, funding_share)         \
    X(float, funding_weight)        \
    X(float, funding_open_interest) \
    X(int32_t, funding_row)         \
    X(float, funding_spike)
