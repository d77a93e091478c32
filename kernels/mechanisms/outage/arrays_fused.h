// Arrays of outages in the packed scenario; see `Outage` in __init__.py.
#pragma once

#define OUTAGE_ARRAYS(X)               \
    X(int32_t, outage_row)             \
    X(int32_t, outage_down)            \
    X(float, outage_throughput)        \
    X(float, outage_depth)             \
    X(float, outage_hazard)            \
    X(float, outage_decay)             \
    X(float, outage_recovery)          \
    X(float, outage_failed_throughput) \
    X(float, outage_failed_depth)
