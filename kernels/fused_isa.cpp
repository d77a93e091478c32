// The fused engine: whole paths, one at a time, sixteen venues wide. Compiled once for every
// instruction set; everything lies in a namespace of that name, so that the linker can never keep
// a copy built for another.
#include "kernels/fused.h"

#include <cstddef>
#include <cstring>
#include <new>
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC says of its own intrinsics that they read what is not set (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

#define TRACED  // paths can be told in detail

namespace ISA {

#include "kernels/parts/lanes/lanes_fused.h"
#include "kernels/path_fused.h"

static void run_range(Engine& engine, const PackedScenario& s, uint64_t seed, uint64_t first, int count,
                      float* rows, uint32_t* status, int64_t* counters, float* trace) {
    engine.trace = trace;
    for (int i = 0; i < count; ++i)
        status[i] = engine.run(seed, first + i, rows + (int64_t)i * s.n_cell, counters);
}

void run_paths(const PackedScenario& s, uint64_t seed, uint64_t first, int count, float* rows,
               uint32_t* status, int64_t* counters, float* trace) {
    if (s.gate) {
        Engine engine(s);
        run_range(engine, s, seed, first, count, rows, status, counters, trace);
        return;
    }
    // Where gating is to show that it changes nothing, memory that nobody has set is no number either.
    const std::align_val_t alignment{alignof(Engine)};
    void* room = ::operator new(sizeof(Engine), alignment);
    std::memset(room, 0xff, sizeof(Engine));
    Engine* engine = new (room) Engine(s);
    run_range(*engine, s, seed, first, count, rows, status, counters, trace);
    engine->~Engine();
    ::operator delete(room, alignment);
}

void replay_path(const PackedScenario& s, uint64_t seed, uint64_t path, float* row, uint32_t* status,
                 int64_t* counters, Replay* replay) {
    Engine engine(s);
    engine.tell(replay);
    *status = engine.run(seed, path, row, counters);
}

}  // namespace ISA
