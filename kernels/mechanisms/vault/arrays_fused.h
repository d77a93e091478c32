// Arrays of backstop vaults in the packed scenario; see `Vault` in __init__.py.
#pragma once

#define VAULT_ARRAYS(X)     \
    X(float, vault_room)    \
    X(float, vault_take)    \
    X(float, vault_gap)     \
    X(float, vault_unwind)  \
    X(float, vault_capital) \
    X(float, vault_whose)
