// Arrays of uncertain leverage in the packed scenario; see `Leverage` in __init__.py.
#pragma once

#define LEVERAGE_ARRAYS(X)    \
    X(float, leverage_common) \
    X(float, leverage_own)    \
    X(float, leverage_most)
