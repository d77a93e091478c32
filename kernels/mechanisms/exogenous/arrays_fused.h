// Arrays of exogenous processes in the packed scenario; see the parts in __init__.py.
#pragma once

#define STOCHASTIC_VOLATILITY_ARRAYS(X)        \
    X(float, stochastic_volatility_decay)      \
    X(float, stochastic_volatility_innovation) \
    X(float, stochastic_volatility_start)      \
    X(float, stochastic_volatility_start_sd)   \
    X(float, stochastic_volatility_centre)     \
    X(float, stochastic_volatility_leverage)   \
    X(float, stochastic_volatility_remainder)  \
    X(float, stochastic_volatility_loading)
