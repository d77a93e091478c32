// What is built by the compiler that is tried out: the engine and the tally, with nothing of a C++ library.
#include "kernels/fused_isa.cpp"
#include "kernels/tally.h"

#include <cmath>

namespace ISA {

#include "kernels/parts/histogram/histogram_fused.h"

}  // namespace ISA

void try_paths(const PackedScenario& s, uint64_t seed, uint64_t first, int count, float* rows,
               uint32_t* status, int64_t* counters, float* trace) {
    ISA::run_paths(s, seed, first, count, rows, status, counters, trace);
}

int64_t try_tally(const TallyArrays& t) {
    namespace histogram = ISA::histogram;
    const histogram::Cells cells{t.exponent, t.counts, t.remainders, t.sums, t.squares};
    histogram::Workspace* space = new histogram::Workspace;
    int64_t bad = 0;
    for (int c = 0; c < t.n_cell; c += histogram::block)
        bad += histogram::add_block(t.rows, t.n_path, t.n_cell, c, cells, *space);
    delete space;
    return bad;
}
