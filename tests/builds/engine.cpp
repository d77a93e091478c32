// What is built by the compiler that is tried out: the engine and the tally, with nothing of a C++ library.
//
// With WHOLE it is the form in which one thread of a GPU carries a path, lanes as plain arrays.
#if defined(WHOLE)
#include <cstddef>
#include <cstring>
#include <new>

#define RUN_SIZES
#include "kernels/integers.h"
constexpr int MAX_ASSET = 16, MAX_SLOT = 16, MAX_SOURCE = 8, MAX_EVENT = 8, MAX_PAST = 1024,
              MAX_POT = MAX_ASSET;
constexpr int MAX_STEP = 1 << 12, MAX_CLOSING = 1 << 14;
#include "kernels/fused.h"

#define TRACED

namespace ISA {

static inline int first_lane(uint32_t mask) { return __builtin_ctz(mask); }
static inline int count_lanes(uint32_t mask) { return __builtin_popcount(mask); }
static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float root(float x) { return __builtin_sqrtf(x); }

#include "kernels/parts/lanes/lanes_whole_fused.h"
#include "kernels/path_fused.h"

void run_paths(const PackedScenario& s, uint64_t seed, uint64_t first, int count, float* rows,
               uint32_t* status, int64_t* counters, float* trace) {
    void* room = ::operator new(sizeof(Engine));
    std::memset(room, 0xff, sizeof(Engine));
    Engine* engine = new (room) Engine(s);
    engine->trace = trace;
    for (int i = 0; i < count; ++i)
        status[i] = engine->run(seed, first + i, rows + (int64_t)i * s.n_cell, counters);
    ::operator delete(room);
}

}  // namespace ISA
#else
#include "kernels/fused_isa.cpp"
#endif
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
