// Arrays of listed accounts in the packed scenario; see `Cover` in __init__.py.
#pragma once

#define COVER_ARRAYS(X)       \
    X(int32_t, cover_account) \
    X(int32_t, cover_asset)   \
    X(int32_t, cover_venue)   \
    X(int32_t, cover_side)    \
    X(float, cover_notional)  \
    X(float, cover_equity)    \
    X(float, cover_prefunded)
