// Arrays of halts in the packed scenario; see `Halt` in __init__.py.
#pragma once

#define HALT_ARRAYS(X)      \
    X(int32_t, halt_row)    \
    X(int32_t, halt_closed) \
    X(float, halt_fall)     \
    X(float, halt_rise)     \
    X(int32_t, halt_steps)  \
    X(float, halt_decay)
