// Arrays of auto-deleveraging in the packed scenario; see `Adl` in __init__.py.
#pragma once

#define ADL_ARRAYS(X)    \
    X(float, adl_equity) \
    X(float, adl_entry)  \
    X(float, adl_hedged) \
    X(int32_t, adl_at_mark)
