// Arrays of feeds in the packed scenario; see `Feed` in __init__.py.
#pragma once

#define FEED_ARRAYS(X)     \
    X(int32_t, feed_row)   \
    X(int32_t, feed_wrong) \
    X(float, feed_error)   \
    X(int32_t, feed_stale) \
    X(int32_t, feed_lag)
