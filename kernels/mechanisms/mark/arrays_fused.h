// Arrays of marks in the packed scenario; see `Marking` in __init__.py.
#pragma once

#define MARKING_ARRAYS(X)       \
    X(float, marking_own)       \
    X(float, marking_index)     \
    X(float, marking_second)    \
    X(int32_t, marking_median)  \
    X(float, marking_decay)     \
    X(float, marking_tolerance) \
    X(int32_t, marking_drops)
