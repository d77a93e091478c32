// Arrays of central clearing in the packed scenario; see `Clearing` in __init__.py.
#pragma once

#define CLEARING_ARRAYS(X) X(float, clearing_layer)
