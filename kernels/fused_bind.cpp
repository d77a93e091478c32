// The extension module `kernels._fused`: the fused engine and the tallies, in one library.

#include "kernels/bind.h"

NB_MODULE(_fused, m) {
    bind_engine(m);
    bind_tally(m);
}
