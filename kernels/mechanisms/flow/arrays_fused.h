// Arrays of frozen flows in the packed scenario; see `Flow` in __init__.py.
#pragma once

#define FLOW_ARRAYS(X)   \
    X(int32_t, flow_row) \
    X(float, flow_level) \
    X(int32_t, flow_channel)
