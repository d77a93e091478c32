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

#define REGIMES_ARRAYS(X)           \
    X(uint64_t, regimes_start)      \
    X(uint64_t, regimes_transition) \
    X(float, regimes_volatility)    \
    X(float, regimes_drift)

#define CORRELATION_ARRAYS(X)   \
    X(int32_t, correlation_row) \
    X(float, correlation_cholesky)

#define BOOTSTRAP_ARRAYS(X)      \
    X(float, bootstrap_returns)  \
    X(uint64_t, bootstrap_block) \
    X(float, bootstrap_decay)    \
    X(float, bootstrap_start)
