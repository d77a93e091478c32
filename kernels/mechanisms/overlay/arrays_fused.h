// Arrays of overlays that have a part of their own; see `Margin` in __init__.py.
#pragma once

#define MARGIN_RAISE_ARRAYS(X)   \
    X(int32_t, margin_raise_row) \
    X(float, margin_raise_level) \
    X(float, margin_raise_rate)
