// Arrays of accounts in the packed scenario; see `Account` in __init__.py.
#pragma once

#define ACCOUNT_ARRAYS(X)         \
    X(float, account_need)        \
    X(float, account_need_fixed)  \
    X(float, account_value)       \
    X(float, account_value_fixed) \
    X(float, account_loss)        \
    X(float, account_loss_fixed)  \
    X(float, account_worth)       \
    X(float, account_worth_fixed) \
    X(float, account_lean)        \
    X(float, account_start)       \
    X(float, account_forced)      \
    X(float, account_size)        \
    X(float, account_size_fixed)  \
    X(float, account_inverse)     \
    X(float, account_borrowed)    \
    X(float, account_sold)        \
    X(float, account_legs)        \
    X(float, account_response)    \
    X(float, account_throughput)  \
    X(float, account_bonus)       \
    X(int32_t, account_losing)    \
    X(int32_t, account_channel)
