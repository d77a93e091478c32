// Arrays of overlays that have a part of their own; see `Margin` in __init__.py.
#pragma once

#define MARGIN_RAISE_ARRAYS(X)   \
    X(int32_t, margin_raise_row) \
    X(float, margin_raise_level) \
    X(float, margin_raise_rate)

#define EVENT_ARRAYS(X)        \
    X(float, event_quantile)   \
    X(float, event_share)      \
    X(float, event_shock)      \
    X(float, event_volatility) \
    X(float, event_depth)      \
    X(float, event_rate)
