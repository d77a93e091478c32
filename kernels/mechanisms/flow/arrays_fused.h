// Arrays of frozen flows in the packed scenario; see `Flow` and `Response` in __init__.py.
#pragma once

#define FLOW_ARRAYS(X)   \
    X(int32_t, flow_row) \
    X(float, flow_level) \
    X(int32_t, flow_channel)

#define RESPONSE_ARRAYS(X)     \
    X(float, response_decay)   \
    X(float, response_start)   \
    X(float, response_lowest)  \
    X(float, response_highest) \
    X(float, response_rate)

#define PREMIUM_ARRAYS(X)      \
    X(int32_t, premium_source) \
    X(float, premium_share)    \
    X(float, premium_above)    \
    X(float, premium_below)    \
    X(float, premium_buys)     \
    X(float, premium_sells)    \
    X(float, premium_most)
