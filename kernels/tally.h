// The tally as built for each instruction set: what the binding and the builds share.
#pragma once

#include <cstdint>

struct TallyArrays {
    const float* rows;        // [path][cell]
    const int32_t* exponent;  // [cell]
    int64_t* counts;          // [cell][bin]
    int64_t* remainders;      // [cell][bin]
    uint64_t* sums;           // [cell][word], low and high
    uint64_t* squares;        // [cell][word]
    int64_t n_path;
    int n_cell;
    int n_thread;
};

namespace base {
int64_t tally_add(const TallyArrays&);
}
#if defined(__x86_64__)
namespace v3 {
int64_t tally_add(const TallyArrays&);
}
namespace v4 {
int64_t tally_add(const TallyArrays&);
}
#endif
